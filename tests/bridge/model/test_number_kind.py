"""The short way to a number's kind says what libphonenumber says."""

import random

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import COUNTRY_CODES_FOR_NON_GEO_REGIONS, PhoneNumber, PhoneNumberType

from bridge.model.number_kind import _kinds, kind_of

REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
CODES = sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)


def same(number: PhoneNumber) -> int:
    """Check one, and return its kind."""
    kind = kind_of(number)
    assert kind == phonenumbers.number_type(number), number
    return kind


@pytest.mark.parametrize("region", REGIONS)
def test_every_kind_of_every_region(region: str) -> None:
    """Numbers of all kinds, real ones and those with digits changed, cut off or added, have the library's kind."""
    chance = random.Random(region)
    for kind in PhoneNumberType.values():
        example = phonenumbers.example_number_for_type(region, kind)
        if example is None:
            continue
        same(example)
        for _ in range(40):
            digits = list(phonenumbers.national_significant_number(example))
            for _ in range(chance.randrange(4)):
                digits[chance.randrange(len(digits))] = chance.choice("0123456789")
            written = "".join(digits)[: len(digits) - chance.choice([0, 0, 0, 1, 2])] + chance.choice(["", "", "", "7"])
            if not written:
                continue
            zeros = len(written) - len(written.lstrip("0"))
            same(
                PhoneNumber(
                    country_code=example.country_code,
                    national_number=int(written),
                    italian_leading_zero=zeros > 0,
                    number_of_leading_zeros=min(zeros, 3) or None,
                )
            )


@given(st.sampled_from(CODES), st.integers(0, 10**15))
def test_any_number(code: int, national: int) -> None:
    """Whatever the digits."""
    same(PhoneNumber(country_code=code, national_number=national))


def test_what_is_no_country_is_left_to_the_library() -> None:
    """Codes of several countries, of none, and those that nobody has."""
    for code in (1, 7, 44, 999, *COUNTRY_CODES_FOR_NON_GEO_REGIONS):
        assert _kinds(code) is None
    assert same(PhoneNumber(country_code=1, national_number=4165550123)) == PhoneNumberType.FIXED_LINE_OR_MOBILE
    assert same(PhoneNumber(country_code=999, national_number=4165550123)) == PhoneNumberType.UNKNOWN
    assert same(PhoneNumber()) == PhoneNumberType.UNKNOWN


def test_the_usual_ones_are_told_by_the_short_way() -> None:
    """Countries with a code of their own need no library."""
    assert same(phonenumbers.parse("+972502345678")) == PhoneNumberType.MOBILE
    assert same(phonenumbers.parse("+97226234567")) == PhoneNumberType.FIXED_LINE
    assert same(phonenumbers.parse("+972501234567")) == PhoneNumberType.UNKNOWN
    short = [code for code in CODES if _kinds(code) is not None]
    assert len(short) > 180
