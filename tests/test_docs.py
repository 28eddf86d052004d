"""The README and the pages under docs/ say what the code does: names, defaults, replies, commands, examples."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import shutil
import smtplib
import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import phonenumbers
import pytest
import typer
from pydantic import BaseModel, SecretStr
from pydantic_core import PydanticUndefined

from bench import __main__ as benches
from bench import accept, backlog, proofs, soak
from bench import rules as rules_bench
from bridge import config, doors
from bridge.calls import digests, passwords, throttle
from bridge.calls.passwords import Room
from bridge.carriers.base import CarrierSettings
from bridge.carriers.http import UpstreamSettings
from bridge.carriers.registry import KINDS
from bridge.carriers.sandbox.behaviour import Behaviour
from bridge.cli import root
from bridge.config import (
    CallbackSettings,
    DispatchSettings,
    LimitSettings,
    LoginSettings,
    LogSettings,
    OptOutSettings,
    RouteSettings,
)
from bridge.model import errors, mail_policy, rules
from bridge.model.mail_policy import Cut, Length, Option, Proof, SecretPlace, SubjectUse, Transliterate
from bridge.model.message import Priority
from bridge.model.price import PriceTable, show_credit
from bridge.model.sender import SenderKind
from bridge.model.state import FINAL, State
from bridge.model.when import FURTHEST, parse_hours, parse_sendtime
from bridge.pipeline import dispatch, reports
from bridge.pipeline.accept import Rules
from bridge.pipeline.dispatch import Pace
from bridge.pipeline.health import Endurance
from bridge.pipeline.polls import Rhythm
from bridge.pipeline.retry import ask_after
from bridge.pipeline.routing import Route, Router
from bridge.store.engine import Store
from bridge.telemetry import Metrics
from bridge.web.metrics import Waiting
from smtp import replies
from smtp.config import DnsSettings, DomainSettings, SmtpSettings, TlsSettings
from smtp.places import CARRIER_DOMAINS
from smtp.wire.frame import Frame
from tests.support.served import CONFIG, Served, environment, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from enum import StrEnum

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.glob("*.md"))]
TEXTS = {page: page.read_text(encoding="utf-8") for page in PAGES}

BLOCK = re.compile(
    r"^(?:<!-- (?P<mark>[a-z]+) -->\n)?```(?P<kind>[a-z]+)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL
)
SPAN = re.compile(r"`([^`\n]+)`")

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def page(name: str) -> str:
    """Return the text of a page under docs/."""
    return TEXTS[DOCS / name]


def blocks(kind: str, *, of: str | None = None) -> list[tuple[Path, str]]:
    """Return the code blocks of a kind, each with its page: those of one page, or all."""
    return [
        (path, found["body"])
        for path, text in TEXTS.items()
        if of in (None, path.name)
        for found in BLOCK.finditer(text)
        if found["kind"] == kind
    ]


def marked(mark: str) -> str:
    """Return the block of the README behind a mark."""
    (body,) = (found["body"] for found in BLOCK.finditer(TEXTS[ROOT / "README.md"]) if found["mark"] == mark)
    return str(body)


def section(text: str, heading: str) -> str:
    """Return what stands between a heading and the next one of any level."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, heading
    return found[1]


