"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.database import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "person",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("email", sa.String(255), nullable=False),
        sa.Column("language", sa.String(255), nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("password_hash", sa.String(255), nullable=False),
        sa.Column("token_epoch", sa.Integer, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_person"),
        sa.UniqueConstraint("email", name="uq_person_email"),
    )
    op.create_table(
        "organisation",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("size_class", sa.String(32)),
        sa.Column("country", sa.String(255), nullable=False),
        sa.Column("nuts_code", sa.String(255), nullable=False),
        sa.Column("nuts_version", sa.Integer, nullable=False),
        sa.Column("nace_code", sa.String(255)),
        sa.Column("nace_revision", sa.String(255)),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_organisation"),
    )
    op.create_index("ix_organisation_name", "organisation", ["name"])
    op.create_table(
        "size_declaration",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("organisation_id", sa.Uuid, nullable=False),
        sa.Column("year", sa.Integer, nullable=False),
        sa.Column("staff", sa.Integer, nullable=False),
        sa.Column("turnover_cents", sa.BigInteger),
        sa.Column("balance_cents", sa.BigInteger),
        sa.Column("size_class", sa.String(32), nullable=False),
        sa.Column("declared_by", sa.Uuid, nullable=False),
        sa.Column("declared_at", UtcDateTime, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_size_declaration"),
        sa.ForeignKeyConstraint(
            ["organisation_id"], ["organisation.id"], name="fk_size_declaration_organisation_id_organisation"
        ),
        sa.CheckConstraint("staff >= 0", name=op.f("ck_size_declaration_staff")),
    )
    op.create_index("ix_size_declaration_organisation", "size_declaration", ["organisation_id", "declared_at"])
    op.create_table(
        "role_grant",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("role", sa.String(32), nullable=False),
        sa.Column("scope", sa.String(255), nullable=False),
        sa.Column("granted_by", sa.Uuid, nullable=False),
        sa.Column("granted_at", UtcDateTime, nullable=False),
        sa.Column("revoked_by", sa.Uuid),
        sa.Column("revoked_at", UtcDateTime),
        sa.PrimaryKeyConstraint("id", name="pk_role_grant"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_role_grant_person_id_person"),
    )
    present = sa.text("revoked_at IS NULL")
    op.create_index(
        "uq_role_grant_present",
        "role_grant",
        ["person_id", "role", "scope"],
        unique=True,
        sqlite_where=present,
        postgresql_where=present,
    )
    op.create_index("ix_role_grant_scope", "role_grant", ["scope"])
    op.create_table(
        "session",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("client", sa.String(255), nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("last_used_at", UtcDateTime, nullable=False),
        sa.Column("expires_at", UtcDateTime, nullable=False),
        sa.Column("revoked_at", UtcDateTime),
        sa.PrimaryKeyConstraint("id", name="pk_session"),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_session_person_id_person"),
    )
    op.create_index("ix_session_person", "session", ["person_id"])
    op.create_index("ix_session_end", "session", ["expires_at"])
    op.create_table(
        "refresh_token",
        sa.Column("digest", sa.String(255), nullable=False),
        sa.Column("session_id", sa.Uuid, nullable=False),
        sa.Column("issued_at", UtcDateTime, nullable=False),
        sa.Column("used_at", UtcDateTime),
        sa.PrimaryKeyConstraint("digest", name="pk_refresh_token"),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], name="fk_refresh_token_session_id_session"),
    )
    op.create_index("ix_refresh_token_session", "refresh_token", ["session_id"])
    op.create_table(
        "signing_key",
        sa.Column("generation", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("kid", sa.String(255), nullable=False),
        sa.Column("private_jwk", sa.JSON, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("signs_from", UtcDateTime, nullable=False),
        sa.Column("retired_at", UtcDateTime),
        sa.PrimaryKeyConstraint("generation", name="pk_signing_key"),
        sa.UniqueConstraint("kid", name="uq_signing_key_kid"),
    )
    op.create_table(
        "sign_in_attempts",
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("last_at", UtcDateTime, nullable=False),
        sa.Column("blocked_until", UtcDateTime),
        sa.PrimaryKeyConstraint("key", name="pk_sign_in_attempts"),
    )
    op.create_table(
        "known_region",
        sa.Column("id", sa.String(255), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("country", sa.String(255), nullable=False),
        sa.Column("nuts_codes", sa.JSON, nullable=False),
        sa.Column("nuts_version", sa.Integer, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_known_region"),
    )
    op.create_table(
        "known_facility",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_known_facility"),
    )


def downgrade() -> None:
    for table in (
        "known_facility",
        "known_region",
        "sign_in_attempts",
        "signing_key",
        "refresh_token",
        "session",
        "role_grant",
        "size_declaration",
        "organisation",
        "person",
    ):
        op.drop_table(table)
