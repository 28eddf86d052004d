"""Settings: what a file and the environment may say, and how everything wrong is told at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr, ValidationError

from bridge import config
from bridge.config import BaseSettings, find_file, load
from bridge.model.errors import ConfigError
from bridge.model.limits import Limit
from bridge.model.message import Priority
from bridge.model.price import PriceTable
from bridge.model.when import Quiet, parse_hours
from bridge.pipeline.routing import Match, Route

SANDBOX = '[carriers.sandbox]\nkind = "sandbox"\noutbox = "outbox.jsonl"\n'

SECOND = timedelta(seconds=1)

Read = Callable[..., BaseSettings]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Load a file of the text given, with the environment given."""

    def from_text(text: str = "", **environment: str) -> BaseSettings:
        path = tmp_path / "bridge.toml"
        path.write_text(text, encoding="utf-8")
        return load(path, {f"SMSBRIDGE_{name}": value for name, value in environment.items()})

    return from_text


def problems(read: Read, text: str = "", **environment: str) -> tuple[str, ...]:
    """Return what is wrong with a configuration."""
    with pytest.raises(ConfigError) as told:
        read(text, **environment)
    return told.value.problems


# What is read.


def test_nothing_need_be_said(read: Read, tmp_path: Path) -> None:
    """An empty file is a whole configuration: a SQLite file beside it, doors on this machine, no carrier."""
    settings = read()
    assert settings.database.get_secret_value() == f"sqlite:///{tmp_path}/bridge.db"
    assert settings.door("smtp").listen == ("127.0.0.1:8025",)
    assert settings.door("http").listen == "127.0.0.1:8080"
    assert (settings.carriers, settings.ways(), settings.default_region) == ({}, (), None)


def test_a_whole_file(read: Read) -> None:
    """Every kind of value arrives as what it means."""
    settings = read(
        f"""
        database = "postgresql://bridge:hunter2@db/sms"
        public_url = "https://sms.example.com"
        default_region = "il"
        [smtp]
        listen = ["127.0.0.1:0", "[::1]:0"]
        domains = ["SMS.example.com"]
        trusted_networks = ["192.0.2.0/24"]
        [dispatch]
        lease = "1m"
        lifetime = "2d"
        first_retry = 2
        longest_retry = "0.5h"
        {SANDBOX}
        """
    )
    assert settings.database.get_secret_value() == "postgresql://bridge:hunter2@db/sms"
    assert settings.default_region == "IL"
    smtp = settings.door("smtp")
    assert smtp.listen == ("127.0.0.1:0", "[::1]:0")
    assert smtp.domains == ("sms.example.com",)
    assert smtp.trusted_networks == (ip_network("192.0.2.0/24"),)
    dispatch = settings.dispatch
    assert (dispatch.lease, dispatch.lifetime) == (timedelta(minutes=1), timedelta(days=2))
    assert (dispatch.first_retry, dispatch.longest_retry) == (timedelta(seconds=2), timedelta(minutes=30))


def test_the_rules_for_all(read: Read) -> None:
    """Prices, limits and quiet hours arrive in the rules that bind every submission; the mail door has the limits."""
    rules = read(
        f"""
        [prices]
        default = 1.5
        972 = 0.5
        "9725" = "0.25"
        33 = 0
        [prices.priority]
        urgent = 2
        bulk = "0.5"
        [limits]
        mail_per_number = ["60/1h", "1/10s"]
        [quiet_hours]
        il = "fri 15:00-24:00; sat 00:00-20:00"
        DE = ["22:00-07:00", "sun"]
        {SANDBOX}
        """
    ).rules()
    assert rules.prices == PriceTable(
        default=1_500,
        prefixes={"+972": 500, "+9725": 250, "+33": 0},
        multipliers={Priority.URGENT: 2_000, Priority.BULK: 500},
    )
    assert rules.per_number == {"smtp": (Limit(count=1, span=SECOND * 10), Limit(count=60, span=SECOND * 3600))}
    assert rules.quiet == {
        "IL": Quiet(windows=parse_hours("fri 15:00-24:00; sat 00:00-20:00"), zone=ZoneInfo("Asia/Jerusalem")),
        "DE": Quiet(windows=parse_hours("22:00-07:00; sun"), zone=ZoneInfo("Europe/Berlin")),
    }


