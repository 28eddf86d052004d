"""Every way to write a number, and every reason to refuse one.

Example numbers are in ranges libphonenumber calls assigned; +972 50-1… is not.
"""

import random
import re

import phonenumbers
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from bridge.model.errors import InvalidNumber, PremiumNumber, Refusal, UnassignedNumber
from bridge.model.numbers import country_of, known_region, parse_number, to_local

ISRAELI = "+972502345678"
REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)


def examples(*kinds: int) -> list[str]:
    """List libphonenumber's example numbers of these kinds in all regions, in E.164."""
    found = {
        phonenumbers.format_number(number, PhoneNumberFormat.E164)
        for region in REGIONS
        for kind in kinds
        if (number := phonenumbers.example_number_for_type(region, kind)) is not None
    }
    return sorted(found)


TAKEN = examples(
    PhoneNumberType.MOBILE,
    PhoneNumberType.FIXED_LINE,
    PhoneNumberType.FIXED_LINE_OR_MOBILE,
    PhoneNumberType.VOIP,
)

INTERNATIONAL = {
    "plus": "+972502345678",
    "plus with separators": "+972 50-234-5678",
    "plus with a trunk zero": "+972 (0)50 234 5678",
    "plus with a trunk zero and no mark": "+9720502345678",
    "plus in parentheses": "(+972) 50.234.5678",
    "plus after spaces": "  +972502345678  ",
    "double zero": "00972502345678",
    "double zero with separators": "00 972 50 234 56 78",
    "digits alone": "972502345678",
    "digits alone with separators": "972-50-234-5678",
    "full-width": "＋９７２（５０）２３４－５６７８",
    "Arabic-Indic": "٩٧٢٥٠٢٣٤٥٦٧٨",
    "Extended Arabic-Indic": "+۹۷۲۵۰۲۳۴۵۶۷۸",
    "Devanagari": "+९७२५०२३४५६७८",
    "beyond the first plane": "+𝟗𝟕𝟐𝟓𝟎𝟐𝟑𝟒𝟓𝟔𝟕𝟖",
    "marks of direction": "\u202a+972\u00a050-234-5678\u202c",
    "no-break hyphens": "+972\u201150\u2011234\u20115678",
    "Hebrew maqaf": "+972\u05be50\u05be2345678",
}


@pytest.mark.parametrize("raw", INTERNATIONAL.values(), ids=INTERNATIONAL)
@pytest.mark.parametrize("region", ["IL", "US", "DE", None])
def test_international_forms(raw: str, region: str | None) -> None:
    """An international form means the same number from everywhere, and without a home region."""
    assert parse_number(raw, region) == ISRAELI


LOCAL = {
    "mobile": ("0502345678", "IL", ISRAELI),
    "dashes": ("050-234-5678", "IL", ISRAELI),
    "spaces": ("050 234 5678", "IL", ISRAELI),
    "dots": ("050.234.5678", "IL", ISRAELI),
    "parentheses": ("(050) 234-5678", "IL", ISRAELI),
    "slash": ("050/2345678", "IL", ISRAELI),
    "two slashes": ("050/234/5678", "IL", ISRAELI),
    "full-width slash": ("050／2345678", "IL", ISRAELI),
    "Arabic-Indic": ("٠٥٠-٢٣٤-٥٦٧٨", "IL", ISRAELI),
    "zero lost in a spreadsheet": ("502345678", "IL", ISRAELI),
    "landline": ("03-612-3456", "IL", "+97236123456"),
    "landline, zero lost": ("36123456", "IL", "+97236123456"),
    "voice over IP": ("077-234-5678", "IL", "+972772345678"),
    "exit code of one carrier": ("012972502345678", "IL", ISRAELI),
    "US": ("(202) 456-1111", "US", "+12024561111"),
    "US with trunk 1": ("1-202-456-1111", "US", "+12024561111"),
    "US to Canada": ("416-979-1234", "US", "+14169791234"),
    "US exit code": ("011 972 50 234 5678", "US", ISRAELI),
    "Japanese exit code": ("010 972 50 234 5678", "JP", ISRAELI),
    "Australian exit code": ("0011 972 50 234 5678", "AU", ISRAELI),
    "Russian exit code": ("8 10 972 50 234 5678", "RU", ISRAELI),
    "Brazilian exit code with a carrier": ("00 21 972 50 234 5678", "BR", ISRAELI),
    "Colombian exit code with a carrier": ("005 972 50 234 5678", "CO", ISRAELI),
    "UK": ("07911 123456", "GB", "+447911123456"),
    "Germany": ("0171/1234567", "DE", "+491711234567"),
    "France": ("06 12 34 56 78", "FR", "+33612345678"),
    "Belgium": ("0470/12.34.56", "BE", "+32470123456"),
    "Italy keeps the zero": ("06 1234 5678", "IT", "+390612345678"),
    "Italian mobile": ("347 123 4567", "IT", "+393471234567"),
    "Spain": ("612 34 56 78", "ES", "+34612345678"),
    "Russia with trunk 8": ("8 (916) 123-45-67", "RU", "+79161234567"),
    "Kazakhstan": ("8 701 123 4567", "KZ", "+77011234567"),
    "Brazil": ("(11) 96123-4567", "BR", "+5511961234567"),
    "Argentina with 15": ("011 15-2345-6789", "AR", "+5491123456789"),
    "Mexico": ("55 1234 5678", "MX", "+525512345678"),
    "India": ("081234 56789", "IN", "+918123456789"),
    "China": ("131 2345 6789", "CN", "+8613123456789"),
    "Japan": ("090-1234-5678", "JP", "+819012345678"),
    "Japan with long vowel marks": ("090ー1234ー5678", "JP", "+819012345678"),
    "Singapore": ("8123 4567", "SG", "+6581234567"),
    "Hungary with trunk 06": ("06 20 123 4567", "HU", "+36201234567"),
}


