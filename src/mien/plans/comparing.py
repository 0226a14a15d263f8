"""Comparing any runs of the same faces on the page of a study, without claims."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from mien.errors import RunError
from mien.metrics import METRICS
from mien.plans.folder import alone, faces_of, runs_in
from mien.plans.measuring import Measuring, measure_run
from mien.plans.studies import FORMAT, numbers_of
from mien.plans.training import Observer
from mien.runs import Run, read_json, write_text
from mien.studies import Axis, value_of

RESULTS_FILE = "compare.json"
PAGE_FILE = "compare.html"
AXES = (  # what the page plots of it, where it was measured
    Axis(metric="fd_judge", label="Fréchet distance of samples", better="lower", reference="fd_judge_floor_train",
         reference_label="train against test"),
    Axis(metric="test_mse", label="Reconstruction error (test MSE)", better="lower"),
    Axis(metric="precision_judge", label="Precision of samples", better="higher"),
    Axis(metric="recall_judge", label="Recall of samples", better="higher"),
    Axis(metric="sharpness_samples", label="Sharpness of samples", reference="sharpness_real",
         reference_label="real faces"),
    Axis(metric="flip_rate_*", label="Flip rate, mean over attributes", better="higher"),
)  # fmt: skip


def compare_runs(
    paths: Sequence[str | Path],
    *,
    out: str | Path | None = None,
    names: Sequence[str] = (),
    observer: Observer | None = None,
) -> Path:
    """Measure what is not measured yet of some runs, and write the page that compares them.  -> the page

    paths: of runs, or of plans for all the runs in them.    names: of the kinds of metrics, all by default.

    Raises: RunError for runs of different faces, of which no number can be compared, or that are not trained, and for
    a folder that cannot be written to or where somebody has other files of these names.
    """
    from mien.report.study import Facts, write_study

    runs = runs_at(paths)
    require_same_fingerprint(runs)
    arms = grouped(runs)
    folder = Path(out) if out else Path("runs") / f"compare-{datetime.now():%Y%m%d-%H%M%S}"
    require_place(folder)
    faces = faces_of(runs[0], observer)
    measuring = Measuring(faces, names or tuple(METRICS))
    for run in runs:
        if not run.divergence():
            measure_run(run, measuring, observer)
    results = {"format": FORMAT, "data": faces.fingerprint, "arms": {name: numbers_of(of) for name, of in arms.items()}}
    shown = tuple(axis for axis in AXES if any(value_of(run.metrics(), axis.metric) is not None for run in runs))
    length = "runs of the same recipe but for its seed are one arm"
    facts = Facts(f"{len(runs)} runs compared", "", shown or AXES[:1], None, length, "arm")
    with alone(folder):
        write_text(folder / RESULTS_FILE, json.dumps(results, indent=1))
        return write_study(folder / PAGE_FILE, facts, arms, (), {}, faces)


def require_place(folder: Path) -> None:
    """Find out before anything is measured.

    Raises: RunError where the page cannot be written, or would take the place of a file that is not of a comparison.
    """
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        why = "may not be written to" if there.is_dir() else "is a file"
        raise RunError(f"{folder}: cannot be written: {there} {why}. Choose another folder with --out.")
    taken = [name for name in (RESULTS_FILE, PAGE_FILE) if (folder / name).exists()]
    if taken and not is_comparison(folder / RESULTS_FILE):
        raise RunError(
            f"{folder}: holds a {taken[0]} that `mien compare` did not write. Choose another folder with --out."
        )


def is_comparison(path: Path) -> bool:
    """Whether a file holds the numbers of a comparison."""
    try:
        return {"format", "data", "arms"} <= read_json(path).keys()
    except RunError:
        return False


def runs_at(paths: Sequence[str | Path]) -> list[Run]:
    """The runs at some paths, each once; of a plan or a study, all that are in it."""
    runs: dict[Path, Run] = {}
    for path in map(Path, paths):
        for run in runs_in(path):
            runs.setdefault(run.path.resolve(), run)
    return list(runs.values())


def require_same_fingerprint(runs: Sequence[Run]) -> None:
    """Raises: RunError where runs were trained on different faces, or on the same at another size or crop."""
    by_faces: dict[str, list[str]] = {}
    for run in runs:
        by_faces.setdefault(run.provenance()["data_fingerprint"], []).append(str(run.path))
    if len(by_faces) > 1:
        groups = "; ".join(f"{', '.join(paths)} ({fingerprint[:12]})" for fingerprint, paths in by_faces.items())
        raise RunError(
            f"these runs are of different faces, or of the same at another size or crop, so that none of their numbers "
            f"can be compared: {groups}. Compare runs whose fingerprints are equal."
        )


def grouped(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Runs by arm: those of one recipe but for its seed are together, under the recipe's name, or the folder's.

    Raises: RunError where two are of the same recipe and the same seed: the second one says nothing new.
    """
    by_recipe: dict[str, list[Run]] = {}
    for run in runs:
        content = run.recipe().model_dump(mode="json", exclude={"name": True, "training": {"seed"}, "data": {"source"}})
        by_recipe.setdefault(json.dumps(content, sort_keys=True), []).append(run)
    groups = list(by_recipe.values())
    for group in groups:
        seeds: Mapping[int, Run] = {run.recipe().training.seed: run for run in group}
        if len(seeds) < len(group):
            listed = ", ".join(str(run.path) for run in group)
            raise RunError(f"two of these runs are of one recipe and one seed: {listed}. Give one of them.")
    names = [re.sub(r"-seed\d+$", "", group[0].recipe().name) for group in groups]
    if len(set(names)) < len(names):
        names = [group[0].path.name for group in groups]
    if len(set(names)) < len(names):
        names = [f"{group[0].path.parent.name}/{group[0].path.name}" for group in groups]
    if len(set(names)) < len(names):
        names = [str(group[0].path) for group in groups]
    return dict(zip(names, groups, strict=True))
