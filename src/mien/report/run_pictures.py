"""The plates of a chapter: which of them a run gets depends on what its model can do, not on its name."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mien.faces import Faces
from mien.models.base import Encodes, Model
from mien.pictures import arrays, of_models
from mien.report import figures, loss_curves
from mien.report.encoded_pictures import (
    Inline,
    Plate,
    figure_jpeg,
    figure_svg,
    moments,
    picture_plate,
    read_strips,
    sheet,
)
from mien.report.flip_pictures import draw_leaks
from mien.report.health_pictures import draw_best_snapshot, read_turns
from mien.report.measured_pictures import draw_measured
from mien.report.run_section import Chapter
from mien.seeds import MAP, Seed

RECONSTRUCTED, SAMPLED, PAIRED, FILMED = 10, 32, 10, 8
MOST_ATTRIBUTES = 6  # with a sheet of pairs each
MAPPED = 2_000  # test images on the map of latents, at most


class View(NamedTuple):
    """A view of a run, and which models have it.

    draw: from the chapter, its model, the faces and the number of the view's first figure, to its figures.
    numbered: the view has one number, even where it draws nothing yet: figures keep their numbers as a run trains.
    Otherwise each of its figures has a number.
    """

    draw: Callable[[Chapter, Any, Faces, int], list[Plate]]
    applies: Callable[[Model], bool] = lambda model: True
    numbered: bool = True


def encodes(model: Model) -> bool:
    """Whether the model has an encoder."""
    return isinstance(model, Encodes)


def illustrate(chapter: Chapter, faces: Faces) -> None:
    """Make the chapter's plates, by what its model can do."""
    place = 2  # figure 1 of a chapter is the architecture, which is a table here
    chapter.curves = curves_plate(chapter, faces, place)
    for view in VIEWS:
        if view.applies(chapter.model):
            drawn = view.draw(chapter, chapter.model, faces, place + 1)
            place += 1 if view.numbered else len(drawn)
            chapter.plates += drawn
    chapter.health = read_turns(chapter.run.log())


def curves_plate(chapter: Chapter, faces: Faces, place: int) -> Plate | None:
    """Every logged term over the images seen; None where nothing was logged yet."""
    panels = loss_curves.panels(chapter.run.log(), chapter.model)
    if not panels:
        chapter.missing.append("No curves: nothing was logged yet.")
        return None
    unit, images = "steps", float(chapter.images_per_step)
    if chapter.recipe.training.epochs is not None:
        unit, images = "epochs", float(max(len(faces.rows("train", known=chapter.model.attributes)), 1))
    chapter.healthy = [
        (re.split("[:,]", quantity.title)[0], quantity.healthy) for quantity in panels if quantity.healthy
    ]
    images_of_panels = []
    for panel in panels.values():
        ends = ", ".join(f"{line.label} ends at {line.values[-1]:.3g}" for line in panel.lines)
        svg = figure_svg(figures.curves([panel], unit, images))
        images_of_panels.append(Inline(svg, "image/svg+xml", f"{panel.title}: {ends}."))
    return Plate(
        f"{chapter.number}.{place}",
        f"Training curves of the {chapter.title}; each point is the mean since the point before.",
        tuple(images_of_panels),
        file=f"fig{chapter.number}_{place}.jpg",
        jpeg=figure_jpeg(figures.curves(list(panels.values()), unit, images)),
    )


def draw_reconstructions(chapter: Chapter, model: Encodes, faces: Faces, place: int) -> list[Plate]:
    """Test images over their reconstructions."""
    shown = rows_to_encode(chapter, faces, RECONSTRUCTED, "reconstructions")
    if not len(shown):
        return []
    real = faces.images[shown]
    images = np.concatenate([real, of_models.reconstruct(model, real, of_models.labels_of(model, faces, shown))])
    caption = f"{len(real)} test images, which the {chapter.title} was not trained on, over their reconstructions."
    return [chapter.plate(place, caption, sheet(images, len(real)), ("test image", "recon\N{SOFT HYPHEN}struction"))]


def draw_pairs(chapter: Chapter, model: Model, faces: Faces, place: int) -> list[Plate]:
    """For each attribute, faces from the same noise without it and with it."""
    y = chapter.trained.labels(PAIRED, seed=Seed.SHOWN) if chapter.trained else None
    if y is None:
        return []
    z = of_models.latents(model, PAIRED, Seed.SHOWN)
    plates: list[Plate] = []
    for index, attribute in enumerate(model.attributes[:MOST_ATTRIBUTES]):
        images = np.concatenate(of_models.pairs(model, z, y, attribute))
        caption = f"Pairs from the same noise: {attribute} off above, on below."
        if index == 0:
            caption += " The other attributes are the same in both, drawn as they occur together in the training faces."
        file = f"fig{chapter.number}_{place}" + (f"_{file_name(attribute)}" if index else "")
        if any(plate.file == f"{file}.jpg" for plate in plates):
            file += f"-{index + 1}"  # two names that differ only in what a file name cannot hold
        number = f"{chapter.number}.{place}" + (chr(ord("a") + index) if len(model.attributes) > 1 else "")
        plates.append(picture_plate(number, caption, sheet(images, PAIRED), ("off", "on"), file=f"{file}.jpg"))
    left = len(model.attributes) - MOST_ATTRIBUTES
    if left > 0:
        chapter.missing.append(f"Pairs are shown for {MOST_ATTRIBUTES} attributes; {left} more were trained.")
    return plates


