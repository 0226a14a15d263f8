"""Tables of attributes: from the bytes of a file to a value for every picture.

CSV, TSV or semicolons, told apart by the header, or CelebA's text form (a line with the count, a line of names, rows).
"""

import csv
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, permutations

import numpy as np
from numpy.typing import NDArray

from mien.errors import DataError, did_you_mean, shown
from mien.faces.source.file_names import Finder, ends_as_picture
from mien.faces.source.json_tables import cells_of
from mien.faces.source.split_names import may_say_splits, splits_in
from mien.faces.source.word_columns import MISSING, attributes_in_words
from mien.faces.splits import NOT_GIVEN

_UNKNOWN, _MINUS_ONE, _NOT_BINARY = -1, 2, 3  # beside 0 and 1
_WORDS = {"true": 1, "yes": 1, "false": 0, "no": 0}
_WORDS |= dict.fromkeys(MISSING, _UNKNOWN)
MOST_CELLS, MOST_COLUMNS = 50_000_000, 10_000
MOST_ATTRIBUTES = 1000  # every two of them are correlated
LONGEST_NAME = 100  # letters of an attribute's name
INDEXES = ("", "unnamed: 0", "index", "level_0")  # headers of the column of row numbers that pandas writes
PEOPLE = ("annotator", "rater", "worker", "labeler", "labeller", "coder", "user")  # in the header of who labelled
OTHER_KINDS = {  # by how a file begins
    b"PK": "an Excel workbook or another .zip",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"PAR1": "a Parquet file",
    b"MATLAB": "a MATLAB file",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUMPY": "a NumPy array",
    b"SQLite": "an SQLite database",
    b"\x80": "a pickle",
}
MOST_JOINED = 6  # columns of which every two are tried
_SHORT = 8  # letters of a cell that is likely to repeat in many rows
_ALLOWED = "0/1, 0.0/1.0, -1/1, true/false, yes/no, and nothing, NA, nan or ? for a missing value"


Places = list[tuple[int | None, int]]  # of each row's picture, and how many parts of its path match; see `Finder.find`


class NotOfPictures(DataError):
    """A table that has nothing to do with the pictures: one column, or no row that matches."""


@dataclass(frozen=True)
class Table:
    """The cells of a table as they stand in the file, without surrounding blanks."""

    source: str
    columns: tuple[str, ...]
    rows: list[list[str]]
    lines: list[int]  # the line of each row in the file, from 1


@dataclass(frozen=True)
class Labels:
    """What tables say about a list of N pictures.

    values: int8 [N,A], 1 has it, 0 has not, -1 unknown.    has_row: bool [N].
    left_out: columns that are not attributes, with the reason.    notes: for the reader of the data card.
    given: int8 [N], the split that a column says, an index into SPLITS, or NOT_GIVEN; None where none does.
    """

    names: tuple[str, ...]
    values: NDArray[np.int8]
    has_row: NDArray[np.bool_]
    rows_without_picture: list[str] = field(default_factory=list)
    rows_passed_over: list[str] = field(default_factory=list)  # repeated, or naming several pictures
    left_out: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    given: NDArray[np.int8] | None = None

    def of(self, keep: NDArray[np.bool_]) -> "Labels":
        """The labels of some of the pictures."""
        given = None if self.given is None else self.given[keep]
        return replace(self, values=self.values[keep], has_row=self.has_row[keep], given=given)


def no_labels(count: int) -> Labels:
    """The labels of pictures without a table."""
    return Labels((), np.empty((count, 0), np.int8), np.zeros(count, np.bool_))


