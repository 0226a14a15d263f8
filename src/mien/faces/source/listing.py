"""The files of a source, a folder or a .zip, listed without opening any picture."""

import errno
import hashlib
import os
import posixpath
import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from json.encoder import encode_basestring_ascii as quoted
from pathlib import Path
from typing import NamedTuple

from mien.errors import DataError, did_you_mean, shown
from mien.faces.source.decode import MAX_BYTES, BadPicture, extensions

# Files and folders of macOS, Windows, Synology's and QNAP's disks, and Linux: thumbnails, deleted pictures, caches.
DROPPINGS = {"", "__macosx", "thumbs.db", "desktop.ini", "$recycle.bin", "recycler", "system volume information"}
DROPPINGS |= {"@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "@tmp", "lost+found", "__pycache__"}
TABLE_ENDINGS = (".csv", ".tsv", ".txt", ".jsonl")
TABLE_NAMES = ("dataset.json",)  # of StyleGAN's data sets
# Longer names are refused: the index of a name's endings grows with the square of its length.
MOST_DEEP, LONGEST_NAME = 32, 4096  # folders, letters
MOST_BESIDE = 1000  # names that are compared with a mistyped one
NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.EACCES)
# Of these zipfile unpacks no more than it is asked for; of bzip2 and LZMA a few bytes unpack to gigabytes.
BOUNDED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
DAMAGED = (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, ValueError, OverflowError, struct.error)
# Files of which a folder that mien wrote has all: a plan, a study or a comparison; a run; a page for the web.
OF_MIEN = ((".report.lock",), ("recipe.toml", "provenance.json"), ("bundle.json", "exhibit.json"))


class _File(NamedTuple):
    name: str  # relative to the source, with forward slashes
    size: int  # bytes, unpacked
    mtime_ns: int


@dataclass(frozen=True)
class Listing:
    """The files of a source; names are relative to it, with forward slashes, sorted.

    ignored: how many other files there are of each ending.    signature: changes when a picture or a table does.
    """

    path: Path
    pictures: tuple[str, ...]
    tables: tuple[str, ...]
    ignored: dict[str, int]
    signature: str


def path_of(given: str | Path) -> Path:
    """The path that the user gave, with ~ expanded.

    Raises: DataError for text that cannot be a path.
    """
    try:
        if not str(given):
            raise ValueError("the name is empty")
        path = Path(given).expanduser()
        path.stat()
    except (ValueError, RuntimeError, OSError) as error:
        if isinstance(error, OSError) and error.errno in NOT_THERE:
            return path
        why = error.strerror if isinstance(error, OSError) else error
        raise DataError(f"{shown(str(given))}: not a possible path ({why}). Check the spelling.") from None
    return path


def list_source(path: Path) -> Listing:
    """List a folder or a .zip; hidden files and those that operating systems leave are skipped.

    Raises: DataError: no such path, neither a folder nor a .zip, no permission.
    """
    try:
        if not path.exists():
            raise missing(path, "folder or .zip")
        found = sorted(_walk_folder(path) if path.is_dir() else _walk_zip(path))
        known = extensions()
        pictures, tables, lines, ignored = [], [], [], Counter[str]()
        digest = hashlib.sha256()
        if path.is_file():
            digest.update(repr((path.stat().st_size, path.stat().st_mtime_ns)).encode())
        for file in found:
            _check_name(path, file.name)
            ending = posixpath.splitext(file.name)[1].lower()
            if ending in known:
                pictures.append(file.name)
            elif ending in TABLE_ENDINGS or posixpath.basename(file.name) in TABLE_NAMES:
                tables.append(file.name)
            else:
                ignored[ending or "no ending"] += 1
                continue
            lines.append(f"[{quoted(file.name)}, {file.size}, {file.mtime_ns}]\n")
        digest.update("".join(lines).encode())
    except PermissionError as error:
        raise DataError(f"{error.filename or path}: no permission to read it. Ask its owner, or copy it.") from None
    except OSError as error:
        raise DataError(f"{error.filename or path}: cannot be read ({error.strerror}). Check the path.") from None
    return Listing(path, tuple(pictures), tuple(tables), dict(ignored), digest.hexdigest())


def missing(path: Path, kind: str) -> DataError:
    """The error for a path that does not exist, with the nearest name beside it."""
    parent = path.parent
    beside = (
        [entry.name for entry in islice(parent.iterdir(), MOST_BESIDE)]
        if os.access(parent, os.R_OK) and parent.is_dir()
        else []
    )
    where = did_you_mean(path.name, beside) if beside else f" There is no folder {parent} either."
    return DataError(f"{path}: no such {kind}.{where}")


