"""suds-community: reads an order of calls as JSON and answers each with its answer or its Fault."""

from __future__ import annotations

import json
import sys
from typing import Any

from suds import WebFault
from suds.client import Client
from suds.sudsobject import Object, asdict


def plain(value: Any) -> Any:
    """Return what suds made of an answer in terms of JSON."""
    if isinstance(value, Object):
        return {name: plain(each) for name, each in asdict(value).items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value if value is None or isinstance(value, int | float | bool) else str(value)


def main() -> None:
    """Do as stdin says."""
    order = json.load(sys.stdin)
    client = Client(order["wsdl"], location=order["location"], cache=None)
    said: list[dict[str, Any]] = []
    for call in order["calls"]:
        try:
            said.append({"answer": plain(getattr(client.service, call["operation"])(**call["arguments"]))})
        except WebFault as fault:
            told = fault.fault
            said.append({"fault": {"code": str(told.faultcode), "text": str(told.faultstring)}})
    json.dump(said, sys.stdout)


if __name__ == "__main__":
    main()
