"""The [http] table."""

import pytest
from pydantic import ValidationError

from bridge.web.config import HttpSettings


def test_by_default_it_is_for_this_machine_and_shows_no_texts() -> None:
    """Nothing is shown to others unless the operator says so."""
    settings = HttpSettings()
    assert settings.listen == "127.0.0.1:8080"
    assert settings.console is False


@pytest.mark.parametrize("listen", ["8080", "127.0.0.1", "::1:8080", "127.0.0.1:http", "127.0.0.1:65536", ":8080"])
def test_an_address_that_is_none_is_refused_with_how_to_write_it(listen: str) -> None:
    """The operator learns the form before a socket is opened."""
    with pytest.raises(ValidationError, match="write"):
        HttpSettings(listen=listen)


def test_unknown_keys_are_refused_and_settings_stay_as_they_are() -> None:
    """A misspelt key must not be ignored."""
    with pytest.raises(ValidationError, match="Extra inputs"):
        HttpSettings.model_validate({"konsole": True})
    with pytest.raises(ValidationError, match="frozen"):
        HttpSettings().console = True  # type: ignore[misc]
