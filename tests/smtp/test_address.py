"""Whom a recipient's address stands for, in whose domain it is, and what it asks for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.calls.logins import Password
from bridge.model.errors import (
    InvalidNumber,
    InvalidRequest,
    InvalidTime,
    PremiumNumber,
    Refusal,
    UnassignedNumber,
    UnknownDomain,
    UnknownRecipient,
)
from bridge.model.mail_policy import STANDARD, MailPolicy, Option, SecretPlace
from bridge.model.message import Priority
from smtp.address import LONGEST, Destination, domain_of, parse_phone, parse_recipient, redact_address, unescape
from smtp.config import DomainSettings, SmtpSettings
from smtp.options import Options
from smtp.places import CARRIER_DOMAINS, Places
from smtp.wire.path import parse_path

PLACES = Places(
    SmtpSettings(
        domains=("sms.example.com", "ישראל.example", "Text.Example.ORG.", "gb.example.com", "exact.example.com"),
        domain={
            "gb.example.com": DomainSettings(region="GB"),
            "exact.example.com": DomainSettings(region="IL", digits=10),
        },
        carrier_domains=True,
    )
)
NUMBER = "+972502345678"
SECRETS = replace(STANDARD, secrets=frozenset(SecretPlace))


def read(address: str, *, region: str | None = "IL", policy: MailPolicy = STANDARD) -> Destination:
    """Read an address as that of a mailbox in Israel."""
    return parse_recipient(address, places=PLACES, region=region, policy=policy)


TAKEN = {
    "international without plus": "972502345678@sms.example.com",
    "international with plus": "+972502345678@sms.example.com",
    "international with 00": "00972502345678@sms.example.com",
    "local": "0502345678@sms.example.com",
    "local without trunk prefix": "502345678@sms.example.com",
    "dashes and dots": "050-234.56.78@sms.example.com",
    "the letter p": "p972502345678@sms.example.com",
    "the letter p in capitals": "P0502345678@sms.example.com",
    "the letter p before a plus": "p+972502345678@sms.example.com",
    "the letter p before separators": "p050-234-5678@sms.example.com",
    "the letter p before other digits": "p٠٥٠٢٣٤٥٦٧٨@sms.example.com",
    "quoted": '"050 234 5678"@sms.example.com',
    "quoted with pairs": '"\\050\\ 2345678"@sms.example.com',
    "quoted for nothing": '"972502345678"@sms.example.com',
    "quoted with brackets": '"(050) 234 5678"@sms.example.com',
    "other digits": "٠٥٠٢٣٤٥٦٧٨@sms.example.com",
    "other digits of two scripts": "٠٥٠২৩৪5678@sms.example.com",
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
    """All ways to write one number in our domains are that number, and ask for nothing else."""
    place = domain_of(address, PLACES)
    assert read(address) == Destination(domain=place.domain, number=NUMBER)


REFUSED: dict[str, tuple[str, type[Refusal]]] = {
    "another domain": ("972502345678@example.com", UnknownDomain),
    "a domain below ours": ("972502345678@x.sms.example.com", UnknownDomain),
    "a domain above ours": ("972502345678@com", UnknownDomain),
    "no domain": ("972502345678", UnknownDomain),
    "an empty domain": ("972502345678@", UnknownDomain),
    "a dot for a domain": ("972502345678@.", UnknownDomain),
    "an address literal": ("972502345678@[127.0.0.1]", UnknownDomain),
    "bytes that are no UTF-8 in the domain": ("972502345678@sms\udcff.example.com", UnknownDomain),
    "no name at all in the domain": ("972502345678@..\u05d0..", UnknownDomain),
    "a route to nowhere": ("@a.example:972502345678", UnknownDomain),
    "the percent hack to elsewhere": ("972502345678%sms.example.com@example.com", UnknownDomain),
    "another domain, whatever the number": ("ann@example.com", UnknownDomain),
    "another domain, whatever the options": ("972502345678+colour=red@example.com", UnknownDomain),
    "empty": ("", UnknownDomain),
    "a route and nothing else": ("@sms.example.com", InvalidNumber),
    "the percent hack": ("972502345678%example.com@sms.example.com", InvalidNumber),
    "a bang path": ("host!972502345678@sms.example.com", InvalidNumber),
    "the percent hack with a name": ("ann%example.com@sms.example.com", InvalidRequest),
    "no number": ("@sms.example.com:@sms.example.com", InvalidNumber),
    "an empty quoted one": ('""@sms.example.com', InvalidNumber),
    "half a quote": ('"972502345678@sms.example.com', InvalidNumber),
    "one quote": ('"@sms.example.com', InvalidNumber),
    "bytes that are no UTF-8": ("97250\udce82345678@sms.example.com", InvalidNumber),
    "two numbers": ("972502345678,972502345679@sms.example.com", InvalidNumber),
    "two numbers with a plus between": ("972502345678+972502345679@sms.example.com", InvalidNumber),
    "too long": ("9" * 65 + "@sms.example.com", InvalidNumber),
    "much too long": ("x" * (LONGEST + 1) + "@sms.example.com", InvalidNumber),
    "no digits": ("---@sms.example.com", InvalidNumber),
    "digits that are no decimals": ("⁰⁵⁰²³⁴⁵⁶⁷⁸@sms.example.com", InvalidNumber),
    "p and nothing like a number": ("p1@sms.example.com", InvalidNumber),
    "pp and a number": ("pp972502345678@sms.example.com", InvalidNumber),
    "an extension": ("972502345678x12@sms.example.com", InvalidNumber),
    "unassigned": ("972501234567@sms.example.com", UnassignedNumber),
    "premium": ("+19002345678@sms.example.com", PremiumNumber),
    "premium behind a p": ("p+19002345678@sms.example.com", PremiumNumber),
    "a name that cannot be one": ("group.!!!@sms.example.com", UnknownRecipient),
    "a name of a kind of a kind": ('"group.tag:vip"@sms.example.com', UnknownRecipient),
    "a name with NUL": ("dana%00@sms.example.com", UnknownRecipient),
    "a name that is too long": ("d" * 201 + "@sms.example.com", UnknownRecipient),
    "half a surrogate pair in a name": ("dana\udcff@sms.example.com", UnknownRecipient),
}


@pytest.mark.parametrize(("address", "error"), REFUSED.values(), ids=REFUSED)
def test_refused(address: str, error: type[Refusal]) -> None:
    """Everything else is refused for what is wrong with it: the domain first, then the rest. No reason repeats it."""
    with pytest.raises(error) as caught:
        read(address)
    assert type(caught.value) is error
    assert not any(word in caught.value.reason for word in ("97250", "sms.example", "ann", "dana", "vip", "colour"))
    if error is UnknownDomain:
        with pytest.raises(UnknownDomain):
            domain_of(address, PLACES)


def test_local_needs_a_region() -> None:
    """A local number means nothing without a home region, and another one in another region."""
    with pytest.raises(InvalidNumber):
        read("0502345678@sms.example.com", region=None)
    assert read("07400123456@sms.example.com", region="GB").number == "+447400123456"


def test_the_domains_region_comes_first() -> None:
    """A domain with a region of its own dials there, whoever sends."""
    assert read("07400123456@gb.example.com").number == "+447400123456"
    assert read("07400123456@gb.example.com", region=None).number == "+447400123456"
    assert read("972502345678@gb.example.com").number == NUMBER


# --- names ---

NAMES: dict[str, tuple[str, dict[str, str]]] = {
    "a name": ("dana", {"name": "dana"}),
    "a name with a dot": ("Dana.Levi", {"name": "Dana.Levi"}),
    "a name with a space": ('"Dana Levi"', {"name": "Dana Levi"}),
    "a name with an escape": ("dana%20levi", {"name": "dana levi"}),
    "a Hebrew name": ("דנה", {"name": "דנה"}),
    "a Hebrew name in escapes": ("%D7%93%d7%a0%D7%94", {"name": "דנה"}),
    "a name with a sign": ("dana%25", {"name": "dana%"}),
    "a name with digits": ("noc24", {"name": "noc24"}),
    "a name that begins with a digit": ("3rd-floor", {"name": "3rd-floor"}),
    "a name that begins with p and a digit": ("p2p", {"name": "p2p"}),
    "a plus before what is no option": ("dana+2", {"name": "dana+2"}),
    "an escaped plus": ("c%2Bteam", {"name": "c+team"}),
    "a group": ("group.night", {"group": "night"}),
    "a group in capitals": ("GROUP.Night.Shift", {"group": "Night.Shift"}),
    "a group with a colon": ('"group:night"', {"group": "night"}),
    "a tag": ("tag.vip", {"tag": "vip"}),
    "a contact": ("contact.dana", {"contact": "dana"}),
    "a contact with the name of a number": ("contact.agent-9725023456", {"contact": "agent-9725023456"}),
    "a contact with the name of a group": ("contact.group.lead", {"contact": "group.lead"}),
    "a word and a dot": ("group.", {"name": "group."}),
    "the list's name, where none is allowed": ("send", {"name": "send"}),
    "what a mail server has to have": ("postmaster", {"name": "postmaster"}),
}


@pytest.mark.parametrize(("local", "meant"), NAMES.values(), ids=NAMES)
def test_names(local: str, meant: dict[str, Any]) -> None:
    """What has a letter is a name: of whatever it says, else of a contact or a group. Options go behind it."""
    assert read(f"{local}@sms.example.com") == Destination(domain="sms.example.com", **meant)
    bare = local.strip('"')
    assert read(f'"{bare}+flash"@sms.example.com') == Destination(
        domain="sms.example.com", options=Options(flash=True), **meant
    )


def test_a_mail_that_lists_its_phones() -> None:
    """Only where the mailbox may write SMSC's line into a mail, ``send@`` leaves it to the mail."""
    listed = read("send@sms.example.com", policy=SECRETS)
    assert listed == Destination(domain="sms.example.com")
    assert listed.listed
    assert read("SEND+flash@sms.example.com", policy=SECRETS).options == Options(flash=True)
    assert not read("sender@sms.example.com", policy=SECRETS).listed
    assert not read("972502345678@sms.example.com", policy=SECRETS).listed
    only = replace(STANDARD, secrets=frozenset(SecretPlace) - {SecretPlace.LINE})
    assert read("send@sms.example.com", policy=only).name == "send"


