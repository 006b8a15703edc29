"""Equipment that is out of order or maintained."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.booking import queries
from services.booking.domain.refusals import NoSuchEquipment, RulesBroken, WrongState
from services.booking.domain.states import DowntimeKind
from services.booking.models import Booking, Downtime
from shared.contracts.booking import DowntimeChanged
from shared.errors import Fault
from shared.unit_of_work import UnitOfWork


def record_downtime(
    uow: UnitOfWork,
    *,
    equipment_id: UUID,
    kind: DowntimeKind,
    starts_at: datetime,
    ends_at: datetime | None,
    reason: str,
) -> tuple[Downtime, Sequence[Booking]]:
    """Block equipment; answers with the bookings that this hits. Operators of the facility only."""
    # Its lock: nobody is given a slot in this time while it is being blocked.
    equipment = queries.equipment_for_update(uow.session, equipment_id)
    if equipment is None:
        raise NoSuchEquipment("There is no such equipment.")
    uow.actor.must_operate(equipment.facility_id)
    _must_end_after(starts_at, ends_at)
    downtime = Downtime(
        sequence=1,
        equipment_id=equipment.id,
        facility_id=equipment.facility_id,
        region_id=equipment.region_id,
        kind=kind,
        starts_at=starts_at,
        ends_at=ends_at,
        reason=reason,
        withdrawn=False,
        recorded_at=uow.now,
        recorded_by=uow.actor.id,
    )
    uow.session.add(downtime)
    uow.session.flush()
    _tell(uow, downtime)
    return downtime, queries.bookings_hit_by(uow.session, equipment_id, starts_at, ends_at)


def end_downtime(uow: UnitOfWork, downtime_id: UUID, *, ends_at: datetime | None = None) -> Downtime:
    """Say when it ended or will end; now, if not given."""
    downtime = _taken_in_hand(uow, downtime_id)
    _must_end_after(downtime.starts_at, ends_at or uow.now)
    downtime.ends_at = ends_at or uow.now
    return _changed(uow, downtime)


def withdraw_downtime(uow: UnitOfWork, downtime_id: UUID) -> Downtime:
    """It was entered by mistake and counts for nothing."""
    downtime = _taken_in_hand(uow, downtime_id)
    downtime.withdrawn = True
    return _changed(uow, downtime)


def _taken_in_hand(uow: UnitOfWork, downtime_id: UUID) -> Downtime:
    downtime = queries.downtime_for_update(uow.session, downtime_id)
    uow.actor.must_operate(downtime.facility_id)
    # Its lock: a longer downtime must not run into a slot that is being given away.
    queries.equipment_for_update(uow.session, downtime.equipment_id)
    if downtime.withdrawn:
        raise WrongState("This downtime was withdrawn.")
    return downtime


def _must_end_after(starts_at: datetime, ends_at: datetime | None) -> None:
    if ends_at is not None and ends_at <= starts_at:
        fault = Fault("ends-before-start", "The end must be after the start.", "ends_at")
        raise RulesBroken("This time cannot be.", faults=[fault])


def _changed(uow: UnitOfWork, downtime: Downtime) -> Downtime:
    downtime.sequence += 1
    uow.session.flush()
    _tell(uow, downtime)
    return downtime


def _tell(uow: UnitOfWork, downtime: Downtime) -> None:
    uow.emit(
        DowntimeChanged(
            sequence=downtime.sequence,
            downtime_id=downtime.id,
            equipment_id=downtime.equipment_id,
            facility_id=downtime.facility_id,
            region_id=downtime.region_id,
            kind=downtime.kind.value,
            starts_at=downtime.starts_at,
            ends_at=downtime.ends_at,
            reason=downtime.reason,
            withdrawn=downtime.withdrawn,
        )
    )
