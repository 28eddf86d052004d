"""The layers of the door, from an address to a whole connection: what each is given, and how much of all."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from random import Random
from typing import TYPE_CHECKING, Final

from bench.mailfuzz import around, making, spoil, within
from bench.mailfuzz.connections import Connections, fresh, fresh_proxied
from bench.mailfuzz.pieces import PIECES
from bench.mailfuzz.proofs import Proofs, fresh_mail, fresh_record
from smtp.wire.client import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Look = Callable[[int, bytes], bool]
    Fresh = Callable[[Random], bytes]


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """One layer. ``look`` gives it octets, in one of several ways, and raises what is wrong with the outcome.

    It returns whether they were taken, which is no fault. ``share`` is that of all inputs, in thousandths.
    """

    name: str
    share: int
    look: Look
    fresh: Fresh
    words: tuple[bytes, ...]
    longest: int = spoil.LONGEST
    huge: float = 0.003
    """How many of the inputs hold something over and over again."""

    def draw(self, seed: int, number: int, *, longest: int = spoil.LONGEST) -> tuple[int, bytes]:
        """Return the way and the octets of an input: the same for the same seed and number."""
        chance = Random(f"{seed} {self.name} {number}")
        octets = self.fresh(chance)
        way, kind = spoil.some(chance, 1 << 16), chance.random()
        if kind < self.huge:
            octets = spoil.hunt(chance, octets, self.words, longest=min(longest, self.longest))
        elif kind > 0.3:
            octets = spoil.spoil(chance, octets, _others(self.fresh), self.words)
        return way, octets[: self.longest]


@lru_cache(maxsize=64)
def _others(fresh: Fresh) -> tuple[bytes, ...]:
    """Return what inputs are spliced with."""
    return tuple(fresh(Random(number)) for number in range(200))


def _keyed(chance: Random) -> bytes:
    return making.subject(chance) + b"\n" + making.text(chance)


_WORDS: Final = PIECES["address words"]


def _layer(
    name: str, share: int, look: Look, fresh: Fresh, *words: str, longest: int = spoil.LONGEST, huge: float = 0.003
) -> Layer:
    listed = tuple(word for kind in words for word in PIECES[kind])
    return Layer(name=name, share=share, look=look, fresh=fresh, words=listed, longest=longest, huge=huge)


_PATH_WORDS: Final = ("address words", "path words", "mail parameter", "recipient parameter")
PLAIN: Final = (
    _layer("address", 170, around.look_address, making.address, "address words", longest=65_536),
    _layer("path", 140, around.look_path, making.path, *_PATH_WORDS, longest=4096),
    _layer("login", 60, around.look_login, making.login, "login words", longest=16_384),
    _layer("proxy", 50, around.look_proxy, making.proxied, "proxy words", longest=8192),
    _layer("header", 70, within.look_header, making.mail, "mail words", "subject words"),
    _layer("content", 120, within.look_content, making.mail, "mail words", "text words", huge=0.006),
    _layer("cuts", 60, within.look_cuts, making.text, "text words"),
    _layer("subject", 40, within.look_subject, making.subject, "subject words", longest=65_536),
    _layer("length", 40, within.look_length, making.text, "text words"),
    _layer("reading", 50, within.look_reading, making.mail, "mail words", "text words"),
    _layer("key", 40, within.look_key, _keyed, "text words"),
    _layer("author", 50, around.look_author, making.author, "author words"),
    _layer("results", 30, around.look_results, making.results, "results words", longest=65_536),
    _layer("data", 40, around.look_data, making.stream, "stream words"),
    _layer("preview", 10, within.look_preview, making.mail_of, "mail words"),
)
"""Layers that need nothing but the octets."""


_SAID: Final = ("session words", "mail words", *_PATH_WORDS)
SHARES: Final = {layer.name: layer.share for layer in PLAIN} | {
    "proof": 30,
    "record": 15,
    "session": 50,
    "submission": 15,
    "lmtp": 15,
    "proxied": 5,
}
"""What each layer has of all inputs, in the order of :func:`opened`."""
NAMES: Final = tuple(SHARES)
_FRESH: Final = (partial(fresh, login=True), partial(fresh, greeting=b"LHLO relay.example.com"))


@contextmanager
def opened(folder: Path) -> Iterator[tuple[Layer, ...]]:
    """Give all layers; what the last ones need has its database in an empty folder, and ends with the block."""
    with asyncio.Runner() as runner, Connections(folder) as connections:
        proofs = Proofs(runner)
        layers = (
            *PLAIN,
            _layer("proof", SHARES["proof"], proofs.look_mail, fresh_mail, "signature words", "mail words"),
            _layer("record", SHARES["record"], proofs.look_record, fresh_record, "record words", longest=65_535),
            _layer("session", SHARES["session"], partial(connections.look, Service.SMTP), fresh, *_SAID, huge=0.01),
            _layer(
                "submission", SHARES["submission"], partial(connections.look, Service.SUBMISSION), _FRESH[0], *_SAID
            ),
            _layer("lmtp", SHARES["lmtp"], partial(connections.look, Service.LMTP), _FRESH[1], *_SAID),
            _layer(
                "proxied",
                SHARES["proxied"],
                partial(connections.look, Service.SMTP, proxied=True),
                fresh_proxied,
                *_SAID,
            ),
        )
        yield layers
