"""How fast pictures are packed and in how much memory, how soon a pack gives its first batch, what streaming holds.

    python benchmarks/data.py                                       # all parts, about 80 seconds: results/data.csv
    python benchmarks/data.py --parts memory --pictures 200000      # as many as CelebA has: results/data-memory.csv

Pictures are faces drawn here, 178x218 JPEGs of quality 92 with some grain, 13 KB each: 4,000 different ones, and larger
folders are hard links to them. They are read from the system's cache of files. Packs for opening and streaming are real
but for their pixels, a file of holes that reads as zeros, so that a million rows take no room. Linux only.

The decoder's own speed is Pillow's in a loop in one thread: open a file, decode, cut out the same square and resize it
with Lanczos' filter to 64x64, make an array of it. That is what packing does to a picture, and no more.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from PIL import Image

from mien.faces import open_faces
from mien.faces.pack.decoding import cores, in_order
from mien.faces.pack.store import write_pack_file

DRAWN = 4_000
CELEBA = (178, 218)
SQUARE = (0, 20, 178, 198)  # what packing keeps of a plain folder's pictures
USUAL = (25, 50, 153, 178)  # and of CelebA's layout; smaller, so quicker to resize
SIZE = 64
ATTRIBUTES = 40
PARTS = ("packing", "memory", "opening", "streaming")
Rows = list[dict[str, Any]]
COLUMNS = {
    "part": "part",
    "what": "",
    "pictures": "pictures",
    "images_per_second": "images/s",
    "share": "of cores x decoder",
    "seconds": "seconds",
    "mebibytes": "MiB",
}


def main() -> None:
    """Measure, print and write; or, with --inside, do one part in this process and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--rounds", type=int, default=2, help="of packing and opening; memory is measured once")
    parser.add_argument("--pictures", type=int, default=20_000, help="of the part 'memory'")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    parser.add_argument("--inside", nargs=2, metavar=("WHAT", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inside:
        print(json.dumps(INSIDE[given.inside[0]](Path(given.inside[1]))))
        return
    from measuring import ceilings, conditions_in_words, table, write_csv

    here = ceilings()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        rows = [row for part in given.parts for row in measure(part, folder, given)]
    versions = {"pillow": PIL.__version__, "cores": cores()}
    name = "-".join(["data", *given.parts]) if given.parts != PARTS else "data"
    path = write_csv(name, [row | versions for row in rows], trials=given.rounds, ceilings=here, folder=given.out)
    print(f"{conditions_in_words(here)}; Pillow {PIL.__version__}\n\n{table(rows, COLUMNS)}\n\nwritten to {path}")


def measure(part: str, folder: Path, given: argparse.Namespace) -> Rows:
    """The rows of one part."""
    rows: Rows
    if part == "packing":
        rows = packing(folder, given.rounds)
    elif part == "memory":
        rows = memory(folder, given.pictures)
    elif part == "opening":
        rows = opening(folder, given.rounds)
    else:
        rows = [resident(folder, count) for count in (5_000, 50_000)]
    times = given.rounds if part in ("packing", "opening") else 1
    return [{"part": part} | row | {"times": times} for row in rows]


def photographs(folder: Path, count: int, table: bool = False) -> Path:
    """A folder of so many names of DRAWN different JPEGs, in CelebA's layout with its table or plain."""
    drawn = folder / "drawn"
    if not drawn.exists():
        drawn.mkdir()
        starts = [(drawn, start) for start in range(0, DRAWN, 500)]
        list(in_order(draw_photographs, starts, cores()))
    at = folder / f"{'celeba' if table else 'photographs'}-{count}"
    pictures = at / "img_align_celeba" if table else at
    pictures.mkdir(parents=True)
    names = [f"{number:06d}.jpg" for number in range(count)]
    for number, name in enumerate(names):
        os.link(drawn / f"{number % DRAWN}.jpg", pictures / name)
    if table:
        cells = np.random.default_rng(0).choice(["-1", "1"], (count, ATTRIBUTES))
        lines = (f"{name} {' '.join(row)}\n" for name, row in zip(names, cells, strict=True))
        header = " ".join(f"A{number}" for number in range(ATTRIBUTES))
        (at / "list_attr_celeba.txt").write_text(f"{count}\n{header}\n{''.join(lines)}")
    return at


def draw_photographs(folder: Path, start: int) -> None:
    """Write 500 drawn faces as JPEGs of the size of CelebA's."""
    from mien.faces.drawn.drawn_faces import draw

    noise = np.random.default_rng(start)
    for number, image in enumerate(draw(500, size=128, start=start).images, start):
        large = np.asarray(Image.fromarray(image).resize(CELEBA, Image.Resampling.BICUBIC), np.int16)
        grain = noise.integers(-6, 7, (*large.shape[:2], 1))
        picture = Image.fromarray(np.clip(large + grain, 0, 255).astype(np.uint8))
        picture.save(folder / f"{number}.jpg", quality=92)


def packing(folder: Path, rounds: int) -> Rows:
    """Images a second: Pillow alone, a decoder on every core, and packing, whole calls with start and end."""
    from measuring import interleaved, ratio_of, spread_of

    counts = (DRAWN, 5 * DRAWN)
    sources = {count: photographs(folder, count) for count in counts}
    files = sorted((folder / "drawn").iterdir())
    measures: dict[str, Callable[[], float]] = {
        "Pillow: open and load": lambda: speed_of(load, files),
        "Pillow: the decoder": lambda: speed_of(decode, files),
        "Pillow: a decoder on each core": lambda: speed_of_all_cores(files),
        **{f"mien: packing {count:,}": partial(pack_speed, sources[count], count) for count in counts},
    }
    speed_of(decode, files[:500])
    figures = interleaved(measures, rounds)
    bound = [cores() * figure for figure in figures["Pillow: the decoder"]]
    rows: Rows = []
    for what, speeds in figures.items():
        share = ratio_of(speeds, bound)
        pictures = next((count for count in counts if f" {count:,}" in what), DRAWN)
        rows.append({"what": what, "pictures": pictures, "images_per_second": spread_of(speeds).median})
        rows[-1] |= {"share": share.median, "share_low": share.low, "share_high": share.high}
    return rows


def load(file: Path) -> None:
    """Open and decode one picture."""
    with Image.open(file) as image:
        image.load()


def decode(file: Path, box: tuple[int, int, int, int] = SQUARE) -> None:
    """Open, decode, cut and resize one picture."""
    with Image.open(file) as image:
        np.asarray(image.resize((SIZE, SIZE), Image.Resampling.LANCZOS, box=box))


def speed_of(work: Callable[[Path], None], files: Iterable[Path]) -> float:
    """Files a second in this process, in a loop."""
    np.empty(31 << 20, np.uint8)  # see mien.faces.sources: Pillow alone gains by it as well
    started, count = time.perf_counter(), 0
    for count, file in enumerate(files, 1):  # noqa: B007
        work(file)
    return count / (time.perf_counter() - started)


def speed_of_all_cores(files: list[Path]) -> float:
    """Files a second of loops in as many threads as there are cores, without their start and end."""
    shares = [(decode, files[at :: cores()]) for at in range(cores())]
    return sum(in_order(speed_of, shares, cores()))


def pack_speed(source: Path, count: int) -> float:
    """Files a second of packing them, as somebody who waits for it counts."""
    with tempfile.TemporaryDirectory(dir=source.parent) as cache:
        started = time.perf_counter()
        open_faces(source, size=SIZE, cache=cache)
        return count / (time.perf_counter() - started)


def memory(folder: Path, count: int) -> Rows:
    """The most memory that packing CelebA's layout holds.

    And how fast it is, the table included, against the decoder's speed before and after.
    """
    source = photographs(folder, count, table=True)
    files = sorted((folder / "drawn").iterdir())
    usual = partial(decode, box=USUAL)
    before = speed_of(usual, files)
    process = subprocess.Popen([sys.executable, __file__, "--inside", "pack", str(source)], stdout=subprocess.PIPE)
    most = 0
    while process.poll() is None:
        most = max(most, sum(resident_by_process(process.pid)))
        time.sleep(0.05)
    assert process.stdout is not None
    seconds = json.loads(process.stdout.read())
    bound = cores() * (before + speed_of(usual, files)) / 2
    common = {"pictures": count, "seconds": seconds, "images_per_second": count / seconds}
    common["share"] = common["images_per_second"] / bound
    return [{"what": "mien: packing", "mebibytes": most / 2**20} | common]


def resident_by_process(parent: int) -> list[int]:
    """Bytes resident of a process and of its children, shared pages counted in each."""
    held = []
    for process in [parent, *children(parent)]:
        try:
            held.append(int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE"))
        except OSError:  # ended meanwhile
            continue
    return held


def children(parent: int) -> list[int]:
    """The processes that any thread of this one has started."""
    try:
        lists = [task.read_text() for task in Path(f"/proc/{parent}/task").glob("*/children")]
    except OSError:
        return []
    return [int(child) for one in lists for child in one.split()]


def opening(folder: Path, rounds: int) -> Rows:
    """Seconds until the first batch of 128, once PyTorch is imported: of packs, and of photographs packed before."""
    from measuring import interleaved, spread_of

    source = photographs(folder, 5 * DRAWN) if not (at := folder / f"photographs-{5 * DRAWN}").exists() else at
    cache = open_faces(source, size=SIZE, cache=folder / "cache").card["pack"]
    counts = (200_000, 1_000_000)
    places = {f"a pack of {count:,}": (count, pack_of_holes(folder, count)) for count in counts}
    places["photographs, each looked at for a change"] = (5 * DRAWN, source)
    places["the same by their pack"] = (5 * DRAWN, Path(cache))
    figures = interleaved({what: partial(inside, "first batch", at) for what, (_, at) in places.items()}, rounds)
    return [
        {"what": f"mien: {what}", "pictures": places[what][0], "seconds": spread_of(seconds).median}
        for what, seconds in figures.items()
    ]


def resident(folder: Path, count: int) -> dict[str, Any]:
    """What a process holds after a whole epoch of batches, over what it held before it opened the pack."""
    pixels = count * SIZE * SIZE * 3 / 2**20
    what = f"mien: after an epoch of {pixels:,.0f} MiB of pixels"
    return {"what": what, "pictures": count, "mebibytes": inside("epoch", pack_of_holes(folder, count)) / 2**20}


def pack_of_holes(folder: Path, count: int) -> Path:
    """A pack of so many faces whose pixels are all zero and take no room."""
    pack = folder / f"pack-{count}"
    if pack.exists():
        return pack
    pack.mkdir()
    np.lib.format.open_memmap(pack / "images.npy", "w+", np.uint8, (count, SIZE, SIZE, 3))
    random = np.random.default_rng(0)
    arrays: dict[str, Any] = {
        "attributes": random.integers(0, 2, (count, ATTRIBUTES), np.int8),
        "split": (random.random(count) > 0.9).astype(np.uint8),
    }
    about = {
        "signature": "",
        "fingerprint": f"holes-{count}",
        "attribute_names": [f"A{number}" for number in range(ATTRIBUTES)],
        "card": {"source": str(pack), "crop_rule": None, "bad": {"count": 0, "files": []}},
    }
    write_pack_file(pack, about, [f"{number:07d}.jpg" for number in range(count)], arrays)
    return pack


def inside(what: str, folder: Path) -> float:
    """The figure that one of INSIDE measures in a process of its own."""
    command = [sys.executable, __file__, "--inside", what, str(folder)]
    return float(json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout))


def pack_inside(folder: Path) -> float:
    """Seconds of packing."""
    return 1 / pack_speed(folder, 1)


def first_batch_inside(folder: Path) -> float:
    """Seconds until the first batch of 128 faces."""
    from mien.faces.batches import Batches

    cache = folder.parent / "cache"
    started = time.perf_counter()
    Batches(open_faces(folder, size=SIZE, cache=cache), "train", attributes=()).at(0, 128)
    return time.perf_counter() - started


def epoch_inside(folder: Path) -> int:
    """Bytes resident after an epoch of batches of 128, over those before the pack was opened."""
    from mien.faces.batches import Batches

    before = resident_by_process(os.getpid())[0]
    batches = Batches(open_faces(folder, size=SIZE), "train")
    for start in range(0, len(batches), 128):
        batches.at(start, 128)
    return resident_by_process(os.getpid())[0] - before


INSIDE: dict[str, Callable[[Path], float]] = {
    "pack": pack_inside,
    "first batch": first_batch_inside,
    "epoch": epoch_inside,
}

if __name__ == "__main__":
    main()
