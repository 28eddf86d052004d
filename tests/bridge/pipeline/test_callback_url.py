"""Which URLs may be named to be called, and which addresses are."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from bridge.model.errors import CallbackRefused
from bridge.pipeline.callback_url import may_call, read_url


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("https://example.com", "https://example.com/"),
        ("HTTPS://Example.COM:443/A?b=%20#c", "https://example.com/A?b=%20"),
        ("http://example.com:80", "http://example.com/"),
        ("http://example.com:443/", "http://example.com:443/"),
        ("http://example.com:8080?x=1", "http://example.com:8080/?x=1"),
        ("https://example.com./", "https://example.com./"),
        ("https://a_b.example.com/", "https://a_b.example.com/"),
        ("https://bücher.example/דו״ח", "https://xn--bcher-kva.example/דו״ח"),
        ("http://8.8.8.8/", "http://8.8.8.8/"),
        ("http://[2001:4860:4860:0::8888]:81/x", "http://[2001:4860:4860::8888]:81/x"),
    ],
)
def test_urls_that_are_kept(written: str, kept: str) -> None:
    """A URL has one form, and that form is its own."""
    assert read_url(written) == kept
    assert read_url(kept) == kept


@pytest.mark.parametrize(
    "written",
    [
        *(
            "",
            "x",
            "/a",
            "//example.com/",
            "example.com",
            "ftp://example.com/",
            "javascript:alert(1)",
            "file:///etc/passwd",
        ),
        *("http://", "http:///a", "http://:80/", "http://example.com:x/", "http://example.com:0/", "http://a:99999/"),
        *("http://ann@example.com/", "http://ann:secret@example.com/", "http://@example.com/", "http://[::1/"),
        *(
            "http://example.com/a b",
            "http://example.com/\n",
            "http://exa\0mple.com/",
            "http://example.com\\@127.0.0.1/",
        ),
        *(
            "http://example..com/",
            "http://-a.example/",
            "http://a%2e.example/",
            "http://\ud800.example/",
            "http://ex!/",
        ),
        *("http://127.0.0.1/", "http://127.1/", "http://2130706433/", "http://0x7f000001/", "http://0177.0.0.1/"),
        *("http://0x7f.1/", "http://1.2.3.4.5/", "http://١٢٧.0.0.1/", "http://127。0。0。1/", "http://0/"),
        *("http://localhost/", "http://LOCALHOST./", "http://a.localhost/", "http://ⓛocalhost/"),
        *(
            "http://10.0.0.1/",
            "http://172.16.0.1/",
            "http://192.168.1.1/",
            "http://169.254.169.254/",
            "http://0.0.0.0/",
        ),
        *("http://100.64.0.1/", "http://192.0.2.1/", "http://198.18.0.1/", "http://224.0.0.1/", "http://240.0.0.1/"),
        *("http://255.255.255.255/", "http://[::]/", "http://[::1]/", "http://[fe80::1]/", "http://[fc00::1]/"),
        *("http://[ff02::1]/", "http://[::ffff:10.0.0.1]/", "http://[64:ff9b::a00:1]/", "http://[2002:a00:1::]/"),
        *("http://[fec0::1]/", "http://[2001:4860::1%25eth0]/", "http://192.88.99.1/", "http://192.0.0.9/"),
        *("http://[::127.0.0.1]/", "http://[fe80::1%25eth0]/", "https://example.com/" + "x" * 1981),
    ],
)
def test_urls_that_are_refused(written: str) -> None:
    """What is no URL to call, names a user, or leads beside the bridge, in whatever spelling."""
    with pytest.raises(CallbackRefused):
        read_url(written)


def test_the_longest_url() -> None:
    """2000 characters are taken, also where the normal form is the longer one."""
    assert len(read_url("https://example.com/" + "x" * 1980)) == 2000
    with pytest.raises(CallbackRefused):
        read_url("https://bücher.example?" + "x" * 1970)


def test_networks_of_the_operator() -> None:
    """What the operator names is called, and nothing beside it."""
    allowed = [ip_network("10.1.0.0/16"), ip_network("127.0.0.0/8")]
    assert read_url("http://10.1.2.3/", allowed=allowed) == "http://10.1.2.3/"
    assert read_url("http://localhost:81/", allowed=allowed) == "http://localhost:81/"
    assert read_url("http://[::ffff:10.1.2.3]/", allowed=allowed) == f"http://[{ip_address('::ffff:10.1.2.3')}]/"
    for other in ("http://10.2.0.1/", "http://[::1]/", "http://192.168.0.1/"):
        with pytest.raises(CallbackRefused):
            read_url(other, allowed=allowed)
    assert may_call(ip_address("::1"), [ip_network("::1")])
    assert may_call(ip_address("64:ff9b::808:808"), [])
    assert not may_call(ip_address("2001:0:4136:e378:8000:63bf:3fff:fdd2"), [])