def test_phones_of_a_list() -> None:
    """What a mail lists is read as an address is, with no options."""
    place = domain_of("x@sms.example.com", PLACES)
    assert parse_phone(" 0502345678 ", place=place, region="IL") == Destination(domain="sms.example.com", number=NUMBER)
    assert parse_phone("group:night", place=place, region="IL").group == "night"
    assert parse_phone("dana+flash", place=place, region="IL").name == "dana+flash"
    for wrong in ("", " ", "0502345678 0502345679 0"):
        with pytest.raises(InvalidNumber):
            parse_phone(wrong, place=place, region="IL")


# --- options ---

OPTIONS = {
    "from=ACME": Options(sender="ACME"),
    "FROM=ACME": Options(sender="ACME"),
    "from=A%2BB": Options(sender="A+B"),
    "from=Caf%C3%A9%20Ltd": Options(sender="Café Ltd"),
    "from=+972502345678": Options(sender="+972502345678"),
    "from=a=b": Options(sender="a=b"),
    "flash": Options(flash=True),
    "test": Options(test=True),
    "priority=high": Options(priority=Priority.HIGH),
    "at=20261224T0930": Options(send_at="20261224T0930"),
    "at=20261224T0930Z": Options(send_at="20261224T0930Z"),
    "at=20261224T0930+0200": Options(send_at="20261224T0930+0200"),
    "at=2412260930": Options(send_at="2412260930"),
    "at=01798097400": Options(send_at="01798097400"),
    "at=+90": Options(send_at="+90"),
    "at=2026-12-24T09%3A30%3A00+02%3A00": Options(send_at="2026-12-24T09:30:00+02:00"),
    "at=24.12.26%2009%3A30": Options(send_at="24.12.26 09:30"),
    "from=ACME+flash+at=20261224T0930+test+priority=high": Options(
        sender="ACME", flash=True, send_at="20261224T0930", test=True, priority=Priority.HIGH
    ),
}


