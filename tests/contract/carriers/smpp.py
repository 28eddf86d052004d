"""A message centre under the suite: a public implementation of SMPP in a process of its own."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from tests.contract.carriers.case import REPLY_TEXT, Arrival, Told
from tests.support.smpp_centre import Centre, joined

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

_PASSWORD = "Xk7pw9Qz"

_TREATED = {
    Told.ACCEPT: "accept",
    Told.REFUSE: "refuse",
    Told.DEFER: "throttle",
    Told.LOSE: "silent",
    Told.LOSE_UNSENT: "deaf",
    Told.DELIVERED: "delivered",
    Told.UNDELIVERED: "undelivered",
    Told.REPLY: f"reply:{REPLY_TEXT}",
}


class _Upstream:
    def __init__(self, centre: Centre, joining: str) -> None:
        self._centre = centre
        self._joining = joining
        self._kind = ""

    def table(self) -> dict[str, Any]:
        return {
            "kind": "smpp",
            "host": "127.0.0.1",
            "port": self._centre.port,
            "system_id": "acme",
            "password": _PASSWORD,
            "long_texts": self._joining,
            "answer_timeout": 0.5,
            "reconnect": 0.02,
            "longest_reconnect": 0.1,
        }

    def tell(self, number: str, told: Told) -> None:
        self._centre.tell(number, _TREATED[told])

    def arrived(self) -> list[Arrival]:
        return [
            Arrival(number=number, sender=sender, text=text)
            for number, sender, text in joined(self._centre.submitted())
        ]

    def trouble(self, kind: str) -> None:
        self._kind = kind
        if kind == "frozen":
            self._centre.freeze()
        else:
            self._centre.kill()

    def mend(self) -> None:
        if self._kind == "frozen":
            self._centre.thaw()
        else:
            self._centre.start()


class _Smpp:
    kind = "smpp"
    takes_own_id = False
    names_senders = True
    told = frozenset(Told) - {Told.WAIT}
    troubles: tuple[str, ...] = ("frozen", "killed")
    broken: tuple[str, ...] = ()
    secrets: tuple[str, ...] = (_PASSWORD,)
    bad: tuple[tuple[dict[str, Any], str], ...] = (
        ({"host": ""}, "host"),
        ({"port": 0}, "port"),
        ({"system_id": "sixteen-characters"}, "system_id"),
        ({"password": "nine-long"}, "password"),
        ({"bind": "both"}, "bind"),
        ({"alphabet": "ascii"}, "alphabet"),
        ({"long_texts": "cut"}, "long_texts"),
        ({"receipt_ids": "octal"}, "receipt_ids"),
        ({"answer_timeout": 0}, "answer_timeout"),
        ({"source_ton": 8}, "source_ton"),
        ({"systemid": "x"}, "systemid"),
    )

    def __init__(self, joining: str) -> None:
        self.name = "smpp"
        self._joining = joining

    @asynccontextmanager
    async def upstream(self, folder: Path) -> AsyncIterator[_Upstream]:
        centre = await asyncio.to_thread(Centre, password=_PASSWORD)
        try:
            yield _Upstream(centre, self._joining)
        finally:
            await asyncio.to_thread(centre.stop)


CASES = (_Smpp("udh"),)
