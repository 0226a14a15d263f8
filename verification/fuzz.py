"""Bytes that nobody has seen before, for the readers, for a stated time: tables, .zips, pictures, recipes, requests.

    python verification/fuzz.py [--minutes 10] [--seed 0] [--only "a table"]

The inputs are those of hostile_*.py, cut, spliced and spoilt at random, by a stream that the seed decides. What a
reader may do is to succeed, or to raise its own error; anything else is printed with the input and ends in exit code 1.
fuzz_guided.py changes the same inputs with an eye on which lines they reach.
"""

import argparse
import random
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from recording import record

from fuzz_targets import targets
from hostile_case import SECONDS, Reader, attempted, peak_memory, placed

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


def tried(reader: Reader, content: bytes, folder: Path, *, limited: bool = True) -> tuple[str, str]:
    """How a reader ended, as `attempted`.  limited: stop what takes longer than it may, which needs the alarm clock"""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return attempted(lambda: reader.read(placed(content, reader, folder)), SECONDS if limited else 0)


def fuzz(name: str, seconds: float, seed: int, most: int = sys.maxsize) -> tuple[Counter[str], list[tuple[bytes, str]]]:
    """Try a reader for so long, or so often.  -> how many ended how, and each input that found something, with what"""
    reader, beginnings = targets()[name]
    seeds, dice = beginnings(), random.Random(f"{seed} {name}")
    endings, found = Counter[str](), []
    end = time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() < end and endings.total() < most:
            content = spoilt(seeds, dice)
            ending, words = tried(reader, content, Path(folder))
            if ending == "failure":
                found.append((content, words))
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
    rows.append({"reader": "all", "inputs": sum(row["inputs"] for row in rows), "peak_mebibytes": peak_memory()})
    print(record("fuzz", rows, trials=1))
    return int(any(row.get("failure") for row in rows))


if __name__ == "__main__":
    sys.exit(main())