@pytest.mark.parametrize(("written", "options"), OPTIONS.items(), ids=OPTIONS)
def test_options(written: str, options: Options) -> None:
    """Options stand behind a number or a name, and go through SMTP as they are: no quotes are needed."""
    for whom, meant in (
        ("972502345678", Destination(domain="sms.example.com", number=NUMBER, options=options)),
        ("+972502345678", Destination(domain="sms.example.com", number=NUMBER, options=options)),
        ("p0502345678", Destination(domain="sms.example.com", number=NUMBER, options=options)),
        ("dana", Destination(domain="sms.example.com", name="dana", options=options)),
    ):
        address = f"{whom}+{written}@sms.example.com"
        assert read(address) == meant
        assert parse_path(f"TO:<{address}>", "TO:") == (address, {})


def test_options_in_quotes() -> None:
    """Within quotes a space, a colon or a slash need no escape; a percent sign does, as without."""
    written = '"972502345678+at=24/12/2026 09:30+from=ACME \\& Co"@sms.example.com'
    assert read(written).options == Options(send_at="24/12/2026 09:30", sender="ACME & Co")
    assert read('"972502345678+from=50%25 off"@sms.example.com').options == Options(sender="50% off")


WRONG_OPTIONS: dict[str, tuple[str, type[Refusal]]] = {
    "none that is known": ("972502345678+colour=red", InvalidRequest),
    "a tag of another kind": ("dana+news", InvalidRequest),
    "twice": ("972502345678+flash+flash", InvalidRequest),
    "no value": ("972502345678+from", InvalidRequest),
    "an empty value": ("972502345678+from=", InvalidRequest),
    "a value too many": ("972502345678+flash=1", InvalidRequest),
    "no escape": ("972502345678+from=50%", InvalidRequest),
    "half an escape": ("972502345678+from=%4", InvalidRequest),
    "an escape of no digits": ("972502345678+from=%zz", InvalidRequest),
    "an escape that is no UTF-8": ("972502345678+from=%ff", InvalidRequest),
    "an escaped line end": ("972502345678+from=AC%0D%0AME", InvalidRequest),
    "bytes that are no UTF-8 beside an escape": ("972502345678+from=\udcff%41", InvalidRequest),
    "no time": ("972502345678+at=tomorrow", InvalidTime),
    "no level": ("972502345678+priority=4", InvalidRequest),
    "an option, and no number": ("+flash", InvalidNumber),
    "an option, and a bad number": ("123+flash", InvalidNumber),
    "a key, where none is allowed": ("972502345678+key=erp.hunter2hunter2", InvalidRequest),
}


