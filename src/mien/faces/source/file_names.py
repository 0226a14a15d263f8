"""Finding the picture for a name in a table: with or without folder or ending, in upper or lower case."""

import unicodedata
from collections.abc import Iterator, Sequence

from mien.faces.source.decode import extensions

MOST_PARTS = 33  # of a path, from its end: a table may hold anything, and there are as many tails as parts
LONGEST_NUMBER = 20  # digits
SEVERAL = -1  # a name that fits more than one picture


class Finder:
    """Finds pictures by the names that tables give them."""

    def __init__(self, pictures: Sequence[str]) -> None:
        self._whole: dict[str, int] = {}
        self._stems: dict[str, int] = {}
        self._numbers: dict[int, int] = {}
        for place, picture in enumerate(pictures):
            plain = _plain(picture)
            without_ending = _without_ending(plain)
            for index, name in ((self._whole, plain), (self._stems, without_ending)):
                for key, _ in _tails(name):
                    index[key] = SEVERAL if key in index else place
            stem = without_ending.rpartition("/")[2]
            if stem.isdecimal():
                self._numbers[int(stem)] = SEVERAL if int(stem) in self._numbers else place

    def find_number(self, name: str) -> int | None:
        """The place of the picture whose name is that number: 000001.jpg of 1 or 1.0, as spreadsheets write it."""
        whole = name.strip().removesuffix(".0")
        place = self._numbers.get(int(whole)) if whole.isdecimal() and len(whole) < LONGEST_NUMBER else None
        return place if place is not None and place >= 0 else None

    def find(self, name: str) -> tuple[int | None, int]:
        """The picture's place (None: no match, SEVERAL: more than one) and how many parts of its path match."""
        plain = _plain(name)
        for index, wanted in ((self._whole, plain), (self._stems, plain), (self._stems, _without_ending(plain))):
            for key, parts in _tails(wanted):
                if key in index:
                    return index[key], parts
        return None, 0


def ends_as_picture(name: str) -> bool:
    """Whether a name has the ending of a picture's file."""
    plain = _plain(name)
    return _without_ending(plain) != plain


def _plain(name: str) -> str:
    """One spelling for one name: macOS writes accents apart, Windows the slashes the other way."""
    return unicodedata.normalize("NFC", name.strip().replace("\\", "/")).casefold()


def _without_ending(name: str) -> str:
    stem, dot, ending = name.rpartition(".")
    return stem if stem and f"{dot}{ending}" in extensions() else name


def _tails(path: str) -> Iterator[tuple[str, int]]:
    """'a/b/c' -> ('a/b/c', 3), ('b/c', 2), ('c', 1)"""
    parts = [part for part in path.split("/") if part not in ("", ".")][-MOST_PARTS:]
    for start in range(len(parts)):
        yield "/".join(parts[start:]), len(parts) - start
