"""From the bytes of a mail to its text, and to what tells whether the same mail came before."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

from smtp.mime.body import Limits as ContentLimits
from smtp.mime.body import Search
from smtp.mime.entity import Entity
from smtp.mime.header import EMPTY, Header

__all__ = ["Content", "ContentLimits", "idempotency_key", "read_content"]

_LIMITS = ContentLimits()


@dataclass(frozen=True, kw_only=True, slots=True)
class Content:
    """What the door needs of a mail."""

    text: str
    """The text a person wrote, lines ending in a line feed; neither cleaned nor counted, never blank."""

    message_id: str | None
    """The value of Message-ID, unfolded; None when there is none."""

    date: str | None
    """The value of Date, unfolded and unread; None when there is none."""

    digest: bytes
    """16 bytes over the body and the headers that say how to read it; relays that change line ends change nothing."""

    header: Header = EMPTY
    """All of the mail's header."""

    type: str = "text/plain"
    """What the mail as a whole is: ``type/subtype`` in lower case."""

    report_type: str = ""
    """What kind of report it is: ``delivery-status`` and the like (RFC 6522); empty when it is none, or names none."""

    notes: tuple[str, ...] = ()
    """What was ignored, guessed or put right, one line each."""

    html: bool = False
    """Whether the text came from HTML."""


def open_mail(raw: bytes) -> tuple[Entity, Header]:
    """Return a mail divided into header and body, and its header's fields. Raises nothing."""
    if b"\n" not in raw:
        raw = raw.replace(b"\r", b"\n")
    mail = Entity.of(raw, "text/plain")
    return mail, Header.of(mail)


def read_content(
    raw: bytes, *, fallback_charset: str | None = None, limits: ContentLimits = _LIMITS, links: bool = False
) -> Content:
    """Read a mail; see :func:`content_of`."""
    return content_of(*open_mail(raw), fallback_charset=fallback_charset, limits=limits, links=links)


def content_of(
    mail: Entity,
    header: Header,
    *,
    fallback_charset: str | None = None,
    limits: ContentLimits = _LIMITS,
    links: bool = False,
) -> Content:
    """Read a mail that was opened.

    ``fallback_charset`` is for text that names no charset, or a wrong one, and is not UTF-8; without it one is
    guessed. ``links`` writes out the targets of an HTML text's links. Raises :class:`NoText` that says what was found
    instead, :class:`MalformedContent` when there is a text but none that can be read; nothing else, whatever the
    bytes. Source: RFC 5322; RFC 2045 to 2047; RFC 3676.
    """
    media = mail.media()
    search = Search(limits, fallback=fallback_charset, links=links)
    return Content(
        text=search.text_of(mail, media),
        message_id=_shown_value(mail.value(b"\nmessage-id")),
        date=_shown_value(mail.value(b"\ndate")),
        digest=_digest(mail),
        header=header,
        type=media.type,
        report_type=media.report,
        notes=search.notes,
        html=search.html,
    )


def idempotency_key(
    content: Content, *, sender: str, number: str, subject: str = "", seal: bytes | None = None
) -> str | None:
    """Return the key under which this mail sends to ``number`` once: 32 hex digits, the same when it comes again.

    ``subject`` is what the header says of it, where that is sent or obeyed. The date stands in where there is no
    Message-ID. None when both are missing: two equal alerts are two texts. A mail that a signature alone proves is told
    by its ``seal``, for who sends it again may change all else.
    """
    subjects = [subject.encode("utf-8", "surrogatepass")] if subject else []
    if seal is not None:
        texts = [each.encode("utf-8", "surrogatepass") for each in (sender, number)]
        return _hash(b"seal", seal, *texts, *subjects).hex()
    if content.message_id is not None:
        kind, mark = b"message-id", content.message_id
    elif content.date is not None:
        kind, mark = b"date", content.date
    else:
        return None
    texts = [each.encode("utf-8", "surrogatepass") for each in (mark, sender, number)]
    return _hash(kind, *texts, content.digest, *subjects).hex()


def _hash(*pieces: bytes) -> bytes:
    """Hash pieces so that no two lists of them are the same to it: each with its length before it."""
    return blake2b(b"".join([b"%d:%b" % (len(piece), piece) for piece in pieces]), digest_size=16).digest()


def _digest(mail: Entity) -> bytes:
    body = b"\n".join(map(bytes.rstrip, mail.body.split(b"\n"))).rstrip()
    kind, encoding = mail.value(b"\ncontent-type"), mail.value(b"\ncontent-transfer-encoding")
    return _hash(b" ".join(kind.split()), b" ".join(encoding.lower().split()), body)


def _shown_value(value: bytes) -> str | None:
    # No database keeps a zero byte in a text.
    value = value.replace(b"\0", b"").strip()
    try:
        return value.decode() or None
    except UnicodeDecodeError:
        return value.decode("latin-1")
