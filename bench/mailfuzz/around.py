"""What stands around a mail: addresses, commands, logins, PROXY headers, the author, and the end of DATA."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from ipaddress import ip_address
from random import Random
from typing import Final

from bench.mailfuzz import spoil
from bench.mailfuzz.making import PASSWORD
from bench.mailfuzz.setting import PLACES, POLICIES
from bench.mailfuzz.weighing import check, weigh_error, weigh_reply
from bridge.model.account import normalise_address
from bridge.model.errors import Refusal, SenderRefused
from smtp.address import parse_phone, parse_recipient, redact_address
from smtp.mime.entity import Entity
from smtp.mime.header import Header
from smtp.proof import mailboxes, results
from smtp.proof.author import author_of
from smtp.wire import proxy, sasl
from smtp.wire.data import Data
from smtp.wire.parameters import read_mail_parameters, read_recipient_parameters
from smtp.wire.path import parse_path

_E164: Final = re.compile(r"\+[1-9][0-9]{3,14}")
_FOLD: Final = re.compile(rb"\r?\n(?=[ \t])")
_QUOTING: Final = str.maketrans("", "", '"\\')


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogateescape")


def look_address(way: int, octets: bytes) -> bool:
    """An address stands for somebody or is refused; a key that was read in it is not shown."""
    written = _text(octets)
    policy, region = POLICIES[way % 2], (None, "IL", "US")[way % 3]
    shown = redact_address(written)
    try:
        parse_phone(written.rpartition("@")[0], place=next(iter(PLACES)), region=region)
    except Refusal as error:
        weigh_error(error)
    try:
        found = parse_recipient(written, places=PLACES, region=region, policy=policy)
    except Refusal as error:
        weigh_error(error)
        return False
    check(found.number is None or _E164.fullmatch(found.number), f"no number in E.164: {found.number!r}")
    check(PLACES.find(found.domain) is not None, f"not ours: {found.domain!r}")
    if found.secret is not None and found.secret.password == PASSWORD:
        others = f"{found.secret.user} {replace(found, secret=None)!r}"
        check(PASSWORD not in shown or PASSWORD in others, f"a secret is shown: {shown!r}")
        check(PASSWORD not in repr(found) or PASSWORD in others, "a secret is in the repr")
    return True


def look_path(_way: int, octets: bytes) -> bool:
    """A path and parameters are read, or there is a reply; addresses have one normal form."""
    of_mail = octets[:5].upper() == b"FROM:"
    found = parse_path(_text(octets), "FROM:" if of_mail else "TO:")
    if isinstance(found, str):
        weigh_reply(found)
        return False
    address, given = found
    check(not set(address) & set("\r\n\0<> ") or '"' in address, f"an address with {address!r}")
    read_parameters = read_mail_parameters if of_mail else read_recipient_parameters
    parameters = read_parameters(given)
    if isinstance(parameters, str):
        weigh_reply(parameters)
        return False
    said = [value for name in ("envid", "orcpt") if (value := getattr(parameters, name, None)) is not None]
    check(all(not set(value) & set("\r\n\0") for value in said), f"a control character in {said!r}")
    json.dumps(said).encode()
    return _normal(address) is not None if of_mail and address else True


def _normal(address: str) -> str | None:
    try:
        once = normalise_address(address)
    except SenderRefused as error:
        weigh_error(error)
        return None
    check(normalise_address(once) == once, f"the normal form of {once!r} is another one")
    return once


def look_login(_way: int, octets: bytes) -> bool:
    """An exchange ends after two answers, with a reply or with a name and a password that is not shown."""
    first, *lines = octets.split(b"\r\n")
    exchange = sasl.Exchange()
    step = exchange.begin(_text(first))
    for _ in range(3):
        if not isinstance(step, sasl.Challenge):
            break
        weigh_reply(step.reply)
        step = exchange.answered(lines.pop(0) if lines else None)
    if isinstance(step, sasl.Refusal):
        weigh_reply(step.reply)
        return False
    check(isinstance(step, sasl.Credentials), "no end")
    if isinstance(step, sasl.Credentials):
        check(step.user and step.password and "\0" not in step.user + step.password, "no user and password")
        check(PASSWORD not in repr(step) or PASSWORD in step.user, "a secret is in the repr")
    return True


def look_proxy(way: int, octets: bytes) -> bool:
    """What has come of a header says nothing, or what the whole says; never anything past its end."""
    whole = _proxied(octets)
    for piece in range(0, len(octets), 1 + way % 97):
        part = _proxied(octets[:piece])
        if part is not None:
            check(part == whole, f"{part!r} after {piece} octets, and {whole!r} of them all")
            break
    if not isinstance(whole, proxy.Named):
        return False
    check(whole.length <= len(octets), f"{whole!r} of {len(octets)} octets")
    check(whole.peer in {None, proxy.UNKNOWN} or str(ip_address(str(whole.peer))) == whole.peer, f"{whole!r}")
    return True


def _proxied(octets: bytes) -> proxy.Named | str | None:
    try:
        return proxy.parse(octets)
    except proxy.ProxyError:
        return "no header"


def look_author(_way: int, octets: bytes) -> bool:
    """There is one author, as he is written in the field, or none is believed."""
    header = Header.of(Entity.of(octets, "text/plain"))
    try:
        address = author_of(header)
    except SenderRefused as error:
        weigh_error(error)
        return False
    if address is None:
        check(not header.all("from"), "From is passed over")
        return False
    check(normalise_address(address) == address, f"not in normal form: {address!r}")
    (field,) = [value for name, value in header.fields if name == "from"]
    if address.isascii() and "xn--" not in address:
        bare = _FOLD.sub(b"", field).decode("utf-8", "replace").lower().translate(_QUOTING)
        check(address.translate(_QUOTING) in bare, f"{address!r} does not stand in {field!r}")
    return True


def look_results(_way: int, octets: bytes) -> bool:
    """What another server found is read to the letter, and so are lists of addresses."""
    value = octets.decode("utf-8", "replace")
    for address in mailboxes.several(value, 50):
        mailboxes.plain(address)
    found = results.read(value)
    if found is None:
        return False
    check(found.server and found.server == found.server.lower(), f"{found!r}")
    check(all(each.method and each.result for each in found.results), f"{found!r}")
    return True


def look_data(way: int, octets: bytes) -> bool:
    """However a mail is cut into pieces, it is the one that the rules of the wire say."""
    limit = (spoil.LONGEST, 400)[way % 4 == 0]
    data, rest = Data(limit), None
    pieces = spoil.cut(Random(way), octets)
    while pieces and rest is None:
        rest = data.feed(pieces.pop(0))
    whole = b"\r\n" + octets
    end = whole.find(b"\r\n.\r\n")
    looked_at = whole if end < 0 else whole[: end + 5]
    if looked_at.count(b"\n") != looked_at.count(b"\r\n"):
        check(data.bare_lf, "a bare LF was not seen")
        return False
    check(not data.bare_lf, "a bare LF where there is none")
    if end < 0:
        check(rest is None, "an end where there is none")
        return False
    meant = whole[: end + 2].replace(b"\r\n.", b"\r\n")[2:]
    check(data.too_large == (len(meant) > limit), f"{len(meant)} octets of {limit}")
    if rest is None:
        check(False, "the end was not seen")  # noqa: FBT003
    elif not data.too_large:
        check(data.content() == meant, "another mail than was sent")
        check(rest + b"".join(pieces) == whole[end + 5 :], "what follows the mail is another")
    return not data.too_large
