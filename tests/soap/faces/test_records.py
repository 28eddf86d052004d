"""Answers of the contract as XML and JSON, and the HTTP status that goes with them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from lxml import etree

from bridge.model.errors import Refusal, tree
from soap import schema
from soap.faces.records import append, http_status, plain
from soap.results import TABLE, TAKEN, result

_REPEATABLE = {402, 409, 413, 429, 503}


@pytest.mark.parametrize("kind", tree())
def test_only_what_was_taken_is_200(kind: type[Exception]) -> None:
    """Every status of the table has its HTTP status: the caller's 4xx, ours 503."""
    status = result(kind("why")).status  # type: ignore[arg-type]
    http = http_status(status)
    assert (http == 503) is not issubclass(kind, Refusal)
    assert http == 503 or 400 <= http < 500


def test_what_may_be_tried_again_says_so() -> None:
    """Statuses from 500 on have an HTTP status that programs take for passing."""
    for each in TABLE.values():
        assert each.status < 500 or http_status(each.status) in _REPEATABLE
    assert http_status(TAKEN.status) == 200


ANSWER = schema.fill(
    schema.SendAnswer,
    status=0,
    status_text="OK \x0c",
    message_id="m1",
    recipients=[
        schema.fill(
            schema.Recipient, dest="050 <1>", status=0, parts=2, price=Decimal("1E+3"), extra=schema.pairs([("a", "b")])
        )
    ],
)


def test_xml() -> None:
    """Strings and lists always, numbers where there are some; plain decimals, and no character XML has not."""
    root = etree.Element("response")
    append(root, ANSWER)
    assert etree.tostring(root, encoding="unicode") == (
        "<response><status>0</status><status_text>OK  </status_text><message_id>m1</message_id><recipients><recipient>"
        "<dest>050 &lt;1&gt;</dest><status>0</status><status_text></status_text><recipient_id></recipient_id>"
        "<parts>2</parts><price>1000</price><number></number><state></state>"
        "<extra><item><key>a</key><value>b</value></item></extra>"
        "</recipient></recipients><extra/></response>"
    )


def test_json() -> None:
    """Lists are arrays, numbers are numbers."""
    assert plain(ANSWER) == {
        "status": 0,
        "status_text": "OK \x0c",
        "message_id": "m1",
        "recipients": [
            {
                "dest": "050 <1>",
                "status": 0,
                "status_text": "",
                "recipient_id": "",
                "parts": 2,
                "price": 1000,
                "number": "",
                "state": "",
                "extra": [{"key": "a", "value": "b"}],
            }
        ],
        "extra": [],
    }
    groups = schema.fill(
        schema.GroupsAnswer, groups=[schema.fill(schema.ContactGroup, group_name="all", numbers=["1", "2"])]
    )
    assert plain(groups)["groups"] == [{"group_name": "all", "numbers": ["1", "2"], "group_names": "", "extra": []}]
    sender = schema.fill(schema.SenderName, is_default=True)
    assert plain(sender)["is_default"] is True
    root = etree.Element("x")
    append(root, sender)
    assert root.findtext("is_default") == "true"
    assert plain(schema.fill(schema.CreditAnswer, credit=Decimal("1.250")))["credit"] == 1.25
