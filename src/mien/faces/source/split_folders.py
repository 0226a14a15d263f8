"""The coursework's layout: a folder for each split, and a table for each, or one for all."""

import numpy as np

from mien.faces.source.layout import Layout, Tables, first_folder, labels_from_folders, only_table, tables_in
from mien.faces.source.listing import Listing
from mien.faces.source.tables import join
from mien.faces.splits import TEST, TRAIN, VALIDATION

SPLIT_FOLDERS = {"train": TRAIN, "validation": VALIDATION, "valid": VALIDATION, "val": VALIDATION, "test": TEST}


def read_split_folders(listing: Listing, tables: Tables, top: str) -> Layout | None:
    """The coursework's layout: train/ and test/ (validation/ if there), and a table for each, or one for all."""
    folders = sorted({first_folder(p, top) for p in listing.pictures})
    found = {name: SPLIT_FOLDERS[name.casefold()] for name in folders if name.casefold() in SPLIT_FOLDERS}
    if TRAIN not in found.values() or len(set(found.values())) < 2:
        return None
    splits = dict(sorted(found.items(), key=lambda item: item[1]))
    pictures = tuple(p for p in listing.pictures if first_folder(p, top) in splits)
    notes = []
    if len(pictures) < len(listing.pictures):
        outside = len(listing.pictures) - len(pictures)
        notes.append(f"{outside} pictures outside {', '.join(f'{name}/' for name in splits)} were left out")
    given = np.array([splits[first_folder(p, top)] for p in pictures], np.int8)
    own = {name: table_of(listing, top, name) for name in splits}
    common = tables.chosen or (None if any(own.values()) else only_table(listing, top, notes))
    words = " and ".join(f"{name}/" for name in splits)
    if common:
        labels = tables.label(common, pictures)
        words = f"the coursework's layout: {words} with {tables.called(common)}"
    elif any(own.values()):
        labelled = []
        for name, table in own.items():
            rows = [at for at, p in enumerate(pictures) if first_folder(p, top) == name]
            if table:
                labelled.append((rows, tables.label(table, [pictures[at] for at in rows])))
            else:
                notes.append(f"there is no table for {name}/")
        labels = join(len(pictures), labelled)
        words = f"the coursework's layout: {words} with {' and '.join(t for t in own.values() if t)}"
    else:
        labels, how = labels_from_folders(pictures, [f"{top}{name}/" for name in splits])
        words = f"split folders: {words}; {how}"
    return Layout(words, pictures, given, labels, notes=notes)


def table_of(listing: Listing, top: str, split: str) -> str | None:
    """'train.csv' beside train/, or the only table inside it."""
    for name in listing.tables:
        if name.rpartition(".")[0].casefold() == f"{top}{split}".casefold():
            return name
    inside = tables_in(listing, f"{top}{split}/")
    return inside[0] if len(inside) == 1 else None
