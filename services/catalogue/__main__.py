"""`python -m services.catalogue web|worker|migrate`, and `import FILE`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from services.catalogue import commands
from services.catalogue.app import SERVICE
from services.catalogue.domain.formats import BUILT_IN, INFRASHARE_CSV
from services.catalogue.domain.imports import ImportReport
from shared.cli import CANNOT_START, main
from shared.config import ConfigError
from shared.errors import DomainError
from shared.service import Instance

REFUSED, SOME_REJECTED = 1, 2
EXAMPLES = 5  # rows named for each rule


def import_file(arguments: list[str]) -> int:
    """Take in a file from the command line; the exit status says whether all of it was taken."""
    parser = argparse.ArgumentParser(
        prog="python -m services.catalogue import",
        description="Take in a file of equipment. Exit status: 0 all rows, 2 some rejected, 1 refused.",
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("--format", choices=BUILT_IN, default=INFRASHARE_CSV)
    parser.add_argument("--mapping", type=Path, help="TOML file that says what the columns mean")
    parser.add_argument("--facility", help="id or slug of the facility that all rows are of")
    parser.add_argument("--dry-run", action="store_true", help="only say what would happen")
    parser.add_argument("--data", type=Path, help="folder of an embedded installation: catalogue.db in it")
    given = parser.parse_args(arguments)
    out, err = Console(), Console(stderr=True)
    if given.data:
        os.environ["CATALOGUE_DATABASE_URL"] = f"sqlite:///{(given.data / 'catalogue.db').resolve()}"
    try:
        content = given.file.read_bytes()
        mapping = given.mapping.read_text("utf-8") if given.mapping else ""
        instance = Instance.from_env(SERVICE)
    except (OSError, UnicodeError, ConfigError) as error:
        err.print(f"[bold red]{error}[/]", highlight=False)
        return CANNOT_START if isinstance(error, ConfigError) else REFUSED
    instance.migrate()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, console=err, transient=not err.is_terminal) as bar, instance.begin() as uow:
            task = bar.add_task(f"Reading {given.file.name}", total=None)
            report = commands.import_records(
                uow,
                content=content,
                format=given.format,
                mapping=mapping,
                facility_id=given.facility,
                file_name=given.file.name,
                dry_run=given.dry_run,
                progress=lambda done, of: bar.update(task, completed=done, total=of),
            )
            bar.update(task, completed=report.rows, total=report.rows)
    except DomainError as refusal:
        err.print(f"[bold red]Refused:[/] {refusal}", highlight=False)
        for fault in refusal.faults:
            err.print(f"  {fault.code}: {fault.detail}", highlight=False, markup=False)
        return REFUSED
    finally:
        instance.database.close()
    show(report, out)
    return SOME_REJECTED if report.rejected else 0


def show(report: ImportReport, out: Console) -> None:
    """The report, and the rejected rows grouped by the rule they break."""
    delimiter = {"\t": "tab"}.get(report.delimiter, report.delimiter)
    out.print(f"{report.rows} rows, {report.encoding}, delimiter {delimiter}", highlight=False, markup=False)
    done = "would be " if report.dry_run else ""
    out.print(
        f"{report.created} {done}created, {report.updated} {done}updated, {report.unchanged} unchanged, "
        f"{report.rejected_rows} rejected; {report.facilities_created} facilities {done}opened",
        highlight=False,
    )
    for label, names in (
        ("Columns not read", report.columns_not_read),
        ("Regions not known, filed under their country", report.regions_not_known),
        ("Techniques not in the vocabulary, kept as keywords", report.techniques_not_known),
    ):
        if names:
            shown = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
            out.print(f"{label}: {shown}", highlight=False, markup=False)
    if not report.rejected:
        return
    table = Table(title="Rejected rows, by rule", title_justify="left")
    table.add_column("Rule")
    table.add_column("Rows", justify="right")
    table.add_column("Where and why")
    for code, refusals in report.rejected_by_rule:
        lines = [f"row {refusal.row}: {refusal.detail}" for refusal in refusals[:EXAMPLES]]
        if len(refusals) > EXAMPLES:
            lines.append("rows " + ", ".join(str(refusal.row) for refusal in refusals[EXAMPLES:]))
        table.add_row(code, str(len(refusals)), "\n".join(lines).replace("[", r"\["))
    out.print(table)


if __name__ == "__main__":
    if sys.argv[1:2] == ["import"]:
        sys.exit(import_file(sys.argv[2:]))
    main(SERVICE)
