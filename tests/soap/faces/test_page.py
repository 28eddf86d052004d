"""The page on the legacy APIs: its examples work when pasted, and its tables are those of the code."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from bridge.model import errors
from bridge.model.state import State
from soap.faces.bulk import PATHS as BULK
from soap.faces.forms import _MOST_FIELDS, MOST_BYTES
from soap.faces.legacy import PATHS as LEGACY
from soap.faces.records import http_status
from soap.faces.smsc_answers import JSON
from soap.faces.smsc_orders import _MAKING, KINDS
from soap.faces.smsc_soap import OPERATIONS
from soap.faces.smsc_soap import PATH as SOAP
from soap.faces.smsc_terms import DEFAULT_CHARSET, STATUS, UNLIMITED, Code, fault, money
from soap.operations.sending import MOST_ITEMS
from soap.results import TABLE
from tests.soap.faces.shop import TOKEN, Answer, Shop

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.e2e

PAGE = (Path(__file__).parents[3] / "docs" / "legacy-apis.md").read_text(encoding="utf-8")
SPAN = re.compile(r"`([^`]+)`")


def section(heading: str) -> str:
    """Return the text under a heading, up to the next one."""
    return re.split(r"^#+ ", PAGE.partition(f"# {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def rows(text: str) -> list[list[str]]:
    """Return the cells of all tables in a text, without their heads."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [row for row, before in zip(cells, [None, *cells], strict=False) if before and not row[0].startswith("---")]


# --- examples ---


def commands(text: str) -> Iterator[list[str]]:
    """Give the words of each curl command of a page's part, with the token that the page has made."""
    for body in re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        words = shlex.split(body.replace("$TOKEN", TOKEN).replace("\\\n", " "))
        starts = [place for place, word in enumerate(words) if word == "curl"]
        for start, end in zip(starts, [*starts[1:], len(words)], strict=True):
            yield words[start + 1 : end]


def run(shop: Shop, words: list[str]) -> Answer:
    """Do what curl does with the words that the page uses; any other fails."""
    url, data, headers, get = "", [], {}, False
    rest = iter(words)
    for word in rest:
        match word:
            case "-G":
                get = True
            case "-H":
                name, _, value = next(rest).partition(": ")
                headers[name.lower()] = value
            case "-d" | "--data-binary":
                data.append(next(rest))
            case "--data-urlencode":
                name, _, value = next(rest).partition("=")
                data.append(f"{name}={quote(value, safe='')}")
            case _:
                assert word.startswith("http://127.0.0.1:8080/"), word
                url = word.removeprefix("http://127.0.0.1:8080")
    if get:
        return shop.ask("GET", f"{url}?{'&'.join(data)}", headers=headers)
    headers.setdefault("content-type", "application/x-www-form-urlencoded")
    return shop.ask("POST", url, body="&".join(data).encode(), headers=headers)


def test_the_examples_work_when_pasted(shop: Shop) -> None:
    """In their order, for the second one asks for what the first one sent."""
    sent, asked = (run(shop, words) for words in commands(section("`/ws.php`")))
    assert (sent.status, sent.xml.findtext("status")) == (200, "0")
    assert asked.xml.find("recipients")[0].findtext("reference") == "table-12"
    (bulk,) = (run(shop, words) for words in commands(section("`/ws_json_bulk.php`")))
    assert [(one["reference"], one["status"]) for one in bulk.json] == [("a1", "Message in Action"), ("a2", "Error")]
    sent, asked, balance = (run(shop, words) for words in commands(section("SMSC")))
    assert sent.json == {"id": 12, "cnt": 1}
    assert asked.json["status"] in {-1, 0}
    assert float(balance.text) == UNLIMITED / 1000
    assert sorted(shop.arrived("Your table is ready", 2)) == ["+972502345678"] * 2


# --- tables and figures ---


def test_paths() -> None:
    """The table of paths has all of them."""
    told = {path for row in rows(PAGE.partition("## ")[0]) for path in SPAN.findall(row[0])}
    assert told == {*LEGACY, *BULK, SOAP, *(f"/sys/{name}.php" for name in ("send", "status", "balance"))}
    assert f"at most {MOST_BYTES >> 20} MiB and {_MOST_FIELDS} fields" in PAGE
    assert f"at most {MOST_ITEMS:,} objects" in PAGE


def test_http_statuses() -> None:
    """Each status of the errors has the HTTP status that the table gives it, or its hundred."""
    told: dict[str, int] = {}
    for http, statuses, *_ in rows(section("`/ws.php`")):
        for one in re.findall(r"\b\d(?:\d\d|xx)\b|\b0\b", statuses):
            told[one] = int(http)
    for each in TABLE.values():
        key = str(each.status)
        assert told.get(key, told.get(f"{key[0]}xx")) == http_status(each.status), key
    assert told["0"] == 200


def test_smsc_errors() -> None:
    """Each error's number is in the table, by the error's code where the page names it, and by 1 where it does not."""
    table = {
        row[0]: row for row in rows(section("send.php")) if row[0].isdigit() and len(row) == 3 and row[1][0] != "`"
    }
    assert list(table) == [str(number) for number in range(1, 9)]
    told = {code: int(number) for number, row in table.items() for code in SPAN.findall(row[2])}
    for kind in errors.tree():
        number = fault(kind("why"))
        if number is not None:
            codes = [above.code for above in kind.__mro__ if issubclass(above, errors.BridgeError)]
            assert next((told[code] for code in codes if code in told), 1) == number, kind
    assert set(told) <= {kind.code for kind in errors.tree()}


def test_smsc_states() -> None:
    """The table of statuses has every state, and its ``err``."""
    told = {}
    for code, _, states in rows(section("status.php")):
        for state, err in re.findall(r"`(\w+)`(?: \(with `err` (\d+)\))?", states):
            if state in set(State):
                told[State(state)] = (Code(int(code)), int(err or 0))
    assert told == dict(STATUS)


def test_smsc_parameters() -> None:
    """All that makes an order is in the table, and all kinds that are refused are named."""
    told = {name for row in rows(section("send.php")) for name in SPAN.findall(row[0])}
    assert {*_MAKING, "mes", "cost", "fmt", "op", "err"} - told == set()
    refused = section("send.php").partition("Refused with error 1")[2].partition("unless")[0]
    assert SPAN.findall(refused) == list(KINDS)
    assert all(f"| {fmt} |" in section("send.php") for fmt in range(JSON + 1))
    assert f"`{DEFAULT_CHARSET}` (the default" in section("SMSC")
    assert f"`{money(None)}`" in section("send.php")
    named = SPAN.findall(section("soap.php").partition(",")[0] + section("soap.php"))
    assert {operation.name for operation in OPERATIONS.values()} <= set(named)
