"""The table of forgeries, over the author and the prover: each is refused, and for its own reason."""

from __future__ import annotations

import pytest

from bridge.model.errors import SenderRefused
from smtp.proof.author import author_of
from tests.smtp.proof.forgeries import SETTINGS, Forgery, forgeries
from tests.smtp.proof.world import header_of, run, world

ROWS = forgeries()


async def refusal(forgery: Forgery) -> str:
    """Return why a mail is refused, as the door goes about it; empty when it is not."""
    try:
        author = author_of(header_of(forgery.raw))
    except SenderRefused as refused:
        return refused.reason
    if author != forgery.author:
        return f"mailbox {author} is not allowed to send"
    async with world(**SETTINGS) as at:
        for name, records in forgery.records.items():
            at.dns.put(name, "TXT", *records)
        proved = await at.prove(forgery.raw, forgery.wanted, author=author, peer=forgery.peer, sender=forgery.sender)
    if not proved.found:
        return "; ".join(proved.reasons)
    if forgery.recipient not in (frozenset().union(*proved.recipients.values())):
        return "no To or Cc that the signature covers names the recipient"
    return ""


@pytest.mark.parametrize("forgery", ROWS, ids=[row.name for row in ROWS])
def test_forgery_is_refused(forgery: Forgery) -> None:
    """No forgery passes, and the refusal says what is wrong with this one."""
    assert forgery.why in run(refusal(forgery))


def test_names_of_the_table() -> None:
    """Each row is another case, and there are many."""
    assert len({row.name for row in ROWS}) == len(ROWS) >= 100
