"""The page of a study, or of runs that are compared: verdicts, every seed in a plot, tables, and pictures."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mien.errors import MienError
from mien.faces import Faces
from mien.faces.pack.statistics import encodable
from mien.files.writing import write_text
from mien.report.build import fill
from mien.report.number_tables import Cell, cell, duration, written
from mien.report.study_pictures import (
    ArmChapter,
    number,
    open_arm,
    plots_plate,
    reconstructions_plate,
    samples_plate,
    trade_off_plate,
)
from mien.runs.folder import Run
from mien.runs.score import Score
from mien.studies import RULE, Answer, Axis, Comparison, TradeOff, mean_interval
from mien.studies.run_study import ArmRun, values_of

NOT_COMPARED = ("name", "training.seed")  # what the runs of one arm may differ in


@dataclass(frozen=True)
class Facts:
    """What the page says of a study before any number.  length: the budget in words; varied: what arms differ in."""

    title: str
    about: str
    axes: tuple[Axis, ...]
    trade_off: TradeOff | None
    length: str
    varied: str


def write_study(
    path: Path,
    facts: Facts,
    arms: Mapping[str, Sequence[ArmRun]],
    answers: Sequence[Answer],
    left_out: Mapping[str, str],
    faces: Faces,
) -> Path:
    """Write the page, which needs no other file.  -> its path"""
    chapters = [open_arm(name, runs) for name, runs in arms.items()]
    page = fill(
        "study.html.jinja",
        facts=facts,
        summary=summary(facts, chapters, answers, faces),
        answers=[(one, claim_in_words(one), [comparison_words(one, c) for c in one.comparisons]) for one in answers],
        left_out=left_out,
        trade_off=trade_off_plate(facts.trade_off, facts.axes, chapters),
        plots=plots_plate(facts.axes, chapters),
        rows=[(chapter, [mean_cell(chapter.runs, axis.metric) for axis in facts.axes]) for chapter in chapters],
        every=[
            (run.run.path.name, run.divergence, [number(run.value(axis.metric)) for axis in facts.axes])
            for chapter in chapters
            for run in chapter.runs
        ],
        samples=samples_plate(chapters),
        reconstructions=reconstructions_plate(chapters, faces),
        costs=[(chapter, cost(chapter)) for chapter in chapters],
        differences=differences([chapter.shown.recipe.model_dump(mode="json") for chapter in chapters]),
        provenance=provenance([run.run for chapter in chapters for run in chapter.runs], faces),
        rule=RULE,
        problems=[
            f"{chapter.name}: {words}" for chapter in chapters if chapter.trained for words in chapter.shown.missing
        ],
    )
    write_text(path, encodable(page))
    return path


def summary(facts: Facts, chapters: Sequence[ArmChapter], answers: Sequence[Answer], faces: Faces) -> list[str]:
    """The page's first paragraph, one sentence each."""
    train, source = faces.card["split"]["train"], Path(faces.card["source"]).name
    told = [
        f"{len(chapters)} arms ({facts.length}), trained on {train:,} faces of {source} at {faces.size} × {faces.size} "
        "pixels and measured on faces that they have not seen."
    ]
    counts = [(verdict, sum(one.verdict == verdict for one in answers)) for verdict in ("holds", "does not hold")]
    undecided = len(answers) - sum(count for _, count in counts)
    if answers:
        parts = [f"{counts[0][1]} hold" + ("s" if counts[0][1] == 1 else "")]
        parts.append(f"{counts[1][1]} " + ("does not" if counts[1][1] == 1 else "do not"))
        parts.append(f"{undecided} " + ("is" if undecided == 1 else "are") + " undecided at this budget")
        told.append(f"Of {len(answers)} claims, {', '.join(parts[:2])}, and {parts[2]}.")
    for chapter in chapters:
        if chapter.diverged:
            told.append(f"{chapter.name}: {len(chapter.diverged)} of {len(chapter.runs)} runs diverged.")
    return told


def claim_in_words(one: Answer) -> str:
    """What a claim states of its metric, with its margin."""
    claim = one.claim
    if claim.kind in ("fails", "trains"):
        less = "not " if claim.kind == "trains" else ""
        return f"claimed {less}to be {claim.factor:g} times the other arm's or more"
    margins = [f"{claim.by:g}"] if claim.by else []
    if claim.by_share:
        margins.append(f"{100 * claim.by_share:g} % of the other arm's")
    return f"claimed to be {claim.kind}" + (f", by more than {' plus '.join(margins)}" if margins else "")


def comparison_words(one: Answer, comparison: Comparison) -> dict[str, str]:
    """A comparison as the page's table says it."""
    ratio = one.claim.kind in ("fails", "trains")
    shown = cell(Score(comparison.difference, comparison.low, comparison.high))
    times = "× " if ratio and math.isfinite(comparison.difference) else ""
    return {
        "than": comparison.than,
        "verdict": comparison.verdict,
        "means": " against ".join(number(value) for value in (comparison.mean, comparison.other)),
        "seeds": f"{comparison.seeds[0]} and {comparison.seeds[1]}",
        "difference": times + shown.value,
        "interval": shown.interval or "–",
        "why": comparison.why,
    }


def mean_cell(runs: Sequence[ArmRun], metric: str) -> Cell:
    """The mean over seeds, and its interval, in words."""
    return cell(Score(*mean_interval(values_of(runs, metric))))


def cost(chapter: ArmChapter) -> dict[str, str]:
    """What the runs of an arm took, on average over those that trained."""
    seconds, images = [], []
    for run in chapter.trained:
        timed = [line for line in run.run.log() if "seconds" in line]
        if timed:
            seconds.append(timed[-1]["seconds"])
            images.append(timed[-1]["images_seen"])
    if not seconds:
        return {"images": "–", "time": "–", "rate": "–"}
    rate = sum(images) / max(sum(seconds), 1e-9)
    return {
        "images": f"{np.mean(images):,.0f}",
        "time": duration(float(np.mean(seconds))),
        "rate": written(rate, 0),
    }


def differences(recipes: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[str]]]:
    """What the recipes of the arms differ in: a key, and its value for each arm."""
    flat = [flattened(recipe) for recipe in recipes]
    keys = dict.fromkeys(key for table in flat for key in table if key not in NOT_COMPARED)
    rows = [(key, [table.get(key, "–") for table in flat]) for key in keys]
    return [(key, values) for key, values in rows if len(set(values)) > 1]


def flattened(table: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """{'model.width': '48'} for {'model': {'width': 48}}."""
    flat: dict[str, str] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            flat |= flattened(value, f"{prefix}{key}.")
        elif value is not None:
            flat[prefix + key] = f"{value:g}" if isinstance(value, float) else str(value)
    return flat


def provenance(runs: Sequence[Run], faces: Faces) -> list[tuple[str, str]]:
    """Where the runs come from: a value that all share once, different values as a list."""
    facts: dict[str, list[str]] = {}
    for run in runs:
        try:
            content = run.provenance().model_dump()
        except MienError:
            continue
        for key in ("mien", "commit", "torch", "machine", "threads", "command"):
            if content.get(key) is not None:
                facts.setdefault(key, []).append(str(content[key]))
        facts.setdefault("begun", []).append(content["started"])
    rows = [(key, "; ".join(dict.fromkeys(values))) for key, values in facts.items() if key != "begun"]
    if begun := sorted(facts.get("begun", [])):
        rows.append(("begun", begun[0] if begun[0] == begun[-1] else f"{begun[0]} to {begun[-1]}"))
    return [("faces", f"{faces.card['source']}, fingerprint {faces.fingerprint}"), *rows]
