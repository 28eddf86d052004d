"""The door: what its settings say, and the routes that it adds to the HTTP port."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from bridge import doors
from bridge.app import App
from bridge.config import load
from soap.config import SoapSettings
from soap.server import door
from tests.support.served import environment

CONFIG = """\
database = "sqlite:///bridge.db"
[smtp]
listen = []
[soap]
enabled = {enabled}
[carriers.sandbox]
kind = "sandbox"
"""


def app(folder: Path, *, enabled: bool) -> App:
    """Return a bridge, not yet open."""
    file = folder / "bridge.toml"
    file.write_text(CONFIG.format(enabled=str(enabled).lower()), encoding="utf-8")
    return App(load(file, {}))


def test_it_is_installed() -> None:
    """Under its name, as the table of the configuration."""
    found: Any = doors.kinds()["soap"]
    assert found is door


def test_routes(tmp_path: Path) -> None:
    """The service, its contract, and the faces; none when it is switched off. It has no address of its own."""
    bridge = app(tmp_path, enabled=True)
    paths = [route.path for route in bridge.doors["soap"].routes()]  # type: ignore[attr-defined]
    assert paths[:3] == ["/soap", "/soap/", "/soap.wsdl"]
    assert "/ws.php" in paths
    assert bridge.doors["soap"].addresses == ()
    assert bridge.doors["soap"].ended() is None
    bridge.store.close()
    silent = app(tmp_path, enabled=False)
    assert list(silent.doors["soap"].routes()) == []
    silent.store.close()


@pytest.mark.parametrize(
    "wrong", [{"max_body": 100}, {"max_body": 1 << 40}, {"trusted_proxies": ["nobody"]}, {"port": 80}]
)
def test_settings_that_cannot_be(wrong: dict[str, Any]) -> None:
    """They are refused."""
    with pytest.raises(ValidationError):
        SoapSettings(**wrong)


def test_the_contract_of_a_configuration() -> None:
    """As the command asks for it."""
    settings: Any = SimpleNamespace(public_url="https://sms.example.com")
    address, contract = door.contract(settings)
    assert address == "https://sms.example.com/soap"
    assert contract.count('location="https://sms.example.com/soap"') == 2


def test_commands_do_not_wait_for_spyne() -> None:
    """Whoever only reads the configuration loads neither Spyne nor lxml."""
    code = "import sys; from bridge import config; config.model(); print({'spyne', 'lxml'} & set(sys.modules))"
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False, env=environment()
    )
    assert (ran.stdout, ran.stderr) == ("set()\n", "")
