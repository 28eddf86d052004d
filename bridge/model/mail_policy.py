"""What is asked of a mailbox that sends, and what becomes of its mails: a frozen value, and how it is written. Pure.

A setting stands with the account, or with the mailbox or domain that is allowed; the nearer one counts.
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeVar

from bridge.model.duration import parse_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_E = TypeVar("_E", bound=StrEnum)


class Proof(StrEnum):
    """How a sender is believed to be who it says."""

    NETWORK = "network"
    """The host is in a trusted network."""
    LOGIN = "login"
    """It logged in (RFC 4954) with a key of the account that may use the mailbox."""
    DKIM = "dkim"
    """A signature of the domain of From, or of one that DMARC counts as the same (RFC 6376; RFC 7489, 3.1.1)."""
    SPF = "spf"
    """The host may send for the envelope's domain, which DMARC counts as that of From (RFC 7208; RFC 7489, 3.1.2)."""
    ARC = "arc"
    """A named forwarder saw one of the two hold before it sent the mail on (RFC 8617)."""
    RELAY = "relay"
    """A named relay says in Authentication-Results that one of them held (RFC 8601)."""
    SECRET = "secret"  # noqa: S105 - the name of a kind
    """A key of the account stands in the mail itself, as old gateways have it."""


class SubjectUse(StrEnum):
    """What becomes of a mail's subject."""

    IGNORE = "ignore"
    PREFIX = "prefix"
    ONLY = "only"
    OPTIONS = "options"


class Cut(StrEnum):
    """Kinds of things that are cut off the text of a mail."""

    QUOTES = "quotes"
    SIGNATURE = "signature"
    MOBILE = "mobile"
    DISCLAIMER = "disclaimer"
    BANNER = "banner"
    FOOTER = "footer"


class Length(StrEnum):
    """What becomes of a text that is too long."""

    REFUSE = "refuse"
    ELLIPSIS = "ellipsis"
    WORD = "word"


class Transliterate(StrEnum):
    """When letters outside GSM-7 are written with others."""

    NEVER = "never"
    FIT = "fit"
    """Only when the text is too long without."""
    ALWAYS = "always"


class Option(StrEnum):
    """What a sender may ask for in an address or a subject."""

    FROM = "from"
    AT = "at"
    FLASH = "flash"
    TEST = "test"
    PRIORITY = "priority"


class SecretPlace(StrEnum):
    """Where a key may stand in a mail."""

    SUBJECT = "subject"
    ADDRESS = "address"
    BODY = "body"
    LINE = "line"
    """``login:psw:id:time,tz:translit,format,sender:phones:mes``, as SMSC's mail interface takes it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MailPolicy:
    """The settings of a mailbox; each says in its own words what it is when nothing was set."""

    proof: frozenset[Proof] = frozenset({Proof.NETWORK, Proof.LOGIN, Proof.DKIM, Proof.ARC, Proof.RELAY})
    """Proofs of which one is enough."""
    signed_recipients: bool = True
    """Whether a mail that only its signature proves has to name its recipients in To or Cc, which the signature covers:
    else whoever has such a mail could send it to any number."""
    subject: SubjectUse = SubjectUse.IGNORE
    cut: frozenset[Cut] = frozenset(Cut)
    disclaimers: tuple[str, ...] = ()
    """Beginnings of lines: from such a one to the end the text is a disclaimer."""
    banners: tuple[str, ...] = ()
    """Beginnings of paragraphs above the text that a mail server adds."""
    end_markers: tuple[str, ...] = ("$$", "--end")
    """What ends the text where it stands alone on a line or at the end of one."""
    fold_blank: bool = True
    """Whether several blank lines become one."""
    first_lines: int | None = None
    """How many lines count; None for all."""
    links: bool = False
    """Whether the targets of an HTML page's links are written out."""
    length: Length = Length.REFUSE
    max_parts: int | None = None
    """Parts of one text; None leaves it to the account and the operator."""
    transliterate: Transliterate = Transliterate.NEVER
    charset: str | None = None
    """The charset of text that names none, or a wrong one, and is not UTF-8; None guesses."""
    options: frozenset[Option] = frozenset(Option)
    """Options that addresses and subjects may hold."""
    secrets: frozenset[SecretPlace] = frozenset()
    """Where a key of the account may stand in a mail; nowhere."""
    collapse: timedelta | None = None
    """The time in which alike texts to one number become one; None for no time."""
    collapse_pass: tuple[str, ...] = ()
    """Beginnings of texts that go out at once, however alike: recoveries."""


STANDARD: Final = MailPolicy()


def read(*settings: Mapping[str, str]) -> MailPolicy:
    """Return the policy that settings say, the later over the earlier. Raises ValueError for one that is wrong."""
    policy = STANDARD
    for name, value in {name: value for each in settings for name, value in each.items()}.items():
        policy = replace(policy, **{name: _value(name, value)})
    return policy


