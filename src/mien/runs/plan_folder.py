"""A plan's folder: its runs, and plan.json."""

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
    """plan.json: the runs of a plan, by the names of their folders, and the recipes that were skipped, with the reason.

    study, length: of a study, its declaration and how much of it is done; None for a plan.
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
    """A lock on beginning or reporting a plan's folder: other processes wait. It ends with the process.

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
    """Whether a folder is a plan's.  Raises: RunError where it may not be searched, or plan.json is not a file."""
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
    """Write plan.json.  runs: their folders' names.    more: further keys"""
    content = {"format": FORMAT, "name": name, "title": title, "runs": list(runs), "skipped": dict(skipped)}
    write_text(folder / PLAN_FILE, json.dumps(content | more, indent=1))


def plan_runs(folder: Path) -> list[Run]:
    """A plan's runs, in the plan's order."""
    return [Run.open(folder / name) for name in read_plan(folder).runs]


def runs_in(folder: Path) -> list[Run]:
    """The runs of a plan's folder, or the run whose folder it is."""
    return plan_runs(folder) if is_plan(folder) else [Run.open(folder)]


def is_through(run: Run) -> bool:
    """Whether the run has been trained to its end, or has diverged."""
    return is_there(run.weights) or bool(run.divergence())


def read_plan(folder: Path) -> PlanRecord:
    """The record of a plan's folder.

    Raises: RunError where it is not a plan's folder, or of another version.
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
