"""Under load: many clients for minutes, a training of very many steps, a million pictures; is memory flat?

    python verification/soak.py explorer runs/coursework/vae    # 50 clients for 3 minutes: results/soak_explorer.csv
    python verification/soak.py training                        # 2,000,000 steps: results/soak_training.csv
    python verification/soak.py pictures                        # a million, 3.2 GB of disk: results/soak_pictures.csv

Each watches a process of `mien` and its children from outside, twice a second: the memory that is theirs and the files
that they have open. Growth is the slope of a line through the second half of a soak, when caches are warm. `explorer`
asks nothing but this machine's loopback, and stops by itself. Linux only.
"""

import argparse
import http.client
import itertools
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recording import record

import numpy as np
from explorer import generation, photograph, serving_process
from measuring import table

from killing import family

PERCENTILES = (50, 95, 99, 100)
MEBIBYTE = 2**20
TINY = ("model.width=4", "model.latent_dim=8", "training.batch_size=2", "training.device=cpu")
Row = dict[str, Any]
Kinds = dict[str, tuple[str, str, bytes | None]]  # name to method, path and body


def main() -> None:
    """Soak, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(dest="part", required=True)
    part = parts.add_parser("explorer", help="the server under many clients")
    part.add_argument("run", type=Path, metavar="RUN", help="folder of a trained run")
    part.add_argument("--clients", type=int, default=50)
    part.add_argument("--seconds", type=float, default=180)
    part.add_argument("--pause", type=float, default=0.5, help="mean seconds between an answer and the next request")
    part = parts.add_parser("training", help="a tiny model for very many steps")
    part.add_argument("--steps", type=int, default=2_000_000)
    part.add_argument("--model", default="vae-quick", help="name of a preset")
    part = parts.add_parser("pictures", help="a pack of very many pictures, trained from and evaluated")
    part.add_argument("--pictures", type=int, default=1_000_000)
    part.add_argument("--steps", type=int, default=2_000)
    part.add_argument("--only", default="", help="what is measured (default: all)")
    part.add_argument("--cache", type=Path, metavar="DIR", help="where the pack and the judge stay, or are already")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mien-soak-") as folder:
        rows = {"explorer": soak_explorer, "training": soak_training, "pictures": soak_pictures}[given.part](
            given, Path(folder)
        )
    path = record(f"soak_{given.part}", rows, trials=1)
    columns = {name: name for row in rows for name in row}
    print(f"{table(rows, columns)}\n\nwritten to {path}")


# Watching a process


@dataclass
class Watch:
    """What a process used, twice a second.  seconds, bytes, files: each a list of what was seen"""

    process: int
    seconds: list[float] = field(default_factory=list)
    bytes: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)

    def look(self, at: float) -> None:
        """Add what it and its children use now."""
        tree = [self.process, *family(self.process)]
        used = [(resident(process), open_files(process)) for process in tree]
        if used[0][0]:
            self.seconds.append(at)
            self.bytes.append(sum(memory for memory, _ in used))
            self.files.append(sum(files for _, files in used))

    def summary(self) -> Row:
        """Memory and files: the most, the last, and the slope of the second half."""
        half = len(self.seconds) // 2
        slope = np.polyfit(self.seconds[half:], self.bytes[half:], 1)[0] if len(self.seconds) - half > 2 else 0.0
        return {
            "peak_mib": max(self.bytes) / MEBIBYTE,
            "half_way_mib": self.bytes[half] / MEBIBYTE,
            "end_mib": self.bytes[-1] / MEBIBYTE,
            "growth_kib_per_minute": float(slope) * 60 / 1024,
            "most_files": max(self.files),
            "files_at_the_end": self.files[-1],
        }


@contextmanager
def watched(process: int, interval: float = 0.5) -> Iterator[Watch]:
    """Watch a process while the block runs."""
    watch, stop, started = Watch(process), threading.Event(), time.perf_counter()

    def look() -> None:
        while not stop.wait(interval):
            watch.look(time.perf_counter() - started)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield watch
    finally:
        stop.set()
        thread.join()


def resident(process: int) -> int:
    """Bytes of memory of a process, without files that are only mapped; 0 if it is gone.

    Pages of a mapped pack are the system's cache: it takes them back whenever somebody needs the memory.
    """
    try:
        lines = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    except OSError:
        return 0
    return sum(int(lines[name].split()[0]) * 1024 for name in ("RssAnon", "RssShmem") if name in lines)


def open_files(process: int) -> int:
    """How many files a process has open."""
    try:
        return len(list(Path(f"/proc/{process}/fd").iterdir()))
    except OSError:
        return 0


# The soaks


def soak_explorer(given: argparse.Namespace, folder: Path) -> list[Row]:
    """Clients that ask as the page does, and wait as it does where the server is busy."""
    with serving_process(given.run, "pytorch") as (process, connection):
        connection.request("GET", "/exhibit.json")
        run = json.loads(connection.getresponse().read())["runs"][0]
        connection.close()
        kinds = {"1 face": ("POST", "/api/generate", generation(run, 1)), "a file": ("GET", "/exhibit.json", None)}
        kinds["24 faces"] = ("POST", "/api/generate", generation(run, 24))
        if run["encodes"]:
            kinds["a photograph"] = ("POST", "/api/encode", photograph(run))
        end = time.perf_counter() + given.seconds
        clients = [Client(connection.host, connection.port, kinds, given.pause, seed) for seed in range(given.clients)]
        threads = [threading.Thread(target=client.ask_until, args=(end,)) for client in clients]
        with watched(process.pid) as watch:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            time.sleep(1)
    found = watch.summary() | {"clients": given.clients, "seconds": given.seconds}
    return [row | found for row in latency_rows(clients)]


class Client:
    """Somebody who asks, waits for the answer, pauses, and asks again, over one connection."""

    def __init__(self, host: str, port: int, kinds: Kinds, pause: float, seed: int) -> None:
        self.connection = http.client.HTTPConnection(host, port, timeout=60)
        self.kinds, self.pause, self.random = kinds, pause, random.Random(seed)
        self.milliseconds: dict[str, list[float]] = {kind: [] for kind in kinds}
        self.refused: Counter[str] = Counter()

    def ask_until(self, end: float) -> None:
        """Ask until the time is over."""
        while time.perf_counter() < end:
            kind = self.random.choice(list(self.kinds))
            started = time.perf_counter()
            while (status := self.ask(*self.kinds[kind])) == 503:  # busy: come again when it says
                self.refused[kind] += 1
                time.sleep(1)
            assert status == 200, f"{kind}: {status}"
            self.milliseconds[kind].append((time.perf_counter() - started) * 1e3)
            time.sleep(self.random.expovariate(1 / self.pause) if self.pause else 0)
        self.connection.close()

    def ask(self, method: str, path: str, body: bytes | None) -> int:
        """One request; once more where the server closed the connection meanwhile, as it does after a while."""
        for attempt in itertools.count():
            try:
                self.connection.request(method, path, body, {"content-type": "application/json"})
                answer = self.connection.getresponse()
                answer.read()
                return answer.status
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                self.connection.close()
                if attempt == 2:
                    raise
        raise AssertionError


def latency_rows(clients: Sequence[Client]) -> list[Row]:
    """Percentiles of what all clients waited for, waiting because the server was busy included."""
    rows = []
    for kind in clients[0].kinds:
        waited = [value for client in clients for value in client.milliseconds[kind]]
        refused = sum(client.refused[kind] for client in clients)
        percentiles = {f"ms_{p}": float(np.percentile(waited, p)) for p in PERCENTILES} if waited else {}
        rows.append({"what": kind, "answers": len(waited), "told_to_come_again": refused} | percentiles)
    return rows


def soak_training(given: argparse.Namespace, folder: Path) -> list[Row]:
    """`mien train` of a tiny model, and what its process uses."""
    length = (f"training.steps={given.steps}", "training.checkpoint_every_seconds=5", "health=false")
    data = ("--data", "drawn:2000", "--size", "32", "--out", str(folder / "run"))
    command = ["train", given.model, *data, *TINY, *length]
    return [run_mien("training", command, folder) | {"steps": given.steps, "model": given.model}]


def soak_pictures(given: argparse.Namespace, folder: Path) -> list[Row]:
    """Very many drawn pictures: packed, verified, trained from, measured, reported; training trains the judge too."""
    source, run, cache = f"drawn:{given.pictures}", folder / "run", given.cache or folder / "cache"
    first = "opened" if cache.exists() else "packed"
    length = ("training.batch_size=128", f"training.steps={given.steps}")
    commands = {
        first: ["data", "show", source, "--size", "32", "--out", str(folder / "sheet.png")],
        "verified": ["data", "verify", source, "--size", "32"],
        "trained from": ["train", "vae-quick", "--data", source, "--size", "32", "--out", str(run), *TINY, *length],
        "evaluated": ["evaluate", str(run), "--only", given.only],
        "reported": ["report", str(run)],
    }
    about = {"pictures": given.pictures}
    rows = [run_mien(what, command, folder, cache) | about for what, command in commands.items()]
    packed = sum(path.stat().st_size for path in cache.rglob("*") if path.is_file())
    return [row | {"disk_mib": packed / MEBIBYTE} for row in rows]


def run_mien(what: str, command: Sequence[str], folder: Path, cache: Path | None = None) -> Row:
    """Do a command of mien with a cache of its own, watched."""
    environment = os.environ | {"MIEN_CACHE": str(cache or folder / "cache"), "OMP_NUM_THREADS": "1"}
    started = time.perf_counter()
    with (folder / "said").open("w") as said:
        process = subprocess.Popen([sys.executable, "-m", "mien", *command], stdout=said, stderr=said, env=environment)
        with watched(process.pid) as watch:
            code = process.wait()
    if code:
        raise SystemExit(f"mien {' '.join(command)} ended with {code}:\n{(folder / 'said').read_text()[-3000:]}")
    print(f"{what}: {time.perf_counter() - started:.0f} s, at most {max(watch.bytes) / MEBIBYTE:.0f} MiB", flush=True)
    return {"what": what, "seconds": time.perf_counter() - started} | watch.summary()


if __name__ == "__main__":
    main()