def rows(text: str) -> list[list[str]]:
    """Return the cells of all tables in a text, without heads."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    heads = {place - 1 for place, line in enumerate(lines) if set(line) <= set("| -")}
    kept = [line for place, line in enumerate(lines) if place not in heads and place - 1 not in heads]
    return [[cell.strip().replace(r"\|", "|") for cell in _BAR.split(line)[1:-1]] for line in kept]


_BAR = re.compile(r"(?<!\\)\|")


# --- settings ---

TABLES: dict[str, type[BaseModel]] = {
    "Keys outside the tables": config.model(),
    **{f"`[{name}]`": kind.settings for name, kind in doors.kinds().items()},
    "`[smtp.domain.NAME]`": DomainSettings,
    "`[smtp.tls]`": TlsSettings,
    "`[smtp.dns]`": DnsSettings,
    "`[carriers.NAME]`": CarrierSettings,
    "Carriers over HTTP": UpstreamSettings,
    **{f'`kind = "{name}"`': settings for name, (settings, _) in KINDS.items()},
    "`[[routes]]`": RouteSettings,
    "`[limits]`": LimitSettings,
    "`[opt_out]`": OptOutSettings,
    "`[login]`": LoginSettings,
    "`[callbacks]`": CallbackSettings,
    "`[dispatch]`": DispatchSettings,
    "`[log]`": LogSettings,
}


FREE_TABLES = {"prices", "quiet_hours"}
"""Tables whose keys are not names but prefixes and countries."""


def written(value: object) -> str:
    """Return a default as the page writes it: in TOML."""
    return "none" if value is None else f"`{json.dumps(_plain(value), ensure_ascii=False)}`"


def _plain(value: object) -> object:
    match value:
        case SecretStr():
            return value.get_secret_value()
        case timedelta():
            seconds = int(value.total_seconds())
            return next(f"{seconds // size}{unit}" for unit, size in SPANS.items() if not seconds % size)
        case Behaviour():
            assert value == Behaviour.read("accept")
            return "accept"
        case tuple():
            return [str(each) for each in value]
        case Path():
            return str(value)
    return value


SPANS = {"h": 3600, "m": 60, "s": 1}


@pytest.mark.parametrize("heading", TABLES)
def test_every_setting_is_in_configure_with_its_default_and_bounds(heading: str) -> None:
    """A table of the page has just the keys of its model; each row has the default, and the bounds where there are."""
    model = TABLES[heading]
    told = {cells[0].strip("`"): cells for cells in rows(section(page("configure.md"), heading))}
    fields = {
        name: field
        for name, field in model.model_fields.items()
        # These have sections of their own.
        if heading != "Keys outside the tables"
        or (f"`[{name}]`" not in TABLES and name not in {"carriers", "routes"} | FREE_TABLES)
        if not issubclass(model, CarrierSettings) or name in model.__annotations__  # the others stand further up
        if model is not SmtpSettings or not {f"`[smtp.{name}]`", f"`[smtp.{name}.NAME]`"} & TABLES.keys()
    }
    assert list(told) == list(fields)
    for name, field in fields.items():
        default = field.get_default(call_default_factory=True)
        assert told[name][1] == ("required" if default is PydanticUndefined else written(default)), name
        for bound in field.metadata:
            for edge in (getattr(bound, "ge", None), getattr(bound, "le", None)):
                assert not isinstance(edge, int) or str(edge) in told[name][2], name


def test_every_section_of_configure_is_a_table_of_the_file() -> None:
    """A door, a kind of carrier or a table that is not there any more has no section."""
    headings = re.findall(r"^#+ (.+)$", page("configure.md"), re.MULTILINE)
    others = ["Configure", "How values are written", "From the environment", "Account settings"]
    others += [f"`[{name}]`" for name in FREE_TABLES]
    assert sorted(headings) == sorted([*others, *TABLES])


def test_prices_and_quiet_hours_are_in_configure() -> None:
    """The keys that a table of prices may have, with their defaults; quiet hours as the page writes them are read."""
    told = {cells[0].strip("`"): cells for cells in rows(section(page("configure.md"), "`[prices]`"))}
    assert list(told) == ["default", "a prefix, as `972", "priority"]
    assert told["default"][1] == f"`{show_credit(PriceTable().default).rstrip('0').rstrip('.')}`"
    assert told["priority"][1] == "`{}`"
    assert PriceTable().multipliers == {}
    assert SPAN.findall(told["priority"][2]) == [priority.name.lower() for priority in Priority]
    text = section(page("configure.md"), "`[quiet_hours]`")
    (example,) = (span for span in SPAN.findall(BLOCK.sub("", text)) if span.startswith("IL = "))
    assert parse_hours(json.loads(example.removeprefix("IL = ")))
    assert config.model()().quiet_hours == {}


def test_every_account_setting_is_in_configure_with_its_default_and_an_example() -> None:
    """The table has all settings, in their order; each with its default, and forms that are taken and change it."""
    told = {cells[0].strip("`"): cells for cells in rows(section(page("configure.md"), "Account settings"))}
    assert list(told) == ["credit_limit", *rules.NAMES]
    assert told.pop("credit_limit")[1] == "none"
    standard = rules.AccountRules()
    for name, (_, default, meaning) in told.items():
        value = getattr(standard, name)
        assert default == ("none" if value in (None, ()) else f"`{_setting(value)}`"), name
        forms = [span.partition("=")[2] for span in SPAN.findall(meaning) if span.startswith(f"{name}=")]
        assert forms, name
        assert all(getattr(rules.change(standard, name, form), name) != value for form in forms), name
    words = [
        word for _, line, whole in shown_commands() if whole and " account set " in line for word in shlex.split(line)
    ]
    examples = [word for word in words if "=" in word]
    assert len(examples) > 10
    for name, _, value in (word.partition("=") for word in examples):
        # Both raise ValueError for what would be refused.
        if name.startswith("mail."):
            mail_policy.check(name.removeprefix("mail."), value)
        elif name != "credit_limit":
            rules.change(standard, name, value)


def _setting(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case Priority():
            return value.name.lower()
    return str(value)


CHOICES: dict[str, type[StrEnum]] = {
    "proof": Proof,
    "subject": SubjectUse,
    "cut": Cut,
    "length": Length,
    "transliterate": Transliterate,
    "options": Option,
    "secrets": SecretPlace,
}


def test_every_mailbox_setting_is_in_its_table_with_its_default_and_values() -> None:
    """The table has all settings, in their order; the default is the code's, each value is taken, none is missing."""
    told = {cells[0].strip("`"): cells for cells in rows(page("mailbox-settings.md").partition("## ")[0])}
    assert list(told) == list(mail_policy.NAMES)
    for name, (_, default, values, _) in told.items():
        usual = getattr(mail_policy.STANDARD, name)
        assert default == "all" or getattr(mail_policy.read({name: default.strip("`")}), name) == usual, name
        assert default != "all" or usual == frozenset(CHOICES[name]), name
        forms = SPAN.findall(values)
        assert len({getattr(mail_policy.read({name: form}), name) for form in forms}) == len(forms) > 1, name
        assert name not in CHOICES or set(forms) - {"none"} == set(CHOICES[name]), name
        if name in {"first_lines", "max_parts"}:
            for beyond in (int(forms[1]) - 1, int(forms[2]) + 1):
                with pytest.raises(ValueError, match="a number from"):
                    mail_policy.check(name, str(beyond))
    bound = f"{mail_policy._MOST_PHRASES} phrases of {mail_policy._LONGEST_PHRASE} characters at most"
    assert bound in page("mailbox-settings.md")


