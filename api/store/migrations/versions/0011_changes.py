"""Changes that are proposed, decided and undone; keys that were disabled."""

import sqlalchemy as sa
from alembic import op

revision = "0011_changes"
down_revision = "0010_sessions"


def upgrade() -> None:
    op.create_table(
        "change",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("payload_json", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("proposed_by", sa.Text, nullable=False),
        sa.Column("proposed_at", sa.Double, nullable=False),
        sa.Column("undoes", sa.Text),
        sa.Column("decided_by", sa.Text),
        sa.Column("decided_at", sa.Double),
        sa.Column("effect_json", sa.Text),
    )
    op.create_index("change_state", "change", ["state"])
    op.create_table(
        "disabled_key",
        sa.Column("ref", sa.Text, primary_key=True),
        sa.Column("disabled_by", sa.Text, nullable=False),
        sa.Column("disabled_at", sa.Double, nullable=False),
    )


def downgrade() -> None:
    """Loses changes that wait for a second administrator, and which keys are disabled: enable or delete those first."""
    op.drop_table("disabled_key")
    op.drop_table("change")
