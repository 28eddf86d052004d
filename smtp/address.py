r"""Whom the address of a recipient stands for, and what else it asks for.

What stands before the ``@``, after quotes are taken off (RFC 5321, 4.1.2), in ABNF (RFC 5234)::

    local     = whom *( "+" option )
    whom      = number / name / listed
    number    = [ "p" ] [ "+" ] 1*( digit / separator )
    name      = [ kind sign ] 1*( char / escape )
    kind      = "contact" / "group" / "tag"
    sign      = "." / ":"                       ; a colon only within quotes
    listed    = "send"                          ; where the mailbox may write a line of phones into the mail
    option    = setting "=" value / "flash" / "test" / "key=" user "." password
    setting   = "from" / "at" / "priority"
    value     = 1*( char / escape )
    escape    = "%" 2HEXDIG                     ; an octet of UTF-8 (RFC 3986, 2.1)

Words may be in capitals. A ``+`` begins an option only before a letter from A to Z; before anything else it belongs to
what it stands in, so ``+972…``, ``at=+90`` and ``from=+972…`` mean what they seem to. Digits are those of any script,
separators the ones of :func:`bridge.model.numbers.parse_number`; ``p`` and a number is what some senders write for a
phone. What has no letter is a number and never a name.

No reason repeats the address: a secret may have gone astray.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote_to_bytes

from bridge.calls.logins import Password
from bridge.model.contacts import Listing, split_listing
from bridge.model.errors import InvalidNumber, InvalidRequest, UnknownDomain, UnknownRecipient
from bridge.model.login import LONGEST_PASSWORD, LONGEST_USER
from bridge.model.mail_policy import SecretPlace
from bridge.model.numbers import country_of, parse_number, split_country_code
from smtp.options import NONE, Options, read_options

if TYPE_CHECKING:
    from bridge.model.mail_policy import MailPolicy
    from smtp.places import Place, Places

LONGEST: Final = 1024
"""Characters before the ``@`` that are looked at. RFC 5321, 4.5.3.1.1, promises 64; a long password has more."""

_LISTED: Final = "send"
_KEY: Final = "key"
_LONGEST_NAME: Final = 200
_NUMBERS_DIGITS: Final = 7
"""A name with as many digits is a number somebody wrote wrongly; a contact of such a name needs ``contact.``."""

_PAIR: Final = re.compile(r"\\(.)", re.DOTALL)
_OPTION: Final = re.compile(r"\+(?=[A-Za-z])")
_ESCAPE: Final = re.compile("%[0-9A-Fa-f]{2}")
_ESCAPES: Final = re.compile(r"(?:[^%]|%[0-9A-Fa-f]{2})*+")
_PHONE: Final = re.compile(r"[Pp]\+?\d")
_KIND: Final = re.compile(r"(contact|group|tag)[.:](?=.)", re.IGNORECASE | re.DOTALL)
_HIDDEN: Final = re.compile(r"(\+key=)(?:[^+]|\+(?![A-Za-z]))*+", re.IGNORECASE)

# Numbers of these have the country's own code, but a region of their own.
_SAME: Final = {"US": frozenset({"US", "PR", "VI", "GU", "MP", "AS"})}


@dataclass(frozen=True, kw_only=True, slots=True)
class Destination:
    """Whom an address stands for: a number in E.164, or the name of a contact, a group or a tag; one of them.

    ``name`` may be a contact's or a group's; with none of the four the mail itself lists its phones. ``domain`` is
    ours in its normal form. ``secret`` is the key that stood in the address, not yet believed.
    """

    domain: str
    number: str | None = None
    name: str | None = None
    contact: str | None = None
    group: str | None = None
    tag: str | None = None
    options: Options = NONE
    secret: Password | None = None

    @property
    def listed(self) -> bool:
        """Whether the mail itself lists its phones."""
        return not (self.number or self.name or self.contact or self.group or self.tag)


def domain_of(address: str, places: Places) -> Place:
    """Return the domain that an address is in. Raises :exc:`UnknownDomain`."""
    return _find(address[address.rfind("@") + 1 :] if "@" in address else "", places)


def parse_recipient(address: str, *, places: Places, region: str | None, policy: MailPolicy) -> Destination:
    """Return whom an address stands for, and the options in it.

    ``address`` is that of RCPT without angle brackets, perhaps with a source route before it, which is left out
    (RFC 5321, appendix C). ``region`` is where local numbers are dialled when the domain has none of its own.
    ``policy`` is that of the mailbox which sends.

    Raises :exc:`UnknownDomain`, asked first; :exc:`InvalidNumber` and its children; :exc:`UnknownRecipient` for what
    nobody can be named; :exc:`InvalidRequest` and :exc:`~bridge.model.errors.InvalidTime` for options that are not
    understood or not allowed.
    """
    at = address.rfind("@")
    place = _find(address[at + 1 :] if at >= 0 else "", places)
    local = address[:at]
    if local.isdigit() and len(local) <= LONGEST:  # most are; there is nothing to take off them
        return Destination(domain=place.domain, number=_number(local, place, region))
    if local.startswith("@"):
        local = local.partition(":")[2]
    if local.startswith('"') and len(local) > 1 and local.endswith('"'):
        local = _PAIR.sub(r"\1", local[1:-1])
    if not local:
        raise InvalidNumber("the address has no number before the @")
    if len(local) > LONGEST:
        raise InvalidNumber(f"more than {LONGEST} characters before the @")
    options, secret = NONE, None
    if "+" in local:
        local, *written = _OPTION.split(local)
        if written:
            options, secret = _asked(written, policy)
    if local.lower() == _LISTED and SecretPlace.LINE in policy.secrets:
        return Destination(domain=place.domain, options=options, secret=secret)
    return _whom(local, place, region, options, secret)


def parse_phone(written: str, *, place: Place, region: str | None) -> Destination:
    """Return whom a mail means that lists its phones: a number as in an address, or a name; without options.

    Raises :exc:`InvalidNumber` and its children, :exc:`UnknownRecipient`, :exc:`InvalidRequest`.
    """
    text = written.strip()
    if not text:
        raise InvalidNumber("no number")
    return _whom(text, place, region, NONE, None)


def redact_address(address: str) -> str:
    """Return an address as it may be shown: the key in it, allowed or not, is ``***``. Raises nothing."""
    local, at, domain = address.rpartition("@") if "@" in address else (address, "", "")
    plain = _PAIR.sub(r"\1", local)  # a pair may stand within the word
    hidden = _HIDDEN.sub(r"\1***", plain)
    if hidden == plain:
        return address
    if local.endswith('"') and not hidden.endswith('"'):
        hidden += '"'
    return f"{hidden}{at}{domain}"


def unescape(text: str) -> str:
    """Return text with its escapes read. Raises :exc:`InvalidRequest` for one that is none, or octets not UTF-8."""
    if "%" not in text:
        return text
    if not _ESCAPES.fullmatch(text):
        raise InvalidRequest("a % in the address stands before two hexadecimal digits; for the sign itself write %25")
    try:
        return unquote_to_bytes(text.encode("utf-8", "surrogateescape")).decode("utf-8")
    except UnicodeError:
        raise InvalidRequest("the escapes in the address are not UTF-8") from None


def _find(domain: str, places: Places) -> Place:
    place = places.find(domain)
    if place is None:
        raise UnknownDomain("this bridge takes no mail for that domain" if domain else "the address has no domain")
    return place


def _whom(written: str, place: Place, region: str | None, options: Options, secret: Password | None) -> Destination:
    bare = written[1:] if _PHONE.match(written) else written
    if not any(map(str.isalpha, bare)):
        number = _number(bare, place, region)
        return Destination(domain=place.domain, number=number, options=options, secret=secret)
    kind = _KIND.match(written)
    if kind is None and sum(map(str.isdecimal, _ESCAPE.sub("", written))) >= _NUMBERS_DIGITS:
        raise InvalidNumber("letters and extensions are not understood in a number")
    listing, name = (Listing(kind[1].lower()), written[kind.end() :]) if kind else (None, written)
    name = _name(name)
    return Destination(
        domain=place.domain,
        name=name if listing is None else None,
        contact=name if listing is Listing.CONTACT else None,
        group=name if listing is Listing.GROUP else None,
        tag=name if listing is Listing.TAG else None,
        options=options,
        secret=secret,
    )


def _name(written: str) -> str:
    name = unescape(written).strip()
    if len(name) > _LONGEST_NAME or not any(map(str.isalnum, name)) or split_listing(name)[0] is not None:
        raise UnknownRecipient("no number, and no contact, group or tag has such a name")
    # No database keeps NUL, and none takes half of a surrogate pair.
    if "\0" in name or any("\ud800" <= char <= "\udfff" for char in name):
        raise UnknownRecipient("a character that no name can have")
    return name


def _number(written: str, place: Place, region: str | None) -> str:
    home = place.region or region
    number = parse_number(written, home)
    if place.digits is not None:
        _check_digits(written, number, place.digits, home)
    return number


def _check_digits(written: str, number: str, wanted: int, home: str | None) -> None:
    """Refuse a number that is not written with just so many digits, or is of another region than its domain's."""
    code, _ = split_country_code(number)
    count = sum(map(str.isdecimal, written))
    if count != wanted and not (count == wanted + len(code) and _begins(written, code)):
        raise InvalidNumber(f"a number in this domain has {wanted} digits, perhaps with the country code before them")
    if home is not None and country_of(number) not in _SAME.get(home, {home}):
        raise InvalidNumber(f"a number in this domain is one of {home}")