@pytest.mark.parametrize(("raw", "region", "expected"), LOCAL.values(), ids=LOCAL)
def test_local_forms(raw: str, region: str, expected: str) -> None:
    """What is dialled in the home region is understood, however it is written."""
    assert parse_number(raw, region) == expected


AMBIGUOUS = {
    "home country code without plus": ("972502345678", "IL", ISRAELI),
    "German country code without plus": ("4915123456789", "DE", "+4915123456789"),
    "no home number that long": ("447911123456", "US", "+447911123456"),
    "no home number like it": ("33612345678", "IL", "+33612345678"),
    "trunk 1 is no country code in the US": ("13105551234", "US", "+13105551234"),
    "a mobile in China, one in the US too": ("13105551234", "CN", "+8613105551234"),
    "a mobile in the US, the US from elsewhere": ("13105551234", "IL", "+13105551234"),
    "Dallas at home": ("9725023456", "US", "+19725023456"),
    "an Israeli mobile, one of Saint Pierre too": ("508411234", "IL", "+972508411234"),
    "Saint Pierre without home": ("508411234", None, "+508411234"),
    "the trunk zero settles it": ("0508411234", "IL", "+972508411234"),
    "a German landline loses to a mobile abroad": ("972502345678", "DE", ISRAELI),
    "a German landline with trunk zero does not": ("0972502345678", "DE", "+49972502345678"),
    "a German landline that is nothing abroad": ("30123456", "DE", "+4930123456"),
    "a Czech landline loses to a mobile abroad": ("299221234", "CZ", "+299221234"),
    "a Czech landline that is nothing abroad": ("221234567", "CZ", "+420221234567"),
    "a landline in Erfurt, one in Budapest too": ("3612345678", "DE", "+493612345678"),
    "a trunk 8 keeps Moscow from being Vietnam": ("84951234567", "RU", "+74951234567"),
    "Vietnam without a home that dials 8": ("84951234567", None, "+84951234567"),
    "double zero before a local exit code": ("00912024561111", "CO", "+912024561111"),
    "double zero is understood in the US": ("0079161234567", "US", "+79161234567"),
    "plus is never local": ("+19725023456", "IL", "+19725023456"),
}


