"""Words, tables as they arrive, and what their columns mean."""

from __future__ import annotations

import codecs
from typing import Any

import pytest

from services.catalogue.domain import files, records
from services.catalogue.domain.files import FileRefused, read_table
from services.catalogue.domain.formats import MappingBroken, infrashare_csv, parse_mapping, uniquip
from services.catalogue.domain.mapping import Record, TableMapping
from services.catalogue.domain.records import EquipmentState, Kind
from services.catalogue.domain.search import rarity
from services.catalogue.domain.vocabulary import TECHNIQUES
from services.catalogue.domain.words import excerpt, folded, indexed, name_key, query_words, slug, stem

# ---------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Skåne", "skane"),
        ("GROẞE Straße", "grosse strasse"),
        ("Łódź", "lodz"),
        ("smørrebrød", "smorrebrod"),
        ("ﬁbre ½ µm", "fibre 1⁄2 μm"),
        ("Пермь", "пермь"),
    ],
)
def test_folding_takes_marks_away(text: str, plain: str) -> None:
    assert folded(text) == plain


@pytest.mark.parametrize(
    "forms",
    [
        ("microscope", "microscopes", "microscopy"),
        ("spectrometer", "spectrometry", "spectrometric"),
        ("chromatograph", "chromatography"),
        ("fermentation", "fermenter", "fermented"),
    ],
)
def test_forms_of_a_word_share_a_stem(forms: tuple[str, ...]) -> None:
    assert len({stem(form) for form in forms}) == 1


def test_a_text_is_indexed_under_the_ways_it_may_be_typed() -> None:
    words = indexed("Präzisions-CT QExactive X-ray").split()
    for typed in ("prazisions", "praezisions", "ct", "prazisionsct", "exactive", "qexactive", "x", "ray", "xray"):
        assert typed in words
    assert len(words) == len(set(words))
    assert indexed("", " ?! ") == ""


def test_a_query_keeps_the_words_that_say_something() -> None:
    assert [word.forms[0] for word in query_words("How do I find the pores in metal?")] == ["find", "pores", "metal"]
    assert query_words("metal par")[-1].prefix == "par"
    assert query_words("CT")[-1].prefix == ""
    assert query_words("porosity in the")[-1].prefix == ""  # the last word typed is not one of those kept
    assert query_words(" ?! ") == ()
    assert len(query_words(" ".join(f"w{i}" for i in range(500)))) == 12


@pytest.mark.parametrize(
    ("name", "readable"),
    [("Nano-CT 3D", "nano-ct-3d"), ("Škoda Žďár", "skoda-zdar"), ("测试", "item"), ("a" * 200, "a" * 80), ("", "item")],
)
def test_a_slug_is_readable(name: str, readable: str) -> None:
    assert slug(name) == readable


def test_two_spellings_of_a_name_have_one_key() -> None:
    assert name_key("  Skåne  Lab, Inc. ") == name_key("SKANE LAB INC")


def test_an_excerpt_begins_at_the_sentence_that_answers() -> None:
    text = "Filler without meaning. " * 20 + "It finds Pores in castings. " + "More filler follows here. " * 20
    pieces = excerpt(text, query_words("pore casting"))
    assert [piece for piece, marked in pieces if marked] == ["Pores", "castings"]
    shown = "".join(piece for piece, _ in pieces)
    assert shown.startswith("… It finds")
    assert shown.endswith(" …")
    assert len(shown) < 250
    assert excerpt("Short.", ()) == [("Short.", False)]
    assert excerpt("", query_words("pore")) == []


def test_a_rare_word_is_worth_more() -> None:
    assert rarity(1000, 1000) == 1
    assert rarity(1, 1000) == rarity(0, 1000) == 10
    assert rarity(100, 1000) == 4


def test_the_vocabulary_has_no_doubles_and_sound_codes() -> None:
    assert len({term.code for term in TECHNIQUES}) == len({term.label for term in TECHNIQUES}) == len(TECHNIQUES)
    assert all(records.is_code(term.code) for term in TECHNIQUES)


