"""`python -m services.usage_stats web|worker|migrate`, and `rebuild`: count every day anew from the facts."""

from __future__ import annotations

import sys

from rich.progress import Progress

from services.usage_stats import commands, queries
from services.usage_stats.app import SERVICE
from shared import cli
from shared.config import ConfigError
from shared.service import Instance


def rebuild(stats: Instance) -> int:
    """Count all days of all equipment anew, one piece after the other; how many pieces. Safe while others work."""
    with stats.snapshot() as session:
        equipment = queries.all_equipment(session)
    with Progress() as progress:
        for equipment_id in progress.track(equipment, description="Counting equipment anew"):
            with stats.begin() as uow:
                commands.rebuild(uow, equipment_id)
    return len(equipment)


def main() -> None:
    if sys.argv[1:] != ["rebuild"]:
        cli.main(SERVICE)
        return
    try:
        stats = Instance.from_env(SERVICE)
    except ConfigError as error:
        print(error, file=sys.stderr)
        sys.exit(cli.CANNOT_START)
    try:
        print(f"{rebuild(stats)} pieces of equipment counted anew")
    finally:
        stats.database.close()


if __name__ == "__main__":
    main()
