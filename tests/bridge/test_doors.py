"""The contract of a door: addresses, listening, and what an operator is told when that cannot be."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest

from bridge import doors
from bridge.doors import Health, listen
from bridge.fields import join_address, split_address
from bridge.model.errors import ConfigError


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [
        ("127.0.0.1:8025", "127.0.0.1", 8025),
        ("localhost:0", "localhost", 0),
        ("0.0.0.0:65535", "0.0.0.0", 65_535),  # noqa: S104 - an address that is written, not listened on
        ("[::1]:25", "::1", 25),
        ("[::]:0", "::", 0),
        ("[fe80::1%lo]:1", "fe80::1%lo", 1),
        ("sms.example.com:2525", "sms.example.com", 2525),
    ],
)
def test_addresses(address: str, host: str, port: int) -> None:
    """Host and port come apart and together again."""
    assert split_address(address) == (host, port)
    assert join_address(host, port) == address


@pytest.mark.parametrize(
    "address",
    [
        "",
        "localhost",
        ":25",
        "localhost:",
        "localhost:smtp",
        "localhost:65536",
        "localhost:-1",
        "localhost:+1",
        "localhost:٣",
        "::1:25",
        "::1",
        "[::1]",
        "[::1]25",
        "localhost:" + "9" * 5_000,
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    """With what to write, as a ValueError in the settings and as a ConfigError when it is to be listened on."""
    with pytest.raises(ValueError, match=r"write|port|limit"):
        split_address(address)
    with pytest.raises(ConfigError, match=r"^smtp\.listen: "):
        listen(address, setting="smtp.listen")


@pytest.fixture
def port() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        found: int = server.getsockname()[1]
        yield found


@pytest.mark.parametrize(("address", "family"), [("127.0.0.1:0", socket.AF_INET), ("[::1]:0", socket.AF_INET6)])
def test_listening(address: str, family: int) -> None:
    """The socket takes connections, blocks nobody, and port 0 is a free one."""
    if family == socket.AF_INET6 and not _has_ipv6():
        pytest.skip("this machine has no IPv6 address")
    with closing(listen(address, setting="smtp.listen")) as listener:
        assert listener.family == family
        assert not listener.getblocking()
        place = listener.getsockname()
        assert place[1] > 0
        with socket.create_connection(place[:2], timeout=10):
            peer, _ = listener.accept()
            peer.close()


def test_both_families_at_once() -> None:
    """``[::]:p`` leaves IPv4 to ``0.0.0.0:p``: an operator lists both and gets both."""
    if not _has_ipv6():
        pytest.skip("this machine has no IPv6 address")
    with closing(listen("[::]:0", setting="a")) as six:
        assert six.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1
        with closing(listen(f"127.0.0.1:{six.getsockname()[1]}", setting="b")) as four:
            assert four.getsockname()[1] == six.getsockname()[1]


def test_a_port_can_be_taken_up_again_at_once() -> None:
    """After a stop with connections open, the next start does not wait for the system to forget them."""
    first = listen("127.0.0.1:0", setting="a")
    place = first.getsockname()
    client = socket.create_connection(place, timeout=10)
    peer, _ = first.accept()
    peer.close()
    first.close()
    client.close()
    listen(f"127.0.0.1:{place[1]}", setting="a").close()


def test_a_port_in_use(port: int) -> None:
    """The setting and the address are named, and what to do."""
    with pytest.raises(ConfigError) as told:
        listen(f"127.0.0.1:{port}", setting="smtp.listen")
    assert told.value.reason == (
        f"smtp.listen: 127.0.0.1:{port} is in use; stop the program that has it, or choose another port"
    )


def test_an_address_of_another_machine() -> None:
    """One that is not ours is told apart from one that is in use."""
    with pytest.raises(ConfigError, match=r"^http\.listen: 192\.0\.2\.1:0 is no address of this machine$"):
        listen("192.0.2.1:0", setting="http.listen")


@pytest.mark.parametrize("host", ["no.such.host.invalid", "a" * 300 + ".example", "a..b", "999.1.1.1"])
def test_a_name_that_leads_nowhere(host: str) -> None:
    """Resolved or not, it is no address of this machine."""
    with pytest.raises(ConfigError, match=r"^http\.listen: "):
        listen(f"{host}:0", setting="http.listen")


_LISTEN = """
import os, sys
from bridge.doors import listen
from bridge.model.errors import ConfigError
listen("127.0.0.1:0", setting="before").close()  # what is imported late may not be readable to nobody
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try:
    listen("127.0.0.1:1", setting="smtp.listen")
except ConfigError as error:
    print(error.reason)
"""


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="users are another thing here")
def test_a_port_that_needs_a_right() -> None:
    """Below 1024, for a user without the right: the reason says which one is missing."""
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start") as limit:  # noqa: PTH123 - it has no other name
        if int(limit.read()) <= 1:
            pytest.skip("this system lets everybody listen on every port")
    done = subprocess.run([sys.executable, "-c", _LISTEN], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith("smtp.listen: no permission to listen on 127.0.0.1:1; ports below 1024 need root")


def test_the_doors_of_this_project_are_found() -> None:
    """By their entry points, in the order of their names, each with settings that all have defaults."""
    found = doors.kinds()
    assert list(found) == sorted(found)
    assert {"http", "smtp"} <= set(found)
    for kind in found.values():
        assert kind.settings().model_dump()
        assert callable(kind.build)


@pytest.mark.parametrize(
    ("health", "ready"),
    [
        (Health(live=True), True),
        (Health(live=True, problems=("database: away",)), False),
        (Health(live=False), False),
    ],
)
def test_ready_is_alive_and_without_a_problem(health: Health, *, ready: bool) -> None:
    """Alive with a problem waits for it to pass; dead is not waited for."""
    assert health.ready is ready


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False
