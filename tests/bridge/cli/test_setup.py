"""Setting a bridge up: init, migrate, check."""

from __future__ import annotations

import json
import re
import socket
from itertools import pairwise

import pytest

from bridge import config
from bridge.config import LimitSettings, LoginSettings, OptOutSettings
from bridge.store import schema
from tests.bridge.cli.conftest import Desk


def test_init_writes_what_loads_as_it_is(bare_desk: Desk) -> None:
    """The file loads, the database has the schema, both are for their owner only, and nothing stays unexplained."""
    assert bare_desk.call("init", "--json").json == {"config": "bridge.toml", "schema": schema.head()}
    settings = config.load(bare_desk.file, {})
    assert settings.default_region == "IL"
    assert settings.door("smtp").domains == ("sms.example.com",)
    assert list(settings.carriers) == ["sandbox"]
    assert bare_desk.call("account", "list", "--json").json == []
    assert {path.name: path.stat().st_mode & 0o777 for path in bare_desk.folder.iterdir()} == {
        "bridge.toml": 0o600,
        "bridge.db": 0o600,
    }
    lines = bare_desk.file.read_text().splitlines()
    keys_without_a_comment = [
        line for before, line in pairwise(lines) if "=" in line and not line.startswith("#") and before[:1] != "#"
    ]
    # A table's kind is told with the table itself.
    assert keys_without_a_comment == []


def test_init_writes_only_defaults_where_it_does_not_say_otherwise(bare_desk: Desk) -> None:
    """What the file says is what holds without it, but for what a bridge needs to be useful."""
    bare_desk.call("init")
    made = config.load(bare_desk.file, {}).model_dump()
    plain = config.model()().model_dump()
    differing = {
        f"{table}.{key}" if isinstance(value, dict) else table
        for table, value in made.items()
        for key in (value if isinstance(value, dict) else [None])
        if (value[key] if isinstance(value, dict) else value)
        != (plain[table].get(key) if isinstance(value, dict) else plain[table])
    }
    assert differing == {
        "database",
        "public_url",
        "default_region",
        "secret_key",
        "smtp.domains",
        "carriers.sandbox",
    }


def test_init_makes_a_secret_of_its_own(bare_desk: Desk) -> None:
    """Every file has another secret_key, of 256 random bits; no output shows it."""
    made = [bare_desk.call("init", "--dir", name) for name in ("a", "b")]
    keys = {config.load(bare_desk.folder / name / "bridge.toml", {}).secret() for name in ("a", "b")}
    assert len(keys) == 2
    for key in keys:
        assert key is not None
        assert len(key) == 43
        assert all(key.decode() not in each.out for each in made)


def test_init_names_every_table_once(bare_desk: Desk) -> None:
    """Also those that it leaves to their defaults; what it shows in comments is an example that loads."""
    bare_desk.call("init")
    text = bare_desk.file.read_text()
    headings = [line.strip("# []") for line in text.splitlines() if line.lstrip("# ").startswith("[")]
    plain = set(config.model().model_fields) - {"database", "public_url", "default_region", "secret_key"}
    assert len(headings) == len(set(headings))
    assert {heading.partition(".")[0] for heading in headings} == plain
    for table in (LimitSettings, LoginSettings, OptOutSettings):
        assert all(f"\n{name} = " in text for name in table.model_fields)
    bare_desk.file.write_text(re.sub(r"^# (?=(?:\[|\w+ = ))", "", text, flags=re.MULTILINE))
    shown = config.load(bare_desk.file, {})
    assert (shown.prices.rate("+972502345678"), shown.prices.rate("+442071838750")) == (750, 1000)
    assert list(shown.prices.multipliers.values()) == [2000]
    assert list(shown.quiet_hours) == ["IL"]
    assert [route.carriers for route in shown.routes] == [("sandbox",)]


def test_init_overwrites_nothing(bare_desk: Desk) -> None:
    """A file that is there stays byte for byte, and no database is made beside it."""
    bare_desk.file.write_text("mine")
    assert "is there already" in bare_desk.call("init").error
    assert bare_desk.file.read_text() == "mine"
    assert [path.name for path in bare_desk.folder.iterdir()] == ["bridge.toml"]


