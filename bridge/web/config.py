"""The ``[http]`` table of bridge.toml."""

from __future__ import annotations

from pydantic import Field

from bridge.fields import Address, Section


class HttpSettings(Section):
    """Where HTTP comes in: one port for all that is served over it."""

    listen: Address = Field(default="127.0.0.1:8080", description="address to listen on, host:port")
    console: bool = Field(
        default=False, description="on: /console shows the texts, to everybody who can reach the port"
    )
