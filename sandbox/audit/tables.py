"""Tables of the log, and the one `metadata` on which every room defines its own."""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

# `leaf` is the truth and what is hashed. The other columns repeat parts of it so that entries can be
# found quickly; whoever trusts nobody reads an exported bundle, which holds leaves only.
leaves = sa.Table(
    "audit_leaf",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("leaf", sa.LargeBinary, nullable=False),
    sa.Column("time", sa.String(20), nullable=False, index=True),
    sa.Column("kind", sa.String(64), nullable=False, index=True),
    sa.Column("person", sa.String, nullable=False, index=True),
    sa.Column("grant", sa.String, index=True),
    sa.Column("question", sa.String, index=True),
)

nodes = sa.Table(
    "audit_node",
    metadata,
    sa.Column("level", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("hash", sa.LargeBinary(32), nullable=False),
    sqlite_with_rowid=False,
)

checkpoints = sa.Table(
    "audit_checkpoint",
    metadata,
    sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    sa.Column("note", sa.Text, nullable=False),
)

secrets = sa.Table(
    "audit_secret",
    metadata,
    sa.Column("seq", sa.Integer, sa.ForeignKey(leaves.c.seq), primary_key=True, autoincrement=False),
    sa.Column("nonce", sa.LargeBinary(12), nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
)
