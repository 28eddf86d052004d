"""Telephone numbers: any usual way to write one in, E.164 out; local forms for people.

How digits are read is fixed, so that an address always means the same telephone. The numbering plans are
libphonenumber's; "valid" means that a range is in use, not that somebody answers. The first valid one counts:

1. After ``+``: the international number, and nothing else (ITU-T E.123).
2. After ``00``: the international number, else rule 3. ``00`` is the prefix ITU-T E.164 recommends, so it is
   understood in regions with another one too (011 in the US, 010 in Japan).
3. With a home region: what is dialled there, with or without the trunk prefix, or behind the region's own
   international prefix or country code. But digits without any such prefix, which are a landline or a
   service at home and a mobile number abroad, are the mobile number: Germany has a landline for nearly
   every foreign mobile number written without ``+``. When both are mobile numbers, home wins: in the US
   9725023456 is Dallas.
4. Last, or without a home region: the international number without ``+``.

When none is valid, the first reading of a possible length makes the number unassigned (or says that the area
code is missing); when no length is possible, the first reading of all says what is wrong.

What is taken: mobile, fixed (many networks deliver texts to landlines, as text or speech; where one does
not, its carrier says so), VoIP, and toll-free in North America, where such numbers take texts. Premium-rate
and shared-cost numbers are refused: whoever owns one sets what a text to it costs. Pagers, personal
(follow-me), company-wide and voicemail numbers take no texts, nor do toll-free ones elsewhere.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final, NamedTuple

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberType, ValidationResult

from bridge.model.errors import InvalidNumber, PremiumNumber, UnassignedNumber
from bridge.model.number_kind import kind_of
from bridge.model.whole_number import read_whole

LONGEST_INPUT: Final = 64
"""Characters of input that are looked at; what is longer is no number."""

LONGEST_NUMBER: Final = 15
"""Digits of an international number, country code included (ITU-T E.164, 6.1)."""

_CACHED: Final = 65_536

# The plans have far more patterns than the re module keeps compiled: without this, traffic to many countries
# compiles them again and again (200 µs a number, not 13). They are fixed, so what is kept is bounded.
phonenumbers.enable_pattern_cache()

# Spaces, dashes (Hebrew and Japanese ones among them), dots, parentheses, slashes, all full-width ones too,
# and the invisible marks that come along when a number is copied from right-to-left text.
_SEPARATORS: Final = str.maketrans(
    {"\uff0b": "+"}
    | dict.fromkeys(" -.()/")
    | dict.fromkeys("\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000")
    | dict.fromkeys("\u05be\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u30fc\ufe58\ufe63\uff0d")
    | dict.fromkeys("\uff0e\uff08\uff09\uff0f")
    | dict.fromkeys("\u00ad\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060")
    | dict.fromkeys("\u2066\u2067\u2068\u2069\ufeff")
)
_SHORTEST_AFTER_SLASH: Final = 4
_SHORTEST_NATIONAL: Final = 4
_ODD: Final = (
    {"+": "a plus sign within: one number at a time"}
    | dict.fromkeys(",;&|", "more than one number, or an extension")
    | dict.fromkeys("*#", "a service code or an extension, not a number")
)

_E164: Final = re.compile(rf"\+[1-9][0-9]{{1,{LONGEST_NUMBER - 1}}}")

_MOBILE: Final = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})
_NORTH_AMERICA: Final = 1
_REFUSED: Final[dict[int, tuple[type[InvalidNumber], str]]] = {
    PhoneNumberType.PREMIUM_RATE: (PremiumNumber, "premium-rate number"),
    PhoneNumberType.SHARED_COST: (PremiumNumber, "shared-cost number"),
    PhoneNumberType.TOLL_FREE: (InvalidNumber, "a toll-free number takes no texts"),
    PhoneNumberType.PERSONAL_NUMBER: (InvalidNumber, "a personal (follow-me) number takes no texts"),
    PhoneNumberType.PAGER: (InvalidNumber, "a pager takes no texts"),
    PhoneNumberType.UAN: (InvalidNumber, "a company-wide access number takes no texts"),
    PhoneNumberType.VOICEMAIL: (InvalidNumber, "a voicemail number takes no texts"),
}

_TOO_SHORT: Final = "too short for a number"
_TOO_LONG: Final = "too long for one number"
_PARSE_REASONS: Final = {
    NumberParseException.INVALID_COUNTRY_CODE: "unknown country code",
    NumberParseException.NOT_A_NUMBER: _TOO_SHORT,
    NumberParseException.TOO_SHORT_AFTER_IDD: _TOO_SHORT,
    NumberParseException.TOO_SHORT_NSN: _TOO_SHORT,
    NumberParseException.TOO_LONG: _TOO_LONG,
}
_LENGTH_REASONS: Final = {
    ValidationResult.IS_POSSIBLE_LOCAL_ONLY: "the area code is missing",
    ValidationResult.INVALID_COUNTRY_CODE: "unknown country code",
    ValidationResult.TOO_SHORT: _TOO_SHORT,
    ValidationResult.INVALID_LENGTH: "wrong number of digits",
    ValidationResult.TOO_LONG: _TOO_LONG,
}


class _Reading(NamedTuple):
    """What one way to read the digits came to: a number of some kind, or why there is none."""

    number: PhoneNumber | None
    kind: int = PhoneNumberType.UNKNOWN
    fault: str = ""


def parse_number(raw: str, region: str | None) -> str:
    """Read ``raw`` as one telephone number and return it in E.164: ``+``, then 15 digits at most.

    ``region`` is the home region, ISO 3166-1 alpha-2 in capitals, or None to read international forms
    alone. Digits of any script are understood, with spaces, dashes, dots, parentheses and slashes. Letters,
    extensions, service codes, controls, a second number and more than 64 characters are refused. The
    module's docstring says how ``972…`` is told from a local number, and which kinds of number are taken.

    Raises :class:`InvalidNumber`, or its children :class:`PremiumNumber` (it would cost the account) and
    :class:`UnassignedNumber` (a range nobody has); no reason repeats the number. Raises ValueError for a
    region without a plan (see :func:`known_region`): that is the operator's mistake, not the sender's.
    Source: ITU-T E.164, 6; ITU-T E.123; the plans in libphonenumber.
    """
    if len(raw) > LONGEST_INPUT:
        raise InvalidNumber(f"longer than {LONGEST_INPUT} characters")
    return _parse(raw, region)


def known_region(code: str) -> bool:
    """Tell whether ``code`` is a region with a numbering plan: ISO 3166-1 alpha-2, in capitals.

    Raises nothing. Source: ISO 3166-1 and the exceptional AC, TA, XK, as libphonenumber lists them.
    """
    return code in phonenumbers.SUPPORTED_REGIONS


def country_of(e164: str) -> str | None:
    """Name the region of an E.164 number, ISO 3166-1 alpha-2: +1 416… is CA, +7 701… is KZ.

    None for a number of no single country (+800, +881), of no known range, or not in E.164. Raises nothing.
    Source: ITU-T E.164; the plans in libphonenumber.
    """
    return _country(e164)


def to_local(e164: str) -> str:
    """Write an E.164 number as it is dialled within its country, digits only: +972502345678 is 0502345678.

    For people, and for carriers that want it so; :func:`parse_number` with its region reads it again.
    Raises :class:`InvalidNumber` when it is not in E.164. Source: the national formats in libphonenumber.
    """
    reading = _read(e164, None) if _calling_code(e164) else _Reading(None)
    if reading.number is None:
        raise InvalidNumber("not a number in E.164")
    national = phonenumbers.format_number(reading.number, phonenumbers.PhoneNumberFormat.NATIONAL)
    return phonenumbers.normalize_digits_only(national)


def split_country_code(e164: str) -> tuple[str, str]:
    """Return the country code of an E.164 number, and what follows: +972502345678 is 972 and 502345678.

    +1 and +7 are codes of several countries, and stay whole. Raises :class:`InvalidNumber` when it is not in E.164, or
    begins with a code that nobody has. Source: ITU-T E.164, 6.2; the list of codes in libphonenumber.
    """
    code = _calling_code(e164)
    if not code:
        raise InvalidNumber("not a number in E.164 with a known country code")
    return code, e164[1 + len(code) :]


@lru_cache(maxsize=_CACHED)
def _parse(raw: str, region: str | None) -> str:
    """Do the work of parse_number. Refusals are not kept: they would push out what is asked for again."""
    if region is not None and not known_region(region):
        raise ValueError(f"not a known region: {region!r}")
    plus, digits = _digits(raw)
    reading = _choose(digits, region, plus=plus)
    number, kind = reading.number, reading.kind
    if number is None or kind == PhoneNumberType.UNKNOWN:
        raise _refusal(reading)
    if kind in _REFUSED and not (kind == PhoneNumberType.TOLL_FREE and number.country_code == _NORTH_AMERICA):
        refusal, reason = _REFUSED[kind]
        raise refusal(reason)
    e164 = f"+{number.country_code}{phonenumbers.national_significant_number(number)}"
    if len(e164) > LONGEST_NUMBER + 1:
        raise InvalidNumber(_TOO_LONG)
    return e164


def _digits(raw: str) -> tuple[bool, str]:
    """Take the separators out: whether a plus sign leads, and the digits after it, in ASCII."""
    bare = raw.translate(_SEPARATORS)
    if not bare.isascii():
        bare = "".join([str(unicodedata.decimal(char)) if char.isdecimal() else char for char in bare])
    digits = bare.removeprefix("+")
    # isdigit alone would take superscripts.
    if not (digits.isascii() and digits.isdigit()):
        raise InvalidNumber(_not_digits(digits))
    if ("/" in raw or "\uff0f" in raw) and _two_endings(raw.replace("\uff0f", "/")):
        raise InvalidNumber("more than one number: a slash before another ending")
    return digits != bare, digits


def _not_digits(text: str) -> str:
    """Say what keeps ``text`` from being digits."""
    char = next((char for char in text if not "0" <= char <= "9"), "")
    if not char:
        return "no digits"
    if char.isalpha():
        return "letters and extensions are not understood in a number"
    if unicodedata.category(char) == "Cc":
        return "a control character in the number"
    return _ODD.get(char, f"U+{ord(char):04X} does not belong in a number")


def _two_endings(raw: str) -> bool:
    """Tell 03-1234567/8, two numbers in short, from 0171/1234567, an area code and the rest."""
    tail = raw.rpartition("/")[2]
    return sum(map(str.isdecimal, tail)) < _SHORTEST_AFTER_SLASH


def _choose(digits: str, region: str | None, *, plus: bool) -> _Reading:
    """Find the reading that counts, by the module's rules: a valid one, else the one to give as reason."""
    failed = []
    for text, home in _ways(digits, region, plus=plus):
        reading = _read(text, home)
        if reading.number is None or reading.kind == PhoneNumberType.UNKNOWN:
            failed.append(reading)
            continue
        if (
            home is not None
            and reading.kind not in _MOBILE
            # Equal when no trunk prefix, country code or international prefix was there to be taken off.
            and phonenumbers.national_significant_number(reading.number) == digits
            and (foreign := _read(f"+{digits}", None)).kind in _MOBILE
        ):
            return foreign
        return reading
    possible = (each for each in failed if each.number is not None and phonenumbers.is_possible_number(each.number))
    return next(possible, failed[0])


