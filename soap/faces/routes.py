"""The routes of all faces, for the door to serve."""

from __future__ import annotations

from datetime import UTC, tzinfo
from typing import TYPE_CHECKING, Final

from soap.endpoint import Endpoint
from soap.faces.bulk import BulkJson
from soap.faces.forms import MOST_BYTES
from soap.faces.legacy import LegacyXml
from soap.faces.smsc import SmscFiles
from soap.faces.smsc_calls import Smsc
from soap.faces.smsc_soap import PATH, SmscSoap
from soap.receiving import Bodies
from soap.wsdl import Contract

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.routing import BaseRoute

    from bridge.doors import Services
    from soap.visit import Visits

CONTRACT: Final = "smsc.wsdl"


def routes(visits: Visits, services: Services) -> Sequence[BaseRoute]:
    """Return the routes of the legacy XML API, of its bulk, and of the SMSC face."""

    def zone(account_id: int) -> tzinfo:
        account = services.intake.snapshot.directory.accounts.get(account_id)
        return account.rules.zone if account is not None else UTC

    bodies = Bodies(MOST_BYTES)
    smsc = Smsc(clock=services.clock, zone=zone)
    described = Endpoint(
        SmscSoap(visits, bodies, smsc),
        Contract.load(CONTRACT),
        public_url=services.settings.public_url,
        trusted=visits.trusted,
        path=PATH,
    )
    return [
        *LegacyXml(visits, bodies).routes(),
        *BulkJson(visits, bodies).routes(),
        *SmscFiles(visits, bodies, smsc).routes(),
        *described.routes(),
    ]