def test_the_rules_where_nothing_is_said(read: Read) -> None:
    """One credit a part everywhere, no quiet hours, the usual limits for mail, and the words of many languages."""
    settings = read(SANDBOX)
    rules = settings.rules()
    assert (rules.prices, rules.quiet) == (PriceTable(), {})
    assert [str(limit) for limit in rules.per_number["smtp"]] == ["10/1m", "30/15m", "60/1h"]
    assert (rules.max_parts, rules.max_recipients, rules.lifetime) == (20, 10_000, timedelta(hours=24))
    assert {"STOP", "הסר", "СТОП"} <= set(settings.opt_out.stop)
    assert "START" in settings.opt_out.start
    assert not set(settings.opt_out.stop) & set(settings.opt_out.start)


@pytest.mark.parametrize(
    ("text", "environment", "limits"),
    [
        ("[limits]\nmail_per_number = []", {}, []),
        ("", {"LIMITS__MAIL_PER_NUMBER": "[]"}, []),
        ("", {"LIMITS__MAIL_PER_NUMBER": "5/1m, 100/1d"}, ["5/1m", "100/1d"]),
        ("", {"LIMITS__MAIL_PER_NUMBER": '["5/1m"]'}, ["5/1m"]),
        ("[limits]\nmail_per_number = '5/1m'", {}, ["5/1m"]),
    ],
)
def test_limits_of_mail(read: Read, text: str, environment: dict[str, str], limits: list[str]) -> None:
    """An empty list switches them off; one with commas is as good as a list."""
    rules = read(f"{text}\n{SANDBOX}", **environment).rules()
    assert [str(limit) for limit in rules.per_number["smtp"]] == limits


def test_opt_out_words(read: Read) -> None:
    """They stand for the usual ones, in whatever language; none switches a side off."""
    settings = read("[opt_out]\nstop = ['Genug', 'לא עוד']\nstart = []\n")
    assert settings.opt_out.stop == ("Genug", "לא עוד")
    assert settings.opt_out.start == ()
    assert read(OPT_OUT__STOP="stop, ende").opt_out.stop == ("stop", "ende")


def test_prices_from_the_environment(read: Read) -> None:
    """A key of the table comes over the file's, in exact decimals."""
    prices = read("[prices]\n972 = 0.5\n49 = 1\n", PRICES__972="0.125", PRICES__PRIORITY__HIGH="3").prices
    assert prices.prefixes == {"+972": 125, "+49": 1_000}
    assert prices.multipliers == {Priority.HIGH: 3_000}


def test_a_byte_order_mark_is_no_key(read: Read, tmp_path: Path) -> None:
    """Editors on some systems put one in front."""
    (tmp_path / "bridge.toml").write_bytes(b"\xef\xbb\xbf" + b'default_region = "IL"\r\n')
    assert load(tmp_path / "bridge.toml", {}).default_region == "IL"


def test_settings_are_frozen(read: Read) -> None:
    """Nobody changes them after they were checked."""
    settings = read()
    with pytest.raises(ValidationError):
        settings.public_url = "https://example.com"  # type: ignore[misc]
    with pytest.raises(ValidationError):
        settings.dispatch.batch = 1  # type: ignore[misc]


# Paths.


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("sqlite:///bridge.db", "sqlite:///{folder}/bridge.db"),
        ("sqlite:///data/bridge.db", "sqlite:///{folder}/data/bridge.db"),
        ("sqlite:////var/lib/bridge.db", "sqlite:////var/lib/bridge.db"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("postgresql:///sms", "postgresql:///sms"),
        ("not a url", "not a url"),
    ],
)
def test_the_database_is_beside_the_file(read: Read, tmp_path: Path, written: str, meant: str) -> None:
    """A relative SQLite file counts from the folder of the configuration, wherever the program is started."""
    settings = read(f'database = "{written}"')
    assert settings.database.get_secret_value() == meant.format(folder=tmp_path)


