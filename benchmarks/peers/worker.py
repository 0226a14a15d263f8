"""What every peer does: train, and say at each step whether it is time to stop and wait.

A peer is a process. It is told on its command line what to train, writes a line of JSON to its standard output for
each thing that it has come to ("imported", "first step", "ready"), and then reads "run SECONDS" from its standard
input: it trains for so long or a little longer, whole steps, answers how many steps and how many seconds, and waits for
the next. Whatever a library prints goes to standard error.

This file needs NumPy and nothing else, so that it runs in any peer's environment.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

LATENT_DIM, DEPTH = 512, 3
KL_WEIGHT = 1e-4
WARM_UP = 2  # steps after the first, which no figure has


@dataclass(frozen=True)
class Task:
    """What to train: a model of the coursework, its width, its batch, and the faces.

    images: uint8 [N,S,S,3]    labels: float32 [N,A], what the AC-GAN is conditioned on
    change: what is done otherwise than usual, of what the peer can change
    """

    model: str
    width: int
    batch: int
    precision: str
    source: str
    folder: Path
    change: str = ""

    @property
    def images(self) -> NDArray[np.uint8]:
        """The faces, read anew."""
        images: NDArray[np.uint8] = np.load(self.folder / "images.npy")
        return images

    @property
    def labels(self) -> NDArray[np.float32]:
        """Their attributes, read anew."""
        labels: NDArray[np.float32] = np.load(self.folder / "labels.npy")
        return labels

    def batches_of_rows(self) -> Iterator[NDArray[np.int64]]:
        """Shuffled rows of the faces for ever, one batch at a time, whole batches of an epoch."""
        random, count = np.random.default_rng(0), len(self.labels)
        while True:
            order = random.permutation(count)
            for start in range(0, count - self.batch + 1, self.batch):
                yield order[start : start + self.batch]


def read_task() -> Task:
    """The task on the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", choices=("vae", "gan", "acgan"), required=True)
    parser.add_argument("--width", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--source", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--change", default="")
    return Task(**vars(parser.parse_args()))


class Pace:
    """Answers the benchmark, and holds the training up while others are at work."""

    def __init__(self) -> None:
        self.answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)  # libraries may print as they like
        self.warm_up = 1 + WARM_UP
        self.started = self.until = 0.0
        self.steps = 0

    def tell(self, event: str, **more: Any) -> None:
        """Write one line: what happened, when, and the largest memory so far."""
        line = {"event": event, "time": time.time(), "peak_bytes": peak_memory()} | more
        self.answers.write(json.dumps(line) + "\n")
        self.answers.flush()

    def step(self, wait: Callable[[], Any] = lambda: None) -> None:
        """Call after each step.  wait: returns once the step is done, where the library runs ahead of itself."""
        if self.warm_up:
            wait()
            self.warm_up -= 1
            if self.warm_up == WARM_UP:
                self.tell("first step")
            if not self.warm_up:
                self.tell("ready")
                self._next()
            return
        self.steps += 1
        if time.perf_counter() >= self.until:
            wait()
            self.tell("ran", steps=self.steps, seconds=time.perf_counter() - self.started)
            self._next()

    def _next(self) -> None:
        """Wait for the next order; without one, the process ends."""
        order = sys.stdin.readline().split()
        if not order:
            os._exit(0)  # in the middle of somebody's training loop: nothing there is worth keeping
        self.started = time.perf_counter()
        self.until = self.started + float(order[1])
        self.steps = 0


def peak_memory() -> int:
    """The most memory this process has held, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        return next(int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
