"""Open a source of faces: pack it once into the cache, and from then on map the pack into memory."""

import hashlib
import json
import re
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mien.errors import DataError, printable
from mien.faces.labelled_faces import Faces
from mien.faces.pack import statistics
from mien.faces.pack.chunks import Chunk, Drawn, Photographs, Source, key
from mien.faces.pack.decoding import cores
from mien.faces.pack.store import VERSION, ImageFile, default_cache, is_pack, read_pack, unfinished, write_pack_file
from mien.faces.source.decode import Box, Original
from mien.faces.source.layout import Layout
from mien.faces.source.listing import path_of
from mien.faces.splits import divide

SIZES = (32, 64, 128)
FEWEST = 16  # pictures
HASHED = 1_024  # pictures at a time
MOST_BAD = 0.01  # share of the pictures
MOST_SHOWN = 100  # letters of a name in a message
FEW = 500  # pictures; below this, starting processes takes longer than it saves

Progress = Callable[[str, int, int], None]


def open_faces(
    source: str | Path,
    *,
    size: int = 64,
    crop: Box | Literal["square"] | None = None,
    attributes_table: str | Path | None = None,
    names_column: str | None = None,
    skip_bad: bool = False,
    cache: str | Path | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Faces:
    """Faces from a folder, a .zip or 'drawn' ('drawn:5000'), packed on first use and mapped into memory from then on.

    size: side in pixels, 32, 64 or 128.    crop: (left, top, right, bottom) in every picture's own pixels, 'square' for
    the centre square, None for the usual of the layout.    attributes_table: instead of the one found in the source.
    names_column: of the table, the one of file names, where more than one could be.
    skip_bad: go on where more than 1 % of the files are bad.    cache: the folder for packs, by default the user's.
    workers: threads (to draw: processes), by default one a core for 500 pictures or more.
    progress: called with (words, done, total).

    The source may also be a pack's own folder (card['pack']), which opens without its original pictures.

    Raises: DataError: no such source, no pictures, too few or too many bad ones, a table that does not fit, no room.
    """
    _check(size, crop)
    found: Source
    if str(source).partition(":")[0] == "drawn":
        found = Drawn(str(source), size)
    else:
        path = path_of(source)
        if is_pack(path):
            return _open_itself(
                path.absolute(), size, crop is None and attributes_table is None and names_column is None
            )
        table = path_of(attributes_table) if attributes_table else None
        found = Photographs(path, size, crop, table, skip_bad, names_column)
    name = re.sub(r"\W+", "-", found.name).strip("-")[:40] or "faces"
    folder = Path(cache or default_cache()).expanduser().absolute() / f"{name}-{key(found, VERSION)[:12]}"
    faces = read_pack(folder, found.signature)
    if faces is None:
        layout = found.layout()
        _check_count(found.words, len(layout.pictures), "pictures")
        needed = len(layout.pictures) * (size * size * 3 + 512) + 2**24  # names, attributes, card beside the pixels
        with unfinished(folder, needed) as fresh:
            _write(found, layout, fresh, size, workers, progress or (lambda words, done, total: None))
        faces = _read_just_written(folder, found.signature)
    bad = faces.card["bad"]
    _check_bad(found, bad["count"], len(faces.files) + bad["count"], bad["files"])
    return faces


def _open_itself(folder: Path, size: int, as_packed: bool) -> Faces:
    """The faces of a pack that is itself the source."""
    faces = read_pack(folder, None)
    if faces is None:
        raise DataError(f"{folder}: a damaged pack, or one of another version. Give the pictures it was made of.")
    if faces.size != size:
        raise DataError(
            f"{folder}: packed at {faces.size}x{faces.size}, and size is {size}. Give size {faces.size}, "
            "or the pictures it was made of."
        )
    if not as_packed:
        raise DataError(
            f"{folder}: a pack, whose crop and attributes are fixed. Leave both out, or give its original pictures."
        )
    return faces


def verify(faces: Faces) -> None:
    """Check that a pack's pixels, attributes, split and names have not changed, by their fingerprint.

    Raises: DataError where the disk has changed them.
    """
    content = hashlib.sha256()
    for start in range(0, len(faces.images), HASHED):
        content.update(faces.images[start : start + HASHED].data)
    _add_labels(content, faces.attributes, faces.attribute_names, faces.files[:], faces.split)
    if content.hexdigest() != faces.fingerprint:
        raise DataError(
            f"{faces.card['pack']}: is not as it was packed: its disk has changed it. Delete the folder, and the "
            "pictures are packed again when they are used next; runs trained from it may have seen damaged pictures."
        )


def _add_labels(
    content: "hashlib._Hash",
    attributes: NDArray[np.int8],
    names: Sequence[str],
    files: Sequence[str],
    split: NDArray[np.uint8],
) -> None:
    """Add a pack's attributes, names and split to its fingerprint."""
    for part in (attributes.tobytes(), json.dumps([list(names), list(files)]).encode(), split.tobytes()):
        content.update(part)


def factors(faces: Faces) -> NDArray[np.float32] | None:
    """The continuous factors of drawn faces, float32 [N,F], named in card['factors']; None for photographs."""
    path = Path(faces.card["pack"]) / "factors.npy"
    return np.load(path) if path.exists() else None


@dataclass
class _Gathered:
    """Results of the chunks besides the pixels."""

    rows: list[int] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)
    originals: list[Original] = field(default_factory=list)
    bad: list[tuple[str, str]] = field(default_factory=list)

    def add(self, chunk: Chunk) -> None:
        start = len(self.rows) + len(self.bad)
        self.rows.extend(start + at for at in chunk.good)
        self.digests.extend(chunk.digests)
        self.originals.extend(chunk.originals)
        self.bad.extend(chunk.bad)