def test_the_paths_of_carriers_too(read: Read, tmp_path: Path) -> None:
    """The outbox of a sandbox counts from the same folder."""
    carrier = read(SANDBOX).carriers["sandbox"]
    assert Path(carrier.outbox) == tmp_path / "outbox.jsonl"


def test_without_a_file_paths_count_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All from the environment: then the working directory is the folder."""
    monkeypatch.chdir(tmp_path)
    settings = load(None, {"SMSBRIDGE_DATABASE": "sqlite:///b.db"})
    assert settings.database.get_secret_value() == f"sqlite:///{tmp_path}/b.db"


# The environment.


@pytest.mark.parametrize(
    ("name", "written", "place", "value"),
    [
        ("PUBLIC_URL", "https://example.com", "public_url", "https://example.com"),
        ("PUBLIC_URL", '"https://example.com"', "public_url", "https://example.com"),
        ("DEFAULT_REGION", "us", "default_region", "US"),
        ("SMTP__LISTEN", '["127.0.0.1:0", "127.0.0.1:1"]', "smtp.listen", ("127.0.0.1:0", "127.0.0.1:1")),
        ("SMTP__LISTEN", "127.0.0.1:0, 127.0.0.1:1", "smtp.listen", ("127.0.0.1:0", "127.0.0.1:1")),
        ("SMTP__DOMAINS", "[]", "smtp.domains", ()),
        ("SMTP__MAX_PARTS", "5", "smtp.max_parts", 5),
        ("HTTP__CONSOLE", "true", "http.console", True),
        ("DISPATCH__ENABLED", "false", "dispatch.enabled", False),
        ("DISPATCH__LEASE", "45s", "dispatch.lease", timedelta(seconds=45)),
        ("DISPATCH__LEASE", "45", "dispatch.lease", timedelta(seconds=45)),
        ("DISPATCH__BATCH", "17", "dispatch.batch", 17),
        ("DATABASE", "postgresql://u:12#3 4@h/d", "database", SecretStr("postgresql://u:12#3 4@h/d")),
        ("SMTP__HOSTNAME", "12345", "smtp.hostname", "12345"),
        ("SMTP__HOSTNAME", "true", "smtp.hostname", "true"),
        ("SMTP__HOSTNAME", "2030-01-01", "smtp.hostname", "2030-01-01"),
        ("SMTP__HOSTNAME", "a # b", "smtp.hostname", "a # b"),
        ("SMTP__HOSTNAME", "5 # no comment", "smtp.hostname", "5 # no comment"),
        ("SMTP__HOSTNAME", "", "smtp.hostname", ""),
        ("SMTP__HOSTNAME", "two\nlines = 1", "smtp.hostname", "two\nlines = 1"),
    ],
)
def test_the_environment(read: Read, name: str, written: str, place: str, value: object) -> None:
    """A list as in TOML, a number or a word plainly; a text that looks like a number stays a text."""
    found: Any = read(**{name: written})
    for step in place.split("."):
        found = getattr(found, step)
    assert found == value


def test_the_environment_comes_over_the_file(read: Read) -> None:
    """It changes one key and leaves the others of its table."""
    settings = read("[dispatch]\nbatch = 5\nlifetime = '1h'\n", DISPATCH__BATCH="6")
    assert (settings.dispatch.batch, settings.dispatch.lifetime) == (6, timedelta(hours=1))


def test_carriers_from_the_environment(read: Read, tmp_path: Path) -> None:
    """A carrier may be there whole, or a key of one in the file: however the file spells its name."""
    settings = read(
        SANDBOX.replace("sandbox]", "Main]"),
        CARRIERS__MAIN__CONCURRENCY="3",
        CARRIERS__SPARE__KIND="sandbox",
        CARRIERS__SPARE__OUTBOX="spare.jsonl",
    )
    assert list(settings.carriers) == ["Main", "spare"]
    assert settings.carriers["Main"].concurrency == 3
    assert Path(settings.carriers["spare"].outbox) == tmp_path / "spare.jsonl"


def test_routes_from_the_environment(read: Read) -> None:
    """A list of tables as in TOML."""
    settings = read(SANDBOX, ROUTES='[{name = "main", carriers = ["sandbox"]}]')
    assert settings.ways() == (Route(name="main", carriers=("sandbox",)),)


@pytest.mark.parametrize("name", ["DATABSE", "SMTP__LISTN", "NOPE__NOPE", "", "SMTP__", "SMTP"])
def test_an_unknown_variable_is_refused(read: Read, name: str) -> None:
    """A misspelt one would otherwise be a setting that silently is not."""
    (problem,) = problems(read, **{name: "1"})
    place = problem.partition(":")[0]
    assert f"{name.lower().replace('__', '.')}.".startswith(f"{place}.")


def test_other_variables_are_not_ours(read: Read) -> None:
    """Only ours are looked at; the one that names the file is no setting."""
    assert read(CONFIG="/elsewhere.toml").carriers == {}
    assert load(None, {"PATH": "/bin", "SMSBRIDGED": "1"}).carriers == {}


# What is wrong.


def test_everything_wrong_is_told_at_once(read: Read) -> None:
    """Each problem with its place, and what is allowed or meant."""
    found = problems(
        read,
        """
        databse = "sqlite:///bridge.db"
        public_url = "ftp://example.com"
        default_region = "Israel"
        [smtp]
        listn = ["127.0.0.1:1"]
        trusted_networks = ["300.0.0.0/8"]
        max_parts = 0
        [dispatch]
        lease = "soon"
        lifetime = "0s"
        [log]
        level = "loud"
        [carriers.main]
        kind = "sandbx"
        [carriers.sandbox]
        kind = "sandbox"
        concurency = 3
        [[routes]]
        name = "a b"
        carriers = ["main", "nobody"]
        """,
        DISPATCH__BATCH="many",
    )
    told = "\n".join(found)
    for expected in (
        "databse: unknown key (did you mean database?); allowed: callbacks, ",
        "public_url: ",
        "default_region: 'Israel' is no ISO 3166 country code",
        "smtp.listn: unknown key (did you mean listen?); allowed: carrier_domains, ",
        "smtp.trusted_networks.0: ",
        "smtp.max_parts: Input should be greater than or equal to 1",
        'dispatch.lease: write a time span as "30s", "15m", "24h" or "2d"',
        "dispatch.lifetime: ",
        "dispatch.batch: Input should be a valid integer",
        "log.level: ",
        "carriers.main.kind: required; one of ",
        "carriers.sandbox.concurency: unknown key (did you mean concurrency?); allowed: ",
        "routes.0.name: ",
        "routes.0.carriers: 'nobody' is not configured; there is main, sandbox",
    ):
        assert expected in told
    assert len(found) == 14


def test_the_reason_names_the_file_and_counts(read: Read, tmp_path: Path) -> None:
    """One line for the log; one is not several."""
    with pytest.raises(ConfigError) as told:
        read("nope = 1")
    assert told.value.reason == f"{tmp_path}/bridge.toml: 1 problem in the configuration"
    with pytest.raises(ConfigError, match="environment: 2 problems in the configuration"):
        load(None, {"SMSBRIDGE_NOPE": "1", "SMSBRIDGE_NEITHER": "1"})


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("carriers = 5", "carriers"),
        ("carriers = ['sandbox']", "carriers"),
        ("[carriers]\nmain = 5", "carriers.main.kind"),
        ("[carriers.main]\nkind = 5", "carriers.main.kind"),
        ("[carriers.main]\nkind = ['sandbox']", "carriers.main.kind"),
        ("[carriers.main]", "carriers.main.kind"),
        ("smtp = 5", "smtp"),
        ("routes = 5", "routes"),
        ("routes = [5]", "routes.0"),
        ("[[routes]]", "routes.0.carriers"),
        ("[[routes]]\ncarriers = []", "routes.0.carriers"),
        ("[[routes]]\ncarriers = 'sandbox'", "routes.0.carriers"),
        ("[[routes]]\ncarriers = [['sandbox']]", "routes.0.carriers.0"),
        ("[[routes]]\ncarriers = ['sandbox', 'sandbox']", "routes.0.carriers"),
        ("[[routes]]\nname = 5\ncarriers = ['sandbox']", "routes.0.name"),
        ("[[routes]]\ncarrers = ['sandbox']\ncarriers = ['sandbox']", "routes.0.carrers"),
        ("[[routes]]\ncarriers = ['sandbox']\nweights = 5", "routes.0.weights"),
        ("[[routes]]\ncarriers = ['sandbox']\nweights = {sandbox = 0}", "routes.0.weights.sandbox"),
        ("[[routes]]\ncarriers = ['sandbox']\nweights = {spare = 1}", "routes.0"),
        ("[[routes]]\ncarriers = ['sandbox']\nprefixes = ['0502']", "routes.0.prefixes.0"),
        ("[[routes]]\ncarriers = ['sandbox']\nprefixes = ['IL']", "routes.0.prefixes.0"),
        ("[[routes]]\ncarriers = ['sandbox']\nprefixes = '972'", "routes.0.prefixes"),
        ("[[routes]]\ncarriers = ['sandbox']\ncountries = ['Israel']", "routes.0.countries.0"),
        ("[[routes]]\ncarriers = ['sandbox']\naccounts = 'acme'", "routes.0.accounts"),
        ("[[routes]]\ncarriers = ['sandbox']\nsenders = [5]", "routes.0.senders.0"),
        ("[[routes]]\ncarriers = ['sandbox']\npriority = 'highest'", "routes.0.priority"),
        ("[smtp]\nlisten = 'nowhere'", "smtp.listen"),
        ("[smtp]\nlisten = ['::1:8025']", "smtp.listen"),
        ("[dispatch]\nlease = nan", "dispatch.lease"),
        ("[dispatch]\nlease = '999999d'", "dispatch.lease"),
    ],
)
def test_any_shape_is_told_and_none_is_a_crash(read: Read, text: str, place: str) -> None:
    """Whatever stands where something else belongs, its place is named."""
    if not text.startswith(("carriers", "[carriers")):
        text += f"\n{SANDBOX}"
    found = problems(read, text)
    assert found[0].startswith(place)
    assert all(one.startswith(place.removesuffix(".0")) for one in found)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("prices = 5", "prices: a table of prices by prefix"),
        ("prices = [1]", "prices: a table of prices by prefix"),
        ("[prices]\ndefault = -1", "prices: default: -1 is no price; write 1, 0.75 or the like"),
        ("[prices]\ndefault = 1.0001", "prices: default: 1.0001 is no price"),
        ("[prices]\ndefault = nan", "prices: default: nan is no price"),
        ("[prices]\ndefault = true", "prices: default: True is no price"),
        ("[prices]\n972 = 'cheap'", "prices: 972: 'cheap' is no price"),
        ("[prices]\n972 = 1000001", "prices: 972: 1000001 is no price"),
        ("[prices]\n972 = []", "prices: 972: [] is no price"),
        ("[prices]\n'+972' = 1", "prices: '+972': write a prefix as 1 to 15 digits of the international number"),
        ("[prices]\n0972 = 1", "prices: '0972': write a prefix"),
        ("[prices]\nIL = 1", "prices: 'IL': write a prefix"),
        ("[prices]\npriority = 2", "prices: priority: a table of factors by priority"),
        (
            "[prices.priority]\nsoon = 2",
            "prices: 'soon': no priority has that name; there is bulk, normal, high, urgent",
        ),
        ("[prices.priority]\nhigh = -2", "prices: high: -2 is no price"),
        ("limits = 5", "limits: "),
        ("[limits]\nmail_per_number = 5", "limits.mail_per_number: "),
        ("[limits]\nmail_per_number = ['10']", "limits.mail_per_number: '10' is no limit; write a number of texts"),
        ("[limits]\nmail_per_number = ['0/1m']", "limits.mail_per_number: '0/1m' is no limit"),
        ("[limits]\nmail_per_number = [10]", "limits.mail_per_number: '10' is no limit"),
        ("[limits]\nmail_per_number = ['1/32d']", "limits.mail_per_number: '1/32d': the span is out of range"),
        (
            "[limits]\nmail_per_number = ['1/1m', '2/60s']",
            "limits.mail_per_number: 1/1m and 2/1m are limits of the same",
        ),
        ("[limits]\nmail_per_nmber = []", "limits.mail_per_nmber: unknown key (did you mean mail_per_number?)"),
        ("quiet_hours = 5", "quiet_hours: a table of hours by country"),
        ("[quiet_hours]\nUS = '22:00-07:00'", "quiet_hours: US: no country with a time zone of its own"),
        ("[quiet_hours]\nXX = '22:00-07:00'", "quiet_hours: XX: no country with a time zone of its own"),
        ("[quiet_hours]\nIL = 'at night'", "quiet_hours: IL: days are mon, tue"),
        ("[quiet_hours]\nIL = '00:00-24:00'", "quiet_hours: IL: the quiet hours leave no time in the week"),
        ("[quiet_hours]\nIL = 5", "quiet_hours: IL: "),
        ("[quiet_hours]\nIL = [5]", "quiet_hours: IL: "),
        ("[quiet_hours]\nIL = 22:00:00", "quiet_hours: IL: "),
        ("[quiet_hours]\nil = 'sat'\nIL = 'sun'", "quiet_hours: IL: is there twice"),
        ("opt_out = 'STOP'", "opt_out: "),
        ("[opt_out]\nstop = 5", "opt_out.stop: "),
        ("[opt_out]\nstop = ['STOP', 5]", "opt_out.stop.1: "),
        ("[opt_out]\nstop = ['STOP', ' ! ']", "opt_out.stop: ' ! ' has no letter and no digit"),
        ("[opt_out]\nstop = ['yes']\nstart = ['YES.']", "opt_out: the same word in stop and in start: yes"),
        ("[opt_out]\nstrat = []", "opt_out.strat: unknown key (did you mean start?); allowed: start, stop"),
    ],
)
def test_wrong_rules_are_told(read: Read, text: str, problem: str) -> None:
    """One problem each, at its place, with what is allowed: nothing is guessed and nothing crashes."""
    (found,) = problems(read, f"{text}\n{SANDBOX}")
    assert found.startswith(problem)


def test_all_wrong_prices_are_told_at_once(read: Read) -> None:
    """With those of other tables."""
    (prices, quiet) = problems(read, f"[prices]\n972 = -1\nIL = 2\n[quiet_hours]\nXX = 'sat'\n{SANDBOX}")
    assert prices.startswith("prices: ")
    assert "972: -1 is no price" in prices
    assert "'IL': write a prefix" in prices
    assert quiet.startswith("quiet_hours: XX: ")


def test_a_route_of_the_same_name(read: Read) -> None:
    """Names are lanes in the store: each is there once, also those that come from the place."""
    route = "[[routes]]\n{}carriers = ['sandbox']\n"
    (problem,) = problems(read, route.format("name = '2'\ncountries = ['IL']\n") + route.format("") + SANDBOX)
    assert problem == "routes.1.name: '2' is taken by another route"


def test_routes(read: Read) -> None:
    """Without any, one over all carriers in their order; else as they are written, named or by their place."""
    two = SANDBOX + SANDBOX.replace("sandbox]", "spare]").replace("outbox.jsonl", "spare.jsonl")
    assert read(two).ways() == (Route(name="1", carriers=("sandbox", "spare")),)
    routes = """
        [[routes]]
        prefixes = ["+97250", "1"]
        countries = ["il"]
        accounts = ["acme"]
        senders = ["ACME Ltd"]
        priority = "high"
        carriers = ["spare"]
        [[routes]]
        name = "all"
        carriers = ["spare", "sandbox"]
        weights = { sandbox = 3 }
    """
    assert read(routes + two).ways() == (
        Route(
            name="1",
            carriers=("spare",),
            match=Match(
                prefixes=("97250", "1"),
                countries=frozenset({"IL"}),
                accounts=frozenset({"acme"}),
                senders=frozenset({"acme ltd"}),
                priority=Priority.HIGH,
            ),
        ),
        Route(name="all", carriers=("spare", "sandbox"), weights={"sandbox": 3}),
    )


def test_a_route_that_is_never_reached(read: Read) -> None:
    """One without a condition takes all: what stands after it is a mistake."""
    route = "[[routes]]\ncarriers = ['sandbox']\n"
    (problem,) = problems(read, f"{route}countries = ['IL']\n{route}{route}priority = 'high'\n{SANDBOX}")
    assert problem.startswith("routes.2: never used: routes.1 before it takes all texts")


@pytest.mark.parametrize(("written", "rate"), [("30/1s", "30/1s"), ("100000/1d", "100000/1d"), (" 5 / 60s ", "5/1m")])
def test_a_rate(read: Read, written: str, rate: str) -> None:
    """Texts in a time, in the form of limits."""
    assert str(read(f"{SANDBOX}rate = '{written}'\n").carriers["sandbox"].rate) == rate


@pytest.mark.parametrize("written", ["'fast'", "5", "'0/1s'", "'30'", "'100001/1d'", "['1/1s']"])
def test_a_rate_that_is_none(read: Read, written: str) -> None:
    """Refused at its place."""
    (problem,) = problems(read, f"{SANDBOX}rate = {written}\n")
    assert problem.startswith("carriers.sandbox.rate: ")


@pytest.mark.parametrize(
    "text", [f'database = "postgresql://u:hunter2@h/d"\nnope = 1\n{SANDBOX}', 'database = ["hunter2"]']
)
def test_no_secret_is_repeated(read: Read, text: str) -> None:
    """Neither in an error nor in what the settings show of themselves."""
    with pytest.raises(ConfigError) as told:
        read(text)
    seen = repr(told.value) + "".join(told.value.problems) + str(told.value.__cause__) + str(told.value.__context__)
    assert "hunter2" not in seen


def test_settings_hide_their_secrets(read: Read) -> None:
    """The URL of a database may hold a password."""
    settings = read('database = "postgresql://u:hunter2@h/d"')
    assert "hunter2" not in f"{settings!r} {settings}"


# Files.


def test_the_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was named, else the environment's, else bridge.toml here."""
    monkeypatch.chdir(tmp_path)
    for name in ("bridge.toml", "given.toml", "named.toml"):
        (tmp_path / name).touch()
    environment = {"SMSBRIDGE_CONFIG": "named.toml"}
    assert find_file("given.toml", environment) == Path("given.toml")
    assert find_file(None, environment) == Path("named.toml")
    assert find_file(None, {}) == Path("bridge.toml")


