"""The data card: numbers and sentences about a set of faces, as plain JSON."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.errors import printable
from mien.faces.labelled_faces import SPLITS, UNKNOWN
from mien.faces.source.decode import Crop, Original
from mien.faces.source.layout import Layout
from mien.faces.splits import TEST, TRAIN, Division

NAMED = 20  # rows, pictures and pairs that are named rather than counted
BAD_NAMED = 1000
COMMON = 0.01  # an attribute, or its absence, with less than this share is rare by itself
RARE_SHARE, RARE_COUNT = 0.001, 10  # of train, for a pair of common attributes


def crop_words(crop: Crop | None) -> str:
    """The part of each picture that was kept, in words."""
    if isinstance(crop, tuple):
        return f"{crop} (left, top, right, bottom) of each picture"
    words = {
        "celeba": "(25, 50, 153, 178) of 178x218, scaled to each picture; the centre square of other shapes",
        "square": "the centre square",
        None: "none, drawn at this size",
    }
    return words[crop]


def build(
    *,
    source: str,
    layout: Layout,
    size: int,
    crop: Crop | None,
    rows: Sequence[int],
    division: Division,
    digests: Sequence[bytes],
    originals: Sequence[Original],
    bad: Sequence[tuple[str, str]],
) -> dict[str, Any]:
    """The card of a pack: plain JSON, shares in [0, 1], sizes in pixels.

    rows: which of the layout's pictures are in the pack; division, digests and originals are in that order.
    """
    labels = layout.labels
    files = [layout.pictures[row] for row in rows]
    values, has_row = labels.values[list(rows)], labels.has_row[list(rows)]
    train = values[division.split == TRAIN]
    without_row = [name for name, has in zip(files, has_row, strict=True) if not has] if labels.names else []
    card: dict[str, Any] = {
        "source": source,
        "reader": layout.reader,
        "size": size,
        "crop": crop_words(crop),
        "crop_rule": crop,
        "faces": len(files),
        "split": {name: int((division.split == at).sum()) for at, name in enumerate(SPLITS)},
        "split_rule": division.rule,
        "originals": _originals(originals),
        "attributes": _frequencies(labels.names, values, division.split),
        "correlation": _rounded(correlation(train)),
        "rare": rare_pairs(labels.names, train),
        "duplicates": _named([list(pair) for pair in _duplicates(files, digests)]),
        "leaks": _named(_leaks(files, digests, division.split)),
        "bad": {"count": len(bad), "files": [list(one) for one in bad[:BAD_NAMED]]},
        "rows_without_picture": _named(labels.rows_without_picture),
        "rows_passed_over": _named(labels.rows_passed_over),
        "pictures_without_row": _named(without_row),
        "columns_left_out": [list(one) for one in labels.left_out],
    }
    card["caveats"] = [*layout.notes, *labels.notes, *_caveats(card, layout)]
    return card


def correlation(values: NDArray[np.int8]) -> NDArray[np.float64]:
    """Phi coefficient of every two attributes, over the faces where both are known.  int8 [N,A] -> [A,A] in [-1, 1]

    NaN where one of the two does not vary.
    """
    known = (values != UNKNOWN).astype(np.float64)
    has = (values == 1).astype(np.float64)
    both_known = known.T @ known
    n11, n1, n2 = has.T @ has, has.T @ known, known.T @ has
    spread = n1 * (both_known - n1) * n2 * (both_known - n2)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(spread > 0, (both_known * n11 - n1 * n2) / np.sqrt(spread), np.nan)


def rare_pairs(names: Sequence[str], values: NDArray[np.int8]) -> list[dict[str, Any]]:
    """Pairs of attributes, each common by itself but rare together; the rarest first.  int8 [N,A]"""
    has = (values == 1).astype(np.float64)
    together, alone = has.T @ has, has.sum(0)
    common = np.flatnonzero(alone >= max(1, COMMON * len(values)))
    limit = max(RARE_SHARE * len(values), RARE_COUNT)
    pairs: list[dict[str, Any]] = [
        {"attributes": [names[a], names[b]], "count": int(together[a, b])}
        for a, b in combinations(common.tolist(), 2)
        if together[a, b] < limit
    ]
    return sorted(pairs, key=lambda pair: pair["count"])[:NAMED]


def lines(card: dict[str, Any]) -> list[str]:
    """The card as plain text, for a terminal."""
    split = card["split"]
    text = [
        f"source      {card['source']}",
        f"read as     {card['reader']}",
        f"faces       {card['faces']:,}: " + ", ".join(f"{split[name]:,} {name}" for name in SPLITS),
        f"split       {card['split_rule']}",
        f"packed at   {card['size']}x{card['size']}, crop: {card['crop']}",
    ]
    if original := card["originals"]:
        width, height = original["width"], original["height"]
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in original["kinds"].items())
        smallest, median, largest = (f"{w:g}x{h:g}" for w, h in zip(width, height, strict=True))
        text.append(f"pictures    {kinds}; sides from {smallest} to {largest}, median {median}")
    if card["attributes"]:
        text.append(f"{'attributes':<26} {'  '.join(f'{name:>10}' for name in SPLITS)}")
    for attribute in card["attributes"]:
        shares = (attribute["share"][name] for name in SPLITS)
        numbers = "  ".join(f"{'-':>10}" if share is None else f"{share:10.1%}" for share in shares)
        unknown = f"  {attribute['unknown']:,} unknown" if attribute["unknown"] else ""
        text.append(f"  {attribute['name']:<24} {numbers}{unknown}")
    text += [f"strong      {pair}" for pair in strongest(card)]
    text += [f"rare        {' and '.join(pair['attributes'])}: {pair['count']} in train" for pair in card["rare"][:5]]
    text += [f"bad         {name}: {reason}" for name, reason in card["bad"]["files"][:5]]
    text += [f"note        {caveat}" for caveat in card["caveats"]]
    return [printable(line) for line in text]


def encodable(text: str) -> str:
    """The text with the bytes of file names that are no UTF-8 escaped, so that it can be written to a file."""
    return text.encode("utf-8", "backslashreplace").decode()


def strongest(card: dict[str, Any], count: int = 5) -> list[str]:
    """The pairs of attributes that go together, or exclude each other, the most, in words."""
    names = [attribute["name"] for attribute in card["attributes"]]
    phi = card["correlation"]
    pairs = [(phi[a][b], names[a], names[b]) for a, b in combinations(range(len(names)), 2) if phi[a][b] is not None]
    pairs.sort(key=lambda pair: -abs(pair[0]))
    return [f"{first} and {second}: {value:+.2f}" for value, first, second in pairs[:count]]


def _originals(originals: Sequence[Original]) -> dict[str, Any]:
    """Smallest, median and largest sides, and how many of each format and mode."""
    if not originals:
        return {}
    sides = np.array([(one.width, one.height) for one in originals])
    low, middle, high = sides.min(0), np.median(sides, 0), sides.max(0)
    return {
        "width": [int(low[0]), float(middle[0]), int(high[0])],
        "height": [int(low[1]), float(middle[1]), int(high[1])],
        "smaller_than": int(sides.min()),
        "kinds": dict(Counter(one.kind for one in originals).most_common()),
    }


def _frequencies(names: Sequence[str], values: NDArray[np.int8], split: NDArray[np.uint8]) -> list[dict[str, Any]]:
    """For each attribute the share of faces that have it among those where it is known, by split."""
    found = []
    for name, column in zip(names, values.T, strict=True):
        share, known = {}, {}
        for at, part in enumerate(SPLITS):
            told = column[(split == at) & (column != UNKNOWN)]
            known[part] = len(told)
            share[part] = round(float(told.mean()), 6) if len(told) else None
        found.append({"name": name, "share": share, "known": known, "unknown": int((column == UNKNOWN).sum())})
    return found


def _duplicates(files: Sequence[str], digests: Sequence[bytes]) -> list[tuple[str, str]]:
    """The first picture with some pixels, and each further one: (first, further)."""
    first: dict[bytes, str] = {}
    return [
        (first[pixels], name)
        for name, pixels in zip(files, digests, strict=True)
        if first.setdefault(pixels, name) != name
    ]


def _leaks(files: Sequence[str], digests: Sequence[bytes], split: NDArray[np.uint8]) -> list[list[str]]:
    """Pictures of test whose pixels are also in another split, which only a given split allows: [test, other]."""
    elsewhere: dict[bytes, str] = {}
    tests: dict[bytes, list[str]] = defaultdict(list)
    for name, pixels, side in zip(files, digests, split, strict=True):
        if side == TEST:
            tests[pixels].append(name)
        else:
            elsewhere.setdefault(pixels, name)
    return [[name, elsewhere[pixels]] for pixels, names in tests.items() if pixels in elsewhere for name in names]


def _caveats(card: dict[str, Any], layout: Layout) -> list[str]:
    """Known limits of numbers that are measured on these faces."""
    found = []
    counted = (
        ("leaks", "pictures of test have the same pixels as one of train or validation (left as given)"),
        ("duplicates", "pictures repeat another one's pixels"),
        ("bad", "files could not be used"),
        ("rows_without_picture", "rows of the table have no picture"),
        ("rows_passed_over", "rows of the table repeat a picture or fit several"),
        ("pictures_without_row", "pictures have no row in the table; their attributes are unknown"),
    )
    for name, words in counted:
        if count := card[name]["count"]:
            found.append(f"{count:,} {words}")
    left_out = card["columns_left_out"]
    found += [f"column {column!r} was left out: {why}" for column, why in left_out[:NAMED]]
    if len(left_out) > NAMED:
        found.append(f"{len(left_out) - NAMED:,} more columns were left out")
    for attribute in card["attributes"]:
        if attribute["share"]["train"] in (0.0, 1.0):
            found.append(f"in train every face is alike in {attribute['name']}")
    original = card["originals"]
    if original and original["smaller_than"] < card["size"]:
        found.append(f"some pictures are smaller than {card['size']} pixels and were enlarged")
    found += [f"{name} is empty" for name, count in card["split"].items() if not count]
    return found


def _named(what: Sequence[Any]) -> dict[str, Any]:
    return {"count": len(what), "first": list(what[:NAMED])}


def _rounded(matrix: NDArray[np.float64]) -> list[list[float | None]]:
    return [[None if np.isnan(value) else round(float(value), 4) for value in row] for row in matrix]
