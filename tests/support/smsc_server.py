"""SMSC's side of its HTTP API, as its public pages have it: send.php, status.php, balance.php, get.php, and its calls.

What those pages leave open is chosen so that nobody can rely on it: the content type is that of a page, an error of
sending comes as a line of text, and a deletion says a word.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

from tests.contract.carriers.case import REPLY_TEXT, Arrival, Told
from tests.support.upstream import Answer, News, Upstream

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.support.upstream import Seen

LOGIN = "myshop"
PASSWORD = "Pa55-of-the-shop"
APIKEY = "an-api-key-of-the-shop"
SECRET = "last-part-of-the-path"
KEY = "s3cret_key-of-hashes"
NOW = 1_795_158_000

_OWN_ID = re.compile(r"[A-Za-z0-9._-]{1,40}")
_VALID = re.compile(r"(?!00:00)(?:[01]\d|2[0-3]):[0-5]\d|24:00")


@dataclass(kw_only=True)
class Text:
    """A text that was taken."""

    id: str
    phone: str
    status: int
    err: int = 0
    sender: str = ""
    text: str = ""


def signed(kind: Mapping[str, bytes], names: Iterable[str], *, algorithm: str = "sha1", key: str = KEY) -> bytes:
    """Return the hash of a call."""
    said = b":".join([*(kind[name] for name in names), key.encode()])
    if algorithm == "crc32":
        return str(zlib.crc32(said)).encode()
    return hashlib.new(algorithm, said).hexdigest().encode()


def form(told: Mapping[str, bytes]) -> bytes:
    """Write a call's body."""
    return "&".join(f"{name}={quote_plus(value)}" for name, value in told.items()).encode()


def status_call(own: str, phone: str, status: int, *, err: int = 0, **more: bytes) -> dict[str, bytes]:
    """Return what a call about a status says, signed."""
    told = {"id": own, "phone": phone, "status": str(status), "time": "20.11.2026 10:00:00", "ts": str(NOW)}
    told |= {"err": str(err), "cnt": "1", "type": "0", "flag": "0", "cost": "1.4", "sender": "ACME", "charset": "utf-8"}
    written = {name: value.encode() for name, value in told.items()} | more
    return written | {"sha1": signed(written, ("id", "phone", "status"))}


def text_call(phone: str, text: str, to: str, *, charset: str = "utf-8", **more: bytes) -> dict[str, bytes]:
    """Return what a call about a text from a phone says, signed over the bytes in its charset."""
    written = {"phone": phone.encode(), "mes": text.encode(charset), "to": to.encode()} | more
    if charset != "windows-1251":
        written["charset"] = charset.encode()
    return written | {"sha1": signed(written, ("phone", "mes", "to"))}