def test_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was named must be there; without any the environment will do; with nothing, the reason says how."""
    monkeypatch.chdir(tmp_path)
    for given, environment in (("gone.toml", {}), (None, {"SMSBRIDGE_CONFIG": "gone.toml"}), (None, {})):
        with pytest.raises(ConfigError, match="no such file; make one with: smsbridge init"):
            find_file(given, environment)
    with pytest.raises(ConfigError, match="no such file"):
        find_file(str(tmp_path), {})
    assert find_file(None, {"SMSBRIDGE_DATABASE": "sqlite:///b.db"}) is None


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"database = \n", "not TOML: .*line 1"),
        (b"[smtp]\n[smtp]\n", "not TOML: .*line 2"),
        ("database = 'é'".encode("latin-1"), "not UTF-8"),
        (b"\xff\xfed\0", "not UTF-8"),
        (b"a = 1\0", "not TOML"),
    ],
)
def test_what_cannot_be_read_says_why(tmp_path: Path, content: bytes, why: str) -> None:
    """With the file's name, and the place where TOML breaks."""
    path = tmp_path / "bridge.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=rf"bridge\.toml: {why}"):
        load(path, {})


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    """What the system says is passed on."""
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path, {})


def test_every_setting_is_described() -> None:
    """Help and documents are made from the descriptions: none is missing."""

    def undescribed(model: Any, place: str) -> list[str]:
        missing = []
        for name, field in model.model_fields.items():
            inner = field.annotation
            if isinstance(inner, type) and hasattr(inner, "model_fields"):
                missing += undescribed(inner, f"{place}{name}.")
            elif not field.description:
                missing.append(f"{place}{name}")
        return missing

    assert undescribed(config.model(), "") == []
    assert undescribed(config.RouteSettings, "routes.") == []
