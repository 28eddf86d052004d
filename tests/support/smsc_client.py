"""A client of the SMSC interface, which does what the libraries in use do, and no more.

It asks for numbers with commas (``fmt=1``), takes POST when the arguments get long, takes an answer that does not
come, or is empty, for none, and goes on to the next host then, five times in all. The password may go as its MD5.
"""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Sequence

_TRIES = 5
_LONG = 2000


@dataclass(kw_only=True, slots=True)
class SmscClient:
    """Calls one of ``hosts`` (``http://host:port``), the next one when it does not answer; keeps what it did."""

    hosts: Sequence[str]
    login: str
    password: str
    charset: str = "utf-8"
    post: bool = False
    md5: bool = False
    methods: list[str] = field(default_factory=list)

    def send_sms(
        self,
        phones: str,
        message: str,
        *,
        id_: str = "0",
        sender: str | None = None,
        time: str = "0",
        translit: int = 0,
        query: str = "",
    ) -> list[str]:
        """Return id, count, cost and balance; or the id or 0, and the number of the error below 0."""
        told = f"&phones={self._quoted(phones)}&mes={self._quoted(message)}&translit={translit}&id={quote(id_)}"
        told += "" if time == "0" else f"&time={quote(time)}"
        told += "" if sender is None else f"&sender={self._quoted(sender)}"
        return self._call("send", f"cost=3{told}{f'&{query}' if query else ''}").split(",")

    def get_sms_cost(self, phones: str, message: str, *, query: str = "") -> list[str]:
        """Return cost and count, or 0 and the number of the error below 0."""
        told = f"&phones={self._quoted(phones)}&mes={self._quoted(message)}"
        return self._call("send", f"cost=1{told}{f'&{query}' if query else ''}").split(",")

    def get_status(self, id_: str, phone: str, *, all_: int = 0) -> list[list[str]]:
        """Return the fields of each text asked for; the last one may hold commas."""
        answer = self._call("status", f"phone={self._quoted(phone)}&id={quote(id_)}&all={all_}")
        most = {0: -1, 1: 8, 2: 11}[all_]
        return [line.split(",", most) for line in answer.split("\n")]

    def get_balance(self) -> str | None:
        """Return the balance, or None for an error."""
        answer = self._call("balance", "").split(",")
        return answer[0] if len(answer) == 1 else None

    def _quoted(self, text: str) -> str:
        return quote(text.encode(self.charset), safe="")

    def _call(self, name: str, arguments: str) -> str:
        secret = hashlib.md5(self.password.encode(), usedforsecurity=False).hexdigest() if self.md5 else self.password
        told = f"login={self._quoted(self.login)}&psw={self._quoted(secret)}&fmt=1&charset={self.charset}"
        told += f"&{arguments}" if arguments else ""
        answer = ""
        for attempt in range(_TRIES):
            answer = self._ask(f"{self.hosts[attempt % len(self.hosts)]}/sys/{name}.php", told)
            if answer:
                break
        return answer or ","

    def _ask(self, url: str, arguments: str) -> str:
        long = self.post or len(arguments) > _LONG
        self.methods.append("POST" if long else "GET")
        request = (
            urllib.request.Request(url, data=arguments.encode("ascii"))  # noqa: S310 - an address of the test
            if long
            else urllib.request.Request(f"{url}?{arguments}")  # noqa: S310 - the same
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - the same
                body: bytes = answer.read()
                return body.decode(self.charset)
        except (urllib.error.URLError, HTTPException, OSError):
            return ""
