"""The kinds of carriers that ``[carriers.NAME] kind = …`` may name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bridge.carriers.sandbox import Sandbox, SandboxSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bridge.carriers.base import CarrierFactory, CarrierSettings

KINDS: Mapping[str, tuple[type[CarrierSettings], CarrierFactory]] = {"sandbox": (SandboxSettings, Sandbox)}
