"""Fields of queries and forms: as bytes, bounded, and as old programs write them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.requests import Request

from bridge.model.errors import InvalidRequest, MailTooLarge, Trouble
from soap.faces.forms import parse_fields, read_body
from soap.receiving import Bodies

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=x1"


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        (b"", {}),
        (b"a=1&b=2", {"a": b"1", "b": b"2"}),
        (b"a=one+two%20three%2B", {"a": b"one two three+"}),
        (b"a=%CF%F0%E8", {"a": b"\xcf\xf0\xe8"}),
        (b"a=\xcf\xf0", {"a": b"\xcf\xf0"}),
        (b"a=1&a=2", {"a": b"2"}),
        (b"a&b=&=c&&", {"a": b"", "b": b""}),
        (b"a=b=c", {"a": b"b=c"}),
        (b"a=%zz%4", {"a": b"%zz%4"}),
    ],
)
def test_queries(query: bytes, fields: dict[str, bytes]) -> None:
    """A query gives its bytes, whatever charset they are in; the last of two alike holds."""
    assert parse_fields(query) == fields


def test_the_body_goes_before_the_query() -> None:
    """As in PHP's own order of the two."""
    assert parse_fields(b"a=1&b=1", b"b=2\r\n", FORM) == {"a": b"1", "b": b"2"}
    assert parse_fields(b"", b"a=1", "") == {"a": b"1"}
    assert parse_fields(b"", b"a=1", f"{FORM}; charset=windows-1251") == {"a": b"1"}


@pytest.mark.parametrize("boundary", ["boundary=x1", 'boundary="x1"', "charset=utf-8; boundary=x1", "Boundary=x1"])
def test_multipart_forms(boundary: str) -> None:
    """A part's value is all between its blank line and the line end before the next boundary."""
    body = (
        b'preamble\r\n--x1\r\nContent-Disposition: form-data; name="mes"\r\n\r\nline 1\r\n--x\r\n\xcf\xf0\r\n'
        b'--x1\r\nContent-Type: text/plain\r\nContent-Disposition: form-data; filename="f.txt"; name=phones\r\n\r\n'
        b"972502345678\r\n--x1--\r\nepilogue"
    )
    assert parse_fields(b"id=5", body, f"multipart/form-data; {boundary}") == {
        "id": b"5",
        "mes": b"line 1\r\n--x\r\n\xcf\xf0",
        "phones": b"972502345678",
    }


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"--x1\r\n\r\nno name\r\n--x1--", MULTIPART),
        (b'--x1\r\nContent-Disposition: form-data; name="a"\r\n\r\ncut off', MULTIPART),
        (b"nothing of the kind", MULTIPART),
        (b"", MULTIPART),
        (b"--x1--", "multipart/form-data"),
        (b"\r\n--x1" * 300 + b"--", MULTIPART),
        (b"&".join([b"a=1"] * 201), FORM),
        (b'{"a": 1}', "application/json"),
        (b"<a/>", "text/xml"),
    ],
)
def test_what_is_no_form_is_refused(body: bytes, kind: str) -> None:
    """What cannot be read, and what has more fields than anybody needs."""
    with pytest.raises(InvalidRequest):
        parse_fields(b"", body, kind)


def body_of(chunks: list[bytes], most: int, headers: list[tuple[bytes, bytes]] | None = None) -> tuple[bytes, int]:
    """Read a body that comes in chunks; returns it, and how many chunks were taken."""
    taken = 0

    async def receive() -> dict[str, Any]:
        nonlocal taken
        taken += 1
        return {"type": "http.request", "body": chunks[taken - 1], "more_body": taken < len(chunks)}

    request = Request({"type": "http", "method": "POST", "headers": headers or []}, receive)
    return asyncio.run(read_body(request, Bodies(most))), taken


def test_a_body_may_be_as_long_as_allowed_and_no_longer() -> None:
    """A longer one is refused by its header at once, and without a header as soon as it is too long."""
    assert body_of([b"12", b"345"], 5) == (b"12345", 2)
    with pytest.raises(MailTooLarge):
        body_of([b"12", b"3456", b"never read"], 5)
    with pytest.raises(MailTooLarge):
        body_of([], 5, [(b"content-length", b"6")])  # would fail if a chunk were asked for


def test_a_body_that_does_not_come() -> None:
    """Is the client's fault when it is slow, and ours when there is no room."""

    async def silence() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    request = Request({"type": "http", "method": "POST", "headers": []}, silence)
    with pytest.raises(InvalidRequest):
        asyncio.run(read_body(request, Bodies(5, patience=0.01)))
    full = Bodies(5)
    full._room = 1
    with pytest.raises(Trouble):
        asyncio.run(read_body(Request({"type": "http", "method": "POST", "headers": []}, _two_bytes), full))
    assert full._room == 1


async def _two_bytes() -> dict[str, Any]:
    return {"type": "http.request", "body": b"12", "more_body": False}