def test_every_example_of_a_mailbox_setting_is_taken() -> None:
    """What the pages set for a mailbox has a name and a value that there are."""
    seen = set()
    for _, line, whole in shown_commands():
        words = shlex.split(line, comments=True)
        if not whole or "mailbox" not in words or not {"set", "allow"} & set(words):
            continue
        written = [word for word in words if re.match(r"[a-z_]+=", word)]
        written += [f"proof={value}" for option, value in pairwise(words) if option == "--proof"]
        for name, _, value in (word.partition("=") for word in written):
            assert name in mail_policy.NAMES, line
            if value:
                mail_policy.check(name, value)
                seen.add(name)
    assert len(seen) > 5


def test_each_choice_of_a_mailbox_has_a_row_that_says_what_it_does() -> None:
    """Proofs, kinds of cuts, uses of the subject, lengths and the rest: each in its table, in the order of the code."""
    for name, heading, kind in (
        ("authorise-senders.md", "Proofs", Proof),
        ("mailbox-settings.md", "What is cut", Cut),
        ("mailbox-settings.md", "The subject", SubjectUse),
        ("mailbox-settings.md", "Letters outside GSM 7 bit", Transliterate),
    ):
        told = [cells[0].strip("`") for cells in rows(section(page(name), heading)) if cells[0].startswith("`")]
        assert told == list(kind), heading
    usual = [cells[1] == "yes" for cells in rows(section(page("authorise-senders.md"), "Proofs"))]
    assert usual == [proof in mail_policy.STANDARD.proof for proof in Proof]
    told = [cells[0].strip("`") for cells in rows(section(page("mailbox-settings.md"), "When it is too long"))]
    assert told[-len(Length) :] == list(Length)


def test_every_rule_is_in_its_page() -> None:
    """The table of rules names codes that there are, and every refusal that is not of an address or of a mail alone."""
    told = {code for cells in rows(TEXTS[DOCS / "rules.md"].partition("## ")[0]) for code in SPAN.findall(cells[1])}
    own = {cells[0].strip("`") for cells in rows(section(page("errors.md"), "The rules'"))}
    assert told <= {kind.code for kind in errors.tree()}
    # These name things that are looked up before there is a text.
    assert own - told == {"zone_unknown", "recipient_unknown", "state_wrong"}


def test_the_bounds_and_limits_of_the_rules_page() -> None:
    """The figures in its prose are those of the code."""
    text = page("rules.md")
    bounds = Rules(router=Router([Route(name="1", carriers=("a",))]))
    assert f"`max_recipients`; {bounds.max_recipients:,} at most" in text
    assert f"`max_parts`; {bounds.max_parts} at most" in text
    assert [str(limit) for limit in LimitSettings().mail_per_number] == ["10/1m", "30/15m", "60/1h"]
    assert "by default 10 in a minute, 30 in 15 minutes, 60 in an hour" in text
    assert f"up to {FURTHEST.days} days ahead" in text
    assert (Pace().patience, dispatch._TURN) == (60, 10)
    assert "of each ten texts that are taken from the queue one is" in text
    assert "if it has been due for a minute or more" in text
    kinds = [cells[0].strip("`") for cells in rows(section(text, "Sender names"))]
    assert kinds == list(SenderKind)
    forms = [span for cells in rows(section(text, "When a text leaves")) for span in SPAN.findall(cells[0])]
    now = datetime(2026, 12, 1, tzinfo=UTC)
    assert len([parse_sendtime(form, zone=UTC, now=now) for form in forms]) == 7


