"""The kind ``smsc`` under the suite: one whose provider calls, and one that is asked."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from tests.contract.carriers.case import Told
from tests.support.smsc_server import APIKEY, KEY, PASSWORD, SECRET, SmscServer
from tests.support.upstream import HttpCase

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Called(HttpCase):
    name = "smsc"
    kind = "smsc"
    makes = SmscServer
    told = frozenset(Told)
    echoes_id = True
    credit: tuple[Mapping[str, Any], str] = ({}, "100.50 RUB")
    secrets: tuple[str, ...] = (PASSWORD, SECRET, KEY)
    bad: tuple[tuple[dict[str, Any], str], ...] = (
        ({"host": "https://smsc.example.com/sys/send.php"}, "host"),
        ({"host": "ann@smsc.example.com"}, "host"),
        ({"host": "smsc.example.com:100000"}, "host"),
        ({"host": ""}, "host"),
        ({"backup_hosts": ["ftp://www2.example.com"]}, "backup_hosts"),
        ({"apikey": APIKEY}, "apikey"),
        ({"login": None}, "apikey"),
        ({"login": None, "password": None}, "apikey"),
        ({"password": ""}, "password"),
        ({"translit": 3}, "translit"),
        ({"maxsms": 0}, "maxsms"),
        ({"callback_key": "two words!"}, "callback_key"),
        ({"callback_secret": None}, "callback_key"),
        ({"callback_hash": "sha256"}, "callback_hash"),
        ({"fetch_every": "1s"}, "fetch_every"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"pasword": "x"}, "pasword"),
    )


class _Asked(HttpCase):
    name = "smsc, asked"
    kind = "smsc"
    makes = partial(SmscServer, apikey=True)
    told = frozenset(Told)
    echoes_id = True
    credit: tuple[Mapping[str, Any], str] = ({}, "100.50 RUB")
    secrets: tuple[str, ...] = (APIKEY,)
    bad: tuple[tuple[dict[str, Any], str], ...] = (
        ({"apikey": None}, "apikey"),
        ({"login": "myshop"}, "apikey"),
        ({"callback_key": KEY}, "callback_key"),
    )


CASES = (_Called(), _Asked())
