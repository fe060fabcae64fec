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


def downgrade() -> None:
    """Loses which documents were signed on (heads). What is under way stays; a preparation that waits for a value from
    outside would never expire before this version, so there must be none."""
    waiting = op.get_bind().execute(sa.text("SELECT count(*) FROM signature WHERE state = 'prepared'")).scalar()
    if waiting:
        raise RuntimeError("signatures wait for a value from outside; let them expire first")
    op.drop_index("signature_signed_sha256", table_name="signature")
    op.drop_index("signature_expires_at", table_name="signature")
    op.drop_index("signature_unfinished", table_name="signature")
    for column in ("expires_at", "signed_sha256", "continued_by"):
        op.drop_column("signature", column)
    op.add_column("signature", sa.Column("prepared", sa.LargeBinary))
    op.execute(
        "UPDATE signature SET prepared = (SELECT prepared FROM preparation WHERE preparation.signature = signature.id)"
    )
    op.create_index(
        "signature_unfinished", "signature", ["held_until"], sqlite_where=UNFINISHED, postgresql_where=UNFINISHED
    )
    op.drop_table("preparation")
