"""The tables of the catalogue."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import JSON, CheckConstraint, Double, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column, relationship

from services.catalogue.domain.records import EquipmentState, Kind
from shared.database import COLUMN_TYPES, Counter, new_metadata


class Base(MappedAsDataclass, DeclarativeBase):
    metadata = new_metadata()
    type_annotation_map = COLUMN_TYPES


class Region(Base, kw_only=True):
    """A set of NUTS codes of mixed levels; what is outside all of them is filed under its country."""

    __tablename__ = "region"

    id: Mapped[str] = mapped_column(String(80), primary_key=True)  # a readable slug
    name: Mapped[str]
    country: Mapped[str] = mapped_column(String(2))
    nuts_codes: Mapped[list[str]]
    nuts_version: Mapped[int]
    time_zone: Mapped[str] = mapped_column(String(64))
    languages: Mapped[list[str]] = mapped_column(default_factory=list)
    holiday_subdivision: Mapped[str | None] = mapped_column(String(16), default=None)
    summary: Mapped[str] = mapped_column(Text, default="")
    sequence: Mapped[int] = mapped_column(default=1)

    @property
    def is_country(self) -> bool:
        """Whether it stands for a whole country, as records from elsewhere do."""
        return self.nuts_codes == [self.country] or not self.nuts_codes

    @property
    def nuts(self) -> list[dict[str, Any]]:
        """The codes with their level, country 0 to 3, and the version they are of."""
        return [{"code": code, "level": len(code) - 2, "version": self.nuts_version} for code in self.nuts_codes]


class Host(Base, kw_only=True):
    """An organisation that owns facilities."""

    __tablename__ = "host"

    id: Mapped[UUID] = mapped_column(primary_key=True, default_factory=uuid4)
    slug: Mapped[str] = mapped_column(String(100), unique=True)
    name: Mapped[str]
    name_key: Mapped[str] = mapped_column(unique=True)  # what two spellings of one name share
    country: Mapped[str] = mapped_column(String(2), default="")
    website: Mapped[str] = mapped_column(default="")
    ror: Mapped[str] = mapped_column(String(40), default="")  # of the Research Organization Registry


class Facility(Base, kw_only=True):
    """A place with equipment, run by one host."""

    __tablename__ = "facility"
    __table_args__ = (UniqueConstraint("region_id", "name_key"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default_factory=uuid4)
    slug: Mapped[str] = mapped_column(String(100), unique=True)
    name: Mapped[str]
    name_key: Mapped[str]
    host_id: Mapped[UUID] = mapped_column(ForeignKey("host.id"), index=True)
    region_id: Mapped[str] = mapped_column(String(80), ForeignKey("region.id"), index=True)
    time_zone: Mapped[str] = mapped_column(String(64))  # of the region, where nothing else is known
    holiday_subdivision: Mapped[str | None] = mapped_column(String(16), default=None)
    town: Mapped[str] = mapped_column(default="")
    address: Mapped[str] = mapped_column(default="")
    latitude: Mapped[float | None] = mapped_column(Double, default=None)
    longitude: Mapped[float | None] = mapped_column(Double, default=None)
    website: Mapped[str] = mapped_column(default="")
    description: Mapped[str] = mapped_column(Text, default="")
    contact_email: Mapped[str] = mapped_column(default="")
    open: Mapped[bool] = mapped_column(default=True)
    sequence: Mapped[int] = mapped_column(default=1)

    host: Mapped[Host] = relationship(init=False, lazy="joined", innerjoin=True, viewonly=True)
    region: Mapped[Region] = relationship(init=False, lazy="joined", innerjoin=True, viewonly=True)


class Technique(Base, kw_only=True):
    """An entry of the vocabulary of what equipment does."""

    __tablename__ = "technique"

    code: Mapped[str] = mapped_column(String(80), primary_key=True)
    label: Mapped[str]
    group: Mapped[str] = mapped_column("group_name")
    drawing: Mapped[str] = mapped_column(String(32), default="plain")
    synonyms: Mapped[str] = mapped_column(Text, default="")


class EquipmentTechnique(Base, kw_only=True):
    """That a piece of equipment can do something; the first is what it is mainly for."""

    __tablename__ = "equipment_technique"

    equipment_id: Mapped[UUID] = mapped_column(ForeignKey("equipment.id", ondelete="CASCADE"), primary_key=True)
    technique_code: Mapped[str] = mapped_column(String(80), ForeignKey("technique.code"), primary_key=True, index=True)
    place: Mapped[int]

    technique: Mapped[Technique] = relationship(init=False, lazy="joined", innerjoin=True, viewonly=True)


class Equipment(Base, kw_only=True):
    """What can be found and booked: a thing, a whole facility, or a service."""

    __tablename__ = "equipment"
    __table_args__ = (
        UniqueConstraint("source", "source_id"),
        CheckConstraint("units >= 1", name="some_units"),
        Index("ix_equipment_facility_id_state", "facility_id", "state"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default_factory=uuid4)
    slug: Mapped[str] = mapped_column(String(100), unique=True)
    facility_id: Mapped[UUID] = mapped_column(ForeignKey("facility.id"))
    name: Mapped[str]
    description: Mapped[str] = mapped_column(Text, default="")
    kind: Mapped[Kind] = mapped_column(default=Kind.EQUIPMENT)
    keywords: Mapped[list[str]] = mapped_column(default_factory=list)
    units: Mapped[int] = mapped_column(default=1)  # like pieces that can be booked side by side
    access_types: Mapped[list[str]] = mapped_column(default_factory=list)
    access_modes: Mapped[list[str]] = mapped_column(default_factory=list)
    operator_needed: Mapped[bool] = mapped_column(default=False)
    trl_min: Mapped[int | None] = mapped_column(default=None)
    trl_max: Mapped[int | None] = mapped_column(default=None)
    drawing: Mapped[str] = mapped_column(String(32), default="")  # "": that of its first technique
    website: Mapped[str] = mapped_column(default="")
    manufacturer: Mapped[str] = mapped_column(default="")
    model: Mapped[str] = mapped_column(default="")
    state: Mapped[EquipmentState] = mapped_column(default=EquipmentState.PUBLISHED)
    commissioned_on: Mapped[date | None] = mapped_column(default=None)
    decommissioned_on: Mapped[date | None] = mapped_column(default=None)
    source: Mapped[str | None] = mapped_column(default=None)  # with `source_id` the key of an imported record
    source_id: Mapped[str | None] = mapped_column(default=None)
    edited_fields: Mapped[list[str]] = mapped_column(default_factory=list)  # changed by a person; imports keep off
    changed_at: Mapped[datetime]
    sequence: Mapped[int] = mapped_column(default=1)

    facility: Mapped[Facility] = relationship(init=False, lazy="joined", innerjoin=True, viewonly=True)
    uses: Mapped[list[EquipmentTechnique]] = relationship(
        init=False, lazy="selectin", viewonly=True, order_by=EquipmentTechnique.place
    )

    @property
    def techniques(self) -> list[Technique]:
        return [use.technique for use in self.uses]

    @property
    def shown_drawing(self) -> str:
        """What stands where a photograph is missing."""
        drawings = (technique.drawing for technique in self.techniques)
        return self.drawing or next((drawing for drawing in drawings if drawing != "plain"), "plain")


class Import(Base, kw_only=True):
    """A file that was taken in: who, when, and what came of it."""

    __tablename__ = "import"

    id: Mapped[UUID] = mapped_column(primary_key=True, default_factory=uuid4)
    actor_id: Mapped[UUID]
    imported_at: Mapped[datetime]
    format: Mapped[str] = mapped_column(String(32))
    source: Mapped[str]
    file_name: Mapped[str]
    file_hash: Mapped[str] = mapped_column(String(64))
    encoding: Mapped[str] = mapped_column(String(32))
    created: Mapped[int]
    updated: Mapped[int]
    unchanged: Mapped[int]
    rejected: Mapped[list[dict[str, Any]]] = mapped_column(JSON)


class SourceRecord(Base, kw_only=True):
    """A row as it came, untouched, beside the record that was made of it."""

    __tablename__ = "source_record"
    __table_args__ = (UniqueConstraint("source", "source_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default_factory=uuid4)
    equipment_id: Mapped[UUID] = mapped_column(ForeignKey("equipment.id", ondelete="CASCADE"), index=True)
    import_id: Mapped[UUID] = mapped_column(ForeignKey("import.id"), index=True)  # that changed it last
    source: Mapped[str]
    source_id: Mapped[str]
    row: Mapped[dict[str, Any]]
    row_hash: Mapped[str] = mapped_column(String(64))
    file_hash: Mapped[str] = mapped_column(String(64))
    imported_at: Mapped[datetime]
    confirmed_at: Mapped[datetime]  # when a file last had this row


class SearchDocument(Base, kw_only=True):
    """The words by which published equipment is found, field by field; each text is ` word word `.

    The full-text index of `words` is made by the migration: on PostgreSQL an index on an expression, on
    SQLite a virtual table that triggers keep. Both are called `search_index`.
    """

    __tablename__ = "search_document"
    number: Mapped[int] = mapped_column(Counter, primary_key=True, init=False, autoincrement=True)
    equipment_id: Mapped[UUID] = mapped_column(ForeignKey("equipment.id", ondelete="CASCADE"), unique=True)
    sort_name: Mapped[str]
    words: Mapped[str] = mapped_column(Text)  # of all fields, each once
    name_words: Mapped[str] = mapped_column(Text)
    technique_words: Mapped[str] = mapped_column(Text)
    keyword_words: Mapped[str] = mapped_column(Text)
    place_words: Mapped[str] = mapped_column(Text)
    description_words: Mapped[str] = mapped_column(Text)


class SearchFacet(Base, kw_only=True):
    """One value by which published equipment can be narrowed down."""

    __tablename__ = "search_facet"
    __table_args__ = (Index("ix_search_facet_facet_value", "facet", "value"),)

    number: Mapped[int] = mapped_column(
        Counter, ForeignKey("search_document.number", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    facet: Mapped[str] = mapped_column(String(16), primary_key=True)
    value: Mapped[str] = mapped_column(String(100), primary_key=True)
