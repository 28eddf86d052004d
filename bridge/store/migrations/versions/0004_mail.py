"""What the mail door asks of a mailbox and a login, and what it keeps of a mail."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    with op.batch_alter_table("accounts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("mail", sa.Text(), server_default="{}", nullable=False))

    with op.batch_alter_table("mailboxes", schema=None) as batch_op:
        batch_op.add_column(sa.Column("settings", sa.Text(), server_default="{}", nullable=False))

    with op.batch_alter_table("keys", schema=None) as batch_op:
        batch_op.add_column(sa.Column("mailboxes", sa.Text(), server_default="[]", nullable=False))

    with op.batch_alter_table("messages", schema=None) as batch_op:
        batch_op.add_column(sa.Column("flash", sa.Boolean(), server_default=sa.false(), nullable=False))
        batch_op.add_column(sa.Column("envelope", sa.Text(), nullable=True))
