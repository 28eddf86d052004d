"""What a mail says, and what is made of it: header, content, cuts, subject, length, keys, and all of it together."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from bench.mailfuzz.making import ANN, OPEN, PASSWORD
from bench.mailfuzz.setting import POLICIES, SETTINGS, directory
from bench.mailfuzz.weighing import check, weigh_error
from bridge.model.errors import (
    BridgeError,
    InvalidRequest,
    InvalidTime,
    MalformedContent,
    NoText,
    TextTooLong,
)
from bridge.model.text import clean, measure
from smtp.cutting.cut import cut, why_empty
from smtp.cutting.length import fit
from smtp.cutting.subject import use_subject
from smtp.key_in_mail import find_secret
from smtp.mime.content import ContentLimits, idempotency_key, read_content
from smtp.mime.entity import Entity
from smtp.mime.header import Header, decode_words
from smtp.options import join
from smtp.preview import preview
from smtp.reading import read
from smtp.submission import submission_of

if TYPE_CHECKING:
    from smtp.key_in_mail import SecretFound

_DIRECTORY: Final = directory()


def _readable(octets: bytes) -> str:
    return octets.decode("utf-8", "replace")


def look_header(_way: int, octets: bytes) -> bool:
    """What fields say stands on one line."""
    mail = Entity.of(octets, "text/plain")
    header = Header.of(mail)
    said = [header.text(name) for name in ("subject", "from", "to", "x")] + [decode_words(octets[:8192])]
    check(all("\n" not in line and "\r" not in line for line in said), f"several lines: {said!r}")
    check(mail.media().type == mail.media().type.lower(), "a type in capitals")
    check(all(b"\0" not in name.encode() for name, _ in header.fields), "a name with NUL")
    return bool(header.fields)


def look_content(way: int, octets: bytes) -> bool:
    """A mail has a text that can be kept, or is refused for the one or the other reason."""
    limits = ContentLimits() if way % 4 else ContentLimits(depth=3, parts=5, html=2000)
    fallback = (None, "windows-1255", "shift_jis", "utf-16")[way // 4 % 4]
    try:
        mail = read_content(octets, fallback_charset=fallback, limits=limits, links=bool(way // 16 % 2))
    except (NoText, MalformedContent) as error:
        weigh_error(error)
        return False
    check(mail.text.strip(), "a blank text")
    clean(mail.text).encode()
    check(all("\n" not in note for note in mail.notes), f"{mail.notes!r}")
    idempotency_key(mail, sender=ANN, number="+972502345678")
    for value in (mail.message_id, mail.date):
        check(value is None or "\0" not in value, f"NUL in {value!r}")
    return True


def look_cuts(way: int, octets: bytes) -> bool:
    """What is left stands in the text, in its order."""
    text = _readable(octets)
    trimmed = cut(text, POLICIES[way % len(POLICIES)])
    check(trimmed.text or "\n" not in why_empty(trimmed), "a reason of several lines")
    if len(text) < 5000:
        letters = iter("".join(text.split()))
        check(all(letter in letters for letter in "".join(trimmed.text.split())), f"not of the text: {trimmed.text!r}")
    return bool(trimmed.cuts)


def look_subject(way: int, octets: bytes) -> bool:
    """A subject becomes text or options, or is refused for the options in it."""
    try:
        text, _ = use_subject("The text", decode_words(octets), POLICIES[way % len(POLICIES)])
    except (InvalidRequest, InvalidTime, NoText) as error:
        weigh_error(error)
        return False
    check(text, "no text")
    return True


def look_length(way: int, octets: bytes) -> bool:
    """What is left of a text fits."""
    text, most = clean(_readable(octets)), (1, 2, 10, 255)[way % 4]
    try:
        fitted = fit(text, most=most, policy=POLICIES[way // 4 % len(POLICIES)])
    except (TextTooLong, NoText) as error:
        weigh_error(error)
        return False
    check(measure(fitted.text).parts <= most, f"{measure(fitted.text)!r}")
    check(len(fitted.text) <= len(text) * 8 + 8, "longer than it was")
    return True


def look_reading(way: int, octets: bytes) -> bool:
    """A whole mail becomes a submission, without the key that stood in it."""
    policy = POLICIES[way % len(POLICIES)]
    mail = read(octets, policy, sender=("", ANN)[way // 16 % 8 > 0], most=4, settings=SETTINGS)
    try:
        content, composed = mail.sent()
        wanted = composed.options if mail.secret is None else join(composed.options, mail.secret.options)
        told = {"account_id": 1, "origin": ANN, "numbers": ["+972502345678"], "max_parts": 4}
        submission = submission_of(content, text=composed.text, options=wanted, **told)  # type: ignore[arg-type]
    except BridgeError as error:
        weigh_error(error)
        return False
    check(measure(submission.text).parts <= 4, "too long")
    submission.text.encode()
    if mail.secret is not None and key_of(mail.secret) == PASSWORD:
        check(PASSWORD not in submission.text, f"a secret in the text: {submission.text!r}")
    return True


def key_of(found: SecretFound) -> str:
    """Return the password or token that was found."""
    return str(getattr(found.credentials, "password", "") or getattr(found.credentials, "token", ""))


def look_key(_way: int, octets: bytes) -> bool:
    """A key that was found stands nowhere any more."""
    subject, _, text = _readable(octets).partition("\n")
    try:
        found = find_secret(POLICIES[1].secrets, subject=subject, text=text)
    except (InvalidRequest, InvalidTime) as error:
        weigh_error(error)
        return False
    if found is None:
        return False
    secret = key_of(found)
    check(secret and (len(secret) < 8 or secret not in found.subject + found.text), "the key stands there still")
    # The password may be the user's name, too, or stand among the phones of a line: these are shown.
    named = f"{getattr(found.credentials, 'user', '')} {found.phones}"
    check(secret != PASSWORD or PASSWORD in named or PASSWORD not in repr(found), "a secret is in the repr")
    return True


_TO: Final = ("0502345679@sms.example.com", "972502345678+key=fuzz.canary-41d07e93@sms.example.com")


def look_preview(way: int, octets: bytes) -> bool:
    """What is shown of a mail can be written as JSON, and its addresses hold no key."""
    sender, to = (ANN, OPEN, None)[way % 3], _TO[: way // 4 % 3]
    shown = preview(SETTINGS, _DIRECTORY, octets, sender=sender, recipients=to, region="IL")
    line = json.dumps(shown, default=str)
    check(not to or all(PASSWORD not in entry["to"] for entry in shown), f"a secret is shown: {line}")
    return bool(shown) and "error" not in shown[0]
