"""Authentication-Results of a named relay, read to the letter."""

from __future__ import annotations

import time

import authres
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model.mail_policy import Proof
from smtp.proof import results
from smtp.proof.prove import Proved
from smtp.proof.results import Result, Results
from tests.smtp.proof.forgeries import RELAY, RELAYS_HOST, SETTINGS
from tests.smtp.proof.world import MAIL, NUMBER, run, world


def proved(*fields: str, peer: str = RELAYS_HOST) -> Proved:
    """Prove a mail by the word of the relay, with these fields on top."""
    raw = "".join(f"Authentication-Results: {field}\r\n" for field in fields).encode() + MAIL

    async def scene() -> Proved:
        async with world(**SETTINGS) as at:
            return await at.prove(raw, Proof.RELAY, peer=peer)

    return run(scene())


@pytest.mark.parametrize(
    ("field", "method"),
    [
        (f"{RELAY}; dkim=pass header.d=example.com", "dkim"),
        (f"{RELAY} 1; DKIM = PASS (good) header.D = Example.COM.", "dkim"),
        (f"{RELAY};\r\n\tspf=none smtp.mailfrom=example.com;\r\n\tdkim=pass\r\n\theader.i=@lists.example.com;", "dkim"),
        (f'{RELAY}; spf=pass smtp.mailfrom="bounce+x=y"@example.com', "spf"),
        (f"{RELAY.upper()}; dmarc=pass (p=reject dis=none) header.from=example.com", "dmarc"),
        (f"{RELAY}; auth=pass (plain) smtp.auth=ann@example.com", "auth"),
    ],
)
def test_word_of_the_relay(field: str, method: str) -> None:
    """What the relay says of the author's domain proves, in every form that RFC 8601 allows."""
    found = proved(field)
    assert found.found == {Proof.RELAY: f"{method}=pass by {RELAY}"}
    # A signature says nothing of who sent the mail on: whom it may go to stands in it.
    signed = {} if method in {"spf", "auth"} else {Proof.RELAY: frozenset({NUMBER})}
    assert found.recipients == signed


def test_topmost_field_of_the_relay() -> None:
    """Other servers' fields above and below do not matter; the topmost of the relay's name does."""
    good = f"{RELAY}; dkim=pass header.d=example.com"
    assert Proof.RELAY in proved("mx.other.test; dkim=fail header.d=example.com", good, f"{RELAY}; dkim=fail").found
    assert proved(f"{RELAY}; none", good).found == {}


def test_host_of_the_relay() -> None:
    """The field counts from the relay's hosts alone, in IPv6 form as well."""
    good = f"{RELAY}; dkim=pass header.d=example.com"
    assert Proof.RELAY in proved(good, peer=f"::ffff:{RELAYS_HOST}").found
    for peer in ("198.51.100.8", "", "unix", "::1"):
        assert proved(good, peer=peer).reasons == (
            "the mail came from no relay whose Authentication-Results are believed",
        )


def _one(properties: dict[str, str]) -> Results:
    return Results(server="a", results=(Result(method="x", result="y", properties=properties),))


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("a; none", Results(server="a", results=())),
        ("a;", Results(server="a", results=())),
        ("a", Results(server="a", results=())),
        ("a (b) 1 (c); x/1=y", _one({})),
        ("a;x=y p.q=r=s==", _one({"p.q": "r=s=="})),
        ('a;x=y p.q="r\\"s"', _one({"p.q": 'r"s'})),
        ('a;x=y p.q= "r s"', _one({"p.q": "r s"})),
        ("", None),
        (";", None),
        ("a b; x=y", None),
        ("a; x", None),
        ("a; x=", None),
        ("a; =y", None),
        ("a; x=y z", None),
        ("a; x=y p.q= r.s=t", None),
        ("a; x=y p.q=r p.q=r", None),
        ("a; x=y p.q=r P.Q=r", None),
        ('a; "x"=y', None),
        ('a; x "=y"', None),
        ("a; x y=z", None),
        ("a; x=y; (", None),
        ('a; x="y', None),
        ("a; x=y\\", None),
        ("a; x=y)", None),
        ("a; x=y\x00", None),
        ("a; x=y z" + "z" * 8192, None),
        ("x=y; z=a", None),
        ('"a"; x=y', None),
    ],
)  # fmt: skip
def test_reading(value: str, read: Results | None) -> None:
    """A value is read to the letter or not at all."""
    assert results.read(value) == read


_space = st.sampled_from(["", " ", "\t", " (x) ", " (a(b)c) ", "(;)", '("=")'])
_property = st.sampled_from(
    ["header.d=b.test", 'smtp.mailfrom="a b"@c.test', "header.i=@d.test", "policy.x=", "reason=z", "x=y"]
)
_result = st.tuples(st.sampled_from(["dkim", "spf/1", "dmarc", "x-y"]), _space, _space, st.lists(_property, max_size=2))
_piece = st.sampled_from([";", "=", "(", ")", '"', "\\", " ", "none", "1", "/", "@"])


@given(st.lists(_result, max_size=3), _space, st.lists(st.tuples(st.integers(0, 200), _piece), max_size=2))
def test_reading_agrees_with_authres(
    made: list[tuple[str, str, str, list[str]]], space: str, spoilt: list[tuple[int, str]]
) -> None:
    """Nothing escapes, and no result is read that authres, which forgives more, does not read as well."""
    value = f"mx.test{space}" + "".join(
        f";{before}{method}={after or ' '}pass {' '.join(properties)}" for method, before, after, properties in made
    )
    for place, piece in spoilt:
        value = value[:place] + piece + value[place:]
    found = results.read(value)
    if found is None or not found.results or "\\" in value:
        return
    try:
        header = authres.AuthenticationResultsHeader.parse(f"Authentication-Results: {value}")
    except authres.SyntaxError:
        return
    read = {(each.method, each.result) for each in header.results if each is not header.NONE_RESULT}
    assert read >= {(each.method, each.result) for each in found.results}


@pytest.mark.parametrize("piece", ["(", '"', "\\", "=", ";", "a=b;", "a=b ", " ", "()", '""', "a"])
def test_long_values_take_no_time(piece: str) -> None:
    """A value of any length is read, or not, in time that grows with it."""
    spent = time.thread_time()
    results.read("a; x=y " + piece * (8000 // len(piece)))
    results.read("a; x=y " + piece * 1_000_000)
    assert time.thread_time() - spent < 0.5