def _begins(written: str, code: str) -> bool:
    digits = [str(int(char)) for char in written if char.isdecimal()]
    return "".join(digits[: len(code)]) == code


def _asked(written: list[str], policy: MailPolicy) -> tuple[Options, Password | None]:
    """Return what the options ask for, and the key among them."""
    secret = None
    others: list[tuple[str, str | None]] = []
    for option in written:
        name, sign, value = option.partition("=")
        if name.lower() != _KEY:
            others.append((name, unescape(value) if sign else None))
            continue
        if SecretPlace.ADDRESS not in policy.secrets:
            raise InvalidRequest("this mailbox may not write a key into the address")
        if secret is not None:
            raise InvalidRequest("the option key stands twice")
        secret = _secret(value)
    return read_options(others, allowed=policy.options) if others else NONE, secret


def _secret(value: str) -> Password:
    """Read ``user.password``; a dot of the user's is escaped."""
    user, dot, password = (unescape(part) for part in value.partition("."))
    if not dot or not user or not password or len(user) > LONGEST_USER or len(password) > LONGEST_PASSWORD:
        raise InvalidRequest("the option key is user.password, with a dot in the user's name written %2E")
    if not user.isprintable() or " " in user or ":" in user:
        raise InvalidRequest("the option key has a user's name that none can have")
    return Password(user=user, password=password)
