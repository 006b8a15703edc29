"""Imports from the command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from services.catalogue.__main__ import import_file
from services.catalogue.app import SERVICE
from shared.database import Database
from shared.service import Instance
from tests.catalogue.conftest import enter_regions
from tests.conftest import OwnKeys

ROWS = "id,name,facility,region,techniques\n1,Saw,Made-up Lab,skane,alchemy\n2,,Made-up Lab,skane,\n3,X,Lab,,\n"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder of an embedded installation with two regions."""
    monkeypatch.setenv("CATALOGUE_DATABASE_URL", "")
    database = Database(f"sqlite:///{tmp_path / 'catalogue.db'}")
    instance = Instance(
        SERVICE, SERVICE.config(database_url=f"sqlite:///{tmp_path / 'catalogue.db'}"), database, OwnKeys()
    )
    instance.migrate()
    with instance.begin() as uow:
        enter_regions(uow)
    database.close()
    return tmp_path


def write(data: Path, name: str, text: str) -> str:
    path = data / name
    path.write_text(text, "utf-8")
    return str(path)


def test_rows_are_taken_in_and_rejected_ones_shown_by_rule(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(data, "list.csv", ROWS)
    assert import_file([file, "--data", str(data), "--dry-run"]) == 2
    assert "1 would be created" in capsys.readouterr().out
    assert import_file([file, "--data", str(data)]) == 2
    out = " ".join(capsys.readouterr().out.split())
    assert "3 rows, utf-8, delimiter ," in out
    assert "1 created, 0 updated, 0 unchanged, 2 rejected; 1 facilities opened" in out
    assert "kept as keywords: alchemy" in out
    assert "Rejected rows, by rule" in out
    assert "name-missing" in out
    assert "place-missing" in out
    assert "row 3: Say what it is called." in out
    assert import_file([file, "--data", str(data)]) == 2
    assert "0 created, 0 updated, 1 unchanged" in capsys.readouterr().out


def test_a_file_without_fault_ends_well(data: Path) -> None:
    mapping = write(data, "m.toml", 'source = "s"\n[fields]\nname = "t"\nfacility = { value = "L" }\ncountry = "c"\n')
    file = write(data, "list.csv", "t;c\nMill;SE\n")
    assert import_file([file, "--data", str(data), "--mapping", mapping]) == 0


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("none.csv", None, "No such file"),
        ("bad.csv", "title\nx\n", "column-missing"),
        ("empty.csv", "", "The file is empty."),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(
    data: Path, capsys: pytest.CaptureFixture[str], name: str, text: str | None, says: str
) -> None:
    file = str(data / name) if text is None else write(data, name, text)
    assert import_file([file, "--data", str(data)]) == 1
    assert says in " ".join(capsys.readouterr().err.split())


def test_the_verb_is_there_beside_the_others(data: Path) -> None:
    file = write(data, "list.csv", ROWS)
    verb = [sys.executable, "-m", "services.catalogue", "import", file, "--data", str(data), "--dry-run"]
    done = subprocess.run(verb, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "would be created" in done.stdout
