"""The whole way from a mail to what is sent of it, as a mailbox has it of which nothing was set.

Of the mails in the folder ``mails`` those that lose a quote, a signature or the like have the text that is sent in
``NAME.sent.txt``; of the others it is the text that :mod:`tests.smtp.mime.test_content` expects.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bridge.model.errors import AutomaticMail, BridgeError
from bridge.model.mail_policy import STANDARD, Length, MailPolicy, SubjectUse, Transliterate
from bridge.model.rules import AccountRules
from smtp.config import SmtpSettings
from smtp.reading import Reading, charset_for, most_parts, read

MAILS = sorted((Path(__file__).parent / "mails").glob("*.eml"))
SETTINGS = SmtpSettings(domains=("sms.example.com",))


def reading(raw: bytes, policy: MailPolicy = STANDARD, *, sender: str = "ann@example.com", most: int = 10) -> Reading:
    """Read a mail."""
    return read(raw, policy, sender=sender, most=most, settings=SETTINGS)


def outcome(raw: bytes) -> str:
    """Write what is sent of a mail, or why nothing is, as the files beside the mails do."""
    try:
        return reading(raw).sent()[1].text + "\n"
    except BridgeError as refusal:
        return f"{refusal.code}: {refusal.reason}\n"


@pytest.mark.parametrize("mail", MAILS, ids=lambda path: path.stem)
def test_what_is_sent_of_each_mail(mail: Path) -> None:
    """People's words and machines' alerts go out whole, and without what programs put around them."""
    beside = [mail.with_suffix(end) for end in (".sent.txt", ".refused.txt", ".txt")]
    assert outcome(mail.read_bytes()) == next(path for path in beside if path.exists()).read_bytes().decode()


def test_there_are_enough_of_them() -> None:
    """The clients, devices and scripts that people have are all there."""
    names = " ".join(mail.stem for mail in MAILS)
    assert len(MAILS) >= 60
    for shape in (
        *("outlook", "gmail", "apple_mail", "iphone", "thunderbird", "k9"),
        *("nagios", "zabbix", "alertmanager", "grafana", "prtg", "vcenter", "ups", "synology", "printer"),
        *("hebrew", "arabic", "russian", "japanese", "chinese"),
    ):
        assert shape in names, shape


def test_a_bounce_is_told_before_its_empty_text() -> None:
    """Why a report has no text says less than that it is one."""
    raw = (
        b"From: MAILER-DAEMON@example.com\r\nContent-Type: multipart/report; report-type=delivery-status;"
        b' boundary="b"\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nAction: failed\r\n\r\n--b--\r\n'
    )
    with pytest.raises(AutomaticMail):
        reading(raw).sent()


def test_the_policy_is_followed_to_the_end() -> None:
    """Cuts come first, then the subject, then letters, then length: each by what is set for the mailbox."""
    raw = "Subject: Ağrı\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nBoğaz kapalı\r\n-- \r\nAnn\r\n".encode()
    policy = replace(STANDARD, subject=SubjectUse.PREFIX, transliterate=Transliterate.ALWAYS)
    content, composed = reading(raw, policy).sent()
    assert "Bogaz kapali" in composed.text
    assert composed.text.startswith("Agri")
    assert [cut.kind for cut in composed.trimmed.cuts] == ["signature"]
    assert composed.notes
    assert "Boğaz" in content.text
    long = b"\r\n" + b"word " * 200
    _, composed = reading(long, replace(STANDARD, length=Length.WORD), most=1).sent()
    assert composed.text.endswith("word")
    assert len(composed.text) <= 160


def test_the_least_bound_counts() -> None:
    """Operator, account and mailbox may each allow fewer parts; the mailbox's charset goes before the region's."""
    rules = SETTINGS.model_copy(update={"max_parts": 5, "charsets": {"IL": "cp1255"}, "charset": "cp1251"})
    assert most_parts(rules, STANDARD, AccountRules()) == 5
    assert most_parts(rules, STANDARD, AccountRules(max_parts=3)) == 3
    assert most_parts(rules, replace(STANDARD, max_parts=2), AccountRules(max_parts=3)) == 2
    assert charset_for(rules, replace(STANDARD, charset="koi8-r"), "IL") == "koi8-r"
    assert charset_for(rules, STANDARD, "IL") == "cp1255"
    assert charset_for(rules, STANDARD, None) == "cp1251"
