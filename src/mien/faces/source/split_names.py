"""What splits are called, in names of folders and in cells of tables."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mien.faces.source.word_columns import MISSING
from mien.faces.splits import NOT_GIVEN, TEST, TRAIN, VALIDATION

SPLITS_BY_NAME = {"train": TRAIN, "training": TRAIN, "validation": VALIDATION, "valid": VALIDATION, "val": VALIDATION}
SPLITS_BY_NAME |= {"dev": VALIDATION, "eval": VALIDATION, "test": TEST, "testing": TEST}
OF_FER = {"publictest": VALIDATION, "privatetest": TEST}
OF_CELEBA = {"0": TRAIN, "1": VALIDATION, "2": TEST}
OF = r"(?:images?|imgs?|pics|pictures|faces|data|set|split)"
NAMED = re.compile(rf"(?:{OF}[-_ ]?)?({'|'.join(SPLITS_BY_NAME)})(?:[-_ ]?{OF})?[-_ ]?([ab]?)")
HEADERS = {"split", "set", "partition", "subset", "usage", "phase", "fold", "data_split", "dataset"}
WHETHER = {"is_train": (TEST, TRAIN), "is_test": (TRAIN, TEST)}  # for 0 and for 1


def split_of(name: str) -> int | None:
    """The split that is called so, such as train, training, test_images or trainA; None for other names."""
    found = NAMED.fullmatch(name.casefold())
    return SPLITS_BY_NAME[found[1]] if found else OF_FER.get(name.casefold())


def domain_of(name: str) -> str:
    """'A' of trainA, 'B' of testB, as sets of two kinds of pictures are laid out; '' for others."""
    found = NAMED.fullmatch(name.casefold())
    return found[2].upper() if found else ""


def may_say_splits(header: str) -> bool:
    """Whether a column of that name may say the split of each row."""
    return header.casefold() in HEADERS | WHETHER.keys()


def splits_in(header: str, cells: Sequence[str]) -> NDArray[np.int8] | None:
    """The split of each row, by a column that says so; None where the column says something else.  -> int8 [rows]"""
    words = {cell.casefold() for cell in cells} - {*MISSING}
    known: dict[str, int] = {}
    if header.casefold() in WHETHER and words <= {"0", "1", "true", "false", "0.0", "1.0"}:
        no, yes = WHETHER[header.casefold()]
        known = {word: yes if word in ("1", "1.0", "true") else no for word in words}
    elif header.casefold() in HEADERS:
        named = {word: split for word in words if (split := split_of(word)) is not None}
        known = OF_CELEBA if words == set(OF_CELEBA) else named
    if len(words) < 2 or not words <= known.keys() or TRAIN not in known.values():
        return None
    return np.array([known.get(cell.casefold(), NOT_GIVEN) for cell in cells], np.int8)