def draw_samples(chapter: Chapter, model: Model, faces: Faces, place: int) -> list[Plate]:
    """New faces."""
    if not chapter.trained:
        return []
    caption = f"{SAMPLED} samples of the {chapter.title}, from the first latents of seed {Seed.SHOWN}; not picked."
    if model.attributes:
        caption += f" Their attributes ({', '.join(model.attributes)}) are drawn as in the training faces."
    return [chapter.plate(place, caption, sheet(chapter.trained.sample(SAMPLED, seed=Seed.SHOWN), 8))]


def draw_latents(chapter: Chapter, model: Encodes, faces: Faces, place: int) -> list[Plate]:
    """A map of the test images' latents, coloured by an attribute."""
    rows = rows_to_encode(chapter, faces, MAPPED, "map of latents")
    if not len(rows):
        return []
    attribute = chapter.coloured_by
    values = faces.attributes[rows, faces.attribute_names.index(attribute)] if attribute else None
    points = arrays.embed(of_models.encode(model, faces.images[rows], of_models.labels_of(model, faces, rows))[0], MAP)
    method = "t-SNE" if len(rows) >= arrays.FEWEST_FOR_TSNE else "Principal components"
    coloured = f", coloured by {attribute}" if attribute else "; these faces have no attributes that could colour it"
    caption = (
        f"{method} of the mean latents of {len(rows):,} test images{coloured}. The encoder takes near points for "
        "similar images."
    )
    return [chapter.plate(place, caption, figure_jpeg(figures.scatter(points, values, attribute or "")), narrow=True)]


def draw_divergences(chapter: Chapter, model: Encodes, faces: Faces, place: int) -> list[Plate]:
    """The KL of each latent: a latent near 0 carries nothing."""
    rows = rows_to_encode(chapter, faces, MAPPED, "KL of latents")
    if not len(rows):
        return []
    labels = of_models.labels_of(model, faces, rows)
    ordered = np.sort(of_models.latent_divergences(model, faces.images[rows], labels))[::-1]
    nine_tenths = int(np.searchsorted(ordered.cumsum(), 0.9 * ordered.sum())) + 1
    caption = (
        f"KL of each of the {len(ordered):,} latents, mean over {len(rows):,} test images: {ordered.sum():.4g} nats in "
        f"all, nine tenths of it in {min(nine_tenths, len(ordered)):,} latents."
    )
    return [chapter.plate(place, caption, figure_jpeg(figures.divergences(ordered)), narrow=True)]


def draw_film(chapter: Chapter, model: Model, faces: Faces, place: int) -> list[Plate]:
    """The same latents at several moments of the training; none where the training left fewer than two."""
    strips = read_strips(sorted(chapter.run.samples.glob("*.png")), chapter.recipe.data.size, FILMED)
    if len(strips) < 2:
        return []
    chosen = [list(strips.items())[index] for index in moments(len(strips))]
    caption = f"The same latents of the {chapter.title} through training; beside each row, the images seen."
    jpeg = sheet(np.concatenate([strip for _, strip in chosen]), FILMED)
    rows = tuple(figures.short_count(images_seen) for images_seen, _ in chosen)
    return [picture_plate(f"{chapter.number}.{place}", caption, jpeg, rows)]


VIEWS = (  # in the order of the page; a new view of a run is a function and a line here
    View(draw_reconstructions, encodes),
    View(draw_pairs, lambda model: bool(model.attributes)),
    View(draw_samples),
    View(draw_latents, encodes),
    View(draw_divergences, encodes),
    View(draw_leaks, numbered=False),
    View(draw_measured, numbered=False),
    View(draw_film),
    View(draw_best_snapshot),
)


def rows_to_encode(chapter: Chapter, faces: Faces, most: int, view: str) -> NDArray[np.int64]:
    """Test faces for a view of an encoder; none where it is not trained, or, which is noted, takes another size."""
    rows = faces.rows("test", known=chapter.model.attributes)[:most]
    if not chapter.trained:
        return rows[:0]
    if chapter.model.image_size != faces.size:
        chapter.missing.append(
            f"No {view}: the model takes images of {chapter.model.image_size} pixels, these faces have {faces.size}."
        )
        return rows[:0]
    return rows


def file_name(text: str) -> str:
    """Text as part of a file's name on any system."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)[:60]