@pytest.mark.parametrize(("local", "error"), WRONG_OPTIONS.values(), ids=WRONG_OPTIONS)
def test_options_refused(local: str, error: type[Refusal]) -> None:
    """What is not understood is not passed over: nothing is sent. No reason repeats it."""
    with pytest.raises(error) as caught:
        read(f"{local}@sms.example.com")
    assert type(caught.value) is error
    assert not any(word in caught.value.reason for word in ("97250", "red", "news", "hunter2", "erp", "tomorrow"))


def test_options_of_the_mailbox() -> None:
    """A mailbox has the options that its settings name, and no others."""
    policy = replace(STANDARD, options=frozenset({Option.FLASH}))
    assert read("972502345678+flash@sms.example.com", policy=policy).options == Options(flash=True)
    with pytest.raises(InvalidRequest, match="the option from is not allowed for this mailbox"):
        read("972502345678+flash+from=ACME@sms.example.com", policy=policy)


# --- keys ---

KEYS = {
    "erp.hunter2": Password(user="erp", password="hunter2"),
    "erp.hunter.2": Password(user="erp", password="hunter.2"),
    "ann%2Elee.hunter2": Password(user="ann.lee", password="hunter2"),
    "erp.%2Bflash%40x": Password(user="erp", password="+flash@x"),
    "erp.%D7%A1%D7%95%D7%93": Password(user="erp", password="סוד"),
    "erp." + "x" * 900: Password(user="erp", password="x" * 900),
}


@pytest.mark.parametrize(("written", "secret"), KEYS.items(), ids=range(len(KEYS)))
def test_key_in_the_address(written: str, secret: Password) -> None:
    """Where the mailbox may, a key stands among the options; no repr shows it."""
    found = read(f"972502345678+KEY={written}+flash@sms.example.com", policy=SECRETS)
    assert found == Destination(domain="sms.example.com", number=NUMBER, options=Options(flash=True), secret=secret)
    assert secret.password not in repr(found)
    assert read(f"dana+key={written}@sms.example.com", policy=SECRETS).secret == secret


