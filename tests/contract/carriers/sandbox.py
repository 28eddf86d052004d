"""The sandbox under the suite: its upstream is its file."""

from __future__ import annotations

import json
import shutil
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from tests.contract.carriers.case import REPLY_TEXT, Arrival, Told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

_WRITTEN = {
    Told.ACCEPT: "accept",
    Told.REFUSE: "refuse",
    Told.DEFER: "defer",
    Told.LOSE: "lose",
    Told.LOSE_UNSENT: "lose unsent",
    Told.DELIVERED: "delivered after 0s",
    Told.UNDELIVERED: "undelivered after 0s",
    Told.REPLY: f'reply "{REPLY_TEXT}" after 0s',
}


class _Upstream:
    def __init__(self, folder: Path, *, forgetful: bool) -> None:
        self._forgetful = forgetful
        self._folder = folder / "box"
        self._folder.mkdir()
        self._file = self._folder / "outbox.jsonl"
        self._numbers: dict[str, str] = {}

    def table(self) -> dict[str, Any]:
        return {
            "kind": "sandbox",
            "outbox": str(self._file),
            "forgetful": self._forgetful,
            "numbers": self._numbers,
        }

    def tell(self, number: str, told: Told) -> None:
        self._numbers[number] = _WRITTEN[told]

    def arrived(self) -> list[Arrival]:
        if not self._file.exists():
            return []
        lines = [json.loads(line) for line in self._file.read_bytes().split(b"\n") if line]
        return [Arrival(number=line["to"], sender=line["from"], text=line["text"]) for line in lines]

    def trouble(self, kind: str) -> None:
        self._file.unlink(missing_ok=True)
        match kind:
            case "folder gone":
                self._folder.rmdir()
            case "a folder in its place":
                self._file.mkdir()
            case "a stranger's file":
                self._file.write_text("[smtp]\nlisten = []\n")

    def mend(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir()


class _Sandbox:
    kind = "sandbox"
    names_senders = True
    told = frozenset(Told) - {Told.WAIT}
    troubles: tuple[str, ...] = ("folder gone", "a folder in its place", "a stranger's file")
    broken = troubles
    secrets: tuple[str, ...] = ()
    bad: tuple[tuple[dict[str, Any], str], ...] = (
        ({"behaviour": "dance"}, "behaviour"),
        ({"behaviour": 7}, "behaviour"),
        ({"numbers": {"+97250*": "delay soon"}}, "numbers.+97250*"),
        ({"numbers": {"0502345678": "accept"}}, "numbers.0502345678"),
        ({"outbox": 5}, "outbox"),
        ({"forgetful": "perhaps"}, "forgetful"),
        ({"concurrency": 0}, "concurrency"),
        ({"outbocks": "x"}, "outbocks"),
    )

    def __init__(self, name: str, *, forgetful: bool) -> None:
        self.name = name
        self.takes_own_id = not forgetful

    @asynccontextmanager
    async def upstream(self, folder: Path) -> AsyncIterator[_Upstream]:
        yield _Upstream(folder, forgetful=not self.takes_own_id)


CASES = (_Sandbox("sandbox", forgetful=False), _Sandbox("forgetful sandbox", forgetful=True))
