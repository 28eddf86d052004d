"""Who calls: where a login is looked for, and whose word on the client's address is believed."""

from __future__ import annotations

import base64
from ipaddress import ip_network
from typing import Any

import pytest

from bridge.calls.logins import Password, Token
from bridge.model.errors import LoginFailed
from soap.visit import Visit, client_address, from_proxy, http_credentials, new_id
from tests.soap.house import PASSWORD, USER, House

PROXIES = (ip_network("127.0.0.0/8"), ip_network("10.0.0.0/8"), ip_network("2001:db8::/64"))


def scope(peer: str | None, *lines: str, header: bytes = b"x-forwarded-for") -> dict[str, Any]:
    """Return the scope of a request from a peer."""
    client = None if peer is None else (peer, 4711)
    return {"type": "http", "client": client, "headers": [(header, line.encode("latin-1")) for line in lines]}


@pytest.mark.parametrize(
    ("peer", "lines", "address"),
    [
        ("203.0.113.1", (), "203.0.113.1"),
        ("203.0.113.1", ("198.51.100.7",), "203.0.113.1"),
        ("127.0.0.1", (), "127.0.0.1"),
        ("127.0.0.1", ("198.51.100.7",), "198.51.100.7"),
        ("127.0.0.1", ("6.6.6.6, 198.51.100.7",), "198.51.100.7"),
        ("127.0.0.1", ("6.6.6.6", "198.51.100.7 , 10.1.2.3"), "198.51.100.7"),
        ("127.0.0.1", ("10.0.0.1, 10.0.0.2",), "10.0.0.1"),
        ("127.0.0.1", ("6.6.6.6, unknown",), "127.0.0.1"),
        ("127.0.0.1", ("6.6.6.6, unknown, 10.0.0.9",), "10.0.0.9"),
        ("127.0.0.1", ("",), "127.0.0.1"),
        ("127.0.0.1", ("198.51.100.7:5060",), "198.51.100.7"),
        ("127.0.0.1", ("[2001:db8:9::1]:5060",), "2001:db8:9::1"),
        ("127.0.0.1", ("2001:DB8:9:0::1",), "2001:db8:9::1"),
        ("127.0.0.1", ("::ffff:198.51.100.7",), "198.51.100.7"),
        ("::ffff:127.0.0.1", ("198.51.100.7",), "198.51.100.7"),
        ("2001:db8::1", ("198.51.100.7",), "198.51.100.7"),
        ("fe80::1%eth0", (), "fe80::1"),
        (None, ("198.51.100.7",), ""),
        ("unix", ("198.51.100.7",), ""),
    ],
)
def test_the_address_of_a_client(peer: str | None, lines: tuple[str, ...], address: str) -> None:
    """The last address that no believed proxy has; a header of anybody else says nothing."""
    assert client_address(scope(peer, *lines), PROXIES) == address
    assert from_proxy(scope(peer), PROXIES) == (
        peer is not None and peer not in {"203.0.113.1", "unix", "fe80::1%eth0"}
    )


def basic(pair: bytes) -> str:
    """Return a header of HTTP Basic."""
    return f"Basic {base64.b64encode(pair).decode()}"


@pytest.mark.parametrize(
    ("written", "found"),
    [
        (basic(b"acme:pass:word"), Password(user="acme", password="pass:word")),
        (basic("אנה:סוד".encode()), Password(user="אנה", password="סוד")),
        (basic(b"caf\xe9:x"), Password(user="café", password="x")),
        (basic(b"acme:").lower().replace("basic", "BASIC", 1), None),
        (basic(b"acme:").replace("Basic", "bAsIc  "), Password(user="acme", password="")),
        (basic(b"acme"), None),
        ("Basic not base64!", None),
        ("Bearer  abc ", Token(token="abc")),
        ("bearer abc", Token(token="abc")),
        ("Bearer ", None),
        ("Bearer", None),
        ("Digest username=x", None),
        ("", None),
    ],
)
def test_http_credentials(written: str, found: object) -> None:
    """Basic in UTF-8 or Latin-1, Bearer, in any case."""
    assert http_credentials(written) == found


def test_where_a_login_is_looked_for(house: House) -> None:
    """In the arguments, in the envelope's header, in HTTP's: the first that is there counts, right or wrong."""

    async def work(house: House) -> None:
        right, wrong = Password(user=USER, password=PASSWORD), Password(user=USER, password="wrong")

        def visit(header: Password | None, http: bytes) -> Visit:
            return house.visits.of(
                scope("192.0.2.7", f"Basic {base64.b64encode(http).decode()}", header=b"authorization"), header=header
            )

        good, bad = f"{USER}:{PASSWORD}".encode(), f"{USER}:wrong".encode()
        assert (await visit(wrong, bad).caller(USER, PASSWORD)).user == USER
        assert (await visit(right, bad).caller()).user == USER
        assert (await visit(right, bad).caller("", "", "")).user == USER
        assert (await visit(None, good).caller(USER, None)).user == USER
        for found, given in (
            (visit(right, good), (USER, "wrong", None)),
            (visit(right, good), (None, None, "no such token")),
            (visit(wrong, good), ()),
            (visit(None, bad), ()),
            (visit(None, b""), (USER,)),
            (house.visit(), ()),
        ):
            with pytest.raises(LoginFailed):
                await found.caller(*given)
        assert visit(right, b"").brings_login
        assert visit(None, good).brings_login
        assert not house.visit().brings_login

    house.through(work)


def test_ids_are_not_guessed() -> None:
    """Each is its own."""
    assert len({new_id() for _ in range(1000)}) == 1000


def test_a_visit_shows_no_secrets(house: House) -> None:
    """Neither those of its header nor those of its request."""

    async def work(house: House) -> None:
        found = house.visits.of(
            scope("192.0.2.7", basic(b"a:topsecret"), header=b"authorization"),
            header=Password(user="a", password="top"),
        )
        assert "top" not in repr(found)
        assert base64.b64encode(b"a:topsecret").decode() not in repr(found)

    house.through(work)
