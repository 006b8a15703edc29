"""Tables as they arrive: bytes of unknown encoding, with a header that may be wrong and rows that may be torn."""

from __future__ import annotations

import codecs
import csv
import io
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from shared.errors import Fault, Invalid

MAX_BYTES = 5 * 1024 * 1024
MAX_ROWS = 20_000
MAX_COLUMNS = 300
MAX_LINES_A_ROW = 200  # more means that a quotation mark was never closed
DELIMITERS = ";,\t|"
ENCODINGS = ("utf-8", "utf-16", "windows-1252", "mac-roman")

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NOT_TEXT = {
    b"PK\x03\x04": "This is a spreadsheet or another packed file. Save it as CSV first.",
    b"\xd0\xcf\x11\xe0": "This is an old spreadsheet file. Save it as CSV first.",
    b"%PDF": "This is a PDF document. A table has to be a CSV file.",
    b"\x1f\x8b": "This file is compressed. Unpack it first.",
}


class FileRefused(Invalid):
    """The file as a whole cannot be read as a table."""

    code = "file-refused"


@dataclass(frozen=True, slots=True)
class Row:
    """One row by the names of its columns; `number` as a spreadsheet counts, the header being 1."""

    number: int
    cells: dict[str, str]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that was not taken, and one reason why."""

    row: int
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Table:
    """What could be read of a file."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    torn: tuple[Refusal, ...]  # rows that cannot be told apart into cells
    encoding: str
    delimiter: str


def read_table(content: bytes, *, encoding: str = "", delimiter: str = "") -> Table:
    """The table in `content`; encoding and delimiter are found out where they are not given.

    Raises `FileRefused` when no table can be made of it, naming everything that is wrong with the header.
    """
    _refuse_what_is_no_table(content)
    text, encoding = decoded(content, encoding)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    first = text.partition("\n")[0]
    if first.lower().startswith("sep=") and len(first) == 5:  # how Excel says which delimiter it used
        delimiter, text = first[4], text.partition("\n")[2]
    if not text.strip():
        raise FileRefused("The file is empty.")
    delimiter = delimiter or _delimiter(text)
    lines = _records(text, delimiter)
    columns = _header(next(lines, (1, [])))
    rows: list[Row] = []
    torn: list[Refusal] = []
    for number, found in lines:
        if isinstance(found, Refusal):
            torn.append(found)
        elif any(cell.strip() for cell in found):
            row = _row(number, found, columns)
            if isinstance(row, Row):
                rows.append(row)
            else:
                torn.append(row)
        if len(rows) + len(torn) > MAX_ROWS:
            raise FileRefused(f"The file has more than {MAX_ROWS} rows. Split it.", limit=MAX_ROWS)
    return Table(columns, tuple(rows), tuple(torn), encoding, delimiter)


def _refuse_what_is_no_table(content: bytes) -> None:
    if len(content) > MAX_BYTES:
        megabytes = MAX_BYTES // (1024 * 1024)
        raise FileRefused(f"The file is larger than {megabytes} MB. Split it.", limit=MAX_BYTES)
    for magic, advice in _NOT_TEXT.items():
        if content.startswith(magic):
            raise FileRefused(advice)


def _records(text: str, delimiter: str) -> Iterator[tuple[int, list[str] | Refusal]]:
    """Rows with their numbers; one that cannot be read does not stop the others."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    never_closed = _ends_inside_quotes(text, delimiter)
    lines_in_all = text.count("\n") + (not text.endswith("\n"))
    number, lines = 0, 0
    while True:
        number += 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield number, Refusal(number, "cell-too-long", "A cell of this row is longer than 131,072 characters.")
            lines = reader.line_num
            continue
        span, lines = reader.line_num - lines, reader.line_num
        if span > MAX_LINES_A_ROW or (never_closed and reader.line_num >= lines_in_all):
            detail = f"A quotation mark in this row is never closed; it swallowed {span} lines."
            yield number, Refusal(number, "quote-not-closed", detail)
        else:
            yield number, cells


def _ends_inside_quotes(text: str, delimiter: str) -> bool:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        try:
            next(reader)
        except StopIteration:
            return False
        except csv.Error as error:
            if "unexpected end of data" in str(error):
                return True


def _header(line: tuple[int, list[str] | Refusal]) -> tuple[str, ...]:
    _, cells = line
    if isinstance(cells, Refusal):
        raise FileRefused("The header cannot be read.", faults=[Fault(cells.code, cells.detail)])
    columns = tuple(_plain(cell) for cell in cells)
    if len(columns) > MAX_COLUMNS:
        raise FileRefused(f"The header names {len(columns)} columns; at most {MAX_COLUMNS} are read.")
    if not any(columns):
        raise FileRefused("The first row has to name the columns.")
    seen: set[str] = set()
    faults = []
    for column in columns:
        if column and column.casefold() in seen:
            faults.append(Fault("duplicate-column", f"The column “{column}” is there twice.", column))
        seen.add(column.casefold())
    if faults:
        raise FileRefused("The header names a column more than once.", faults=faults)
    return columns


def _row(number: int, cells: Sequence[str], columns: tuple[str, ...]) -> Row | Refusal:
    count = len(columns)
    if len(cells) < count or any(cell.strip() for cell in cells[count:]):
        return Refusal(number, "ragged-row", f"This row has {len(cells)} cells; the header has {count}.")
    named = {}
    for column, cell in zip(columns, cells, strict=False):
        if bad := unshowable(cell):
            where = f"the column “{column}”" if column else "a column without a name"
            return Refusal(number, "control-character", f"There is a character {bad} in {where}.")
        if column:
            named[column] = cell
    return Row(number, named)


def unshowable(text: str) -> str:
    """The first control or surrogate character of `text` as U+0000, or nothing."""
    if text.isprintable():
        return ""
    for character in text:
        if character not in "\n\t" and unicodedata.category(character) in ("Cc", "Cs"):
            return f"U+{ord(character):04X}"
    return ""


def tidy(text: str, *, lines: bool = False) -> str:
    """`text` in NFC, with plain spaces and without invisible marks; on one line unless `lines`."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
        kinds = ((character, unicodedata.category(character)) for character in text)
        text = "".join(" " if kind == "Zs" else character for character, kind in kinds if kind != "Cf")
    if lines:
        return "\n".join(" ".join(line.split()) for line in text.strip().splitlines())
    return " ".join(text.split())