def test_the_figures_of_the_logins_page() -> None:
    """What is counted, kept and borne, as the code has it."""
    text = page("logins.md")
    patience, room = LoginSettings().patience, Room()
    shares = (1, throttle._PLACE, throttle._USER)
    blocked = [int(cells[1]) for cells in rows(section(text, "When it fails"))]
    assert blocked == [patience.failures * share for share in shares]
    assert (patience.window, patience.delay) == (timedelta(minutes=15), timedelta(seconds=1))
    assert (throttle._LONGEST_DELAY, digests.FRESH.total_seconds(), passwords._REMEMBER_SECONDS) == (8, 300, 600)
    for figure in (
        f"{digests._KEPT:,} in all",
        f"of {throttle._KEPT:,} addresses",
        f"At most {throttle._DELAYED}\nanswers wait",
        f"{room.strangers} more may wait, and {room.known} from",
        f"{passwords.HASHER.memory_cost >> 10} MiB of memory",
    ):
        assert figure.replace("\n", " ") in " ".join(text.split()), figure
    told = {cells[0]: cells[1] for cells in rows(section(page("security.md"), "What is bounded"))}
    kept = f"{passwords._REMEMBERED:,}; {throttle._KEPT:,} of each count; {digests._KEPT:,}"
    assert told["memory of right passwords; of failed logins; of nonces"] == kept
    assert told["checks of passwords at once, and in line"].startswith(f"half the processors, {room.strangers}; ")


@pytest.mark.parametrize(("path", "body"), blocks("toml"), ids=lambda value: getattr(value, "name", ""))
def test_toml_examples_load(path: Path, body: str, tmp_path: Path) -> None:
    """An example of a configuration is one."""
    file = tmp_path / "bridge.toml"
    file.write_text(body, encoding="utf-8")
    assert config.load(file, {}) is not None


def test_environment_examples_set_what_they_say(tmp_path: Path) -> None:
    """Each variable of the table is taken; one that names no key is refused, as the page says."""
    file = tmp_path / "bridge.toml"
    file.write_text('[carriers.first]\nkind = "sandbox"\n', encoding="utf-8")
    told = {cells[0].strip("`"): cells[1] for cells in rows(section(page("configure.md"), "From the environment"))}
    settings = config.load(
        file, dict(zip(told, ("sqlite:///other.db", "a.example.com,b.example.com", "other"), strict=True))
    )
    assert list(told.values()) == ["`database`", "`domains` in `[smtp]`", "`outbox` in `[carriers.first]`"]
    assert settings.database.get_secret_value() == f"sqlite:///{tmp_path}/other.db"
    assert settings.door("smtp").domains == ("a.example.com", "b.example.com")
    assert settings.carriers["first"].outbox == tmp_path / "other"
    file.write_text('[carriers.First]\nkind = "sandbox"\n', encoding="utf-8")
    assert config.load(file, {"SMSBRIDGE_CARRIERS__FIRST__OUTBOX": "5"}).carriers["First"].outbox == tmp_path / "5"
    with pytest.raises(errors.ConfigError):
        config.load(file, {"SMSBRIDGE_SMTP__DOMAIN": "a.example.com"})


def test_max_parts_holds_up_to_its_bound() -> None:
    """What [smtp] max_parts allows is not taken back by the pipeline's own limit."""
    (most,) = (bound.le for bound in SmtpSettings.model_fields["max_parts"].metadata if hasattr(bound, "le"))
    assert Rules(router=Router([Route(name="1", carriers=("a",))])).max_parts >= most


