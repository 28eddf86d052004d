"""The kind ``maskyoo`` under the suite: a GET for each text, and the bulk service."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from bridge.model.message import Verdict
from tests.contract.carriers.case import Told
from tests.support.maskyoo_server import PASSWORD, SECRET, TOKEN, USERNAME, MaskyooServer
from tests.support.upstream import SLOW, TRICKLING, HttpCase, Wrong

if TYPE_CHECKING:
    from collections.abc import Mapping


_TOLD = frozenset(Told) - {Told.WAIT}
"""Nothing is known of taking a text back."""


class _Rest(HttpCase):
    name = "maskyoo"
    kind = "maskyoo"
    makes = MaskyooServer
    told = _TOLD
    credit: tuple[Mapping[str, Any], str] = ({"credit_service": "get_credit"}, "<r>get_credit done</r>")
    # Nothing says what a good answer is: HTTP 200 alone is one.
    ends: Mapping[Wrong, Verdict] = {Wrong.EMPTY: Verdict.ACCEPTED}
    troubles: tuple[str, ...] = tuple(wrong for wrong in Wrong if wrong not in SLOW | TRICKLING | {Wrong.EMPTY})
    secrets: tuple[str, ...] = (TOKEN, SECRET)
    bad: tuple[tuple[dict[str, Any], str], ...] = (
        ({"host": "https://sms.example.com/api/ws.php"}, "host"),
        ({"host": "sms.example.com:99999"}, "host"),
        ({"path": "api/ws.php"}, "path"),
        ({"token": None}, "token"),
        ({"token": ""}, "token"),
        ({"username": USERNAME, "password": PASSWORD}, "token"),
        ({"password": PASSWORD}, "token"),
        ({"token": None, "username": USERNAME}, "token"),
        ({"default_sender": None}, "default_sender"),
        ({"region": "XX"}, "region"),
        ({"number_form": "short"}, "number_form"),
        ({"refused_pattern": "("}, "refused_pattern"),
        ({"id_pattern": "["}, "id_pattern"),
        ({"callback_states": {}}, "callback_state"),
        ({"callback_state": None}, "callback_state"),
        ({"callback_states": {"1": "read"}}, "callback_states.1"),
        ({"callback_secret": "short"}, "callback_secret"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"credit_service": "a b"}, "credit_service"),
        ({"tocken": "x"}, "tocken"),
    )


class _Bulk(HttpCase):
    name = "maskyoo, bulk"
    kind = "maskyoo"
    makes = partial(MaskyooServer, bulk=True)
    told = _TOLD
    credit: tuple[Mapping[str, Any], str] = ({"credit_service": "get_credit"}, "<r>get_credit done</r>")
    secrets: tuple[str, ...] = (TOKEN, SECRET)
    bad: tuple[tuple[dict[str, Any], str], ...] = (
        ({"token": None, "username": USERNAME, "password": PASSWORD}, "token"),
        ({"bulk_states": {"Message in Action": "fine"}}, "bulk_states.Message in Action"),
        ({"bulk_path": ""}, "bulk_path"),
    )


CASES = (_Rest(), _Bulk())
