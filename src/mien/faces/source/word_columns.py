"""Columns of a few words, such as a gender or a colour of hair: attributes from what is said in each row."""

import re
from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

MOST_WORDS, MOST_TAGS = 12, 64
MARKS = "|;,"  # between tags
YES = ("male", "m", "man", "men", "present", "positive", "with", "on", "smiling", "y", "t")  # of two words, the yes
MISSING = ("", "na", "n/a", "nan", "?", "none", "null")  # what tables write where a value is not known

Words = list[tuple[str, NDArray[np.int8]]]  # an attribute's name, and its value in each row: 1, 0 or -1 (not known)


def attributes_in_words(header: str, cells: Sequence[str], taken: Collection[str]) -> Words:
    """Attributes from a column of words: one of two words, one for each of 3 to 12, which exclude one another; of tags,
    such as 'Smiling|Male', one for each.

    Nothing where the words are numbers, too many, or not repeated. Of two words the attribute is called after the one
    that is a yes: Male of Male and Female; the later in the alphabet where neither is known.

    taken: names that other attributes have; a word among them is called after its column too.
    """
    if any(mark in cell for cell in cells for mark in MARKS):
        return attributes_of_tags(header, cells, taken)
    unknown = {*MISSING, "unknown"}
    said = [cell.casefold() for cell in cells]
    counts = Counter(said)
    words = sorted(word for word in counts if word not in unknown)
    if not 2 <= len(words) <= MOST_WORDS or any(counts[word] < 2 or is_number(word) for word in words):
        return []
    spelt = {cell.casefold(): cell for cell in reversed(cells)}
    known = np.array([word not in unknown for word in said])
    chosen = words if len(words) > 2 else [next((word for word in YES if word in words), words[-1])]
    found: Words = []
    for word in chosen:
        name = spelt[word] if len(word) > 1 else f"{header} {spelt[word]}"
        name = f"{header} {spelt[word]}" if name in {*taken, *(other for other, _ in found)} else name
        values = np.where(known, np.array([other == word for other in said]), -1).astype(np.int8)
        found.append((name, values))
    return found


def attributes_of_tags(header: str, cells: Sequence[str], taken: Collection[str]) -> Words:
    """An attribute for each tag of a column of several a cell; a cell without any has none of them."""
    tags = [{tag.strip() for tag in re.split(f"[{MARKS}]", cell)} - {""} for cell in cells]
    counts = Counter(tag for of_row in tags for tag in of_row)
    if not 2 <= len(counts) <= MOST_TAGS or any(count < 2 or is_number(tag) for tag, count in counts.items()):
        return []
    return [
        (f"{header} {tag}" if tag in taken else tag, np.array([tag in of_row for of_row in tags]).astype(np.int8))
        for tag in sorted(counts)
    ]


def is_number(word: str) -> bool:
    """Whether a word is a number, or a range of numbers without a letter."""
    return not any(letter.isalpha() for letter in word)
