"""The usual number, read without the parser: country code first, nothing to take off.

Mail is addressed to whole numbers, a thousand of them a second, and libphonenumber's parser looks through each for
extensions, prefixes and second numbers: 7 to 20 µs, as much as all else of RCPT. Where its plan of the country says
that there is nothing of the kind, the parser would only cut the digits behind the country code. Whenever there is any
doubt, the parser is asked; a test holds both against each other for all regions.
"""

from __future__ import annotations

import re
from functools import lru_cache

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneNumber
from phonenumbers.phonemetadata import PhoneMetadata

_LONGEST_CODE = 3


def read_whole(text: str, home: str | None) -> PhoneNumber | None:
    """Return what ``phonenumbers.parse`` makes of ``+`` and ASCII digits, or of ASCII digits in a region.

    None where it has to be asked itself, because the number is of another country or form, or none at all.
    """
    abroad = home is None
    region = _region_of(text) if home is None else home
    plan = None if region is None else _plan(region, abroad=abroad)
    found = None if plan is None else plan.fullmatch(text)
    if found is None:
        return None
    return PhoneNumber(country_code=int(found["code"]), national_number=int(found["rest"]))


def _region_of(text: str) -> str | None:
    """Return the region of a number after ``+``, where its country code has one alone."""
    for end in range(2, 2 + _LONGEST_CODE):
        regions = COUNTRY_CODE_TO_REGION_CODE.get(int(text[1:end])) if len(text) > end else None
        if regions is not None:
            return regions[0] if len(regions) == 1 else None
    return None


@lru_cache(maxsize=1024)  # more than twice as many as there are regions
def _plan(region: str, *, abroad: bool) -> re.Pattern[str] | None:
    """Return what matches a region's whole numbers, as ``code`` and ``rest``; None for one that shares its code."""
    known = PhoneMetadata.metadata_for_region(region, None)
    # Numbers of no country (+800, +881) have no plan of a region.
    if known is None or known.country_code is None or known.general_desc is None:
        return None
    code = known.country_code
    if COUNTRY_CODE_TO_REGION_CODE[code] != (region,):
        return None
    # A zero at the front counts in Italy and is a prefix elsewhere.
    national = "(?!0)" + _unless(known.national_prefix_for_parsing)
    if abroad:
        return re.compile(rf"\+(?P<code>{code}){national}(?P<rest>[0-9]{{4,14}})")
    general = known.general_desc.national_number_pattern
    # What is a number at home just as it stands is that, and its first digits are no country code.
    other = _unless(known.international_prefix) + _unless(rf"(?:{general})\Z")
    return re.compile(rf"{other}(?P<code>{code}){national}(?P<rest>{general})")


def _unless(pattern: str | None) -> str:
    """Match what does not begin as the pattern says."""
    return f"(?!{pattern})" if pattern else ""
