"""Batches: many documents under one order, a row for each document."""

import sqlalchemy as sa
from alembic import op

revision = "0008_batches"
down_revision = "0007_rights"

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "batch",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("caller", sa.Text, nullable=False),
        sa.Column("order_json", sa.Text, nullable=False),
        sa.Column("idempotency_key", sa.Text),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("stopped", sa.Boolean, nullable=False),
    )
    op.create_index("batch_idempotency", "batch", ["caller", "idempotency_key"], unique=True)
    op.create_table(
        "batch_document",
        sa.Column("batch", sa.Text, primary_key=True),
        sa.Column("number", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("size", NUMBER, nullable=False),
        sa.Column("blob", sa.Text),
        sa.Column("signature", sa.Text),
        sa.Column("error_code", sa.Text),
    )


def downgrade() -> None:
    """Loses batches: documents of theirs that are not signed yet are not signed."""
    op.drop_table("batch_document")
    op.drop_table("batch")