# --- commands ---


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Give every command that does something, by its words."""
    if not hasattr(command, "commands"):
        yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from leaves(inner, (*path, name))


PROGRAM: Any = typer.main.get_command(root.build(list(root.COMMANDS)))
COMMON = {"--config", "--json", "--traceback"}


def test_every_command_is_documented_with_its_options() -> None:
    """The table of commands has all of them and no other, each with its options and its arguments."""
    told = {}
    for cells in rows(section(page("operating.md"), "Commands")):
        words = shlex.split(cells[0].strip("`"))
        assert words[0] == "smsbridge"
        names = tuple(word for word in words[1:] if word.islower())
        told[names] = ({option.split()[0] for option in SPAN.findall(cells[1])}, len(words) - 1 - len(names))
    wanted = {}
    for path, command in leaves(PROGRAM):
        options = {each.opts[0] for each in command.params if each.param_type_name == "option"} - COMMON
        arguments = [each for each in command.params if each.param_type_name == "argument"]
        # `send` takes more numbers before the text; --to, which it has to have, says so.
        wanted[path] = (options, 1 if path == ("send",) else len(arguments))
    assert told == wanted


def shown_commands() -> list[tuple[str, str, bool]]:
    """Return what the pages show of the program: page, command line, and whether it stands alone and can be run."""
    found = []
    for path, text in TEXTS.items():
        for block in BLOCK.finditer(text):
            if block["kind"] == "sh":
                found += [(path.name, line, True) for line in block["body"].splitlines() if "smsbridge " in line]
        found += [
            (path.name, span, False) for span in SPAN.findall(BLOCK.sub("", text)) if span.startswith("smsbridge ")
        ]
    return found


def test_every_command_line_in_the_pages_is_understood() -> None:
    """Whatever a page tells to type is a command with options that exist; whole lines are read as the program does."""
    seen = 0
    for where, line, whole in shown_commands():
        words = shlex.split(line, comments=True)
        places = [place for place, word in enumerate(words) if Path(word).name == "smsbridge"]
        # Not the program: a user's or a service's name.
        places = [
            place for place in places if words[place + 1 : place + 2] and words[place - 1] not in {"-u", "-o", "-g"}
        ]
        places = [place for place in places if words[0] not in {"useradd", "install", "systemctl", "journalctl"}]
        if not places or words[places[0] + 1] == "--version":
            continue
        seen += 1
        command, rest = PROGRAM, words[places[0] + 1 :]
        while hasattr(command, "commands"):
            if rest[0] == "--config":
                rest = rest[2:]
            assert rest[0] in command.commands, f"{where}: {line}"
            command, rest = command.commands[rest[0]], rest[1:]
            if not rest:
                break
        if whole:
            command.make_context(command.name, list(rest))
        elif rest:
            known = {option for each in command.params for option in each.opts}
            assert {word for word in rest if word.startswith("--") and word != "--"} <= known, f"{where}: {line}"
    assert seen > 30


# --- errors, replies, states, metrics, logs ---


def test_every_error_is_documented_with_its_kind_and_reply() -> None:
    """The tables of errors.md have the tree's classes and no other; kind and reply are those of the code."""
    told = {cells[0].strip("`"): (cells[1], cells[2].strip("`")) for cells in rows(page("errors.md"))}
    wanted = {}
    for kind in errors.tree():
        reply = next(replies.TABLE[each] for each in kind.__mro__ if each in replies.TABLE)
        wanted[kind.code] = ("temporary" if kind.temporary else "permanent", reply)
    assert told == wanted


def test_every_smtp_reply_is_documented() -> None:
    """The table of mail.md has each code the door can say, and none that it cannot."""
    told = {
        match[0] for cells in rows(section(page("mail.md"), "SMTP replies")) if (match := _REPLY.match(cells[0][1:]))
    }
    source = "".join(path.read_text() for path in (ROOT / "smtp").rglob("*.py"))
    wanted = {
        *replies.TABLE.values(),
        *re.findall(r'[("]([2-5]\d\d(?: \d\.\d{1,3}\.\d{1,3}\b|(?=[ -](?!\d\.))))', source),
    }
    assert {"220", "354", "538 5.7.11"} < wanted
    assert told == wanted


_REPLY = re.compile(r"\d{3}(?: \d\.\d{1,3}\.\d{1,3})?")


def test_every_reply_that_a_page_names_is_one() -> None:
    """Prose and tables of all pages say no reply that the door cannot."""
    known = {
        match[0] for cells in rows(section(page("mail.md"), "SMTP replies")) if (match := _REPLY.match(cells[0][1:]))
    }
    for path, text in TEXTS.items():
        assert set(re.findall(r"`([2-5]\d\d \d\.\d{1,3}\.\d{1,3})\b", text)) <= known, path.name


def test_the_extensions_are_those_of_the_page() -> None:
    """EHLO offers what mail.md says, in its order, to a client on this machine and where there is a certificate."""

    async def offered() -> list[str]:
        frame = Frame(hostname="us", limit=1, loop=asyncio.get_running_loop())
        return re.findall(r"^250[- ]([A-Z0-9]+)", frame.ehlo(starttls=True, auth=True), re.MULTILINE)

    first, _, _ = section(page("mail.md"), "SMTP extensions").partition("\n\n- ")
    assert [*SPAN.findall(first), "AUTH", "HELP"] == asyncio.run(offered())


def test_every_state_is_documented() -> None:
    """The table of states has all of them, in their order, and says which are ends."""
    told = [(cells[0].strip("`"), cells[1] == "yes") for cells in rows(section(page("operating.md"), "States"))]
    assert told == [(str(state), state in FINAL) for state in State]


def test_every_metric_is_documented(sqlite_url: str) -> None:
    """The table of metrics has ours and no other, with their labels."""
    told = {
        cells[0].strip("`"): tuple(SPAN.findall(cells[1])) for cells in rows(section(page("operating.md"), "Metrics"))
    }
    wanted = {}
    for own in vars(Metrics()).values():
        for name, labels in ((each._name, each._labelnames) for each in (own,) if hasattr(own, "_labelnames")):
            wanted[f"{name}_total" if own._type == "counter" else name] = tuple(labels)
    store = Store(sqlite_url)
    waiting = Waiting(store, max_age=0)
    waiting._known = waiting._read()
    wanted |= {metric.name: () for metric in waiting.collect()}
    store.close()
    assert told == wanted