def parse(content: bytes, source: str) -> Table:
    """Read a table; `source` names it in messages.

    Raises: DataError: no header, a row of another length, two columns of one name.
    """
    for start, kind in OTHER_KINDS.items():
        if content.startswith(start):
            raise DataError(f"{source}: {kind}; a table is CSV, TSV or JSON here. Open it and save it as CSV.")
    if content.lstrip()[:1] in (b"{", b"["):
        return _json(content, source)
    lines = _text(content).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if len(lines) > 1 and lines[0].strip().isdecimal():
        table = _celeba_form(lines, source)
    else:
        table = _delimited(lines, source)
    if not table.rows:
        raise DataError(f"{source}: a table without rows. It needs a line of names, then one line a picture.")
    for name, count in Counter(name for name in table.columns if name).most_common(1):
        if count > 1:
            raise DataError(f"{source}: two columns are called {shown(name)}. Rename or remove one.")
    return table


def label(table: Table, pictures: Sequence[str], names_column: str | None = None) -> Labels:
    """Give every picture its row of the table.

    names_column: the column of file names; by default one whose cells are names of pictures, with their endings where
    a column has them.

    Raises: DataError: no row matches a picture, columns that name different pictures, no column is an attribute.
    """
    codes = _codes(table)
    names_at, places = _match(table, codes, pictures, names_column)
    all_splits = _split_columns(table)
    splits = next(iter(all_splits.values()), None)
    values, names, left_out, notes = _attributes(table, codes, {names_at, *all_splits})
    rows_of = _rows_of_each(places)
    _refuse_long_form(table, names_at, rows_of, names)
    labelled = np.full((len(pictures), len(names)), _UNKNOWN, np.int8)
    has_row = np.zeros(len(pictures), np.bool_)
    given = None if splits is None else np.full(len(pictures), NOT_GIVEN, np.int8)
    disagreeing = 0
    for place, rows in rows_of.items():
        has_row[place] = True
        if given is not None and splits is not None:
            given[place] = splits[rows[0]]
        labelled[place] = values[rows[0]] if len(rows) == 1 else _majority(values[rows])
        disagreeing += len(rows) > 1 and _disagree(values[rows])
    if disagreeing:
        words = "picture has several rows that disagree" if disagreeing == 1 else "pictures have rows that disagree"
        notes.append(
            f"{table.source}: {disagreeing:,} {words}; the majority was taken, and unknown where there is none"
        )
    used = {row for rows in rows_of.values() for row in rows}
    called = [row[names_at] for row in table.rows]
    return Labels(
        names,
        labelled,
        has_row,
        [name for name, (place, _) in zip(called, places, strict=True) if place is None],
        [called[row] for row, (place, _) in enumerate(places) if place is not None and row not in used]
        + [called[row] for rows in rows_of.values() for row in rows[1:]],
        left_out,
        notes,
        given,
    )


def _majority(values: NDArray[np.int8]) -> NDArray[np.int8]:
    """What most rows say of each attribute, of those that know; unknown where as many say the one as the other."""
    ayes, noes = (values == 1).sum(0), (values == 0).sum(0)
    return np.where(ayes == noes, _UNKNOWN, ayes > noes).astype(np.int8)


def _disagree(values: NDArray[np.int8]) -> bool:
    return bool(((values == 1).any(0) & (values == 0).any(0)).any())


def _refuse_long_form(table: Table, names_at: int, rows_of: dict[int, list[int]], names: Sequence[str]) -> None:
    """Raises: DataError for a table with a row for each attribute of a picture, `image, attribute, value`.

    That is: one attribute, several rows for most pictures, and another column that tells the rows of a picture apart by
    a few words. A column of people who labelled the pictures does so, too, but says so in its header.
    """
    several = [rows for rows in rows_of.values() if len(rows) > 1]
    names = [name for name in names if name in table.columns]
    if len(names) != 1 or 2 * len(several) < len(rows_of):
        return
    for at, column in enumerate(table.columns):
        if at == names_at or column in names or any(word in column.casefold() for word in PEOPLE):
            continue
        if len({row[at] for row in table.rows}) <= MOST_ATTRIBUTES and all(
            len({table.rows[row][at] for row in rows}) == len(rows) for rows in several
        ):
            raise DataError(
                f"{table.source}: most pictures have several rows, and column {shown(column)} tells them apart: a row "
                f"for each attribute, as it seems. Give one row a picture and one column an attribute (in pandas: "
                f"table.pivot(index={table.columns[names_at]!r}, columns={column!r}, values={names[0]!r})); if these "
                "are people who labelled the same, call the column 'annotator', and the majority is taken."
            )


