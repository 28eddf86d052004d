"""What ``[carriers.NAME]`` with ``kind = "openapi"`` may hold, and the hosts that it means."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from bridge.carriers.generic.settings import News
from bridge.carriers.http import UpstreamSettings
from bridge.fields import HttpHost, Pattern, Span
from bridge.model.message import Priority

HOSTS: Final = {1: "ws.messaggisms.com", 2: "sms.openapi.com"}
OAUTH_HOST: Final = "oauth.openapi.com"

_OLD_LOGIN: Final = "oauth.openapi.it"
_OFFICIAL: Final = frozenset({*HOSTS.values(), OAUTH_HOST, _OLD_LOGIN})

PriorityName = Literal["bulk", "normal", "high", "urgent"]
assert set(PriorityName.__args__) == {one.name.lower() for one in Priority}  # type: ignore[attr-defined]  # noqa: S101


def official(host: str, *, sandbox: bool) -> str:
    """Return the name of one of the provider's hosts, or of its twin in the sandbox."""
    return f"test.{host}" if sandbox else host


def sender_fault(sender: str, *, version: int) -> str | None:
    """Say what is wrong with a sender (v1, 3.1: 3 to 11 characters, digits 3 to 14; v2, 8: 3 to 11, not digits only).

    Which characters are letters enough is left to the provider.
    """
    if re.fullmatch("[0-9]+", sender):
        if version == 2:
            return "the sender is a number, and version 2 takes names only"
        return None if 3 <= len(sender) <= 14 else "a sender of digits has 3 to 14"
    return None if 3 <= len(sender) <= 11 else "a sender has 3 to 11 characters"


class OpenApiSettings(UpstreamSettings):
    """``[carriers.NAME]`` with ``kind = "openapi"``."""

    version: Literal[1, 2] = Field(default=2, description="1: Gateway SMS, deprecated there; 2: SMS v2")
    sandbox: bool = Field(default=False, description="call their sandbox, API and login alike")
    host: HttpHost | None = Field(default=None, description="another host of the API")
    oauth_host: HttpHost | None = Field(default=None, description="another host of the login")
    email: str | None = Field(default=None, min_length=3, pattern=r"^[^\s:]+$", description="e-mail of the account")
    api_key: SecretStr | None = Field(default=None, min_length=1, description="its API key: tokens are fetched with it")
    token: SecretStr | None = Field(default=None, min_length=1, description="fixed token, in place of both")
    renew_every: Span = Field(
        default=timedelta(hours=24),
        ge=timedelta(minutes=10),
        le=timedelta(days=365),
        description="life that a fetched token is asked for",
    )
    default_sender: str | None = Field(default=None, description="sender of texts that have none")
    test: bool = Field(default=False, description="texts are checked and priced there, and not sent")
    states: dict[str, News] = Field(default_factory=dict, description="what further states mean; * is any other")
    callback_field: str | None = Field(
        default=None, pattern=r"^[A-Za-z0-9_-]{1,40}$", description="form field of their calls; without it: raw JSON"
    )
    forbidden_pattern: Pattern | None = Field(default=None, description="a text that has it is refused here")
    priorities: dict[PriorityName, Annotated[float, Field(ge=1, le=1000, allow_inf_nan=False)]] = Field(
        default_factory=dict, description="version 1: place in their queue; a higher one costs more"
    )
    flash: bool = Field(default=False, description="version 1: all texts are shown at once, and not kept by the phone")
    realtime: bool = Field(default=False, description="version 1: past all queues; they take one such text a minute")

    @field_validator("host", "oauth_host")
    @classmethod
    def _its_own_host(cls, host: str | None, info: ValidationInfo) -> str | None:
        """Refuse a host of theirs that is for something else; any other may be a proxy."""
        if host is None or not {"version", "sandbox"} <= info.data.keys():
            return host
        bare = host.rpartition("://")[2].lower()
        own = HOSTS[info.data["version"]] if info.field_name == "host" else OAUTH_HOST
        if bare.removeprefix("test.") in _OFFICIAL and bare != official(own, sandbox=info.data["sandbox"]):
            if bare.removeprefix("test.") == _OLD_LOGIN and info.field_name == "oauth_host":
                raise ValueError(f"{bare} is the old login, which is not spoken here: leave it out")
            raise ValueError(f"with this version and sandbox it is {official(own, sandbox=info.data['sandbox'])}")
        return host

    @field_validator("token")
    @classmethod
    def _one_login(cls, token: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if not {"email", "api_key"} <= info.data.keys():
            return token
        email, api_key = info.data["email"], info.data["api_key"]
        if token is not None and (email is not None or api_key is not None):
            raise ValueError("either token, or email and api_key, not both")
        if token is None and (email is None or api_key is None):
            raise ValueError("write token, or email and api_key")
        return token

    @field_validator("default_sender")
    @classmethod
    def _good_sender(cls, sender: str | None, info: ValidationInfo) -> str | None:
        version = info.data.get("version")
        if sender is None and version == 1:
            raise ValueError("version 1 needs one: it sends nothing without a sender")
        if sender is not None and version and (fault := sender_fault(sender, version=version)):
            raise ValueError(fault)
        return sender

    @field_validator("priorities", "flash", "realtime")
    @classmethod
    def _of_version_one(cls, value: Any, info: ValidationInfo) -> Any:
        if value and info.data.get("version") == 2:
            raise ValueError("version 2 has nothing of this kind")
        return value
