"""A folder of pictures with a table, or without, or a folder of folders."""

import numpy as np

from mien.faces.source.layout import (
    Layout,
    Tables,
    first_folder,
    labels_from_folders,
    only_table,
    why_no_classes,
    without_masks,
    without_strays,
    without_unlabelled_folders,
)
from mien.faces.source.listing import Listing
from mien.faces.splits import NOT_GIVEN


def read_folder(listing: Listing, tables: Tables, top: str) -> Layout:
    """One folder of pictures, with a table or not, or a folder of folders."""
    notes: list[str] = []
    pictures = listing.pictures
    table = tables.chosen or only_table(listing, top, notes)
    labels = None
    if table:
        not_classes = why_no_classes({first_folder(p, top) for p in without_strays(pictures, top, [])})
        # A table about other things may lie beside folders of classes, and a dataset.json without labels anywhere.
        certain = tables.chosen or (not_classes and not str(table).endswith(".json"))
        labels = tables.label(table, pictures) if certain else tables.label_if_ours(str(table), pictures, notes)
    if table and labels:
        keep = without_unlabelled_folders(pictures, labels, notes)
        pictures, labels = tuple(np.array(pictures, object)[keep]), labels.of(keep)
        how = f"pictures with the table {tables.called(table)}{'' if tables.chosen else ', which lies there'}"
    else:
        pictures = without_strays(without_masks(pictures, notes), top, notes)
        labels, words = labels_from_folders(pictures, [top])
        how = f"a folder of pictures; {words}"
    given = labels.given if labels.given is not None else np.full(len(pictures), NOT_GIVEN, np.int8)
    return Layout(how, pictures, given, labels, notes=notes)