def reader(path: Path) -> Callable[[str], bytes]:
    """A function from a name in the listing of a source to that file's bytes, at most MAX_BYTES of them.

    The function raises: BadPicture, for a file that cannot be read or is too large.
    """
    read = _read_from_zip if path.is_file() else _read_from_folder

    def bounded(name: str) -> bytes:
        try:
            return read(path, name)
        except PermissionError:
            raise BadPicture("no permission to read it") from None
        except (OSError, RuntimeError, KeyError, EOFError, zlib.error, *DAMAGED) as error:
            # RuntimeError is how zipfile says that a password is needed.
            raise BadPicture(f"cannot be read: {error}") from None

    return bounded


def _read_from_folder(path: Path, name: str) -> bytes:
    with open(f"{path}{os.sep}{name}", "rb") as file:  # noqa: PTH123 - a Path for each costs more than the reading
        size = os.fstat(file.fileno()).st_size
        _check_bytes(size)
        return file.read(size)  # a larger bound would be allocated first


def _read_from_zip(path: Path, name: str) -> bytes:
    archive, members = _open_zip(path, path.stat().st_mtime_ns)
    _check_bytes(members[name].file_size)
    if members[name].compress_type not in BOUNDED:
        raise BadPicture("packed by another method than deflate or store; make the .zip again with one of these")
    with archive.open(members[name]) as file:
        return file.read(members[name].file_size)  # unbounded, a member with a false size would be unpacked whole


def _check_name(path: Path, name: str) -> None:
    if name.count("/") > MOST_DEEP or len(name) > LONGEST_NAME:
        raise DataError(
            f"{path}: {shown(name)} lies {name.count('/'):,} folders deep and has {len(name):,} letters; up to "
            f"{MOST_DEEP} and {LONGEST_NAME:,} are read. Rename it, or leave it out."
        )


def _check_bytes(count: int) -> None:
    if count > MAX_BYTES:
        raise BadPicture(f"{count:,} bytes, more than the {MAX_BYTES:,} that a file may have")


def _walk_folder(top: Path) -> Iterator[_File]:
    waiting, seen = [("", str(top))], set[str]()
    while waiting:
        prefix, folder = waiting.pop()
        real = os.path.realpath(folder)
        if real in seen:  # a link back to a folder already walked
            continue
        seen.add(real)
        if prefix and _is_of_mien(folder):
            continue
        with os.scandir(folder) as entries:
            for entry in entries:
                if _is_noise(entry.name):
                    continue
                try:
                    if entry.is_dir():
                        waiting.append((f"{prefix}{entry.name}/", entry.path))
                        continue
                    about = entry.stat()
                except PermissionError:
                    raise
                except OSError:  # a link to nothing, or to itself
                    continue
                if stat.S_ISREG(about.st_mode):
                    yield _File(prefix + entry.name, about.st_size, about.st_mtime_ns)


def _walk_zip(path: Path) -> Iterator[_File]:
    if not path.is_file() or not zipfile.is_zipfile(path):  # opening a pipe would block for ever
        raise DataError(
            f"{path}: neither a folder nor a .zip. Give the folder that holds the pictures, a .zip of it, "
            "or 'drawn' for the embedded faces."
        )
    _, members = _open_zip(path, path.stat().st_mtime_ns)
    for name, member in members.items():
        yield _File(name, member.file_size, member.CRC)


@lru_cache(maxsize=1)
def _open_zip(path: Path, mtime_ns: int) -> tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]:
    """An archive and its members by cleaned name; nothing is written to disk, so names such as '../x' are harmless."""
    try:
        archive = zipfile.ZipFile(path)
    except DAMAGED as error:
        raise DataError(f"{path}: a damaged .zip ({error}). Download or make it again.") from None
    members = {}
    for member in archive.infolist():
        parts = [part for part in member.filename.replace("\\", "/").split("/") if part != "."]
        if parts and not member.is_dir() and not any(_is_noise(part) for part in parts):
            members["/".join(parts)] = member
    return archive, members


def _is_of_mien(folder: str) -> bool:
    """Whether a folder is a run, plan, study or page that mien wrote; its pictures are not photographs."""
    return any(all(os.path.isfile(f"{folder}{os.sep}{name}") for name in names) for names in OF_MIEN)  # noqa: PTH113


def _is_noise(name: str) -> bool:
    """Hidden files, and what systems leave behind; '..' in a zip is among the hidden."""
    return name.startswith(".") or name.casefold() in DROPPINGS
