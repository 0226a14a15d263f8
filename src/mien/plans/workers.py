"""Working through the runs of a study: one after the other, or several at once, here or on several machines.

Whoever works takes the next run that nobody else has; the lock on a run's folder is all they know of each other.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from mien.errors import Diverged, Interrupted, MienError, RunError, RunInUse
from mien.faces import Faces
from mien.plans import plan_faces, plan_runs, read_plan
from mien.plans.measuring import Measuring, measure_run
from mien.plans.training import Observer, train_run
from mien.runs import Run
from mien.train import stop_requested

LOOK_AGAIN = 2.0  # seconds between two looks at runs that are in use
POLL = 0.3  # seconds between two looks at processes of our own


def work_through(folder: Path, faces: Faces, metrics: Sequence[str], observer: Observer | None = None) -> None:
    """Train and measure every run of a study's folder; those in use elsewhere are waited for at the end.

    A run that diverges is noted in its folder, and is a result like any other.

    Raises: Interrupted, after saving; RunError for what concerns them all, as a full disk.
    """
    measuring = Measuring(faces, metrics)
    waiting, told = plan_runs(folder), False
    while waiting:
        in_use = [run for run in waiting if not taken(run, measuring, folder, observer)]
        if in_use == waiting:
            if observer and not told:
                observer.note(f"waiting for {len(in_use)} runs that other processes have: {names_of(in_use)}")
                told = True
            time.sleep(LOOK_AGAIN)
        waiting = in_use


def names_of(runs: Sequence[Run]) -> str:
    """The names of runs, in a row."""
    return ", ".join(run.path.name for run in runs)


def taken(run: Run, measuring: Measuring, folder: Path, observer: Observer | None) -> bool:
    """Train and measure one run; False where another process has it."""
    try:
        if not run.divergence():
            train_run(run, measuring.faces, observer, resume=folder)
            with run.locked():
                measure_run(run, measuring, observer)
    except Diverged as error:
        run.write_divergence(str(error))
        if observer:
            observer.note(f"{run.path.name}: did not train. {error}")
    except RunInUse:
        return False
    return True


def work_in_processes(folder: Path, processes: int, observer: Observer | None = None) -> None:
    """As `work_through`, by so many processes of this machine, which share its threads.

    Raises: Interrupted, once all have saved; RunError with what a process said that failed.
    """
    threads = max(1, torch.get_num_threads() // processes)
    environment = os.environ | {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    command = [sys.executable, "-m", "mien.plans.workers", str(folder)]
    runs = plan_runs(folder)
    with tempfile.TemporaryFile("w+") as said, stop_requested(True) as stop:
        workers = [
            subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=said) for _ in range(processes)
        ]
        asked, last = False, -1
        try:
            while any(worker.poll() is None for worker in workers):
                if stop.is_set() and not asked:
                    stop_all(workers)
                    asked = True
                done = sum(is_through(run) for run in runs)
                if observer and done != last:
                    observer.work("runs trained", done, len(runs))
                last = done
                time.sleep(POLL)
        finally:
            stop_all(workers)
        if stop.is_set():
            raise Interrupted(f"stopped; what was done is saved. To go on: mien resume {folder}")
        if failed := [worker.returncode for worker in workers if worker.returncode]:
            said.seek(0)
            words = " ".join(said.read().split()[-60:])
            raise RunError(f"{folder}: {len(failed)} of {processes} processes failed: {words}")


def stop_all(workers: Sequence[subprocess.Popen[bytes]]) -> None:
    """Ask processes to save and end, as Ctrl-C would."""
    for worker in workers:
        if worker.poll() is None:
            worker.terminate()


def is_through(run: Run) -> bool:
    """Whether there is nothing left to train."""
    return run.weights.exists() or bool(run.divergence())


def main() -> int:
    """One process of several: the folder is its only argument.  -> 0, or what `mien` would end with"""
    folder = Path(sys.argv[1])
    try:
        work_through(folder, plan_faces(folder), read_plan(folder)["study"]["metrics"])
    except (Interrupted, KeyboardInterrupt):
        return 130
    except (MienError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
