"""SMS Gate under the suite: with Basic and in the clear; with tokens, end to end encrypted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bridge.model.message import Verdict
from tests.contract.carriers.case import Told
from tests.support import smsgate_server as server
from tests.support.smsgate_server import SmsGateServer
from tests.support.upstream import HttpCase, Upstream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_SECRETS = (server.PASSWORD, server.KEY, server.SECRET)


class _Plain(HttpCase):
    name = "smsgate"
    kind = "smsgate"
    makes: Callable[[], Upstream] = SmsGateServer
    takes_own_id = True
    names_senders = False
    told = frozenset(Told)
    secrets: tuple[str, ...] = _SECRETS
    statuses: Mapping[int, Verdict] = {
        # Without a word of the server itself nobody knows; asking again under our id is safe.
        400: Verdict.UNKNOWN,
        409: Verdict.UNKNOWN,
        503: Verdict.UNKNOWN,
    }
    bad: tuple[tuple[dict[str, Any], str], ...] = (
        ({"url": "ftp://gate.example.com"}, "url"),
        ({"url": "https://gate.example.com/?a=b"}, "url"),
        ({"user": ""}, "user"),
        ({"password": 5}, "password"),
        ({"device": "longer-than-21-characters"}, "device"),
        ({"sim": 4}, "sim"),
        ({"active_within": -1}, "active_within"),
        ({"signing_keys": {"any": ""}}, "signing_keys"),
        ({"callback_secret": None}, "signing_keys"),
        ({"signature_window": 0}, "signature_window"),
        ({"refresh_every": "1s"}, "refresh_every"),
        ({"pasword": "x"}, "pasword"),
    )


class _SealedServer(SmsGateServer):
    def __init__(self) -> None:
        super().__init__(jwt=True, encrypted=True)


class _Sealed(_Plain):
    name = "smsgate, tokens, encrypted"
    makes = _SealedServer
    secrets: tuple[str, ...] = (*_SECRETS, server.PASSPHRASE)


CASES = (_Plain(), _Sealed())
