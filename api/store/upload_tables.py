"""The tables of files that come in pieces (`api.store.resumable`)."""

from __future__ import annotations

import sqlalchemy as sa

from api.store.metadata import Number, metadata

upload = sa.Table(
    "upload",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("owner", sa.Text, nullable=False),  # a caller, or all visitors
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("size", Number, nullable=False),  # as it was announced
    sa.Column("offset", Number, nullable=False),  # what is there
    sa.Column("expires_at", sa.Double, nullable=False),
    sa.Index("upload_owner", "owner"),
    sa.Index("upload_expires_at", "expires_at"),
)

upload_piece = sa.Table(
    "upload_piece",
    metadata,
    sa.Column("upload", sa.Text, primary_key=True),
    sa.Column("start", Number, primary_key=True, autoincrement=False),
    sa.Column("size", Number, nullable=False),
    sa.Column("blob", sa.Text, nullable=False),
)
