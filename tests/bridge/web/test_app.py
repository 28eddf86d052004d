"""The door in the whole application: a mail comes in by SMTP, and its text is on the page."""

import asyncio
import json
import shlex
import smtplib
from pathlib import Path

import httpx

from bridge import config
from bridge.app import App
from bridge.store import accounts
from tests.bridge.web.page import Page, said
from tests.bridge.web.world import DEADLINE

_TOML = """
database = "sqlite:///bridge.db"
default_region = "IL"
[smtp]
listen = ["127.0.0.1:0"]
domains = ["sms.example.com"]
[http]
listen = "127.0.0.1:0"
console = true
[carriers.sandbox]
kind = "sandbox"
"""


def _send_as_told(command: str) -> None:
    """Do what the page's command says."""
    words = shlex.split(command)
    options = dict(zip(words[1::2], words[2::2], strict=True))
    host, _, port = options["--server"].rpartition(":")
    mail = f"{options['--header']}\r\n\r\n{options['--body']}\r\n"
    with smtplib.SMTP(host, int(port), timeout=DEADLINE) as client:
        client.sendmail(options["--from"], options["--to"], mail)


def test_the_first_mail_is_seen_on_the_page(tmp_path: Path) -> None:
    """What the empty page tells to send arrives there, and becomes sent; health and metrics agree with it."""
    file = tmp_path / "bridge.toml"
    file.write_text(_TOML, encoding="utf-8")

    async def run() -> None:
        app = App(config.load(file, {}))
        with app.store.write() as connection:
            account = accounts.add_account(connection, "acme", region=None, now=0)
            accounts.allow_mailbox(connection, account.id, "@example.com", now=0)
        try:
            await app.open()
            line = app.ready_line()
            assert json.loads(json.dumps(line))["http"] == line["http"] == app.doors["http"].addresses[0]
            async with httpx.AsyncClient(base_url=line["http"], timeout=DEADLINE, trust_env=False) as client:
                assert (await client.get("/health/ready")).json() == {"status": "pass"}
                command = said(Page((await client.get("/console")).text).one(".//pre"))
                async with client.stream("GET", "/console/events") as stream:
                    await asyncio.to_thread(_send_as_told, command)
                    shown: list[str] = []
                    async with asyncio.timeout(DEADLINE):
                        async for _ in stream.aiter_lines():
                            shown.append(said(Page((await client.get("/console/phones")).text).root))
                            if "Sent" in shown[-1]:
                                break
                    assert "This mail became a text." in shown[-1]
                    metrics = (await client.get("/metrics")).text
                    assert 'smsbridge_accepted_total{door="smtp"} 1.0' in metrics
                    assert "smsbridge_store_up 1.0" in metrics
                    async with asyncio.timeout(DEADLINE):
                        await app.close()
        finally:
            await app.close()

    asyncio.run(run())


def test_a_stop_is_seen_in_health(tmp_path: Path) -> None:
    """A load balancer that asks an application that has not started yet hears that it is not ready."""
    file = tmp_path / "bridge.toml"
    file.write_text(_TOML, encoding="utf-8")

    async def run() -> None:
        app = App(config.load(file, {}))
        http = app.doors["http"]
        await http.open()
        try:
            async with httpx.AsyncClient(base_url=http.addresses[0], timeout=DEADLINE, trust_env=False) as client:
                answer = await client.get("/health/ready")
                assert answer.status_code == 503
                assert answer.json()["problems"] == ["starting or stopping"]
                assert (await client.get("/health/live")).status_code == 200
        finally:
            await http.close(grace=1)
            app.store.close()

    asyncio.run(run())
