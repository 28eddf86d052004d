"""The ``[soap]`` table of bridge.toml."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated

from pydantic import Field

from bridge.fields import Listed, Network, Section


class SoapSettings(Section):
    """What programs may call over HTTP, and how much of it is taken."""

    enabled: bool = Field(default=True, description="off: no SOAP, and none of the calls without an envelope")
    max_body: int = Field(
        default=4_194_304, ge=16_384, le=67_108_864, description="bytes of one SOAP request, at most, also decompressed"
    )
    trusted_proxies: Annotated[tuple[Network, ...], Listed] = Field(
        default=(ip_network("127.0.0.0/8"), ip_network("::1/128")),
        description="proxies whose X-Forwarded headers are believed",
    )
