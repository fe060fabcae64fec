"""The tables, as SQLAlchemy Core metadata: one schema for SQLite and PostgreSQL.

What the program expects to find; how a database gets there is `api/store/migrations`, and a test proves that both
agree. Times are Unix seconds, JSON is text (its bytes are hashed or compared), digests in text are lower-case hex.

>>> "ledger" in metadata.tables
True
"""

from __future__ import annotations

import sqlalchemy as sa

from api.store import change_tables as _change_tables  # noqa: F401 - declares its tables
from api.store import directory_tables as _directory_tables  # noqa: F401 - the same
from api.store import metadata as _shared
from api.store import signing_tables as _signing_tables  # noqa: F401 - the same
from api.store import upload_tables as _upload_tables  # noqa: F401 - the same

metadata = _shared.metadata
Number = _shared.Number


def _where_given(name: str, column: str) -> sa.Index:
    """An index without the rows that have no value there: most changes of the table leave it alone."""
    given = sa.text(f"{column} IS NOT NULL")
    return sa.Index(name, column, sqlite_where=given, postgresql_where=given)


ledger = sa.Table(
    "ledger",
    metadata,
    sa.Column("number", Number, primary_key=True, autoincrement=False),
    sa.Column("line", sa.Text, nullable=False),  # canonical JSON: what is hashed, and the only truth of the row
    sa.Column("leaf_hash", sa.LargeBinary(32), nullable=False),
    # Copies out of `line`, for searching; `Ledger.verify` compares them with it.
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("intent", Number),
    sa.Column("signature", sa.Text),
    sa.Column("document", sa.Text),
    sa.Column("key", sa.Text),
    sa.Column("caller", sa.Text),
    _where_given("ledger_intent", "intent"),
    sa.Index("ledger_signature", "signature"),
    _where_given("ledger_document", "document"),
)

ledger_head = sa.Table(
    "ledger_head",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),  # always 1
    sa.Column("size", Number, nullable=False),
    sa.Column("frontier", sa.LargeBinary, nullable=False),
    sa.Column("settled", Number, nullable=False),  # every INTENT up to here is closed
)

