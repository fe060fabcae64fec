"""Passwords of documents, sealed, for as long as a signature needs them."""

import sqlalchemy as sa
from alembic import op

revision = "0004_sealed"
down_revision = "0003_other_forms"


def upgrade() -> None:
    op.create_table(
        "sealed",
        sa.Column("signature", sa.Text, primary_key=True),
        sa.Column("value", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    """Loses the sealed passwords: lifts of encrypted documents that are still open cannot go on."""
    op.drop_table("sealed")
