"""What a source is, told by what lies there: its pictures, the split it gives them, what is known of each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.errors import DataError
from mien.faces.source.decode import BadPicture, extensions
from mien.faces.source.listing import Listing, missing, reader
from mien.faces.source.tables import Labels, join, label, no_labels, parse, parse_partition
from mien.faces.splits import NOT_GIVEN, TEST, TRAIN, VALIDATION

SPLIT_FOLDERS = {"train": TRAIN, "validation": VALIDATION, "valid": VALIDATION, "val": VALIDATION, "test": TEST}
CELEBA_FOLDER, CELEBA_TABLE, CELEBA_PARTITION = "img_align_celeba", "list_attr_celeba", "list_eval_partition"
MOST_FOLDERS = 64  # more folders than that are people or batches, not attributes


@dataclass(frozen=True)
class Layout:
    """A source understood: N pictures, by name, with the split that the source gives and the labels.

    reader: how it was read, in words.    given: int8 [N], an index into SPLITS or NOT_GIVEN.
    celeba: the usual box is cropped.    notes: what a reader of the data card should know.
    """

    reader: str
    pictures: tuple[str, ...]
    given: NDArray[np.int8]
    labels: Labels
    celeba: bool = False
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Tables:
    """Where tables come from: the source itself, or a file that the user named."""

    listing: Listing
    chosen: Path | str | None  # a path on disk, or a name in the listing

    def label(self, table: Path | str, pictures: Sequence[str]) -> Labels:
        return label(parse(self.read(table), self.called(table)), pictures)

    def read(self, table: Path | str) -> bytes:
        try:
            if isinstance(table, Path):
                return reader(table.parent)(table.name)
            return reader(self.listing.path)(table)
        except (OSError, BadPicture) as error:
            raise DataError(f"{self.called(table)}: the table cannot be read ({error}).") from None

    def called(self, table: Path | str) -> str:
        return str(table) if isinstance(table, Path) else str(self.listing.path / table)


def find_table(listing: Listing, table: Path) -> Path | str:
    """The table a user named: a path on disk, or a name in the source.

    Raises: DataError: there is none.
    """
    if table.is_file():
        return table
    if table.is_dir():
        raise DataError(
            f"{table}: a folder, where the file of a table was expected. Give the .csv, .tsv or .txt in it."
        )
    if table.as_posix() in listing.tables:
        return table.as_posix()
    if table.exists():
        raise DataError(f"{table}: a pipe or a device, where the file of a table was expected. Give a .csv or .tsv.")
    raise missing(table, "table")


def read_layout(listing: Listing, table: Path | str | None) -> Layout:
    """Choose the reader by what is there, and read names, splits and labels; no picture is opened.

    Raises: DataError: no pictures, a table that cannot be used.
    """
    if not listing.pictures:
        raise _no_pictures(listing)
    tables = _Tables(listing, table)
    top = _top(listing)
    parts = {part.casefold() for part in _folders(listing.pictures, "")}
    parts.add(listing.path.resolve().name.casefold())
    if any(_celeba_files(listing, CELEBA_TABLE)) or CELEBA_FOLDER in parts:
        return _read_celeba(listing, tables)
    folders = {name: SPLIT_FOLDERS.get(name.casefold()) for name in _first_folders(listing.pictures, top)}
    splits = {name: side for name, side in folders.items() if side is not None}
    if TRAIN in splits.values() and len(set(splits.values())) > 1:
        return _read_splits(listing, tables, top, dict(sorted(splits.items(), key=lambda item: item[1])))
    return _read_folder(listing, tables, top)


def _no_pictures(listing: Listing) -> DataError:
    others = [f"{count} {ending}" for ending, count in sorted(listing.ignored.items())]
    if listing.tables:
        others.append(f"{len(listing.tables)} tables or texts")
    if not others and listing.path.is_dir():
        others = [f"the folder {entry.name}" for entry in sorted(listing.path.iterdir()) if entry.is_dir()]
    found = f"Found only {', '.join(others[:8])}." if others else "It is empty."
    usual = ", ".join(ending for ending in (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".pgm", ".tif"))
    return DataError(
        f"{listing.path}: no pictures there. {found} Pictures end in {usual} and {len(extensions()) - 8} rarer ones. "
        "Give the folder that holds them, or 'drawn' for the embedded faces."
    )


def _read_celeba(listing: Listing, tables: _Tables) -> Layout:
    """`img_align_celeba/` (once more inside, as some unpack it), its table and, if there, its partition."""
    inside = tuple(p for p in listing.pictures if CELEBA_FOLDER in p.casefold().split("/")[:-1])
    pictures = inside or listing.pictures
    notes = []
    if len(pictures) < len(listing.pictures):
        notes.append(f"{len(listing.pictures) - len(pictures)} pictures outside {CELEBA_FOLDER}/ were left out")
    table = tables.chosen or next(_celeba_files(listing, CELEBA_TABLE), None)
    labels = tables.label(table, pictures) if table else no_labels(len(pictures))
    above = listing.path.resolve().parent
    if not table and any((above / f"{CELEBA_TABLE}{ending}").exists() for ending in (".txt", ".csv")):
        notes.append(f"{CELEBA_TABLE} lies beside; give {above} as the source, and the attributes are read")
    words = f"CelebA's layout: {CELEBA_FOLDER}/" if inside else "CelebA's layout"
    words += f" with {tables.called(table).rpartition('/')[2]}" if table else " without a table"
    given = np.full(len(pictures), NOT_GIVEN, np.int8)
    partition = next(_celeba_files(listing, CELEBA_PARTITION), None)
    if partition:
        given = parse_partition(tables.read(partition), tables.called(partition), pictures)
        words += f", split by {partition.rpartition('/')[2]}"
        if not (given == TEST).any():
            given[:] = NOT_GIVEN
            notes.append(f"{partition} has none of these pictures in its test part; the split was made by content")
        elif without := int((given == NOT_GIVEN).sum()):
            notes.append(f"{without} pictures are not in {partition}; they were taken as train")
    return Layout(words, pictures, given, labels, celeba=True, notes=notes)


def _celeba_files(listing: Listing, stem: str) -> Iterator[str]:
    return (name for name in listing.tables if name.rpartition("/")[2].casefold().rpartition(".")[0] == stem)


def _read_splits(listing: Listing, tables: _Tables, top: str, splits: dict[str, int]) -> Layout:
    """The coursework's layout: train/ and test/ (validation/ if there), and a table for each, or one for all."""
    pictures = tuple(p for p in listing.pictures if _first(p, top) in splits)
    notes = []
    if len(pictures) < len(listing.pictures):
        outside = len(listing.pictures) - len(pictures)
        notes.append(f"{outside} pictures outside {', '.join(f'{name}/' for name in splits)} were left out")
    given = np.array([splits[_first(p, top)] for p in pictures], np.int8)
    own = {name: _table_of(listing, top, name) for name in splits}
    common = tables.chosen or (None if any(own.values()) else _only_table(listing, top, notes))
    words = " and ".join(f"{name}/" for name in splits)
    if common:
        labels = tables.label(common, pictures)
        words = f"the coursework's layout: {words} with {tables.called(common)}"
    elif any(own.values()):
        labelled = []
        for name, table in own.items():
            rows = [at for at, p in enumerate(pictures) if _first(p, top) == name]
            if table:
                labelled.append((rows, tables.label(table, [pictures[at] for at in rows])))
            else:
                notes.append(f"there is no table for {name}/")
        labels = join(len(pictures), labelled)
        words = f"the coursework's layout: {words} with {' and '.join(t for t in own.values() if t)}"
    else:
        labels, how = _labels_from_folders(pictures, [f"{top}{name}/" for name in splits])
        words = f"split folders: {words}; {how}"
    return Layout(words, pictures, given, labels, notes=notes)


