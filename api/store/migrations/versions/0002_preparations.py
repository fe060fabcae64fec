"""What was prepared in a table of its own, preparations that wait for a value from outside, and the heads of documents."""

import sqlalchemy as sa
from alembic import op

revision = "0002_preparations"
down_revision = "0001_spine"

UNFINISHED = sa.text("state IN ('signing', 'completing')")
PREPARED = sa.text("state = 'prepared'")


def upgrade() -> None:
    op.create_table(
        "preparation",
        sa.Column("signature", sa.Text, primary_key=True),
        sa.Column("prepared", sa.LargeBinary, nullable=False),
    )
    op.execute(
        "INSERT INTO preparation (signature, prepared) SELECT id, prepared FROM signature "
        "WHERE prepared IS NOT NULL AND state IN ('signing', 'completing', 'in-doubt')"
    )
    op.drop_index("signature_unfinished", table_name="signature")
    op.drop_column("signature", "prepared")
    op.add_column("signature", sa.Column("expires_at", sa.Double))
    op.add_column("signature", sa.Column("signed_sha256", sa.Text))
    op.add_column("signature", sa.Column("continued_by", sa.Text))
    op.create_index(
        "signature_unfinished", "signature", ["held_until"], sqlite_where=UNFINISHED, postgresql_where=UNFINISHED
    )
    op.create_index(
        "signature_expires_at", "signature", ["expires_at"], sqlite_where=PREPARED, postgresql_where=PREPARED
    )
    op.create_index("signature_signed_sha256", "signature", ["signed_sha256"])
