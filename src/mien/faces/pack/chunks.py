"""The two kinds of source, photographs and drawn faces: the identity of its pack, and how its pictures are made."""

import hashlib
import json
import re
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.errors import DataError
from mien.faces.freed_memory import keep_freed_blocks
from mien.faces.pack.decoding import in_order
from mien.faces.source.decode import BadPicture, Crop, Original, decode, quiet
from mien.faces.source.layout import Layout
from mien.faces.source.listing import list_source, reader
from mien.faces.source.readers import find_table, read_layout
from mien.faces.source.tables import Labels
from mien.faces.splits import NOT_GIVEN
from mien.seeds import RendererSeed

CHUNK = 128  # pictures of one task of a thread or a process
CHUNK_BYTES = 16 * 2**20  # of a task's files, about, where they are read before it starts
DRAWN_COUNT = 20_000
MOST_DRAWN = 5_000_000
MOST_SHOWN = 60  # letters of what was given, in a message
PROBE = 64  # drawn faces that tell whether the drawing has changed since a pack was made


@dataclass
class Chunk:
    """Some packed pictures: n of them are good.

    images: uint8 [n,S,S,3].    good: where they stand in the chunk's names.    digests: of their pixels, 16 bytes each.
    """

    images: NDArray[np.uint8]
    good: list[int]
    digests: list[bytes]
    originals: list[Original] = field(default_factory=list)
    bad: list[tuple[str, str]] = field(default_factory=list)  # name, reason


class Photographs:
    """A folder or a .zip.

    words: the source as the user gave it.    name: a readable part of the pack's name.    signature: changes with the
    content.    identity: what else decides the pack.    doing: for the progress bar.

    Raises: DataError, see `list_source` and `find_table`.
    """

    doing = "packing"

    def __init__(
        self,
        path: Path,
        size: int,
        crop: Crop | None,
        table: Path | None,
        skip_bad: bool,
        names_column: str | None = None,
    ) -> None:
        self.words = str(path)
        self.skip_bad = skip_bad
        self._names_column = names_column
        self._path, self._size, self._crop = path.resolve(), size, crop
        self._listing = list_source(path)
        self._table = find_table(self._listing, table) if table else None
        self.name = path.resolve().stem
        chosen = str(self._table.resolve()) if isinstance(self._table, Path) else self._table
        self.identity = (str(self._path), size, crop, chosen, *([names_column] if names_column is not None else []))
        self.signature = self._listing.signature
        if isinstance(self._table, Path):
            about = self._table.stat()
            self.signature += f" {about.st_size} {about.st_mtime_ns}"

    def layout(self) -> Layout:
        """Read names, tables and splits."""
        return read_layout(self._listing, self._table, self._names_column)

    def chunks(self, layout: Layout, workers: int) -> Generator[Chunk, None, None]:
        """Decode in threads; a .zip is read in the calling thread."""
        names, crop = layout.pictures, self.crop(layout)
        starts = range(0, len(names), CHUNK)
        parts = ((names[at : at + CHUNK], self._path) for at in starts)
        given = read_in_parts(self._path, names) if self._path.is_file() else parts
        with quiet():  # once for all threads, as warnings are filtered for the whole process
            yield from in_order(decode_chunk, ((*part, self._size, crop) for part in given), workers)

    def crop(self, layout: Layout) -> Crop:
        """The crop that was given; else the usual box for CelebA's layout and the centre square for others."""
        return self._crop or ("celeba" if layout.celeba else "square")

    def factors(self) -> None:
        """Photographs have no known factors."""


