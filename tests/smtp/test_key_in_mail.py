"""A key that stands in the mail itself: found where it may stand, cut out, and shown nowhere."""

from __future__ import annotations

import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.calls.logins import Credentials, Password, Token
from bridge.model.errors import InvalidRequest, InvalidTime
from bridge.model.mail_policy import SecretPlace
from smtp.key_in_mail import SecretFound, find_secret, redact
from smtp.options import Options

EVERYWHERE = frozenset(SecretPlace)
SUBJECT = frozenset({SecretPlace.SUBJECT})
BODY = frozenset({SecretPlace.BODY})
LINE = frozenset({SecretPlace.LINE})

KEY = Password(user="erp", password="hunter2")

SUBJECTS: dict[str, tuple[str, Password | None, str]] = {
    "first word": ("erp:hunter2 Backup failed", KEY, "Backup failed"),
    "only word": ("erp:hunter2", KEY, ""),
    "spaces before": ("  erp:hunter2  Backup failed ", KEY, "Backup failed"),
    "a mark of direction before": ("\u200ferp:hunter2 הגיבוי נכשל", KEY, "הגיבוי נכשל"),
    "between number signs": ("#erp:hunter2#Backup failed", KEY, "Backup failed"),
    "with spaces, between number signs": (
        "#erp:hunter two# Backup",
        Password(user="erp", password="hunter two"),
        "Backup",
    ),
    "a colon in the password": ("erp:a:b: Backup", Password(user="erp", password="a:b:"), "Backup"),
    "an address for a user": (
        "ann@example.com:hunter2 Hi",
        Password(user="ann@example.com", password="hunter2"),
        "Hi",
    ),
    "nothing": ("", None, ""),
    "no key": ("Backup failed", None, "Backup failed"),
    "a word with a colon": ("Alert: Backup failed", None, "Alert: Backup failed"),
    "an address of the web": ("https://example.com/1 is down", None, "https://example.com/1 is down"),
    "not at the beginning": ("Backup erp:hunter2", None, "Backup erp:hunter2"),
    "number signs without a key": ("#12# Backup", None, "#12# Backup"),
    "one number sign": ("#erp:hunter2 Backup", None, "#erp:hunter2 Backup"),
    "no user": (":hunter2 Backup", None, ":hunter2 Backup"),
    "a user that is too long": ("u" * 129 + ":hunter2", None, "u" * 129 + ":hunter2"),
    "a password that is too long": ("erp:" + "p" * 1025, None, "erp:" + "p" * 1025),
}


@pytest.mark.parametrize(("subject", "key", "rest"), SUBJECTS.values(), ids=SUBJECTS)
def test_subject(subject: str, key: Password | None, rest: str) -> None:
    """The key in a subject is found, and what is left of the subject is the rest; the text stays."""
    found = find_secret(SUBJECT, subject=subject, text="erp\nok")
    if key is None:
        assert found is None
    else:
        assert found == SecretFound(place=SecretPlace.SUBJECT, credentials=key, subject=rest, text="erp\nok")
    assert find_secret(BODY | LINE | {SecretPlace.ADDRESS}, subject=subject, text="ok") is None


BODIES: dict[str, tuple[str, Password | None, str]] = {
    "first line": ("erp:hunter2\nBackup failed\n", KEY, "Backup failed\n"),
    "first line with CRLF": ("erp:hunter2\r\nBackup failed", KEY, "Backup failed"),
    "blank lines around it": ("\n \n erp:hunter2 \n\nBackup failed", KEY, "Backup failed"),
    "nothing behind it": ("erp:hunter2", KEY, ""),
    "a byte order mark before it": ("\ufefferp:hunter2\nBackup", KEY, "Backup"),
    "between number signs": ("#erp:hunter two#\nBackup", Password(user="erp", password="hunter two"), "Backup"),
    "the next line is indented": ("erp:hunter2\n  - one\n  - two", KEY, "  - one\n  - two"),
    "on two lines": ("user: erp\npassword: hunter2\nBackup", KEY, "Backup"),
    "on two lines, otherwise named": ("Login=erp\r\nPass = hunter2\r\n\r\nBackup", KEY, "Backup"),
    "on two lines in capitals": ("USERNAME:erp\n PSW:hunter2", KEY, ""),
    "no key": ("Backup failed", None, ""),
    "nothing": ("", None, ""),
    "a label": ("Alert: disk\nfull", None, ""),
    "more on the line": ("erp:hunter2 Backup failed", None, ""),
    "on the second line": ("Hello\nerp:hunter2\nBackup", None, ""),
    "an address of the web": ("https://example.com\nis down", None, ""),
    "a user without a password": ("user: erp\nBackup", None, ""),
}


@pytest.mark.parametrize(("text", "key", "rest"), BODIES.values(), ids=BODIES)
def test_body(text: str, key: Password | None, rest: str) -> None:
    """The key on the first line of a text is found, and the text is what stands below; the subject stays."""
    found = find_secret(BODY, subject="Backup", text=text)
    if key is None:
        assert found is None
    else:
        assert found == SecretFound(place=SecretPlace.BODY, credentials=key, subject="Backup", text=rest)
    assert find_secret(SUBJECT | LINE | {SecretPlace.ADDRESS}, subject="Backup", text=text) is None


def test_line() -> None:
    """A line has its phones and options with it; a mailbox that may not write one has a text."""
    text = "\ufeff shop:hunter2:7:+90:1,1,ACME,1:0502345678,972502345679:Your code\n"
    found = find_secret(EVERYWHERE, subject="sms", text=text)
    assert found == SecretFound(
        place=SecretPlace.LINE,
        credentials=Password(user="shop", password="hunter2", md5=True),
        subject="sms",
        text="Your code",
        phones=("0502345678", "972502345679"),
        options=Options(sender="ACME", send_at="+90", flash=True, test=True),
        id="7",
        transliterate=True,
    )
    assert find_secret(EVERYWHERE - LINE, subject="sms", text=text) is None


