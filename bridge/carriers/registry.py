"""The kinds of carriers that ``[carriers.NAME] kind = …`` may name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.carriers.base import Called, Urls
from bridge.carriers.generic import Generic
from bridge.carriers.generic_settings import GenericSettings
from bridge.carriers.maskyoo import Maskyoo, MaskyooSettings
from bridge.carriers.openapi import openapi
from bridge.carriers.openapi_settings import OpenApiSettings
from bridge.carriers.sandbox import Sandbox, SandboxSettings
from bridge.carriers.smpp.carrier import Smpp, SmppSettings
from bridge.carriers.smsc import Smsc, SmscSettings
from bridge.carriers.smsgate import SmsGate, SmsGateSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.carriers.base import Carrier, CarrierFactory, CarrierSettings
    from bridge.clock import Clock

KINDS: Mapping[str, tuple[type[CarrierSettings], CarrierFactory]] = {
    "http": (GenericSettings, Generic),
    "maskyoo": (MaskyooSettings, Maskyoo),
    "openapi": (OpenApiSettings, openapi),
    "sandbox": (SandboxSettings, Sandbox),
    "smpp": (SmppSettings, Smpp),
    "smsgate": (SmsGateSettings, SmsGate),
    "smsc": (SmscSettings, Smsc),
}


def build(tables: Mapping[str, CarrierSettings], *, public_url: str, clock: Clock) -> dict[str, Carrier]:
    """Make the carriers of a configuration, not yet open, each with its URLs where it has any."""
    carriers = {name: KINDS[table.kind][1](name, table, clock=clock) for name, table in tables.items()}
    for name, carrier in carriers.items():
        if isinstance(carrier, Called) and carrier.callback_secret is not None and public_url:
            carrier.called_at(Urls.under(public_url, name, carrier.callback_secret.get_secret_value()))
    return carriers
