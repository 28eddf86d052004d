"""One bridge for all mail clients, with a login for each of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from tests.interop.mail.bridge import Bridge
from tests.interop.mail.clients import CLIENTS

LOGINS: Final = {name: f'Sesame! <&> "{name}" \\ שלום' for name in CLIENTS} | {"smtplib": 'Sesame! <&> "now" \\'}
"""The password of each client's login: all that has to be escaped somewhere. smtplib knows ASCII alone."""


@pytest.fixture(scope="package")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    """The bridge."""
    made = Bridge(tmp_path_factory.mktemp("clients"), logins=LOGINS)
    made.served.start()
    try:
        yield made
    finally:
        assert made.served.stop() == 0
    assert "Traceback" not in made.served.logged()
    assert "Sesame" not in made.served.logged()
