"""Addresses and networks of logins."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from bridge.model.login import KeyKind, Login, place_of, read_address, read_network, read_networks


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("192.0.2.7", "192.0.2.7"),
        (" 192.0.2.7 ", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::ffff:c000:207", "192.0.2.7"),
        ("[2001:DB8::1]", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("192.0.2.07", None),
        ("192.0.2.7:25", None),
        ("localhost", None),
        ("", None),
    ],
)
def test_addresses(written: str, address: str | None) -> None:
    """As sockets and proxies write them; IPv4 inside IPv6 is IPv4, and what is no address is none."""
    assert read_address(written) == (ip_address(address) if address is not None else None)


@pytest.mark.parametrize(
    ("written", "network"),
    [
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("192.0.2.7", "192.0.2.7/32"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("2001:DB8::/32", "2001:db8::/32"),
        ("2001:db8::1", "2001:db8::1/128"),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
        ("::/0", "::/0"),
    ],
)
def test_networks(written: str, network: str) -> None:
    """Of addresses, IPv4 inside IPv6 as IPv4, up to all of it."""
    assert read_network(written) == ip_network(network)


@pytest.mark.parametrize("written", ["", "x", "192.0.2.7/24", "192.0.2.0/33", "::ffff:192.0.2.7/120", "192.0.2.0-9"])
def test_what_is_no_network(written: str) -> None:
    """The refusal names it, and says what one looks like."""
    with pytest.raises(ValueError, match=r"is no network.*write 192\.0\.2\.0/24"):
        read_network(written)


def test_networks_are_kept_once() -> None:
    """In their order."""
    assert [str(each) for each in read_networks(["::1", "192.0.2.0/24", "::ffff:192.0.2.0/120"])] == [
        "::1/128",
        "192.0.2.0/24",
    ]


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:ffff:ffff:ffff", "2001:db8::/64"),
        ("2001:db8:0:1::", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unix", "unix"),
        ("y" * 500, "y" * 128),
    ],
)
def test_places(written: str, place: str) -> None:
    """Under what failures are counted: an address, a /64, or what stands there."""
    assert place_of(written) == place


def test_no_secret_is_shown() -> None:
    """What is kept of a secret is not in the login's representation."""
    login = Login(user="ann", account_id=1, kind=KeyKind.TOKEN, secret="s3cret")
    assert "s3cret" not in repr(login)
    assert login.allows(None)