# ---------------------------------------------------------------- tables as they arrive

TEXT = "name;facility;note\nŠicí stroj “A”;lab-é;naïve – Müller’s\nKøhler Öfen;lab;50 µm ± 2\n"


@pytest.mark.parametrize(
    ("encoding", "mark", "named"),
    [
        ("utf-8", b"", "utf-8"),
        ("utf-8", codecs.BOM_UTF8, "utf-8"),
        ("utf-16-le", codecs.BOM_UTF16_LE, "utf-16"),
        ("utf-16-be", codecs.BOM_UTF16_BE, "utf-16"),
        ("utf-16-le", b"", "utf-16"),
        ("utf-16-be", b"", "utf-16"),
        ("windows-1252", b"", "windows-1252"),
        ("mac-roman", b"", "mac-roman"),
    ],
)
def test_the_encoding_is_found_out(encoding: str, mark: bytes, named: str) -> None:
    text = TEXT.replace("Šicí", "Größte") if encoding in ("mac-roman", "windows-1252") else TEXT
    table = read_table(mark + text.encode(encoding))
    assert table.encoding == named
    assert table.columns == ("name", "facility", "note")
    assert table.rows[0].cells["note"] == "naïve – Müller’s"
    assert table.rows[1].cells["name"] == "Køhler Öfen"


@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
def test_the_delimiter_is_found_out(delimiter: str) -> None:
    table = read_table(f'"a: x;,|"{delimiter}b{delimiter}c\n1{delimiter}2.5{delimiter}"x{delimiter}y"\n'.encode())
    assert table.delimiter == delimiter
    assert table.rows[0].cells == {"a: x;,|": "1", "b": "2.5", "c": f"x{delimiter}y"}


def test_excel_may_say_which_delimiter_it_used() -> None:
    table = read_table(b"sep=|\r\na,b|c\r\n1|2\r\n")
    assert (table.delimiter, table.columns) == ("|", ("a,b", "c"))


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_lines_may_end_as_they_like(ending: str) -> None:
    table = read_table(ending.join(["name,b", '"x",1', "y,2", "", "z,3"]).encode())
    assert [(row.number, row.cells["name"]) for row in table.rows] == [(2, "x"), (3, "y"), (5, "z")]


def test_torn_rows_are_named_and_the_others_read() -> None:
    content = b"name,b,c\ngood,1,2\nshort,1\nlong,1,2,3\ntrailing,1,2,,\nnul,\x00,2\nbell,\x07,1\nlast,1,2\n"
    table = read_table(content)
    assert [row.cells["name"] for row in table.rows] == ["good", "trailing", "last"]
    assert [(bad.row, bad.code) for bad in table.torn] == [
        (3, "ragged-row"),
        (4, "ragged-row"),
        (6, "control-character"),
        (7, "control-character"),
    ]
    assert "2 cells; the header has 3" in table.torn[0].detail


def test_a_quote_that_is_never_closed_takes_only_its_own_rows() -> None:
    table = read_table(b'name,b\ngood,1\n"open,2\nswallowed,3\nalso,4\n')
    assert [row.cells["name"] for row in table.rows] == ["good"]
    assert [(bad.row, bad.code) for bad in table.torn] == [(3, "quote-not-closed")]


def test_several_lines_in_one_cell_are_fine() -> None:
    table = read_table(b'name,b\n"one\ntwo\nthree",1\nnext,2\n')
    assert [row.cells["name"] for row in table.rows] == ["one\ntwo\nthree", "next"]


