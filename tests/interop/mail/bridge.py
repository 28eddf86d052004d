"""A bridge for mail clients: mailboxes that prove themselves by their network or by a login, and a certificate."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple

from bridge.clock import system_clock
from bridge.model.login import KeyKind
from bridge.model.moment import to_ms
from bridge.model.rules import AccountRules
from bridge.store import accounts, opt_outs
from bridge.store.engine import Store
from tests.support import certificates
from tests.support.logins import Hasher
from tests.support.served import CONFIG, DOMAIN, Served, until

RELAY: Final = "relay@example.com"
"""A mailbox that is believed for its network; ``NAME@example.com`` of a login is so for nothing but that."""
CLOSED: Final = "+972502349999"
"""A number that no text may go to, which is known only when the mail is there."""

_LISTENERS: Final = """\
[smtp]
submission = ["{host}:0"]
submissions = ["{host}:0"]
lmtp = ["{host}:0"]
max_size = 2097152
proxy_networks = ["127.0.0.2"]
tls = {{ certificate = "{host}.pem", key = "{host}.key" }}
"""


class Stored(NamedTuple):
    """A text as the bridge has it: of which message, in which state, why its sender was believed."""

    message: str
    state: str
    proof: str
    envelope: dict[str, Any] | None


class Bridge:
    """A served bridge, not yet started."""

    def __init__(
        self, folder: Path, *, logins: Mapping[str, str], host: str = "127.0.0.1", domains: Sequence[str] = (DOMAIN,)
    ) -> None:
        """Make it, with an account that the relay's mailbox and those of ``logins`` (password by name) send for."""
        self.root = certificates.issued(folder, host)
        head = _LISTENERS.replace("{host}", host)
        config = CONFIG.replace("[smtp]\n", head).replace("127.0.0.1:0", f"{host}:0") + '[login]\ndelay = "0s"\n'
        config = config.replace(json.dumps([DOMAIN]), json.dumps(list(domains)))
        self.served = Served(folder, config=config, allow=())
        store = Store(f"sqlite:///{folder / 'bridge.db'}")
        hasher, now = Hasher(), to_ms(system_clock())
        with store.write() as connection:
            account = accounts.find_account(connection, "acme").id
            for name, proof in (("relay", "network"), *((name, "login") for name in logins)):
                mailbox = f"{name}@example.com"
                accounts.allow_mailbox(connection, account, mailbox, now=now)
                accounts.set_mailbox_settings(connection, account, mailbox, {"proof": proof})
            for name, password in logins.items():
                accounts.add_key(
                    connection,
                    account,
                    user=name,
                    kind=KeyKind.PASSWORD,
                    secret=hasher.hash(password),
                    mailboxes=(f"{name}@example.com",),
                    now=now,
                )
            opt_outs.add(connection, CLOSED, opt_outs.EVERYBODY, word="operator", now=now)
        store.close()

    def add_account(self, name: str, rules: AccountRules) -> None:
        """Make another account, with rules of its own and one mailbox, that is believed for its network."""
        now = to_ms(system_clock())
        with closing(Store(f"sqlite:///{self.served.folder / 'bridge.db'}")) as store, store.write() as connection:
            account = accounts.add_account(connection, name, region="IL", now=now).id
            accounts.set_rules(connection, account, rules)
            accounts.allow_mailbox(connection, account, f"{name}@example.com", now=now)

    def stay(self) -> None:
        """Have it listen where it does now also when it is started again."""
        config = self.served.config.read_text(encoding="utf-8")
        for service in ("smtp", "submission", "submissions", "lmtp"):
            setting = "listen" if service == "smtp" else service
            config = re.sub(
                rf'(?m)^{setting} = \[".*"\]$', f"{setting} = {json.dumps(self.served.ready[service])}", config
            )
        self.served.config.write_text(config, encoding="utf-8")

    def port(self, service: str) -> int:
        """Return where it listens for a service, by the setting's name; ``smtp`` is ``listen``."""
        return int(self.served.ready[service][0].rpartition(":")[2])

    def stored(self, number: str) -> list[Stored]:
        """Return all that was ever taken to a number. What was answered 250 is in it."""
        query = (
            "SELECT messages.id, state, proof, envelope FROM recipients JOIN messages ON messages.id = message_id"
            " WHERE number = ?"
        )
        with closing(sqlite3.connect(self.served.folder / "bridge.db", timeout=10)) as database:
            rows = database.execute(query, [number]).fetchall()
        return [Stored(row[0], row[1], row[2], None if row[3] is None else json.loads(row[3])) for row in rows]

    def arrived(self, *numbers: str, seconds: float = 30.0) -> dict[str, str]:
        """Return the text that came to each of these numbers, once each has one; nobody may have two."""

        def look() -> dict[str, str] | None:
            found = [(text["to"], text["text"]) for text in self.served.texts() if text["to"] in numbers]
            assert len(found) == len(dict(found)), found
            return dict(found) if len(found) == len(numbers) else None

        return until(look, seconds=seconds)


def address(number: str) -> str:
    """Return the mail address of a number."""
    return f"{number.removeprefix('+')}@{DOMAIN}"