def _ways(digits: str, region: str | None, *, plus: bool) -> tuple[tuple[str, str | None], ...]:
    """List the ways to read the digits, in order, each as libphonenumber wants it: text and home region."""
    if plus:
        return ((f"+{digits}", None),)
    if digits.startswith("00"):
        abroad = (f"+{digits[2:]}", None)
        return (abroad,) if region is None else (abroad, (digits, region))
    if region is not None:
        return (digits, region), (f"+{digits}", None)
    if digits.startswith("0"):
        raise InvalidNumber("a local number, and no home region to read it in")
    return ((f"+{digits}", None),)


def _read(text: str, home: str | None) -> _Reading:
    """Read digits in one way. The kind is UNKNOWN for just what is_valid_number calls invalid: ask once."""
    try:
        number = read_whole(text, home) or phonenumbers.parse(text, home)
    except NumberParseException as error:
        return _Reading(None, fault=_PARSE_REASONS[error.error_type])
    return _Reading(number, kind_of(number))


def _refusal(reading: _Reading) -> InvalidNumber:
    """Say why a reading is not valid: by its length, or because nobody has its range."""
    if reading.number is None:
        return InvalidNumber(reading.fault)
    length = phonenumbers.is_possible_number_with_reason(reading.number)
    if length == ValidationResult.IS_POSSIBLE:
        return UnassignedNumber("no such range of numbers: it is not assigned, or a digit is wrong or missing")
    return InvalidNumber(_LENGTH_REASONS[length])


@lru_cache(maxsize=_CACHED)
def _country(e164: str) -> str | None:
    code = _calling_code(e164)
    regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE[int(code)] if code else ()
    if len(regions) == 1 and len(e164) - len(code) > _SHORTEST_NATIONAL:
        # What has a code of its own need not be taken apart: 1 µs, not 30.
        return regions[0] if regions[0] in phonenumbers.SUPPORTED_REGIONS else None
    number = _read(e164, None).number if code else None
    region = phonenumbers.region_code_for_number(number) if number is not None else None
    return region if region in phonenumbers.SUPPORTED_REGIONS else None


def _calling_code(e164: str) -> str:
    """Return the country code of an E.164 number, and nothing for what is none."""
    if _E164.fullmatch(e164):
        for size in (1, 2, 3):
            code = e164[1 : 1 + size]
            if int(code) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
                return code
    return ""
