"""Use cases that change something. Each is handed a unit of work and never commits it."""

from services.booking.commands.downtime import end_downtime, record_downtime, withdraw_downtime
from services.booking.commands.replicas import learn_equipment, learn_facility, learn_organisation
from services.booking.commands.requests import approve, cancel, decline, expire, request_slot, withdraw
from services.booking.commands.settings import (
    extend_closed_days,
    set_opening_hours,
    set_prices,
    set_rules,
)
from services.booking.commands.use import check_in, check_out, close_missed, record_no_show

__all__ = [
    "approve",
    "cancel",
    "check_in",
    "check_out",
    "close_missed",
    "decline",
    "end_downtime",
    "expire",
    "extend_closed_days",
    "learn_equipment",
    "learn_facility",
    "learn_organisation",
    "record_downtime",
    "record_no_show",
    "request_slot",
    "set_opening_hours",
    "set_prices",
    "set_rules",
    "withdraw",
    "withdraw_downtime",
]
