"""The layout of a source: its pictures, and what its folders and tables say of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.errors import DataError
from mien.faces.source.decode import BadPicture
from mien.faces.source.listing import Listing, reader
from mien.faces.source.tables import Labels, label, no_labels, parse

MOST_FOLDERS = 64  # more folders than that are people or batches, not attributes


@dataclass(frozen=True)
class Layout:
    """N pictures of a source, by name, with their labels and the split that the source gives.

    reader: how it was read, in words.    given: int8 [N], an index into SPLITS or NOT_GIVEN.
    celeba: the usual box is cropped.    notes: for the reader of the data card.
    """

    reader: str
    pictures: tuple[str, ...]
    given: NDArray[np.int8]
    labels: Labels
    celeba: bool = False
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Tables:
    """Where tables come from: the source itself, or a file that the user named."""

    listing: Listing
    chosen: Path | str | None  # a path on disk, or a name in the listing

    def label(self, table: Path | str, pictures: Sequence[str]) -> Labels:
        """The labels that a table gives to pictures.  Raises: DataError where it is not a table or has none of them."""
        return label(parse(self.read(table), self.called(table)), pictures)

    def read(self, table: Path | str) -> bytes:
        """The bytes of a table.  Raises: DataError where they cannot be read."""
        try:
            if isinstance(table, Path):
                return reader(table.parent)(table.name)
            return reader(self.listing.path)(table)
        except (OSError, BadPicture) as error:
            raise DataError(f"{self.called(table)}: the table cannot be read ({error}).") from None

    def called(self, table: Path | str) -> str:
        """A table's path, for a message."""
        return str(table) if isinstance(table, Path) else str(self.listing.path / table)


def labels_from_folders(pictures: Sequence[str], prefixes: list[str]) -> tuple[Labels, str]:
    """Attributes from the names of the pictures' folders, and a sentence for the data card."""
    folders = [next(first_folder(p, prefix) for prefix in prefixes if p.startswith(prefix)) for p in pictures]
    names = tuple(sorted(set(folders)))
    if "" in names or len(names) < 2:
        return no_labels(len(pictures)), "no table, so no attributes"
    if len(names) > MOST_FOLDERS:
        return no_labels(len(pictures)), f"{len(names):,} folders, too many to be attributes"
    values = np.array([[folder == name for name in names] for folder in folders], np.int8)
    return Labels(names, values, np.ones(len(pictures), np.bool_)), f"each of the {len(names)} folders is an attribute"


def only_table(listing: Listing, top: str, notes: list[str]) -> str | None:
    """The only .csv or .tsv beside the pictures; None, with a note, where there are several."""
    beside = tables_in(listing, top)
    if len(beside) > 1:
        notes.append(f"{len(beside)} tables lie there ({', '.join(beside[:3])}); choose one with --attributes")
    return beside[0] if len(beside) == 1 else None


def tables_in(listing: Listing, folder: str) -> list[str]:
    """The .csv and .tsv files in a folder, 'a/' or '' for the top; a .txt is used only where the user names it."""
    return [
        name
        for name in listing.tables
        if name[: name.rfind("/") + 1] == folder and name.casefold().endswith((".csv", ".tsv"))
    ]


def top_folder(listing: Listing) -> str:
    """The outer folders that hold everything, such as 'faces/', as archives often have."""
    top = ""
    while True:
        firsts = {first_folder(name, top) for name in listing.pictures}
        if len(firsts) > 1 or "" in firsts or tables_in(listing, top):
            return top
        top += f"{firsts.pop()}/"


def first_folder(picture: str, top: str) -> str:
    """The first folder of a path below `top`, or '' where it lies at the top."""
    folder, slash, _ = picture[len(top) :].partition("/")
    return folder if slash else ""
