"""Files that come in pieces."""

import sqlalchemy as sa
from alembic import op

revision = "0015_uploads"
down_revision = "0014_document_numbers"

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "upload",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("size", NUMBER, nullable=False),
        sa.Column("offset", NUMBER, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
    )
    op.create_index("upload_owner", "upload", ["owner"])
    op.create_index("upload_expires_at", "upload", ["expires_at"])
    op.create_table(
        "upload_piece",
        sa.Column("upload", sa.Text, primary_key=True),
        sa.Column("start", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("size", NUMBER, nullable=False),
        sa.Column("blob", sa.Text, nullable=False),
    )


def downgrade() -> None:
    """What was not whole yet is sent anew; its files are swept."""
    op.drop_table("upload_piece")
    op.drop_table("upload")