def test_a_line_of_megabytes_costs_its_own_row() -> None:
    table = read_table(b"name,b\n" + b"x" * 4_000_000 + b",1\nnext,2\n")
    assert [row.cells["name"] for row in table.rows] == ["next"]
    assert [bad.code for bad in table.torn] == ["cell-too-long"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "empty"),
        (b"\n \n\r\n", "empty"),
        (b"x" * (5 * 1024 * 1024 + 1), "larger than 5 MB"),
        (b"name,b\n" + b"x" * 10_000_000, "larger than 5 MB"),
        (b"PK\x03\x04 rest of a spreadsheet", "Save it as CSV"),
        (b"%PDF-1.7", "PDF"),
        (b"\x1f\x8b compressed", "compressed"),
        (b",,,\n1,2,3,4\n", "name the columns"),
        (codecs.BOM_UTF8 + b"\xff\xfe\xff", "does not go on so"),
        (b"a,b\n" + b"1,2\n" * 20_001, "more than 20000 rows"),
        (b",".join(b"c%d" % i for i in range(301)) + b"\n", "301 columns"),
    ],
)
def test_what_is_no_table_is_refused(content: bytes, says: str) -> None:
    with pytest.raises(FileRefused, match=says):
        read_table(content)


def test_every_doubled_column_is_named() -> None:
    with pytest.raises(FileRefused) as refused:
        read_table(b"Name,b,name,B,c\n1,2,3,4,5\n")
    assert [(fault.code, fault.field) for fault in refused.value.faults] == [
        ("duplicate-column", "name"),
        ("duplicate-column", "B"),
    ]


def test_text_is_tidied() -> None:
    assert files.tidy("  a\u00a0b\u200b\u00adc \n d ") == "a bc d"
    assert files.tidy("a \n\n  b ", lines=True) == "a\n\nb"
    assert files.tidy("e\u0301") == "é"


# ---------------------------------------------------------------- what columns mean


def read(mapping: TableMapping, content: str) -> list[tuple[Record, list[str]]]:
    table = read_table(content.encode())
    read_rows = (mapping.record(row) for row in table.rows)
    return [(record, [fault.code for fault in faults]) for record, faults in read_rows]


def own(content: str) -> list[tuple[Record, list[str]]]:
    return read(infrashare_csv(read_table(content.encode()).columns), content)


def test_our_own_columns_are_read_by_their_names() -> None:
    ((record, faults),) = own(
        "ID;Name;kind;techniques;keywords;units;access_types;operator_needed;trl_min;trl_max;commissioned_on;"
        "decommissioned_on;latitude;state;facility\n"
        "7;Big  Microscope;microscope;sem|tem;a, b ,a;2;Mail in|on site;Yes;3;6;2019;31.12.2030;49,19;draft;lab\n"
    )
    assert faults == []
    assert record.source_id == "7"
    assert record.equipment == {
        "name": "Big Microscope",
        "kind": Kind.MICROSCOPE,
        "techniques": ["sem", "tem"],
        "keywords": ["a", "b"],
        "units": 2,
        "access_types": ["mail-in", "physical"],
        "operator_needed": True,
        "trl_min": 3,
        "trl_max": 6,
        "commissioned_on": record.equipment["commissioned_on"],
        "decommissioned_on": record.equipment["decommissioned_on"],
        "state": EquipmentState.DRAFT,
    }
    assert str(record.equipment["commissioned_on"]) == "2019-01-01"
    assert record.place == {"latitude": 49.19, "facility": "lab"}


def test_empty_cells_stand_for_the_usual() -> None:
    ((record, faults),) = own("name,kind,units,access_types,state,trl_min,latitude\nX,,,,,,\n")
    assert faults == []
    assert record.equipment["kind"] is Kind.EQUIPMENT
    assert record.equipment["units"] == 1
    assert record.equipment["access_types"] == ["physical"]
    assert record.equipment["state"] is EquipmentState.PUBLISHED
    assert record.equipment["trl_min"] is None
    assert record.place["latitude"] is None


def test_everything_that_is_wrong_in_a_row_is_said_at_once() -> None:
    ((_, faults),) = own(
        "name,kind,units,trl_min,trl_max,operator_needed,commissioned_on,country,latitude,website\n"
        ",spaceship,many,9,1,maybe,2019-02-30,Sweden,north,javascript:alert(1)\n"
    )
    assert sorted(faults) == sorted(
        [
            "name-missing",
            "not-known",
            "not-a-number",
            "trl-upside-down",
            "not-yes-or-no",
            "not-a-date",
            "not-a-country",
            "not-a-number",
            "not-a-web-address",
        ]
    )


