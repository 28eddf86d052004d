"""Which number a recipient's address stands for, and in whose domain it is."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.model.errors import InvalidNumber, PremiumNumber, Refusal, UnassignedNumber, UnknownDomain
from smtp.address import parse_recipient

DOMAINS = frozenset({"sms.example.com", "xn--4dbrk0ce.example", "Text.Example.ORG."})
NUMBER = "+972502345678"

TAKEN = {
    "international without plus": "972502345678@sms.example.com",
    "international with plus": "+972502345678@sms.example.com",
    "international with 00": "00972502345678@sms.example.com",
    "local": "0502345678@sms.example.com",
    "local without trunk prefix": "502345678@sms.example.com",
    "dashes and dots": "050-234.56.78@sms.example.com",
    "quoted": '"050 234 5678"@sms.example.com',
    "quoted with pairs": '"\\050\\ 2345678"@sms.example.com',
    "quoted for nothing": '"972502345678"@sms.example.com',
    "other digits": "٠٥٠٢٣٤٥٦٧٨@sms.example.com",
    "source route": "@a.example,@b.example:972502345678@sms.example.com",
    "domain in capitals": "972502345678@SMS.Example.COM",
    "dot after the domain": "972502345678@sms.example.com.",
    "domain configured in capitals with a dot": "972502345678@text.example.org",
    "the same, as configured": "972502345678@Text.Example.ORG.",
    "A-labels": "972502345678@XN--4DBRK0CE.example",
    "U-labels": "972502345678@ישראל.example.",
}


@pytest.mark.parametrize("address", TAKEN.values(), ids=TAKEN)
def test_taken(address: str) -> None:
    """All ways to write one number in our domains are that number."""
    assert parse_recipient(address, domains=DOMAINS, region="IL") == NUMBER
    assert parse_recipient(address, domains=sorted(DOMAINS), region="IL") == NUMBER


def test_domain_configured_as_people_write_it() -> None:
    """An operator may write U-labels; mail comes with either form."""
    for domain in ("ישראל.example", "xn--4dbrk0ce.example"):
        address = f"972502345678@{domain}"
        assert parse_recipient(address, domains=["ישראל.Example"], region=None) == NUMBER


REFUSED = {
    "another domain": ("972502345678@example.com", UnknownDomain),
    "a domain below ours": ("972502345678@x.sms.example.com", UnknownDomain),
    "a domain above ours": ("972502345678@com", UnknownDomain),
    "no domain": ("972502345678", UnknownDomain),
    "an empty domain": ("972502345678@", UnknownDomain),
    "a dot for a domain": ("972502345678@.", UnknownDomain),
    "an address literal": ("972502345678@[127.0.0.1]", UnknownDomain),
    "bytes that are no UTF-8 in the domain": ("972502345678@sms\udcff.example.com", UnknownDomain),
    "no name at all in the domain": ("972502345678@..\u05d0..", UnknownDomain),
    "a route and nothing else": ("@sms.example.com", UnknownDomain),
    "the percent hack to elsewhere": ("972502345678%sms.example.com@example.com", UnknownDomain),
    "another domain, whatever the number": ("ann@example.com", UnknownDomain),
    "empty": ("", UnknownDomain),
    "the percent hack": ("972502345678%example.com@sms.example.com", InvalidNumber),
    "no number": ("@sms.example.com:@sms.example.com", InvalidNumber),
    "an empty quoted one": ('""@sms.example.com', InvalidNumber),
    "half a quote": ('"972502345678@sms.example.com', InvalidNumber),
    "one quote": ('"@sms.example.com', InvalidNumber),
    "a name": ("postmaster@sms.example.com", InvalidNumber),
    "bytes that are no UTF-8": ("97250\udce82345678@sms.example.com", InvalidNumber),
    "two numbers": ("972502345678,972502345679@sms.example.com", InvalidNumber),
    "too long": ("9" * 65 + "@sms.example.com", InvalidNumber),
    "unassigned": ("972501234567@sms.example.com", UnassignedNumber),
    "premium": ("+19002345678@sms.example.com", PremiumNumber),
}


@pytest.mark.parametrize(("address", "error"), REFUSED.values(), ids=REFUSED)
def test_refused(address: str, error: type[Refusal]) -> None:
    """Everything else is refused for what is wrong with it: the domain first, then the number."""
    with pytest.raises(error) as caught:
        parse_recipient(address, domains=DOMAINS, region="IL")
    assert type(caught.value) is error
    assert not any(digits in caught.value.reason for digits in ("97250", "sms.example"))


def test_local_needs_a_region() -> None:
    """A local number means nothing without a home region, and another one in another region."""
    with pytest.raises(InvalidNumber):
        parse_recipient("0502345678@sms.example.com", domains=DOMAINS, region=None)
    assert parse_recipient("07400123456@sms.example.com", domains=DOMAINS, region="GB") == "+447400123456"


@given(st.text(max_size=30), st.text(max_size=30) | st.sampled_from(sorted(DOMAINS)))
@example("\udcff", "\udcff")
@example('"\\', "sms.example.com")
def test_any_address(local: str, domain: str) -> None:
    """Whatever the address, there is a number or a refusal."""
    try:
        number = parse_recipient(f"{local}@{domain}", domains=DOMAINS, region="IL")
    except (UnknownDomain, InvalidNumber):
        return
    assert number.startswith("+")
