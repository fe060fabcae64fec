"""Signing sessions, their documents and events, and the secrets that callbacks are signed with."""

import sqlalchemy as sa
from alembic import op

revision = "0013_signing_sessions"
down_revision = "0012_retention"

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
OPEN = sa.text("state IN ('waiting', 'opened', 'consented', 'signing', 'partly')")


def upgrade() -> None:
    op.create_table(
        "signing_session",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("caller", sa.Text, nullable=False),
        sa.Column("token_sha256", sa.LargeBinary(32), nullable=False, unique=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("request_json", sa.Text, nullable=False),
        sa.Column("idempotency_key", sa.Text),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.Column("round", NUMBER, nullable=False),
        sa.Column("consented_at", sa.Double),
        sa.Column("consent_json", sa.Text),
        sa.Column("activation_id", sa.Text),
        sa.Column("stopped", sa.Boolean, nullable=False),
        sa.Column("superseded_by", sa.Text),
        sa.Column("ended_at", sa.Double),
    )
    op.create_index("signing_session_idempotency", "signing_session", ["caller", "idempotency_key"], unique=True)
    op.create_index("signing_session_person", "signing_session", ["person"])
    op.create_index("signing_session_open", "signing_session", ["expires_at"], sqlite_where=OPEN, postgresql_where=OPEN)
    op.create_table(
        "signing_document",
        sa.Column("session", sa.Text, primary_key=True),
        sa.Column("number", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("size", NUMBER, nullable=False),
        sa.Column("format", sa.Text, nullable=False),
        sa.Column("blob", sa.Text),
        sa.Column("request_json", sa.Text, nullable=False),
        sa.Column("survey_json", sa.Text, nullable=False),
        sa.Column("place_json", sa.Text),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("round", NUMBER, nullable=False),
        sa.Column("fill_json", sa.Text),
        sa.Column("signature", sa.Text),
        sa.Column("code", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("reassigned_to", sa.Text),
        sa.Column("support_code", sa.Text),
    )
    op.create_table(
        "signing_event",
        sa.Column("session", sa.Text, primary_key=True),
        sa.Column("number", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("event_json", sa.Text, nullable=False),
    )
    op.create_table(
        "callback_secret",
        sa.Column("caller", sa.Text, primary_key=True),
        sa.Column("value", sa.LargeBinary, nullable=False),
        sa.Column("made_at", sa.Double, nullable=False),
    )


def downgrade() -> None:
    """Loses signing sessions and the secrets of callbacks; what was signed in them stays."""
    for name in ("callback_secret", "signing_event", "signing_document", "signing_session"):
        op.drop_table(name)
