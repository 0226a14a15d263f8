"""Plans: a list of recipes run, measured and reported together, in one folder that can be resumed."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from mien.errors import Diverged, RecipeError
from mien.faces import Faces
from mien.hardware import require_one_process
from mien.metrics import METRICS
from mien.plans.attributes import settle_attributes
from mien.plans.folder import (
    FORMAT,
    Plan,
    alone,
    faces_of,
    is_plan,
    plan_faces,
    plan_runs,
    read_plan,
    require_new,
    runs_in,
    write_plan,
)
from mien.plans.measuring import Measuring, measure_run, measure_runs, require_own_faces
from mien.plans.training import Observer, read_faces, require_runnable
from mien.plans.workers import require_some_processes, work
from mien.recipe import DataConfig, Recipe, apply_overrides, check, is_file, read_toml, section, validated, with_source
from mien.runs import Run, write_text

__all__ = [
    "ONE_BY_ONE",
    "Plan",
    "PlanResult",
    "begin_plan",
    "evaluate_folder",
    "faces_of",
    "is_plan",
    "load_plan",
    "plan_recipes",
    "plan_runs",
    "read_plan",
    "report_folder",
    "require_same_faces",
    "resume_plan",
    "run_plan",
    "settle",
    "share_out",
]
ONE_BY_ONE = "Train its recipes one by one with `mien train`, or go on with its runs one by one with `mien resume`."


@dataclass(frozen=True)
class PlanResult:
    """What a finished plan left behind."""

    folder: Path
    report: Path
    metrics: dict[str, dict[str, Any]]  # run name -> metric name -> value, low, high, images, protocol
    skipped: dict[str, str]  # run name -> why it was not run


def load_plan(name_or_path: str | Path) -> Plan:
    """A plan by preset name or path; files of recipes are looked for beside it, then from here.

    Raises: RecipeError where there is none, or a key in it is wrong.
    """
    path, table = read_toml(name_or_path, "plans")
    plan = validated(Plan, table, str(path))
    beside = [path.parent / name for name in plan.recipes]
    recipes = [str(file) if is_file(file) else name for file, name in zip(beside, plan.recipes, strict=True)]
    return plan.model_copy(update={"recipes": recipes})


def plan_recipes(plan: Plan, overrides: Iterable[str] = ()) -> list[Recipe]:
    """The plan's recipes with overrides laid over them.

    'training.seed=1' goes to every recipe that has the key, 'vae.training.epochs=60' to the one named vae.

    Raises: RecipeError for an override that no recipe takes, or two recipes of one name.
    """
    tables = [(str(path), table) for path, table in (read_toml(name) for name in plan.recipes)]
    names = [check(table, where).name for where, table in tables]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise RecipeError(f"plan {plan.name}: two of its recipes have one name ({twice}). Rename one.")
    shared = share_out(overrides, dict(zip(names, (table for _, table in tables), strict=True)))
    return [
        check(apply_overrides(table, shared[name]), where) for name, (where, table) in zip(names, tables, strict=True)
    ]


def share_out(overrides: Iterable[str], tables: Mapping[str, dict[str, Any]]) -> dict[str, list[str]]:
    """Which of the named recipes each override goes to; one that none of them takes goes to all, and is refused."""
    mine: dict[str, list[str]] = {name: [] for name in tables}
    for override in overrides:
        named = [name for name in tables if override.startswith(f"{name}.")]
        if named:
            longest = max(named, key=len)
            mine[longest].append(override.removeprefix(f"{longest}."))
            continue
        takers = [name for name, table in tables.items() if takes(table, override)]
        for name in takers or tables:
            mine[name].append(override)
    return mine


def takes(table: dict[str, Any], override: str) -> bool:
    """Whether a recipe has the key that an override sets."""
    *sections, last = override.partition("=")[0].strip().split(".")
    known = not sections or sections[0] in Recipe.model_fields
    return known and last in section(Recipe, sections, table).model_fields


def run_plan(
    plan: Plan,
    *,
    source: str | None = None,
    out: str | Path | None = None,
    overrides: Sequence[str] = (),
    processes: int = 1,
    observer: Observer | None = None,
) -> PlanResult:
    """Train, measure and report every recipe of a plan.

    source: of the faces; None: what the recipes say.    processes: that many runs at the same time.

    Raises: MienError for whatever a user can mend; Interrupted, after saving.
    """
    require_some_processes(processes)
    folder, faces = begin_plan(plan, source=source, out=out, overrides=overrides, observer=observer)
    return finish_plan(folder, faces, processes, observer)


def begin_plan(
    plan: Plan,
    *,
    source: str | None = None,
    out: str | Path | None = None,
    overrides: Sequence[str] = (),
    observer: Observer | None = None,
) -> tuple[Path, Faces]:
    """Make the folder of a plan with its runs, and train none yet.  -> the folder, the faces

    Raises: as `run_plan`.
    """
    require_one_process(f"the plan {plan.name}", ONE_BY_ONE)
    recipes = [with_source(recipe, source or recipe.data.source) for recipe in plan_recipes(plan, overrides)]
    require_same_faces(plan, recipes)
    faces = read_faces(recipes[0].data, observer)
    folder = Path(out) if out else Path("runs") / f"{plan.name}-{datetime.now():%Y%m%d-%H%M%S}"
    settled, skipped = settle(plan, recipes, faces)
    with alone(folder):
        require_new(folder)
        for recipe in settled:
            run = Run(folder / recipe.name)
            if not (run.recipe_file.exists() and Run.open(run.path).recipe() == recipe):  # of one killed before the end
                Run.create(run.path, recipe, faces.fingerprint)
        write_plan(folder, plan, [recipe.name for recipe in settled], skipped)
    return folder, faces


def require_same_faces(plan: Plan, recipes: Sequence[Recipe]) -> None:
    """Raises: RecipeError where the recipes prepare their faces differently; only flips may differ."""
    for key in DataConfig.model_fields:
        given = {recipe.name: getattr(recipe.data, key) for recipe in recipes}
        if key != "horizontal_flips" and len(set(given.values())) > 1:
            listed = ", ".join(f"{name}: {value}" for name, value in given.items())
            raise RecipeError(
                f"plan {plan.name}: its recipes are run on the same faces, but data.{key} differs ({listed}). "
                f"Give one for all of them, as in data.{key}=VALUE."
            )


def settle(plan: Plan, recipes: Sequence[Recipe], faces: Faces) -> tuple[list[Recipe], dict[str, str]]:
    """The recipes that can be run, with their attributes chosen, and why the others cannot.

    Raises: MienError for what is wrong with one of them, before anything is written; RecipeError where none is left.
    """
    settled, skipped = [], {}
    for recipe in recipes:
        chosen, why = settle_attributes(recipe, faces)
        if why:
            skipped[recipe.name] = why
        else:
            require_runnable(chosen)
            settled.append(chosen)
    if not settled:
        reasons = " ".join(f"{name}: {why}" for name, why in skipped.items())
        raise RecipeError(f"plan {plan.name}: none of its recipes can be run on these faces. {reasons}")
    return settled, skipped


def resume_plan(folder: str | Path, observer: Observer | None = None, *, processes: int = 1) -> PlanResult:
    """Go on with a plan where it was stopped; what is done is not done again.

    Raises: as `run_plan`.
    """
    path = Path(folder)
    require_one_process(f"{path}: a plan", ONE_BY_ONE)
    require_some_processes(processes)
    return finish_plan(path, plan_faces(path, observer), processes, observer)


def finish_plan(folder: Path, faces: Faces, processes: int, observer: Observer | None) -> PlanResult:
    """Train and measure what is not done yet, and report.

    Raises: Diverged, after the report, where one of the trainings did; Interrupted at once.
    """
    work(folder, faces, processes, observer)
    result = write_report(folder, faces)
    if diverged := [f"{run.path.name}: {run.divergence()}" for run in plan_runs(folder) if run.divergence()]:
        raise Diverged(f"{' '.join(diverged)} The report of the rest: {result.report}")
    return result


def report_folder(folder: str | Path, observer: Observer | None = None, source: str | None = None) -> Path:
    """Measure what is trained of a plan, or of a single run, and write the report.  -> the page

    source: where the faces are now, by default where the recipe says.

    Raises: RunError where the folder is neither, or the faces are not those that the runs were trained on.
    """
    from mien.report.build import build_report

    path = Path(folder)
    runs = runs_in(path)
    for run in runs:
        run.log()  # which the report shows: what is wrong with one is told before all is measured
    faces = faces_of(runs[0], observer, source)
    require_own_faces(runs, faces)
    measure_runs(runs, Measuring(faces), observer)
    if is_plan(path):
        return write_report(path, faces).report
    with alone(path):
        return build_report(path, runs, faces, title=f"{runs[0].recipe().name}: one run", skipped={})


def evaluate_folder(
    folder: str | Path,
    *,
    names: Sequence[str] = (),
    inception: str | Path | None = None,
    again: bool = False,
    source: str | None = None,
    observer: Observer | None = None,
) -> dict[str, dict[str, Any]]:
    """Measure a run, or every trained run of a plan.  -> run name: metric name: value, low, high, images, protocol

    names: of the kinds of metrics, all by default.    inception: an ONNX file of the network of the FID.
    again: even what was measured already.    source: where the faces are now, by default where the recipe says.

    Raises: RunError where the folder is neither, or a run is not trained; RecipeError for a metric there is not.
    """
    from mien.metrics.extractors import load_inception, missing_extractors

    path = Path(folder)
    runs = runs_in(path)
    faces = faces_of(runs[0], observer, source)
    more = (load_inception(inception),) if inception else ()
    measuring = Measuring(faces, names or tuple(METRICS), more, again)
    for words in missing_extractors():
        if observer:
            observer.note(words)
    if is_plan(path):
        measure_runs(runs, measuring, observer)
        with alone(path):
            write_plan_metrics(path, runs, faces)
    else:
        measure_run(runs[0], measuring, observer)
    return {run.path.name: run.metrics() for run in runs}


def write_plan_metrics(folder: Path, runs: Sequence[Run], faces: Faces) -> dict[str, dict[str, Any]]:
    """Put the numbers of a plan's runs together in its metrics.json.  -> run name: its numbers"""
    metrics = {run.path.name: run.metrics() for run in runs}
    skipped = read_plan(folder)["skipped"]
    numbers = {"format": FORMAT, "data": faces.fingerprint, "runs": metrics, "skipped": skipped}
    write_text(folder / "metrics.json", json.dumps(numbers, indent=1))
    return metrics


def write_report(folder: Path, faces: Faces) -> PlanResult:
    """Write a plan's report and metrics.json from what is there."""
    from mien.report.build import build_report  # matplotlib is slow to import, and training does not need it

    content, runs = read_plan(folder), plan_runs(folder)
    with alone(folder):
        metrics = write_plan_metrics(folder, runs, faces)
        report = build_report(folder, runs, faces, title=content["title"], skipped=content["skipped"])
    return PlanResult(folder, report, metrics, content["skipped"])