@pytest.mark.parametrize(
    ("column", "cell", "code"),
    [
        ("units", "0", "units-out-of-range"),
        ("units", "9" * 9, "units-out-of-range"),
        ("units", "1180591620717411303424", "not-a-number"),
        ("units", "１２", "not-a-number"),
        ("trl_max", "10", "trl-out-of-range"),
        ("name", "x" * 251, "too-long"),
        ("description", "x" * 10_001, "too-long"),
        ("keywords", "x" * 121, "too-long"),
        ("keywords", ",".join(f"k{i}" for i in range(61)), "too-many-keywords"),
        ("commissioned_on", "0001-01-01", "year-out-of-range"),
        ("commissioned_on", "9999-12-31", "year-out-of-range"),
        ("latitude", "91", "off-the-globe"),
        ("time_zone", "Mars/Olympus", "no-such-zone"),
        ("time_zone", "../../etc/passwd", "no-such-zone"),
        ("contact_email", "a@b@c", "not-an-address"),
        ("website", "https://user:secret@lab.example/", "not-a-web-address"),
        ("id", "x" * 121, "too-long"),
    ],
)
def test_limits(column: str, cell: str, code: str) -> None:
    named = "" if column == "name" else "name,"
    value = "" if column == "name" else "X,"
    ((_, faults),) = own(f'{named}{column}\n{value}"{cell}"\n')
    assert faults == [code]


def test_a_row_without_an_id_is_known_by_what_it_says() -> None:
    one, two, three = own("name,kind\nA,microscope\nA,microscope\nA,printer\n")
    assert one[0].source_id == two[0].source_id != three[0].source_id


UNIQUIP_HEADER = (
    "Type,Name,Description,Related Facility ID,Technique,Location,Contact Name,Contact Telephone,Contact URL,"
    "Contact Email,Secondary Contact Name,Secondary Contact Telephone,Secondary Contact URL,"
    "Secondary Contact Email,ID,Photo,Department,Site Location,Building,Service Level,Web Address\n"
)


def test_uniquip_is_read_as_specified() -> None:
    good, bad = read(
        uniquip(),
        UNIQUIP_HEADER
        + "equipment,Raman bench,Identifies unknown plastics,,Raman:N8,,A. Person,,,desk@uni.example,,,,,"
        "R-1,,Physics,North Campus,Block B,Level 2,https://uni.example/raman\n"
        + "spaceship,,,,,,A. Person,,,,,,,,R-2,,,,,,\n",
    )
    assert good[1] == []
    assert good[0].source_id == "R-1"
    assert good[0].equipment["techniques"] == ["Raman"]
    assert {"Physics", "Block B"} <= set(good[0].equipment["keywords"])
    assert good[0].equipment["website"] == "https://uni.example/raman"
    assert sorted(bad[1]) == ["contact-missing", "name-missing", "not-known"]


def test_uniquip_takes_the_description_for_a_name_where_there_is_none() -> None:
    long = "Very long description of the thing " * 10
    ((record, faults),) = read(uniquip(), UNIQUIP_HEADER + f"facility,,{long},,,,A. Person,1234,,,,,,,F-1,,,,,,\n")
    assert faults == []
    assert record.equipment["name"].endswith(" …")
    assert len(record.equipment["name"]) < 130


MAPPING = """
source = "somewhere"
[fields]
name = "title"
facility = { value = "The Lab" }
host = { column = "owner", before = " Address:", default = "Nobody in particular" }
town = { column = "place", before = ", PO:", only_if_found = true, part = -1 }
keywords = { text = "{tags},{group}", separators = ",", blank = ["TBA"] }
state = { column = "status", values = { "In use" = "published" }, otherwise = "withdrawn" }
latitude = { column = "lat", when = { quality = ["good", "fair"] } }
decommissioned_on = { column = "until", blank = ["2099"] }
model = { column = ["model", "type"] }
"""


