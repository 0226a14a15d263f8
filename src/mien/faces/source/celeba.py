"""CelebA's layout: its folder of pictures, its table and its partition."""

from collections.abc import Iterator

import numpy as np

from mien.faces.source.layout import Layout, Tables
from mien.faces.source.listing import Listing
from mien.faces.source.tables import no_labels, parse_partition
from mien.faces.splits import NOT_GIVEN, TEST

CELEBA_FOLDER, CELEBA_TABLE, CELEBA_PARTITION = "img_align_celeba", "list_attr_celeba", "list_eval_partition"


def read_celeba(listing: Listing, tables: Tables, top: str) -> Layout | None:
    """`img_align_celeba/` (once more inside, as some unpack it), its table and, if there, its partition."""
    folders = {p.rpartition("/")[0] for p in listing.pictures}
    parts = {part.casefold() for folder in folders for part in folder.split("/")}
    parts.add(listing.path.resolve().name.casefold())
    if not any(celeba_files(listing, CELEBA_TABLE)) and CELEBA_FOLDER not in parts:
        return None
    inside = tuple(p for p in listing.pictures if CELEBA_FOLDER in p.casefold().split("/")[:-1])
    pictures = inside or listing.pictures
    notes = []
    if len(pictures) < len(listing.pictures):
        notes.append(f"{len(listing.pictures) - len(pictures)} pictures outside {CELEBA_FOLDER}/ were left out")
    table = tables.chosen or next(celeba_files(listing, CELEBA_TABLE), None)
    labels = tables.label(table, pictures) if table else no_labels(len(pictures))
    beside = (listing.path.resolve().parent / f"{CELEBA_TABLE}{ending}" for ending in (".txt", ".csv"))
    if not table and (found := next((path for path in beside if path.exists()), None)):
        notes.append(f"{found.name} lies beside the source; to read the attributes, add --attributes {found}")
    words = f"CelebA's layout: {CELEBA_FOLDER}/" if inside else "CelebA's layout"
    words += f" with {tables.called(table).rpartition('/')[2]}" if table else " without a table"
    given = np.full(len(pictures), NOT_GIVEN, np.int8)
    partition = next(celeba_files(listing, CELEBA_PARTITION), None)
    if partition:
        given = parse_partition(tables.read(partition), tables.called(partition), pictures)
        words += f", split by {partition.rpartition('/')[2]}"
        if not (given == TEST).any():
            given[:] = NOT_GIVEN
            notes.append(f"{partition} has none of these pictures in its test part; the split was made by content")
        elif without := int((given == NOT_GIVEN).sum()):
            notes.append(f"{without} pictures are not in {partition}; they were taken as train")
    return Layout(words, pictures, given, labels, celeba=True, notes=notes)


def celeba_files(listing: Listing, stem: str) -> Iterator[str]:
    """The tables of this name, in any folder and with any ending."""
    return (name for name in listing.tables if name.rpartition("/")[2].casefold().rpartition(".")[0] == stem)
