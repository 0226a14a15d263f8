"""Workers on a cluster: jobs that submitit submits, each of which works through a plan's or a study's folder.

The folder must be on a file system that all machines see; its locks are all that the workers know of each other.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal

import torch

from mien.errors import Interrupted, RecipeError
from mien.files.progress import Observer
from mien.recipes.recipe import toml_value
from mien.runs.plan_folder import plan_runs
from mien.sessions.recipe_faces import plan_faces
from mien.studies.runner.workers import require_some_processes, work_through

if TYPE_CHECKING:
    from submitit import AutoExecutor, Job
    from submitit.core.utils import DelayedSubmission

ClusterName = Literal["slurm", "local"]
FOLDER = "cluster"  # within the plan's folder: files of submitit, and the workers' output
# Options that submitit has for every engine; those of Slurm alone are given to it as slurm_NAME.
SHARED = ("name", "timeout_min", "mem_gb", "nodes", "cpus_per_task", "gpus_per_node")
SEVERAL_TASKS = ("tasks_per_node", "ntasks_per_node", "ntasks")  # of a job, which all would take its first device
MINUTES = 240  # that a job may take by default; a new job goes on with its work
TIMEOUTS = 50  # after which a job is not submitted anew
ANSWER = 20  # seconds at most until Slurm says how a job stands; it kills one that is cancelled after 30

Start = Callable[[], AbstractContextManager[Observer]]  # of an observer, in the job


@dataclass(frozen=True)
class Cluster:
    """An engine that starts jobs, and the options of each job.

    name: slurm; or local, which starts processes of this machine in the same way, to try it out.
    options: of submitit, such as timeout_min, gpus_per_node and, of Slurm, partition.
    """

    name: ClusterName
    options: dict[str, Any]


def cluster_of(name: ClusterName, options: Sequence[str]) -> Cluster:
    """A cluster from the options of the command line, once it is known to be usable.  options: 'partition=gpu', ...

    Raises: RecipeError where submitit or Slurm is missing, or an option is wrong.
    """
    given: dict[str, Any] = {"name": "mien", "timeout_min": MINUTES}
    for option in options:
        key, equals, value = option.partition("=")
        if not equals:
            raise RecipeError(f"--cluster-option {option}: expected NAME=VALUE, such as partition=gpu.")
        if key in SEVERAL_TASKS:
            raise RecipeError(
                f"--cluster-option {option}: a job is one worker with one device, and several tasks would share it. "
                "Ask for more jobs with --processes instead."
            )
        key = "timeout_min" if key == "time" else key
        given[key if key in SHARED else f"{name}_{key}"] = toml_value(value)
    cluster = Cluster(name, given)
    with tempfile.TemporaryDirectory() as folder:
        executor_of(cluster, Path(folder))
    return cluster


def executor_of(cluster: Cluster, folder: Path) -> "AutoExecutor":
    """The executor of submitit that submits jobs.  folder: for its files    Raises: as `cluster_of`."""
    try:
        from submitit import AutoExecutor
    except ImportError as error:
        raise RecipeError(
            f"--cluster {cluster.name}: needs submitit, which `pip install 'mien[cluster]'` brings."
        ) from error
    if cluster.name == "slurm" and (missing := [word for word in ("sbatch", "srun") if not shutil.which(word)]):
        raise RecipeError(
            f"--cluster slurm: there is no {' and no '.join(missing)} here. Give the command on a machine that Slurm "
            "takes jobs from, or leave --cluster out to work here."
        )
    executor = AutoExecutor(folder=folder, cluster=cluster.name, **{f"{cluster.name}_max_num_timeout": TIMEOUTS})
    try:
        executor.update_parameters(**cluster.options)
    except (NameError, AssertionError, ValueError, TypeError) as error:
        words = re.sub(r"<class '(\w+)'>", r"\1", str(error).splitlines()[0]).replace(f"{cluster.name}_", "")
        raise RecipeError(
            f"--cluster-option: submitit says: {words.rstrip('.')}. Every engine takes time (in minutes), "
            f"{', '.join(SHARED)}; slurm also partition, account, qos, constraint, gres and others of sbatch's."
        ) from error
    return executor


def submit(folder: Path, workers: int, cluster: Cluster, observer: Start) -> "list[Job[str]]":
    """Submit jobs that train and measure the runs of a plan's or a study's folder, and return at once.

    observer: of each job; it is started there.

    Raises: RecipeError as `cluster_of`, or for no workers.
    """
    require_some_processes(workers)
    plan_runs(folder)
    executor = executor_of(cluster, folder / FOLDER)
    threads = max(1, torch.get_num_threads() // workers) if cluster.name == "local" else None
    return executor.submit_array([WorkerJob(folder.resolve(), threads, observer) for _ in range(workers)])


class WorkerJob:
    """One worker, as a job: works through a folder; asked to make room, it saves and is submitted anew.

    threads: of PyTorch; None: as many as it finds.
    """

    def __init__(self, folder: Path, threads: int | None, observer: Start) -> None:
        self.folder, self.threads, self.observer = folder, threads, observer

    def __call__(self) -> str:
        """Do the work.  -> how it ended, in words"""
        if self.threads:
            torch.set_num_threads(self.threads)
        asked = Asked()
        with self.observer() as observer:
            try:
                observer.note(f"worker: process {os.getpid()} of {socket.gethostname()}")
                work_through(self.folder, plan_faces(self.folder, observer), observer)
            except Interrupted as stopped:
                observer.note(str(stopped))
                if asked.to_make_room():
                    asked.requeue()  # and does not return
                return str(stopped)
        return "nothing is left to do"

    def checkpoint(self) -> "DelayedSubmission":
        """The job that submitit submits in place of a preempted job: the same, which goes on where that stopped."""
        from submitit.core.utils import DelayedSubmission

        return DelayedSubmission(self)


class Asked:
    """Whether the job was asked to stop: by the signal that submitit uses for the end of its time and preemption, or by
    SIGTERM, which Slurm sends where a job is cancelled, and first where preemption has a time of grace.

    A training finishes its step and saves, as with Ctrl-C; anything else ends at once.
    """

    def __init__(self) -> None:
        from submitit import JobEnvironment

        self.number = signal.Signals[f"SIG{JobEnvironment.USR_SIG}"]
        self.theirs, self.usual = signal.getsignal(self.number), signal.getsignal(signal.SIGINT)
        self.by: int | None = None
        for number in (self.number, signal.SIGTERM):  # the latter submitit ignores
            signal.signal(number, self.hear)

    def hear(self, number: int, frame: FrameType | None) -> None:
        """Have the work stopped, the first time."""
        if self.by is not None:
            return
        self.by = number
        if signal.getsignal(signal.SIGINT) is self.usual:  # no training listens
            raise Interrupted("stopped between two trainings")
        signal.raise_signal(signal.SIGINT)

    def to_make_room(self) -> bool:
        """Whether a job that was stopped is to be submitted anew, and was not cancelled."""
        self.by = self.by or signal.SIGTERM  # a training handles it instead; nothing more is to be stopped now
        return self.by == self.number or is_preempted()

    def requeue(self) -> None:
        """Have submitit submit the job anew; then this does not return."""
        if callable(self.theirs):
            self.theirs(self.number, None)


def is_preempted() -> bool:
    """Whether this is a job of Slurm's in its time of grace: it still runs, and Slurm has noted its preemption."""
    from submitit import JobEnvironment

    here = JobEnvironment()
    if here.cluster != "slurm":
        return False
    ask = ["scontrol", "show", "job", "--oneliner", here.job_id]
    try:
        said = subprocess.run(ask, capture_output=True, text=True, timeout=ANSWER).stdout.split()
    except (OSError, subprocess.TimeoutExpired):
        return False
    return "JobState=RUNNING" in said and any(re.match(r"PreemptTime=\d", fact) for fact in said)
