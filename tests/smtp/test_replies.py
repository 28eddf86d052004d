"""Every error has its reply, and every reply is a line that SMTP allows."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model import errors
from bridge.model.errors import BridgeError, OperatorError, Refusal, tree
from smtp import replies
from smtp.wire import protocol

_LINE = re.compile(r"([245][0-9][0-9]) ([245])\.[0-9]{1,3}\.[0-9]{1,3} [ -~]+")
"""Reply code, enhanced code (RFC 3463, 2), text; nothing but printable ASCII."""

CONTRACT = {
    errors.InvalidNumber: "550 5.1.1",
    errors.PremiumNumber: "550 5.1.1",
    errors.UnassignedNumber: "550 5.1.1",
    errors.UnknownDomain: "550 5.1.2",
    errors.SenderRefused: "550 5.7.1",
    errors.AccountDisabled: "550 5.7.1",
    errors.NoText: "554 5.6.0",
    errors.MalformedContent: "554 5.6.0",
    errors.TextTooLong: "552 5.3.4",
    errors.MailTooLarge: "552 5.3.4",
    errors.TooManyRecipients: "452 4.5.3",
    errors.NoCredit: "452 4.2.2",
    errors.RateLimited: "450 4.7.1",
    errors.Stopping: "421 4.3.2",
    errors.StoreUnavailable: "451 4.3.0",
    errors.StoreFull: "451 4.3.0",
    errors.InternalError: "451 4.3.0",
}


@pytest.mark.parametrize("kind", tree(), ids=lambda kind: kind.__name__)
def test_every_error_has_a_reply(kind: type[BridgeError]) -> None:
    """4yz where trying again can help, 5yz where it cannot, and the enhanced code agrees.

    What only an operator can mend is temporary for a sender: his mail must not be lost for it.
    """
    found = _LINE.fullmatch(replies.reply(kind("why")))
    assert found
    assert found[1][0] == found[2]
    assert (found[1][0] == "4") == (kind.temporary or issubclass(kind, OperatorError))


@pytest.mark.parametrize(("kind", "code"), CONTRACT.items(), ids=lambda value: getattr(value, "__name__", None))
def test_the_replies_of_the_contract(kind: type[BridgeError], code: str) -> None:
    """What others rely on, to the digit."""
    assert replies.reply(kind("why")).startswith(f"{code} ")


@given(
    reason=st.one_of(st.text(max_size=30), st.text(min_size=400, max_size=900), st.just("x\r\n250 OK\r\n")),
    kind=st.sampled_from(tree()),
)
def test_any_reason_makes_one_line(reason: str, kind: type[BridgeError]) -> None:
    """One line of printable ASCII, 512 octets at most with its end (RFC 5321, 4.5.3.1.5), whatever the reason holds."""
    line = replies.reply(kind(reason))
    assert re.fullmatch(r"[45][0-9]{2} [45]\.[0-9]\.[0-9] [ -~]*", line)
    assert len(line.encode("ascii")) + 2 <= 512


@given(reason=st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=300))
def test_only_the_sender_s_own_fault_is_explained(reason: str) -> None:
    """A refusal says why; of our own trouble nothing is said but that it is ours."""
    for kind in tree():
        told = replies.reply(kind(reason)).split(" ", 2)[2]
        if issubclass(kind, Refusal):
            assert told == reason
        else:
            assert told in {line.split(" ", 2)[2] for line in (replies.TROUBLE, replies.CLOSING, replies.NO_DNS)}


def test_the_other_replies() -> None:
    """The lines that answer no error have the same form."""
    lines = (replies.SENDER_OK, replies.RECIPIENT_OK, replies.CLOSING, replies.TIMEOUT, replies.TROUBLE)
    for line in (*lines, f"{replies.ACCEPTED} id", protocol.BARE_LF, protocol.TOO_LARGE.format(limit=104_857_600)):
        found = _LINE.fullmatch(line)
        assert found, line
        assert found[1][0] == found[2]
        assert len(line) + 2 <= 512
