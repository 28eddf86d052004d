"""zeep; see the package for what goes in and out."""

from __future__ import annotations

import json
import sys
from typing import Any

import requests
from zeep import Client, Transport
from zeep.exceptions import Fault, ValidationError
from zeep.helpers import serialize_object
from zeep.wsse.username import UsernameToken

from tests.interop.drivers import say


def opened(order: dict[str, Any]) -> Client:
    """Return a client that logs in as told."""
    login = order.get("login") or {"kind": ""}
    session = requests.Session()
    session.trust_env = False
    wsse = None
    if login["kind"] == "basic":
        session.auth = (login["user"], login["password"])
    elif login["kind"]:
        wsse = UsernameToken(login["user"], login["password"], use_digest=login["kind"] == "digest")
    return Client(order["wsdl"], transport=Transport(session=session), wsse=wsse)


def main() -> None:
    """Do as stdin says."""
    order = json.loads(sys.stdin.readline())
    client = opened(order)
    binding = "{urn:smsbridge:1}SmsBridgeSoap" + ("12" if order["version"] == "1.2" else "")
    service = client.create_service(binding, order["location"])
    say({"operations": sorted(client.wsdl.bindings[binding].all())})
    for line in sys.stdin:
        call = json.loads(line)
        said: dict[str, Any]
        try:
            said = {"answer": serialize_object(service[call["operation"]](**call["arguments"]), dict)}
        except Fault as fault:
            code = "/".join([str(fault.code), *(str(each) for each in fault.subcodes or ())])
            said = {"fault": {"code": code, "text": fault.message}}
        except ValidationError as error:
            said = {"error": str(error)}
        say(said)


if __name__ == "__main__":
    main()
