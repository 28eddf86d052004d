"""A real ``smsbridge serve`` calls a customer's program: about each text that ends, and each that a phone sends."""

from __future__ import annotations

import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import pytest

from tests.support.served import CONFIG, Served, until

pytestmark = pytest.mark.e2e

PASSWORD = "correct-horse-7"
BEHAVED = CONFIG + (
    'behaviour = "delivered after 50ms, reply YES after 1s"\n\n[callbacks]\nallow_networks = ["127.0.0.0/8"]\n'
)


class Program(ThreadingHTTPServer):
    """A customer's program. While ``busy`` is set it takes a call, and never answers it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.calls: list[dict[str, str]] = []
        self.busy = False
        self.released = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}/hook/7f3a"

    def told(self, service: str) -> list[dict[str, str]]:
        """Return the calls of a kind."""
        return [call for call in self.calls if call["service"] == service]


class Handler(BaseHTTPRequestHandler):
    """Reads a form."""

    server: Program

    def do_POST(self) -> None:
        assert self.path == "/hook/7f3a"
        body = self.rfile.read(int(self.headers["content-length"])).decode("ascii")
        self.server.calls.append(dict(parse_qsl(body, keep_blank_values=True)))
        if self.server.busy:
            self.server.released.wait(60)
            return
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def program() -> Iterator[Program]:
    """Let a program run."""
    server = Program()
    thread = threading.Thread(target=server.serve_forever, args=[0.02])
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


def ask(served: Served, **fields: str) -> str:
    """Call the bridge as a legacy program does."""
    query = urlencode({"username": "erp", "password": PASSWORD, **fields})
    with urllib.request.urlopen(f"{served.http}/ws.php?{query}", timeout=20) as answer:  # noqa: S310 - our own
        return str(answer.read().decode())


def test_a_program_is_called_also_after_a_crash(tmp_path: Path) -> None:
    """The report on a text and the phone's answer reach the URLs named; a call that a crash cut off is made again."""
    with program() as called:
        served = Served(tmp_path, config=BEHAVED)
        made = served.command("key", "create", "acme", "--user", "erp", "--password", PASSWORD)
        assert made.returncode == 0, made.stderr
        served.start()
        try:
            ask(served, service="set_callback", callback_url=called.url)
            ask(served, service="send_sms", dest="0502345678", message="Hello", reference="order 7")
            (report,) = until(lambda: called.told("sms_report"), seconds=20)
            assert (report["status"], report["dest"], report["reference"]) == ("delivered", "+972502345678", "order 7")
            (answer,) = until(lambda: called.told("sms_receive"), seconds=20)
            assert (answer["msg"], answer["from"], answer["message_id"]) == (
                "YES",
                "+972502345678",
                report["message_id"],
            )

            called.busy = True
            ask(served, service="send_sms", dest="0502345679", message="Again", reference="order 8")
            until(lambda: len(called.told("sms_report")) == 2, seconds=20)
            served.kill()
            called.busy = False
            served.start()
            until(lambda: len(called.told("sms_report")) == 3, seconds=20)
            events = [(call["reference"], call["event_id"]) for call in called.told("sms_report")]
            assert events == [("order 7", report["event_id"]), events[1], events[1]]
            assert events[1][0] == "order 8"
            until(lambda: served.metric("smsbridge_callbacks_total", outcome="made") >= 1, seconds=20)
            assert served.stop() == 0
            assert "Traceback" not in served.logged()
        finally:
            if served.process is not None:
                served.kill()
