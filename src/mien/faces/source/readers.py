"""The layout of a source, recognised by its files. A new layout is a file beside this one and a line in READERS."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from mien.errors import DataError
from mien.faces.source.celeba import read_celeba
from mien.faces.source.decode import extensions
from mien.faces.source.layout import Layout, Tables, top_folder
from mien.faces.source.listing import Listing, missing
from mien.faces.source.plain_folder import read_folder
from mien.faces.source.split_folders import read_split_folders

Reader = Callable[[Listing, Tables, str], Layout | None]
READERS: tuple[Reader, ...] = (  # the first that knows a layout reads it
    read_celeba,
    read_split_folders,
    read_folder,  # knows every layout, so it stays last
)


def read_layout(listing: Listing, table: Path | str | None, names_column: str | None = None) -> Layout:
    """Names, splits and labels by the first reader that knows the layout; no picture is opened.

    table: instead of the one that lies there.    names_column: of a table, the one of file names.

    Raises: DataError: no pictures, a table that cannot be used.
    """
    if not listing.pictures:
        raise no_pictures(listing)
    tables, top = Tables(listing, table, names_column), top_folder(listing)
    layout = next(layout for read in READERS if (layout := read(listing, tables, top)))
    return replace(layout, notes=[*layout.notes, *passed_over(listing, layout)])


def passed_over(listing: Listing, layout: Layout) -> list[str]:
    """Notes on files that were not read: how many of each ending, and those that may hold attributes."""
    notes = []
    if listing.ignored:
        kinds = sorted(listing.ignored.items(), key=lambda kind: (-kind[1], kind[0]))
        told = ", ".join(f"{count:,} {ending}" for ending, count in kinds[:6])
        more = f" and {len(kinds) - 6} more kinds" if len(kinds) > 6 else ""
        notes.append(f"passed over, as no pictures that are read: {told}{more}")
    if not layout.labels.names:
        texts = [name for name in listing.tables if name.casefold().endswith(".txt")]
        if texts:
            named = ", ".join(texts[:3]) + (" and more" if len(texts) > 3 else "")
            notes.append(f"if {named} holds attributes, name the table with --attributes")
    return notes


def find_table(listing: Listing, table: Path) -> Path | str:
    """The table a user named: a path on disk, or a name in the source.

    Raises: DataError: there is no such table.
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


def no_pictures(listing: Listing) -> DataError:
    """The error for a source without pictures."""
    others = [f"{count} {ending}" for ending, count in sorted(listing.ignored.items())]
    if listing.tables:
        others.append(f"{len(listing.tables)} tables or texts")
    if not others and listing.path.is_dir():
        others = [f"the folder {entry.name}" for entry in sorted(listing.path.iterdir()) if entry.is_dir()]
    found = f"Found only {', '.join(others[:8])}." if others else "It is empty."
    archives = sorted(listing.path.glob("*.zip")) if listing.path.is_dir() else []
    if archives:
        beside = " with --attributes and the table beside it" if listing.tables else ""
        return DataError(f"{listing.path}: no pictures there. {found} Give the .zip itself{beside}: {archives[0]}")
    usual = ", ".join(ending for ending in (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".pgm", ".tif"))
    return DataError(
        f"{listing.path}: no pictures there. {found} Pictures end in {usual} and {len(extensions()) - 8} rarer ones. "
        "Give the folder that holds them, or 'drawn' for the embedded faces."
    )
