"""The schema, for both databases.

Times are whole milliseconds since 1970 in UTC; money is whole thousandths of a credit. The partial indexes
are what keeps a claim as cheap with a million queued rows as with none: each holds only the rows one question
is about.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite numbers rows by itself only in a column of the type INTEGER.
RowId = BigInteger().with_variant(Integer, "sqlite")
MessageId = String(26)


def _row_id() -> Column[int]:
    return Column("id", RowId, Identity(), primary_key=True)


def _only(condition: str) -> dict[str, Any]:
    """Options of an index over only the rows where the condition holds."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


directory_revision = Table(
    "directory_revision",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("revision", BigInteger, nullable=False),
)
"""One row.

Counts changes of accounts and mailboxes, so that a process sees at once whether its snapshot is old.
"""

heartbeat = Table(
    "heartbeat",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("beats", BigInteger, nullable=False),
)
"""One row. Written to see whether the database can be written."""

accounts = Table(
    "accounts",
    metadata,
    _row_id(),
    Column("name", Text, nullable=False, unique=True),
    Column("region", String(2)),
    Column("enabled", Boolean, nullable=False),
    Column("balance", BigInteger, nullable=False, server_default="0"),
    Column("credit_limit", BigInteger),
    Column("rules", Text, nullable=False, server_default="{}"),
    Column("mail", Text, nullable=False, server_default="{}"),
    Column("report_url", Text),
    Column("inbound_url", Text),
    Column("created_at", BigInteger, nullable=False),
)
"""``mail`` (JSON) is what its mailboxes have in common: see :mod:`bridge.model.mail_policy`. ``report_url`` and
``inbound_url`` are called with reports on its texts, and with texts from phones."""

mailboxes = Table(
    "mailboxes",
    metadata,
    _row_id(),
    Column("account_id", RowId, ForeignKey("accounts.id"), nullable=False),
    Column("pattern", Text, nullable=False, unique=True),
    Column("settings", Text, nullable=False, server_default="{}"),
    Column("created_at", BigInteger, nullable=False),
    Index("ix_mailboxes_account_id", "account_id"),
)
"""``settings`` (JSON) go before those of the account's ``mail``."""

