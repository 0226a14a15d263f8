"""Comparing any runs of the same faces on the page of a study, without claims."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from mien.errors import RunError
from mien.metrics import numbers
from mien.metrics.numbers import Number
from mien.runs.folder import Run, read_json
from mien.runs.plan_folder import runs_in
from mien.studies import Axis

RESULTS_FILE = "compare.json"
PAGE_FILE = "compare.html"


def axis(number: Number, label: str, reference: Number | None = None, reference_label: str = "") -> Axis:
    """How the page plots a number."""
    better = number.better if number.better != "nearer" else ""
    beside = reference.spelling if reference else ""
    return Axis(metric=number.spelling, label=label, better=better, reference=beside, reference_label=reference_label)


_FRECHET = numbers.FRECHET["judge"]
AXES = (  # what the page plots, where it was measured
    axis(_FRECHET["test"], "Fréchet distance of samples", _FRECHET["floor_train"], "train against test"),
    axis(numbers.TEST["mse"], "Reconstruction error (test MSE)"),
    axis(numbers.COVERAGES["precision"]["judge"]["test"], "Precision of samples"),
    axis(numbers.COVERAGES["recall"]["judge"]["test"], "Recall of samples"),
    axis(numbers.SHARPNESS["samples"], "Sharpness of samples", numbers.SHARPNESS_REAL, "real faces"),
    axis(numbers.FLIP_RATE, "Flip rate, mean over attributes"),
)


def require_place(folder: Path) -> None:
    """Raises: RunError where the page cannot be written, or would replace a file that is not of a comparison."""
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
        by_faces.setdefault(run.provenance().data_fingerprint, []).append(str(run.path))
    if len(by_faces) > 1:
        groups = "; ".join(f"{', '.join(paths)} ({fingerprint[:12]})" for fingerprint, paths in by_faces.items())
        raise RunError(
            f"these runs are of different faces, or of the same faces at another size or crop, so their numbers cannot "
            f"be compared: {groups}. Compare runs whose fingerprints are equal."
        )


def grouped(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Runs by arm: runs whose recipes differ in the seed alone are an arm, named after the recipe, or the folder.

    Raises: RunError where two runs have the same recipe and the same seed: the second says nothing new.
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
            raise RunError(f"two of these runs have the same recipe and seed: {listed}. Give one of them.")
    names = [re.sub(r"-seed\d+$", "", group[0].recipe().name) for group in groups]
    if len(set(names)) < len(names):
        names = [group[0].path.name for group in groups]
    if len(set(names)) < len(names):
        names = [f"{group[0].path.parent.name}/{group[0].path.name}" for group in groups]
    if len(set(names)) < len(names):
        names = [str(group[0].path) for group in groups]
    return dict(zip(names, groups, strict=True))
