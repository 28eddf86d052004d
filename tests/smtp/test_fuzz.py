"""What hostile and broken clients send, looked at in process: a short run of bench/fuzz_mail.py, and its own checks."""

from __future__ import annotations

import multiprocessing
import re
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from bench import fuzz_mail
from bench.mailfuzz import making, signed, spoil, workers
from bench.mailfuzz.around import look_author, look_data
from bench.mailfuzz.layers import NAMES, PLAIN, Layer, opened
from bench.mailfuzz.making import PASSWORD
from bench.mailfuzz.pieces import MAILS, PIECES
from bench.mailfuzz.watch import Fat, Found, Slow, Tally, Watch, read
from bench.mailfuzz.weighing import Wrong, weigh_error, weigh_reply, weigh_wire
from bench.mailfuzz.workers import Share, counts
from bridge.model.errors import NoText

COUNT = 20_000
SEED = 20_261_120
LARGEST = 65_536
"""Octets of an input here; whole megabytes are for the long run."""


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Layer]]:
    """All layers, by name."""
    with opened(tmp_path_factory.mktemp("fuzz")) as found:
        yield {layer.name: layer for layer in found}


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Who looks."""
    with Watch() as watching:
        yield watching


@pytest.mark.parametrize("name", NAMES)
def test_nothing_gets_out_and_nothing_hangs(layers: dict[str, Layer], watch: Watch, name: str) -> None:
    """No error that is not of the tree, no second, no secret, no odd reply; some are taken, and some are not."""
    layer, tally = layers[name], Tally()
    for number in range(counts(COUNT)[name]):
        found = watch.look(layer, *layer.draw(SEED, number, longest=LARGEST), tally)
        assert found is None, f"{found!r} {found.octets[:2000]!r}\n{found.told}"
    assert tally.failures == 0
    assert 0 < tally.taken < tally.inputs


def test_all_layers_have_their_share(layers: dict[str, Layer]) -> None:
    """Twenty thousand in all, give or take what rounding leaves."""
    assert tuple(layers) == NAMES
    assert sum(counts(COUNT).values()) == pytest.approx(COUNT, rel=0.01)
    assert all(layer.share == share for layer, share in zip(layers.values(), counts(1100).values(), strict=True))


def test_the_same_seed_draws_the_same(layers: dict[str, Layer]) -> None:
    """And another one something else; a mail is now and then huge, and what is made of pieces has them all."""
    for layer in layers.values():
        drawn = [layer.draw(1, number) for number in range(20)]
        assert drawn == [layer.draw(1, number) for number in range(20)]
        assert drawn != [layer.draw(2, number) for number in range(20)]
    sizes = [len(layers["content"].draw(1, number)[1]) for number in range(1500)]
    assert max(sizes) > 100_000
    assert max(sizes) <= spoil.LONGEST
    assert all(PIECES.values())
    assert len(MAILS) >= 60


def test_pieces_are_all_of_it() -> None:
    """However octets are cut, together they are what they were."""
    for number in range(300):
        octets = making.stream(Random(number))
        pieces = spoil.cut(Random(number), octets)
        assert b"".join(pieces) == octets


def planted(look: Any) -> Layer:
    """Return a layer with a fault."""
    return Layer(name="planted", share=1, look=look, fresh=making.text, words=(b"x",))


def test_an_error_is_found_and_made_short(watch: Watch) -> None:
    """Once for each place, with an input that has in it just what does it; each time it is counted."""

    def look(_way: int, octets: bytes) -> bool:
        if b"\xff\x00" in octets:
            raise ZeroDivisionError
        return True

    layer, tally = planted(look), Tally()
    found = watch.look(layer, 7, b"before\xff\x00behind" * 20, tally)
    assert found is not None
    assert found.octets == b"\xff\x00"
    assert "ZeroDivisionError" in found.told
    assert watch.look(layer, 7, b"\xff\x00", tally) is None
    assert (tally.inputs, tally.failures) == (2, 2)
    assert read(found.write()) == ("planted", 7, b"\xff\x00")
    assert watch.why(layer, 7, b"\xff") is None


def test_what_is_slow_is_found() -> None:
    """Code that never ends, and code that takes an alarm for its own."""

    def swallows(_way: int, _octets: bytes) -> bool:
        while True:
            try:
                sum(range(1000))
            except Exception:  # noqa: BLE001 - as careless code does
                return True

    with Watch(slow=0.02) as watch:
        assert isinstance(watch.why(planted(swallows), 0, b""), Slow)
        assert watch.why(planted(lambda way, octets: True), 0, b"") is None


def test_what_waits_for_ever_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock goes on where the processor does nothing."""
    monkeypatch.setattr("bench.mailfuzz.watch.STUCK", 0.02)

    def waits(_way: int, _octets: bytes) -> bool:
        time.sleep(3600)
        return True

    with Watch() as watch:
        assert isinstance(watch.why(planted(waits), 0, b""), Slow)


def test_what_takes_memory_is_found() -> None:
    """That of one input, as far as it is more than ever before."""
    held = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

    def takes(_way: int, _octets: bytes) -> bool:
        return len(bytearray(b"x") * (most - held + (48 << 20))) > 0

    with Watch(grown=16 << 20, slow=60) as watch:
        assert isinstance(watch.why(planted(takes), 0, b""), Fat)


