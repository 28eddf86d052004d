"""The line that programs of SMSC's mail interface write."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.calls.logins import Password, Token
from bridge.model.errors import InvalidRequest, InvalidTime
from bridge.model.when import parse_sendtime
from smtp.options import Options
from smtp.smsc_line import Line, read_line

LOGIN = Password(user="shop", password="hunter2", md5=True)


def line(text: str = "Your code is 1234", *phones: str, **known: object) -> Line:
    """Return a line of the shop to its customer."""
    given = {"credentials": LOGIN, "phones": phones or ("972502345678",), "text": text} | known
    return Line(**given)  # type: ignore[arg-type]


READ: dict[str, tuple[str, Line]] = {
    "as the original shows it": (
        "shop:hunter2:0:0,0:0,0,0:972502345678:Your code is 1234",
        line(options=Options(sender="0")),
    ),
    "with a name": (
        "shop:hunter2:0:0,0:0,0,MyShop,0:972502345678:Your code is 1234",
        line(options=Options(sender="MyShop")),
    ),
    "all empty": ("shop:hunter2::,:,,,:972502345678:Your code is 1234", line()),
    "all left out": ("shop:hunter2::::972502345678:Your code is 1234", line()),
    "the name that is none": ("shop:hunter2:0:0,0:0,0,.,0:972502345678:Your code is 1234", line()),
    "an id": ("shop:hunter2:order-17:0:0:972502345678:Your code is 1234", line(id="order-17")),
    "several phones": (
        "shop:hunter2::::972502345678, +972502345679;0502345680:Your code is 1234",
        line("Your code is 1234", "972502345678", "+972502345679", "0502345680"),
    ),
    "flash, test and other letters": (
        "shop:hunter2:0:0:1,1,,1:972502345678:Your code is 1234",
        line(options=Options(flash=True, test=True), transliterate=True),
    ),
    "a time": (
        "shop:hunter2:0:2412260930:0:972502345678:Your code is 1234",
        line(options=Options(send_at="2412260930")),
    ),
    "a time in Moscow": (
        "shop:hunter2:0:2412260930,0:0:972502345678:Your code is 1234",
        line(options=Options(send_at="2026-12-24T09:30:00+03:00")),
    ),
    "a time west of Greenwich": (
        "shop:hunter2:0:2412260930,-7.5:0:972502345678:Your code is 1234",
        line(options=Options(send_at="2026-12-24T09:30:00-04:30")),
    ),
    "minutes from now": ("shop:hunter2:0:+90,2:0:972502345678:Hi", line("Hi", options=Options(send_at="+90"))),
    "seconds since 1970": (
        "shop:hunter2:0:01798097400,0:0:972502345678:Hi",
        line("Hi", options=Options(send_at="01798097400")),
    ),
    "colons and lines in the text": (
        "shop:hunter2::::972502345678:At 10:30:\nroom 5: bring paper\n",
        line("At 10:30:\nroom 5: bring paper"),
    ),
    "no text": ("shop:hunter2::::972502345678:", line("")),
    "within marks": (
        "Dear all,\n[text]shop:hunter2::::972502345678:Your code is 1234[/text]\nKind regards: Ann",
        line(),
    ),
    "within marks in capitals, on lines of their own": (
        "[TEXT]\nshop:hunter2::::972502345678:Your code is 1234\n[/Text]",
        line(),
    ),
    "within marks that do not end": ("[text]shop:hunter2::::972502345678:Your code is 1234", line()),
    "an API key": (
        ":0cc175b9c0f1b6a831c399e269772661::::972502345678:Your code is 1234",
        line(credentials=Token(token="0cc175b9c0f1b6a831c399e269772661")),
    ),
    "a password with spaces": (
        "shop:hunter 2::::972502345678:Your code is 1234",
        line(credentials=Password(user="shop", password="hunter 2", md5=True)),
    ),
}


@pytest.mark.parametrize(("text", "wanted"), READ.values(), ids=READ)
def test_read(text: str, wanted: Line) -> None:
    """Each field comes to what it means; what is not there asks for nothing. No repr shows password or text."""
    found = read_line(text)
    assert found == wanted
    shown = repr(found)
    assert "hunter" not in shown
    assert "0cc175b9" not in shown
    assert not wanted.text or wanted.text not in shown
    if wanted.options.send_at:
        parse_sendtime(wanted.options.send_at, zone=UTC, now=datetime(2026, 12, 1, tzinfo=UTC))


NONE_OF_THEM = {
    "nothing": "",
    "a text": "Disk of web1 is full",
    "a text with colons": "Alert: web1: disk: 95%: since 10:30: see wiki",
    "a text with as many colons": "Host: web1: State: DOWN: Since: 10:30: Ping timeout",
    "few fields": "ERROR:disk:95%:web1",
    "a login with a space": "my shop:hunter2::::972502345678:Hi",
    "a login on another line": "Hello\nshop:hunter2::::972502345678:Hi",
    "no password": "shop:::::972502345678:Hi",
}


@pytest.mark.parametrize("text", NONE_OF_THEM.values(), ids=NONE_OF_THEM)
def test_no_line(text: str) -> None:
    """A text that only has colons is none: it is for the mailbox's other ways."""
    assert read_line(text) is None


