"""Working through the runs of a plan or a study: one after the other, or several at once, here or on several machines.

A worker takes the next run that no other worker has; the lock on a run's folder is all they know of each other.
"""

import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from mien.errors import Diverged, Interrupted, MienError, RecipeError, RunInUse
from mien.faces import Faces
from mien.files.progress import Observer
from mien.judge import judge_of
from mien.metrics.evaluation import METRICS
from mien.runs.folder import Run
from mien.runs.plan_folder import is_through, plan_runs, read_plan
from mien.sessions.measure import Measuring, measure_runs
from mien.sessions.recipe_faces import plan_faces
from mien.sessions.train import train_run
from mien.studies.run_study import study_of
from mien.studies.runner.processes import STOPPED, Relay, work_in_processes

LOOK_AGAIN = 2.0  # seconds between two looks at runs that are in use


def work(folder: Path, faces: Faces, processes: int = 1, observer: Observer | None = None) -> None:
    """Train and measure every run of a plan's or a study's folder, by so many processes of this machine."""
    require_some_processes(processes)
    processes = min(processes, sum(not is_through(run) for run in plan_runs(folder)))
    if processes > 1:
        prepare_judge(folder, faces, observer)  # with all threads, where each process would wait for the first
        work_in_processes(folder, processes, observer)
    work_through(folder, faces, observer)


def prepare_judge(folder: Path, faces: Faces, observer: Observer | None) -> None:
    """Train the judge of the faces, unless it is trained already.

    Raises: Interrupted, after saving.
    """
    try:
        judge_of(faces, observer.work if observer else None)
    except Interrupted as stopped:
        raise Interrupted(f"{stopped}. To go on: mien resume {shlex.quote(str(folder))}") from None


def require_some_processes(processes: int) -> None:
    """Raises: RecipeError for no processes, or fewer."""
    if processes < 1:
        raise RecipeError(f"--processes {processes}: at least one process is needed. Leave --processes out for one.")


def work_through(folder: Path, faces: Faces, observer: Observer | None = None, *, wait: bool = True) -> None:
    """Train and measure every run of a plan's or a study's folder, as one of perhaps several that do.

    A run that diverges is noted in its folder, and costs the others nothing.
    wait: for the runs that other workers have, to take over the run of a worker that was killed.

    Raises: Interrupted, after saving; RunError for an error that stops all runs, such as a full disk.
    """
    measuring = Measuring(faces, metrics_of(folder))
    waiting, told = plan_runs(folder), False
    while waiting:
        in_use = [run for run in waiting if not finish_run(run, measuring, folder, observer)]
        if in_use == waiting:
            if not wait:
                return
            if observer and not told:
                names = ", ".join(run.path.name for run in in_use)
                observer.note(f"waiting for runs that other processes have: {names}")
                told = True
            time.sleep(LOOK_AGAIN)
        waiting = in_use


def metrics_of(folder: Path) -> Sequence[str]:
    """The kinds of metrics that a folder's runs are measured by: a study's own, or all."""
    plan = read_plan(folder)
    return study_of(folder, plan)[0].metrics if plan.study is not None else tuple(METRICS)


def finish_run(run: Run, measuring: Measuring, folder: Path, observer: Observer | None) -> bool:
    """Train and measure one run; False where another process has it."""
    try:
        if not run.divergence():
            train_run(run, measuring.faces, observer, resume=folder)
            with run.locked():  # a run in use is not a damaged run
                measure_runs([run], measuring, observer)
    except Diverged as error:
        run.write_divergence(str(error))
        if observer:
            observer.note(f"{run.path.name}: did not train. {error}")
    except RunInUse:
        return False
    return True


def main() -> int:
    """One process of several: the folder is its only argument.  -> 0, or what `mien` would end with"""
    folder = Path(sys.argv[1])
    try:
        work_through(folder, plan_faces(folder), Relay(), wait=False)
    except (Interrupted, KeyboardInterrupt):
        return STOPPED
    except (MienError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0