@pytest.mark.parametrize(
    ("reply", "wrong"),
    [
        ("250 OK\x1b", "no line"),
        ("25 OK", "no line"),
        ("250-OK", "not the lines"),
        ("250 OK\r\n250 OK", "not the lines"),
        ("250-OK\r\n220 OK", "several codes"),
        ("550 no", "no enhanced code"),
        ("550 4.7.1 no", "another class"),
        ("550 5.7.1 " + "x" * 510, "a reply of"),
        (f"550 5.7.1 {PASSWORD}", "a secret"),
    ],
)
def test_replies_that_are_none(reply: str, wrong: str) -> None:
    """Each is told from a good one."""
    with pytest.raises(Wrong, match=wrong):
        weigh_reply(reply)


def test_replies_on_a_wire() -> None:
    """All of them, each with its end, and in ASCII."""
    assert weigh_wire(b"220 x\r\n250-a\r\n250 b\r\n550 5.1.1 c\r\n") == ["220", "250", "550"]
    for said in (b"220 x", b"250-a\r\n", "220 ä\r\n".encode()):
        with pytest.raises(Wrong):
            weigh_wire(said)
    with pytest.raises(Wrong, match="a secret"):
        weigh_error(NoText(f"no text, but {PASSWORD}"))


def test_what_is_signed_is_proved(layers: dict[str, Layer]) -> None:
    """The mails that are spoilt are good ones before: by the signature, or by the forwarder's seal."""
    for mail in signed.mails():
        assert layers["proof"].look(0, mail) or layers["proof"].look(1, mail)


def test_what_a_layer_makes_of_an_input_is_looked_at(
    layers: dict[str, Layer], watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proof that does not look at the body, an end that is not seen, an author of somebody else's: all are found."""
    forged = signed.mails()[0].replace(b"stopped", b"started")
    assert watch.why(layers["proof"], 0, forged) is None
    monkeypatch.setattr("smtp.proof.signature.Signature.verify", lambda *_: None)
    assert "not what was signed" in str(watch.why(layers["proof"], 0, forged))
    monkeypatch.setattr("bench.mailfuzz.around.author_of", lambda _: "eve@evil.test")
    with pytest.raises(Wrong, match="does not stand in"):
        look_author(0, b"From: ann@example.com\r\n")
    monkeypatch.setattr("smtp.wire.data._END", b"\r\n..\r\n")
    with pytest.raises(Wrong, match="the end was not seen"):
        look_data(1, b"hello\r\n.\r\n")


def test_what_a_connection_says_is_looked_at(
    layers: dict[str, Layer], watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error in a command, trouble of ours, a secret in the log."""
    said = b"EHLO a\r\nMAIL FROM:<ann@example.com>\r\nRCPT TO:<972502345678@sms.example.com>\r\nQUIT\r\n"
    layer = layers["session"]
    assert watch.why(layer, 1, said) is None
    with monkeypatch.context() as patch:
        patch.setattr("smtp.wire.protocol.parse_path", lambda *_: 1 // 0)
        assert isinstance(watch.why(layer, 1, said), ZeroDivisionError)
    with monkeypatch.context() as patch:
        patch.setattr("smtp.session.replies.RECIPIENT_OK", "451 4.3.0 Trouble on our side")
        assert "trouble of ours" in str(watch.why(layer, 1, said))
    with monkeypatch.context() as patch:
        patch.setattr("smtp.session.parse_recipient", _leaks)
        assert "a secret in the log" in str(watch.why(layer, 1, said))
    assert watch.why(layer, 1, said) is None


def _leaks(*_: object, **__: object) -> None:
    # A reason is shown and logged; what the reply cannot hold, the log can.
    raise NoText("x" * 500 + PASSWORD)


def test_workers_look_at_it_all() -> None:
    """Each input is looked at by one of them."""
    tallies = {name: Tally() for name in NAMES}
    for name, tally, found in workers.run(120, seed=1, workers=1):
        assert found is None
        tallies[name].add(tally)
    assert {name: tally.inputs for name, tally in tallies.items()} == counts(120)


def test_a_worker_that_dies_is_told_of() -> None:
    """With the input that it looked at, and another one goes on behind it."""
    words = multiprocessing.get_context("spawn").Queue()
    share = Share(seed=1, counts=counts(100), index=1, of=2)
    worker = workers._Worker(share, words)
    try:
        assert worker.lost() is None
        workers._note(worker.desk, 3, 5, 9, b"octets")
        worker.process.kill()
        worker.process.join()
        found = worker.lost()
        assert found == Found(layer=NAMES[3], way=9, octets=b"octets", place="died (-9)", told="died (-9)")
        assert (worker.behind().layer, worker.behind().number) == (3, 7)
    finally:
        worker.process.kill()
        words.close()


def test_one_can_be_looked_at_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From the file that was written of it."""
    file = tmp_path / "found"
    layer = PLAIN[0]
    file.write_bytes(Found(layer=layer.name, way=3, octets=b"12@sms.example.com", place="", told="").write())
    assert fuzz_mail.replay(file) == 0
    assert re.fullmatch(r"address, 18 octets, [0-9.]+ ms: holds\n", capsys.readouterr().out)
