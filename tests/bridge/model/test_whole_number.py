"""The short way to read a number says what the parser says, or nothing."""

import random

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberType

from bridge.model.whole_number import read_whole

REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
KINDS = (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE, PhoneNumberType.VOIP, PhoneNumberType.TOLL_FREE)


def parsed(text: str, home: str | None) -> PhoneNumber | None:
    """Return what the parser makes of it; None for no number."""
    try:
        return phonenumbers.parse(text, home)
    except NumberParseException:
        return None


def same(text: str, home: str | None) -> bool:
    """Whether the short way read it; then as the parser does."""
    read = read_whole(text, home)
    if read is None:
        return False
    assert read == parsed(text, home), (text, home)
    return True


@pytest.mark.parametrize("region", REGIONS)
def test_it_reads_as_the_parser_does(region: str) -> None:
    """Whole numbers of every region, real ones and those with digits changed, cut off or put in front."""
    chance = random.Random(region)
    code = str(phonenumbers.country_code_for_region(region))
    examples = [phonenumbers.example_number_for_type(region, kind) for kind in KINDS]
    for example in filter(None, examples):
        whole = code + phonenumbers.national_significant_number(example)
        for _ in range(60):
            digits = list(whole)
            for _ in range(chance.randrange(4)):
                digits[chance.randrange(len(digits))] = chance.choice("0123456789")
            written = chance.choice(["", "", "", "0", "00", "1", "8"]) + "".join(digits)
            written = written[: len(written) - chance.choice([0, 0, 0, 1, 2, 5])] + chance.choice(["", "", "", "7"])
            same(written, region)
            same(written, chance.choice(REGIONS))
            same(f"+{written}", None)


@given(st.text("0123456789", min_size=1, max_size=20), st.sampled_from(REGIONS))
def test_any_digits(digits: str, region: str) -> None:
    """Whatever the digits, and wherever they are dialled."""
    same(digits, region)
    same(f"+{digits}", None)


def test_the_usual_ones_are_read() -> None:
    """A mobile number behind its country's code, for most countries: without that it would save nothing."""
    assert same("972502345678", "IL")
    assert same("+972502345678", None)
    mobiles = [phonenumbers.example_number_for_type(region, PhoneNumberType.MOBILE) for region in REGIONS]
    texts = [f"+{one.country_code}{one.national_number}" for one in mobiles if one is not None]
    assert sum(same(text, None) for text in texts) > len(texts) / 2
