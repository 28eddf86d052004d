"""What MAIL and RCPT say behind the address: what is kept of it, and what is refused."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtp.wire.dsn import read_envid, read_notify, read_orcpt, read_ret
from smtp.wire.parameters import (
    NO_MAIL_PARAMETERS,
    NO_RECIPIENT_PARAMETERS,
    MailParameters,
    RecipientParameters,
    read_mail_parameters,
    read_recipient_parameters,
)
from smtp.wire.path import TWICE, parse_path


def mail(parameters: str) -> MailParameters | str:
    """Read parameters of MAIL as a connection does."""
    parsed = parse_path(f"FROM:<ann@example.com> {parameters}", "FROM:")
    return parsed if isinstance(parsed, str) else read_mail_parameters(parsed[1])


def recipient(parameters: str) -> RecipientParameters | str:
    """Read parameters of RCPT as a connection does."""
    parsed = parse_path(f"TO:<bob@example.com> {parameters}", "TO:")
    return parsed if isinstance(parsed, str) else read_recipient_parameters(parsed[1])


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("", NO_MAIL_PARAMETERS),
        ("SIZE=0", MailParameters()),
        ("size=1000 body=8BitMime", MailParameters(size=1000)),
        ("SIZE=00000000000000000012", MailParameters(size=12)),
        ("SMTPUTF8 BODY=7BIT", MailParameters(smtputf8=True)),
        ("AUTH=<>", MailParameters()),
        ("AUTH=ann+40example.com AUTHOR", "555 5.5.4 "),
        ("AUTH", MailParameters()),
        ("RET=FULL", MailParameters(ret="FULL")),
        ("ret=hdrs\tENVID=QQ314159", MailParameters(ret="HDRS", envid="QQ314159")),
        ("ENVID=a+2Bb+3Dc+20d+2bE", MailParameters(envid="a+b=c d+E")),
        (f"ENVID={'x' * 100}", MailParameters(envid="x" * 100)),
        (f"ENVID={'x' * 101}", "501 5.5.4 "),
        *((f"ENVID={wrong}", "501 5.5.4 ") for wrong in ("", "a=b", "a+", "a+2", "a+GG", "+0D+0A", "+00", "+80", "é")),
        *((f"RET={wrong}", "501 5.5.4 ") for wrong in ("", "BODY", "FULL,HDRS", "FULLY")),
        *((f"SIZE={wrong}", "501 5.5.4 ") for wrong in ("", "-1", "1e3", "+5", "٣", "1_000")),
        *((f"BODY={wrong}", "501 5.5.4 ") for wrong in ("", "BINARYMIME", "8BIT")),
        ("SMTPUTF8=yes", "501 5.5.4 "),
        *((each, TWICE) for each in ("SIZE=1 SIZE=1", "RET=FULL ret=HDRS", "AUTH=<> AUTH=<>", "SMTPUTF8 smtputf8")),
        *((each, "555 5.5.4 ") for each in ("REQUIRETLS", "BY=120;R", "HOLDFOR=5", "NOTIFY=NEVER", "=", "X=1")),
    ],
)
def test_of_mail(written: str, meant: MailParameters | str) -> None:
    """What is known is read, what is wrong is 501, what is not known is 555 (RFC 5321, 4.1.1.11; RFC 3461, 4)."""
    found = mail(written)
    if isinstance(meant, str):
        assert isinstance(found, str)
        assert found.startswith(meant)
    else:
        assert found == meant


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("", NO_RECIPIENT_PARAMETERS),
        ("NOTIFY=NEVER", RecipientParameters(notify=("NEVER",))),
        ("notify=success", RecipientParameters(notify=("SUCCESS",))),
        ("NOTIFY=DELAY,FAILURE,SUCCESS", RecipientParameters(notify=("DELAY", "FAILURE", "SUCCESS"))),
        ("NOTIFY=FAILURE,Failure", RecipientParameters(notify=("FAILURE",))),
        *(
            (f"NOTIFY={wrong}", "501 5.5.4 ")
            for wrong in ("", ",", "NEVER,SUCCESS", "DELAY,NEVER", "NEVER,NEVER", "SUCCESS,", "ALWAYS", "SUCCESS;DELAY")
        ),
        ("ORCPT=rfc822;bob@example.com", RecipientParameters(orcpt="rfc822;bob@example.com")),
        ("ORCPT=RFC822;Bob+2Btag+40x@example.com", RecipientParameters(orcpt="RFC822;Bob+tag@x@example.com")),
        ("ORCPT=x400;/C=il/", "501 5.5.4 "),
        ("ORCPT=x400;/C+3Dil/", RecipientParameters(orcpt="x400;/C=il/")),
        (f"ORCPT=rfc822;{'x' * 493}", RecipientParameters(orcpt=f"rfc822;{'x' * 493}")),
        (f"ORCPT=rfc822;{'x' * 494}", "501 5.5.4 "),
        *(
            (f"ORCPT={wrong}", "501 5.5.4 ")
            for wrong in ("", ";", "rfc822", "rfc822;", ";bob", "rfc=822;bob", "bob@example.com", "a,b;c", "דואר;a")
        ),
        *(
            (f"ORCPT=rfc822;{wrong}", "501 5.5.4 ")
            for wrong in ("a=b", "a+", "+0A", "+0Dx", "+7F", "+E9", "+D7+", "+93+D7", "+C2+85", "é", "דנה")
        ),
        ("ORCPT=utf-8;דנה@example.com", RecipientParameters(orcpt="utf-8;דנה@example.com")),
        ("ORCPT=UTF-8;\\x{5D3}\\x{5E0}@example.com", RecipientParameters(orcpt="UTF-8;דנ@example.com")),
        ("ORCPT=utf-8;a\\x{2B}b+40c\\x{1F511}", RecipientParameters(orcpt="utf-8;a+b@c\U0001f511")),
        ("ORCPT=utf-8;+D7+93נה@example.com", RecipientParameters(orcpt="utf-8;דנה@example.com")),
        ("ORCPT=rfc822;+D9+A9+D9+A7x@example.com", RecipientParameters(orcpt="utf-8;\u0669\u0667x@example.com")),
        ("ORCPT=utf-8;a\\x{110000}\\b\\x{}", RecipientParameters(orcpt="utf-8;a\\x{110000}\\b\\x{}")),
        *(
            (f"ORCPT=utf-8;{wrong}", "501 5.5.4 ")
            for wrong in (
                "",
                "a=b",
                "+",
                "+D7",
                "+C0+80",
                "+ED+A0+80",
                "+E2+80+A8",
                "\\x{0A}",
                "\\x{D800}",
                "\\x{2028}",
                "\\x{0085}",
                "a\udcff",
                "a\x7fb",
            )
        ),
        ("NOTIFY=NEVER NOTIFY=NEVER", TWICE),
        ("NOTIFY NEVER", "501 5.5.4 "),
        *((each, "555 5.5.4 ") for each in ("SIZE=5", "RET=FULL", "junk", "<x>")),
    ],
)
def test_of_rcpt(written: str, meant: RecipientParameters | str) -> None:
    """The same for recipients; an address with letters beyond ASCII is kept decoded (RFC 3461, 4; RFC 6533, 3)."""
    found = recipient(written)
    if isinstance(meant, str):
        assert isinstance(found, str)
        assert found.startswith(meant)
    else:
        assert found == meant


_LINES = st.one_of(
    st.text(max_size=60),
    st.text(alphabet="+\\x{}0123456789ABCDEFabcdef;=,utf-8 ", max_size=60),
    st.binary(max_size=60).map(lambda octets: octets.decode("utf-8", "surrogateescape")),
)


@given(value=_LINES, kind=st.sampled_from(["", "rfc822;", "utf-8;"]))
def test_any_value(value: str, kind: str) -> None:
    """Whatever is sent, what is kept can stand in one line of a header."""
    assert read_ret(value) in {None, "FULL", "HDRS"}
    for each in read_notify(value) or ():
        assert each in {"NEVER", "SUCCESS", "FAILURE", "DELAY"}
    envid = read_envid(value)
    assert envid is None or (0 < len(envid) <= 100 and envid.isascii() and envid.isprintable())
    orcpt = read_orcpt(kind + value)
    if orcpt is not None:
        assert len(orcpt) <= 500
        assert not {unicodedata.category(each) for each in orcpt} & {"Cc", "Cs", "Zl", "Zp"}
        assert len(orcpt.splitlines()) == 1
        orcpt.encode("utf-8")


@given(argument=_LINES)
def test_any_parameters(argument: str) -> None:
    """Every line of parameters is read or has a reply of one line."""
    for found in (mail(argument), recipient(argument)):
        if isinstance(found, str):
            assert found[:3] in {"501", "553", "555"}
            assert found.isprintable()


@given(clear=st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=30))
def test_there_and_back(clear: str) -> None:
    """Any printable ASCII comes through xtext as it was."""
    encoded = "".join(each if each.isalnum() else f"+{ord(each):02X}" for each in clear)
    assert read_envid(encoded) == clear
    assert read_orcpt(f"rfc822;{encoded}") == f"rfc822;{clear}"


def test_the_longest_line_takes_no_time() -> None:
    """Values of a mebibyte, of the worst kinds, are read or refused at once: nothing is looked at twice."""
    for worst in ("+20" * 350_000, "\\x{" * 350_000, "a" * (1 << 20), "," * (1 << 20), "\\x{AAAAA" * 130_000):
        for kind in ("", "rfc822;", "utf-8;"):
            assert read_orcpt(kind + worst) is None, "too long"
            assert isinstance(recipient(f"ORCPT={kind}{worst}"), str)
        assert read_envid(worst) is None
        assert read_notify(worst) is None
