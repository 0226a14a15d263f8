"""The pack on disk: a folder in the user's cache, written beside its place and renamed, opened as a memory map.

<cache>/<name>-<key>/   images.npy  uint8 [N,S,S,3]     attributes.npy  int8 [N,A]     split.npy  uint8 [N]
                        factors.npy  float32 [N,F], of drawn faces only    files.json  N names
                        pack.json  version, signature of the source, fingerprint, attribute names, card, files_bytes

Opening reads small files and maps large ones, so that a set of any size opens at once. (The first packs of this
version have the names in pack.json, as `files`.)
"""

import errno
import json
import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self, overload

import numpy as np
from numpy.typing import NDArray

from mien.errors import DataError
from mien.faces.labelled_faces import Faces

VERSION = 3
STALE_AFTER = 3600  # seconds without a write, after which an unfinished pack is taken for abandoned
_UNFINISHED = ".packing-"
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def default_cache() -> Path:
    """Where packs are kept: $MIEN_CACHE, or the user's cache folder of this platform."""
    if chosen := os.environ.get("MIEN_CACHE"):
        return Path(chosen).expanduser()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "mien"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "mien"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "mien"


class ImageFile:
    """`images.npy` written in chunks, whose count is known at the end only.

    Written as a file and not through a memory map, since a full disk is then an error and not a crash (SIGBUS).
    """

    def __init__(self, path: Path, size: int) -> None:
        self._size = size
        self._count = 0
        self._file = path.open("wb")
        self._write_header()

    def write(self, images: NDArray[np.uint8]) -> None:
        """Append images, uint8 [n,S,S,3]."""
        self._file.write(np.ascontiguousarray(images).data)
        self._count += len(images)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._file.seek(0)
                self._write_header()  # numpy leaves room for the count to grow, so it is as long as the first
        finally:
            self._file.close()

    def _write_header(self) -> None:
        shape = (self._count, self._size, self._size, 3)
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, header)


class FileNames(Sequence[str]):
    """The names of a pack's files, which are decoded when the first one is asked for.

    content: the bytes of `files.json`, mapped, so that names and images stay those of one pack if it is replaced.
    """

    def __init__(self, content: NDArray[np.uint8], count: int) -> None:
        self._content, self._count = content, count

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(json.loads(self._content.tobytes()))

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[str, ...]: ...
    def __getitem__(self, at: int | slice) -> str | tuple[str, ...]:
        return self._names[at]


def is_pack(folder: Path) -> bool:
    """Whether this folder is a pack."""
    return (folder / "pack.json").is_file() and (folder / "images.npy").is_file()


def read_pack(folder: Path, signature: str | None) -> Faces | None:
    """The faces of a pack; None where there is none, it is damaged or has another signature.  signature: None: any"""
    try:
        text = (folder / "pack.json").read_text()
        about = json.loads(text)
        if about["version"] != VERSION or signature not in (None, about["signature"]):
            return None
        images = np.load(folder / "images.npy", mmap_mode="r")
        # Mapped first, so that a file that claims more than it holds cannot make NumPy allocate memory.
        attributes, split = (
            np.array(np.load(folder / name, mmap_mode="r")) for name in ("attributes.npy", "split.npy")
        )
        _check_shapes(images, attributes, split, about["attribute_names"])
        files = tuple(about["files"]) if "files" in about else _names(folder, about["files_bytes"], len(images))
        if (folder / "pack.json").read_text() != text or not len(images) == len(attributes) == len(split):
            return None  # another process replaced it between two reads
        about = about | {"card": dict(about["card"])}
    except (OSError, ValueError, KeyError, TypeError, EOFError, OverflowError, RecursionError):
        return None
    return Faces(
        images=images,
        attributes=attributes,
        attribute_names=tuple(about["attribute_names"]),
        split=split,
        files=files,
        fingerprint=about["fingerprint"],
        card={**about["card"], "pack": str(folder)},
    )


def _check_shapes(images: NDArray[Any], attributes: NDArray[Any], split: NDArray[Any], names: Sequence[str]) -> None:
    kinds = [array.dtype.name for array in (images, attributes, split)]
    if kinds != ["uint8", "int8", "uint8"] or images.ndim != 4 or images.shape[2:] != (images.shape[1], 3):
        raise ValueError("images, attributes or split are not of their kinds")
    if attributes.shape != (len(images), len(names)) or split.shape != (len(images),) or split.max(initial=0) > 2:
        raise ValueError("attributes or split are not those of the images")


def _names(folder: Path, size: int, count: int) -> FileNames:
    content = np.memmap(folder / "files.json", np.uint8, "r")
    if len(content) != size:
        raise ValueError("files.json is damaged")
    return FileNames(content, count)


def write_pack_file(folder: Path, about: dict[str, Any], files: Sequence[str], arrays: dict[str, NDArray[Any]]) -> None:
    """Write everything but the images; `pack.json` last: a folder without it is not a pack."""
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    names = json.dumps(files).encode()
    (folder / "files.json").write_bytes(names)
    (folder / "pack.json").write_text(json.dumps({"version": VERSION, **about, "files_bytes": len(names)}))


@contextmanager
def unfinished(folder: Path, needed: int) -> Iterator[Path]:
    """A temporary folder to write a pack into; it replaces `folder` on success and is deleted on an error.

    needed: bytes.    Raises: DataError: no room, no permission.
    """
    cache = folder.parent
    fresh = cache / f"{_UNFINISHED}{folder.name}-{secrets.token_hex(4)}"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(cache)
        free = shutil.disk_usage(cache).free
        if free < needed:
            raise _no_room(cache, f"the pack needs {_gigabytes(needed)}, and {_gigabytes(free)} are free")
        fresh.mkdir()
        yield fresh
        _publish(fresh, folder)
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise _no_room(cache, f"the disk became full; the pack needs {_gigabytes(needed)}") from None
        raise DataError(
            f"{error.filename or cache}: {error.strerror or error} while packing. "
            "Set MIEN_CACHE to a folder that you can write to."
        ) from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _publish(fresh: Path, folder: Path) -> None:
    """Rename the finished pack into place; of two processes that pack at once the last one wins."""
    for _ in range(100):
        try:
            fresh.rename(folder)
            return
        except OSError as error:
            if not folder.exists():
                raise
            old = folder.with_name(f"{_UNFINISHED}{folder.name}-{secrets.token_hex(4)}")
            try:
                folder.rename(old)
            except FileNotFoundError:  # the other process moved it away first
                continue
            except PermissionError:  # Windows, while a process has it mapped
                raise error from None
            shutil.rmtree(old, ignore_errors=True)


def _remove_abandoned(cache: Path) -> None:
    """Delete folders that killed processes left; a process that packs writes to its files all the time."""
    for left in cache.glob(f"{_UNFINISHED}*"):
        try:
            newest = max(path.stat().st_mtime for path in (left, *left.iterdir()))
        except OSError:  # gone meanwhile
            continue
        if time.time() - newest > STALE_AFTER:
            shutil.rmtree(left, ignore_errors=True)


def _no_room(cache: Path, why: str) -> DataError:
    return DataError(f"{cache}: no room on the disk: {why}. Free space, or set MIEN_CACHE to a folder on another disk.")


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.2f} GB"
