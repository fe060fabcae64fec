"""Legal holds on signed documents, and files that are to be erased."""

import sqlalchemy as sa
from alembic import op

revision = "0012_retention"
down_revision = "0011_changes"


def upgrade() -> None:
    op.create_table(
        "legal_hold",
        sa.Column("signature", sa.Text, primary_key=True),
        sa.Column("set_by", sa.Text, nullable=False),
        sa.Column("set_at", sa.Double, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
    )
    op.create_table(
        "erasure",
        sa.Column("blob", sa.Text, primary_key=True),
        sa.Column("signature", sa.Text, nullable=False),
    )


def downgrade() -> None:
    """Loses legal holds. Files that were to be erased must be gone: `kyso storage purge` first."""
    op.drop_table("erasure")
    op.drop_table("legal_hold")
