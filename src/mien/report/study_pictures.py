"""The arms of a study on its page: what became of their runs, and the plots and pictures of them."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.faces import Faces
from mien.models.base import Encodes
from mien.pictures import of_models
from mien.report import figures
from mien.report.encoded_pictures import Inline, Plate, figure_svg, picture_plate, sheet
from mien.report.number_tables import cell
from mien.report.run_section import Chapter, open_chapter
from mien.runs.score import Score
from mien.seeds import Seed
from mien.studies import Axis, TradeOff, mean_interval
from mien.studies.run_study import ArmRun, values_of

SAMPLED, COLUMNS = 20, 10
RECONSTRUCTED = 10


@dataclass(frozen=True)
class ArmChapter:
    """One arm: its runs, the trained and the diverged ones, and the first trained run, which is shown."""

    name: str
    runs: tuple[ArmRun, ...]
    trained: tuple[ArmRun, ...]
    diverged: tuple[ArmRun, ...]
    shown: Chapter

    @property
    def state(self) -> str:
        """How many of its runs trained, in words."""
        parts = [f"{len(self.trained)} of {len(self.runs)} trained"]
        if self.diverged:
            parts.append(f"{len(self.diverged)} diverged: did not train")
        if left := len(self.runs) - len(self.trained) - len(self.diverged):
            parts.append(f"{left} to go")
        return ", ".join(parts)

    def dots(self, metric: str, aligned_with: str = "") -> figures.Dots:
        """The metric for a plot; only of runs that have the other metric as well, where another is given."""
        values = values_of([run for run in self.runs if run.value(aligned_with or metric) is not None], metric)
        return figures.Dots(self.name, np.array(values, np.float64), *mean_interval(values))


def open_arm(name: str, runs: Sequence[ArmRun]) -> ArmChapter:
    """An arm with its first trained run opened; its first run where no run is trained."""
    trained = tuple(run for run in runs if run.trained)
    diverged = tuple(run for run in runs if run.divergence)
    return ArmChapter(name, tuple(runs), trained, diverged, open_chapter((trained or tuple(runs))[0].run, 0))


def number(value: float | None) -> str:
    """Four digits of a value; a dash for None."""
    return cell(Score(math.nan if value is None else value)).value


def words_of(axis: Axis) -> str:
    """The label of an axis, and which way is better."""
    return f"{axis.label} ({axis.better} is better)" if axis.better else axis.label


def reference_of(axis: Axis, chapters: Sequence[ArmChapter]) -> tuple[float, str] | None:
    """The level an axis is compared with: the mean of what the runs have measured of it."""
    values = (
        [value for chapter in chapters for value in values_of(chapter.runs, axis.reference)] if axis.reference else []
    )
    return (float(np.mean(values)), axis.reference_label or axis.reference) if values else None


def plots_plate(axes: Sequence[Axis], chapters: Sequence[ArmChapter]) -> Plate | None:
    """Every seed of every arm, one panel a metric; None where nothing was measured yet."""
    panels = []
    for axis in axes:
        arms = [chapter.dots(axis.metric) for chapter in chapters]
        if any(len(arm.values) for arm in arms):
            svg = figure_svg(figures.seeds(arms, words_of(axis), reference_of(axis, chapters)))
            means = "; ".join(f"{arm.label} {number(arm.mean)}" for arm in arms if len(arm.values))
            panels.append(Inline(svg, "image/svg+xml", f"{axis.label}, means over seeds: {means}."))
    caption = (
        "Every seed a dot; the upright bar is the mean of an arm, the line its 95 % interval over seeds (Student's t; "
        "it may leave the frame). Dotted: what stands beside the models."
    )
    return Plate("2", caption, tuple(panels)) if panels else None


def trade_off_plate(trade_off: TradeOff | None, axes: Sequence[Axis], chapters: Sequence[ArmChapter]) -> Plate | None:
    """Two measures against each other; None where the study asks for none, or nothing was measured yet."""
    if not trade_off:
        return None
    by_metric = {axis.metric: axis for axis in axes}
    x, y = by_metric[trade_off.x], by_metric[trade_off.y]
    arms = [(chapter.dots(x.metric, y.metric), chapter.dots(y.metric, x.metric)) for chapter in chapters]
    if not any(len(first.values) for first, _ in arms):
        return None
    joined = sorted((chapter.name for chapter in chapters if math.isfinite(as_number(chapter.name))), key=as_number)
    svg = figure_svg(figures.trade_off(arms, (words_of(x), words_of(y)), joined))
    caption = f"{x.label} against {y.label}: every seed a point, and the mean of each arm, named."
    others = [chapter.name for chapter in chapters if chapter.name not in joined]
    if joined and others:
        caption += f" The line joins the arms in the order of their numbers; the star is {', '.join(others)}."
    return Plate("1", caption, (Inline(svg, "image/svg+xml", caption),), narrow=True)


def as_number(name: str) -> float:
    """The number that an arm is named by, such as 1e-5 or minus2; NaN where it is named by anything else."""
    try:
        return math.nan if "_" in name else float(re.sub(r"^minus", "-", name))
    except ValueError:
        return math.nan


def samples_plate(chapters: Sequence[ArmChapter]) -> Plate | None:
    """The first samples of the first trained run of each arm; None without runs of one image size."""
    shown = [chapter for chapter in chapters if chapter.shown.trained]
    sizes = {chapter.shown.model.image_size for chapter in shown}
    if len(sizes) != 1:
        return None
    sheets = [chapter.shown.trained.sample(SAMPLED, seed=Seed.SHOWN) for chapter in shown if chapter.shown.trained]
    caption = (
        f"{SAMPLED} samples of each arm's first trained seed, from the first latents of seed {Seed.SHOWN}; "
        "none was picked."
    )
    rows = tuple(name for chapter in shown for name in (chapter.name, *[""] * (SAMPLED // COLUMNS - 1)))
    return picture_plate("3", caption, sheet(np.concatenate(sheets), COLUMNS), rows)


def reconstructions_plate(chapters: Sequence[ArmChapter], faces: Faces) -> Plate | None:
    """Test faces over what the arms that have an encoder make of them; None where no arm has one."""
    models = [(chapter.name, chapter.shown.model) for chapter in chapters if chapter.shown.trained]
    encoders = [(name, m) for name, m in models if isinstance(m, Encodes) and m.image_size == faces.size]
    told = dict.fromkeys(attribute for _, model in encoders for attribute in model.attributes)
    shown = faces.rows("test", known=tuple(told))[:RECONSTRUCTED]
    real = faces.images[shown]
    rows: list[tuple[str, NDArray[np.uint8]]] = [("test face", real)]
    for name, model in encoders:
        rows.append((name, of_models.reconstruct(model, real, of_models.labels_of(model, faces, shown))))
    if len(rows) < 2 or len(real) < RECONSTRUCTED:
        return None
    caption = "Faces of the test split over their reconstructions by each arm's first trained seed."
    content = sheet(np.concatenate([images for _, images in rows]), RECONSTRUCTED)
    return picture_plate("4", caption, content, tuple(name for name, _ in rows))