def test_init_leaves_no_half(bare_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the database cannot be made, the file goes again, so that `init` can be repeated."""
    monkeypatch.setenv("SMSBRIDGE_DATABASE", "mysql://db/x")
    assert "mysql is not supported" in bare_desk.call("init").error
    assert list(bare_desk.folder.iterdir()) == []


def test_init_makes_the_place_it_is_given(bare_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """--dir may be missing; --config names the file; the steps that are printed name it too."""
    made = bare_desk.call("init", "--dir", "a b/c")
    assert made.out.count("smsbridge --config 'a b/c/bridge.toml' ") == 3
    assert (bare_desk.folder / "a b" / "c" / "bridge.db").is_file()
    assert bare_desk.call("init", "--config", "other/sms.toml").code == 0
    assert bare_desk.call("account", "list", "--config", "other/sms.toml", "--json").json == []
    # Where the environment says that the file is missing, `init` is what the error advises.
    monkeypatch.setenv("SMSBRIDGE_CONFIG", "third/bridge.toml")
    assert bare_desk.call("init").code == 0
    assert bare_desk.call("account", "list", "--json").json == []


def test_init_needs_a_place_it_can_write(bare_desk: Desk) -> None:
    """A path through a file is said as the system says it."""
    (bare_desk.folder / "file").touch()
    assert bare_desk.call("init", "--dir", "file/x").error.startswith("file/x/bridge.toml: cannot be written: ")


def test_check_lists_every_part(acme: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part has a line; all of them well is exit code 0."""
    _free_ports(monkeypatch)
    rows = acme.call("check", "--json").json
    assert [row["part"] for row in rows] == [
        "configuration",
        "database",
        "routes",
        "carrier sandbox",
        "http door",
        "smtp door",
    ]
    assert all(row["ok"] for row in rows)
    assert all(line.startswith("ok ") for line in acme.call("check").out.splitlines())


def test_check_tells_all_that_is_wrong_at_once(acme: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port in use, an old schema and an outbox in a missing folder: three problems, exit code 1."""
    with acme.store() as store, store.write() as connection:
        connection.exec_driver_sql("DELETE FROM alembic_version")
    _free_ports(monkeypatch)
    monkeypatch.setenv("SMSBRIDGE_CARRIERS__SANDBOX__OUTBOX", "away/outbox.jsonl")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv("SMSBRIDGE_SMTP__LISTEN", f"127.0.0.1:{taken.getsockname()[1]}")
        checked = acme.call("check", "--json")
        told = acme.call("check")
    assert (checked.code, told.code) == (1, 1)
    wrong = {row["part"]: row["detail"] for row in json.loads(checked.out) if not row["ok"]}
    assert set(wrong) == {"database", "carrier sandbox", "smtp door"}
    assert "run: smsbridge migrate" in wrong["database"]
    assert "no folder" in wrong["carrier sandbox"]
    assert "is in use" in wrong["smtp door"]
    assert sum(line.startswith("problem ") for line in told.out.splitlines()) == 3


def test_check_looks_at_certificates_and_all_ports(acme: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A certificate that is none is told, and so is a port of any of the mail services."""
    _free_ports(monkeypatch)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("SMSBRIDGE_SMTP__LMTP", f"127.0.0.1:{port}")
        monkeypatch.setenv("SMSBRIDGE_SMTP__TLS__CERTIFICATE", "none.pem")
        monkeypatch.setenv("SMSBRIDGE_SMTP__TLS__KEY", "none.key")
        checked = acme.call("check", "--json")
    assert checked.code == 1
    wrong = {row["part"]: row["detail"] for row in json.loads(checked.out) if not row["ok"]}
    assert set(wrong) == {"smtp certificate", "smtp door"}
    assert (
        wrong["smtp certificate"]
        == f"smtp.tls.certificate: {acme.folder}/none.pem cannot be read: No such file or directory"
    )
    assert wrong["smtp door"].startswith(f"smtp.lmtp: 127.0.0.1:{port} is in use")


def test_check_wants_a_carrier(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bridge without a carrier cannot start, and is told so here."""
    _free_ports(monkeypatch)
    desk.file.write_text(desk.file.read_text().partition("[carriers")[0])
    checked = desk.call("check", "--json")
    assert [row["part"] for row in json.loads(checked.out) if not row["ok"]] == ["routes"]


def _free_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    for door in ("SMTP", "HTTP"):
        monkeypatch.setenv(f"SMSBRIDGE_{door}__LISTEN", "127.0.0.1:0")


def test_migrate_brings_an_empty_database_forward(bare_desk: Desk, desk: Desk) -> None:
    """`migrate` says from which schema to which; a second time there is nothing to do."""
    (desk.folder / "bridge.db").unlink()
    assert "is empty; run: smsbridge migrate" in desk.call("account", "list").error
    assert desk.call("migrate", "--json").json == {"from": None, "to": schema.head()}
    assert desk.call("migrate").out == f"schema {schema.head()}: nothing to do\n"
    assert desk.call("account", "list", "--json").json == []
