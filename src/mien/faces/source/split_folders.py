"""The coursework's layout: a folder for each split, and a table for each, or one for all."""

import re

import numpy as np

from mien.errors import DataError
from mien.faces.source.layout import (
    Layout,
    Tables,
    first_folder,
    labels_from_folders,
    labels_of_classes,
    only_table,
    tables_in,
)
from mien.faces.source.listing import Listing
from mien.faces.source.split_names import domain_of, split_of
from mien.faces.source.tables import join
from mien.faces.splits import TRAIN


def read_split_folders(listing: Listing, tables: Tables, top: str) -> Layout | None:
    """The coursework's layout: train/ and test/ (validation/ if there), and a table for each, or one for all."""
    folders = sorted({first_folder(p, top) for p in listing.pictures})
    found = {name: split for name in folders if (split := split_of(name)) is not None}
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
            its = tables.label_if_ours(table, [pictures[at] for at in rows], notes) if table else None
            if its:
                labelled.append((rows, its))
            else:
                notes.append(f"there is no table for {name}/")
        if not labelled:
            raise DataError(f"{listing.path}: {notes[0]}. Name the table with --attributes, or remove these files.")
        labels = join(len(pictures), labelled)
        words = f"the coursework's layout: {words} with {' and '.join(t for t in own.values() if t)}"
    elif {domain_of(name) for name in splits} == {"A", "B"}:
        labels = labels_of_classes([domain_of(first_folder(p, top)) for p in pictures])
        words = f"split folders: {words}; A and B are attributes"
    else:
        labels, how = labels_from_folders(pictures, [f"{top}{name}/" for name in splits])
        words = f"split folders: {words}; {how}"
    return Layout(words, pictures, given, labels, notes=notes)


def table_of(listing: Listing, top: str, split: str) -> str | None:
    """'train.csv' or 'labels_train.csv' beside train/, or the only table inside it."""
    stem = f"{top}{split}".casefold()
    beside = [name for name in listing.tables if name.rpartition("/")[0] == top.rstrip("/")]
    for name in beside:
        if name.rpartition(".")[0].casefold() == stem:
            return name
    about = [n for n in beside if split.casefold() in re.split(r"[^a-z]+", n[len(top) :].casefold())]
    if len(about) == 1 and about[0] in tables_in(listing, top):
        return about[0]
    inside = tables_in(listing, f"{top}{split}/")
    return inside[0] if len(inside) == 1 else None
