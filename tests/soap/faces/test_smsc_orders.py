"""Parameters of send.php: every form of each, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bridge.model.errors import InvalidRequest, InvalidTime
from soap.faces.smsc_orders import KINDS, Asked, Repeats, read_id, read_orders, read_phones, read_time, read_valid

NOW = datetime(2026, 11, 20, 7, 30, tzinfo=UTC)
HERE = ZoneInfo("Asia/Jerusalem")  # UTC+2 then
MARK = "0" * 63 + "1"


def read(**fields: str) -> Asked:
    """Read the parameters of a call, with a number and a text unless others are given."""
    return read_orders({"phones": "972502345678", "mes": "Hello"} | fields, mark=MARK, now=NOW, zone=HERE)


def test_a_plain_call() -> None:
    """One order for all numbers, with an id that is made of the call's mark."""
    asked = read(phones="972502345678;+972502345679, 0502345677\n972502345676,")
    (order,) = asked.orders
    assert order.to == ("972502345678", "+972502345679", "0502345677", "972502345676")
    assert (order.door, order.text, order.sender, order.send_at) == ("smsc", "Hello", None, None)
    assert (order.reference, order.key, order.test) == ("1", f"smsc:{MARK}:0", False)
    assert (asked.id, asked.cost) == ("1", 0)


def test_everything_that_can_be_said() -> None:
    """Each parameter goes where it belongs."""
    asked = read(id="order-5", sender="ACME", time="+5", valid="2", maxsms="3", cost="1")
    (order,) = asked.orders
    assert (order.reference, order.sender, order.max_parts, order.test) == ("order-5", "ACME", 3, True)
    assert (order.send_at, order.lifetime) == (NOW + timedelta(minutes=5), timedelta(hours=2))
    assert (asked.id, asked.cost) == ("order-5", 1)


@pytest.mark.parametrize("own", ["", "0", " "])
def test_libraries_without_an_id_send_0(own: str) -> None:
    """That is none, and one is given that an int of 32 bits holds."""
    assert read_id(own) is None
    for mark in ("f" * 64, "0" * 64, "7fffffff" + "0" * 56):
        given = int(read_orders({"phones": "1", "mes": "", "id": own}, mark=mark, now=NOW, zone=HERE).id)
        assert 1 <= given < 2**31


@pytest.mark.parametrize("own", ["1", "2147483647", "a.b-c_D9", "x" * 40, "00"])
def test_ids_of_the_client(own: str) -> None:
    """Numbers of 31 bits, and short names."""
    assert read_id(own) == own


@pytest.mark.parametrize("own", ["2147483648", "9" * 40, "x" * 41, "a b", "ид", "a:b", "١"])
def test_ids_that_there_are_none(own: str) -> None:
    """What the original refuses is refused."""
    with pytest.raises(InvalidRequest):
        read_id(own)


@pytest.mark.parametrize("sender", ["", ".", " . "])
def test_no_sender_is_the_accounts_own(sender: str) -> None:
    """As if it were not given."""
    assert read(sender=sender).orders[0].sender is None


@pytest.mark.parametrize(
    ("written", "tz", "when"),
    [
        ("", None, None),
        ("0", None, None),
        ("2011261000", None, datetime(2026, 11, 20, 8, 0, tzinfo=UTC)),
        ("2011261100", "0", datetime(2026, 11, 20, 8, 0, tzinfo=UTC)),  # Moscow is UTC+3
        ("2011261400", "3", datetime(2026, 11, 20, 8, 0, tzinfo=UTC)),
        ("2011261000", "-1", datetime(2026, 11, 20, 8, 0, tzinfo=UTC)),
        ("2011261330", "2.5", datetime(2026, 11, 20, 8, 0, tzinfo=UTC)),
        ("01795161600", "5", datetime(2026, 11, 20, 8, 0, tzinfo=UTC)),
        ("+30", "5", datetime(2026, 11, 20, 8, 0, tzinfo=UTC)),
        ("2011260929", None, None),  # over: at once
        ("0101200000", None, None),
        ("9-21", None, None),  # it is 9:30 there
        ("10-21", None, datetime(2026, 11, 20, 8, 0, tzinfo=UTC)),
        ("10-21", "0", None),  # 10:30 in Moscow
        ("8-9", None, datetime(2026, 11, 21, 6, 0, tzinfo=UTC)),
        ("22-10", None, None),
        ("22-9", None, datetime(2026, 11, 20, 20, 0, tzinfo=UTC)),
        ("10-24", None, datetime(2026, 11, 20, 8, 0, tzinfo=UTC)),
    ],
)
def test_times(written: str, tz: str | None, when: datetime | None) -> None:
    """A wall time, Unix seconds, minutes from now, or hours of the day; what is over means at once."""
    more = {} if tz is None else {"tz": tz}
    assert read(time=written, **more).orders[0].send_at == when


@pytest.mark.parametrize("written", ["soon", "3202261000", "2511261000x", "9-9", "24-3", "0-24", "5-25", "2011992500"])
def test_times_that_there_are_none(written: str) -> None:
    """They are refused as dates, not sent at once."""
    with pytest.raises(InvalidTime):
        read_time(written, now=NOW, zone=HERE)


