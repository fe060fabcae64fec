"""Other forms of a signed document, before or after a lift: one head with it."""

import sqlalchemy as sa
from alembic import op

revision = "0003_other_forms"
down_revision = "0002_preparations"


def upgrade() -> None:
    op.create_table(
        "other_form",
        sa.Column("sha256", sa.Text, primary_key=True),
        sa.Column("signature", sa.Text, nullable=False),
    )


def downgrade() -> None:
    """Loses that a lifted document is the same head as the one before: signing on the older form is not refused."""
    op.drop_table("other_form")
