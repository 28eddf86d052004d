"""What is sent of a text, what is cut off it, and what it costs to find out."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mailparser_reply import EmailReplyParser  # type: ignore[import-untyped]

from bridge.model.mail_policy import STANDARD, Cut
from smtp.cutting.cut import Removed, Trimmed, cut, why_empty
from tests.smtp.cutting import cases
from tests.smtp.cutting.cases import ALL, HEADERS, LANGUAGES, PHONES, Case


def kinds(trimmed: Trimmed) -> tuple[str, ...]:
    """Name what was cut."""
    return tuple(each.kind for each in trimmed.cuts)


@pytest.mark.parametrize("case", ALL.values(), ids=ALL)
def test_what_is_sent(case: Case) -> None:
    """The text that is sent, and the kinds of what was cut off it, are those of the table."""
    found = cut(case.text, replace(STANDARD, **case.settings))
    assert (found.text, kinds(found)) == (case.sent, case.kinds)


@pytest.mark.parametrize("case", ALL.values(), ids=ALL)
def test_a_mail_with_spaces_at_its_lines(case: Case) -> None:
    """Blank lines below and CR at the ends of lines, as some relays leave them, change nothing of what is found."""
    text = case.text.replace("\n", "\r\n") + "\r\n\r\n"
    found = cut(text, replace(STANDARD, **case.settings))
    assert found.text.replace("\r", "").strip() == case.sent.strip()


@pytest.mark.parametrize("line", LANGUAGES.values(), ids=LANGUAGES)
@pytest.mark.parametrize("mark", ["> ", ""], ids=["marked", "not marked"])
def test_the_line_above_a_quotation(line: str, mark: str) -> None:
    """It is found in every language, whether the lines below are marked or not, and nothing of the answer goes."""
    text = f"Restart it.\nDana\n\n{line}\n\n{mark}Server down.\n{mark}\n{mark}Ron\n"
    assert cut(text, STANDARD).text == "Restart it.\nDana"


@pytest.mark.parametrize("line", LANGUAGES.values(), ids=LANGUAGES)
def test_an_answer_below_a_quotation(line: str) -> None:
    """It is what is sent."""
    assert cut(f"{line}\n> Server down.\n\nRestart it.\n", STANDARD).text == "Restart it."


@pytest.mark.parametrize("fields", HEADERS.values(), ids=HEADERS)
def test_the_header_of_a_quoted_mail(fields: tuple[str, ...]) -> None:
    """It is found in every language: below an answer, and as all there is, where the mail is one sent on."""
    header = "\n".join(fields)
    answer = cut(f"Restart it.\n\n{header}\n\nServer down.\n", STANDARD)
    assert (answer.text, kinds(answer)) == ("Restart it.", ("quotes",))
    forward = cut(f"{header}\n\nServer down.\n", STANDARD)
    assert (forward.text, forward.cuts) == ("Server down.", (Removed(kind="quotes", text=header),))


@pytest.mark.parametrize("line", PHONES)
def test_the_line_of_a_telephone(line: str) -> None:
    """It goes where it stands last; the words above it stay, and the line itself is told."""
    found = cut(f"Server down.\n\n{line}\n", STANDARD)
    assert (found.text, kinds(found), found.cuts[0].text) == ("Server down.", ("mobile",), line)
    within = f"{line}\n\nThat is what it says."
    assert cut(within, STANDARD).text == within


KINDS = {
    Cut.QUOTES: "Down.\n\nOn Friday Ron wrote:\n> Is it up?\n> Ron",
    Cut.SIGNATURE: "Down.\n\n-- \nDana",
    Cut.MOBILE: "Down.\n\nSent from my iPhone",
    Cut.DISCLAIMER: f"Down.\n\n{cases.LEGAL}",
    Cut.BANNER: f"{cases.CAUTION}\n\nDown.",
    Cut.FOOTER: f"Down.\n\n{cases.LIST}",
}


@pytest.mark.parametrize("kind", Cut)
def test_kinds_are_cut_apart(kind: Cut) -> None:
    """Each kind is cut alone, and stays when all others are cut."""
    alone = cut(KINDS[kind], replace(STANDARD, cut=frozenset({kind})))
    assert (alone.text, kinds(alone)) == ("Down.", (kind,))
    assert cut(KINDS[kind], replace(STANDARD, cut=frozenset(Cut) - {kind})) == Trimmed(text=KINDS[kind])


def test_all_kinds_at_once() -> None:
    """They are listed from top to bottom."""
    text = (
        f"{cases.CAUTION}\n\nDown.\n\nSent from my iPhone\n\n-- \nDana\n\n\n{cases.LEGAL}\n\n{cases.LIST}\n\n"
        "On Friday Ron wrote:\n> Is it up?\n> Ron\n"
    )
    found = cut(text, STANDARD)
    assert found.text == "Down."
    assert kinds(found) == ("banner", "mobile", "signature", "disclaimer", "footer", "quotes")


def test_why_nothing_is_left() -> None:
    """The reason names all that was cut, each once."""
    found = cut("Sent from my iPhone\n\nOn Friday Ron wrote:\n> a\n> b\n", STANDARD)
    assert why_empty(found) == "the message has no text of its own; cut off: the line of a telephone and what is quoted"
    assert why_empty(cut("", STANDARD)) == "the message has no text"
    assert (
        why_empty(cut("$$\nx", STANDARD)) == "the message has no text of its own; cut off: what follows the end marker"
    )


FRAGMENTS = st.sampled_from(
    [
        *("", " ", "> a", ">", "> b wrote:", "Server down.", "Labels:", "--", "-- ", "---", "_" * 40, "$$", "x --end"),
        *LANGUAGES.values(),
        *(line for fields in HEADERS.values() for line in fields),
        *PHONES[:6],
        *("---------- Forwarded message ---------", "Begin forwarded message:", "-----Original Message-----"),
        *("> Begin forwarded message:", "> From: Dana", "> Subject: web01", ">> From: Dana", "> > x", "legal: a"),
        *(cases.CAUTION, "[EXTERNAL] x", *cases.LEGAL.split("\n"), *cases.LIST.split("\n"), "Unsubscribe: www.x.com"),
    ]
)
POLICIES = st.builds(
    lambda chosen, lines, fold: replace(
        STANDARD, cut=chosen, first_lines=lines, fold_blank=fold, disclaimers=("legal",), banners=("labels",)
    ),
    st.frozensets(st.sampled_from(Cut)),
    st.none() | st.integers(1, 3),
    st.booleans(),
)


def shown(*texts: str) -> Counter[str]:
    """Count what can be seen, but for the marks of quotation, which go when a mail is taken out of one."""
    return Counter(char for text in texts for char in text if not char.isspace() and char not in ">\ufeff")


@given(st.lists(FRAGMENTS | st.text(max_size=12), max_size=24).map("\n".join), POLICIES)
def test_nothing_is_lost_unsaid(text: str, policy: object) -> None:
    """What is sent and what is listed as cut are together all of the text, whatever the text."""
    found = cut(text, policy)  # type: ignore[arg-type]
    assert shown(found.text, *(each.text for each in found.cuts)) == shown(text)
    assert all(each.text for each in found.cuts)
    assert found.text == text or found.cuts


@given(st.lists(FRAGMENTS | st.text(max_size=12), max_size=24).map("\n".join))
def test_nothing_is_cut_that_need_not_be(text: str) -> None:
    """With everything switched off, a text comes back as it is."""
    policy = replace(STANDARD, cut=frozenset(), end_markers=(), fold_blank=False)
    assert cut(text, policy) == Trimmed(text=text)


SIZE = 1 << 17
HOSTILE = {
    "words": "On ",
    "lines of words": "On\n",
    "blank lines": "\n",
    "blank lines with spaces": " \n",
    "quoted and not": "> a\n> b\nt\n",
    "quoted, blank": "> x\n\n\n",
    "writers": "x wrote:\n",
    "writers with addresses": "x a@b.c\nwrote:\n",
    "fields": "From: a\n",
    "headers": "From: a\nSent: 1\nTo: b\nSubject: c\n\n",
    "fields apart": "From: a\n\nSent: 1\n\nTo: b\n\n",
    "forwards": "---------- Forwarded message ---------\n",
    "forwards of Apple": "Begin forwarded message:\n\n",
    "signatures": "a\n--\n",
    "disclaimers": "This e-mail is " + "x" * 60 + "\n\n",
    "short disclaimers": "This e-mail\n\n",
    "disclaimers of the account": "\nlegal",
    "footers": "Unsubscribe\n\n",
    "banners": "mail outside ",
    "tags": "[EXTERNAL] ",
    "end markers": "a$$\n",
    "telephones": "Sent from my iPhone\n",
    "excuses": "Please excuse x\n",
    "colons": "a:\n",
    "one colon": ":",
    "dashes": "-",
    "spaces": " ",
    "marks": "\u202b",
    "nested marks": "> " * 500 + "\n",
    "Hebrew fields": "מאת: א\n",
    "digits": "1",
    "addresses": "a@",
}


@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE)
def test_time_is_linear(piece: str) -> None:
    """A text made to be slow takes processor time in proportion: well under a second, and never a minute."""
    policy = replace(STANDARD, disclaimers=("legal",), banners=("acme",), first_lines=9)
    text = "start\n" + piece * (SIZE // len(piece))
    before = time.thread_time()
    cut(text, policy)
    cut(text.removeprefix("start\n"), policy)
    assert time.thread_time() - before < 10


def test_forwards_in_forwards() -> None:
    """However deep mails are sent on in mails sent on, the work is bounded, and what is left is sent as it stands."""
    text = "down"
    for _ in range(200):
        text = "Begin forwarded message:\n\n> From: Dana\n> Subject: x\n>\n" + "\n".join(
            f"> {x}" for x in text.split("\n")
        )
    found = cut(text, STANDARD)
    assert len(found.cuts) == 8
    assert found.text.lstrip().startswith("Begin forwarded message:")


REPLIES = {
    "en": "On Fri, Jan 3, 2025 at 10:00 AM Dana Levi <dana@example.com> wrote:",
    "de": "Am Fr., 3. Jan. 2025 um 10:00 Uhr schrieb Dana Levi <dana@example.com>:",
    "fr": "Le ven. 3 janv. 2025 à 10:00, Dana Levi <dana@example.com> a écrit :",
    "it": "Il giorno ven 3 gen 2025 alle ore 10:00 Dana Levi <dana@example.com> ha scritto:",
    "nl": "Op 3 jan 2025 10:00, Dana Levi <dana@example.com> schreef:",
    "cs": "Dne 3.1.2025 10:00, Dana Levi <dana@example.com> napsal(a):",
    "pl": "Dnia 3 stycznia 2025 10:00 Dana Levi <dana@example.com> napisał(a):",
    "da": "Den fre. 3. jan. 2025 kl. 10.00 skrev Dana Levi <dana@example.com>:",
    "ja": "2025年1月3日(金) 10:00 Dana Levi <dana@example.com>:",
}


# The library passes count to re.sub in a way that Python 3.13 warns of; it is this test's alone.
@pytest.mark.filterwarnings("ignore:'count' is passed as positional argument:DeprecationWarning")
@pytest.mark.parametrize("language", REPLIES)
@pytest.mark.parametrize("own", ["Restart it.", "Restart it.\nThen call me, please.\n\nIt is urgent."])
def test_another_reader_agrees(language: str, own: str) -> None:
    """Of an ordinary answer mail-parser-reply, which reads nine of these languages, keeps the same words."""
    text = f"{own}\n\n{REPLIES[language]}\n\n> Server down.\n>\n> Ron\n"
    assert cut(text, STANDARD).text == EmailReplyParser(languages=[language]).read(text).latest_reply == own