@pytest.mark.parametrize(
    ("written", "span"),
    [("", None), ("0", None), ("1", 60), ("24", 1440), ("00:01", 1), ("24:00", 1440), ("7:30", 450)],
)
def test_lifetimes(written: str, span: int | None) -> None:
    """Hours, or hours and minutes."""
    assert read_valid(written) == (None if span is None else timedelta(minutes=span))


@pytest.mark.parametrize(
    "fields",
    [
        *({"valid": wrong} for wrong in ("25", "24:01", "00:00", "1:60", "x", "-1", "1:5")),
        *({"maxsms": wrong} for wrong in ("-1", "x", "1.5", "99999")),
        *({"cost": wrong} for wrong in ("4", "-1", "x", "1" * 5000, "0000000009", "0" * 5000)),
        *({"translit": wrong} for wrong in ("3", "yes")),
        *({"tz": wrong} for wrong in ("x", "12", "-16", "+-1", "1e1")),
        *({kind: "1"} for kind in KINDS),
        {"phones": ""},
        {"phones": " ,;, "},
        {"list": "\n"},
        {"list": "972502345678 Hello"},
        {"list": "972502345678:one\n:two"},
    ],
)
def test_what_cannot_be_done_is_refused(fields: dict[str, str]) -> None:
    """Aloud: nothing is sent as something else than was asked for."""
    with pytest.raises(InvalidRequest):
        read(**fields)


@pytest.mark.parametrize("kind", KINDS)
def test_libraries_send_kinds_that_are_off(kind: str) -> None:
    """0 and nothing at all are plain texts."""
    assert read(**{kind: "0"}).orders == read(**{kind: ""}).orders == read().orders


def test_lists() -> None:
    """A line for each text; the same text is one order, and a number that has it twice gets it once."""
    asked = read(list="972502345678:One\r\n\n972502345679;972502345677:Two: 2\n972502345676:One\n", id="7")
    assert [(order.to, order.text, order.key, order.reference) for order in asked.orders] == [
        (("972502345678", "972502345676"), "One", f"smsc:{MARK}:0", "7"),
        (("972502345679", "972502345677"), "Two: 2", f"smsc:{MARK}:1", "7"),
    ]


@pytest.mark.parametrize(
    ("text", "latin"),
    [
        ("Привет, Ёж!", "Privet, Yozh!"),
        ("Щука и объём", "Shchuka i obyom"),
        ("ЦЕНА 5 €", "TsENA 5 €"),
        ("ночь", "noch'"),
    ],
)
def test_transliteration(text: str, latin: str) -> None:
    """Cyrillic letters in Latin ones; all else stays."""
    assert read(mes=text, translit="1").orders[0].text == latin
    assert read(mes=text, translit="2").orders[0].text == latin
    assert read(mes=text, translit="0").orders[0].text == text


def test_phones() -> None:
    """Commas, semicolons and line ends part them; what is between is not looked at here."""
    assert read_phones("1, 2;3\r\n4,,G5") == ("1", "2", "3", "4", "G5")


def marks(*calls: tuple[float, dict[str, Any]]) -> list[str]:
    """Return the marks of calls at seconds after a whole minute."""
    repeats = Repeats()
    return [repeats.mark(1, fields, now=NOW + timedelta(seconds=at)) for at, fields in calls]


def test_the_same_call_within_a_minute_has_the_same_mark() -> None:
    """Also over the turn of the clock's minute; after a minute it is another call."""
    call = {"phones": "1", "mes": "a"}
    first, second, third, fourth = marks((50, call), (70, call), (109.9, call), (110, call))
    assert first == second == third != fourth


def test_what_makes_another_call() -> None:
    """Each parameter that a text is made of; not how the answer is wanted, nor the login."""
    call = {"phones": "1", "mes": "a"}
    first, *others = marks((0, call), *((1, call | {name: "9"}) for name in ("phones", "mes", "id", "sender", "time")))
    assert len({first, *others}) == 6
    assert marks((0, call), (1, call | {"fmt": "3", "psw": "x", "login": "y", "charset": "utf-8"}))[1] == first
    repeats = Repeats()
    assert repeats.mark(1, call, now=NOW) != repeats.mark(2, call, now=NOW)


def test_another_process_has_the_same_mark_within_the_clocks_minute() -> None:
    """The mark does not hang on what this process remembers: after a crash the call is still known."""
    call = {"phones": "1", "mes": "a"}
    assert marks((0, call)) == marks((59, call))
    assert marks((0, call)) != marks((60, call))


def test_what_is_remembered_is_bounded() -> None:
    """In number, and by the minute."""
    repeats = Repeats()
    for number in range(12_000):
        repeats.mark(1, {"mes": str(number)}, now=NOW)
    assert len(repeats._seen) <= 10_001
    repeats.mark(1, {}, now=NOW + timedelta(minutes=1))
    assert len(repeats._seen) == 1
