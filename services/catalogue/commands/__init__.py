"""Use cases of the catalogue that write."""

from services.catalogue.commands.equipment import change_equipment, publish_equipment, withdraw_equipment
from services.catalogue.commands.imports import import_records
from services.catalogue.commands.places import (
    change_facility,
    change_region,
    enter_region,
    enter_techniques,
    open_facility,
    register_host,
)

__all__ = [
    "change_equipment",
    "change_facility",
    "change_region",
    "enter_region",
    "enter_techniques",
    "import_records",
    "open_facility",
    "publish_equipment",
    "register_host",
    "withdraw_equipment",
]
