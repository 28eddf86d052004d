"""The project's own files keep their promises: packages, locks, sockets of the suite."""

import re
import socket
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from pytest_socket import SocketConnectBlockedError

ROOT = Path(__file__).parent.parent
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))

PIN = re.compile(r"(?P<name>[a-z0-9-]+)==(?P<version>[^ ;]+)(?: ; (?P<marker>.+))? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?")


def pins(lock: Path) -> dict[str, set[str]]:
    """Read the names a lock holds, each with its versions (several, where markers part them)."""
    found: dict[str, set[str]] = {}
    for match in filter(None, map(PIN.fullmatch, lock.read_text().splitlines())):
        found.setdefault(match["name"], set()).add(match["version"])
    return found


def declared(*groups: str) -> list[Requirement]:
    """Read what pyproject.toml asks for: the dependencies, and the named groups with those they include."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lines: list[str] = [*project["project"]["dependencies"]]
    waiting = list(groups)
    while waiting:
        for entry in project["dependency-groups"][waiting.pop()]:
            if isinstance(entry, str):
                lines.append(entry)
            else:
                waiting.append(entry["include-group"])
    return [Requirement(line) for line in lines]


def test_every_folder_of_tests_is_a_package() -> None:
    """A folder without __init__.py would let tests/bridge stand in for bridge."""
    folders = {
        folder
        for file in (ROOT / "tests").rglob("*.py")
        for folder in file.parents
        if folder.is_relative_to(ROOT / "tests")
    }
    assert [str(folder) for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []


def test_both_locks_are_there() -> None:
    """The tests below look at these two files, and at no other."""
    assert [lock.name for lock in LOCKS] == ["run.txt", "test.txt"]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_lock_names_no_place(lock: Path) -> None:
    """A lock holds pins, hashes and comments without an address: where to fetch from is the user's choice."""
    text = lock.read_text()
    others = [
        line
        for line in text.splitlines()
        if not (line.lstrip().startswith("#") or PIN.fullmatch(line) or HASH.fullmatch(line))
    ]
    assert others == []
    assert re.findall(r"\w+://\S*|--\w*(?:index|links|host)\S*|\S*file:\S*", text) == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_lock_hashes_every_pin(lock: Path) -> None:
    """Each pin is followed by a hash, or pip would refuse the whole file."""
    lines = lock.read_text().splitlines()
    bare = [
        line
        for line, following in zip(lines, [*lines[1:], ""], strict=True)
        if PIN.fullmatch(line) and not HASH.fullmatch(following)
    ]
    assert bare == []


@pytest.mark.parametrize(("name", "groups"), [("run.txt", ("build",)), ("test.txt", ("test",))])
def test_lock_satisfies_the_project(name: str, groups: tuple[str, ...]) -> None:
    """What pyproject.toml asks for is pinned, at a version it allows; else run `make lock`."""
    locked = pins(ROOT / "requirements" / name)
    unmet = [
        str(wanted)
        for wanted in declared(*groups)
        if not (versions := locked.get(canonicalize_name(wanted.name)))
        or not all(wanted.specifier.contains(Version(version)) for version in versions)
    ]
    assert unmet == []


def test_test_lock_holds_the_run_lock() -> None:
    """The suite runs on the very versions the bridge runs on."""
    tested = pins(ROOT / "requirements" / "test.txt")
    assert {name: tested.get(name) for name in pins(ROOT / "requirements" / "run.txt")} == pins(
        ROOT / "requirements" / "run.txt"
    )


def test_sockets_reach_no_other_machine() -> None:
    """A test that calls out fails at once (192.0.2.0/24 is nobody's, RFC 5737)."""
    with socket.socket() as outward, pytest.raises(SocketConnectBlockedError):
        outward.connect(("192.0.2.1", 25))


def test_sockets_reach_this_machine() -> None:
    """Servers started by tests listen on loopback, and are reached there."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname(), timeout=5) as client,
    ):
        assert client.getpeername() == server.getsockname()
