"""A served bridge with accounts whose programs call the faces, and what such a program does by HTTP."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_from_bytes

from lxml import etree

from bridge.calls.passwords import HASHER
from bridge.calls.vault import Vault
from bridge.clock import system_clock
from bridge.model.moment import to_ms
from bridge.model.rules import AccountRules
from bridge.model.sender import Sender, SenderKind, Verdict
from bridge.model.when import parse_zone
from bridge.store import accounts, ledger, opt_outs, senders
from bridge.store.engine import Store
from tests.support.served import CONFIG, Served, until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TOKEN = "token-of-the-shop"
RICH = "token-of-the-rich"
POOR = "token-of-the-poor"
PASSWORD = "correct horse"
DIGEST = "battery staple"
SECRET = "a key of the configuration, long enough"

QUIET = "972502345600"
"""Asked for no more texts."""

_LOGIN = """
[login]
failures = 3
delay = 0

[carriers.sandbox.numbers]
"*71" = "delivered after 0ms"
"*72" = "undelivered after 0ms"
"*73" = "expired after 0ms"
"*74" = "refuse"
"*75" = "lose unsent"
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body, in the charset that the answer names."""
        return self.body.decode(self.headers["content-type"].rpartition("charset=")[2])

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.text)

    @property
    def xml(self) -> Any:
        """The root of the body as XML."""
        return etree.fromstring(self.body)


class Shop:
    """The programs of the accounts. Client addresses are made up, as a proxy on this machine would tell them."""

    def __init__(self, served: Served) -> None:
        self.served = served

    def get(self, path: str, fields: Mapping[str, object] | None = None, **options: Any) -> Answer:
        """Ask by GET."""
        return self.ask("GET", f"{path}?{query(fields or {}, options.pop('charset', 'utf-8'))}", **options)

    def post(self, path: str, fields: Mapping[str, object] | None = None, **options: Any) -> Answer:
        """Send a form by POST."""
        kind = {"content-type": "application/x-www-form-urlencoded"}
        body = query(fields or {}, options.pop("charset", "utf-8")).encode("ascii")
        return self.ask("POST", path, body=body, headers=kind | options.pop("headers", {}), **options)

    def ask(
        self, method: str, target: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Make a request on a connection of its own."""
        connection = http.client.HTTPConnection(self.served.http.removeprefix("http://"), timeout=20)
        try:
            connection.request(method, target, body=body, headers=dict(headers or {}))
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(status=answer.status, headers=told, body=answer.read())
        finally:
            connection.close()

    def arrived(self, text: str, count: int = 1) -> list[str]:
        """Return the numbers that got a text, in order, once there are ``count`` of them."""

        def numbers() -> list[str] | None:
            found = sorted(one["to"] for one in self.served.texts() if one["text"] == text)
            return found if len(found) >= count else None

        return until(numbers, seconds=20)

    def sent(self, text: str) -> int:
        """Return how many texts like this are kept, sent or not."""
        store = Store(f"sqlite:///{self.served.folder}/bridge.db")
        try:
            with store.read() as connection:
                found = connection.exec_driver_sql(
                    "SELECT count(*) FROM recipients JOIN messages ON messages.id = message_id WHERE messages.text = ?",
                    (text,),
                )
                return int(found.scalar_one())
        finally:
            store.close()


def query(fields: Mapping[str, object], charset: str = "utf-8") -> str:
    """Return fields as a query, in a charset; bytes stand as they are."""
    encoded = {
        name: value if isinstance(value, bytes) else str(value).encode(charset) for name, value in fields.items()
    }
    return "&".join(f"{name}={quote_from_bytes(value, safe='')}" for name, value in encoded.items())


@contextmanager
def opened(folder: Path) -> Iterator[Shop]:
    """Give a bridge with its accounts, while the block runs."""
    config = f'secret_key = "{SECRET}"\n{CONFIG}{_LOGIN}'
    served = Served(folder, config=config)
    store = Store(f"sqlite:///{folder / 'bridge.db'}")
    now = to_ms(system_clock())
    with store.write() as connection:
        acme = accounts.find_account(connection, "acme")
        rich = accounts.add_account(connection, "rich", region="IL", credit_limit=0, now=now)
        poor = accounts.add_account(connection, "poor", region="IL", credit_limit=0, now=now)
        gone = accounts.add_account(connection, "gone", region="IL", now=now)
        accounts.set_enabled(connection, gone.id, enabled=False)
        accounts.set_rules(
            connection, acme.id, AccountRules(zone=parse_zone("Asia/Jerusalem"), countries=frozenset({"IL", "RU"}))
        )
        ledger.credit(connection, rich.id, 100_000, now=now)
        senders.settle(connection, acme.id, Sender(kind=SenderKind.ALPHANUMERIC, name="ACME"), Verdict.APPROVE, now=now)
        opt_outs.add(connection, f"+{QUIET}", acme.id, word="stop", now=now)
        for account, user, kind, secret in (
            (acme.id, "shop", "token", hashlib.sha256(TOKEN.encode()).hexdigest()),
            (acme.id, "till", "password", HASHER.hash(PASSWORD)),
            (acme.id, "old", "digest", Vault(SECRET.encode()).seal(DIGEST, user="old")),
            (rich.id, "rich", "token", hashlib.sha256(RICH.encode()).hexdigest()),
            (poor.id, "poor", "token", hashlib.sha256(POOR.encode()).hexdigest()),
            (gone.id, "gone", "token", hashlib.sha256(b"token-of-the-gone").hexdigest()),
        ):
            accounts.add_key(connection, account, user=user, kind=kind, secret=secret, now=now)
    store.close()
    served.start()
    try:
        yield Shop(served)
    finally:
        if served.process is not None:
            served.kill()


def no_secret_in(log: str) -> None:
    """Fail where a log has a secret, a text, or a whole number."""
    for secret in (TOKEN, RICH, POOR, PASSWORD, DIGEST, SECRET):
        assert secret not in log
    assert not re.search(r"\+?9725023456\d\d", log)
