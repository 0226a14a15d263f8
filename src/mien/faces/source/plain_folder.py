"""A folder of pictures with a table, or without, or a folder of folders."""

import numpy as np

from mien.faces.source.layout import Layout, Tables, labels_from_folders, only_table
from mien.faces.source.listing import Listing
from mien.faces.splits import NOT_GIVEN


def read_folder(listing: Listing, tables: Tables, top: str) -> Layout:
    """One folder of pictures, with a table or not, or a folder of folders."""
    pictures, notes = listing.pictures, list[str]()
    given = np.full(len(pictures), NOT_GIVEN, np.int8)
    table = tables.chosen or only_table(listing, top, notes)
    if table:
        labels = tables.label(table, pictures)
        found = "" if tables.chosen else ", which lies there"
        return Layout(f"pictures with the table {tables.called(table)}{found}", pictures, given, labels, notes=notes)
    labels, how = labels_from_folders(pictures, [top])
    return Layout(f"a folder of pictures; {how}", pictures, given, labels, notes=notes)
