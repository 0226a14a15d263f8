"""The sentences of a run's log, and its best snapshot beside its last weights."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mien.errors import MienError
from mien.faces import Faces
from mien.health import DISTANCE
from mien.report.encoded_pictures import Plate, picture_plate, sheet
from mien.report.figures import short_count
from mien.report.run_section import Chapter
from mien.runs.weights import TrainedModel, load_model
from mien.seeds import Seed

COMPARED = 8  # samples of each, from the first latents that all sheets of samples show


def read_turns(log: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """The sentences of a log on the health of the training, each with its images seen."""
    return [(f"{line['images_seen']:,} images", words) for line in log for words in line.get("words", ())]


def draw_best_snapshot(chapter: Chapter, model: Any, faces: Faces, place: int) -> list[Plate]:
    """The last weights' samples over those of the best snapshot, from the same latents; none where none was kept."""
    last = chapter.trained
    if last is None or not chapter.run.best.exists():
        return []
    try:
        best = load_model(chapter.run.best)
    except MienError as error:
        chapter.missing.append(f"No pictures of the best snapshot: {error}")
        return []
    last_distance = distance_at(chapter, last)
    made = "All other pictures and all numbers of this chapter are made with the last weights"
    if best.images_seen == last.images_seen:
        caption = (
            f"Samples of the last weights, which are the best of all snapshots too{distance_in_words(best.distance)}."
        )
        return [samples_plate(chapter, place, [best], ("best and last",), caption)]
    caption = (
        f"Samples of the last weights ({short_count(last.images_seen)} images"
        f"{distance_in_words(last_distance)}) over those of the best snapshot ({short_count(best.images_seen)} images"
        f"{distance_in_words(best.distance)}), from the same latents. {made}; the best are in {chapter.run.best.name}."
    )
    return [samples_plate(chapter, place, [last, best], ("last", "best"), caption)]


def distance_in_words(value: float | None) -> str:
    """The distance by which the best is chosen, as part of a sentence."""
    return "" if value is None else f"; validation Fréchet distance {value:.3g}"


def distance_at(chapter: Chapter, last: TrainedModel) -> float | None:
    """How far the samples of the last weights are from validation images; None where that was not measured."""
    lines = (line for line in chapter.run.log() if line["images_seen"] == last.images_seen)
    found = [float(line[DISTANCE]) for line in lines if DISTANCE in line]
    return found[-1] if found else None


def samples_plate(
    chapter: Chapter, place: int, models: Sequence[TrainedModel], rows: tuple[str, ...], caption: str
) -> Plate:
    """A sheet with a row of samples of each model."""
    samples = [model.sample(COMPARED, seed=Seed.SHOWN) for model in models]
    return picture_plate(f"{chapter.number}.{place}", caption, sheet(np.concatenate(samples), COMPARED), rows)
