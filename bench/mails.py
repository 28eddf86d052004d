"""The mails that the measurements send: a short alert, and a two-part Hebrew mail as a webmail client writes it."""

from __future__ import annotations

import quopri
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DOMAIN = "sms.example.com"
SENDER = "monitor@example.com"

_ALERT = """\
Received: from node7.example.com (node7.example.com [192.0.2.7])\r
\tby relay.example.com with ESMTP; Fri, 20 Nov 2026 07:00:00 +0000\r
From: Monitor <monitor@example.com>\r
To: <{to}>\r
Subject: PROBLEM: disk on db-3\r
Date: Fri, 20 Nov 2026 07:00:00 +0000\r
Message-ID: <{serial}@bench.example.com>\r
MIME-Version: 1.0\r
Content-Type: text/plain; charset=us-ascii\r
Content-Transfer-Encoding: 7bit\r
Auto-Submitted: auto-generated\r
\r
PROBLEM db-3: /var is 97% full (threshold 90%).\r
Since 06:58. Runbook: https://wiki.example.com/disk\r
"""

_HEBREW = (
    "שלום דנה,\r\n\r\nהתור שלך לרופאה נקבע ליום ראשון בשעה 09:30.\r\nלביטול השיבי למספר זה.\r\n\r\nתודה, המרפאה\r\n"
)
_HTML = '<html><body dir=3D"rtl"><p>{}</p></body></html>'

_TWO_PARTS = """\
Received: from mail-7.example.net (mail-7.example.net [198.51.100.7])\r
\tby mx.example.com (Postfix) with ESMTPS id 4F2B91C0\r
\tfor <{to}>; Fri, 20 Nov 2026 07:00:00 +0000 (UTC)\r
MIME-Version: 1.0\r
From: =?utf-8?B?157XqNek15DXlA==?= <monitor@example.com>\r
To: <{to}>\r
Subject: =?utf-8?B?16rXoteq15XXqNeq?=\r
Date: Fri, 20 Nov 2026 09:00:00 +0200\r
Message-ID: <{serial}@mail.example.net>\r
Content-Type: multipart/alternative; boundary="000000000000a1b2c3"\r
\r
--000000000000a1b2c3\r
Content-Type: text/plain; charset="UTF-8"\r
Content-Transfer-Encoding: quoted-printable\r
\r
{plain}\r
--000000000000a1b2c3\r
Content-Type: text/html; charset="UTF-8"\r
Content-Transfer-Encoding: quoted-printable\r
\r
{html}\r
--000000000000a1b2c3--\r
"""


def _quoted(text: str) -> str:
    lines = quopri.encodestring(text.encode()).decode("ascii").splitlines()
    return "\r\n".join(lines)


KINDS = {
    "alert": _ALERT,
    "hebrew": _TWO_PARTS.replace("{plain}", _quoted(_HEBREW)).replace(
        "{html}", _quoted(_HTML.format(_HEBREW.replace("\r\n", "<br>")))
    ),
}


def numbers(start: int = 0) -> Iterator[str]:
    """Return valid mobile numbers without end, hardly ever the same twice."""
    for serial in count(start):
        yield f"97250{2_000_000 + serial * 7919 % 1_000_000}"


def maker(kind: str, run: str) -> Callable[[str, int], bytes]:
    """Return a function from recipient and serial number to the octets of a mail."""
    template = KINDS[kind]

    def make(number: str, serial: int) -> bytes:
        to = f"{number}@{DOMAIN}"
        return template.replace("{to}", to).replace("{serial}", f"{run}.{serial}").encode("ascii")

    return make
