"""The plates of a chapter: which of them a run gets depends on what its model can do, not on its name."""

import re

import numpy as np

from mien.faces import Faces
from mien.models.base import Encodes
from mien.pictures import arrays, of_models
from mien.report import figures, loss_curves
from mien.report.encoded_pictures import Inline, Plate, figure_jpeg, figure_svg, moments, read_strips, sheet
from mien.report.flip_pictures import leakage_plates
from mien.report.health_pictures import best_plate, told
from mien.report.measured_pictures import measured_plates
from mien.report.run_section import Chapter
from mien.runs.weights import TrainedModel
from mien.seeds import MAP, Seed

RECONSTRUCTED, SAMPLED, PAIRED, FILMED = 10, 32, 10, 8
MOST_ATTRIBUTES = 6  # with a sheet of pairs each
MAPPED = 2_000  # test images on the map of latents, at most


def illustrate(chapter: Chapter, faces: Faces, attribute: str | None) -> None:
    """Make the chapter's plates, by what its model can do.  attribute: that the map of latents is coloured by"""
    place = 2  # figure 1 of a chapter is the architecture, which is a table here
    chapter.curves = curves_plate(chapter, faces, place)
    model, trained = chapter.model, chapter.trained
    if isinstance(model, Encodes):
        place += 1
        if trained:
            chapter.plates += reconstructions_plate(chapter, model, faces, place)
    if model.attributes:
        place += 1
        if trained:
            chapter.plates += pairs_plates(chapter, trained, place)
    place += 1
    if trained:
        chapter.plates.append(samples_plate(chapter, trained, place))
    if isinstance(model, Encodes):
        place += 1
        if trained:
            chapter.plates += latents_plate(chapter, model, faces, attribute, place)
        place += 1
        if trained:
            chapter.plates += divergences_plate(chapter, model, faces, place)
    leakages = leakage_plates(chapter, place + 1)
    place += len(leakages)
    chapter.plates += leakages
    measured = measured_plates(chapter, place + 1)
    place += len(measured)
    chapter.plates += measured
    chapter.film = film_plate(chapter, place + 1)
    chapter.health = told(chapter.run.log())
    chapter.kept = best_plate(chapter, place + 2)


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
        f"Training curves of the {chapter.title}; each point is the mean since the one before.",
        tuple(images_of_panels),
        file=f"fig{chapter.number}_{place}.jpg",
        jpeg=figure_jpeg(figures.curves(list(panels.values()), unit, images)),
    )


def reconstructions_plate(chapter: Chapter, model: Encodes, faces: Faces, place: int) -> list[Plate]:
    """Test images over what the model makes of them."""
    shown = faces.rows("test", known=model.attributes)[:RECONSTRUCTED]
    real = faces.images[shown]
    if not fits(chapter, faces, "reconstructions") or not len(real):
        return []
    rows = np.concatenate([real, of_models.reconstruct(model, real, of_models.labels_of(model, faces, shown))])
    caption = f"{len(real)} test images, which the {chapter.title} was not trained on, over their reconstructions."
    return [faces_plate(chapter, place, rows, len(real), caption, ("test image", "recon\N{SOFT HYPHEN}struction"))]


def pairs_plates(chapter: Chapter, trained: TrainedModel, place: int) -> list[Plate]:
    """For each attribute, faces from the same noise without it and with it."""
    z, y = of_models.latents(chapter.model, PAIRED, Seed.SHOWN), trained.labels(PAIRED, seed=Seed.SHOWN)
    assert y is not None
    plates: list[Plate] = []
    for index, attribute in enumerate(chapter.model.attributes[:MOST_ATTRIBUTES]):
        off, on = of_models.pairs(chapter.model, z, y, attribute)
        caption = f"Pairs from the same noise: {attribute} off above, on below."
        if index == 0:
            caption += " The other attributes are the same in both, drawn as they occur together in the training faces."
        suffix = f"_{file_name(attribute)}" if index else ""
        if index and any(plate.file.endswith(f"{suffix}.jpg") for plate in plates):
            suffix += f"-{index + 1}"  # two names that differ only in what a file name cannot hold
        letter = chr(ord("a") + index) if len(chapter.model.attributes) > 1 else ""
        plate = faces_plate(chapter, place, np.concatenate([off, on]), PAIRED, caption, ("off", "on"), suffix, letter)
        plates.append(plate)
    left = len(chapter.model.attributes) - MOST_ATTRIBUTES
    if left > 0:
        chapter.missing.append(f"Pairs are shown for {MOST_ATTRIBUTES} attributes; {left} more were trained.")
    return plates


