"""Images a second of the coursework's trainings on this machine's CPU: mien, and what people would use instead.

    python benchmarks/training.py                                  mien and plain PyTorch, all models
    python benchmarks/training.py --with-peers --models vae:64     every peer; their environments are made where missing
    python benchmarks/training.py --changes --models vae:64        mien against itself, with one thing done otherwise

Each peer is a process that stays, and trains when it is its turn: ceilings, mien, plain PyTorch, ..., ceilings, mien,
and so on. All have the same faces, the same networks, batch and optimizer settings, and the same cores. The first
steps, with compilation, are counted apart. Nobody writes checkpoints or samples meanwhile.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

PEERS = Path(__file__).parent / "peers"
sys.path.insert(0, str(PEERS))
SIZE = 64  # of the images, in pixels
CASES = ("vae:64", "vae:32", "gan:64", "acgan:64")  # model:width


@dataclass(frozen=True)
class Peer:
    """A way to train: its program in peers/, the environment that it runs in, and the models that it knows.

    change: what is done otherwise than this way usually does, where it is mien's own.
    """

    name: str
    program: str
    precision: str = "float32"
    environment: str = ""
    models: tuple[str, ...] = ("vae", "gan", "acgan")
    change: str = ""


PEER_TABLE = (
    Peer("mien", "mien_trainer", "auto"),
    Peer("plain PyTorch", "plain_pytorch"),
    Peer("plain PyTorch, bfloat16", "plain_pytorch", "bfloat16"),
    Peer("PyTorch-GAN's way", "pytorch_gan", models=("gan", "acgan")),
    Peer("pythae", "pythae_trainer", environment="pythae", models=("vae",)),
    Peer("Keras on TensorFlow", "keras_tensorflow", environment="keras-tensorflow"),
    Peer("Keras on TensorFlow, bfloat16", "keras_tensorflow", "bfloat16", environment="keras-tensorflow"),
    Peer("Keras on JAX", "keras_jax", environment="keras-jax"),
)


def changed(what: str) -> Peer:
    """mien, with something done otherwise."""
    return Peer(f"mien, {what}", "mien_trainer", "auto", change=what)


CHANGES = (
    PEER_TABLE[0],
    Peer("mien, float32", "mien_trainer"),
    changed("memory given back to the system"),
    changed("default layout"),
    changed("optimizer one tensor at a time"),
    changed("compiled networks"),
)


def main() -> None:
    """Measure, print and write."""
    given = arguments()
    cores = only_so_many_cores(given.threads)
    # The libraries of other files read this when they are imported, so it is set before.
    os.environ["OMP_NUM_THREADS"] = str(cores)
    table = CHANGES if given.changes else PEER_TABLE
    peers = [peer for peer in table if given.with_peers or not peer.environment]
    for case in given.models:
        model, width = case.split(":")
        compare(model, int(width), [peer for peer in peers if model in peer.models], given)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=CASES, metavar="MODEL:WIDTH", help=f"of {', '.join(CASES)}")
    parser.add_argument("--with-peers", action="store_true", help="those that need environments of their own, too")
    parser.add_argument("--changes", action="store_true", help="mien against itself, with one thing done otherwise")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each peer in each round, and whole steps")
    parser.add_argument("--threads", type=int, default=0, help="cores to use; 0: all")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--source", default="drawn:3000", help="faces, as for mien train")
    return parser.parse_args()


def only_so_many_cores(threads: int) -> int:
    """Keep this process, and those that it starts, to so many cores, where the system can.  -> how many"""
    if not hasattr(os, "sched_setaffinity"):
        return threads or os.cpu_count() or 1
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[: threads or len(cores)])
    return len(os.sched_getaffinity(0))


def compare(model: str, width: int, peers: Sequence[Peer], given: argparse.Namespace) -> None:
    """Measure one model in all peers, print the table and write the CSV."""
    from arithmetic import flops_of_image
    from environments import make_ready
    from measuring import Ceilings, ceilings, conditions_in_words, table, write_csv
    from mien_trainer import recipe_of
    from worker import Task

    from mien.sessions.recipe_faces import read_faces

    for peer in peers:
        make_ready(peer.environment)
    with tempfile.TemporaryDirectory() as folder:
        task = Task(model, width, given.batch, "auto", given.source, Path(folder))
        recipe = recipe_of(task)
        faces = read_faces(recipe.data)
        keep(faces, Path(folder))
        flops = flops_of_image(recipe, faces)
        workers = [Worker(peer, task) for peer in peers]
        measured: list[Ceilings] = []
        for _ in range(given.rounds):
            measured.append(ceilings())
            for worker in workers:
                worker.run(given.seconds)
        for worker in workers:
            worker.stop()
    rows = [row(worker, workers[0], flops, [here.bfloat16_gflops for here in measured]) for worker in workers]
    best = Ceilings(*(max(values) for values in zip(*(asdict(here).values() for here in measured), strict=True)))
    about = {"model": model, "width": width, "size": SIZE, "batch": given.batch}
    path = write_csv(
        f"{'changes' if given.changes else 'training'}-{model}-{width}",
        [about | each for each in rows],
        trials=given.rounds,
        ceilings=best,
    )
    print(f"\n{model}, width {width}, {SIZE}x{SIZE}, batch {given.batch}; {flops / 1e6:,.0f} MFLOP an image")
    print(f"{conditions_in_words(best)}\n{table(rows, COLUMNS)}\nwritten to {path}", flush=True)


COLUMNS = {
    "peer": "",
    "images_per_second": "images/s",
    "low": "from",
    "high": "to",
    "mien_over_this": "mien / this",
    "share_of_bfloat16": "of bfloat16",
    "peak_mib": "peak MiB",
    "import_seconds": "import s",
    "first_step_seconds": "first step s",
}


def keep(faces: Any, folder: Path) -> None:
    """Write the training faces, and what the AC-GAN is conditioned on, as every peer can read them."""
    import numpy as np

    rows = faces.rows("train")
    np.save(folder / "images.npy", faces.images[rows])
    np.save(folder / "labels.npy", faces.attributes[rows][:, faces.columns(("Male",))].astype(np.float32))


class Worker:
    """A peer's process, started and warmed up, and what it has measured."""

    def __init__(self, peer: Peer, task: Any) -> None:
        from environments import python_of

        self.peer = peer
        self.images_per_second: list[float] = []
        self.peak_bytes = 0
        self.batch = task.batch
        python = python_of(peer.environment) if peer.environment else Path(sys.executable)
        options = {"model": task.model, "width": task.width, "batch": task.batch, "precision": peer.precision}
        options |= {"source": task.source, "folder": task.folder, "change": peer.change}
        command = [str(python), f"{PEERS / peer.program}.py"]
        command += [f"--{name}={value}" for name, value in options.items()]
        self.log = (task.folder / f"{peer.name}.txt").open("w+")
        started = time.time()
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True
        )
        self.import_seconds = self.expect("imported")["time"] - started
        self.first_step_seconds = self.expect("first step")["time"] - started
        self.expect("ready")

    def expect(self, event: str) -> dict[str, Any]:
        """The next line the peer writes.

        Raises: SystemExit with what it printed last, where it died instead.
        """
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            self.log.seek(0)
            last_words = self.log.read()[-2000:]
            self.stop()
            raise SystemExit(f"{self.peer.name} died before it came to {event!r}:\n{last_words}")
        content: dict[str, Any] = json.loads(line)
        assert content["event"] == event, content
        self.peak_bytes = content["peak_bytes"]
        return content

    def run(self, seconds: float) -> None:
        """Train for so long, and note the speed."""
        assert self.process.stdin
        self.process.stdin.write(f"run {seconds}\n")
        self.process.stdin.flush()
        ran = self.expect("ran")
        self.images_per_second.append(ran["steps"] * self.batch / ran["seconds"])

    def stop(self) -> None:
        """End the process."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()


def row(worker: Worker, mien: Worker, flops: float, bfloat16_gflops: Sequence[float]) -> dict[str, Any]:
    """What there is to say of a peer.  flops: of an image, as mien computes it, also for peers that compute more"""
    import torch
    from environments import REQUIREMENTS
    from measuring import ratio_of, spread_of

    speed = spread_of(worker.images_per_second)
    shares = [i * flops / 1e9 / g for i, g in zip(worker.images_per_second, bfloat16_gflops, strict=True)]
    ratio = ratio_of(mien.images_per_second, worker.images_per_second)
    return {
        "peer": worker.peer.name,
        "precision": worker.peer.precision,
        "versions": " ".join(REQUIREMENTS.get(worker.peer.environment, [f"torch=={torch.__version__}"])),
        "images_per_second": speed.median,
        "low": speed.low,
        "high": speed.high,
        "mien_over_this": str(ratio),
        "flops_of_image": flops,
        "share_of_bfloat16": f"{median(shares):.0%}",
        "peak_mib": worker.peak_bytes / 2**20,
        "import_seconds": worker.import_seconds,
        "first_step_seconds": worker.first_step_seconds,
    }


if __name__ == "__main__":
    main()