def _text(content: bytes) -> str:
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):  # Excel's format 'Unicode text'
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _json(content: bytes, source: str) -> Table:
    try:
        columns, rows = cells_of(_text(content))
    except ValueError as error:
        raise NotOfPictures(f"{source}: JSON, and {error}.") from None
    return Table(source, columns, rows, list(range(1, len(rows) + 1)))


def _split_columns(table: Table) -> dict[int, NDArray[np.int8]]:
    """The columns that say the split of each row, and what each says."""
    told = (at for at, name in enumerate(table.columns) if may_say_splits(name))
    found = ((at, splits_in(table.columns[at], [row[at] for row in table.rows])) for at in told)
    return {at: splits for at, splits in found if splits is not None}


def _celeba_form(lines: list[str], source: str) -> Table:
    names = tuple(lines[1].split())
    rows, numbers = [], []
    for number, line in enumerate(lines[2:], 3):
        if line.strip():
            cells = line.strip().rsplit(maxsplit=len(names))  # from the right: a file name may have blanks
            _check_length(cells, len(names) + 1, f"{source}, line {number}")
            rows.append(cells)
            numbers.append(number)
    return Table(source, ("", *names), rows, numbers)


def _delimited(lines: list[str], source: str) -> Table:
    try:
        cells = _cells(lines)
    except csv.Error as error:
        raise DataError(f"{source}: not a table ({error}). Save it again as CSV.") from None
    if len(cells) > 1 and all(len(row) == 1 for _, row in cells):
        cells = _apart_by_blanks(cells) or cells
    while len(cells) > 1 and (cells[0][1][0].startswith("#") or cells[0][1][0].casefold().startswith("sep=")):
        cells.pop(0)
    if not cells:
        raise DataError(f"{source}: the table is empty. It needs a line of names, then one line a picture.")
    fullest = max((len(row) for _, row in cells[1:] if row[-1]), default=0)  # an index may be the last, without a name
    columns = _header(cells[0][1], f"{source}, line {cells[0][0]}", fullest)
    for line, row in cells[1:]:
        while len(row) > len(columns) and not row[-1]:  # a delimiter at the end of the line
            row.pop()
        _check_length(row, len(columns), f"{source}, line {line}")
    return Table(source, columns, [row for _, row in cells[1:]], [line for line, _ in cells[1:]])


def _apart_by_blanks(cells: list[tuple[int, list[str]]]) -> list[tuple[int, list[str]]] | None:
    """Lines of one cell, taken apart at their blanks; None where they do not all have as many.

    A header may lack the name of the first column, as CelebA's does.
    """
    header, *rows = [(line, row[0].split()) for line, row in cells if not row[0].startswith("#")] or [(0, [])]
    lengths = {len(row) for _, row in rows}
    if len(lengths) != 1 or lengths == {1} or len(header[1]) not in (max(lengths), max(lengths) - 1):
        return None
    line, names = header
    return [(line, ["", *names] if len(names) < max(lengths) else names), *rows]


def _cells(lines: list[str]) -> list[tuple[int, list[str]]]:
    """Every line that has cells, with its number, from 1; blanks around a cell are cut off."""
    marked = [line for line in lines if line.strip() and not line.startswith("#") and not line.startswith("sep=")]
    delimiter = _delimiter(marked[:20])
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=delimiter, skipinitialspace=True)
    plain, found, count = _Stripped().__getitem__, [], 0
    for cells in reader:
        row = list(map(plain, cells))
        if any(row):
            found.append((reader.line_num, row))
            count += len(row)
        if count > MOST_CELLS:
            raise csv.Error(f"more than {MOST_CELLS:,} values")
    return found


