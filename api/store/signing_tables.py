"""The tables of signing sessions (`api.sessions`), beside those that every signature needs (`api.store.tables`)."""

from __future__ import annotations

import sqlalchemy as sa

from api.store.metadata import Number, metadata

OPEN = "state IN ('waiting', 'opened', 'consented', 'signing', 'partly')"
"""Sessions that time may still end, or that have work left: few at any moment."""

signing_session = sa.Table(
    "signing_session",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("caller", sa.Text, nullable=False),  # the system that asks
    sa.Column("token_sha256", sa.LargeBinary(32), nullable=False, unique=True),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("person", sa.Text, nullable=False),  # the directory's id, or a name that it does not know
    sa.Column("request_json", sa.Text, nullable=False),
    sa.Column("idempotency_key", sa.Text),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("expires_at", sa.Double, nullable=False),
    sa.Column("round", Number, nullable=False),  # how many times somebody consented
    sa.Column("consented_at", sa.Double),
    sa.Column("consent_json", sa.Text),
    sa.Column("activation_id", sa.Text),  # of a person's key, once the keeper believed it
    sa.Column("stopped", sa.Boolean, nullable=False),
    sa.Column("superseded_by", sa.Text),
    sa.Column("ended_at", sa.Double),
    sa.Index("signing_session_idempotency", "caller", "idempotency_key", unique=True),
    sa.Index("signing_session_person", "person"),
    sa.Index("signing_session_open", "expires_at", sqlite_where=sa.text(OPEN), postgresql_where=sa.text(OPEN)),
)

signing_document = sa.Table(
    "signing_document",
    metadata,
    sa.Column("session", sa.Text, primary_key=True),
    sa.Column("number", Number, primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("size", Number, nullable=False),
    sa.Column("format", sa.Text, nullable=False),  # PDF or XML
    sa.Column("blob", sa.Text),  # until it is no longer kept
    sa.Column("request_json", sa.Text, nullable=False),
    sa.Column("survey_json", sa.Text, nullable=False),  # pages, fields, warnings: as a worker found them
    sa.Column("place_json", sa.Text),  # where the official put the signature
    sa.Column("state", sa.Text, nullable=False),  # waiting, signed, returned, reassigned, failed
    sa.Column("round", Number, nullable=False),  # of the consent that it is in; 0: none
    sa.Column("fill_json", sa.Text),  # what the official filled in
    sa.Column("signature", sa.Text),
    sa.Column("code", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Column("reassigned_to", sa.Text),
    sa.Column("support_code", sa.Text),
)

signing_event = sa.Table(
    "signing_event",
    metadata,
    sa.Column("session", sa.Text, primary_key=True),
    sa.Column("number", Number, primary_key=True, autoincrement=False),
    sa.Column("event_json", sa.Text, nullable=False),
)

callback_secret = sa.Table(
    "callback_secret",
    metadata,
    sa.Column("caller", sa.Text, primary_key=True),
    sa.Column("value", sa.LargeBinary, nullable=False),  # sealed (`api.sealing`)
    sa.Column("made_at", sa.Double, nullable=False),
)

document_number = sa.Table(
    "document_number",
    metadata,
    # Numbers that an organisation has given in a procedure: each once a year.
    sa.Column("organisation", sa.Text, primary_key=True),
    sa.Column("procedure", sa.Text, primary_key=True),
    sa.Column("year", Number, primary_key=True, autoincrement=False),
    sa.Column("number", sa.Text, primary_key=True),
    sa.Column("document", sa.Text, nullable=False),  # session and number of the document
    sa.Index("document_number_document", "document"),
)