def test_the_first_of_several_counts() -> None:
    """A line before a body, a body before a subject; what is not believed as a key stays text."""
    found = find_secret(EVERYWHERE, subject="ann:other", text="erp:hunter2\nBackup")
    assert found is not None
    assert (found.place, found.credentials, found.subject) == (SecretPlace.BODY, KEY, "ann:other")
    found = find_secret(EVERYWHERE, subject="erp:hunter2", text="shop:x::::0502345678:Hi")
    assert found is not None
    assert found.place is SecretPlace.LINE
    found = find_secret(EVERYWHERE, subject="erp:hunter2 Hi", text="Disk of web1")
    assert found is not None
    assert (found.place, found.subject) == (SecretPlace.SUBJECT, "Hi")


def test_no_place_is_looked_at_that_is_not_allowed() -> None:
    """By default nothing is a key, and nothing is cut."""
    assert find_secret(frozenset(), subject="erp:hunter2 Hi", text="erp:hunter2\nHi") is None


HIDDEN: dict[str, tuple[Credentials, str, str]] = {
    "with its user": (KEY, "try erp:hunter2 again", "try *** again"),
    "a short password alone is a word": (Password(user="erp", password="disk"), "disk full", "disk full"),
    "a telling one alone": (Password(user="erp", password="hunter2hunter2"), "> hunter2hunter2!", "> ***!"),
    "as an address has it": (Password(user="erp", password="p+4 w@rds"), "key=erp.p%2B4%20w%40rds", "key=erp.***"),
    "a token": (Token(token="smsb_0123456789"), "use smsb_0123456789", "use ***"),
    "elsewhere": (KEY, "Disk full", "Disk full"),
}


@pytest.mark.parametrize(("credentials", "text", "shown"), HIDDEN.values(), ids=HIDDEN)
def test_redact(credentials: Credentials, text: str, shown: str) -> None:
    """Wherever else the key stands, it is hidden; other words stay."""
    assert redact(text, credentials) == shown


SECRET = "correct-horse-battery"
MAILS: dict[str, tuple[str, str]] = {
    "in the subject": (f"erp:{SECRET} Backup", "It failed"),
    "in the subject, and again below": (f"erp:{SECRET} Backup", f"> erp:{SECRET}\nIt failed, {SECRET}"),
    "in the body": ("Backup", f"erp:{SECRET}\nIt failed"),
    "in the body, and in the subject": (f"Re: erp:{SECRET}", f"erp:{SECRET}\nIt failed\n> erp:{SECRET}"),
    "on two lines": ("Backup", f"user: erp\npass: {SECRET}\nIt failed"),
    "in a line": (f"Re: {SECRET}", f"erp:{SECRET}::::0502345678:It failed\n{SECRET}"),
    "in a line with a field less": ("Backup", f"erp:{SECRET}:::0502345678:It failed"),
    "in a line of many texts": ("Backup", f"erp:{SECRET}:::::0502345678:It failed"),
    "in a line that asks for a call": ("Backup", f"erp:{SECRET}:::0,9:0502345678:It failed"),
    "in a line for other hours": ("Backup", f"erp:{SECRET}::9-17::0502345678:It failed"),
    "in a line as a token": ("Backup", f":{SECRET}::::0502345678:It failed"),
}


@pytest.mark.parametrize(("subject", "text"), MAILS.values(), ids=MAILS)
def test_no_secret_comes_out(subject: str, text: str) -> None:
    """In what is found, what is left of the mail, what is refused and how it is told there is no secret."""
    try:
        found = find_secret(EVERYWHERE, subject=subject, text=text)
    except (InvalidRequest, InvalidTime) as error:
        told = "".join(traceback.format_exception(error)) + repr(error)
    else:
        assert found is not None
        assert SECRET in {getattr(found.credentials, "password", ""), getattr(found.credentials, "token", "")}
        told = f"{found!r} {found.subject} {found.text} {found.phones} {found.options} {found.id}"
    assert SECRET not in told


@given(
    st.sets(st.sampled_from(SecretPlace)).map(frozenset),
    st.text(max_size=30) | st.just("erp:hunter2 Hi"),
    st.text(max_size=60)
    | st.lists(
        st.sampled_from(["user:", "pass:", "erp", ":", "#", "\n", " ", "hunter2", "\r\n"]) | st.text(max_size=3),
        max_size=12,
    ).map("".join),
)
def test_any_mail(places: frozenset[SecretPlace], subject: str, text: str) -> None:
    """Whatever a mail says, there is a key or none, and then nothing is cut that was not the key's."""
    try:
        found = find_secret(places, subject=subject, text=text)
    except (InvalidRequest, InvalidTime):
        assert SecretPlace.LINE in places
        return
    assert found is None or found.place in places
    if found is not None and found.place is SecretPlace.SUBJECT and isinstance(found.credentials, Password):
        assert found.text == redact(text, found.credentials)


@pytest.mark.parametrize("piece", [" ", "\n", "a", "a:", ":", "#", "#a:", "user:a\n", "\u200f", "a:b\n", "pass: "])
def test_a_mebibyte_is_no_work(piece: str) -> None:
    """A text of whatever repeats is looked at once."""
    text = piece * (1_048_576 // len(piece))
    for written in (text, f"erp:{text}", f"#erp:{text}", f"user: erp\n{text}"):
        try:
            find_secret(EVERYWHERE, subject=written, text=written)
        except (InvalidRequest, InvalidTime):
            continue
