"""Regions, hosts, facilities, equipment, their sources, and what they are found by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from shared.database import Counter, UtcDateTime

revision = "0001"
down_revision = None

# A full-text index over the words that the service has made itself; the tokenizer only splits at spaces.
_SQLITE_INDEX = (
    "CREATE VIRTUAL TABLE search_index USING fts5("
    "words, content='search_document', content_rowid='number', "
    "tokenize='unicode61 remove_diacritics 0', prefix='3 4', detail='none')",
    "CREATE TRIGGER search_document_inserted AFTER INSERT ON search_document BEGIN "
    "INSERT INTO search_index (rowid, words) VALUES (new.number, new.words); END",
    "CREATE TRIGGER search_document_deleted AFTER DELETE ON search_document BEGIN "
    "INSERT INTO search_index (search_index, rowid, words) VALUES ('delete', old.number, old.words); END",
    "CREATE TRIGGER search_document_updated AFTER UPDATE OF words ON search_document BEGIN "
    "INSERT INTO search_index (search_index, rowid, words) VALUES ('delete', old.number, old.words); "
    "INSERT INTO search_index (rowid, words) VALUES (new.number, new.words); END",
)
_POSTGRESQL_INDEX = (
    "CREATE INDEX search_index ON search_document USING gin (array_to_tsvector(string_to_array(btrim(words), ' ')))",
)


def upgrade() -> None:
    op.create_table(
        "region",
        sa.Column("id", sa.String(80), primary_key=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("country", sa.String(2), nullable=False),
        sa.Column("nuts_codes", sa.JSON, nullable=False),
        sa.Column("nuts_version", sa.Integer, nullable=False),
        sa.Column("time_zone", sa.String(64), nullable=False),
        sa.Column("languages", sa.JSON, nullable=False),
        sa.Column("holiday_subdivision", sa.String(16)),
        sa.Column("summary", sa.Text, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
    )
    op.create_table(
        "host",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("slug", sa.String(100), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("name_key", sa.String(255), nullable=False),
        sa.Column("country", sa.String(2), nullable=False),
        sa.Column("website", sa.String(255), nullable=False),
        sa.Column("ror", sa.String(40), nullable=False),
        sa.UniqueConstraint("slug", name="uq_host_slug"),
        sa.UniqueConstraint("name_key", name="uq_host_name_key"),
    )
    op.create_table(
        "technique",
        sa.Column("code", sa.String(80), primary_key=True),
        sa.Column("label", sa.String(255), nullable=False),
        sa.Column("group_name", sa.String(255), nullable=False),
        sa.Column("drawing", sa.String(32), nullable=False),
        sa.Column("synonyms", sa.Text, nullable=False),
    )
    op.create_table(
        "facility",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("slug", sa.String(100), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("name_key", sa.String(255), nullable=False),
        sa.Column("host_id", sa.Uuid, sa.ForeignKey("host.id", name="fk_facility_host_id_host"), nullable=False),
        sa.Column(
            "region_id",
            sa.String(80),
            sa.ForeignKey("region.id", name="fk_facility_region_id_region"),
            nullable=False,
        ),
        sa.Column("time_zone", sa.String(64), nullable=False),
        sa.Column("holiday_subdivision", sa.String(16)),
        sa.Column("town", sa.String(255), nullable=False),
        sa.Column("address", sa.String(255), nullable=False),
        sa.Column("latitude", sa.Double),
        sa.Column("longitude", sa.Double),
        sa.Column("website", sa.String(255), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("contact_email", sa.String(255), nullable=False),
        sa.Column("open", sa.Boolean, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.UniqueConstraint("slug", name="uq_facility_slug"),
        sa.UniqueConstraint("region_id", "name_key", name="uq_facility_region_id_name_key"),
    )
    op.create_index("ix_facility_host_id", "facility", ["host_id"])
    op.create_index("ix_facility_region_id", "facility", ["region_id"])
    _create_equipment()
    _create_sources()
    _create_search()


def _create_equipment() -> None:
    op.create_table(
        "equipment",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("slug", sa.String(100), nullable=False),
        sa.Column(
            "facility_id",
            sa.Uuid,
            sa.ForeignKey("facility.id", name="fk_equipment_facility_id_facility"),
            nullable=False,
        ),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("keywords", sa.JSON, nullable=False),
        sa.Column("units", sa.Integer, nullable=False),
        sa.Column("access_types", sa.JSON, nullable=False),
        sa.Column("access_modes", sa.JSON, nullable=False),
        sa.Column("operator_needed", sa.Boolean, nullable=False),
        sa.Column("trl_min", sa.Integer),
        sa.Column("trl_max", sa.Integer),
        sa.Column("drawing", sa.String(32), nullable=False),
        sa.Column("website", sa.String(255), nullable=False),
        sa.Column("manufacturer", sa.String(255), nullable=False),
        sa.Column("model", sa.String(255), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("commissioned_on", sa.Date),
        sa.Column("decommissioned_on", sa.Date),
        sa.Column("source", sa.String(255)),
        sa.Column("source_id", sa.String(255)),
        sa.Column("edited_fields", sa.JSON, nullable=False),
        sa.Column("changed_at", UtcDateTime, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.UniqueConstraint("slug", name="uq_equipment_slug"),
        sa.UniqueConstraint("source", "source_id", name="uq_equipment_source_source_id"),
        sa.CheckConstraint("units >= 1", name="ck_equipment_some_units"),
    )
    op.create_index("ix_equipment_facility_id_state", "equipment", ["facility_id", "state"])
    op.create_table(
        "equipment_technique",
        sa.Column(
            "equipment_id",
            sa.Uuid,
            sa.ForeignKey("equipment.id", ondelete="CASCADE", name="fk_equipment_technique_equipment_id_equipment"),
            primary_key=True,
        ),
        sa.Column(
            "technique_code",
            sa.String(80),
            sa.ForeignKey("technique.code", name="fk_equipment_technique_technique_code_technique"),
            primary_key=True,
        ),
        sa.Column("place", sa.Integer, nullable=False),
    )
    op.create_index("ix_equipment_technique_technique_code", "equipment_technique", ["technique_code"])


def _create_sources() -> None:
    op.create_table(
        "import",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column("actor_id", sa.Uuid, nullable=False),
        sa.Column("imported_at", UtcDateTime, nullable=False),
        sa.Column("format", sa.String(32), nullable=False),
        sa.Column("source", sa.String(255), nullable=False),
        sa.Column("file_name", sa.String(255), nullable=False),
        sa.Column("file_hash", sa.String(64), nullable=False),
        sa.Column("encoding", sa.String(32), nullable=False),
        sa.Column("created", sa.Integer, nullable=False),
        sa.Column("updated", sa.Integer, nullable=False),
        sa.Column("unchanged", sa.Integer, nullable=False),
        sa.Column("rejected", sa.JSON, nullable=False),
    )
    op.create_table(
        "source_record",
        sa.Column("id", sa.Uuid, primary_key=True),
        sa.Column(
            "equipment_id",
            sa.Uuid,
            sa.ForeignKey("equipment.id", ondelete="CASCADE", name="fk_source_record_equipment_id_equipment"),
            nullable=False,
        ),
        sa.Column(
            "import_id",
            sa.Uuid,
            sa.ForeignKey("import.id", name="fk_source_record_import_id_import"),
            nullable=False,
        ),
        sa.Column("source", sa.String(255), nullable=False),
        sa.Column("source_id", sa.String(255), nullable=False),
        sa.Column("row", sa.JSON, nullable=False),
        sa.Column("row_hash", sa.String(64), nullable=False),
        sa.Column("file_hash", sa.String(64), nullable=False),
        sa.Column("imported_at", UtcDateTime, nullable=False),
        sa.Column("confirmed_at", UtcDateTime, nullable=False),
        sa.UniqueConstraint("source", "source_id", name="uq_source_record_source_source_id"),
    )
    op.create_index("ix_source_record_equipment_id", "source_record", ["equipment_id"])
    op.create_index("ix_source_record_import_id", "source_record", ["import_id"])


def _create_search() -> None:
    op.create_table(
        "search_document",
        sa.Column("number", Counter, primary_key=True, autoincrement=True),
        sa.Column(
            "equipment_id",
            sa.Uuid,
            sa.ForeignKey("equipment.id", ondelete="CASCADE", name="fk_search_document_equipment_id_equipment"),
            nullable=False,
        ),
        sa.Column("sort_name", sa.String(255), nullable=False),
        sa.Column("words", sa.Text, nullable=False),
        sa.Column("name_words", sa.Text, nullable=False),
        sa.Column("technique_words", sa.Text, nullable=False),
        sa.Column("keyword_words", sa.Text, nullable=False),
        sa.Column("place_words", sa.Text, nullable=False),
        sa.Column("description_words", sa.Text, nullable=False),
        sa.UniqueConstraint("equipment_id", name="uq_search_document_equipment_id"),
    )
    op.create_table(
        "search_facet",
        sa.Column(
            "number",
            Counter,
            sa.ForeignKey("search_document.number", ondelete="CASCADE", name="fk_search_facet_number_search_document"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("facet", sa.String(16), primary_key=True),
        sa.Column("value", sa.String(100), primary_key=True),
    )
    op.create_index("ix_search_facet_facet_value", "search_facet", ["facet", "value"])
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in _SQLITE_INDEX if on_sqlite else _POSTGRESQL_INDEX:
        op.execute(statement)
