"""What becomes of subjects."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model.errors import BridgeError, InvalidRequest, InvalidTime, NoText
from bridge.model.mail_policy import Cut, MailPolicy, Option, SubjectUse
from bridge.model.message import Priority
from smtp.cutting.subject import use_subject
from smtp.options import NONE, Options

IGNORE, PREFIX, ONLY, OPTIONS = SubjectUse
PREFIXES = {
    "plain": ("Disk full", "Disk full\nbody"),
    "nothing": ("", "body"),
    "blank": (" \u200f ", "body"),
    "answered": ("Re: Disk full", "Disk full\nbody"),
    "answered twice": ("RE: Re[2]: AW: Disk full", "Disk full\nbody"),
    "sent on": ("Fwd: FW: WG: Disk full", "Disk full\nbody"),
    "Hebrew": ("השב: הועבר: דיסק", "דיסק\nbody"),
    "Chinese": ("回复：磁盘", "磁盘\nbody"),
    "from outside": ("[EXTERNAL] Re: [External Email] Disk", "Disk\nbody"),
    "tags of the sender": ("[FIRING:1] [web01] Disk", "[FIRING:1] [web01] Disk\nbody"),
    "a disk": ("R: is full", "R: is full\nbody"),
    "a word": ("Report: full", "Report: full\nbody"),
    "only answered": ("Re:", "body"),
    "spaces": ("Disk\t  full", "Disk full\nbody"),
}


def used(subject: str, use: SubjectUse, text: str = "body", **settings: object) -> tuple[str, Options]:
    """Use a subject with a policy of these settings."""
    return use_subject(text, subject, MailPolicy(subject=use, **settings))  # type: ignore[arg-type]


def test_ignored() -> None:
    """The subject is nothing, even one that holds options."""
    assert used("from: ACME", IGNORE) == ("body", NONE)


@pytest.mark.parametrize(("subject", "text"), PREFIXES.values(), ids=PREFIXES)
def test_prefixed(subject: str, text: str) -> None:
    """The subject stands above the text, without what programs and servers put before it."""
    assert used(subject, PREFIX) == (text, NONE)


def test_prefixed_once() -> None:
    """A text that begins with the subject does not get it twice."""
    assert used("Disk full", PREFIX, "Disk full\non web01")[0] == "Disk full\non web01"
    assert used("Disk", PREFIX, "Diskette")[0] == "Disk\nDiskette"


def test_a_mark_from_outside_stays_where_banners_do() -> None:
    """The mark is a banner's like."""
    assert used("[EXTERNAL] Disk", PREFIX, cut=frozenset(Cut) - {Cut.BANNER})[0] == "[EXTERNAL] Disk\nbody"


def test_only() -> None:
    """The subject is the text; without one there is none, and the reason says so."""
    assert used("Fwd: Disk full", ONLY) == ("Disk full", NONE)
    with pytest.raises(NoText, match="no subject"):
        used("Re: ", ONLY)


READ = {
    "": NONE,
    "Disk full": NONE,
    "Disk full; test": NONE,
    "Alert: from web01": NONE,
    "from: ACME": Options(sender="ACME"),
    "Re: from: ACME": Options(sender="ACME"),
    "FROM=ACME; Flash ;TEST": Options(sender="ACME", flash=True, test=True),
    "from: A=B": Options(sender="A=B"),
    "at: 2026-12-24 09:30:00; priority: HIGH;": Options(send_at="2026-12-24 09:30:00", priority=Priority.HIGH),
    "test": Options(test=True),
}


@pytest.mark.parametrize("subject", READ)
def test_options(subject: str) -> None:
    """They are read where the first name is one, and the text stays; any other subject is ignored."""
    text, options = used(subject, OPTIONS)
    assert text == "body"
    assert options == READ[subject]


@pytest.mark.parametrize(
    "subject",
    ["from: ACME; hello", "from:", "test: yes", "priority: 9", "from: A; from: B", "test" + ";flash" * 30],
)
def test_options_that_cannot_be_read(subject: str) -> None:
    """Once the first is an option, nothing is sent when another one is not."""
    with pytest.raises(InvalidRequest):
        used(subject, OPTIONS)


def test_a_time_that_cannot_be_read() -> None:
    """It is refused as a time is elsewhere."""
    with pytest.raises(InvalidTime):
        used("at: tomorrow", OPTIONS)


def test_options_that_are_not_allowed() -> None:
    """An option that the mailbox may not use is refused."""
    with pytest.raises(InvalidRequest, match="not allowed"):
        used("from: ACME", OPTIONS, options=frozenset({Option.TEST}))


@given(
    st.text()
    | st.lists(st.sampled_from(["Re: ", "from", ":", "=", ";", "test", "[EXTERNAL]", "：", " x"])).map("".join)
)
def test_no_subject_breaks_it(subject: str) -> None:
    """Whatever the subject, it is used or refused, and none of its white space breaks a line."""
    for use in SubjectUse:
        try:
            text, _ = used(subject, use)
        except BridgeError:
            continue
        assert text == "body" or use in {PREFIX, ONLY}
        assert text.count("\n") <= 1