class _Stripped(dict[str, str]):
    """A cell without the blanks around it; each different short cell is held once."""

    def __missing__(self, cell: str) -> str:
        plain = cell.strip()
        if len(cell) <= _SHORT:
            self[cell] = plain
        return plain


def _delimiter(lines: list[str]) -> str:
    """The delimiter that splits every line into as many cells as the header; if several do, the one with most cells."""

    def fit(mark: str) -> tuple[bool, int]:
        lengths = [len(cells) for cells in csv.reader(lines, delimiter=mark, skipinitialspace=True)]
        return max(lengths, default=0) > 1 and len(set(lengths)) == 1, max(lengths, default=0)

    return max(",;\t", key=fit)


def _header(cells: list[str], where: str, fullest: int) -> tuple[str, ...]:
    if len(cells) < 2:
        raise NotOfPictures(
            f"{where}: {cells[0][:60]!r} is one column. Columns are set apart by commas, semicolons or tabs: "
            "the file name first, then the attributes."
        )
    if all(_code(cell) != _NOT_BINARY for cell in cells[1:]):
        raise DataError(f"{where}: values where the names of the columns should be. Put a line of names above.")
    while len(cells) > max(2, fullest) and not cells[-1]:
        cells.pop()
    if len(cells) > MOST_COLUMNS:
        raise DataError(
            f"{where}: {len(cells):,} columns; a table may have {MOST_COLUMNS:,}. Remove those that are not attributes."
        )
    return tuple(cells)


def _check_length(cells: list[str], expected: int, where: str) -> None:
    if len(cells) != expected:
        raise DataError(f"{where}: {len(cells)} values, but the header has {expected}. Correct or remove that line.")


def _code(cell: str) -> int:
    word = cell.lower()
    if word in _WORDS:
        return _WORDS[word]
    if re.fullmatch(r"0\d+", word):  # '000' is the name of a picture
        return _NOT_BINARY
    try:
        return {0.0: 0, 1.0: 1, -1.0: _MINUS_ONE}.get(float(word), _NOT_BINARY)
    except ValueError:
        return _NOT_BINARY


class _CodeOf(dict[str, int]):
    """A cell's code, worked out once for each different cell."""

    def __missing__(self, cell: str) -> int:
        self[cell] = _code(cell)
        return self[cell]


def _codes(table: Table) -> NDArray[np.int8]:
    """[rows, columns]: 0, 1 or one of the codes above."""
    cells = map(_CodeOf().__getitem__, chain.from_iterable(table.rows))
    return np.fromiter(cells, np.int8).reshape(len(table.rows), len(table.columns))


def _match(
    table: Table, codes: NDArray[np.int8], pictures: Sequence[str], names_column: str | None
) -> tuple[int, Places]:
    """The column of names, and where each row's picture is (see `Finder.find`).

    Raises: DataError where no row matches, or where columns match that speak of different pictures: pandas' index
    matches 0.jpg as well as a column of names does.
    """
    finder = Finder(pictures)
    candidates = [int(column) for column in np.flatnonzero((codes == _NOT_BINARY).any(0))] or [0]
    if names_column is not None:
        candidates = [column_called(table, names_column)]
    found = {column: [finder.find(row[column]) for row in table.rows] for column in candidates}
    if all(place is None for places in found.values() for place, _ in places):
        found = {column: [(finder.find_number(row[column]), 0) for row in table.rows] for column in candidates}
    if joined := _in_two_columns(table, candidates, found, finder):
        return joined
    matches = {column: _count_found(places) for column, places in found.items()}
    best = max(candidates, key=lambda column: matches[column])
    if all(place is None for place, _ in found[best]):
        raise NotOfPictures(
            f"{table.source}: no row matches a picture. A name in the table: {shown(table.rows[0][best])}; "
            f"a picture: {shown(pictures[0])}. Names may lack folder and ending, but must be the same otherwise."
        )
    able = [column for column in candidates if matches[column] and 2 * matches[column] >= matches[best]] or [best]
    able = [column for column in able if _names_files(table, column)] or able
    able = [column for column in able if table.columns[column].casefold() not in INDEXES] or able
    best = max(able, key=lambda column: matches[column])
    for other in able:
        pairs = ((mine, its) for (mine, _), (its, _) in zip(found[best], found[other], strict=True))
        if any(mine != its and min(mine, its) >= 0 for mine, its in pairs if mine is not None and its is not None):
            one, two = (shown(table.columns[column] or "the first") for column in sorted((best, other)))
            raise DataError(
                f"{table.source}: the columns {one} and {two} both name pictures, and not the same ones. Say which one "
                "names the file that a row is about: --names-column NAME (data.names_column)."
            )
    return best, _with_numbers(table, best, found[best], finder)