def _write(source: Source, layout: Layout, folder: Path, size: int, workers: int | None, progress: Progress) -> None:
    """Pack everything into an unfinished folder."""
    total = len(layout.pictures)
    gathered, content = _Gathered(), hashlib.sha256()
    progress(source.doing, 0, total)
    with ImageFile(folder / "images.npy", size) as images:
        workers = workers or (1 if total < FEW else cores())
        with closing(source.chunks(layout, workers)) as chunks:
            for chunk in chunks:
                images.write(chunk.images)
                content.update(chunk.images.data)
                gathered.add(chunk)
                _check_bad(source, len(gathered.bad), total, gathered.bad)  # stops before the rest is decoded
                progress(source.doing, len(gathered.rows) + len(gathered.bad), total)
    _check_count(source.words, len(gathered.rows), "sound pictures")
    digests = np.frombuffer(b"".join(gathered.digests), np.uint8).reshape(len(gathered.rows), -1)
    division = divide(digests, layout.given[gathered.rows])
    files = [layout.pictures[row] for row in gathered.rows]
    attributes = layout.labels.values[gathered.rows]
    _add_labels(content, attributes, layout.labels.names, files, division.split)
    arrays: dict[str, NDArray[Any]] = {"attributes": attributes, "split": division.split}
    about: dict[str, Any] = {
        "signature": source.signature,
        "fingerprint": content.hexdigest(),
        "attribute_names": layout.labels.names,
        "card": statistics.build(
            source=source.words,
            layout=layout,
            size=size,
            crop=source.crop(layout),
            rows=gathered.rows,
            division=division,
            digests=gathered.digests,
            originals=gathered.originals,
            bad=gathered.bad,
        ),
    }
    if known := source.factors():
        about["card"]["factors"], values = known
        arrays["factors"] = values[gathered.rows]
    about["card"]["fingerprint"] = about["fingerprint"]
    write_pack_file(folder, about, files, arrays)


def _read_just_written(folder: Path, signature: str) -> Faces:
    for _ in range(50):  # another process may be renaming its own pack into this place at this moment
        if faces := read_pack(folder, signature):
            return faces
        time.sleep(0.1)
    raise DataError(f"{folder}: the pack was changed while it was being opened. Try again.")


def _check(size: int, crop: Box | str | None) -> None:
    if size not in SIZES:
        raise DataError(
            f"size is {size}; it may be {', '.join(map(str, SIZES[:-1]))} or {SIZES[-1]}. Choose one of them."
        )
    if crop is None or crop == "square":
        return
    usage = "Give left, top, right, bottom of a square in pixels, such as 25 50 153 178, or 'square'"
    if isinstance(crop, str) or len(crop) != 4:
        raise DataError(f"crop is {crop!r}. {usage}.")
    left, top, right, bottom = crop
    if not (0 <= left < right and 0 <= top < bottom and right - left == bottom - top):
        raise DataError(f"crop is {crop}: {right - left} wide and {bottom - top} high. {usage}.")


def _check_count(source: str, count: int, what: str) -> None:
    if count < FEWEST:
        raise DataError(
            f"{source}: too few images: {count} {what}, and at least {FEWEST} are needed. Add some, or use 'drawn'."
        )


def _check_bad(source: Source, count: int, total: int, bad: Sequence[Sequence[str]]) -> None:
    if source.skip_bad or count <= MOST_BAD * total:
        return
    first = "; ".join(printable(f"{name[:MOST_SHOWN]} ({reason})") for name, reason in bad[:3])
    raise DataError(
        f"{source.words}: {count:,} or more of {total:,} files are bad, more than 1 %: {first}. "
        "Repair or remove them, or leave them out with --skip-bad (skip_bad=True)."
    )
