"""The ``[smtp]`` table: what may stand in it, and what is said of what may not."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bridge import config
from smtp.config import SmtpSettings


def test_defaults() -> None:
    """Nothing set: this machine alone, five minutes, a megabyte, a hundred recipients, ten parts, and no domain."""
    settings = SmtpSettings()
    assert settings.listen == ("127.0.0.1:8025",)
    assert settings.domains == ()
    assert settings.trusted_networks == (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    assert settings.timeout == timedelta(minutes=5)
    assert (settings.max_size, settings.max_recipients, settings.max_parts) == (1_048_576, 100, 10)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("sms.example.com", "sms.example.com"),
        ("SMS.Example.COM.", "sms.example.com"),
        ("ישראל.example", "xn--4dbrk0ce.example"),
        ("xn--4dbrk0ce.example", "xn--4dbrk0ce.example"),
        ("localhost", "localhost"),
        ("sms.internal", "sms.internal"),
    ],
)
def test_domains_have_one_form(written: str, name: str) -> None:
    """However a domain is written, it is kept in the form in which it is compared: lower case, A-labels."""
    assert SmtpSettings(domains=(written,)).domains == (name,)


def test_lists_as_one_string() -> None:
    """From the environment a list may come as one string with commas."""
    told: dict[str, Any] = {
        "listen": "127.0.0.1:25, [::1]:25",
        "domains": "a.example,b.example",
        "trusted_networks": "192.0.2.0/24, 2001:db8::1",
    }
    settings = SmtpSettings.model_validate(told)
    assert settings.listen == ("127.0.0.1:25", "[::1]:25")
    assert settings.domains == ("a.example", "b.example")
    assert settings.trusted_networks == (ip_network("192.0.2.0/24"), ip_network("2001:db8::1/128"))


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("listen", ["8025"], "write host:port"),
        ("listen", ["127.0.0.1:99999"], "write host:port"),
        ("listen", ["::1:8025"], "write an IPv6 address as [::1]:8025"),
        ("domains", ["sms example com"], "is no mail domain"),
        ("domains", ["@sms.example.com"], "is no mail domain"),
        ("domains", [""], "is no mail domain"),
        ("trusted_networks", ["10.0.0.0/33"], "is no network"),
        ("trusted_networks", ["anybody"], "is no network"),
        ("max_parts", 0, "greater than or equal to 1"),
        ("max_parts", 21, "less than or equal to 20"),
        ("max_size", 100, "greater than or equal to 1024"),
        ("max_recipients", 0, "greater than or equal to 1"),
        ("timeout", "0s", "greater than"),
        ("timeout", "soon", "write a time span"),
        ("port", 25, "not permitted"),
    ],
)
def test_bad_values(key: str, value: object, says: str) -> None:
    """Each bad value is refused, and the message says what is allowed."""
    with pytest.raises(ValidationError) as told:
        SmtpSettings.model_validate({key: value})
    (problem,) = told.value.errors()
    assert problem["loc"][0] == key
    assert says in problem["msg"]


def test_all_that_is_wrong_at_once() -> None:
    """Three mistakes are three problems."""
    with pytest.raises(ValidationError) as told:
        SmtpSettings.model_validate({"listen": ["x"], "max_parts": 99, "size": 1})
    assert {problem["loc"][0] for problem in told.value.errors()} == {"listen", "max_parts", "size"}


def test_a_certificate_counts_from_the_folder_of_the_file(tmp_path: Path) -> None:
    """A relative path does, an absolute one stays, and none is none."""
    file = tmp_path / "bridge.toml"
    file.write_text(
        '[smtp.tls]\ncertificate = "tls/a.pem"\nkey = "/etc/b.key"\n[carriers.a]\nkind = "sandbox"\n', encoding="utf-8"
    )
    tls = config.load(file, {}).door("smtp").tls
    assert (tls.certificate, tls.key) == (tmp_path / "tls/a.pem", Path("/etc/b.key"))
    assert SmtpSettings().anchored(tmp_path) == SmtpSettings()


def test_where_it_listens() -> None:
    """Each setting with addresses, those for users only with a certificate."""
    assert SmtpSettings().listeners == {"listen": ("127.0.0.1:8025",), "submission": (), "submissions": (), "lmtp": ()}
    for service in ("submission", "submissions"):
        told: dict[str, Any] = {service: ["127.0.0.1:0"], "tls": {"certificate": "a.pem", "key": "a.key"}}
        assert SmtpSettings.model_validate(told).listeners[service] == ("127.0.0.1:0",)
        with pytest.raises(ValidationError, match="need a certificate"):
            SmtpSettings.model_validate({service: ["127.0.0.1:0"]})
