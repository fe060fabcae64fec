"""Callers belong to organisations, their API keys expire and are exchanged; what they may do is narrowed by rules."""

import sqlalchemy as sa
from alembic import op

revision = "0007_rights"
down_revision = "0006_directory"

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    for column in (
        sa.Column("organisation", sa.Text),
        sa.Column("person", sa.Text),
        sa.Column("reach", sa.Text, nullable=False, server_default="organisation"),
        sa.Column("expires_at", sa.Double),
        sa.Column("former_sha256", sa.LargeBinary(32)),
        sa.Column("former_until", sa.Double),
        sa.Column("last_used_at", sa.Double),
    ):
        op.add_column("caller", column)
    op.create_table(
        "rights",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("version", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("rule_json", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("set_by", sa.Text, nullable=False),
        sa.Column("set_at", sa.Double, nullable=False),
        sa.Column("ended_by", sa.Text),
        sa.Column("ended_at", sa.Double),
    )
    op.create_table(
        "rights_use",
        sa.Column("rule", sa.Text, primary_key=True),
        sa.Column("caller", sa.Text, primary_key=True),
        sa.Column("minute", NUMBER, nullable=False),
        sa.Column("in_minute", NUMBER, nullable=False),
        sa.Column("hour", NUMBER, nullable=False),
        sa.Column("in_hour", NUMBER, nullable=False),
        sa.Column("day", NUMBER, nullable=False),
        sa.Column("in_day", NUMBER, nullable=False),
        sa.Column("in_all", NUMBER, nullable=False),
    )


def downgrade() -> None:
    """Loses rules on the use of keys, and callers' organisations, persons and expiry: a caller that was narrowed by any of
    these would be wider, so such callers are revoked."""
    op.execute(
        "UPDATE caller SET revoked_at = created_at WHERE revoked_at IS NULL "
        "AND (organisation IS NOT NULL OR person IS NOT NULL OR expires_at IS NOT NULL)"
    )
    op.drop_table("rights_use")
    op.drop_table("rights")
    for column in ("organisation", "person", "reach", "expires_at", "former_sha256", "former_until", "last_used_at"):
        op.drop_column("caller", column)