def _count_found(places: Places) -> int:
    """How many rows are of one picture."""
    return sum(place is not None and place >= 0 for place, _ in places)


def _in_two_columns(
    table: Table, candidates: Sequence[int], found: dict[int, Places], finder: Finder
) -> tuple[int, Places] | None:
    """The second of two columns that name pictures together, such as a person and a file of theirs; None for others."""
    if any(2 * _count_found(places) > len(places) for places in found.values()):
        return None
    for folder, file in permutations(candidates[:MOST_JOINED], 2):
        places = [finder.find(f"{row[folder]}/{row[file]}") for row in table.rows]
        if 2 * _count_found([(place, parts) for place, parts in places if parts > 1]) > len(places):
            return file, places
    return None


def _with_numbers(table: Table, column: int, places: Places, finder: Finder) -> Places:
    """Where each row's picture is, with those found by number whose zeros in front a spreadsheet has cut off."""
    taken = {place for place, _ in places}
    numbers = (
        None if place is not None else finder.find_number(row[column])
        for (place, _), row in zip(places, table.rows, strict=True)
    )
    return [
        (number, 0) if number is not None and number not in taken else found
        for found, number in zip(places, numbers, strict=True)
    ]


def column_called(table: Table, name: str) -> int:
    """The place of a column.  Raises: DataError where the table has no such column."""
    if name not in table.columns:
        raise DataError(
            f"{table.source}: there is no column {shown(name)}.{did_you_mean(name, table.columns)} "
            f"Columns: {', '.join(map(shown, table.columns[:20]))}."
        )
    return table.columns.index(name)


def _names_files(table: Table, column: int) -> bool:
    """Whether most cells of a column end as pictures' files do."""
    return 2 * sum(ends_as_picture(row[column]) for row in table.rows) > len(table.rows)


def _rows_of_each(places: Places) -> dict[int, list[int]]:
    """The rows that describe each picture, by its place: of several those that name it most exactly."""
    best: dict[int, tuple[int, list[int]]] = {}
    for row, (place, exactness) in enumerate(places):
        if place is None or place < 0:
            continue
        if place not in best or exactness > best[place][0]:
            best[place] = (exactness, [row])
        elif exactness == best[place][0]:
            best[place][1].append(row)
    return {place: rows for place, (_, rows) in best.items()}


