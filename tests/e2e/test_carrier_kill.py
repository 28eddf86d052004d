"""A text reaches a carrier once, or somebody is told that nobody knows, whenever either of the two dies."""

from __future__ import annotations

import random
import threading
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.support.hosted import hosted
from tests.support.killing import (
    CONCURRENCY,
    Forgetful,
    Gate,
    bridge,
    in_doubt,
    kill_often,
    mail,
    settle,
    settled,
    states,
)
from tests.support.smpp_centre import Centre

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.enable_socket, pytest.mark.timeout(240)]

_ROUNDS = 6


def dice() -> tuple[random.Random, str]:
    """Return chance, and how to have the same again."""
    seed = random.randrange(1 << 32)
    return random.Random(seed), f"seed {seed}"


def test_to_a_carrier_that_takes_our_ids(tmp_path: Path) -> None:
    """After any kill each text that was accepted arrives, and arrives once; none is left for a person."""
    chance, seed = dice()
    upstream = Gate()
    with hosted(upstream):
        served = bridge(tmp_path, upstream.table())
        tally = kill_often(served, upstream, rounds=_ROUNDS, chance=chance)
        assert served.stop() == 0
    assert (tally.lost, tally.doubled) == ([], []), seed
    assert tally.of("sent") == set(tally.accepted) == set(tally.arrived), seed
    assert in_doubt(served) == {}
    # The run must have been worth it: kills came while texts were with the carrier, some of them were sent again.
    assert tally.in_doubt >= _ROUNDS
    assert tally.unheard
    assert tally.unanswered
    assert tally.again


def test_to_a_carrier_that_does_not(tmp_path: Path) -> None:
    """After any kill no text arrives twice; each that may not have arrived is listed, and a person ends it."""
    chance, seed = dice()
    upstream = Forgetful()
    with hosted(upstream):
        served = bridge(tmp_path, upstream.table())
        tally = kill_often(served, upstream, rounds=_ROUNDS, chance=chance)
        listed = in_doubt(served)
        assert (tally.lost, tally.doubled) == ([], []), seed
        assert tally.states.keys() == set(tally.accepted)
        assert tally.of("sent") | tally.of("unknown") == set(tally.accepted), seed
        assert tally.of("sent") <= set(tally.arrived), seed
        assert listed.keys() == tally.of("unknown")
        # No more are in doubt than were under way.
        assert _ROUNDS <= len(listed) <= _ROUNDS * CONCURRENCY

        there = next(number for number in listed if tally.arrived[number])
        gone = next((number for number in listed if not tally.arrived[number]), None)
        settle(served, listed[there], "delivered")
        if gone is not None:
            settle(served, listed[gone], "refused")
        found = states(served)
        assert found[there] == "delivered"
        assert gone is None or found[gone] == "refused"
        sends = upstream.sends
        assert served.stop() == 0
    assert upstream.sends == sends
    assert in_doubt(served).keys() == listed.keys() - {there, gone}


def test_a_message_centre_that_dies(tmp_path: Path) -> None:
    """Texts flow on after each death of an SMPP centre; none goes there twice, and what it did not answer is listed."""
    chance, seed = dice()
    centre = Centre(password="s3cret")
    try:
        centre.delay(60, 60)
        table = {"kind": "smpp", "host": "127.0.0.1", "port": centre.port, "system_id": "acme", "password": "s3cret"}
        served = bridge(tmp_path, table | {"concurrency": 4, "reconnect": 0.05, "longest_reconnect": 0.2})
        served.start()
        accepted = [f"+97250234{place:04}" for place in range(160)]
        mail(served, accepted[:80])
        for serial in range(3):
            for _ in range(chance.randrange(5, 20)):
                centre.wait("submitted")
            threading.Event().wait(chance.random() * 0.06)
            centre.kill()
            centre.start()
            if serial == 0:
                mail(served, accepted[80:])
        found = settled(served)
        listed = in_doubt(served)
        assert served.stop() == 0
        arrived = Counter(f"+{piece['number']}" for piece in centre.submitted())
    finally:
        centre.stop()
    sent = {number for number, state in found.items() if state == "sent"}
    assert [number for number, times in arrived.items() if times > 1] == [], seed
    assert sent <= set(arrived), seed
    assert sent | listed.keys() == set(accepted), seed
    assert found.keys() == set(accepted)
    assert 1 <= len(listed) <= 3 * 4
