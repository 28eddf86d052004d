"""The service over a store of its own."""

from __future__ import annotations

import pytest

from bridge.store.engine import Store
from tests.soap.house import House


@pytest.fixture
def house(store: Store) -> House:
    """An account with a login, and the service for it."""
    return House(store)