def _attributes(
    table: Table, codes: NDArray[np.int8], others: Collection[int]
) -> tuple[NDArray[np.int8], tuple[str, ...], list[tuple[str, str]], list[str]]:
    """Values [rows,A], names, columns left out with the reason, notes.  others: columns that are no attributes"""
    kept: list[int] = []
    in_words: list[tuple[str, NDArray[np.int8]]] = []
    left_out, notes = [], []
    for at, name in enumerate(table.columns):
        column = codes[:, at]
        if at in others or not name:
            continue
        if (column == _NOT_BINARY).any():
            people = any(word in name.casefold() for word in PEOPLE)
            taken = (*table.columns, *(other for other, _ in in_words))
            if found := [] if people else attributes_in_words(name, [row[at] for row in table.rows], taken):
                in_words += found
                notes.append(f"{table.source}: column {shown(name)} was read as {', '.join(n for n, _ in found)}")
                continue
            row = int(np.argmax(column == _NOT_BINARY))
            left_out.append((name, f"line {table.lines[row]} has {shown(table.rows[row][at])}"))
        elif (column == _UNKNOWN).all():
            left_out.append((name, "no value in any row"))
        elif len(name) > LONGEST_NAME:
            left_out.append((name[:LONGEST_NAME], f"its name has {len(name):,} letters, more than {LONGEST_NAME}"))
        else:
            kept.append(at)
            if {0, 1, _MINUS_ONE} <= set(np.unique(column).tolist()):
                codes[column == 0, at] = _UNKNOWN
                notes.append(f"{table.source}: {name} has -1, 0 and 1; 0 was taken as not known")
    if not kept and not in_words:
        why = "; ".join(f"column {shown(name)}: {reason}" for name, reason in left_out[:3]) or "there are only names"
        raise DataError(f"{table.source}: no column is an attribute ({why}). Values may be {_ALLOWED}.")
    if (count := len(kept) + len(in_words)) > MOST_ATTRIBUTES:
        raise DataError(f"{table.source}: {count:,} attributes; there may be {MOST_ATTRIBUTES:,}. Remove columns.")
    values = codes[:, kept]
    values[values == _MINUS_ONE] = 0
    values = np.concatenate([values, *(said[:, None] for _, said in in_words)], axis=1)
    return values, (*(table.columns[at] for at in kept), *(name for name, _ in in_words)), left_out, notes


def join(count: int, parts: list[tuple[list[int], Labels]]) -> Labels:
    """One set of labels for `count` pictures from tables that each describe some of them, given by their places.

    Attributes that not every table has are left out.
    """
    shared = [name for name in parts[0][1].names if all(name in labels.names for _, labels in parts)]
    if not shared:
        columns = "; ".join(", ".join(labels.names[:5]) for _, labels in parts)
        raise DataError(
            f"The tables of train and test have no attribute in common ({columns}). Give them the same header."
        )
    joined = Labels(tuple(shared), np.full((count, len(shared)), _UNKNOWN, np.int8), np.zeros(count, np.bool_))
    for places, labels in parts:
        joined.values[places] = labels.values[:, [labels.names.index(name) for name in shared]]
        joined.has_row[places] = labels.has_row
        joined.rows_without_picture.extend(labels.rows_without_picture)
        joined.rows_passed_over.extend(labels.rows_passed_over)
        joined.left_out.extend(labels.left_out)
        joined.left_out.extend((name, "not in every table") for name in labels.names if name not in shared)
        joined.notes.extend(labels.notes)
    return joined


def parse_partition(content: bytes, source: str, pictures: Sequence[str]) -> NDArray[np.int8]:
    """CelebA's partition, 'name 0' or 'name,0' a line: 0 train, 1 validation, 2 test, -1 not listed.  -> int8 [N]

    Raises: DataError: another value, no line that matches a picture.
    """
    finder = Finder(pictures)
    given = np.full(len(pictures), _UNKNOWN, np.int8)
    lines = [line for line in _text(content).replace(",", " ").splitlines() if line.strip()]
    for number, line in enumerate(lines, 1):
        name, _, side = line.strip().rpartition(" ")
        place, _ = finder.find(name)
        if side not in ("0", "1", "2"):
            if number == 1:  # the CSV form has a header
                continue
            raise DataError(
                f"{source}, line {number}: partition {shown(side)}. It may be 0 (train), 1 (validation), 2 (test)."
            )
        if place is not None and place >= 0:
            given[place] = int(side)
    if (given == _UNKNOWN).all():
        raise DataError(
            f"{source}: no line matches a picture, such as {shown(pictures[0])}. Remove the file or correct the names."
        )
    return given
