"""Plans: a list of recipes run, measured and reported together, in one folder that can be resumed."""

import json
from collections.abc import Sequence
from pathlib import Path

from mien.faces import Faces
from mien.files.progress import Observer
from mien.files.writing import write_text
from mien.metrics.evaluation import METRICS
from mien.metrics.extractors import missing_extractors
from mien.metrics.inception import InceptionFeatures
from mien.recipes.recipe import with_source
from mien.runs.folder import Run
from mien.runs.named_by_time import folder_by_time
from mien.runs.plan_folder import FORMAT, alone, is_plan, read_plan, require_new, runs_in, write_plan
from mien.runs.score import Score, jsonable_scores
from mien.sessions.measure import Measuring, measure_run, measure_runs
from mien.sessions.minutes import fit, time_in_hand
from mien.sessions.recipe_faces import faces_of, read_faces
from mien.studies.plan import ONE_BY_ONE, Plan, plan_recipes, require_same_faces, settle
from mien.training.devices import require_one_process


def begin_plan(
    plan: Plan,
    *,
    source: str | None = None,
    out: str | Path | None = None,
    overrides: Sequence[str] = (),
    minutes: float | None = None,
    observer: Observer | None = None,
) -> tuple[Path, Faces]:
    """Make the folder of a plan with its runs, and train none yet.  -> the folder, the faces

    minutes: that the plan is to take from now on, on this machine; None: its recipes' own lengths.
    """
    time = time_in_hand(minutes, overrides)
    require_one_process(f"the plan {plan.name}", ONE_BY_ONE)
    recipes = [with_source(recipe, source or recipe.data.source) for recipe in plan_recipes(plan, overrides)]
    require_same_faces(plan, recipes)
    faces = read_faces(recipes[0].data, observer)
    settled, skipped = settle(plan, recipes, faces)
    if time:
        settled = fit(settled, faces, time, observer)
    folder = Path(out) if out else folder_by_time(plan.name)
    with alone(folder):
        require_new(folder)
        for recipe in settled:
            run = Run(folder / recipe.name)
            if not (run.recipe_file.exists() and Run.open(run.path).recipe() == recipe):  # made before a kill
                Run.create(run.path, recipe, faces.fingerprint)
        write_plan(folder, plan.name, plan.title, [recipe.name for recipe in settled], skipped)
    return folder, faces


def evaluate_folder(
    folder: str | Path,
    *,
    names: Sequence[str] = (),
    inception: str | Path | None = None,
    again: bool = False,
    source: str | None = None,
    observer: Observer | None = None,
) -> dict[str, dict[str, Score]]:
    """Measure a run, or every trained run of a plan.  -> run name: metric name: score

    names: keys of METRICS, all by default.    inception: an ONNX file of the network of the FID.
    again: measure metrics that are there already, too.    source: where the faces are now, by default the recipe's.

    Raises: RunError where the folder is neither, or a run is not trained; RecipeError for an unknown metric.
    """
    path = Path(folder)
    runs = runs_in(path)
    faces = faces_of(runs[0], observer, source)
    more = (InceptionFeatures(inception),) if inception else ()
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


def write_plan_metrics(folder: Path, runs: Sequence[Run], faces: Faces) -> dict[str, dict[str, Score]]:
    """Put the numbers of a plan's runs together in its metrics.json.  -> run name: its numbers"""
    metrics = {run.path.name: run.metrics() for run in runs}
    skipped = read_plan(folder).skipped
    of_runs = {name: jsonable_scores(scores) for name, scores in metrics.items()}
    numbers = {"format": FORMAT, "data": faces.fingerprint, "runs": of_runs, "skipped": skipped}
    write_text(folder / "metrics.json", json.dumps(numbers, indent=1))
    return metrics