keys = Table(
    "keys",
    metadata,
    _row_id(),
    Column("account_id", RowId, ForeignKey("accounts.id"), nullable=False),
    Column("user_name", Text, nullable=False, unique=True),
    Column("kind", String(8), nullable=False),
    Column("secret", Text, nullable=False),
    Column("networks", Text, nullable=False, server_default="[]"),
    Column("mailboxes", Text, nullable=False, server_default="[]"),
    Column("created_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    Index("ix_keys_account_id", "account_id"),
    Index("ix_keys_secret", "secret", unique=True),
)
"""``secret`` is an argon2id hash (kind ``password``), the SHA-256 of a token in hex (kind ``token``), or a password
encrypted under the key of the configuration (kind ``digest``). ``networks`` (JSON) are those it may come from; an empty
list allows all. ``mailboxes`` (JSON) are the patterns it may send mail as; an empty list allows all of the account."""

messages = Table(
    "messages",
    metadata,
    Column("id", MessageId, primary_key=True),
    Column("account_id", RowId, ForeignKey("accounts.id"), nullable=False),
    Column("door", String(16), nullable=False),
    Column("origin", Text, nullable=False),
    Column("sender", Text),
    Column("text", Text, nullable=False),
    Column("encoding", String(8), nullable=False),
    Column("parts", SmallInteger, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("reference", Text),
    Column("proof", Text, nullable=False),
    Column("callback_url", Text),
    Column("flash", Boolean, nullable=False, server_default=false()),
    Column("envelope", Text),
    Column("draft", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Index("ix_messages_account_id", "account_id", "id"),
    # Every mail has a reference, its Message-ID, and nobody asks for one by that.
    Index(
        "ix_messages_reference", "account_id", "reference", "id", **_only("reference IS NOT NULL AND door <> 'smtp'")
    ),
    sqlite_with_rowid=False,
)
"""Ids of one account's messages are committed in their order: a program reads on from the last. ``draft`` (JSON)
holds the rest of a submission while it is open; its recipients are held then. ``callback_url`` is called with the
reports on it, in place of the account's. ``envelope`` (JSON) holds what a mail's envelope says of receipts."""

recipients = Table(
    "recipients",
    metadata,
    Column("message_id", MessageId, ForeignKey("messages.id"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("number", Text, nullable=False),
    Column("text", Text),
    Column("encoding", String(8)),
    Column("fields", Text),
    Column("price", BigInteger, nullable=False, server_default="0"),
    Column("state", String(12), nullable=False),
    Column("lane", Text, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("parts", SmallInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("lease_owner", Text),
    Column("lease_until", BigInteger),
    Column("carrier", Text),
    Column("in_doubt", Boolean, nullable=False, server_default=false()),
    Column("maybe_sent", Boolean, nullable=False, server_default=false()),
    Column("carrier_id", Text),
    Column("reason", Text),
    Column("raw", Text),
    Column("ask_at", BigInteger),
    Column("asked", SmallInteger, nullable=False, server_default="0"),
    Column("updated_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("message_id", "position"),
    Index("ix_recipients_queue", "lane", "priority", "due_at", **_only("state = 'queued'")),
    Index("ix_recipients_scheduled", "due_at", **_only("state = 'scheduled'")),
    Index("ix_recipients_lease", "lease_until", **_only("state = 'sending'")),
    Index("ix_recipients_carrier_id", "carrier", "carrier_id", **_only("carrier_id IS NOT NULL")),
    Index("ix_recipients_ask_at", "carrier", "ask_at", **_only("ask_at IS NOT NULL")),
    sqlite_with_rowid=False,
)
"""``text`` and ``encoding`` stand where a recipient's own text is not the message's; ``fields`` (JSON) where a draft
has still to be filled in. ``price`` is what was reserved for it. ``carrier`` is the one that the row is with, or that
comes next; ``in_doubt`` means that it may have the text already under our id: then no other carrier may get it.
``maybe_sent`` stays true once it was ever unknown: its price is not given back by itself. ``ask_at`` is when the
carrier is next asked what became of it, after ``asked`` times; None where it is not asked."""

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("account_id", RowId, ForeignKey("accounts.id"), nullable=False),
    Column("key", Text, nullable=False),
    Column("message_id", MessageId, nullable=False),
    Column("position", Integer, nullable=False),
    PrimaryKeyConstraint("account_id", "key"),
    sqlite_with_rowid=False,
)
"""What was taken before, by the door's key.

It names a recipient: the same mail to one more number sends one text.
"""

ledger = Table(
    "ledger",
    metadata,
    _row_id(),
    Column("account_id", RowId, ForeignKey("accounts.id"), nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("message_id", MessageId),
    Column("position", Integer),
    Column("note", Text, nullable=False, server_default=""),
    Column("created_at", BigInteger, nullable=False),
    Index("ix_ledger_account_id", "account_id", "id"),
)
"""Append-only: a balance is the sum of its account's amounts, in thousandths of a credit."""

events = Table(
    "events",
    metadata,
    _row_id(),
    Column("account_id", RowId, ForeignKey("accounts.id")),
    Column("kind", String(16), nullable=False),
    Column("message_id", MessageId),
    Column("position", Integer),
    Column("data", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index("ix_events_message_id", "message_id"),
)
"""The outbox of changes, written in the transaction of the change itself. ``data`` is JSON."""

usage = Table(
    "usage",
    metadata,
    Column("account_id", RowId, ForeignKey("accounts.id"), nullable=False),
    Column("subject", Text, nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("ends", BigInteger, nullable=False),
    Column("amount", BigInteger, nullable=False),
    PrimaryKeyConstraint("account_id", "subject", "start", "ends"),
    Index("ix_usage_ends", "ends"),
    sqlite_with_rowid=False,
)
"""What was used in a window of time: texts of the account or of a mailbox, or thousandths of a credit."""

conversations = Table(
    "conversations",
    metadata,
    Column("number", Text, nullable=False),
    Column("account_id", RowId, ForeignKey("accounts.id"), nullable=False),
    Column("last_at", BigInteger, nullable=False),
    Column("message_id", MessageId, nullable=False),
    Column("position", Integer, nullable=False),
    Column("times", Text, nullable=False),
    PrimaryKeyConstraint("number", "account_id"),
    sqlite_with_rowid=False,
)
"""The last word with a number. ``times`` (JSON) are those of the texts that a limit per number still counts."""

opt_outs = Table(
    "opt_outs",
    metadata,
    Column("number", Text, nullable=False),
    Column("account_id", RowId, nullable=False),
    Column("word", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("number", "account_id"),
    sqlite_with_rowid=False,
)
"""Who gets no texts: of one account, or, where ``account_id`` is 0, of any."""

senders = Table(
    "senders",
    metadata,
    _row_id(),
    Column("account_id", RowId, ForeignKey("accounts.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("folded", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("state", String(12), nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("created_at", BigInteger, nullable=False),
    Column("decided_at", BigInteger),
    UniqueConstraint("account_id", "folded"),
)
"""Names that texts may come from, of every state. ``name`` is the spelling that is sent."""

sender_defaults = Table(
    "sender_defaults",
    metadata,
    Column("account_id", RowId, ForeignKey("accounts.id"), nullable=False),
    Column("pattern", Text, nullable=False),
    Column("sender_id", RowId, ForeignKey("senders.id"), nullable=False),
    PrimaryKeyConstraint("account_id", "pattern"),
    Index("ix_sender_defaults_sender_id", "sender_id"),
    sqlite_with_rowid=False,
)
"""``pattern`` is a mailbox or ``@domain``, as in ``mailboxes``; empty for the account itself."""

sender_kinds = Table(
    "sender_kinds",
    metadata,
    Column("account_id", RowId, ForeignKey("accounts.id"), nullable=False),
    Column("kind", String(16), nullable=False),
    PrimaryKeyConstraint("account_id", "kind"),
    sqlite_with_rowid=False,
)
"""The kinds of names an account may use. One without rows has the usual ones."""

contacts = Table(
    "contacts",
    metadata,
    _row_id(),
    Column("account_id", RowId, ForeignKey("accounts.id"), nullable=False),
    Column("number", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("folded", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("fields", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    UniqueConstraint("account_id", "number"),
    Index("ix_contacts_folded", "account_id", "folded"),
)
"""``fields`` is a JSON object of strings."""

contact_tags = Table(
    "contact_tags",
    metadata,
    Column("contact_id", RowId, ForeignKey("contacts.id", ondelete="CASCADE"), nullable=False),
    Column("tag", Text, nullable=False),
    Column("account_id", RowId, ForeignKey("accounts.id"), nullable=False),
    PrimaryKeyConstraint("contact_id", "tag"),
    Index("ix_contact_tags_tag", "account_id", "tag"),
    sqlite_with_rowid=False,
)
"""``account_id`` is the contact's: a tag is looked for in one account."""

groups = Table(
    "groups",
    metadata,
    _row_id(),
    Column("account_id", RowId, ForeignKey("accounts.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("folded", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    UniqueConstraint("account_id", "folded"),
)

group_members = Table(
    "group_members",
    metadata,
    Column("group_id", RowId, ForeignKey("groups.id", ondelete="CASCADE"), nullable=False),
    Column("contact_id", RowId, ForeignKey("contacts.id", ondelete="CASCADE"), nullable=False),
    PrimaryKeyConstraint("group_id", "contact_id"),
    Index("ix_group_members_contact_id", "contact_id"),
    sqlite_with_rowid=False,
)

group_groups = Table(
    "group_groups",
    metadata,
    Column("group_id", RowId, ForeignKey("groups.id", ondelete="CASCADE"), nullable=False),
    Column("member_group_id", RowId, ForeignKey("groups.id", ondelete="CASCADE"), nullable=False),
    PrimaryKeyConstraint("group_id", "member_group_id"),
    Index("ix_group_groups_member_group_id", "member_group_id"),
    sqlite_with_rowid=False,
)
"""Groups within groups; never in a circle."""

inbound_taken = Table(
    "inbound_taken",
    metadata,
    Column("carrier", Text, nullable=False),
    Column("carrier_id", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("carrier", "carrier_id"),
    sqlite_with_rowid=False,
)
"""Texts from phones that were kept already: carriers bring them more than once."""

inbound = Table(
    "inbound",
    metadata,
    _row_id(),
    Column("account_id", RowId, ForeignKey("accounts.id")),
    Column("carrier", Text, nullable=False),
    Column("carrier_id", Text, nullable=False),
    Column("sender", Text, nullable=False),
    Column("recipient", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("message_id", MessageId),
    Column("position", Integer),
    Column("sent_at", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("acknowledged_at", BigInteger),
    Index("ix_inbound_account_id", "account_id", "id", **_only("acknowledged_at IS NULL")),
)
"""Texts from phones. ``message_id`` and ``position`` are of the text that it answers, where one is known; ``sent_at``
is the carrier's time. Rows of one account are committed in the order of their ids: a program reads on from the last."""

callbacks = Table(
    "callbacks",
    metadata,
    _row_id(),
    Column("account_id", RowId, ForeignKey("accounts.id"), nullable=False),
    Column("host", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("fields", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("due_at", BigInteger, nullable=False),
    Column("reason", Text),
    Column("created_at", BigInteger, nullable=False),
    Index("ix_callbacks_host", "host", "due_at"),
)
"""Calls that customers' programs have still to get. ``fields`` (JSON) are what is posted; ``host`` is that of the URL,
with its port; ``reason`` is why the last of ``attempts`` failed."""

early_reports = Table(
    "early_reports",
    metadata,
    _row_id(),
    Column("carrier", Text, nullable=False),
    Column("carrier_id", Text),
    Column("recipient_id", Text),
    Column("state", String(12), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("raw", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index("ix_early_reports_carrier_id", "carrier", "carrier_id"),
    Index("ix_early_reports_recipient_id", "carrier", "recipient_id"),
    Index("ix_early_reports_created_at", "created_at"),
)
"""Reports on texts that nobody knows yet: they overtook the answer of the send, or are of somebody else."""

storms = Table(
    "storms",
    metadata,
    Column("account_id", RowId, ForeignKey("accounts.id"), nullable=False),
    Column("origin", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("shape", String(32), nullable=False),
    Column("message_id", MessageId, nullable=False),
    Column("position", Integer, nullable=False),
    Column("span", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),
    Column("count", Integer, nullable=False, server_default="0"),
    Column("first_at", BigInteger),
    Column("last_at", BigInteger),
    Column("last_id", MessageId),
    Column("last_position", Integer),
    PrimaryKeyConstraint("account_id", "origin", "number", "shape"),
    Index("ix_storms_ends_at", "ends_at"),
    sqlite_with_rowid=False,
)
"""Windows in which alike texts to a number become one. ``shape`` is a hash of what they have in common, ``message_id``
and ``position`` are of the text that went out, ``span`` is the window's length in milliseconds. Of the ``count`` that
were kept and not sent, the first and the last came at ``first_at`` and ``last_at``, the last as ``last_id`` with
``last_position``."""