def test_every_log_event_in_the_pages_is_written_by_the_code() -> None:
    """An operator who looks for a line finds it under the name and level that the page gives it."""
    folders = ("bridge", "smtp", "soap")
    source = "".join(path.read_text() for folder in folders for path in (ROOT / folder).rglob("*.py"))
    for name, level, _ in rows(section(page("operating.md"), "Logs")):
        event = json.dumps(name.strip("`"))
        calls = "error|exception" if level == "error" else level
        assert re.search(rf"_log\.(?:{calls})\(\s*{event}", source), name


# --- examples that run ---


def run(*command: str, folder: Path, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder, and return what it said."""
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=90, check=False, env=environment(), **more
    )


def masked(text: str) -> list[str]:
    """Return the lines of an output without what differs from run to run: ids, ports, times."""
    text = re.sub(r"\b[0-9a-f]{26}\b", "ID", text)
    text = re.sub(r"(127\.0\.0\.1):\d+", r"\1:PORT", text)
    return re.sub(r"\b\d+ ms\b", "N ms", text).splitlines()


def test_demo_prints_what_the_readme_shows(tmp_path: Path) -> None:
    """The demo's output stands in the README line for line, but for ids, ports and times."""
    ran = run(sys.executable, "-m", "bridge", "demo", "--once", folder=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert masked(ran.stdout) == masked(marked("demo"))


def test_readme_set_up_mail_and_call_work_when_pasted(tmp_path: Path) -> None:
    """The commands of the README make a bridge, from init on; its mail and its call, pasted, arrive as texts."""
    lines = [line for line in marked("run").splitlines() if line.startswith("smsbridge ")]
    assert lines[0] == "smsbridge init"
    assert lines.pop() == "smsbridge serve"
    program = f'smsbridge() {{ {shlex.quote(sys.executable)} -m bridge "$@"; }}\n'
    made = run("sh", "-ec", program + "\n".join(lines), folder=tmp_path)
    assert made.returncode == 0, made.stderr
    (tmp_path / "served").mkdir()
    with serving(tmp_path / "served") as served:
        # The set-up of the README, on ports that are free here.
        served.stop()
        settings = (tmp_path / "bridge.toml").read_text(encoding="utf-8")
        served.config.write_text(re.sub(r'(127\.0\.0\.1):80\d\d"(?=\]?\n)', r'\1:0"', settings), encoding="utf-8")
        for file in tmp_path.glob("bridge.db*"):
            shutil.move(file, served.folder / file.name)
        served.start()
        script = marked("mail").replace("python3 ", f"{shlex.quote(sys.executable)} ", 1)
        assert "8025" in script
        sent = run("sh", "-ec", script.replace("8025", str(served.port)), folder=tmp_path)
        assert (sent.returncode, sent.stderr) == (0, "")
        (text,) = served.await_texts(1)
        assert (text["to"], text["text"]) == ("+972502345678", "PROBLEM db-3: /var is 97% full.")
        listed = json.loads(served.command("message", "list", "--json").stdout)
        assert [one["account"] for one in listed] == ["acme"]
        # The call: its key is made beside the served database, and the second time nothing is sent.
        call = marked("soap").replace("http://127.0.0.1:8080", served.http)
        call = call.replace("smsbridge ", f"smsbridge --config {shlex.quote(str(served.config))} ", 1)
        answered = run("sh", "-ec", program + call, folder=tmp_path)
        assert (answered.returncode, answered.stderr) == (0, "")
        assert "status>0</" in answered.stdout
        again = run("sh", "-ec", call.partition("\n")[2], folder=tmp_path)
        assert "<sms:key>duplicate</sms:key>" in again.stdout
        assert [one["to"] for one in served.await_texts(2)] == ["+972502345678", "+972502345679"]


ANSWER = """\
From: Ann <ann@example.com>
To: 0502345678@sms.example.com
Message-ID: <1@example.com>
Content-Type: text/plain; charset=utf-8

The pump is repaired.

--\x20
Ann, on call
On Mon, 30 Nov 2026 at 10:00, Ben <ben@example.com> wrote:
> Is it?
"""


def test_preview_says_what_the_page_shows(tmp_path: Path) -> None:
    """What is cut off an answer, line for line, but for the time."""
    (_, shown), *_ = blocks("text", of="mailbox-settings.md")
    command, *lines = shown.splitlines()
    Served(tmp_path)
    program = (sys.executable, "-m", "bridge")
    (tmp_path / "answer.eml").write_text(ANSWER, encoding="utf-8")
    said = run(*program, *shlex.split(command.removeprefix("$ smsbridge ")), folder=tmp_path)
    assert said.returncode == 0, said.stderr
    told = re.sub(r"20\d\d-\d\d-\d\dT[0-9:]{8}", "2026-12-01T08:00:00", said.stdout)
    assert [line.rstrip() for line in told.splitlines()] == [*(line.rstrip() for line in lines), ""]


def test_a_relay_that_takes_mail_of_the_world_as_the_page_sets_it_up(tmp_path: Path) -> None:
    """By LMTP from this machine: what the relay says of a sender is believed, and the relay itself is not."""
    (own,) = (body for _, body in blocks("toml", of="authorise-senders.md") if "lmtp" in body)
    first, *_ = CONFIG.partition("[smtp]")
    _, *rest = CONFIG.partition("[http]")
    settings = own.replace("8024", "0").replace("[smtp]", '[smtp]\nlisten = ["127.0.0.1:0"]')
    mail = "From: Ann <ann@example.com>\r\nTo: 0502345678@sms.example.com\r\nDate: now\r\n\r\n"
    found = "; spf=pass smtp.mailfrom=ann@example.com\r\n"
    with (
        serving(tmp_path, config=f"{first}{settings}\n{''.join(rest)}") as served,
        smtplib.LMTP("127.0.0.1", int(served.ready["lmtp"][0].rpartition(":")[2]), local_hostname="x") as relay,
    ):
        relay.sendmail(
            "ann@example.com", "0502345678@sms.example.com", f"Authentication-Results: mx.example.com{found}{mail}1"
        )
        for forged in (f"Authentication-Results: mx.example.net{found}", ""):
            with pytest.raises(smtplib.SMTPDataError, match=r"5\.7\.1 nothing proves"):
                relay.sendmail("ann@example.com", "0502345678@sms.example.com", f"{forged}{mail}2")
        (text,) = served.await_texts(1)
        assert text["text"] == "1"


def test_the_figures_of_the_routing_page() -> None:
    """Bursts, rests, holds, waits and bounds are those of the code."""
    text = " ".join(page("routing.md").split())
    borne, trouble = Endurance(), Rhythm().trouble
    assert (borne.burst, borne.first_rest, borne.longest_rest, borne.longest_hold) == (5, 5, 5 * 60, 10 * 60)
    assert "5 texts in a row had a bad end" in text
    assert "nothing for 5 seconds" in text
    assert "up to 5 minutes" in text
    assert "until then, 10 minutes at most" in text
    assert reports._KEPT_FOR == 72 * 3_600_000
    assert f"kept for 72 hours, of all carriers {reports._MOST_KEPT:,} at most" in text
    assert f"{reports._MOST_IDLE} of each text at most" in text
    assert [ask_after(times).total_seconds() / 60 for times in (0, 1, 2, 3, 99)] == [0.5, 1, 2, 4, 60]
    assert (trouble.first, trouble.ceiling) == (timedelta(seconds=30), timedelta(minutes=30))


def test_route_explain_says_what_the_page_shows(tmp_path: Path) -> None:
    """With the page's own routes, line for line."""
    (_, routes), *_ = blocks("toml", of="routing.md")
    (tmp_path / "bridge.toml").write_text(routes, encoding="utf-8")
    (_, shown), *_ = blocks("text", of="routing.md")
    command, *lines = shown.splitlines()
    program = (sys.executable, "-m", "bridge")
    for words in (("migrate",), ("account", "add", "acme", "--region", "IL")):
        assert run(*program, *words, folder=tmp_path).returncode == 0
    said = run(*program, *shlex.split(command.removeprefix("$ smsbridge ")), folder=tmp_path)
    assert (said.returncode, said.stdout.splitlines()) == (0, lines)


def test_backup_in_operating_keeps_what_is_in_the_write_ahead_log(tmp_path: Path) -> None:
    """The copy made by the page's own command, beside a running bridge, has the latest text."""
    (line,) = (
        line for _, body in blocks("sh", of="operating.md") for line in body.splitlines() if "python3 -c" in line
    )
    with serving(tmp_path) as served:
        served.command("send", "--account", "acme", "--to", "0502345678", "the latest")
        ran = run("sh", "-ec", line.replace("python3", shlex.quote(sys.executable)), folder=served.folder)
        assert (ran.returncode, ran.stderr) == (0, "")
    copy = Store(f"sqlite:///{tmp_path}/copy.db")
    with copy.read() as connection:
        assert connection.exec_driver_sql("SELECT text FROM messages").scalars().all() == ["the latest"]
    copy.close()


@pytest.mark.slow
def test_the_carrier_of_the_page_passes_the_suite(tmp_path: Path) -> None:
    """Who follows adding-a-carrier.md to the letter has a carrier that keeps what every carrier keeps."""
    ignore = shutil.ignore_patterns("__pycache__")
    for name in ("bridge", "smtp", "soap", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    files = []
    for _, body in blocks("python", of="adding-a-carrier.md"):
        path, _, code = body.partition("\n")
        files.append(path.removeprefix("# "))
        (tmp_path / files[-1]).write_text(code, encoding="utf-8")
    for _, body in blocks("diff", of="adding-a-carrier.md"):
        head, *lines = body.splitlines()
        place = tmp_path / head.removeprefix("--- ")
        text = place.read_text(encoding="utf-8")
        before, after = ("\n".join(line[1:] for line in lines if line[0] in kind) for kind in (" -", " +"))
        assert text.count(before) == 1, before
        place.write_text(text.replace(before, after), encoding="utf-8")
    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-k",
            "post",
            "-p",
            "no:cacheprovider",
            "tests/contract/test_carriers.py",
            "tests/contract/test_http_carriers.py",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env=environment() | {"PYTHONPATH": str(tmp_path)},
    )
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-1000:]
    assert int(re.findall(r"(\d+) passed", ran.stdout)[0]) > 80
    assert files == ["bridge/carriers/post.py", "tests/contract/carriers/post.py"]


def test_performance_names_the_suites_and_their_bars() -> None:
    """The table of measurements has each suite of the bench, with its bars; the place for results is marked."""
    text = page("performance.md")
    told = {cells[0].strip("`"): cells[2] for cells in rows(text.partition("<!-- bench -->")[0])}
    assert told.keys() == benches.SUITES.keys()
    bars = (*accept.BARS.values(), backlog._BAR, backlog._MEMORY_BAR)
    assert all(f"{bar:.2f}" in told["accept"] + told["backlog"] for bar in bars)
    assert f"{rules_bench._BAR_US:.0f} µs" in told["rules"]
    assert f"{rules_bench._BAR_SECONDS:.1f} s and {rules_bench._BAR_MIB:.0f} MiB" in told["rules"]
    assert f"{proofs._BAR:.0f} mails/s" in told["proofs"]
    assert f"p99 below {soak._BAR_MS:.0f} ms; memory at most {soak._FLAT:.2f}" in told["soak"]
    assert text.count("<!-- bench -->") == text.count("<!-- /bench -->") == 1


# --- the pages themselves ---


def anchors(text: str) -> set[str]:
    """Return the anchors that a page's headings make, as the usual hosts make them."""
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    """A link within the project names a file that is there, and a heading in it."""
    for target in re.findall(r"\]\(([^)\s]+)\)", TEXTS[page]):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file.read_text(encoding="utf-8")), target