def mapped(**cells: str) -> tuple[Record, list[str]]:
    all_cells = (
        dict.fromkeys(
            ["title", "owner", "place", "tags", "group", "status", "lat", "quality", "until", "model", "type"], ""
        )
        | cells
    )
    header = ",".join(all_cells)
    values = ",".join(f'"{value}"' for value in all_cells.values())
    return read(parse_mapping(MAPPING), f"{header}\n{values}\n")[0]


def test_a_mapping_cuts_translates_and_chooses() -> None:
    record, faults = mapped(
        title="Thing",
        owner="University Address: Somewhere 1",
        place="Street 5, Campus, Brno, PO: 60200",
        tags="a,b",
        group="c",
        status="in USE",
        lat="49.2",
        quality="good",
        until="2099",
        type="T-1",
    )
    assert faults == []
    assert record.place["host"] == "University"
    assert record.place["town"] == "Brno"
    assert record.place["latitude"] == 49.2
    assert record.place["facility"] == "The Lab"
    assert record.equipment["keywords"] == ["a", "b", "c"]
    assert record.equipment["state"] is EquipmentState.PUBLISHED
    assert record.equipment["decommissioned_on"] is None
    assert record.equipment["model"] == "T-1"


def test_a_mapping_says_what_stands_for_nothing() -> None:
    record, faults = mapped(title="Thing", place="Somewhere", status="broken", lat="49.2", quality="guessed")
    assert faults == []
    assert record.place["host"] == "Nobody in particular"
    assert record.place["town"] == ""
    assert record.place["latitude"] is None
    assert record.equipment["state"] is EquipmentState.WITHDRAWN


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("not toml [", []),
        ("", ["source-missing", "fields-missing"]),
        ('source = "UPPER CASE"\n[fields]\nname = "n"', ["source-missing"]),
        ('source = "s"\n[fields]\nname = 5\nnonsense = "x"', ["not-a-rule", "not-known"]),
        ('source = "s"\nspeed = 1\ndelimiter = ";;"\n[fields]\nname = "n"', ["not-known", "not-one-sign"]),
        ('source = "s"\n[fields]\nname = { colum = "n" }', ["not-known", "nothing-to-read"]),
        ('source = "s"\n[fields]\nname = { column = "n", part = "last" }', ["not-known"]),
        ('source = "s"\n[fields]\nname = { column = "n", values = { a = 1 } }', ["not-known"]),
        ('source = "s"\n[fields]\nname = { column = "n", when = { a = 1 } }', ["not-known"]),
    ],
)
def test_a_mapping_that_cannot_be_used_says_all_that_is_wrong(text: str, codes: list[str]) -> None:
    with pytest.raises(MappingBroken) as refused:
        parse_mapping(text)
    assert [fault.code for fault in refused.value.faults] == codes


def test_a_mapping_names_every_column_that_is_missing() -> None:
    table = read_table(b"title,owner\nx,y\n")
    missing = [fault.field for fault in parse_mapping(MAPPING).fits(table)]
    assert missing == ["group", "lat", "model", "place", "quality", "status", "tags", "type", "until"]


# ---------------------------------------------------------------- rules of records


@pytest.mark.parametrize(
    ("values", "codes"),
    [
        ({"name": "A", "country": "BE", "nuts_codes": ["BE2", "NL414"], "time_zone": "Europe/Brussels"}, []),
        ({"name": "", "country": "Be", "nuts_codes": ["?"], "time_zone": "Nowhere"}, [
            "name-missing", "not-a-country", "not-a-nuts-code", "no-such-zone",
        ]),
    ],
)  # fmt: skip
def test_a_region_is_checked(values: dict[str, Any], codes: list[str]) -> None:
    assert [fault.code for fault in records.region_faults(values)] == codes


@pytest.mark.parametrize(
    ("address", "good"),
    [
        ("https://lab.example", True),
        ("http://lab.example:8080/a?b=c#d", True),
        ("javascript:alert(1)", False),
        ("https://user@lab.example", False),
        ("https://lab.example/a b", False),
        ("//lab.example", False),
        ("ftp://lab.example", False),
        ("https://", False),
    ],
)
def test_only_web_addresses_may_be_linked(address: str, good: bool) -> None:
    assert records.is_web_address(address) is good