REFUSED: dict[str, tuple[str, type[Exception], str]] = {
    "the form of many texts": ("shop:hunter2::::: 972502345678:Hi\n972502345679:Ho", InvalidRequest, "phones: "),
    "six fields": ("shop:hunter2::::972502345678", InvalidRequest, "not login:psw:id:"),
    "an id that is none": ("shop:hunter2:a b:::972502345678:Hi", InvalidRequest, "not login:psw:id:"),
    "a time of words": ("shop:hunter2::tomorrow::972502345678:Hi", InvalidRequest, "not login:psw:id:"),
    "no phones": ("shop:hunter2::::,;:Hi", InvalidRequest, "phones: missing"),
    "a call": ("shop:hunter2:::0,9:972502345678:Hi", InvalidRequest, "format: 0 for a text or 1"),
    "another table of letters": ("shop:hunter2:::7:972502345678:Hi", InvalidRequest, "translit: 0, 1 or 2"),
    "half a test": ("shop:hunter2:::0,0,,2:972502345678:Hi", InvalidRequest, "test: 0 or 1"),
    "a field too many": ("shop:hunter2:::0,0,,0,0:972502345678:Hi", InvalidRequest, "more fields between two colons"),
    "a name with a control": ("shop:hunter2:::0,0,a\x07b:972502345678:Hi", InvalidRequest, "sender: no such name"),
    "a window of hours": ("shop:hunter2::9-17::972502345678:Hi", InvalidTime, "time: a window of hours"),
    "a zone of nowhere": ("shop:hunter2::2412260930,99::972502345678:Hi", InvalidTime, "tz: hours from Moscow's"),
    "a zone of signs": ("shop:hunter2::2412260930,--::972502345678:Hi", InvalidTime, "tz: hours from Moscow's"),
}


@pytest.mark.parametrize(("text", "error", "reason"), REFUSED.values(), ids=REFUSED)
def test_refused(text: str, error: type[Exception], reason: str) -> None:
    """What the original would do and we cannot refuses the mail; the reason has no part of the line."""
    with pytest.raises(error) as caught:
        read_line(text)
    assert str(caught.value).startswith(reason)
    assert not any(word in str(caught.value) for word in ("hunter2", "shop", "97250"))


@given(
    st.text(max_size=60)
    | st.lists(
        st.sampled_from([":", ",", "shop", "hunter2", "0", "+90", "[text]", "[/text]", "972502345678", "-", "\n"])
        | st.text(max_size=3),
        max_size=20,
    ).map("".join)
)
def test_any_text(text: str) -> None:
    """Whatever a mail says, it is a line, none, or refused."""
    try:
        found = read_line(text)
    except (InvalidRequest, InvalidTime):
        return
    assert found is None or found.phones


@pytest.mark.parametrize(
    "piece", [":", "a:", "[text]", "[/text]", ",", "1,", "shop:hunter2::::1,", " ", "\n", "shop:x\n"]
)
def test_a_mebibyte_is_no_work(piece: str) -> None:
    """A text of whatever repeats is looked at once."""
    text = piece * (1_048_576 // len(piece))
    for written in (text, f"[text]{text}", f"shop:hunter2::::{text}", f"shop:hunter2::::1:{text}"):
        try:
            read_line(written)
        except (InvalidRequest, InvalidTime):
            continue