def test_every_module_of_the_mail_door_has_its_place_in_the_design() -> None:
    """The table of the mail door names each module once, folders as a whole; and none that is not there."""
    told = [name for cells in rows(section(page("design.md"), "The mail door")) for name in SPAN.findall(cells[0])]
    folder = ROOT / "smtp"
    there = [path.stem for path in folder.glob("*.py") if path.stem != "__init__"]
    there += [f"{path.parent.name}/" for path in folder.glob("*/__init__.py")]
    assert sorted(told) == sorted(there)


def test_every_page_is_linked_from_the_readme() -> None:
    """No page is left for the reader to find."""
    linked = set(re.findall(r"\(docs/([a-z-]+\.md)\)", TEXTS[ROOT / "README.md"]))
    assert linked == {page.name for page in DOCS.glob("*.md")}


@every_page
def test_pages_name_no_place_and_no_person(page: Path) -> None:
    """Hosts and mailboxes are those set aside for examples, numbers are valid, paths those of a service."""
    text = TEXTS[page]
    hosts = {*re.findall(r"\w+://(?:\w+@)?([\w.-]+)", text), *re.findall(r"@([\w-]+(?:\.[\w-]+)+)", text)}
    allowed = re.compile(
        r"(?:.+\.)?example\.(?:com|net|org)|api\.sms-gate\.app|127\.0\.0\.1|semver\.org|file|your\.domain|schemas\.xmlsoap\.org"
    )
    assert {host for host in hosts if not allowed.fullmatch(host)} - {"host", "user", *CARRIER_DOMAINS} == set()
    paths = re.findall(r"(?<![\w/.:~])/(?:home|root|tmp|work|Users|mnt)\b[^\s`)]*", text)
    assert paths == []
    for number in re.findall(r"\+?972\d{9}\b", text):
        assert phonenumbers.is_valid_number(phonenumbers.parse(f"+{number.lstrip('+')}")), number


@every_page
def test_lines_fit(page: Path) -> None:
    """Prose and code fit a window of 120 columns; rows of tables and outputs may be longer."""
    text = re.sub(r"^```(?:text|json)\n.*?^```$", "", TEXTS[page], flags=re.MULTILINE | re.DOTALL)
    long = [line for line in text.splitlines() if len(line) > 120 and not line.startswith("|")]
    assert long == [], textwrap.shorten(str(long), 300)


def test_the_first_screen_of_the_readme() -> None:
    """What it is, the demo and the suite stand in the first 45 lines."""
    first = "\n".join(TEXTS[ROOT / "README.md"].splitlines()[:45])
    assert "make demo" in first
    assert "make test" in first
    assert "passed" in first