@pytest.mark.parametrize(("raw", "region", "expected"), AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_ambiguous_forms(raw: str, region: str | None, expected: str) -> None:
    """Digits with two meanings are always read in the one the module's rules say."""
    assert parse_number(raw, region) == expected


INVALID = {
    "empty": ("", "IL", "no digits"),
    "spaces": ("   ", "IL", "no digits"),
    "separators": ("()-./", "IL", "no digits"),
    "a plus alone": ("+", None, "no digits"),
    "one digit": ("5", "IL", "too short"),
    "a short code": ("100", "IL", "too short"),
    "an emergency number": ("911", "US", "too short"),
    "a country code alone": ("+972", None, "too short"),
    "an international number cut off": ("+9725", None, "too short"),
    "plus and too few digits": ("+97250", None, "too short"),
    "double zero alone": ("00", None, "too short"),
    "area code missing": ("456-1111", "US", "area code is missing"),
    "a length between those there are": ("+376 312 3456", None, "wrong number of digits"),
    "digits too many": ("+972 50 234 5678 9012", None, "too long"),
    "twenty digits": ("1" * 20, None, "too long"),
    "sixteen digits": ("+4930123456789012", None, "too long"),
    "64 characters": ("9" * 64, "IL", "too long"),
    "65 characters": ("9" * 65, "IL", "longer than 64 characters"),
    "a megabyte": ("9" * 1_000_000, "IL", "longer than 64 characters"),
    "unknown country code": ("+999123456789", None, "unknown country code"),
    "unknown country code after double zero": ("00999123456789", None, "unknown country code"),
    "zero after plus": ("+0502345678", "IL", "unknown country code"),
    "double zero after plus": ("+00972502345678", "IL", "unknown country code"),
    "local without home": ("0502345678", None, "no home region"),
    "vanity": ("1-800-FLOWERS", "US", "letters"),
    "letters before": ("tel:+972502345678", None, "letters"),
    "Hebrew letters": ("050אב345678", "IL", "letters"),
    "extension x": ("0502345678x12", "IL", "extensions"),
    "extension word": ("03-6123456 ext. 12", "IL", "extensions"),
    "RFC 3966 extension": ("+97236123456;ext=12", None, "extension"),
    "pause": ("036123456,12", "IL", "more than one number, or an extension"),
    "hash": ("0502345678#", "IL", "service code"),
    "service code": ("*6050", "IL", "service code"),
    "comma list": ("0502345678,0502345679", "IL", "more than one number"),
    "semicolon list": ("0502345678; 0502345679", "IL", "more than one number"),
    "space list": ("0502345678 0502345679", "IL", "too long for one number"),
    "slash list": ("0502345678/0502345679", "IL", "too long for one number"),
    "plus list": ("+972502345678+972502345679", None, "one number at a time"),
    "two plus signs": ("++972502345678", None, "one number at a time"),
    "slash before another ending": ("03-6123456/7", "IL", "more than one number"),
    "slash before another ending, full-width": ("03-6123456／7", "IL", "more than one number"),
    "NUL": ("05\x0002345678", "IL", "control character"),
    "line end": ("0502345678\n", "IL", "control character"),
    "CR LF and a header": ("0502345678\r\nX: 1", "IL", "control character"),
    "tab": ("050\t2345678", "IL", "control character"),
    "C1": ("050\x852345678", "IL", "control character"),
    "superscript": ("²502345678", "IL", r"U\+00B2"),
    "underscore": ("050_2345678", "IL", r"U\+005F"),
    "emoji": ("😀", "IL", r"U\+1F600"),
    "lone surrogate": ("\ud83d0502345678", "IL", r"U\+D83D"),
    "mail address": ("0502345678@x", "IL", r"U\+0040"),
    "toll-free": ("1-800-123-456", "IL", "toll-free"),
    "toll-free of no country": ("+80012345678", None, "toll-free"),
    "company-wide": ("1599123456", "IL", "company-wide"),
    "voicemail": ("+97215112340000", None, "voicemail"),
    "personal": ("+447012345678", None, "personal"),
    "pager": ("+447640123456", None, "pager"),
}


@pytest.mark.parametrize(("raw", "region", "reason"), INVALID.values(), ids=INVALID)
def test_invalid(raw: str, region: str | None, reason: str) -> None:
    """What is no number, or takes no texts, is refused with the reason."""
    with pytest.raises(InvalidNumber, match=reason) as refusal:
        parse_number(raw, region)
    assert type(refusal.value) is InvalidNumber


PREMIUM = {
    "Israeli": ("1-900-123-456", "IL", "premium-rate"),
    "Israeli, international": ("+9721900123456", None, "premium-rate"),
    "Israeli, shared cost": ("1-700-123-456", "IL", "shared-cost"),
    "US": ("1-900-234-5678", "US", "premium-rate"),
    "UK": ("09012345678", "GB", "premium-rate"),
    "of no country": ("+979123456789", None, "premium-rate"),
    "of no country, shared cost": ("+80812345678", None, "shared-cost"),
}


@pytest.mark.parametrize(("raw", "region", "reason"), PREMIUM.values(), ids=PREMIUM)
def test_premium(raw: str, region: str | None, reason: str) -> None:
    """What would cost the account money it did not mean to spend is refused as such."""
    with pytest.raises(PremiumNumber, match=reason):
        parse_number(raw, region)


UNASSIGNED = {
    "plus": ("+972501234567", None),
    "double zero": ("00972501234567", "IL"),
    "digits alone": ("972501234567", "IL"),
    "digits alone, no home": ("972501234567", None),
    "digits alone, another home": ("972501234567", "US"),
    "local": ("050-123-4567", "IL"),
    "local, zero lost": ("501234567", "IL"),
    "area code 000": ("(000) 234-5678", "US"),
    "Dallas without home": ("9725023456", None),
    "a digit missing": ("050-234-567", "IL"),
}


@pytest.mark.parametrize(("raw", "region"), UNASSIGNED.values(), ids=UNASSIGNED)
def test_unassigned(raw: str, region: str | None) -> None:
    """A possible length in a range nobody has is told apart from what is no number at all."""
    with pytest.raises(UnassignedNumber, match="not assigned"):
        parse_number(raw, region)


REFUSED = [case[:2] for case in (INVALID | PREMIUM).values()] + list(UNASSIGNED.values())


@pytest.mark.parametrize(("raw", "region"), REFUSED, ids=[*INVALID, *PREMIUM, *UNASSIGNED])
def test_no_reason_repeats_the_number(raw: str, region: str | None) -> None:
    """A reason goes into logs and replies; the number does not."""
    with pytest.raises(Refusal) as refusal:
        parse_number(raw, region)
    digits = "".join(filter(str.isdecimal, re.sub(r"U\+[0-9A-F]+", "", refusal.value.reason)))
    assert len(digits) < 3


@pytest.mark.parametrize("region", ["il", "XX", "", "001", "ISR", "UK"])
def test_unknown_region_is_the_operators_mistake(region: str) -> None:
    """A region without a plan never makes a sender's number invalid."""
    assert not known_region(region)
    with pytest.raises(ValueError, match="not a known region"):
        parse_number("+972502345678", region)


@pytest.mark.parametrize("region", ["IL", "US", "GB", "XK", "VA"])
def test_known_region(region: str) -> None:
    """Regions with a plan of their own or a shared one are known."""
    assert known_region(region)


def test_refusals_are_new_each_time() -> None:
    """Two callers never share one exception, or its traceback."""
    found = []
    for _ in range(2):
        with pytest.raises(InvalidNumber) as refusal:
            parse_number("+999123456789", None)
        found.append(refusal.value)
    assert found[0] is not found[1]


@pytest.mark.parametrize("e164", TAKEN)
def test_examples_of_all_regions(e164: str) -> None:
    """Every region's example numbers are taken as they are, and their local form leads back to them."""
    assert parse_number(e164, None) == e164
    country = country_of(e164)
    assert country is not None
    assert parse_number(to_local(e164), country) == e164
    assert to_local(e164).isdigit()


@pytest.mark.parametrize(
    ("kinds", "refusal"),
    [
        ((PhoneNumberType.PREMIUM_RATE, PhoneNumberType.SHARED_COST), PremiumNumber),
        (
            (
                PhoneNumberType.PAGER,
                PhoneNumberType.UAN,
                PhoneNumberType.VOICEMAIL,
                PhoneNumberType.PERSONAL_NUMBER,
            ),
            InvalidNumber,
        ),
    ],
    ids=["costly", "without texts"],
)
def test_kinds_refused_in_all_regions(kinds: tuple[int, ...], refusal: type[InvalidNumber]) -> None:
    """No region's example number of a refused kind gets through."""
    for e164 in examples(*kinds):
        with pytest.raises(InvalidNumber) as refused:
            parse_number(e164, None)
        assert type(refused.value) is refusal


def test_toll_free_is_taken_in_north_america_only() -> None:
    """Toll-free numbers take texts under country code 1, and nowhere else."""
    for e164 in examples(PhoneNumberType.TOLL_FREE):
        if e164.startswith("+1"):
            assert parse_number(e164, None) == e164
        else:
            with pytest.raises(InvalidNumber, match="toll-free"):
                parse_number(e164, None)


def judged_slowly(e164: str) -> str | None:
    """Ask libphonenumber in the plain way: parse, is_valid_number, format_number."""
    try:
        number = phonenumbers.parse(e164, None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def test_one_pass_judges_as_two() -> None:
    """What libphonenumber calls valid is taken or refused for its kind, anything else is refused as such."""
    dice = random.Random(23038)
    for e164 in TAKEN:
        for _ in range(8):
            keep = dice.randrange(3, len(e164))
            near = e164[:keep] + "".join(dice.choices("0123456789", k=len(e164) - keep + dice.choice((0, 0, 0, 1))))
            try:
                found = parse_number(near, None)
            except Refusal as refusal:
                for_its_kind = isinstance(refusal, PremiumNumber) or "takes no texts" in refusal.reason
                assert for_its_kind == (judged_slowly(near) is not None), near
            else:
                assert found == judged_slowly(near)


loose = st.text(st.sampled_from("0123456789+-. ()/\u200e٣３") | st.characters(), max_size=70)
# Numbers of all regions, with and without what is dialled before them at home, and near misses of them.
ends = st.text("0123456789", max_size=4)
dialled = st.builds(
    lambda number, end: number[: len(number) - len(end)] + end,
    st.sampled_from([e164[1:] for e164 in TAKEN] + [to_local(e164) for e164 in TAKEN]),
    ends,
) | st.text("0123456789", min_size=2, max_size=18)


@given(loose, st.none() | st.sampled_from(REGIONS))
@example("+", None)
@example("0" * 64, "DE")
def test_any_input_is_taken_or_refused(raw: str, region: str | None) -> None:
    """Nothing but a refusal comes out of bad input, and nothing but E.164 out of good input."""
    try:
        found = parse_number(raw, region)
    except Refusal:
        return
    assert re.fullmatch(r"\+[1-9][0-9]{3,14}", found)
    assert judged_slowly(found) == found


@given(dialled, st.sampled_from(["IL", "US", "DE", "IT", "GB", "AR", "RU", "CN", "CZ", "BR"]))
@example("972502345678", "DE")
@example("299221234", "CZ")
def test_digits_follow_the_rules(digits: str, region: str) -> None:
    """Without plus or double zero: home if valid there, unless bare and no mobile there but one abroad."""
    if digits.startswith("00"):
        digits = digits.replace("0", "1", 1)

    def read(text: str, home: str | None) -> tuple[str | None, bool, bool]:
        try:
            number = phonenumbers.parse(text, home)
        except phonenumbers.NumberParseException:
            return None, False, False
        if not phonenumbers.is_valid_number(number):
            return None, False, False
        mobile = phonenumbers.number_type(number) in {
            PhoneNumberType.MOBILE,
            PhoneNumberType.FIXED_LINE_OR_MOBILE,
        }
        bare = phonenumbers.national_significant_number(number) == digits
        return phonenumbers.format_number(number, PhoneNumberFormat.E164), mobile, bare

    home, home_is_mobile, bare = read(digits, region)
    abroad, abroad_is_mobile, _ = read(f"+{digits}", None)
    prefer_abroad = bare and not home_is_mobile and abroad_is_mobile
    expected = abroad if home is None or prefer_abroad else home
    try:
        found = parse_number(digits, region)
    except Refusal as refusal:
        for_its_kind = isinstance(refusal, PremiumNumber) or "takes no texts" in refusal.reason
        assert expected is None or for_its_kind or len(expected) > 16
    else:
        assert found == expected


COUNTRIES = {
    "+972502345678": "IL",
    "+12024561111": "US",
    "+14169791234": "CA",
    "+79161234567": "RU",
    "+77011234567": "KZ",
    "+447400123456": "GB",
    "+447911123456": "GG",
    "+390612345678": "IT",
    "+80012345678": None,
    "+881612345678": None,
    "+999123456789": None,
    "+15551234567": None,
    "972502345678": None,
    "0502345678": None,
    "+972 50 234 5678": None,
    "+٩٧٢٥٠٢٣٤٥٦٧٨": None,
    "+1": None,
    "": None,
    "x": None,
}


@pytest.mark.parametrize(("e164", "country"), COUNTRIES.items(), ids=str)
def test_country_of(e164: str, country: str | None) -> None:
    """The country of a number is told by its range; what is not E.164 has none."""
    assert country_of(e164) == country


LOCALS = {
    "+972502345678": "0502345678",
    "+97236123456": "036123456",
    "+12024561111": "2024561111",
    "+390612345678": "0612345678",
    "+393471234567": "3471234567",
    "+447911123456": "07911123456",
    "+5491123456789": "0111523456789",
    "+79161234567": "89161234567",
}


@pytest.mark.parametrize(("e164", "local"), LOCALS.items(), ids=str)
def test_to_local(e164: str, local: str) -> None:
    """The local form is what is dialled in the country, digits only."""
    assert to_local(e164) == local


@pytest.mark.parametrize("text", ["", "0502345678", "+972 50", "+999123456789", "+1", "x"])
def test_to_local_wants_e164(text: str) -> None:
    """What is not E.164 has no local form."""
    with pytest.raises(InvalidNumber, match=r"E\.164"):
        to_local(text)
