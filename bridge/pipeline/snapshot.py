"""The directory in memory: the rules ask it thousands of times a second, the database once in a while."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from bridge.model.errors import AccountDisabled, SenderRefused, StoreUnavailable
from bridge.store import revision
from bridge.store.directory import load_directory
from bridge.telemetry import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from bridge.model.account import Directory, Mailbox
    from bridge.store.engine import Store

_log = get_logger(__name__)


class Snapshot:
    """Keeps a :class:`~bridge.model.account.Directory`, at most ``max_age`` seconds old while the database answers.

    A change made anywhere (another process, another machine) is seen within that time. Nobody is refused on an
    old snapshot: the database is asked again first, at most once per ``max_age``/10.
    """

    def __init__(self, store: Store, *, max_age: float = 1.0, timer: Callable[[], float] = time.monotonic) -> None:
        """Prepare; :meth:`open` loads the first snapshot."""
        self._store = store
        self._max_age = max_age
        self._timer = timer
        self._lock = asyncio.Lock()
        self._directory: Directory | None = None
        self._checked = 0.0
        self._failed: tuple[float, StoreUnavailable] | None = None

    @property
    def directory(self) -> Directory:
        """The latest snapshot. Only after :meth:`open`."""
        if self._directory is None:
            reason = "the directory was not loaded"
            raise StoreUnavailable(reason)
        return self._directory

    async def open(self) -> None:
        """Load the first snapshot. Raises :exc:`StoreUnavailable`."""
        await self._refresh(0.0)

    async def keep(self) -> None:
        """Refresh for ever; a task of the application."""
        while True:
            await asyncio.sleep(self._max_age)
            try:
                await self._refresh(self._max_age)
            except StoreUnavailable as error:
                _log.warning("directory not refreshed", reason=error.reason)
            except Exception:  # noqa: BLE001 - an old directory serves better than none
                _log.exception("directory not refreshed")

    async def mailbox_for(self, address: str) -> Mailbox:
        """Return the rule by which a mailbox may send; before it is refused, the database is asked again.

        Raises :exc:`SenderRefused`, :exc:`~bridge.model.errors.AccountDisabled`, :exc:`StoreUnavailable`.
        """
        try:
            return self.directory.mailbox_for(address)
        except (SenderRefused, AccountDisabled):
            await self.renew()
            return self.directory.mailbox_for(address)

    async def renew(self) -> None:
        """Ask the database again, unless that was just done. Raises :exc:`StoreUnavailable`.

        One that just failed to answer is not asked again either: those who wait for it would each wait in turn.
        """
        await self._refresh(self._max_age / 10, spare=True)

    async def _refresh(self, older_than: float, *, spare: bool = False) -> None:
        async with self._lock:
            if spare and self._failed is not None and self._timer() - self._failed[0] < older_than:
                raise StoreUnavailable(self._failed[1].reason) from self._failed[1]
            if self._directory is not None and self._timer() - self._checked < older_than:
                return
            asked = self._timer()
            known = self._directory.revision if self._directory is not None else None
            try:
                loaded = await asyncio.to_thread(self._load, known)
            except StoreUnavailable as error:
                self._failed = self._timer(), error
                raise
            self._failed = None
            self._directory = loaded or self._directory
            self._checked = asked

    def _load(self, known: int | None) -> Directory | None:
        with self._store.read() as connection:
            if known is not None and revision.current(connection) == known:
                return None
            return load_directory(connection)
