"""The directory: organisations, people, their posts, delegations, certificates, keys and roles, all of them in time."""

import sqlalchemy as sa
from alembic import op

revision = "0006_directory"
down_revision = "0005_smaller_indexes"

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "directory_change",
        sa.Column("number", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("as_of", NUMBER, nullable=False),
        sa.Column("caller", sa.Text, nullable=False),
        sa.Column("ledger_number", NUMBER, nullable=False),
        sa.Column("rows_sha256", sa.Text, nullable=False),
        sa.Column("counts_json", sa.Text, nullable=False),
    )
    _table("organisation", "code", "name", "kind", "parent?", "merged_into?", indexed=("code", "parent"))
    _table("person", "code?", "name?", indexed=("code",))
    _table("person_subject", "subject?", "person", indexed=("subject", "person"))
    _table("post", "person", "organisation", "title", "rank", indexed=("person", "organisation"))
    _table("person_role", "person", "organisation", "role", indexed=("person", "organisation"))
    _table(
        "delegation",
        *("form", "giver", "receiver", "organisation", "reference"),
        indexed=("receiver", "organisation"),
    )
    _table(
        "certificate",
        *("sha256", "person?", "organisation?", "public_key_sha256?", "subject_sha256?"),
        indexed=("sha256", "public_key_sha256", "subject_sha256", "person"),
    )
    _table("key_owner", "ref", "organisation", "person?", indexed=("ref", "organisation"))


def _table(name: str, *texts: str, indexed: tuple[str, ...]) -> None:
    """A table of rows in two times; a text with `?` may be missing."""
    op.create_table(
        name,
        sa.Column("row", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("id", sa.Text, nullable=False),
        *(sa.Column(text.removesuffix("?"), sa.Text, nullable=text.endswith("?")) for text in texts),
        sa.Column("valid_from", NUMBER, nullable=False),
        sa.Column("valid_to", NUMBER),
        sa.Column("recorded", NUMBER, nullable=False),
        sa.Column("superseded", NUMBER),
    )
    for column in ("id", *indexed):
        op.create_index(f"{name}_{column}", name, [column])


def downgrade() -> None:
    """Loses the directory: organisations, people, posts, delegations, certificates, owners of keys."""
    for table in ("key_owner", "certificate", "delegation", "person_role", "post", "person_subject", "person"):
        op.drop_table(table)
    op.drop_table("organisation")
    op.drop_table("directory_change")
