"""The states of a recipient and the table of allowed moves.

::

    held ─▶ scheduled ─▶ queued ─▶ sending ─▶ sent ─▶ delivered | undelivered | expired
                           ▲          │
                           └ deferred ┤
                                      ├─▶ refused
                                      └─▶ unknown ─▶ (a report, a person, or the carrier settles it)

No move leaves a final state, but for three in which the network brings late truth: ``unknown`` may be
settled, and ``undelivered`` or ``expired`` may turn out ``delivered``.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    """Where one recipient's text is."""

    HELD = "held"
    SCHEDULED = "scheduled"
    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    EXPIRED = "expired"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"


MOVES: dict[State, frozenset[State]] = {
    State.HELD: frozenset({State.SCHEDULED, State.QUEUED, State.REFUSED, State.CANCELLED, State.EXPIRED}),
    State.SCHEDULED: frozenset({State.QUEUED, State.CANCELLED, State.EXPIRED}),
    State.QUEUED: frozenset(
        # A person may give it a later time.
        {State.SCHEDULED, State.SENDING, State.REFUSED, State.EXPIRED, State.CANCELLED}
    ),
    State.SENDING: frozenset(
        # A report may overtake the answer of the send it belongs to: hence delivered and undelivered.
        {
            State.QUEUED,
            State.SENT,
            State.DELIVERED,
            State.UNDELIVERED,
            State.REFUSED,
            State.EXPIRED,
            State.UNKNOWN,
        }
    ),
    State.SENT: frozenset({State.DELIVERED, State.UNDELIVERED, State.EXPIRED}),
    State.UNKNOWN: frozenset(
        {State.QUEUED, State.SENT, State.DELIVERED, State.UNDELIVERED, State.EXPIRED, State.REFUSED}
    ),
    State.UNDELIVERED: frozenset({State.DELIVERED}),
    State.EXPIRED: frozenset({State.DELIVERED}),
    State.DELIVERED: frozenset(),
    State.REFUSED: frozenset(),
    State.CANCELLED: frozenset(),
}

FINAL: frozenset[State] = frozenset(
    {
        State.DELIVERED,
        State.UNDELIVERED,
        State.EXPIRED,
        State.REFUSED,
        State.UNKNOWN,
        State.CANCELLED,
    }
)
"""States in which nothing more happens by itself."""


def may_move(current: State, to: State) -> bool:
    """Whether the table allows the move. A move to the same state is none, and is not allowed."""
    return to in MOVES[current]


def gives_back(before: State, to: State) -> bool:
    """Whether a move says that the text surely was not sent, so that its price is given back.

    A cancelled one is by its account's setting; of one that expired after it was sent the network has had its work.
    """
    return to is State.REFUSED or (to is State.EXPIRED and before in _UNSENT)


_UNSENT = frozenset({State.HELD, State.SCHEDULED, State.QUEUED, State.SENDING})


def summary(states: list[State] | tuple[State, ...]) -> State:
    """One state for a message of many recipients: the least settled of them.

    A message is only as far as its slowest recipient; among settled ones the worst news comes first.
    """
    present = set(states)
    return next(state for state in _SUMMARY_ORDER if state in present)


_SUMMARY_ORDER = (
    State.HELD,
    State.SCHEDULED,
    State.QUEUED,
    State.SENDING,
    State.UNKNOWN,
    State.SENT,
    State.REFUSED,
    State.UNDELIVERED,
    State.EXPIRED,
    State.CANCELLED,
    State.DELIVERED,
)
