"""A plan's folder: the runs in it and what it remembers of the plan."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import filelock
from pydantic import Field

from mien.errors import RunError
from mien.files.reading import is_there
from mien.files.validation import Record, checked, require_format
from mien.files.writing import write_text
from mien.recipes.recipe import NAME, is_file
from mien.runs.folder import Run, read_json, taken

FORMAT = 1
PLAN_FILE = "plan.json"


class PlanRecord(Record):
    """plan.json: the runs of a plan, by the names of their folders, and which recipes were skipped, and why.

    study, length: of a study, what it is and how much of it is done; None for a plan.
    """

    format: int
    name: str
    title: str
    runs: list[Annotated[str, Field(pattern=NAME)]] = Field(min_length=1)
    skipped: dict[str, str]
    study: dict[str, Any] | None = None
    length: dict[str, Any] | None = None


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Begin, or report, what is in a folder as the only process that does; others wait. The end of a process ends it.

    Raises: RunError where the folder cannot be written.
    """
    lock = filelock.FileLock(folder / ".report.lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        raise RunError(f"{folder}: cannot be written: {error}. Choose another folder with --out.") from error
    try:
        yield
    finally:
        lock.release()


def is_plan(folder: Path) -> bool:
    """Whether a folder is a plan's.  Raises: RunError where nobody may look, or what makes it one is no file."""
    return is_there(folder / PLAN_FILE)


def require_no_run(folder: Path) -> None:
    """Raises: RunError where a folder is a single run's: it cannot be a plan's or a study's as well."""
    if is_file(Run(folder).recipe_file):
        raise taken(folder, "run")


def require_new(folder: Path) -> None:
    """Raises: RunError where a folder holds a plan or a run."""
    require_no_run(folder)
    if is_plan(folder):
        raise taken(folder, "plan")


def write_plan(
    folder: Path, name: str, title: str, runs: Sequence[str], skipped: Mapping[str, str], **more: Any
) -> None:
    """Write what makes a folder a plan's.  runs: their folders' names.    more: what else it is to remember"""
    content = {"format": FORMAT, "name": name, "title": title, "runs": list(runs), "skipped": dict(skipped)}
    write_text(folder / PLAN_FILE, json.dumps(content | more, indent=1))


def plan_runs(folder: Path) -> list[Run]:
    """A plan's runs, in its order."""
    return [Run.open(folder / name) for name in read_plan(folder).runs]


def runs_in(folder: Path) -> list[Run]:
    """The runs of a plan's folder, or the one that a folder is."""
    return plan_runs(folder) if is_plan(folder) else [Run.open(folder)]


def is_through(run: Run) -> bool:
    """Whether there is nothing left to train."""
    return is_there(run.weights) or bool(run.divergence())


def read_plan(folder: Path) -> PlanRecord:
    """What a plan's folder holds.

    Raises: RunError where it is none, or of another version.
    """
    if not is_plan(folder):
        raise RunError(
            f"{folder}: is not a plan's folder (it has no {PLAN_FILE}). Give a folder that `mien run` wrote."
        )
    content = read_json(folder / PLAN_FILE)
    require_format(folder, "a plan", content.get("format"), FORMAT, "Use the version that wrote it.")
    try:
        return checked(PlanRecord, content)
    except ValueError as error:
        raise RunError(f"{folder / PLAN_FILE}: is damaged ({error}). Run the plan again.") from error
