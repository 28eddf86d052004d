"""Every test here finds a migrated database in its folder."""

import pytest


@pytest.fixture(autouse=True)
def _database(sqlite_url: str) -> None:
    """Put it there."""
