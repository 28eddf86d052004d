"""Where mail may go: the domains that are ours, and what is particular about each.

Those are the domains of the configuration and, where it says so, those that mobile carriers of the United States and
of Canada ran as mail-to-SMS gateways, or still run: a relay that is told to route them here gives the programs that
write to ``5551234567@txt.att.net`` a gateway again.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from bridge.model.account import normalise_address
from bridge.model.errors import SenderRefused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from smtp.config import SmtpSettings

_LONGEST: Final = 255
"""Characters of a domain (RFC 5321, 4.5.3.1.2). Longer ones are none, and are not kept in memory."""

_DIGITS: Final = 10
"""Of a number in North America: area code, exchange and line (ITU-T E.164, +1). All these gateways had it so."""

# Carriers' own help pages, and lists that programs came with from 2005 to 2026, agree on these. Several names of one
# carrier are for texts and for pictures, or older than a merger: what somebody wrote into a device years ago counts.
_GATEWAYS: Final = {
    "US": (
        # AT&T, Cingular, Cricket
        "txt.att.net mms.att.net mobile.att.net cingularme.com mobile.mycingular.com "
        "sms.cricketwireless.net mms.cricketwireless.net sms.mycricket.com mms.mycricket.com "
        # Verizon, Alltel, and who resells it
        "vtext.com vzwpix.com mypixmessages.com message.alltel.com sms.alltelwireless.com mms.alltelwireless.com "
        # T-Mobile, Metro, SunCom
        "tmomail.net mymetropcs.com tms.suncom.com "
        # Sprint, Nextel, Boost, Virgin
        "messaging.sprintpcs.com pm.sprint.com messaging.nextel.com page.nextel.com "
        "myboostmobile.com sms.myboostmobile.com vmobl.com vmpix.com "
        # Others
        "email.uscc.net mms.uscc.net msg.fi.google.com mmst5.tracfone.com smtext.com text.republicwireless.com "
        "message.ting.com mailmymobile.net cspire1.com csouth1.com viaerosms.com mmsviaero.com cellcom.quiktxt.com "
        "mobile.cellularoneusa.com pcs.ntelos.com qwestmp.com gocbw.com cwemail.com msg.acsalaska.com mobile.gci.net "
        "sms.edgewireless.com"
    ),
    "CA": (
        "txt.bell.ca txt.bellmobility.ca vmobile.ca mobiletxt.ca wirefree.informe.ca "
        "pcs.rogers.com sms.rogers.com mms.rogers.com fido.ca sms.fido.ca "
        "msg.telus.com mms.telusmobility.com msg.koodomobile.com "
        "txt.freedommobile.ca txt.windmobile.ca sms.sasktel.com pcs.sasktelmobility.com "
        "text.mts.net text.mtsmobility.com txt.eastlink.ca texto.videotron.ca sms.videotron.ca"
    ),
}

CARRIER_DOMAINS: Final[Mapping[str, str]] = MappingProxyType(
    {domain: region for region, domains in _GATEWAYS.items() for domain in domains.split()}
)
"""Domains of carriers' gateways in their normal form, and the region (ISO 3166-1) whose numbers they take."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """One of our domains, in its normal form: lower case, A-labels, no dot at the end.

    ``account`` is the name of the one account for which mail to it is taken; None is whichever the sender's is.
    ``region`` comes before the account's. With ``digits`` a number is written with just as many, or with the country
    code before them, and is of the region; None takes any number.
    """

    domain: str
    account: str | None = None
    region: str | None = None
    digits: int | None = None


class Places:
    """The domains that are ours."""

    def __init__(self, settings: SmtpSettings) -> None:
        """Read the settings: what one says of a domain comes before what is known of a carrier's."""
        carriers = CARRIER_DOMAINS if settings.carrier_domains else {}
        self._places: dict[str, Place] = {}
        for domain in dict.fromkeys((*settings.domains, *carriers)):
            own = settings.domain.get(domain)
            known = domain in carriers
            self._places[domain] = Place(
                domain=domain,
                account=own.account if own else None,
                region=(own.region if own else None) or carriers.get(domain),
                digits=(own.digits if own else None) or (_DIGITS if known else None),
            )

    def find(self, domain: str) -> Place | None:
        """Return the place of a domain, in whatever spelling; None where it is not ours. Raises nothing."""
        known = self._places.get(domain)
        if known is not None or len(domain) > _LONGEST:
            return known
        return self._places.get(_lookup_form(domain))

    def __iter__(self) -> Iterator[Place]:
        """Go through the places: those of the configuration first, in its order."""
        return iter(self._places.values())


@lru_cache(maxsize=1024)
def _lookup_form(domain: str) -> str:
    """Lower case, A-labels, no dot at the end (RFC 5891, 5; RFC 1034, 3.1). Empty for what is no domain's name."""
    name = domain.lower().removesuffix(".")
    if name.isascii():
        return name
    try:
        return normalise_address(f"x@{name}").partition("@")[2]
    except (SenderRefused, UnicodeError):
        return ""
