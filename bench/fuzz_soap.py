"""Fuzzes the SOAP door of a served bridge: ``python -m bench.fuzz_soap --count N --seed S``.

What comes back is judged: HTTP 500 carries a Fault of a version, with code, text and id, and there is no other 5xx; a
4xx has a text; an answer is valid by the contract. After every batch the bridge still answers, its log has no
traceback, no failure of ours and no secret, as many texts were taken as the answers say, and its memory stays bounded.
Exits with 1, and the least request that did it, when something of this does not hold.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import os
import re
import socket
import sys
import time
from collections import Counter
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from unittest.mock import patch

import argon2
import hypothesis
from hypothesis import HealthCheck, Phase, given, settings
from lxml import etree

from bench import bridge
from bench.fuzz_requests import EXAMPLES, PASSWORD, TOKEN, USER, Request, requests
from bridge.clock import system_clock
from bridge.model.login import KeyKind
from bridge.model.moment import to_ms
from bridge.store import accounts
from bridge.store.engine import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.bridge import Running

COUNT: Final = 5000
BATCH: Final = 100
GROWTH: Final = 224 * 1024 * 1024
"""Bytes by which the bridge may grow over what it holds after its first calls, at its peak."""

_PATIENCE: Final = 60.0
_TOLD: Final = 1500
_PING: Final = b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><ping/></e:Body></e:Envelope>'
_HARDEST: Final = (
    b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>'
    b'<send_sms xmlns="urn:smsbridge:1"><fields>%b</fields></send_sms></e:Body></e:Envelope>'
) % (b'<item x="1234"/>' * 249_000)
"""About as long as a body may be, with about as many elements."""

_NAMESPACES: Final = {
    "http://schemas.xmlsoap.org/soap/envelope/": "text/xml; charset=utf-8",
    "http://www.w3.org/2003/05/soap-envelope": "application/soap+xml; charset=utf-8",
}
_ID: Final = re.compile(r"\(id [0-9a-f]{16}\)$")
_OURS: Final = "{urn:smsbridge:1}"
_SECRETS: Final = (PASSWORD.encode(), TOKEN.encode())

# So that ten thousand wrong logins are answered at once, and none blocks the right ones.
_SETTINGS: Final = {"SMSBRIDGE_LOGIN__DELAY": "0s", "SMSBRIDGE_LOGIN__FAILURES": "1000"}

_CHEAP: Final = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class Answer(NamedTuple):
    """What a connection was answered."""

    status: int
    kind: str
    body: bytes


class Judge:
    """Sends requests to a bridge, looks at what comes back, and counts it."""

    def __init__(self, running: Running) -> None:
        """Make the bridge do one call of each example, so that what it needs is there."""
        self.running = running
        self._log = running.folder / "serve.log"
        self._read = 0
        self._since = 0
        self.told: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        contract = etree.parse(Path(__file__).parent.parent / "wsdl" / "smsbridge.wsdl")
        (schema,) = contract.iter("{http://www.w3.org/2001/XMLSchema}schema")
        self.taken = 0
        self._schema = etree.XMLSchema(etree.fromstring(etree.tostring(schema)))
        for example in EXAMPLES:
            self._ask(Request(kind="example", sent=_plain(example)))
        self.began = self.resident = running.resident()
        self.settle()

    def ask(self, request: Request) -> None:
        """Send a request. Raises AssertionError, with the request, when the answer is not as it has to be."""
        try:
            self._ask(request)
        except AssertionError as error:
            error.add_note(repr(request))
            raise
        self.kinds[request.kind] += 1
        self._since += 1
        if self._since >= BATCH:
            self.settle()

    def send(self, request: Request) -> Answer | None:
        """Send a request, and return what comes back, not weighed; None where the connection ends without an answer."""
        with self._connected() as connection:
            try:
                connection.sendall(request.sent)
                if not request.whole:
                    connection.shutdown(socket.SHUT_WR)  # or the bridge waits for the rest
            except OSError:
                pass  # it has answered already, and does not listen any more
            return _received(connection)

    def settle(self) -> None:
        """Look at what a batch left behind."""
        self._since = 0
        answer = self.send(Request(kind="ping", sent=_plain(_PING)))
        assert answer is not None
        assert answer.status == 200, answer
        with self._log.open("rb") as log:
            log.seek(self._read)
            new = log.read()
        self._read += len(new)
        for word in (b"Traceback", b"call failed", b'"error"', b"never retrieved", *_SECRETS):
            assert word not in new, f"the log has {word!r}: {_around(new, word)!r}"
        accepted = _accepted(self.running.http)
        assert accepted == self.taken, f"{accepted} texts were taken, and the answers say {self.taken}"
        self.resident = self.running.resident()
        grown = peak(self.running) - self.began
        assert grown <= GROWTH, f"grown by {grown:,} bytes"

    def weigh(self, answer: Answer) -> None:
        """Look at an answer. Raises AssertionError."""
        for secret in _SECRETS:
            assert secret not in answer.body, f"a secret is in the answer: {_around(answer.body, secret)!r}"
        self.told[str(answer.status)] += 1
        try:
            if answer.status == 500:
                self.told[_fault(answer)] += 1
            elif answer.status == 200:
                self.taken += self._right(answer)
            else:
                assert 400 <= answer.status < 500
                assert answer.kind.startswith(("text/plain", "application/json"))
                assert answer.body.strip()
        except (AssertionError, LookupError, ValueError, etree.LxmlError, SyntaxError) as error:
            message = f"{answer.status} {answer.kind}: {answer.body[:_TOLD]!r} ({error})"
            raise AssertionError(message) from error

    def _ask(self, request: Request) -> None:
        answer = self.send(request)
        if answer is not None:
            self.weigh(answer)
            return
        assert not request.whole, "no answer"
        self.told["none"] += 1

    def _right(self, answer: Answer) -> int:
        """Look at an answer that is no Fault, and return how many texts it says were taken."""
        root = etree.fromstring(answer.body)
        if etree.QName(root).localname != "Envelope":
            return 0  # the contract itself
        assert answer.kind == _NAMESPACES[str(etree.QName(root).namespace)]
        (content,) = root.findall("{*}Body/*")
        if not str(content.tag).startswith(_OURS):
            return 0  # another face's
        self._schema.assertValid(etree.fromstring(etree.tostring(content)))
        if etree.QName(content).localname not in {"send_smsResponse", "send_sms_bulkResponse"}:
            return 0
        return sum(_is_new(each) for each in content.iter(f"{_OURS}recipient"))

    def _connected(self) -> socket.socket:
        port = int(self.running.http.rpartition(":")[2])
        return socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE)

    def crowd(self, count: int = 40) -> int:
        """Send so many of the largest and hardest bodies at once, and return how many found no room."""
        sent = _plain(_HARDEST)
        with ExitStack() as stack:
            open_ = [stack.enter_context(self._connected()) for _ in range(count)]
            for connection in open_:
                with suppress(OSError):  # what finds no room is answered at once
                    connection.sendall(sent[:-1])
            for connection in open_:
                with suppress(OSError):
                    connection.sendall(sent[-1:])
            answers = [_received(connection) for connection in open_]
        before = self.told["env:Server.Busy"]
        for answer in answers:
            if answer is not None:
                self.weigh(answer)
        self.settle()
        return self.told["env:Server.Busy"] - before + answers.count(None)


def _received(connection: socket.socket) -> Answer | None:
    response = http.client.HTTPResponse(connection, method="POST")
    try:
        response.begin()
        return Answer(response.status, response.headers.get("Content-Type", ""), response.read())
    except (http.client.BadStatusLine, ConnectionResetError):
        return None
    finally:
        response.close()


def _plain(body: bytes) -> bytes:
    return (
        b"POST /soap HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: text/xml; charset=utf-8\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    )


def _fault(answer: Answer) -> str:
    """Look at a Fault, and return its code."""
    root = etree.fromstring(answer.body)
    space = str(etree.QName(root).namespace)
    assert answer.kind == _NAMESPACES[space]
    (fault,) = root.findall(f"{{{space}}}Body/{{{space}}}Fault")
    if fault.find("faultcode") is not None:
        code, text = fault.findtext("faultcode"), fault.findtext("faultstring")
    else:
        code = "/".join(str(each.text) for each in fault.iter(f"{{{space}}}Value"))
        text = fault.findtext(f"{{{space}}}Reason/{{{space}}}Text")
    assert code
    assert text
    assert _ID.search(text)
    assert "Internal" not in code, "a failure of ours"
    return code


def _is_new(recipient: Any) -> bool:
    extra = [each.text for each in recipient.iterfind(f"{_OURS}extra/{_OURS}item/{_OURS}key")]
    return bool(recipient.findtext(f"{_OURS}recipient_id")) and "duplicate" not in extra


def _accepted(http_url: str) -> int:
    host = http_url.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=_PATIENCE)
    connection.request("GET", "/metrics")
    page = connection.getresponse().read().decode()
    connection.close()
    found = re.search(r'^smsbridge_accepted_total\{door="soap"\} (\S+)$', page, re.MULTILINE)
    return int(float(found[1])) if found else 0


def _around(text: bytes, word: bytes) -> bytes:
    place = text.index(word)
    return text[max(0, place - 300) : place + 900]


def peak(running: Running) -> int:
    """Return the most memory that the bridge has held, in bytes."""
    status = Path(f"/proc/{running.process.pid}/status").read_text(encoding="ascii")
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    assert found
    return int(found[1]) * 1024


@contextmanager
def target() -> Iterator[Running]:
    """Serve a bridge that has the two logins of the requests."""
    with patch.dict(os.environ, _SETTINGS), bridge.folder() as folder:
        store = Store(f"sqlite:///{folder / 'bridge.db'}")
        with store.write() as connection:
            account = accounts.find_account(connection, "bench").id
            for user, kind, secret in (
                (USER, KeyKind.PASSWORD, _CHEAP.hash(PASSWORD)),
                (f"{USER}-token", KeyKind.TOKEN, hashlib.sha256(TOKEN.encode()).hexdigest()),
            ):
                accounts.add_key(connection, account, user=user, kind=kind, secret=secret, now=to_ms(system_clock()))
        store.close()
        with bridge.serve(folder, dispatch=True) as running:
            yield running


def fuzz(judge: Judge, *, count: int, seed: int) -> None:
    """Send so many requests. Raises AssertionError with the least one that breaks a rule."""

    @hypothesis.seed(seed)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(requests())
    def post(request: Request) -> None:
        judge.ask(request)

    post()
    judge.settle()


def main() -> int:
    """Fuzz, and print what came."""
    parser = argparse.ArgumentParser(prog="bench.fuzz_soap", description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began = time.perf_counter()
    with target() as running:
        judge = Judge(running)
        try:
            fuzz(judge, count=options.count, seed=options.seed)
        except AssertionError as error:
            print(error, *error.__notes__, sep="\n")
            return 1
        grown, most = judge.resident - judge.began, peak(running) - judge.began
        refused = judge.crowd()
        crowded = peak(running) - judge.began
    seconds = time.perf_counter() - began
    print(f"{judge.kinds.total():,} requests in {seconds:,.0f} s, seed {options.seed}")
    print(*(f"  {name:<28} {number:>6,}" for name, number in sorted(judge.kinds.items())), sep="\n")
    print("answers")
    print(*(f"  {name:<28} {number:>6,}" for name, number in sorted(judge.told.items())), sep="\n")
    print(
        f"memory: {judge.began / 1e6:,.0f} MB at the start, {grown / 1e6:+,.0f} MB now, {most / 1e6:+,.0f} MB at most"
    )
    print(f"40 of the largest at once: {refused} found no room, {crowded / 1e6:+,.0f} MB at most")
    return 0


if __name__ == "__main__":
    sys.exit(main())
