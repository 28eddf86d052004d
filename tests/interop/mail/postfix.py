"""A Postfix of our own, in a folder of its own, that listens on loopback and sends only where it is told to."""

from __future__ import annotations

import email
import os
import pwd
import shutil
import signal
import smtplib
import socket
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import pytest

from tests.support.served import until

ADDRESS: Final = "127.0.0.3"
"""Nothing else of the suite listens there, so a free port stays free."""

_FROM: Final = "127.0.0.4"
"""From where it sends."""

_OWNER: Final = "postfix"
_START: Final = 60.0

# Its retries are quick: seconds are the least that it knows.
_MAIN: Final = """\
compatibility_level = 3.6
queue_directory = {home}/spool
data_directory = {home}/data
maillog_file = {home}/log
maillog_file_prefixes = {home}
mail_owner = postfix
myhostname = relay.example.net
mydestination =
alias_maps =
alias_database =
inet_interfaces = loopback-only
smtp_bind_address = {sends}
lmtp_bind_address = {sends}
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
disable_dns_lookups = yes
smtp_dns_support_level = disabled
smtp_host_lookup = native
default_transport = error:no mail leaves this machine
relay_transport = error:no mail leaves this machine
local_transport = error:nobody is here
relay_domains = {domains}
transport_maps = inline:{{ {routes} }}
virtual_mailbox_domains = example.com
virtual_mailbox_base = {home}/mail
virtual_mailbox_maps = static:box/
virtual_minimum_uid = 1
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
notify_classes =
smtp_tls_security_level = may
smtp_tls_policy_maps = inline:{{ {policies} }}
smtp_tls_CAfile = {trust}
smtp_tls_loglevel = 1
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = inline:{{ {logins} }}
smtp_sasl_security_options = noanonymous
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 1s
"""
_MASTER: Final = """\
{address}:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
lmtp unix - - n - - lmtp
virtual unix - n n - - virtual
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
showq unix n - n - - showq
postlog unix-dgram n - n - 1 postlogd
"""


def needed() -> None:
    """Skip where Postfix cannot run."""
    if shutil.which("postfix") is None:
        pytest.skip("not installed: Postfix: apt-get install postfix libsasl2-modules")
    if os.getuid() != 0:
        pytest.skip("Postfix starts for root alone")


def login_needed() -> None:
    """Skip where it could not log in."""
    if not list(Path("/usr/lib").glob("*/sasl2/libplain.so*")):
        pytest.skip("not installed: what Postfix logs in with: apt-get install libsasl2-modules")


class Postfix:
    """A running Postfix. Mail for example.com, where bounces go, it keeps."""

    def __init__(
        self, routes: Mapping[str, str], *, trust: Path, plain: Sequence[str] = (), logins: Mapping[str, str]
    ) -> None:
        """Start it; see :func:`needed`.

        ``routes`` are the transports (``smtp:[HOST]:PORT``, ``lmtp:inet:HOST:PORT``) by domain. To the servers in
        ``plain`` it uses no TLS; ``logins`` are ``user:password`` by server.
        """
        owner = pwd.getpwnam(_OWNER)
        # Its processes run as another user, who cannot enter the folders that pytest makes.
        self.home = Path(tempfile.mkdtemp(prefix="postfix-"))
        self.home.chmod(0o755)
        for name in ("etc", "spool", "data", "mail"):
            (self.home / name).mkdir()
        for name in ("data", "mail"):
            os.chown(self.home / name, owner.pw_uid, owner.pw_gid)
        known = self.home / "root.pem"
        shutil.copy(trust, known)
        with socket.socket() as free:
            free.bind((ADDRESS, 0))
            self.port: int = free.getsockname()[1]
        main = _MAIN.format(
            home=self.home,
            sends=_FROM,
            domains=" ".join(routes),
            routes=", ".join(f"{{ {domain} = {route} }}" for domain, route in routes.items()),
            policies=", ".join(f"{{ {server} = none }}" for server in plain),
            logins=", ".join(f"{{ {server} = {login} }}" for server, login in logins.items()),
            uid=owner.pw_uid,
            gid=owner.pw_gid,
            trust=known,
        )
        (self.home / "etc" / "main.cf").write_text(main, encoding="utf-8")
        (self.home / "etc" / "master.cf").write_text(_MASTER.format(address=ADDRESS, port=self.port), encoding="utf-8")
        with (self.home / "start.log").open("wb") as told:
            self._process = subprocess.Popen(
                ["postfix", "-c", str(self.home / "etc"), "start-fg"],
                stdin=subprocess.DEVNULL,
                stdout=told,
                stderr=subprocess.STDOUT,
            )
        try:
            until(self._answers, seconds=_START)
        except BaseException:
            self.stop()
            raise

    def _answers(self) -> bool:
        assert self._process.poll() is None, (self.home / "start.log").read_text(encoding="utf-8") + self.logged()
        try:
            with smtplib.SMTP(ADDRESS, self.port, timeout=_START) as client:
                return client.noop()[0] == 250
        except ConnectionRefusedError:
            return False

    def stop(self) -> None:
        """End it, and remove all that it had."""
        try:
            if self._process.poll() is None:
                # The one that started it waits for the master, which ends with all that are under it.
                os.kill(int((self.home / "spool" / "pid" / "master.pid").read_text(encoding="ascii")), signal.SIGTERM)
                self._process.wait(timeout=_START)
        finally:
            self._process.kill()
            shutil.rmtree(self.home)

    def give(
        self,
        sender: str,
        recipients: Sequence[str],
        mail: bytes,
        *,
        mailing: Sequence[str] = (),
        each: Sequence[str] = (),
    ) -> None:
        """Have it take a mail; ``mailing`` and ``each`` are parameters of MAIL and of every RCPT."""
        with smtplib.SMTP(ADDRESS, self.port, timeout=_START) as client:
            assert client.sendmail(sender, list(recipients), mail, mailing, each) == {}

    def logged(self) -> str:
        """Return what it logged so far."""
        file = self.home / "log"
        return file.read_text(encoding="utf-8") if file.exists() else ""

    def await_logged(self, *words: str, seconds: float = 60.0) -> str:
        """Return the first line that has all of these words, once there is one."""

        def look() -> str | None:
            return next((line for line in self.logged().splitlines() if all(word in line for word in words)), None)

        return until(look, seconds=seconds)

    def queued(self) -> list[str]:
        """Return the mails that it has still to deliver."""
        spool = self.home / "spool"
        found = [spool / name for name in ("maildrop", "incoming", "active", "deferred")]
        return [file.name for folder in found for file in folder.rglob("*") if file.is_file()]

    def await_idle(self, *, seconds: float = 60.0) -> None:
        """Return once it has nothing left to deliver."""
        until(lambda: not self.queued(), seconds=seconds)

    def await_bounce(self, message_id: str, *, seconds: float = 60.0) -> dict[str, tuple[str, str]]:
        """Return what the bounce of a mail says, once it came: status and reply by recipient (RFC 3464, 2.3)."""

        def look() -> dict[str, tuple[str, str]] | None:
            for file in (self.home / "mail").glob("box/new/*"):
                bounce = file.read_bytes()
                if message_id.encode() in bounce:
                    parts = [part for part in email.message_from_bytes(bounce).walk() if "Final-Recipient" in part]
                    return {
                        part["Final-Recipient"].partition(";")[2].strip(): (
                            part["Status"],
                            " ".join(part["Diagnostic-Code"].split()),
                        )
                        for part in parts
                    }
            return None

        return until(look, seconds=seconds)
