"""A small catalogue to work with: two regions, three labs, a dozen instruments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from services.catalogue import commands
from services.catalogue.app import SERVICE
from services.catalogue.models import Equipment, Facility
from shared.service import Instance
from shared.unit_of_work import UnitOfWork
from tests.conftest import MONDAY


@pytest.fixture
def catalogue(make_instance: Callable[..., Instance]) -> Instance:
    return make_instance(SERVICE, public_url="https://infrashare.example")


@pytest.fixture
def uow(catalogue: Instance) -> Iterator[UnitOfWork]:
    """Work that is still going on; it commits when the test is over."""
    with catalogue.begin(now=MONDAY) as work:
        yield work


def enter_regions(uow: UnitOfWork) -> None:
    commands.enter_region(
        uow,
        id="south-moravia",
        name="South Moravia",
        country="CZ",
        nuts_codes=["CZ064"],
        time_zone="Europe/Prague",
        languages=["cs"],
    )
    commands.enter_region(
        uow,
        id="skane",
        name="Skåne",
        country="SE",
        nuts_codes=["SE224"],
        time_zone="Europe/Stockholm",
        languages=["sv"],
        summary="Life science and advanced materials.",
    )


def open_lab(uow: UnitOfWork, name: str, region_id: str, **facts: Any) -> Facility:
    host = commands.register_host(uow, name=f"{name} Foundation")
    return commands.open_facility(uow, name=name, host_id=host.id, region_id=region_id, **facts)


def publish(uow: UnitOfWork, facility: Facility, name: str, *techniques: str, **facts: Any) -> Equipment:
    return commands.publish_equipment(uow, facility_id=facility.id, name=name, techniques=techniques, **facts)


@pytest.fixture
def lab(uow: UnitOfWork) -> Facility:
    """A lab in South Moravia, in work that is going on."""
    enter_regions(uow)
    return open_lab(uow, "Imaginary Tomography Lab", "south-moravia", town="Brno", contact_email="lab@lab.example")


Judged = dict[str, Equipment]


@pytest.fixture
def judged(catalogue: Instance) -> Judged:
    """Instruments for searches whose right answers were decided by a person; committed."""
    with catalogue.begin(now=MONDAY) as uow:
        enter_regions(uow)
        brno = open_lab(uow, "Imaginary Tomography Lab", "south-moravia", town="Brno")
        lund = open_lab(uow, "Invented Materials Lab", "skane", town="Lund")
        food = open_lab(uow, "Made-up Food Pilot", "skane", town="Malmö")
        made = {
            "nano-ct": publish(
                uow,
                brno,
                "Nano-CT 3D X-ray microscope",
                "x-ray-ct",
                description="Finds pores and cracks in metal, polymer and ceramic samples up to 60 mm across.",
                keywords=["casting", "battery"],
                kind="imaging-system",
                access_types=["physical", "mail-in"],
                operator_needed=True,
                trl_min=4,
                trl_max=7,
            ),
            "large-ct": publish(
                uow,
                lund,
                "X-ray scanner for large parts",
                "x-ray-ct",
                "metrology-3d",
                description="Scans castings and assemblies and compares them with the drawing.",
                kind="imaging-system",
            ),
            "sem": publish(
                uow,
                brno,
                "Field emission electron microscope",
                "sem",
                description="Shows fracture surfaces and grains at high magnification.",
                keywords=["failure analysis"],
                kind="microscope",
                access_modes=["market", "excellence"],
            ),
            "metal-printer": publish(
                uow,
                lund,
                "Metal printing island",
                "metal-am",
                description="Builds parts of titanium and aluminium powder, layer by layer.",
                kind="printer",
            ),
            "lc-ms": publish(
                uow,
                brno,
                "Tandem mass spectrometer for residues",
                "lc-ms",
                description="Measures traces of pesticides in water and food.",
                kind="spectrometer",
                access_types=["mail-in"],
            ),
            "fermenter": publish(
                uow,
                food,
                "300 litre bioreactor",
                "fermentation",
                description="Grows yeast and bacteria under control, with downstream separation next door.",
                kind="reactor",
            ),
            "dryer": publish(
                uow,
                food,
                "Spray dryer for powders",
                "drying",
                description="Makes powder of milk, juice or enzymes.",
                kind="pilot-line",
            ),
            "emc": publish(
                uow,
                lund,
                "Vehicle radio interference chamber",
                "emc-testing",
                description="Shows whether a control unit disturbs others before it goes to certification.",
                kind="chamber",
            ),
            "draft": publish(uow, lund, "Secret tomography prototype", "x-ray-ct", state="draft"),
        }
    return made