WRONG_KEYS = {
    "no value": "key",
    "empty": "key=",
    "no dot": "key=hunter2",
    "no user": "key=.hunter2",
    "no password": "key=erp.",
    "twice": "key=erp.hunter2+key=erp.hunter2",
    "a user with a space": "key=e%20rp.hunter2",
    "a user with a colon": "key=e%3Arp.hunter2",
    "a user with a line end": "key=e%0Arp.hunter2",
    "a user that is too long": f"key={'u' * 129}.hunter2",
    "a bad escape": "key=erp.hunter2%",
}


@pytest.mark.parametrize("written", WRONG_KEYS.values(), ids=WRONG_KEYS)
def test_key_refused(written: str) -> None:
    """A key that cannot be read refuses the address, and is in no reason."""
    with pytest.raises(InvalidRequest) as caught:
        read(f"972502345678+{written}@sms.example.com", policy=SECRETS)
    assert "hunter" not in str(caught.value)
    assert "erp" not in str(caught.value)


SHOWN = {
    "972502345678@sms.example.com": "972502345678@sms.example.com",
    "972502345678+flash@sms.example.com": "972502345678+flash@sms.example.com",
    "972502345678+key=erp.hunter2@sms.example.com": "972502345678+key=***@sms.example.com",
    "972502345678+KEY=erp.hunter2+flash@sms.example.com": "972502345678+KEY=***+flash@sms.example.com",
    "972502345678+key=erp.hunter+2@sms.example.com": "972502345678+key=***@sms.example.com",
    "dana+key=a.hunter2+key=b.hunter2@sms.example.com": "dana+key=***+key=***@sms.example.com",
    '"972502345678+key=erp.hunter2@x"@sms.example.com': '"972502345678+key=***"@sms.example.com',
    '"972502345678+key=erp.hunter 2+flash"@sms.example.com': '"972502345678+key=***+flash"@sms.example.com',
    '"972502345678\\+k\\ey=erp.hun\\ter2+flash"@sms.example.com': '"972502345678+key=***+flash"@sms.example.com',
    '"dana\\ levi"@sms.example.com': '"dana\\ levi"@sms.example.com',
    "rfc822;972502345678+key=erp.hunter2@sms.example.com": "rfc822;972502345678+key=***@sms.example.com",
    "972502345678+key=erp.hunter2": "972502345678+key=***",
    "hunter2": "hunter2",
    "": "",
}


@pytest.mark.parametrize(("address", "shown"), SHOWN.items(), ids=range(len(SHOWN)))
def test_redacted(address: str, shown: str) -> None:
    """An address may be shown when its key is hidden, also one that was refused; the rest stays."""
    assert redact_address(address) == shown
    assert redact_address(shown) == shown


# --- digits ---

EXACT = {
    "of the US": ("2122345678@txt.att.net", "+12122345678"),
    "of the US with its code": ("12122345678@vtext.com", "+12122345678"),
    "of the US with a plus": ("+12122345678@vtext.com", "+12122345678"),
    "of the US with dashes": ("212-234-5678@vtext.com", "+12122345678"),
    "of the US in other digits": ("٢١٢٢٣٤٥٦٧٨@vtext.com", "+12122345678"),
    "of the US behind a p": ("p2122345678@vtext.com", "+12122345678"),
    "of Puerto Rico, whose carriers are those of the US": ("7872345678@tmomail.net", "+17872345678"),
    "of the US, though it may be one of Israel": ("9725023456@tmomail.net", "+19725023456"),
    "of Canada": ("4162345678@pcs.rogers.com", "+14162345678"),
    "of Israel": ("0502345678@exact.example.com", NUMBER),
    "of Israel with options": ("050-2345678+flash@exact.example.com", NUMBER),
}


@pytest.mark.parametrize(("address", "number"), EXACT.values(), ids=EXACT)
@pytest.mark.parametrize("region", ["IL", None])
def test_digits(address: str, number: str, region: str | None) -> None:
    """In a domain with a profile a number has just its digits, or the code before them, whoever sends."""
    assert read(address, region=region).number == number


