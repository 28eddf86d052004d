"""An office with two accounts on each kind of database."""

from __future__ import annotations

import pytest

from bridge.store.engine import Store
from tests.bridge.calls.office import Office
from tests.support.clock import HandClock


@pytest.fixture
def office(any_store: Store, clock: HandClock) -> Office:
    """Two accounts in Israel: ``acme`` (1), whose texts are only counted, and ``other`` (2)."""
    made = Office(any_store, clock)
    made.account()
    made.account("other")
    return made
