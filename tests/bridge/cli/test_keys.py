"""Logins as the application puts them together: the settings hold, and commands' keys work without a restart."""

from __future__ import annotations

import asyncio

import pytest

from bridge import config
from bridge.app import App
from bridge.calls.digests import password_digest
from bridge.calls.logins import Digest, Password, Token
from bridge.model.errors import LoginBlocked, LoginFailed
from tests.bridge.cli.conftest import Desk
from tests.support.carriers import until

FILE = """
secret_key = "0123456789abcdef0123456789abcdef"

[smtp]
listen = []

[http]
listen = "127.0.0.1:0"

[carriers.sandbox]
kind = "sandbox"

[login]
failures = 2
delay = 0
"""


def test_keys_made_by_command_are_believed_by_a_running_bridge(desk: Desk) -> None:
    """A token, a password and a digest come in without a restart; [login] says how many may fail."""
    desk.file.write_text(FILE)
    settings = config.load(desk.file, {})

    async def main() -> None:
        app = App(settings)
        await app.open()
        try:
            assert desk.call("account", "add", "acme").code == 0
            token = desk.call("key", "create", "acme", "--user", "erp", "--json").json["token"]
            desk.call("key", "create", "acme", "--user", "till", "--password", "s3cret", "--from", "127.0.0.0/8")
            secret = desk.call("key", "create", "acme", "--user", "old", "--digest", "--json").json["password"]
            await until(lambda: "old" in app.intake.snapshot.directory.logins)
            assert (await app.logins.login(Token(token=token), address="192.0.2.1")).proof == "token erp"
            given = Password(user="till", password="s3cret")
            assert (await app.logins.login(given, address="::ffff:127.0.0.1")).proof == "password till"
            created = app.clock().isoformat()
            proof = password_digest(b"nonce", created, secret)
            digest = Digest(user="old", nonce=b"nonce", created=created, digest=proof)
            assert (await app.logins.login(digest, address="192.0.2.1")).proof == "digest old"
            for _ in range(2):
                with pytest.raises(LoginFailed):
                    await app.logins.login(given, address="192.0.2.1")
            with pytest.raises(LoginBlocked):
                await app.logins.login(given, address="192.0.2.1")
        finally:
            await app.close()

    asyncio.run(main())
