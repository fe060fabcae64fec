"""The tables of changes (`api.changes`), beside those that every signature needs (`api.store.tables`)."""

from __future__ import annotations

import sqlalchemy as sa

from api.store.metadata import metadata

change = sa.Table(
    "change",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("payload_json", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # proposed, applying, applied, rejected, undone
    sa.Column("proposed_by", sa.Text, nullable=False),
    sa.Column("proposed_at", sa.Double, nullable=False),
    sa.Column("undoes", sa.Text),
    sa.Column("decided_by", sa.Text),
    sa.Column("decided_at", sa.Double),
    sa.Column("effect_json", sa.Text),  # what is done and how it is undone, once that is decided
    sa.Index("change_state", "state"),
)

disabled_key = sa.Table(
    "disabled_key",
    metadata,
    sa.Column("ref", sa.Text, primary_key=True),
    sa.Column("disabled_by", sa.Text, nullable=False),
    sa.Column("disabled_at", sa.Double, nullable=False),
)
