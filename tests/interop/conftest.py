"""One bridge for all clients, and for each client and version of SOAP an account of its own on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import pytest

from bridge.calls.vault import Vault
from bridge.clock import system_clock
from bridge.model.login import KeyKind
from bridge.model.moment import to_ms
from bridge.model.sender import Verdict, parse_sender
from bridge.store import accounts, ledger, senders
from bridge.store.engine import Store
from tests.interop.clients import Client, read
from tests.support.logins import Hasher
from tests.support.served import CONFIG, Served

PASSWORD: Final = "change-me-1 <&> שלום"
"""What has to be escaped, and what is not ASCII, is a password too."""

PLAIN: Final = "change-me-2 ????"
"""One for HTTP Basic, with characters that base64 makes a ``/`` of."""

REPLY: Final = "Yes, thanks <&> 😀"

_SECRET_KEY = "0123456789abcdef0123456789abcdef"

# The address in the contract is another host's, as in front of a proxy: each client is told where to call.
_CONFIG = f"""\
public_url = "https://sms.example.com"
secret_key = "{_SECRET_KEY}"
{CONFIG}
[login]
delay = "0s"
[carriers.sandbox.numbers]
"*9" = 'reply "{REPLY}" after 1ms'
"""


class Variant(NamedTuple):
    """A client, and a version of SOAP that it speaks."""

    client: str
    version: str

    @property
    def name(self) -> str:
        """The name of its account, and of its login."""
        return f"{self.client}-{self.version}"


VARIANTS: Final = (
    Variant("zeep", "1.1"),
    Variant("zeep", "1.2"),
    Variant("suds", "1.1"),
    Variant("php", "1.1"),
    Variant("php", "1.2"),
    Variant("node", "1.1"),
    Variant("node", "1.2"),
    Variant("soap-lite", "1.1"),
    Variant("soap-lite", "1.2"),
)
"""suds knows SOAP 1.1 alone."""


class Bridge:
    """A served bridge, with an account, 1,000 credits, a sender and logins for each variant."""

    def __init__(self, served: Served) -> None:
        """Make the accounts; the bridge is not started yet."""
        self.served = served
        store = Store(f"sqlite:///{served.folder / 'bridge.db'}")
        hasher, vault, now = Hasher(), Vault(_SECRET_KEY.encode()), to_ms(system_clock())
        with store.write() as connection:
            for name in (variant.name for variant in VARIANTS):
                account = accounts.add_account(connection, name, region="IL", credit_limit=0, now=now).id
                ledger.credit(connection, account, 1_000_000, now=now)
                senders.settle(connection, account, parse_sender("ACME"), Verdict.APPROVE, now=now)
                for user, kind, secret in (
                    (name, KeyKind.PASSWORD, hasher.hash(PASSWORD)),
                    (f"{name}-plain", KeyKind.PASSWORD, hasher.hash(PLAIN)),
                    (f"{name}-digest", KeyKind.DIGEST, vault.seal(PASSWORD, user=f"{name}-digest")),
                ):
                    accounts.add_key(connection, account, user=user, kind=kind, secret=secret, now=now)
        store.close()

    def connect(self, variant: Variant, **more: Any) -> Client:
        """Start a client on the contract; ``more`` is how its driver is to set it up."""
        http = self.served.http
        order = {"wsdl": f"{http}/soap?wsdl", "location": f"{http}/soap", "version": variant.version}
        return Client(variant.client, order | more)


class Caller:
    """A client that calls with its account's login, and has numbers that no other client sends to."""

    def __init__(self, bridge: Bridge, variant: Variant, client: Client) -> None:
        """Take a running client."""
        self.served = bridge.served
        self.variant = variant
        self.client = client

    def number(self, ending: int) -> str:
        """Return a number of up to three digits behind what is the client's own, as people write it."""
        return f"050-234{VARIANTS.index(self.variant)}{ending:03}"

    def far(self, ending: int) -> str:
        """Return the same as the network knows it."""
        return f"+97250234{VARIANTS.index(self.variant)}{ending:03}"

    def say(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """Call with the login, and return how the client says that it ended."""
        login = {"username": self.variant.name, "password": PASSWORD}
        return self.client.say(operation, login | arguments)

    def ask(self, operation: str, **arguments: Any) -> dict[str, Any]:
        """Call with the login, and return the answer in terms of Python, however the client shows it."""
        said = self.say(operation, **arguments)
        assert "answer" in said, said
        return read(said["answer"])


@pytest.fixture(scope="package")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    """The bridge."""
    served = Served(tmp_path_factory.mktemp("interop"), config=_CONFIG)
    made = Bridge(served)
    served.start()
    try:
        yield made
    finally:
        assert served.stop() == 0
    assert "Traceback" not in served.logged()
    assert "change-me" not in served.logged()


@pytest.fixture(scope="package", params=VARIANTS, ids=lambda variant: variant.name)
def caller(bridge: Bridge, request: pytest.FixtureRequest) -> Iterator[Caller]:
    """A client, in each version of SOAP that it speaks."""
    variant: Variant = request.param
    with bridge.connect(variant) as client:
        yield Caller(bridge, variant, client)
