"""Bytes that nobody has seen before, for the readers, for a stated time: tables, .zips, pictures, recipes, requests.

    python benchmarks/fuzz.py [--minutes 10] [--seed 0] [--only table]

The inputs are those of tests/hostile_*.py, cut, spliced and spoilt at random, by a stream that the seed decides. What a
reader may do is to succeed, or to raise its own error; anything else is printed with the input and ends in exit code 1.
"""

import argparse
import base64
import json
import random
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from measuring import write_csv

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import hostile
import hostile_pictures
import hostile_recipes
import hostile_runs
import hostile_sources
import hostile_tables
from mien.errors import MienError
from mien.explorer import asked
from mien.faces.listing import list_source, reader
from mien.faces.pictures import BadPicture, decode, quiet
from mien.faces.readers import read_layout
from mien.faces.tables import label, parse, parse_partition
from mien.foreign import log_line
from mien.recipe import load_recipe
from mien.trained import load_model

NAMES = hostile_tables.NAMES
SPLICED = (
    b"\x00",
    b"\xff" * 4,
    b'"',
    b",",
    b"\n",
    b"9" * 400,
    b"[" * 50,
    b"{",
    b"-1",
    b"\x7f\xff\xff\xff",
    b"1e999",
    b".",
)
SHAPES = {"run": asked.Shape(32, 8, 2, True, frozenset({"last"}))}
SECONDS = 10  # a single input may take


def partition(content: bytes, folder: Path) -> None:
    """A list of who is in which part."""
    parse_partition(content, "t.txt", NAMES)


def table(content: bytes, folder: Path) -> None:
    """A table of attributes."""
    label(parse(content, "t.csv"), NAMES)


def archive(content: bytes, folder: Path) -> None:
    """A .zip: what is in it, its table, and every member's bytes."""
    path = folder / "a.zip"
    path.write_bytes(content)
    listing = list_source(path)
    read = reader(path)
    for name in listing.pictures:
        try:
            read(name)
        except BadPicture:
            continue
    read_layout(listing, None)


def picture(content: bytes, folder: Path) -> None:
    """A picture."""
    with quiet():
        assert decode(content, 32, "square")[0].shape == (32, 32, 3)


def recipe(content: bytes, folder: Path) -> None:
    """A recipe."""
    (folder / "r.toml").write_bytes(content)
    load_recipe(folder / "r.toml")


def request(content: bytes, folder: Path) -> None:
    """What the explorer's page asks for."""
    try:
        asking = asked.parse(content, SHAPES)
        asked.latents(asking)
        asked.picture(asking)
    except asked.Refused:
        return


def weights(content: bytes, folder: Path) -> None:
    """A file of weights."""
    (folder / "w.safetensors").write_bytes(content)
    load_model(folder / "w.safetensors").sample(1)


def log(content: bytes, folder: Path) -> None:
    """Lines of a log."""
    for line in content.decode("utf-8", "replace").split("\n"):
        log_line(line)


Target = tuple[Callable[[bytes, Path], None], Callable[[], Sequence[bytes]]]


def targets() -> dict[str, Target]:
    """Readers, and what to begin with."""
    tables = [*hostile_tables.sound().values(), *hostile_tables.unsound().values(), *hostile_tables.made().values()]
    parts = hostile_tables.partitions().values()
    short = [content for content in tables if len(content) < 20_000]
    z = base64.b64encode(np.zeros((2, 8), "<f4").tobytes()).decode()
    y = base64.b64encode(np.ones((2, 2), "<f4").tobytes()).decode()
    asking = {"run": "run", "snapshot": "last", "count": 2, "z": z, "y": y, "x": base64.b64encode(bytes(3072)).decode()}
    recipes = [path.read_bytes() for path in sorted(Path(hostile_recipes.__file__).parent.glob("../src/mien/*/*.toml"))]
    return {
        "table": (table, lambda: short),
        "partition": (partition, lambda: [text for text in parts if len(text) < 20_000]),
        "zip": (archive, lambda: [hostile_sources.plain_zip(kind) for kind in ("deflate", "stored", "bzip2", "lzma")]),
        "picture": (picture, lambda: [*hostile_pictures.whole().values(), *hostile_pictures.sound().values()]),
        "recipe": (recipe, lambda: recipes),
        "request": (request, lambda: [json.dumps(asking).encode(), b"{}", b"[]"]),
        "weights": (weights, lambda: [hostile_runs.sound()[0]]),
        "log": (
            log,
            lambda: [line.encode("utf-8", "replace") for line in hostile_runs.lines().values() if len(line) < 999],
        ),
    }


