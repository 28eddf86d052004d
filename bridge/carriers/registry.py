"""The kinds of carriers that ``[carriers.NAME] kind = …`` may name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Final, TypeAlias

from bridge.carriers.base import Called, CarrierFactory, CarrierSettings, Urls

if TYPE_CHECKING:
    from bridge.carriers.base import Carrier
    from bridge.clock import Clock

Kind: TypeAlias = tuple[type[CarrierSettings], CarrierFactory]

_KINDS: Final[Mapping[str, tuple[str, str, str]]] = {
    # A module of bridge.carriers, and in it the settings and what makes the carrier from them.
    "apprise": ("apprise", "AppriseSettings", "AppriseCarrier"),
    "http": ("generic.carrier", "GenericSettings", "Generic"),
    "maskyoo": ("maskyoo.carrier", "MaskyooSettings", "Maskyoo"),
    "openapi": ("openapi.carrier", "OpenApiSettings", "openapi"),
    "sandbox": ("sandbox.carrier", "SandboxSettings", "Sandbox"),
    "smpp": ("smpp.carrier", "SmppSettings", "Smpp"),
    "smsc": ("smsc.carrier", "SmscSettings", "Smsc"),
    "smsgate": ("smsgate.carrier", "SmsGateSettings", "SmsGate"),
}


class _Kinds(Mapping[str, Kind]):
    """Imports a kind when it is asked for: a command that needs none of them waits for no HTTP client."""

    def __getitem__(self, name: str) -> Kind:
        place, settings, factory = _KINDS[name]
        module = import_module(f"bridge.carriers.{place}")
        return getattr(module, settings), getattr(module, factory)

    def __contains__(self, name: object) -> bool:
        return name in _KINDS

    def __iter__(self) -> Iterator[str]:
        return iter(_KINDS)

    def __len__(self) -> int:
        return len(_KINDS)


KINDS: Final[Mapping[str, Kind]] = _Kinds()
"""Settings and factory of each kind, by its name."""


def build(tables: Mapping[str, CarrierSettings], *, public_url: str, clock: Clock) -> dict[str, Carrier]:
    """Make the carriers of a configuration, not yet open, each with its URLs where it has any."""
    carriers = {name: KINDS[table.kind][1](name, table, clock=clock) for name, table in tables.items()}
    for name, carrier in carriers.items():
        if isinstance(carrier, Called) and carrier.callback_secret is not None and public_url:
            carrier.called_at(Urls.under(public_url, name, carrier.callback_secret.get_secret_value()))
    return carriers
