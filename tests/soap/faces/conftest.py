"""The bridge that the faces are called on: one process for each module of tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.soap.faces.shop import Shop, no_secret_in, opened

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A running bridge; at its end no secret and no whole number is in its log."""
    with opened(tmp_path_factory.mktemp("shop")) as running:
        yield running
        running.served.stop()
        no_secret_in(running.served.logged())
        assert '"level": "error"' not in running.served.logged()
