"""A mail, read: its header, and the text that is sent of it, or why none is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bridge.model.errors import AutomaticMail, BridgeError, NoText
from bridge.model.mail_policy import SubjectUse, Transliterate
from smtp.automatic import why_automatic
from smtp.compose import compose
from smtp.key_in_mail import find_secret, redact
from smtp.mime.content import ContentLimits, content_of, open_mail

if TYPE_CHECKING:
    from bridge.calls.logins import Credentials
    from bridge.model.mail_policy import MailPolicy
    from bridge.model.rules import AccountRules
    from smtp.compose import Composed
    from smtp.config import SmtpSettings
    from smtp.key_in_mail import SecretFound
    from smtp.mime.content import Content
    from smtp.mime.header import Header


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What a mail says. Who sent it has still to be proved, so what is wrong with its text waits in ``trouble``.

    ``subject`` is that of the header, where it is sent or obeyed; else empty.
    """

    header: Header
    content: Content | None = None
    secret: SecretFound | None = None
    composed: Composed | None = None
    subject: str = ""
    trouble: BridgeError | None = None

    def sent(self) -> tuple[Content, Composed]:
        """Return the content and what is sent of it. Raises what the mail is refused for."""
        if self.content is None or self.composed is None:
            raise self.trouble or NoText("the mail has no text")
        return self.content, self.composed


def most_parts(settings: SmtpSettings, policy: MailPolicy, rules: AccountRules) -> int:
    """Return how many parts a text may have: what the least of operator, account and mailbox says."""
    return min(each for each in (settings.max_parts, policy.max_parts, rules.max_parts) if each is not None)


def charset_for(settings: SmtpSettings, policy: MailPolicy, region: str | None) -> str | None:
    """Return the charset of text that names none: what is set for the mailbox, the region, or the door; else None."""
    return policy.charset or settings.charsets.get(region or "") or settings.charset


def read(
    raw: bytes,
    policy: MailPolicy,
    *,
    sender: str,
    most: int,
    settings: SmtpSettings,
    charset: str | None = None,
    key: Credentials | None = None,
) -> Reading:
    """Read a mail from ``sender`` as its mailbox's policy has it, for a text of ``most`` parts. Raises nothing.

    ``charset`` is that of text which names none, where it is known (:func:`charset_for`). ``key`` is one that
    stood in an address: where the mail repeats it, it is hidden.
    """
    mail, header = open_mail(raw)
    try:
        content = content_of(
            mail,
            header,
            fallback_charset=charset,
            limits=ContentLimits(depth=settings.max_depth, parts=settings.max_mail_parts, html=settings.max_html),
            links=policy.links,
        )
    except BridgeError as error:
        # A bounce may have no text at all; that it is one says more.
        why = why_automatic(header, kind=mail.media().type, report_type="", sender=sender, text="")
        return Reading(header=header, trouble=error if why is None else AutomaticMail(why))
    secret: SecretFound | None = None
    try:
        subject, text = "", content.text
        if policy.secrets or policy.subject is not SubjectUse.IGNORE:
            subject = header.text("subject")
        if policy.secrets and (secret := find_secret(policy.secrets, subject=subject, text=text)) is not None:
            subject, text = secret.subject, secret.text
            if secret.transliterate:
                policy = replace(policy, transliterate=Transliterate.ALWAYS)
        if key is not None:
            subject, text = redact(subject, key), redact(text, key)
        kind, report = content.type, content.report_type
        if (why := why_automatic(header, kind=kind, report_type=report, sender=sender, text=text)) is not None:
            raise AutomaticMail(why)
        composed = compose(text, subject, policy, most=most)
    except BridgeError as error:
        return Reading(header=header, content=content, secret=secret, trouble=error)
    used = "" if policy.subject is SubjectUse.IGNORE else subject
    return Reading(header=header, content=content, secret=secret, composed=composed, subject=used)
