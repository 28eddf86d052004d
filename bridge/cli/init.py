"""``smsbridge init``: a first configuration, and its database."""

from __future__ import annotations

import os
import re
import secrets
import shlex
from pathlib import Path
from typing import Annotated

import typer

from bridge import config
from bridge.cli.context import Context, command
from bridge.cli.options import PLAIN
from bridge.model.errors import Conflict, NotFound
from bridge.store import schema
from bridge.store.engine import Store

app = typer.Typer(**PLAIN)

_VARIABLE = "SMSBRIDGE_CONFIG"

TEMPLATE = """\
# The configuration of smsbridge. Paths count from this file's folder. Every key may also come from the
# environment: SMSBRIDGE_DATABASE, SMSBRIDGE_SMTP__LISTEN. After a change: smsbridge check, and a restart.

# Where texts are kept: a file, or postgresql://user@host/name. One "smsbridge serve" for each database.
database = "sqlite:///bridge.db"

# Where clients reach the HTTP port, as it is written in links.
public_url = "http://127.0.0.1:8080"

# The country in which numbers without a country code are dialled, for accounts that name none.
default_region = "IL"

# What passwords of logins by digest are encrypted under. Keep a copy: with another one these logins are lost.
# secret_key = "............................................"

[smtp]
# Where mail comes in, host:port; port 0 takes any free one. For other machines: "0.0.0.0:25".
listen = ["127.0.0.1:8025"]

# Mail to NUMBER@ one of these domains becomes a text; mail to any other domain is refused.
domains = ["sms.example.com"]

# Relays whose word on the sender is believed: their mail may send for the mailboxes that are allowed.
trusted_networks = ["127.0.0.0/8", "::1"]

# A text that takes more parts than this is refused.
max_parts = 10

[http]
# Where HTTP comes in: /health/live, /health/ready, /metrics, and the console.
listen = "127.0.0.1:8080"

# true: /console shows the texts, to everybody who can reach the port.
console = false

[soap]
# false: no SOAP, and none of the legacy calls without an envelope.
enabled = true

# The bytes of one call, at most.
max_body = 4194304

# Proxies whose word on the client's address and our own URL is believed.
trusted_proxies = ["127.0.0.0/8", "::1"]

[callbacks]
# Customers' programs are called at public addresses only, and in these networks.
allow_networks = []

[carriers.sandbox]
# A carrier for trying out: it sends nothing, and writes a line for each text that a phone would get.
kind = "sandbox"

# The file of these lines, as JSON.
outbox = "outbox.jsonl"

# Which carriers a text may take, in the order in which they are tried. Without it: all, in their order.
# [[routes]]
# carriers = ["sandbox"]

[prices]
# What one part of a text costs, in credits, where nothing below says otherwise.
default = 1

# The same for numbers that begin so, without the +; the longest beginning counts.
# 972 = 0.75

# By what a priority multiplies a price: bulk, normal, high or urgent. Without it: by 1.
# priority = { urgent = 2 }

[limits]
# Texts to one number from mail, of one account: ten in any minute, and so on. [] is no limit.
mail_per_number = ["10/1m", "30/15m", "60/1h"]

[quiet_hours]
# Hours in which nothing leaves to a country, in that country's time. An account may have its own beside these.
# IL = "22:00-07:00; fri 15:00-24:00"

[opt_out]
# Answers of a phone that ask for no more texts: words in any case, which alone make up the answer.
stop = ["STOP", "STOPALL", "UNSUBSCRIBE", "END", "QUIT", "CANCEL", "הסר", "СТОП", "ΣΤΟΠ", "توقف", "ARRET"]

# Answers that open the number again.
start = ["START", "UNSTOP", "חזור", "СТАРТ"]

[login]
# Failed logins of a user from one address before it is blocked there; five times as many block the address, and ten
# times as many the user wherever it did not come in before.
failures = 10

# How long a failure counts.
window = "15m"

# How long the answer to a second failure waits; each further one twice as long, up to eight times that.
delay = "1s"

[dispatch]
# false: texts are taken and kept, and none is sent.
enabled = true

# A text that could not be sent by then expires.
lifetime = "24h"

[log]
# The least level that is written to stderr: debug, info, warning or error.
level = "info"

# auto writes text on a terminal and JSON elsewhere; or json, or text.
form = "auto"
"""

_PRIVATE = 0o077
"""The file will hold passwords of carriers, the database holds texts: both are for their owner only."""


@command(app)
def init(
    context: Context,
    folder: Annotated[
        Path | None, typer.Option("--dir", metavar="D", help="Where to put them; it is made if it is missing.")
    ] = None,
) -> None:
    """Write a configuration with a comment to every line, and make its database.

    The file is ./bridge.toml, or the one that --config names. It is never overwritten.
    """
    path = _place(context, folder)
    before = os.umask(_PRIVATE)
    try:
        _write(path)
        try:
            after = _make_database(path)
        except BaseException:
            path.unlink()
            raise
    finally:
        os.umask(before)
    named = "" if path == Path(config.DEFAULT_FILE) else f" --config {shlex.quote(str(path))}"
    context.show(
        {"config": str(path), "schema": after},
        f"made {path} and its database. Next, with a name and an address of your own:",
        f"  smsbridge{named} account add demo --credit 100",
        f"  smsbridge{named} mailbox allow demo you@example.com",
        f"  smsbridge{named} serve",
    )


def _place(context: Context, folder: Path | None) -> Path:
    named = context.options.config
    if folder is None and named is None:
        # The file that every other command would ask for.
        named = os.environ.get(_VARIABLE)
    return (folder or Path()) / (named or config.DEFAULT_FILE)


def _write(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(_with_a_key(TEMPLATE))
    except FileExistsError as error:
        reason = f"{path} is there already, and stays as it is; name another place with --dir"
        raise Conflict(reason) from error
    except OSError as error:
        reason = f"{path}: cannot be written: {error.strerror or error}"
        raise NotFound(reason) from error


def _with_a_key(template: str) -> str:
    """Return the template with a secret of its own. Nobody but the file's owner can read it."""
    return re.sub(r'^# (secret_key = )"\.+"', rf'\1"{secrets.token_urlsafe(32)}"', template, flags=re.MULTILINE)


def _make_database(path: Path) -> str:
    store = Store(config.load(path).database.get_secret_value())
    try:
        return schema.migrate(store)[1]
    finally:
        store.close()
