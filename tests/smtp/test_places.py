"""Which domains are ours, and what is particular about each."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.model.numbers import known_region
from smtp.config import DomainSettings, SmtpSettings
from smtp.places import CARRIER_DOMAINS, Place, Places

OURS = SmtpSettings(
    domains=("sms.example.com", "ישראל.example", "Text.Example.ORG.", "us.example.com"),
    domain={
        "us.example.com": DomainSettings(account="acme", region="US", digits=10),
        "sms.example.com": DomainSettings(region="GB"),
    },
)


@pytest.mark.parametrize(
    "written",
    ["sms.example.com", "SMS.Example.COM", "sms.example.com.", "ＳＭＳ.example.com"],
    ids=["as it is", "in capitals", "with a dot", "full-width letters"],
)
def test_one_place_in_every_spelling(written: str) -> None:
    """Case, a dot at the end and the width of letters make no other domain."""
    assert Places(OURS).find(written) == Place(domain="sms.example.com", region="GB")


@pytest.mark.parametrize(
    "written", ["ישראל.example", "xn--4dbrk0ce.example", "XN--4DBRK0CE.Example.", "ישראל.Example."]
)
def test_labels_of_either_kind(written: str) -> None:
    """An operator may write U-labels; mail comes with either form, and the place is known by its A-labels."""
    found = Places(OURS).find(written)
    assert found == Place(domain="xn--4dbrk0ce.example")


def test_what_is_particular() -> None:
    """A domain has what its own table says, and nothing of another's."""
    places = Places(OURS)
    assert places.find("us.example.com") == Place(domain="us.example.com", account="acme", region="US", digits=10)
    assert places.find("text.example.org") == Place(domain="text.example.org")
    assert [place.domain for place in places] == [*OURS.domains]


@pytest.mark.parametrize(
    "written",
    ["", ".", "example.com", "x.sms.example.com", "com", "[127.0.0.1]", "sms\udcff.example.com", "..א..", "x" * 70_000],
)
def test_elsewhere(written: str) -> None:
    """What is near one of ours is none of ours, and what is no domain at all is no error."""
    assert Places(OURS).find(written) is None


def test_carriers_domains_are_ours_only_where_the_configuration_says_so() -> None:
    """Without the setting nobody's mail to a carrier's domain is taken."""
    assert Places(OURS).find("txt.att.net") is None
    on = Places(OURS.model_copy(update={"carrier_domains": True}))
    assert on.find("TXT.ATT.NET.") == Place(domain="txt.att.net", region="US", digits=10)
    assert on.find("msg.telus.com") == Place(domain="msg.telus.com", region="CA", digits=10)
    assert {place.domain for place in on} == {*OURS.domains, *CARRIER_DOMAINS}


def test_a_table_comes_before_what_is_known_of_a_carrier() -> None:
    """An operator may name the account of a carrier's domain, and change what it takes; the rest is the carrier's."""
    settings = SmtpSettings(
        domains=("vtext.com", "tmomail.net"),
        domain={
            "vtext.com": DomainSettings(account="acme"),
            "tmomail.net": DomainSettings(region="IL", digits=9),
        },
        carrier_domains=True,
    )
    places = Places(settings)
    assert places.find("vtext.com") == Place(domain="vtext.com", account="acme", region="US", digits=10)
    assert places.find("tmomail.net") == Place(domain="tmomail.net", region="IL", digits=9)
    off = Places(settings.model_copy(update={"carrier_domains": False}))
    assert off.find("vtext.com") == Place(domain="vtext.com", account="acme")
    assert off.find("txt.att.net") is None


def test_the_table_of_carriers_is_in_normal_form() -> None:
    """Each domain is one that can be looked up, stands once, and has a region with a numbering plan."""
    domains = SmtpSettings(domains=tuple(CARRIER_DOMAINS)).domains
    assert domains == tuple(CARRIER_DOMAINS)
    assert all(re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", domain) for domain in domains)
    assert all(known_region(region) for region in CARRIER_DOMAINS.values())
    # The large ones of both countries, whose names stand in devices everywhere.
    for region, names in (
        ("US", "txt.att.net mms.att.net vtext.com vzwpix.com tmomail.net messaging.sprintpcs.com pm.sprint.com"),
        ("US", "myboostmobile.com sms.myboostmobile.com mymetropcs.com email.uscc.net mms.uscc.net vmobl.com"),
        ("US", "sms.cricketwireless.net mms.cricketwireless.net msg.fi.google.com mmst5.tracfone.com"),
        ("US", "text.republicwireless.com"),
        ("CA", "txt.bell.ca pcs.rogers.com msg.telus.com txt.freedommobile.ca fido.ca"),
    ):
        assert {CARRIER_DOMAINS[name] for name in names.split()} == {region}


@given(st.text(max_size=40) | st.sampled_from(["sms.example.com", "ישראל.example"]))
@example("\udcff")
@example("xn--")
@example("xn--a.example")
def test_any_domain(written: str) -> None:
    """Whatever is written for a domain, there is a place or none; asked again, the same."""
    places = Places(OURS)
    for one, other in pairwise([places.find(written) for _ in range(2)]):
        assert one == other
        assert one is None or one.domain in OURS.domains
