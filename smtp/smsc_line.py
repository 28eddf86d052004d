"""The line that programs of SMSC's mail interface write into a mail: a key, whom to, and the text.

``login:psw:id:time,tz:translit,format,sender,test:phones:mes``, perhaps between ``[text]`` and ``[/text]``. Fields may
be empty, and at the end of a list left out. ``mes`` goes on to the end of the mail, or to ``[/text]``. The list form,
which has lines of ``phones:mes`` behind two colons, is many texts, and one mail is one; what the original does and we
cannot (calls, pictures, messengers) is refused.

Source: /sys of smscentre.com, "sending by e-mail": the fields, 0 for "none", an empty login before an API key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from bridge.calls.logins import Credentials, Password, Token
from bridge.model.errors import InvalidRequest, InvalidTime
from bridge.model.login import LONGEST_PASSWORD, LONGEST_USER
from smtp.options import LONGEST_VALUE, NONE, Options

_WRAPPED: Final = re.compile(r"\[text\](.*?)(?:\[/text\]|\Z)", re.IGNORECASE | re.DOTALL)
_LINE: Final = re.compile(
    rf"(?P<login>[^:\s]{{0,{LONGEST_USER}}}+):(?P<psw>[^:\r\n]{{1,{LONGEST_PASSWORD}}}+)"
    r":(?P<id>[A-Za-z0-9._-]{0,40}+):(?P<when>[0-9+,. -]{0,40}+):(?P<how>[^:\r\n]{0,60}+)"
    r":(?P<phones>[^:\r\n]*+):(?P<mes>.*+)",
    re.DOTALL,
)
# A line with a field wrong is refused rather than taken for a text: it has a password in it.
_ALMOST: Final = re.compile(rf"[^:\s]{{0,{LONGEST_USER}}}+:[^:\s]{{1,{LONGEST_PASSWORD}}}+(?::[^:\r\n]*+){{4}}")
_SEVERAL: Final = re.compile(r"[,;]")
_CLOCK: Final = re.compile(r"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)", re.ASCII)
_HOURS: Final = re.compile(r"\d{1,2}-\d{1,2}", re.ASCII)
_ZONE: Final = re.compile(r"[+-]?\d{1,2}(?:\.\d{1,2})?", re.ASCII)
_MOSCOW: Final = timedelta(hours=3)
_NOTHING: Final = frozenset({"", "0"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """What a line says. ``phones`` are as they were written; ``id`` is the client's own, None where it has none."""

    credentials: Credentials
    phones: tuple[str, ...]
    text: str = field(repr=False)
    options: Options = NONE
    id: str | None = None
    transliterate: bool = False


def read_line(text: str) -> Line | None:
    """Return what the line in a mail's text says; None where the text is no such line.

    Raises :exc:`InvalidRequest` and :exc:`InvalidTime` for a line that asks for what is not served; no reason repeats
    a part of it.
    """
    wrapped = _WRAPPED.search(text) if "[" in text else None
    line = (wrapped[1] if wrapped else text).strip()
    found = _LINE.fullmatch(line)
    if found is None:
        if _ALMOST.match(line):
            raise InvalidRequest("not login:psw:id:time,tz:translit,format,sender,test:phones:mes")
        return None
    phones = tuple(phone for part in _SEVERAL.split(found["phones"]) if (phone := part.strip()))
    if not phones:
        raise InvalidRequest("phones: missing, or a list of several texts; one mail is one text")
    translit, kind, sender, test = _fields(found["how"], 4)
    if translit not in {"", "0", "1", "2"}:
        raise InvalidRequest("translit: 0, 1 or 2")
    if kind not in {"", "0", "1"}:
        raise InvalidRequest("format: 0 for a text or 1 for a flash text; nothing else is served here")
    if test not in {"", "0", "1"}:
        raise InvalidRequest("test: 0 or 1")
    if len(sender) > LONGEST_VALUE or not sender.isprintable():
        raise InvalidRequest("sender: no such name")
    return Line(
        credentials=_credentials(found["login"], found["psw"]),
        phones=phones,
        text=found["mes"].strip(),
        options=Options(
            sender=None if sender in {"", "."} else sender,
            send_at=_time(*_fields(found["when"], 2)),
            flash=kind == "1",
            test=test == "1",
        ),
        id=None if found["id"] in _NOTHING else found["id"],
        transliterate=translit in {"1", "2"},
    )


def _credentials(login: str, psw: str) -> Credentials:
    # The original takes the MD5 of a password too.
    return Password(user=login, password=psw, md5=True) if login else Token(token=psw.strip())


def _fields(listed: str, count: int) -> list[str]:
    fields = [part.strip() for part in listed.split(",")]
    if len(fields) > count:
        raise InvalidRequest("more fields between two colons than there are")
    return fields + [""] * (count - len(fields))


def _time(written: str, zone: str) -> str | None:
    """Return when to send, in a form of parse_sendtime: with an offset where a zone is given."""
    if written in _NOTHING:
        return None
    if _HOURS.fullmatch(written):
        raise InvalidTime("time: a window of hours is not served by mail; write DDMMYYhhmm")
    clock = _CLOCK.fullmatch(written)
    if clock is None or not zone:
        return written
    offset = _MOSCOW + timedelta(hours=float(zone)) if _ZONE.fullmatch(zone) else timedelta.max
    if not timedelta(hours=-12) <= offset <= timedelta(hours=14):
        raise InvalidTime("tz: hours from Moscow's time, as -1 or 3")
    day, month, year, hour, minute = clock.groups()
    sign = "-" if offset < timedelta(0) else "+"
    hours, minutes = divmod(round(abs(offset) / timedelta(minutes=1)), 60)
    return f"20{year}-{month}-{day}T{hour}:{minute}:00{sign}{hours:02}:{minutes:02}"