def samples_plate(chapter: Chapter, trained: TrainedModel, place: int) -> Plate:
    """New faces."""
    caption = f"{SAMPLED} samples of the {chapter.title}, from the first latents of seed {Seed.SHOWN}; not picked."
    if chapter.model.attributes:
        caption += f" Their attributes ({', '.join(chapter.model.attributes)}) are drawn as in the training faces."
    return faces_plate(chapter, place, trained.sample(SAMPLED, seed=Seed.SHOWN), 8, caption)


def latents_plate(chapter: Chapter, model: Encodes, faces: Faces, attribute: str | None, place: int) -> list[Plate]:
    """A map of the test images' latents, coloured by an attribute."""
    rows = faces.rows("test", known=model.attributes)[:MAPPED]
    if not fits(chapter, faces, "map of latents") or not len(rows):
        return []
    values = faces.attributes[rows, faces.attribute_names.index(attribute)] if attribute else None
    points = arrays.embed(of_models.encode(model, faces.images[rows], of_models.labels_of(model, faces, rows))[0], MAP)
    method = "t-SNE" if len(rows) >= arrays.FEWEST_FOR_TSNE else "Principal components"
    coloured = f", coloured by {attribute}" if attribute else "; the faces have no attributes to colour it by"
    caption = (
        f"{method} of the mean latents of {len(rows):,} test images{coloured}. Near points are alike to the encoder."
    )
    jpeg = figure_jpeg(figures.scatter(points, values, attribute or ""))
    number, file = f"{chapter.number}.{place}", f"fig{chapter.number}_{place}.jpg"
    return [Plate(number, caption, (Inline(jpeg, "image/jpeg", caption),), file=file, jpeg=jpeg, narrow=True)]


def divergences_plate(chapter: Chapter, model: Encodes, faces: Faces, place: int) -> list[Plate]:
    """What each latent costs: those near 0 carry nothing."""
    rows = faces.rows("test", known=model.attributes)[:MAPPED]
    if chapter.model.image_size != faces.size or not len(rows):
        return []
    labels = of_models.labels_of(model, faces, rows)
    ordered = np.sort(of_models.latent_divergences(model, faces.images[rows], labels))[::-1]
    nine_tenths = int(np.searchsorted(ordered.cumsum(), 0.9 * ordered.sum())) + 1
    caption = (
        f"KL of each of the {len(ordered):,} latents, mean over {len(rows):,} test images: {ordered.sum():.4g} nats in "
        f"all, nine tenths of it in {min(nine_tenths, len(ordered)):,} latents."
    )
    jpeg = figure_jpeg(figures.divergences(ordered))
    number, file = f"{chapter.number}.{place}", f"fig{chapter.number}_{place}.jpg"
    return [Plate(number, caption, (Inline(jpeg, "image/jpeg", caption),), file=file, jpeg=jpeg, narrow=True)]


def film_plate(chapter: Chapter, place: int) -> Plate | None:
    """The same latents at several moments of the training; None where it left fewer than two."""
    strips = read_strips(sorted(chapter.run.samples.glob("*.png")), chapter.recipe.data.size, FILMED)
    if len(strips) < 2:
        return None
    chosen = [list(strips.items())[index] for index in moments(len(strips))]
    caption = f"The same latents of the {chapter.title} through training; beside each row, the images seen."
    jpeg = sheet(np.concatenate([strip for _, strip in chosen]), FILMED)
    rows = tuple(figures.short_count(images_seen) for images_seen, _ in chosen)
    return Plate(f"{chapter.number}.{place}", caption, (Inline(jpeg, "image/jpeg", caption),), rows)


def faces_plate(
    chapter: Chapter,
    place: int,
    images: arrays.Pictures,
    columns: int,
    caption: str,
    rows: tuple[str, ...] = (),
    suffix: str = "",
    letter: str = "",
) -> Plate:
    """A sheet of faces with its file."""
    jpeg = sheet(images, columns)
    file = f"fig{chapter.number}_{place}{suffix}.jpg"
    return Plate(f"{chapter.number}.{place}{letter}", caption, (Inline(jpeg, "image/jpeg", caption),), rows, file, jpeg)


def fits(chapter: Chapter, faces: Faces, what: str) -> bool:
    """Whether the model takes images of these faces' size; notes it where it does not."""
    if chapter.model.image_size != faces.size:
        chapter.missing.append(
            f"No {what}: the model takes images of {chapter.model.image_size} pixels, these faces have {faces.size}."
        )
    return chapter.model.image_size == faces.size


def file_name(text: str) -> str:
    """Text as part of a file's name on any system."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)[:60]