def check(name: str, value: str) -> str:
    """Return a setting's value as it is kept. Raises ValueError that says what is allowed."""
    found = _value(name, value)
    return _FORMS[name][1](found)


def written(policy: MailPolicy) -> dict[str, str]:
    """Return the settings that differ from the default, as they are written."""
    return {
        name: show(value)
        for name, (_, show) in _FORMS.items()
        if (value := getattr(policy, name)) != getattr(STANDARD, name)
    }


def all_written(policy: MailPolicy) -> dict[str, str]:
    """Return all settings, as they are written."""
    return {name: show(getattr(policy, name)) for name, (_, show) in _FORMS.items()}


def _value(name: str, value: str) -> Any:
    if name not in _FORMS:
        message = f"no setting is named {name}; there is {', '.join(_FORMS)}"
        raise ValueError(message)
    try:
        return _FORMS[name][0](value.strip())
    except ValueError as error:
        message = f"{name}: {error}"
        raise ValueError(message) from error


def _one(kind: type[_E]) -> Callable[[str], _E]:
    def read_one(value: str) -> _E:
        try:
            return kind(value.lower())
        except ValueError:
            message = f"one of {', '.join(kind)}"
            raise ValueError(message) from None

    return read_one


def _some(kind: type[_E]) -> Callable[[str], frozenset[_E]]:
    def read_some(value: str) -> frozenset[_E]:
        if value.lower() == "none":
            return frozenset()
        try:
            return frozenset(kind(part.strip().lower()) for part in value.split(","))
        except ValueError:
            message = f"none, or some of {', '.join(kind)} with commas between them"
            raise ValueError(message) from None

    return read_some


def _proofs(value: str) -> frozenset[Proof]:
    found = _some(Proof)(value)
    if not found:
        message = f"one of {', '.join(Proof)} at least; to let a mailbox send no more, revoke it"
        raise ValueError(message)
    return found


def _listed(value: Any) -> str:
    return ",".join(sorted(value)) or "none"


_YES: Final = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def _flag(value: str) -> bool:
    if value.lower() not in _YES:
        raise ValueError("write true or false")
    return _YES[value.lower()]


def _number(least: int, most: int) -> Callable[[str], int | None]:
    def read_number(value: str) -> int | None:
        if value.lower() == "none":
            return None
        if not (value.isascii() and value.isdigit()) or not least <= int(value) <= most:
            message = f"none, or a number from {least} to {most}"
            raise ValueError(message)
        return int(value)

    return read_number


_MOST_PHRASES: Final = 50
_LONGEST_PHRASE: Final = 200


def _phrases(value: str) -> tuple[str, ...]:
    if value.lower() == "none":
        return ()
    found = tuple(part.strip() for part in value.split("|") if part.strip())
    if len(found) > _MOST_PHRASES or any(len(each) > _LONGEST_PHRASE for each in found):
        message = f"none, or at most {_MOST_PHRASES} phrases of {_LONGEST_PHRASE} characters with | between them"
        raise ValueError(message)
    return found


def _charset(value: str) -> str | None:
    if value.lower() == "none":
        return None
    try:
        return codecs.lookup(value).name
    except LookupError:
        message = f"{value!r} is no charset; write windows-1255 or none"
        raise ValueError(message) from None


def _window(value: str) -> timedelta | None:
    if value.lower() in {"none", "off"}:
        return None
    span = parse_duration(value)
    if not timedelta(seconds=1) <= span <= timedelta(days=1):
        raise ValueError("none, or a time from 1s to 1d")
    return span


def _shown(value: object) -> str:
    return "none" if value is None else str(value)


_FORMS: dict[str, tuple[Callable[[str], Any], Callable[[Any], str]]] = {
    "proof": (_proofs, _listed),
    "signed_recipients": (_flag, lambda value: "true" if value else "false"),
    "subject": (_one(SubjectUse), str),
    "cut": (_some(Cut), _listed),
    "disclaimers": (_phrases, lambda value: "|".join(value) or "none"),
    "banners": (_phrases, lambda value: "|".join(value) or "none"),
    "end_markers": (_phrases, lambda value: "|".join(value) or "none"),
    "fold_blank": (_flag, lambda value: "true" if value else "false"),
    "first_lines": (_number(1, 1000), _shown),
    "links": (_flag, lambda value: "true" if value else "false"),
    "length": (_one(Length), str),
    "max_parts": (_number(1, 20), _shown),
    "transliterate": (_one(Transliterate), str),
    "charset": (_charset, _shown),
    "options": (_some(Option), _listed),
    "secrets": (_some(SecretPlace), _listed),
    "collapse": (_window, lambda value: "none" if value is None else f"{int(value.total_seconds())}s"),
    "collapse_pass": (_phrases, lambda value: "|".join(value) or "none"),
}
NAMES: Final = tuple(_FORMS)
"""The names of all settings."""
assert set(NAMES) == {each.name for each in fields(MailPolicy)}  # noqa: S101 - every setting can be written
