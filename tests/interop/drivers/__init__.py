"""Programs that drive SOAP clients of other worlds. Each talks in lines of JSON.

In comes first ``{"wsdl", "location", "version"}``, with ``"login": {"kind", "user", "password"}`` where the client is
to log in by a header, as it does that by itself: ``text`` and ``digest`` (WS-Security), ``basic``. It is answered with
``{"operations": [...]}``, what the client found in the contract. Then each ``{"operation", "arguments"}`` is answered
with ``{"answer"}``, what the client made of the result element, ``{"fault": {"code", "text"}}`` as it shows one, or
``{"error"}`` for what it says when it can do neither.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def say(value: Any) -> None:
    """Write a line of JSON; what JSON has not is a text."""
    sys.stdout.write(json.dumps(value, default=str) + "\n")
    sys.stdout.flush()