class Drawn:
    """The embedded faces, 'drawn' or 'drawn:COUNT'.

    Raises: DataError for a count that is no number.
    """

    doing = "drawing"
    skip_bad = False

    def __init__(self, words: str, size: int) -> None:
        from mien.faces.drawn.drawn_faces import draw

        count = words.partition(":")[2] or str(DRAWN_COUNT)
        if not (re.fullmatch("[0-9]{1,9}", count) and int(count) <= MOST_DRAWN):
            raise DataError(
                f"{words[:MOST_SHOWN]}: {count[:MOST_SHOWN]!r} is not a number of faces up to {MOST_DRAWN:,}. "
                "Write 'drawn' or, for example, 'drawn:5000'."
            )
        self.words, self._count, self._size = words, int(count), size
        self.name = "drawn"
        self.identity = ("drawn", self._count, size)
        self.signature = hashlib.sha256(draw(PROBE, size=size, seed=RendererSeed.FACES).images.tobytes()).hexdigest()

    def layout(self) -> Layout:
        """Sample the attributes of the faces to draw."""
        from mien.faces.drawn.drawn_faces import ATTRIBUTES, sample

        files = tuple(f"{at:06d}" for at in range(self._count))
        labels = Labels(ATTRIBUTES, sample(self._count, seed=RendererSeed.FACES)[0], np.ones(self._count, np.bool_))
        return Layout("the embedded faces, drawn", files, np.full(self._count, NOT_GIVEN, np.int8), labels)

    def chunks(self, layout: Layout, workers: int) -> Generator[Chunk, None, None]:
        """Draw in this process, or in several."""
        from mien.faces.drawn.drawing_processes import draw_in_processes
        from mien.faces.drawn.drawn_faces import draw

        if workers > 1:
            drawn = draw_in_processes(self._count, self._size, CHUNK, workers)
        else:
            counts = ((at, min(CHUNK, self._count - at)) for at in range(0, self._count, CHUNK))
            drawn = (draw(n, size=self._size, seed=RendererSeed.FACES, start=at).images for at, n in counts)
        for images in drawn:
            yield Chunk(images, list(range(len(images))), [digest(image) for image in images])

    def crop(self, layout: Layout) -> None:
        """Nothing is cropped."""

    def factors(self) -> tuple[tuple[str, ...], NDArray[np.float32]]:
        """Names and values [N,F] of the continuous factors."""
        from mien.faces.drawn.drawn_faces import FACTORS, sample

        return FACTORS, sample(self._count, seed=RendererSeed.FACES)[1]


Source = Photographs | Drawn


def read_in_parts(path: Path, names: Sequence[str]) -> Iterator[tuple[list[str], list[bytes | BadPicture]]]:
    """Names and contents of files, at most CHUNK at a time, and fewer where files are large."""
    part, contents, held = list[str](), list[bytes | BadPicture](), 0
    for name, content in zip(names, read_all(path, names), strict=True):
        part.append(name)
        contents.append(content)
        held += len(content) if isinstance(content, bytes) else 0
        if len(part) == CHUNK or held > CHUNK_BYTES:
            yield part, contents
            part, contents, held = [], [], 0
    if part:
        yield part, contents


def read_all(path: Path, names: Sequence[str]) -> Iterator[bytes | BadPicture]:
    """The bytes of each file of a source, or why it cannot be read."""
    read = reader(path)
    for name in names:
        try:
            yield read(name)
        except BadPicture as error:
            yield error


def decode_chunk(names: Sequence[str], where: Path | Sequence[bytes | BadPicture], size: int, crop: Crop) -> Chunk:
    """Decode pictures of a source, inside `quiet()`.    where: their folder, or their contents."""
    contents = read_all(where, names) if isinstance(where, Path) else where
    keep_freed_blocks()
    images = np.empty((len(names), size, size, 3), np.uint8)
    chunk = Chunk(images, [], [])
    for at, (name, content) in enumerate(zip(names, contents, strict=True)):
        try:
            if isinstance(content, BadPicture):
                raise content
            images[len(chunk.good)], original = decode(content, size, crop)
        except BadPicture as error:
            chunk.bad.append((name, str(error)))
        else:
            chunk.good.append(at)
            chunk.originals.append(original)
    chunk.images = images[: len(chunk.good)]
    chunk.digests = [digest(image) for image in chunk.images]
    return chunk


def digest(image: NDArray[np.uint8]) -> bytes:
    """16 bytes that stand for the pixels of one image."""
    return hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()


def key(source: Source, version: int) -> str:
    """The key of a pack in the cache, hexadecimal."""
    return hashlib.sha256(json.dumps([version, *source.identity]).encode()).hexdigest()
