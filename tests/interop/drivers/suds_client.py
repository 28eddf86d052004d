"""suds-community; see the package for what goes in and out."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from typing import Any

from suds import WebFault
from suds.client import Client
from suds.sax.date import DateTime
from suds.sudsobject import Object, asdict
from suds.transport.http import HttpAuthenticated, HttpTransport
from suds.wsse import Security, UsernameToken

from tests.interop.drivers import say


def plain(value: Any) -> Any:
    """Return what suds made of an answer in terms of JSON."""
    if isinstance(value, Object):
        return {name: plain(each) for name, each in asdict(value).items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value if value is None or isinstance(value, int | float | bool) else str(value)


def log_in(client: Client, login: dict[str, str]) -> None:
    """Put a new login into the header of the calls to come; a digest has to be new for each."""
    token = UsernameToken(login["user"], login["password"])
    if login["kind"] == "digest":
        # suds leaves the digest to its user, and takes its nonce as the text it is.
        token.setnonce()
        token.setcreated()
        text = f"{token.nonce}{DateTime(token.created)}{login['password']}"
        token.setpassworddigest(base64.b64encode(hashlib.sha1(text.encode()).digest()).decode())  # noqa: S324
    security = Security()
    security.tokens.append(token)
    client.set_options(wsse=security)


def main() -> None:
    """Do as stdin says."""
    order = json.loads(sys.stdin.readline())
    login = order.get("login")
    basic = login if login and login["kind"] == "basic" else None
    # suds has two of that name; the other one waits to be asked for a login.
    http = HttpAuthenticated(username=basic["user"], password=basic["password"]) if basic else HttpTransport()
    client = Client(order["wsdl"], location=order["location"], cache=None, transport=http)
    (service,) = client.sd
    say({"operations": sorted({name for port in service.ports for name, _ in port[1]})})
    for line in sys.stdin:
        call = json.loads(line)
        if login and not basic:
            log_in(client, login)
        said: dict[str, Any]
        try:
            said = {"answer": plain(getattr(client.service, call["operation"])(**call["arguments"]))}
        except WebFault as fault:
            said = {"fault": {"code": str(fault.fault.faultcode), "text": str(fault.fault.faultstring)}}
        say(said)


if __name__ == "__main__":
    main()