class SmscServer(Upstream):
    """Takes texts as the provider does. ``error`` is answered to every send, ``lists_ids`` as lists may or may not."""

    def __init__(self, *, apikey: bool = False) -> None:
        super().__init__()
        self.apikey = apikey
        self.texts: list[Text] = []
        self.answers: list[dict[str, Any]] = []
        self.error: int | None = None
        self.said: bytes | None = None
        self.lists_ids = True
        self.calls_seen: list[tuple[str, dict[str, str]]] = []

    def table(self) -> dict[str, Any]:
        base = {"kind": "smsc", "host": self.url}
        if self.apikey:
            return base | {"apikey": APIKEY, "fetch_every": "10m"}
        own = {"login": LOGIN, "password": PASSWORD, "callback_secret": SECRET, "callback_key": KEY}
        return base | own

    def answer(self, seen: Seen) -> Answer:
        assert seen.method == "POST"
        assert "?" not in seen.target
        told = seen.params
        self.calls_seen.append((seen.path, told))
        assert (told["charset"], told["fmt"]) == ("utf-8", "3")
        if self.said is not None:
            return Answer(body=self.said, media_type="text/html; charset=utf-8")
        own = ("", "", APIKEY) if self.apikey else (LOGIN, PASSWORD, "")
        if (told.get("login", ""), told.get("psw", ""), told.get("apikey", "")) != own:
            return _failed(2, "authorise error")
        files = {"send": self._send, "status": self._status, "balance": self._balance, "get": self._get}
        return files[seen.path.removeprefix("/sys/").removesuffix(".php")](told)

    def _balance(self, told: Mapping[str, str]) -> Answer:
        return _json({"balance": "100.50"} | ({"currency": "RUB"} if told.get("cur") == "1" else {}))

    def _get(self, told: Mapping[str, str]) -> Answer:
        assert told["get_answers"] == "1"
        assert 1 <= int(told["hour"]) <= 168
        return _json(self.answers)

    def _send(self, told: Mapping[str, str]) -> Answer:
        if self.error is not None:
            return _failed(self.error, "as told", id=told["id"])
        if not _VALID.fullmatch(told["valid"]) or not _OWN_ID.fullmatch(told["id"]):
            return _failed(1, "parameters error")
        if not re.fullmatch(r"\+?[0-9]{7,15}", told["phones"]):
            return _failed(7, "invalid number")
        assert told["cost"] == "3"
        number = "+" + told["phones"].removeprefix("+")
        arrival = Arrival(number=number, sender=told.get("sender"), text=told["mes"])
        doing = self.treat(arrival, carrier_id=told["id"])
        if doing is Told.REFUSE:
            return _failed(8, f"message {told['mes']} to {number} cannot be delivered", id=told["id"])
        if doing is Told.DEFER:
            return Answer(body=f"ERROR = 3 (no money), ID - {told['id']}".encode(), media_type="text/html")
        status, err = {Told.DELIVERED: (1, 0), Told.UNDELIVERED: (20, 6), Told.WAIT: (-1, 0)}.get(doing, (0, 0))
        phone = number.removeprefix("+")
        self.texts.append(
            Text(id=told["id"], phone=phone, status=status, err=err, sender=arrival.sender or "", text=told["mes"])
        )
        if doing is Told.REPLY:
            said = {"id": len(self.texts), "phone": phone, "message": REPLY_TEXT, "to_phone": arrival.sender}
            self.answers.append(said | {"sent": "20.11.2026 10:00:00"})
        return _json({"id": told["id"], "cnt": 1, "cost": "1.40", "balance": "100.50"})

    def _status(self, told: Mapping[str, str]) -> Answer:
        ids, phones = told["id"].split(","), told["phone"].split(",")
        listed = len(ids) > 1
        pairs = [(own, phone) for own, phone in zip(ids, phones, strict=True) if own]
        found = [next((text for text in reversed(self.texts) if (text.id, text.phone) == pair), None) for pair in pairs]
        if told.get("del") == "1":
            (text,) = found
            if text is None:
                return _failed(3, "no such message")
            if text.status > 0:
                return _failed(5, "cannot be deleted")
            self.texts.remove(text)
            return Answer(body=b"Gone", media_type="text/html")
        records = [self._record(pair, text, told["all"]) for pair, text in zip(pairs, found, strict=True)]
        if not listed:
            return _json(records[0]) if found[0] is not None else _failed(3, "no such message")
        return _json(records)

    def _record(self, pair: tuple[str, str], text: Text | None, depth: str) -> dict[str, Any]:
        own, phone = pair
        told: dict[str, Any] = {"id": own} if self.lists_ids else {}
        if text is None:
            return told | {"status": -3, "phone": phone}
        told |= {"status": text.status, "last_date": "20.11.2026 10:00:00", "last_timestamp": NOW, "err": text.err}
        if depth == "1":
            told |= {"phone": phone, "cost": "1.40", "sender_id": text.sender, "message": text.text}
        return told

    def news(self, told: Told, arrival: Arrival, carrier_id: str) -> Iterable[News]:
        assert self.urls is not None
        # Typed into the cabinet; in the body the hash takes the place of the secret, and the charset is repeated.
        url = f"{self.urls.callback}?charset=utf-8&sha1={KEY}"
        headers = {"content-type": "application/x-www-form-urlencoded"}
        phone = arrival.number.removeprefix("+")
        if told in {Told.DELIVERED, Told.UNDELIVERED}:
            status, err = (1, 0) if told is Told.DELIVERED else (20, 6)
            yield News(url=url, body=form(status_call(carrier_id, phone, status, err=err)), headers=headers)
        if told is Told.REPLY:
            own = str(len(self.seen)).encode()
            call = text_call(phone, REPLY_TEXT, arrival.sender or "", id=own, time=b"20.11.2026 10:00:00")
            yield News(url=url, body=form(call), headers=headers)


def _json(data: Any) -> Answer:
    good = Answer.of(data)
    return Answer(body=good.body, media_type="text/html; charset=utf-8")


def _failed(code: int, words: str, **more: Any) -> Answer:
    return _json({"error": words, "error_code": code} | more)
