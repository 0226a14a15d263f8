"""The layout of a source: its pictures, and what its folders and tables say of them."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.errors import DataError
from mien.faces.labelled_faces import UNKNOWN
from mien.faces.source.decode import BadPicture
from mien.faces.source.listing import Listing, reader
from mien.faces.source.tables import Labels, NotOfPictures, Table, label, no_labels, parse

STRAYS = 0.01  # share of pictures that may lie beside folders of classes
PARTS = re.compile(r"(part|batch|chunk|shard|images?|img|folder|dir|group|set|disc|volume|page)[-_ ]?\d+")
MASKS = {"mask", "masks", "anno", "annotation", "annotations", "seg", "segmentation", "segmentations", "parsing"}
MASKS |= {"depth", "depths", "landmarks", "alpha", "matte", "mattes"}
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
    names_column: str | None = None  # of file names; None: the one that has them

    def label(self, table: Path | str, pictures: Sequence[str]) -> Labels:
        """The labels that a table gives to pictures.  Raises: DataError where it is not a table or has none of them."""
        parsed = parse(self.read(table), self.called(table))
        try:
            return label(parsed, pictures, self.names_column)
        except NotOfPictures:
            if labels := label_folders(parsed, pictures):
                return labels
            raise

    def label_if_ours(self, table: str, pictures: Sequence[str], notes: list[str]) -> Labels | None:
        """The same by a table that the user did not name; None, with a note, for one that is not about the pictures."""
        try:
            return self.label(table, pictures)
        except NotOfPictures as error:
            notes.append(f"left out: {error}")
            return None

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


def label_folders(table: Table, pictures: Sequence[str]) -> Labels | None:
    """The labels of pictures by a table with a row for each of their folders; None where its rows name none."""
    of = [picture.rpartition("/")[0] for picture in pictures]
    folders = sorted(set(of) - {""})
    try:
        labels = label(table, folders) if len(folders) > 2 else None  # of two it may be a list of classes
    except DataError:
        return None
    if labels is None or 2 * labels.has_row.sum() < len(folders) or labels.rows_passed_over:
        return None
    place = {folder: at for at, folder in enumerate(folders)}
    rows = np.array([place.get(folder, -1) for folder in of])
    labels.notes.append(f"{table.source}: its rows name folders; each picture has what its folder's row says")
    known = np.append(labels.has_row, False)[rows]
    values = np.concatenate([labels.values, np.full((1, len(labels.names)), UNKNOWN, np.int8)])[rows]
    return replace(labels, values=values, has_row=known, given=None)


def labels_from_folders(pictures: Sequence[str], prefixes: list[str]) -> tuple[Labels, str]:
    """Attributes from the names of the pictures' folders, and a sentence for the data card."""
    folders = [next(first_folder(p, prefix) for prefix in prefixes if p.startswith(prefix)) for p in pictures]
    why = why_no_classes(set(folders))
    if why:
        return no_labels(len(pictures)), why
    return labels_of_classes(folders), f"each of the {len(set(folders))} folders is an attribute"


def why_no_classes(folders: set[str]) -> str:
    """Why folders, with '' for pictures beside them, are not classes of pictures; '' where they are."""
    if "" in folders or len(folders) < 2:
        return "no table, so no attributes"
    if len(folders) > MOST_FOLDERS:
        return f"{len(folders):,} folders, too many to be attributes"
    return f"{len(folders)} folders that are only numbered, so no attributes" if are_numbered(folders) else ""


def labels_of_classes(classes: Sequence[str]) -> Labels:
    """An attribute for each class, of pictures that have one each."""
    names = tuple(sorted(set(classes)))
    values = np.array([[found == name for name in names] for found in classes], np.int8)
    return Labels(names, values, np.ones(len(classes), np.bool_))


def are_numbered(folders: Collection[str]) -> bool:
    """Whether folders are parts of one set, such as 00000, 01000 or part_1, part_2; single digits may be classes."""
    return all(re.fullmatch(r"\d{3,}", name) or PARTS.fullmatch(name.casefold()) for name in folders)


def without_strays(pictures: Sequence[str], top: str, notes: list[str]) -> tuple[str, ...]:
    """The pictures without the few that lie beside folders of classes, such as a cover picture."""
    outside = [p for p in pictures if not first_folder(p, top)]
    folders = {first_folder(p, top) for p in pictures} - {""}
    if not outside or len(folders) < 2 or len(outside) > max(1, STRAYS * len(pictures)):
        return tuple(pictures)
    notes.append(f"left out, as beside the folders: {', '.join(outside[:3])}{' and more' if len(outside) > 3 else ''}")
    return tuple(p for p in pictures if first_folder(p, top))


def without_masks(pictures: Sequence[str], notes: list[str]) -> tuple[str, ...]:
    """The pictures without those in folders of masks, depths or landmarks, where there are others."""
    folders = {picture.rpartition("/")[0] for picture in pictures}
    words = {folder: set(re.split(r"[^a-z]+", folder.casefold())) for folder in folders}
    kinds = {folder: min(words[folder] & MASKS) for folder in folders if words[folder] & MASKS}
    classes = any("mask" in folder.casefold().rpartition("/")[2] for folder in folders - kinds.keys())
    classes = classes or any(words[folder] & {"with", "without", "no"} for folder in kinds)
    left = tuple(picture for picture in pictures if picture.rpartition("/")[0] not in kinds)
    if not kinds or classes or not left:
        return tuple(pictures)
    where = ", ".join(f"{name}/" for name in sorted(kinds)[:3])
    notes.append(
        f"{len(pictures) - len(left):,} pictures in {where} were left out, as no photographs "
        f"({', '.join(sorted(set(kinds.values())))}); give that folder itself to use them"
    )
    return left


def without_unlabelled_folders(pictures: Sequence[str], labels: Labels, notes: list[str]) -> NDArray[np.bool_]:
    """Which pictures to keep: not those of a folder without any row, where others' mostly have one.  bool [N]"""
    folders = np.array([picture.rpartition("/")[0] for picture in pictures])
    names, at = np.unique(folders, return_inverse=True)
    counts, rows = np.bincount(at), np.bincount(at, labels.has_row)
    outside = (rows == 0) & (len(names) > 1)
    if not outside.any() or rows.sum() < counts[~outside].sum() / 2:
        return np.ones(len(pictures), np.bool_)
    told = ", ".join(f"{name}/" if name else "the top" for name in names[outside][:3])
    notes.append(f"{counts[outside].sum():,} pictures in {told} were left out: none of them has a row in the table")
    keep: NDArray[np.bool_] = ~outside[at]
    return keep


def only_table(listing: Listing, top: str, notes: list[str]) -> str | None:
    """The only table beside the pictures; None, with a note, where there are several."""
    beside = tables_in(listing, top)
    if len(beside) > 1:
        notes.append(f"{len(beside)} tables lie there ({', '.join(beside[:3])}); choose one with --attributes")
    return beside[0] if len(beside) == 1 else None


def tables_in(listing: Listing, folder: str) -> list[str]:
    """The tables in a folder, 'a/' or '' for the top; a .txt is used only where the user names it."""
    return [
        name
        for name in listing.tables
        if name[: name.rfind("/") + 1] == folder and not name.casefold().endswith(".txt")
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
