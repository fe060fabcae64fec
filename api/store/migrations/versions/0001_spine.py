"""The first schema: ledger, signatures, idempotency, callers, jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0001_spine"
down_revision = None

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
UNFINISHED = sa.text("state IN ('preparing', 'signing', 'completing')")
OPEN = sa.text("state = 'open'")


def upgrade() -> None:
    ledger()
    op.create_table(
        "signature",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("caller", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("order_json", sa.Text, nullable=False),
        sa.Column("document_sha256", sa.Text, nullable=False),
        sa.Column("document_blob", sa.Text, nullable=False),
        sa.Column("prepared", sa.LargeBinary),
        sa.Column("value", sa.LargeBinary),
        sa.Column("ledger_number", NUMBER),
        sa.Column("result_json", sa.Text),
        sa.Column("signed_blob", sa.Text),
        sa.Column("error_code", sa.Text),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("updated_at", sa.Double, nullable=False),
        sa.Column("holder", sa.Text),
        sa.Column("held_until", sa.Double, nullable=False),
    )
    op.create_index("signature_ledger_number", "signature", ["ledger_number"])
    op.create_index(
        "signature_unfinished", "signature", ["held_until"], sqlite_where=UNFINISHED, postgresql_where=UNFINISHED
    )
    op.create_table(
        "idempotency",
        sa.Column("caller", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("signature", sa.Text),
        sa.Column("answer_json", sa.Text),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("holder", sa.Text),
        sa.Column("held_until", sa.Double, nullable=False),
    )
    op.create_index("idempotency_created_at", "idempotency", ["created_at"])
    op.create_table(
        "caller",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("keys_json", sa.Text, nullable=False),
        sa.Column("secret_sha256", sa.LargeBinary(32), nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("revoked_at", sa.Double),
    )
    op.create_table(
        "job",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("payload_json", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("unique_key", sa.Text, unique=True),
        sa.Column("due", sa.Double, nullable=False),
        sa.Column("holder", sa.Text),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("max_tries", sa.Integer, nullable=False),
        sa.Column("last_error", sa.Text),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("finished_at", sa.Double),
    )
    op.create_index("job_due", "job", ["due"], sqlite_where=OPEN, postgresql_where=OPEN)


def ledger() -> None:
    """The lines, the head of the empty tree, and triggers that let nobody change a line by mistake."""
    op.create_table(
        "ledger",
        sa.Column("number", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("line", sa.Text, nullable=False),
        sa.Column("leaf_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("intent", NUMBER),
        sa.Column("signature", sa.Text),
        sa.Column("document", sa.Text),
        sa.Column("key", sa.Text),
        sa.Column("caller", sa.Text),
    )
    op.create_index("ledger_intent", "ledger", ["intent"])
    op.create_index("ledger_signature", "ledger", ["signature"])
    op.create_index("ledger_document", "ledger", ["document"])
    head = op.create_table(
        "ledger_head",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("size", NUMBER, nullable=False),
        sa.Column("frontier", sa.LargeBinary, nullable=False),
        sa.Column("settled", NUMBER, nullable=False),
    )
    op.bulk_insert(head, [{"id": 1, "size": 0, "frontier": b"", "settled": 0}])
    if op.get_bind().dialect.name == "sqlite":
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER ledger_no_{change.lower()} BEFORE {change} ON ledger "
                "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
            )
    else:
        op.execute(
            "CREATE FUNCTION ledger_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$"
        )
        op.execute(
            "CREATE TRIGGER ledger_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger "
            "FOR EACH STATEMENT EXECUTE FUNCTION ledger_append_only()"
        )


def downgrade() -> None:
    """Nothing is before it: a database that is not wanted is deleted as a file, not table by table."""
