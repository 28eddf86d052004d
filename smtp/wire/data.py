"""How a mail is read off the wire: the octets between DATA and the line with a single dot."""

from __future__ import annotations

_END = b"\r\n.\r\n"
_DOT = b"\r\n."


class Data:
    """Collects a mail up to the line with a single dot (RFC 5321, 4.1.1.4).

    The limit is one of octets without the final dot and those that transparency added (RFC 1870, 5). Of a mail
    that is past it nothing is held, but the piece that is looked at for the end.

    The end is CRLF, dot, CRLF and nothing else. A bare LF is refused: whoever sent the mail may have taken it for no
    end of a line, and let pass what others read as the end of the mail. A bare CR is content and stays as it is, so a
    signature still fits. A server that passes mail on has to do more about it, for the next one may take it for the end
    of a line; nothing is passed on from here, and to us it ends neither a line nor a mail.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = bytearray()
        self._size = 0
        # The CRLF before the dot may be the one that ended the DATA command itself.
        self._tail = b"\r\n"
        self.too_large = False
        self.bare_lf = False

    def feed(self, piece: bytes) -> bytes | None:
        """Take a piece; return what follows the end of the mail once that is reached, else None."""
        whole = self._tail + piece
        rest = None
        end = whole.find(_END)
        if end >= 0:
            stop = end + len(_END) - len(self._tail)
            rest, piece, whole = piece[stop:], piece[:stop], whole[: end + len(_END)]
        if whole.count(b"\n") != whole.count(b"\r\n"):
            self.bare_lf = True
            return b""
        self._size += len(piece) - whole.count(_DOT) + self._tail.count(_DOT)
        if self._size > self._limit + 2:  # the final dot is one of those not counted
            self.too_large = True
            self._held.clear()
        else:
            self._held += piece
        if rest is not None:
            return rest
        # What the end may begin with: "\r\n.\r" at most. An LF in front has lost its CR and would look bare.
        self._tail = whole[-4:].removeprefix(b"\n")
        return None

    def content(self) -> bytes:
        """Return the mail without the final dot, and without the dots that transparency added (RFC 5321, 4.5.2)."""
        content = bytes(memoryview(self._held)[:-3])
        if _DOT in content:
            content = content.replace(_DOT, b"\r\n")
        return content[1:] if content.startswith(b".") else content