def spoilt(seeds: Sequence[bytes], dice: random.Random) -> bytes:
    """One of the seeds, changed in some places: bits, cuts, repetitions, pieces of another."""
    content = bytearray(dice.choice(seeds))
    for _ in range(dice.choice((1, 1, 2, 4, 16))):
        at, end = sorted((dice.randrange(len(content) + 1), dice.randrange(len(content) + 1)))
        kind = dice.randrange(7)
        if kind == 0 and content:
            content[at % len(content)] ^= 1 << dice.randrange(8)
        elif kind == 1 and content:
            content[at % len(content)] = dice.randrange(256)
        elif kind == 2:
            del content[at : min(end, at + 64)]
        elif kind == 3:
            content[at:at] = content[at : min(end, at + 64)] * dice.choice((1, 2, 30))
        elif kind == 4:
            content[at:at] = dice.choice(SPLICED)
        elif kind == 5:
            other = dice.choice(seeds)
            content[at : min(end, at + 64)] = other[at : at + 64]
        else:
            del content[end:]
    return bytes(content)


def tried(reading: Callable[[bytes, Path], None], content: bytes, folder: Path) -> str:
    """How a reader ended: 'success', 'refusal', or the traceback of what it must not do."""
    try:
        with warnings.catch_warnings(), hostile.limited(SECONDS):
            warnings.simplefilter("ignore")
            reading(content, folder)
    except (MienError, BadPicture) as error:
        return hostile.unfit(str(error)) or "refusal"
    except Exception:
        return traceback.format_exc()
    return "success"


def fuzz(name: str, seconds: float, seed: int, most: int = sys.maxsize) -> tuple[Counter[str], list[tuple[bytes, str]]]:
    """Try a reader for so long, or so often.  -> how many ended how, and each input that found something, with what"""
    reading, beginnings = targets()[name]
    seeds, dice = beginnings(), random.Random(f"{seed} {name}")
    endings, found = Counter[str](), []
    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() < end and endings.total() < most:
            content = spoilt(seeds, dice)
            ending = tried(reading, content, Path(folder))
            if ending not in ("success", "refusal"):
                found.append((content, ending))
                ending = "failure"
            endings[ending] += 1
    return endings, found


def main() -> int:
    """Fuzz all readers in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10, help="in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=targets(), default=None)
    options = parser.parse_args()
    names = [options.only] if options.only else list(targets())
    rows: list[dict[str, Any]] = []
    for name in names:
        seconds = 60 * options.minutes / len(names)
        endings, found = fuzz(name, seconds, options.seed)
        rows.append(
            {"reader": name, "inputs": endings.total(), "seconds": seconds}
            | dict.fromkeys(("success", "refusal", "failure"), 0)
            | dict(endings)
            | {"seed": options.seed}
        )
        print(name, dict(endings), flush=True)
        for content, words in found[:3]:
            print(f"{content[:400]!r} ({len(content)} bytes)\n{words[-1500:]}", flush=True)
    rows.append(
        {"reader": "all", "inputs": sum(row["inputs"] for row in rows), "peak_mebibytes": hostile.peak_memory()}
    )
    print(write_csv("fuzz", rows, trials=1))
    return int(any(row.get("failure") for row in rows))


if __name__ == "__main__":
    sys.exit(main())