NOT_EXACT = {
    "too few": "212234567@txt.att.net",
    "seven, as within an area": "2345678@txt.att.net",
    "too many": "21223456789@txt.att.net",
    "with 00": "0012122345678@txt.att.net",
    "of another country": "972502345678@txt.att.net",
    "of another country with a plus": "+972502345678@txt.att.net",
    "of another country with just the digits": "+4512345678@txt.att.net",
    "of Canada in the US": "4162345678@txt.att.net",
    "of Jamaica, which has the same code": "8762345678@txt.att.net",
    "of the US in Canada": "2122345678@msg.telus.com",
    "of Israel without its zero": "502345678@exact.example.com",
    "of Israel with its code": "972502345678@exact.example.com",
}


@pytest.mark.parametrize("address", NOT_EXACT.values(), ids=NOT_EXACT)
def test_digits_refused(address: str) -> None:
    """Nothing else is a number there; the reason says what is, and not what was written."""
    with pytest.raises(InvalidNumber) as caught:
        read(address)
    local = address.partition("@")[0]
    assert local.lstrip("+") not in caught.value.reason


def test_no_name_is_lost_in_a_domain_with_digits() -> None:
    """Contacts are the account's, in whichever domain."""
    assert read("dana@txt.att.net").name == "dana"


# --- anything ---

ANY_LOCAL = st.text(max_size=30) | st.lists(
    st.sampled_from(
        ["972502345678", "p", "+", "%", "%41", "=", "from=", "at=", "key=", "flash", "test", "group.", '"', "\\", " "]
    )
    | st.text(max_size=4),
    max_size=8,
).map("".join)


@given(
    ANY_LOCAL,
    st.text(max_size=30) | st.sampled_from(["sms.example.com", "exact.example.com", *sorted(CARRIER_DOMAINS)[:3]]),
    st.sampled_from([STANDARD, SECRETS]),
)
@example("\udcff", "\udcff", STANDARD)
@example('"\\', "sms.example.com", STANDARD)
@example("send", "sms.example.com", SECRETS)
def test_any_address(local: str, domain: str, policy: MailPolicy) -> None:
    """Whatever the address, there is one destination or a refusal."""
    try:
        meant = read(f"{local}@{domain}", policy=policy)
    except (UnknownDomain, UnknownRecipient, InvalidNumber, InvalidRequest, InvalidTime):
        return
    named = [each for each in (meant.number, meant.name, meant.contact, meant.group, meant.tag) if each]
    assert len(named) == (0 if meant.listed else 1)
    assert meant.number is None or meant.number.startswith("+")


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=40))
def test_escapes_there_and_back(text: str) -> None:
    """What is escaped is read again as it was, and needs no quotes in an address."""
    escaped = quote(text, safe="")
    assert unescape(escaped) == text
    if text.isprintable() and text.strip():
        address = f"972502345678+from={escaped}@sms.example.com"
        assert parse_path(f"TO:<{address}>", "TO:") == (address, {})
        assert read(address).options == Options(sender=text.strip())


@given(st.text(max_size=40) | st.lists(st.sampled_from(["%", "4", "1", "c3", "%a9", "é"]), max_size=9).map("".join))
def test_any_escapes(text: str) -> None:
    """Whatever stands before two digits, there is text or a refusal."""
    try:
        unescape(text)
    except InvalidRequest:
        return


@given(st.text(min_size=1, max_size=20, alphabet=st.characters(codec="utf-8", exclude_characters="\x00")))
def test_any_key(password: str) -> None:
    """Whatever a password has in it, escaped it comes through, and no repr or shown address has it."""
    address = f"972502345678+key=erp.{quote(password, safe='')}@sms.example.com"
    found = read(address, policy=SECRETS)
    assert found.secret == Password(user="erp", password=password)
    assert redact_address(address) == "972502345678+key=***@sms.example.com"


@pytest.mark.parametrize("piece", ["1", "p", "+", "+f", "%", "%41", '"', "\\", "@", "@x:", ".", "group.", "+key=a.b"])
def test_a_mebibyte_is_no_work(piece: str) -> None:
    """What is far too long is refused after one look: a thousand such addresses would be no load."""
    local = piece * (1_048_576 // len(piece))
    for written in (f"{local}@sms.example.com", f'"{local}"@sms.example.com', f"@{local}:1@sms.example.com", local):
        with pytest.raises((UnknownDomain, InvalidNumber, InvalidRequest, UnknownRecipient)):
            read(written, policy=SECRETS)
        redact_address(written)
