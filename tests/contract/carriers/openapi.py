"""The kind ``openapi`` under the suite: both versions, with a fixed token and with a login, called and asked."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from tests.contract.carriers.case import Told
from tests.support.openapi_server import API_KEY, EMAIL, SECRET, TOKEN, GatewayServer, SmsV2Server
from tests.support.upstream import HttpCase, Upstream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_TOLD = frozenset(Told) - {Told.REPLY}
"""There are no texts from phones."""
_NEW_LOGIN: dict[str, Any] = {"token": None, "email": EMAIL, "api_key": API_KEY}


class _First(HttpCase):
    name = "openapi 1"
    kind = "openapi"
    makes: Callable[[], Upstream] = partial(GatewayServer, field="summary")
    told = _TOLD
    credit: tuple[Mapping[str, Any], str] = ({}, "12.34")
    secrets: tuple[str, ...] = (TOKEN, SECRET)
    bad: tuple[tuple[dict[str, Any], str], ...] = (
        ({"version": 3}, "version"),
        ({"host": "https://ws.messaggisms.com/messages"}, "host"),
        ({"host": "sms.openapi.com"}, "host"),
        ({"host": "test.ws.messaggisms.com"}, "host"),
        ({"sandbox": True, "host": "ws.messaggisms.com"}, "host"),
        ({**_NEW_LOGIN, "oauth_host": "oauth.openapi.it"}, "oauth_host"),
        ({"oauth_host": "ws.messaggisms.com"}, "oauth_host"),
        ({"token": None}, "token"),
        ({"token": ""}, "token"),
        ({"token": None, "email": EMAIL}, "token"),
        ({"token": None, "api_key": API_KEY}, "token"),
        ({"email": EMAIL, "api_key": API_KEY}, "token"),
        ({"api_key": API_KEY}, "token"),
        ({"renew_every": "1m"}, "renew_every"),
        ({"default_sender": None}, "default_sender"),
        ({"default_sender": "longer than eleven"}, "default_sender"),
        ({"states": {"SENT": "read"}}, "states.SENT"),
        ({"callback_field": "two words"}, "callback_field"),
        ({"callback_secret": "short"}, "callback_secret"),
        ({"forbidden_pattern": "("}, "forbidden_pattern"),
        ({"priorities": {"high": 0.5}}, "priorities.high"),
        ({"priorities": {"highest": 2.0}}, "priorities.highest"),
        ({"tocken": "x"}, "tocken"),
    )


class _FirstAsked(HttpCase):
    name = "openapi 1, login, asked"
    kind = "openapi"
    makes: Callable[[], Upstream] = partial(GatewayServer, oauth=True, called=False)
    told = _TOLD
    credit: tuple[Mapping[str, Any], str] = ({}, "12.34")
    secrets: tuple[str, ...] = (API_KEY,)
    bad: tuple[tuple[dict[str, Any], str], ...] = (({"token": TOKEN}, "token"), ({"email": "a:b"}, "email"))


class _Second(HttpCase):
    name = "openapi 2, login"
    kind = "openapi"
    makes: Callable[[], Upstream] = SmsV2Server
    told = _TOLD - {Told.WAIT}
    credit: tuple[Mapping[str, Any], str] = ({}, "12.34")
    secrets: tuple[str, ...] = (API_KEY, SECRET)
    bad: tuple[tuple[dict[str, Any], str], ...] = (
        ({"host": "ws.messaggisms.com"}, "host"),
        ({"default_sender": "12345"}, "default_sender"),
        ({"flash": True}, "flash"),
        ({"realtime": True}, "realtime"),
        ({"priorities": {"high": 2.0}}, "priorities"),
    )


class _SecondAsked(HttpCase):
    name = "openapi 2, asked"
    kind = "openapi"
    makes: Callable[[], Upstream] = partial(SmsV2Server, oauth=False, called=False)
    told = _TOLD - {Told.WAIT}
    secrets: tuple[str, ...] = (TOKEN,)
    bad: tuple[tuple[dict[str, Any], str], ...] = (
        ({"sandbox": True, "host": "sms.openapi.com"}, "host"),
        ({"sandbox": "maybe"}, "sandbox"),
        (_NEW_LOGIN | {"renew_every": "800d"}, "renew_every"),
    )


CASES = (_First(), _FirstAsked(), _Second(), _SecondAsked())