signature = sa.Table(
    "signature",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("caller", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("order_json", sa.Text, nullable=False),
    sa.Column("document_sha256", sa.Text, nullable=False),
    sa.Column("document_blob", sa.Text, nullable=False),
    sa.Column("value", sa.LargeBinary),
    sa.Column("ledger_number", Number),
    sa.Column("result_json", sa.Text),
    sa.Column("signed_blob", sa.Text),
    sa.Column("error_code", sa.Text),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("updated_at", sa.Double, nullable=False),
    sa.Column("holder", sa.Text),  # token of the process that works on it
    sa.Column("held_until", sa.Double, nullable=False),
    sa.Column("expires_at", sa.Double),  # of a preparation that waits for a value from outside
    sa.Column("signed_sha256", sa.Text),  # of the signed document, so that its successor finds it
    sa.Column("continued_by", sa.Text),  # the signature that was built on this one's document
    sa.Index("signature_ledger_number", "ledger_number"),
    _where_given("signature_signed_sha256", "signed_sha256"),
    # Few records are unfinished at any moment: the indexes that recovery reads stay small.
    sa.Index(
        "signature_unfinished",
        "held_until",
        sqlite_where=sa.text("state IN ('signing', 'completing')"),
        postgresql_where=sa.text("state IN ('signing', 'completing')"),
    ),
    sa.Index(
        "signature_expires_at",
        "expires_at",
        sqlite_where=sa.text("state = 'prepared'"),
        postgresql_where=sa.text("state = 'prepared'"),
    ),
)

preparation = sa.Table(
    "preparation",
    metadata,
    # Beside the record, not in it: a row is written anew whenever one of its columns changes, and this is the large one.
    sa.Column("signature", sa.Text, primary_key=True),
    sa.Column("prepared", sa.LargeBinary, nullable=False),
)

other_form = sa.Table(
    "other_form",
    metadata,
    sa.Column("sha256", sa.Text, primary_key=True),  # of a file that is the same head as the signature's document
    sa.Column("signature", sa.Text, nullable=False),
)

sealed = sa.Table(
    "sealed",
    metadata,
    sa.Column("signature", sa.Text, primary_key=True),
    sa.Column("value", sa.LargeBinary, nullable=False),  # a password, sealed (`api.sealing`)
)

legal_hold = sa.Table(
    "legal_hold",
    metadata,
    sa.Column("signature", sa.Text, primary_key=True),
    sa.Column("set_by", sa.Text, nullable=False),
    sa.Column("set_at", sa.Double, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
)

erasure = sa.Table(
    "erasure",
    metadata,
    sa.Column("blob", sa.Text, primary_key=True),  # its document is gone from the record; the file is to follow
    sa.Column("signature", sa.Text, nullable=False),
)

idempotency = sa.Table(
    "idempotency",
    metadata,
    sa.Column("caller", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("signature", sa.Text),
    sa.Column("answer_json", sa.Text),  # set once the request is done
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("holder", sa.Text),
    sa.Column("held_until", sa.Double, nullable=False),
    sa.Index("idempotency_created_at", "created_at"),
)

caller = sa.Table(
    "caller",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("keys_json", sa.Text, nullable=False),
    sa.Column("secret_sha256", sa.LargeBinary(32), nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("revoked_at", sa.Double),
    sa.Column("organisation", sa.Text),  # none: the whole appliance
    sa.Column("person", sa.Text),
    sa.Column("reach", sa.Text, nullable=False, server_default="organisation"),  # or subtree
    sa.Column("expires_at", sa.Double),
    sa.Column("former_sha256", sa.LargeBinary(32)),  # the secret before the last rotation, good until `former_until`
    sa.Column("former_until", sa.Double),
    sa.Column("last_used_at", sa.Double),
)

rights = sa.Table(
    "rights",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("version", Number, primary_key=True, autoincrement=False),
    sa.Column("rule_json", sa.Text, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("set_by", sa.Text, nullable=False),
    sa.Column("set_at", sa.Double, nullable=False),
    sa.Column("ended_by", sa.Text),
    sa.Column("ended_at", sa.Double),  # none: in force
)

rights_use = sa.Table(
    "rights_use",
    metadata,
    sa.Column("rule", sa.Text, primary_key=True),
    sa.Column("caller", sa.Text, primary_key=True),
    # Numbers of the current minute, hour and day in the service's zone, and how many uses each has seen.
    sa.Column("minute", Number, nullable=False),
    sa.Column("in_minute", Number, nullable=False),
    sa.Column("hour", Number, nullable=False),
    sa.Column("in_hour", Number, nullable=False),
    sa.Column("day", Number, nullable=False),
    sa.Column("in_day", Number, nullable=False),
    sa.Column("in_all", Number, nullable=False),
)

job = sa.Table(
    "job",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("payload_json", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),  # open, done, failed
    sa.Column("unique_key", sa.Text, unique=True),  # NULL once it is done or failed
    sa.Column("due", sa.Double, nullable=False),  # not before; while it runs: the end of its lease
    sa.Column("holder", sa.Text),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("max_tries", sa.Integer, nullable=False),
    sa.Column("last_error", sa.Text),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("finished_at", sa.Double),
    sa.Index("job_due", "due", sqlite_where=sa.text("state = 'open'"), postgresql_where=sa.text("state = 'open'")),
)

batch = sa.Table(
    "batch",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("caller", sa.Text, nullable=False),
    sa.Column("order_json", sa.Text, nullable=False),
    sa.Column("idempotency_key", sa.Text),
    sa.Column("fingerprint", sa.Text, nullable=False),  # of order, names and digests: what the key is bound to
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("stopped", sa.Boolean, nullable=False),
    sa.Index("batch_idempotency", "caller", "idempotency_key", unique=True),
)

batch_document = sa.Table(
    "batch_document",
    metadata,
    sa.Column("batch", sa.Text, primary_key=True),
    sa.Column("number", Number, primary_key=True, autoincrement=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("sha256", sa.Text, nullable=False),
    sa.Column("size", Number, nullable=False),
    sa.Column("blob", sa.Text),  # until there is nothing left to do
    sa.Column("signature", sa.Text),
    sa.Column("error_code", sa.Text),  # of what was refused before there was a record
)

browser_session = sa.Table(
    "browser_session",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("secret_sha256", sa.LargeBinary(32), nullable=False, unique=True),  # of what the cookie holds
    sa.Column("way", sa.Text, nullable=False),  # api-key, or issuer:NAME
    sa.Column("caller", sa.Text, nullable=False),  # its id
    sa.Column("caller_json", sa.Text),  # none: looked up by its id, as it is registered
    sa.Column("rules_sha256", sa.Text, nullable=False),  # of the rules that gave it: with others it ends
    sa.Column("subject_sha256", sa.Text),  # of the issuer's subject, for its logouts
    sa.Column("provider_session", sa.Text),  # the issuer's `sid`
    sa.Column("state_sha256", sa.Text, unique=True),  # of the sign-in's `state`, which is good once
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("seen_at", sa.Double, nullable=False),
    sa.Column("ends_at", sa.Double, nullable=False),
    sa.Column("ended_at", sa.Double),
    _where_given("browser_session_subject", "subject_sha256"),
    _where_given("browser_session_provider", "provider_session"),
    sa.Index("browser_session_ends_at", "ends_at"),
)

token_used = sa.Table(
    "token_used",
    metadata,
    sa.Column("sha256", sa.Text, primary_key=True),  # of issuer and jti
    sa.Column("until", sa.Double, nullable=False),
    sa.Index("token_used_until", "until"),
)
