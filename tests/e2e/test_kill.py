"""Nothing answered 250 is ever lost or doubled, whenever the process dies."""

from __future__ import annotations

import random
import smtplib
import threading
from collections import Counter
from email.message import EmailMessage
from typing import TYPE_CHECKING

import pytest

from bridge.store import gauges
from bridge.store.engine import Store
from tests.support.served import CONFIG, DOMAIN, MAILBOX, Served, until

if TYPE_CHECKING:
    from pathlib import Path

_ROUNDS = 22
_SLOW = CONFIG + 'behaviour = "delay 100ms"\n'
"""The carrier writes its line at once and answers later: a kill in between leaves a text in doubt."""
_SENDERS = 4
_GOOD = "97250234{:04d}"
_BAD = "97250134{:04d}"


class Sender(threading.Thread):
    """Mails without end, as a relay does: what got no answer is sent again until it has one."""

    def __init__(self, number: int, served: Served) -> None:
        super().__init__(name=f"sender {number}", daemon=True)
        self.number = number
        self.served = served
        self.ended = threading.Event()
        self.answered: list[str] = []
        self.refused: list[str] = []
        self.tries: Counter[str] = Counter()
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            serial = 0
            while not self.ended.is_set():
                self.deliver(serial)
                serial += 1
        except BaseException as error:
            self.failure = error
            raise

    def deliver(self, serial: int) -> None:
        text = f"mail {self.number}-{serial} שלום"
        mail = EmailMessage()
        mail["From"] = MAILBOX
        mail["Subject"] = "not a part of the text"
        mail["Message-ID"] = f"<{self.number}.{serial}@example.com>"
        mail.set_content(text)
        good = _GOOD.format(self.number * 1000 + serial % 1000)
        bad = _BAD.format(serial % 1000)
        for _ in range(3000):  # for minutes: a busy machine takes its time to start a bridge again
            self.tries[text] += 1
            try:
                with smtplib.SMTP("127.0.0.1", self.served.port, timeout=10) as smtp:
                    rejected = smtp.send_message(
                        mail, to_addrs=[f"{bad}@{DOMAIN}", f"{good}@{DOMAIN}"], from_addr=MAILBOX
                    )
            except (smtplib.SMTPServerDisconnected, OSError):
                self.ended.wait(0.05)
                continue
            except smtplib.SMTPResponseException as error:
                if error.smtp_code >= 500:
                    raise
                self.ended.wait(0.05)
                continue
            assert rejected.keys() == {f"{bad}@{DOMAIN}"}, rejected
            self.answered.append(text)
            self.refused.append(bad)
            return
        message = f"never answered: {text}"
        raise AssertionError(message)


@pytest.mark.e2e
@pytest.mark.timeout(240)
@pytest.mark.enable_socket
def test_what_was_answered_250_arrives_exactly_once_after_any_kill(tmp_path: Path) -> None:
    """Over 22 kills at random points: every mail answered 250 is in the outbox once, and no refused one is."""
    chance = random.Random()
    seed = chance.randrange(1 << 32)
    chance.seed(seed)
    served = Served(tmp_path, config=_SLOW)
    served.start()
    senders = [Sender(number, served) for number in range(_SENDERS)]
    for sender in senders:
        sender.start()
    in_doubt = 0
    for _ in range(_ROUNDS):
        before = sum(len(sender.answered) for sender in senders)
        wanted = before + chance.randrange(1, 40)
        until(lambda: sum(len(s.answered) for s in senders) >= wanted or None, seconds=30)  # noqa: B023
        threading.Event().wait(chance.random() * 0.05)
        served.kill()
        in_doubt += _sending(tmp_path)
        served.start()
    for sender in senders:
        sender.ended.set()
    for sender in senders:
        sender.join(timeout=60)
        assert sender.failure is None, sender.failure
        assert not sender.is_alive()
    answered = [text for sender in senders for text in sender.answered]
    assert len(set(answered)) == len(answered)
    until(lambda: len(served.texts()) >= len(answered) or None, seconds=30)
    assert served.stop() == 0

    arrived = served.texts()
    ids = Counter(text["id"] for text in arrived)
    texts = Counter(text["text"] for text in arrived)
    refused = {f"+{number}" for sender in senders for number in sender.refused}
    assert [id_ for id_, times in ids.items() if times > 1] == [], f"seed {seed}"
    assert {text: texts[text] for text in answered if texts[text] != 1} == {}, f"seed {seed}"
    assert set(texts) == set(answered), f"seed {seed}"
    assert refused.isdisjoint(text["to"] for text in arrived)
    # The run must have been worth it: mails were tried again after a lost answer, texts were with the carrier at kills.
    assert in_doubt >= _ROUNDS
    assert sum(times > 1 for sender in senders for times in sender.tries.values()) >= _ROUNDS // 2
    listed = served.command("message", "list", "--state", "unknown", "--json")
    assert listed.stdout.strip() == "[]", listed.stdout + listed.stderr


def _sending(folder: Path) -> int:
    store = Store(f"sqlite:///{folder / 'bridge.db'}")
    with store.read() as connection:
        found = gauges.waiting(connection).sending
    store.close()
    return found
