"""Sessions of browsers, and tokens that are good for one use."""

import sqlalchemy as sa
from alembic import op

revision = "0010_sessions"
down_revision = "0008_batches"


def upgrade() -> None:
    op.create_table(
        "browser_session",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("secret_sha256", sa.LargeBinary(32), nullable=False, unique=True),
        sa.Column("way", sa.Text, nullable=False),
        sa.Column("caller", sa.Text, nullable=False),
        sa.Column("caller_json", sa.Text),
        sa.Column("rules_sha256", sa.Text, nullable=False),
        sa.Column("subject_sha256", sa.Text),
        sa.Column("provider_session", sa.Text),
        sa.Column("state_sha256", sa.Text, unique=True),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("seen_at", sa.Double, nullable=False),
        sa.Column("ends_at", sa.Double, nullable=False),
        sa.Column("ended_at", sa.Double),
    )
    for name, column in (("subject", "subject_sha256"), ("provider", "provider_session")):
        there = sa.text(f"{column} IS NOT NULL")
        op.create_index(
            f"browser_session_{name}", "browser_session", [column], sqlite_where=there, postgresql_where=there
        )
    op.create_index("browser_session_ends_at", "browser_session", ["ends_at"])
    op.create_table(
        "token_used",
        sa.Column("sha256", sa.Text, primary_key=True),
        sa.Column("until", sa.Double, nullable=False),
    )
    op.create_index("token_used_until", "token_used", ["until"])


def downgrade() -> None:
    """Loses sessions of browsers: everybody signs in again. Tokens that were used once are forgotten."""
    op.drop_table("token_used")
    op.drop_table("browser_session")
