"""What hostile and broken clients send to a served bridge: a short run of bench/fuzz_soap.py, and its own checks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

import pytest
from hypothesis import HealthCheck, given, seed, settings

from bench import fuzz_soap
from bench.fuzz_requests import PASSWORD, TOKEN, Request, in_place, requests
from bench.fuzz_soap import Judge, fuzz, peak, target

COUNT = 400


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    """A bridge, and who judges what it answers."""
    with target() as running:
        yield Judge(running)


def test_whatever_comes_is_answered_in_order(judge: Judge) -> None:
    """No 5xx but Faults, no traceback, no secret in log or answer, bounded memory, nothing sent but what was taken.

    Some of the requests are calls still, and others none: the run has seen both.
    """
    fuzz(judge, count=COUNT, seed=20_261_120)
    assert judge.kinds.total() >= COUNT
    assert judge.told["200"] > COUNT // 10
    assert judge.told["500"] > COUNT // 10
    assert any(code.startswith("env:Sender/sms:") for code in judge.told)


def _post(body: bytes, *headers: bytes, path: bytes = b"/soap") -> Request:
    head = [b"POST %b HTTP/1.1" % path, b"Host: a", b"Connection: close", b"Content-Length: %d" % len(body), *headers]
    return Request(kind="own", sent=b"\r\n".join(head) + b"\r\n\r\n" + body)


def _call(inner: str) -> bytes:
    token = f"<token>{TOKEN}</token>" if "token" not in inner else ""
    return (
        '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><send_sms xmlns="urn:smsbridge:1">'
        f"{token}{inner}</send_sms></e:Body></e:Envelope>"
    ).encode()


FORM: Final = b"Content-Type: application/x-www-form-urlencoded"
REFUSED: Final = {
    "a call that is too large": (b"/soap", _call("<message>" + "x" * 4_000_000 + "</message><x/>")),
    "an attribute": (b"/soap", _call(f'<x y="{"z" * 4_000_000}"/>')),
    "no login": (b"/soap", _call("<token>wrong</token><message>" + "x" * 4_000_000 + "</message>")),
    "the SMSC face": (b"/sys/soap.php", _call(f'<x y="{"z" * 4_000_000}"/>')),
    "the SMSC files": (b"/sys/send.php", b"phones=12&mes=" + b"x" * 2_000_000),
    "the legacy web service": (b"/ws.php?service=send_sms", b"dest=12&message=" + b"x" * 2_000_000),
    "the bulk service": (b"/ws_json_bulk.php", b'[{"message": "' + b"x" * 2_000_000),
}


@pytest.mark.parametrize(("path", "body"), REFUSED.values(), ids=REFUSED.keys())
def test_what_was_refused_is_let_go(judge: Judge, path: bytes, body: bytes) -> None:
    """At once, and not when the garbage collector comes by: it counts objects, and does not know how large they are."""
    request = _post(body, FORM, path=path)
    for _ in range(5):
        judge.send(request)
    before = judge.running.resident()
    for _ in range(25):
        judge.send(request)
    assert judge.running.resident() - before < 8 * len(body)


def test_the_judge_counts_what_is_taken(judge: Judge) -> None:
    """Duplicates and tests are none; a text that no answer told of is found."""
    before = judge.taken
    call = "<dest>0502345678;12;0502345679</dest><message>Hello</message>"
    judge.ask(_post(_call(f"{call}<reference>once</reference>")))
    judge.ask(_post(_call(f"{call}<reference>once</reference>")))
    judge.ask(_post(_call(f"{call}<test>1</test>")))
    assert judge.taken == before + 2
    judge.settle()
    judge.taken -= 1
    with pytest.raises(AssertionError, match="texts were taken"):
        judge.settle()
    judge.taken += 1
    judge.settle()


def test_the_judge_sees_secrets_in_answers(judge: Judge) -> None:
    """Where a client puts its password into another element, the answer has it: the fuzz sends none such."""
    body = _call(f"<dest>{PASSWORD}</dest><message>Hello</message>")
    with pytest.raises(AssertionError, match="a secret is in the answer"):
        judge.ask(_post(body))
    assert PASSWORD.encode() not in in_place(body)
    assert TOKEN.encode() in in_place(body)


def test_the_judge_sees_secrets_in_the_log(judge: Judge) -> None:
    """So does a login that names its password as the user."""
    judge.ask(_post(_call(f"<username>{PASSWORD}</username><password>x</password><token/>")))
    with pytest.raises(AssertionError, match="the log has"):
        judge.settle()
    judge.settle()


def test_the_judge_sees_memory(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    """The peak is the process's own, and over the bound it is said."""
    assert peak(judge.running) >= judge.running.resident()
    monkeypatch.setattr(fuzz_soap, "GROWTH", -1)
    with pytest.raises(AssertionError, match="grown by"):
        judge.settle()


@pytest.mark.parametrize(
    "answer",
    [
        fuzz_soap.Answer(502, "text/plain", b"bad gateway"),
        fuzz_soap.Answer(400, "text/html", b"<h1>no</h1>"),
        fuzz_soap.Answer(404, "text/plain", b" "),
        fuzz_soap.Answer(500, "text/plain", b"Internal Server Error"),
        fuzz_soap.Answer(500, "text/xml; charset=utf-8", b'<e:Envelope xmlns:e="urn:x"/>'),
        fuzz_soap.Answer(200, "text/xml; charset=utf-8", b"<not xml"),
    ],
    ids=lambda answer: f"{answer.status} {answer.kind}",
)
def test_the_judge_refuses(judge: Judge, answer: fuzz_soap.Answer) -> None:
    """Whatever is no Fault, no clear text, or no answer of the contract."""
    with pytest.raises(AssertionError):
        judge.weigh(answer)


def test_each_kind_of_request_is_drawn() -> None:
    """And such as have to be answered, and such as are no HTTP or break off."""
    drawn: Counter[str | bool] = Counter()

    @seed(1)
    @settings(max_examples=400, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(requests())
    def draw(request: Request) -> None:
        drawn.update((request.kind, request.whole))

    draw()
    assert drawn.keys() == {"bytes", "tree", "built", "hard", "plain", True, False}
    assert drawn[True] > drawn[False]
