"""Numbers of documents: each is given once a year by an organisation in a procedure."""

import sqlalchemy as sa
from alembic import op

revision = "0014_document_numbers"
down_revision = "0013_signing_sessions"

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "document_number",
        sa.Column("organisation", sa.Text, primary_key=True),
        sa.Column("procedure", sa.Text, primary_key=True),
        sa.Column("year", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("number", sa.Text, primary_key=True),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_index("document_number_document", "document_number", ["document"])


def downgrade() -> None:
    """Forgets which numbers were given."""
    op.drop_table("document_number")