def _plain(header: str) -> str:
    return tidy(header)


def _delimiter(text: str) -> str:
    """The delimiter that the header has most of, outside quotation marks."""
    header, inside = [], False
    for character in text[:20_000]:
        if character == '"':
            inside = not inside
        elif not inside:
            if character == "\n":
                break
            header.append(character)
    counts = {delimiter: header.count(delimiter) for delimiter in DELIMITERS}
    best = max(counts, key=lambda delimiter: counts[delimiter])
    return best if counts[best] else ","


def decoded(content: bytes, encoding: str = "") -> tuple[str, str]:
    """The text of `content` and the name of the encoding it is in. Raises `FileRefused`."""
    if encoding:
        try:
            return content.decode(encoding).lstrip("\ufeff"), codecs.lookup(encoding).name
        except LookupError:
            raise FileRefused(f"“{encoding}” is not an encoding.") from None
        except UnicodeError:
            raise FileRefused(f"The file is not in the encoding {encoding}.") from None
    for mark, name in _BOMS:
        if content.startswith(mark):
            try:
                return content.decode(name), "utf-16" if name == "utf-16" else "utf-8"
            except UnicodeError:
                raise FileRefused("The file begins like Unicode text and does not go on so.") from None
    if wide := _wide(content):
        try:
            return content.decode(wide), "utf-16"
        except UnicodeError:
            raise FileRefused("The file looks like UTF-16 text and is damaged.") from None
    try:
        return content.decode("utf-8"), "utf-8"
    except UnicodeError:
        return _one_byte(content)


def _wide(content: bytes) -> str:
    """UTF-16 without a mark: half of nearly all its bytes are NUL."""
    sample = content[:4000]
    half = len(sample) // 2
    if half < 4 or len(content) % 2:
        return ""
    if sample[1::2].count(0) > 0.7 * half:
        return "utf-16-le"
    return "utf-16-be" if sample[0::2].count(0) > 0.7 * half else ""


def _one_byte(content: bytes) -> tuple[str, str]:
    """Windows-1252 or Mac Roman, whichever reads more like words."""
    mac = content.decode("mac-roman")
    try:
        windows = content.decode("windows-1252")
    except UnicodeError:  # bytes that Windows never uses
        return mac, "mac-roman"
    return (mac, "mac-roman") if _likeness(mac) > _likeness(windows) else (windows, "windows-1252")


_COMMON = frozenset("äöüßåéèêëàâáãçñíîïóôòõøæœúùûýÿşžščřěőű")
_PUNCTUATION = frozenset("’‘“”„«»–—…·•°±²³µ×€£§®©™½")


def _likeness(text: str) -> int:
    """How much the characters beyond ASCII look as if they belonged where they stand."""
    score = 0
    for index, character in enumerate(text):
        if character.isascii():
            continue
        before = text[index - 1] if index else " "
        after = text[index + 1] if index + 1 < len(text) else " "
        if character.isalpha():
            if character.lower() not in _COMMON:
                score -= 2
            elif character.islower():
                score += 2
            else:  # a capital after a small letter is out of place
                score += -3 if before.islower() else 1
        elif character in _PUNCTUATION:
            score += 1 if character == "’" or not (before.isalpha() and after.isalpha()) else -1
        else:
            score -= 3
    return score
