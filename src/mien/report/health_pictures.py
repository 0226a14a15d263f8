"""What a run's log says in words, and its best snapshot beside its last weights."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mien.errors import MienError
from mien.health import DISTANCE
from mien.pictures import arrays
from mien.report.encoded_pictures import Inline, Plate, sheet
from mien.report.figures import short_count
from mien.report.run_section import Chapter
from mien.runs.weights import TrainedModel, load_model
from mien.seeds import Seed

COMPARED = 8  # samples of each, from the first latents that all sheets of samples show


def told(log: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """When something turned, and what was said of it."""
    return [(f"{line['images_seen']:,} images", words) for line in log for words in line.get("words", ())]


def best_plate(chapter: Chapter, place: int) -> Plate | None:
    """The last weights' samples over those of the best snapshot, from the same latents; None where none was kept."""
    if chapter.trained is None or not chapter.run.best.exists():
        return None
    try:
        best = load_model(chapter.run.best)
    except MienError as error:
        chapter.missing.append(f"No pictures of the best snapshot: {error}")
        return None
    last = last_distance(chapter)
    made = "All other pictures and all numbers of this chapter are made with the last weights"
    if best.images_seen == chapter.trained.images_seen:
        caption = f"Samples of the last weights, which are the best of all snapshots too{distances(best.distance)}."
        return shown(chapter, place, [best], ("best and last",), caption)
    caption = (
        f"Samples of the last weights ({short_count(chapter.trained.images_seen)} images"
        f"{distances(last)}) over those of the best snapshot ({short_count(best.images_seen)} images"
        f"{distances(best.distance)}), from the same latents. {made}; the best are in {chapter.run.best.name}."
    )
    return shown(chapter, place, [chapter.trained, best], ("last", "best"), caption)


def distances(value: float | None) -> str:
    """The distance by which the best is chosen, as part of a sentence."""
    return "" if value is None else f"; validation Fréchet distance {value:.3g}"


def last_distance(chapter: Chapter) -> float | None:
    """How far the samples of the last weights are from validation images; None where that was not measured."""
    assert chapter.trained
    images = chapter.trained.images_seen
    found = [line[DISTANCE] for line in chapter.run.log() if line["images_seen"] == images and DISTANCE in line]
    return float(found[-1]) if found else None


def shown(chapter: Chapter, place: int, models: Sequence[TrainedModel], rows: tuple[str, ...], caption: str) -> Plate:
    """A sheet with a row of samples of each model."""
    samples: list[arrays.Pictures] = [model.sample(COMPARED, seed=Seed.SHOWN) for model in models]
    jpeg = sheet(np.concatenate(samples), COMPARED)
    return Plate(f"{chapter.number}.{place}", caption, (Inline(jpeg, "image/jpeg", caption),), rows)
