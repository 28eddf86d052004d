"""zeep: reads an order of calls as JSON and answers each with its answer or its Fault; see the drivers beside this."""

from __future__ import annotations

import json
import sys
from typing import Any

from zeep import Client
from zeep.exceptions import Fault
from zeep.helpers import serialize_object


def main() -> None:
    """Do as stdin says."""
    order = json.load(sys.stdin)
    client = Client(order["wsdl"])
    port = "SmsBridgeSoap12" if order["version"] == "1.2" else "SmsBridgeSoap"
    binding = f"{{urn:smsbridge:1}}{port}"
    known = {str(name) for name in client.wsdl.bindings}
    service = client.create_service(binding if binding in known else next(iter(sorted(known))), order["location"])
    said: list[dict[str, Any]] = []
    for call in order["calls"]:
        try:
            said.append({"answer": serialize_object(service[call["operation"]](**call["arguments"]), dict)})
        except Fault as fault:
            code = "/".join([str(fault.code), *(str(each) for each in fault.subcodes or ())])
            said.append({"fault": {"code": code, "text": fault.message}})
    json.dump(said, sys.stdout, default=str)


if __name__ == "__main__":
    main()
