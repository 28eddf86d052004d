"""openapi.com's SMS: ``kind = "openapi"``, in its two versions, which have little in common but their login.

``version = 1`` is Gateway SMS (:mod:`bridge.carriers.openapi.v1`), ``version = 2`` is SMS v2
(:mod:`bridge.carriers.openapi.v2`). Of texts from phones neither knows anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from bridge.carriers.openapi.settings import OpenApiSettings
from bridge.carriers.openapi.v1 import GatewaySms
from bridge.carriers.openapi.v2 import SmsV2

if TYPE_CHECKING:
    from bridge.carriers.base import CarrierSettings
    from bridge.carriers.openapi.base import OpenApiCarrier
    from bridge.clock import Clock

_VERSIONS: Final[dict[int, type[OpenApiCarrier]]] = {1: GatewaySms, 2: SmsV2}


def openapi(name: str, settings: CarrierSettings, *, clock: Clock) -> OpenApiCarrier:
    """Make the carrier of the version that the settings name, not yet open."""
    if not isinstance(settings, OpenApiSettings):
        raise TypeError("an openapi carrier needs OpenApiSettings")
    return _VERSIONS[settings.version](name, settings, clock=clock)
