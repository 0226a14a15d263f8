"""Several processes of this machine that work through one folder, and their progress."""

import json
import os
import queue
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import torch

from mien.errors import Interrupted, RunError
from mien.files.progress import Observer
from mien.runs.plan_folder import is_through, plan_runs
from mien.training.stopping import stop_requested

POLL = 0.3  # seconds, at most, until a request to stop is seen
BETWEEN = 0.5  # seconds between two reports of a process's progress
STOPPED = 130  # exit status of a process that was asked to stop
PROGRAM = "import sys; from mien.studies.runner.workers import main; sys.exit(main())"
TOLD = ("work", "note", "training")  # methods of an observer

Worker = subprocess.Popen[str]


def work_in_processes(folder: Path, processes: int, observer: Observer | None = None) -> None:
    """Train and measure the runs of a folder by so many processes of this machine, which share its threads and GPUs.

    A process that is killed from outside leaves its run to the next process that works through the folder.

    Raises: Interrupted, once all have saved; RunError with the output of a process that failed.
    """
    heard: queue.SimpleQueue[str] = queue.SimpleQueue()
    with tempfile.TemporaryFile("w+") as complaints, stop_requested() as stop:
        workers = [start(folder, share(place, processes), complaints) for place in range(processes)]
        listeners = [threading.Thread(target=listen, args=(worker, heard)) for worker in workers]
        try:
            for listener in listeners:
                listener.start()
            follow(folder, listeners, heard, stop, workers, observer)
            ended = [worker.wait() for worker in workers]
        finally:
            stop_all(workers)
        if stop.is_set():
            raise Interrupted(f"stopped; what was done is saved. To go on: mien resume {shlex.quote(str(folder))}")
        if failed := [code for code in ended if code > 0 and code != STOPPED]:
            complaints.seek(0)
            words = " ".join(complaints.read().split()[-60:])
            raise RunError(f"{folder}: {len(failed)} of {processes} processes failed: {words}")
        if observer and any(ended):
            killed = sum(map(bool, ended))
            observer.note(f"{killed} of {processes} processes were killed from outside; their runs go on in this one.")


def share(place: int, processes: int) -> dict[str, str]:
    """The environment of one of several processes: its part of the threads, and one of the GPUs in turn."""
    threads = str(max(1, torch.get_num_threads() // processes))
    mine = {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    if torch.cuda.device_count() > 1:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(torch.cuda.device_count())))
        names = visible.split(",")
        mine["CUDA_VISIBLE_DEVICES"] = names[place % len(names)]
    return mine


def start(folder: Path, mine: dict[str, str], complaints: IO[str]) -> Worker:
    """One process that works through a folder; in a session of its own, so that Ctrl-C does not reach it directly."""
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder)],
        env=os.environ | mine,
        stdout=subprocess.PIPE,
        stderr=complaints,
        text=True,
        start_new_session=True,
    )


def listen(worker: Worker, heard: "queue.SimpleQueue[str]") -> None:
    """Pass on the output of a process, until it has ended."""
    assert worker.stdout
    with worker.stdout as said:
        for line in said:
            heard.put(line)


def follow(
    folder: Path,
    listeners: Sequence[threading.Thread],
    heard: "queue.SimpleQueue[str]",
    stop: threading.Event,
    workers: Sequence[Worker],
    observer: Observer | None,
) -> None:
    """Pass on the progress of the processes until the last has ended; stop them, once, when this process is stopped."""
    runs, asked, last = plan_runs(folder), False, -1
    while any(listener.is_alive() for listener in listeners) or not heard.empty():
        if stop.is_set() and not asked:
            stop_all(workers)
            asked = True
        try:
            line = heard.get(timeout=POLL)
        except queue.Empty:
            line = ""
        if observer and line:
            tell(observer, line)
        done = sum(is_through(run) for run in runs)
        if observer and done != last:
            observer.work("runs trained", done, len(runs))
        last = done


def tell(observer: Observer, line: str) -> None:
    """Pass a line of a process on to an observer; a line that is not of a Relay, as from a library, is a note."""
    try:
        kind, given = json.loads(line)
        known = kind in TOLD
    except (ValueError, TypeError):
        known = False
    if known:
        getattr(observer, kind)(*given)
    else:
        observer.note(line.rstrip())


def stop_all(workers: Sequence[Worker]) -> None:
    """Ask processes to save and end, as Ctrl-C would."""
    for worker in workers:
        if worker.poll() is None:
            worker.terminate()


class Relay:
    """An observer in one of several processes: it passes each call on to the parent process, as a line of JSON."""

    def __init__(self) -> None:
        self.sent = 0.0

    def work(self, words: str, done: int, total: int) -> None:
        """So much of a piece of work is done."""
        self._send_now_and_then("work", done >= total, words, done, total)

    def note(self, words: str) -> None:
        """Something worth a line."""
        self._send("note", words)

    def training(self, name: str, images_seen: int, total: int, line: dict[str, Any]) -> None:
        """A run has seen so many of its images."""
        self._send_now_and_then("training", images_seen >= total, name, images_seen, total, line)

    def _send_now_and_then(self, kind: str, last: bool, *given: Any) -> None:
        if last or time.monotonic() - self.sent > BETWEEN:
            self.sent = time.monotonic()
            self._send(kind, *given)

    def _send(self, kind: str, *given: Any) -> None:
        try:
            print(json.dumps([kind, given]), flush=True)
        except BrokenPipeError:  # the parent process has ended: save and end
            signal.raise_signal(signal.SIGTERM)
