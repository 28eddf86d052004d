"""An alert storm through the whole program: real mails, a real kill, and on the phone a few texts that say it all."""

from __future__ import annotations

import json
import re
import smtplib
from collections.abc import Iterator
from email.message import EmailMessage
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from bridge.store import accounts
from bridge.store.engine import Store
from tests.support.served import CONFIG, DOMAIN, MAILBOX, Served, until

pytestmark = [pytest.mark.e2e, pytest.mark.enable_socket]

LONG = "long@example.com"
SHORT = "short@example.com"
TOLD = re.compile(r"^disk at \d+ % \(\+(\d+) alike [\d.: -]+\)$")
_serials = count(1)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A bridge with a mailbox whose windows are of an hour, and one whose windows are of a second."""
    served = Served(tmp_path, config=CONFIG + "\n[limits]\nmail_per_number = []\n", allow=[LONG, SHORT, MAILBOX])
    store = Store(f"sqlite:///{tmp_path / 'bridge.db'}")
    with store.write() as connection:
        accounts.set_mailbox_settings(connection, 1, LONG, {"collapse": "1h", "collapse_pass": "recovery|ok"})
        accounts.set_mailbox_settings(connection, 1, SHORT, {"collapse": "1s"})
    store.close()
    served.start()
    yield served
    served.kill()


def alert(served: Served, sender: str, *texts: str, number: str = "972502340001") -> list[str]:
    """Send mails on one connection; return the ids they are answered with."""
    ids = []
    with smtplib.SMTP("127.0.0.1", served.port, timeout=20) as smtp:
        smtp.ehlo()
        for text in texts:
            mail = EmailMessage()
            mail["From"] = sender
            mail["Message-ID"] = f"<{next(_serials)}@example.com>"
            mail["Auto-Submitted"] = "auto-generated"
            mail.set_content(text)
            smtp.mail(sender)
            smtp.rcpt(f"{number}@{DOMAIN}")
            code, said = smtp.data(mail.as_string())
            assert code == 250, said
            ids.append(said.decode().split()[-1])
    return ids


def shown(served: Served, message_id: str) -> dict[str, Any]:
    """Return what ``message show --json`` says."""
    told = served.command("message", "show", message_id, "--json")
    assert told.returncode == 0, told.stderr
    found: dict[str, Any] = json.loads(told.stdout)
    return found


def test_a_storm_that_a_kill_does_not_end(served: Served) -> None:
    """Of forty alerts one arrives; after kill -9 the storm goes on; the recovery brings their digest before itself."""
    first, *_ = alert(served, LONG, *(f"disk at {percent} %" for percent in range(20)))
    assert served.metric("smsbridge_collapsed_total", door="smtp") == 19
    served.kill()
    served.start()
    *_, last = alert(served, LONG, *(f"disk at {percent} %" for percent in range(20, 40)))
    alert(served, LONG, "Recovery: disk at 3 %")
    sent = [text["text"] for text in served.await_texts(3)]
    assert len(sent) == 3
    assert {"disk at 0 %", "Recovery: disk at 3 %"} < set(sent)
    (told,) = [found for text in sent if (found := TOLD.match(text))]
    assert told[1] == "39"
    assert told[0].startswith("disk at 39 %")
    message = shown(served, last)
    assert (message["state"], message["text"]) == ("cancelled", "disk at 39 %")
    assert message["recipients"][0]["reason"] == f"collapsed into {first}-1"
    assert [event["kind"] for event in message["events"]] == ["cancelled"]
    assert served.metric("smsbridge_digests_total", outcome="sent") == 1
    alert(served, LONG, "disk at 98 %")
    assert "disk at 98 %" in [text["text"] for text in served.await_texts(4)]


def test_digests_of_short_windows_over_kills(served: Served) -> None:
    """With windows of a second, and a bridge killed in each: every alert is on the phone or counted, and none twice."""
    rounds, each = 3, 5
    for done in range(rounds):
        alert(served, SHORT, *(f"disk at {percent} %" for percent in range(each)), number="972502340002")
        if done:  # the first time at once, then when something of the round has arrived
            served.await_texts(done + 1)
        served.kill()
        served.start()

    def all_told() -> bool:
        texts = [text["text"] for text in served.texts()]
        counted = sum(int(found[1]) for text in texts if (found := TOLD.match(text)))
        alone = sum(TOLD.match(text) is None for text in texts)
        assert counted + alone <= rounds * each, texts
        return counted + alone == rounds * each

    until(all_told, seconds=30)
    ids = [text["id"] for text in served.texts()]
    assert len(ids) == len(set(ids))
