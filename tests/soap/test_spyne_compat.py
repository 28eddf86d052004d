"""Spyne imports on every Python that the project runs on, silently, and logs nothing."""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import soap

ROOT = Path(__file__).parent.parent.parent
LOCK = ROOT / "requirements" / "run.txt"

SCRIPT = """
import soap, sys
assert "spyne" not in sys.modules, "loaded before anybody asked"
from spyne import Application, Integer, Service, Unicode, rpc
from spyne.interface.wsdl import Wsdl11
from spyne.protocol.soap import Soap11, Soap12
from spyne.util.six.moves.urllib.parse import quote
from spyne.util import six

class Hello(Service):
    @rpc(Unicode, Integer, _returns=Unicode)
    def hello(ctx, name, times):
        return name * times

for protocol in (Soap11, Soap12):
    application = Application([Hello], "urn:hello", in_protocol=protocol(validator="soft"), out_protocol=protocol())
    document = Wsdl11(application.interface)
    document.build_interface_document("http://127.0.0.1/")
    assert b"helloResponse" in document.get_interface_document()

import soap.schema, soap.writing
print("fine on", "%d.%d" % sys.version_info[:2])
"""


HERE = f"{sys.version_info.major}.{sys.version_info.minor}"


def script(python: str, *path: Path) -> subprocess.CompletedProcess[str]:
    """Run the script in a Python, where every warning is an error."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path)), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [python, "-W", "error", "-c", SCRIPT], capture_output=True, text=True, timeout=100, check=False, env=environment
    )


def test_here() -> None:
    """In this Python, in a process of its own. Nothing is said on the way."""
    ran = script(sys.executable, ROOT)
    assert (ran.stdout, ran.stderr) == (f"fine on {HERE}\n", "")


def _works(python: str, code: str, path: Path | None = None) -> bool:
    environment = dict(os.environ) | ({"PYTHONPATH": str(path)} if path else {})
    ran = subprocess.run([python, "-c", code], capture_output=True, timeout=60, check=False, env=environment)
    return ran.returncode == 0


def _pythons(version: str) -> Iterator[str]:
    """Give the Pythons of a version: those that are named for it, those of pyenv, that on the path."""
    yield from filter(None, os.environ.get("TEST_PYTHONS", "").split(os.pathsep))
    yield from map(str, Path("~/.pyenv/versions").expanduser().glob(f"{version}.*/bin/python"))
    if found := shutil.which(f"python{version}"):
        yield found


def _install(python: str, folder: Path) -> str | None:
    """Put Spyne and what it needs into a folder, from what is kept on this machine. Returns why that cannot be."""
    uv = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    if uv is None:
        return "uv is not installed"
    pinned = re.findall(r"^((?:spyne|lxml|pytz|legacy-cgi)==\S+)", LOCK.read_text(encoding="utf-8"), re.MULTILINE)
    ran = subprocess.run(
        [uv, "pip", "install", "--offline", "--no-deps", "--python", python, "--target", str(folder), *pinned],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    return ran.stderr[-300:] if ran.returncode else None


@pytest.mark.slow
@pytest.mark.parametrize("version", [each for each in ("3.11", "3.12", "3.13") if each != HERE])
def test_in_other_pythons(version: str, tmp_path: Path) -> None:
    """In each that this machine has, if Spyne and lxml are there for it too: nothing is fetched.

    TEST_PYTHONS may name some that have them, separated as in PATH.
    """
    right = f"import sys; sys.exit('%d.%d' % sys.version_info[:2] != {version!r})"
    python = next((each for each in _pythons(version) if _works(each, right)), None)
    if python is None:
        pytest.skip(f"there is no Python {version} on this machine")
    if not _works(python, "import lxml.etree, pytz") and (why := _install(python, tmp_path)):
        pytest.skip(f"{python} is here, but Spyne and lxml for it are not: {why}")
    ran = script(python, ROOT, tmp_path)
    assert (ran.stdout, ran.stderr) == (f"fine on {version}\n", "")


def test_spyne_says_nothing(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    """None of its loggers is on at any level, also those that there are not yet."""
    from spyne.protocol.soap.soap11 import _parse_xml_string  # noqa: PLC0415 - after soap

    with pytest.raises(Exception, match="XMLSyntaxError"):
        _parse_xml_string([b"<password>correct-horse-7"], None)
    names = [name for name in logging.Logger.manager.loggerDict if re.match(r"spyne\b", name)]
    assert len(names) > 20
    for name in [*names, "spyne.of.tomorrow"]:
        assert not logging.getLogger(name).isEnabledFor(logging.CRITICAL), name
    assert not caplog.records
    assert "correct-horse" not in "".join(capfd.readouterr())


def test_it_is_there_before_spyne() -> None:
    """Whoever imports anything of the package has it."""
    assert soap.spyne_compat.__name__ in sys.modules