def _table_of(listing: Listing, top: str, split: str) -> str | None:
    """'train.csv' beside train/, or the only table inside it."""
    for name in listing.tables:
        if name.rpartition(".")[0].casefold() == f"{top}{split}".casefold():
            return name
    inside = _tables_in(listing, f"{top}{split}/")
    return inside[0] if len(inside) == 1 else None


def _read_folder(listing: Listing, tables: _Tables, top: str) -> Layout:
    """One folder of pictures, with a table or not, or a folder of folders."""
    pictures, notes = listing.pictures, list[str]()
    given = np.full(len(pictures), NOT_GIVEN, np.int8)
    table = tables.chosen or _only_table(listing, top, notes)
    if table:
        labels = tables.label(table, pictures)
        found = "" if tables.chosen else ", which lies there"
        return Layout(f"pictures with the table {tables.called(table)}{found}", pictures, given, labels, notes=notes)
    labels, how = _labels_from_folders(pictures, [top])
    return Layout(f"a folder of pictures; {how}", pictures, given, labels, notes=notes)


def _only_table(listing: Listing, top: str, notes: list[str]) -> str | None:
    """The one .csv or .tsv that lies beside the pictures; of several none, with a note."""
    beside = _tables_in(listing, top)
    if len(beside) > 1:
        notes.append(f"{len(beside)} tables lie there ({', '.join(beside[:3])}); choose one with --attributes")
    return beside[0] if len(beside) == 1 else None


def _tables_in(listing: Listing, folder: str) -> list[str]:
    """The .csv and .tsv files in a folder, 'a/' or '' for the top; a .txt may be anything and has to be named."""
    return [
        name
        for name in listing.tables
        if name[: name.rfind("/") + 1] == folder and name.casefold().endswith((".csv", ".tsv"))
    ]


def _labels_from_folders(pictures: Sequence[str], prefixes: list[str]) -> tuple[Labels, str]:
    """The name of the folder that a picture is in as its attribute, and what was done in words."""
    folders = [next(_first(p, prefix) for prefix in prefixes if p.startswith(prefix)) for p in pictures]
    names = tuple(sorted(set(folders)))
    if "" in names or len(names) < 2:
        return no_labels(len(pictures)), "no table, so no attributes"
    if len(names) > MOST_FOLDERS:
        return no_labels(len(pictures)), f"{len(names):,} folders, too many to be attributes"
    values = np.array([[folder == name for name in names] for folder in folders], np.int8)
    return Labels(names, values, np.ones(len(pictures), np.bool_)), f"each of the {len(names)} folders is an attribute"


def _top(listing: Listing) -> str:
    """The folders that hold everything, as 'faces/': people zip and nest folders."""
    top = ""
    while True:
        firsts = {_first(name, top) for name in listing.pictures}
        if len(firsts) > 1 or "" in firsts or _tables_in(listing, top):
            return top
        top += f"{firsts.pop()}/"


def _first(picture: str, top: str) -> str:
    """The first folder of a path below `top`, or '' where it lies at the top."""
    folder, slash, _ = picture[len(top) :].partition("/")
    return folder if slash else ""


def _first_folders(pictures: Sequence[str], top: str) -> list[str]:
    return sorted({_first(p, top) for p in pictures} - {""})


def _folders(pictures: Sequence[str], top: str) -> set[str]:
    return {part for folder in {p.rpartition("/")[0] for p in pictures} for part in folder.split("/")}
