"""The flip report: does a model change the attribute it is asked to change, and leave the rest of the face alone?

A conditional model draws the same noise and the same other attributes twice, with one attribute off and on. A model
that encodes takes test faces a step along the attribute's direction in its latent space. The judge looks at both.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mien.faces.drawn import drawn_faces
from mien.faces.pack.open import factors
from mien.faces.splits import spread
from mien.metrics import numbers
from mien.metrics.control.attribute_changes import Look, ceiling, look, report
from mien.metrics.evaluated_model import Subject
from mien.metrics.latents.factor_readers import FactorReader, read_factors
from mien.metrics.numbers import of_number
from mien.models.base import Encodes, Model
from mien.pictures import arrays, of_models
from mien.runs.score import Score
from mien.seeds import RendererSeed, Seed

PAIRS = 2_000  # of a conditional model, for each attribute
EDITED = 300  # test faces that are taken along each direction, at most
AVERAGED = 4_000  # training faces that directions are taken from, at most
RENDERED = 300  # pairs of drawn faces, for each attribute
MOST_EDITED = 13  # attributes with a direction
EDITED_FIRST = ("Male", "Smiling", "Eyeglasses")  # then those that divide the training faces most evenly
OF_THE_RENDERER = {
    numbers.FLIP_RATE: numbers.FLIP_RENDERER,
    numbers.LEAK_SHIFT: numbers.LEAK_RENDERER,
    numbers.FACTOR_SHIFT: numbers.FACTOR_RENDERER,
}


@dataclass(frozen=True)
class Pairs:
    """Pairs of faces without and with one attribute, and how they were made, in words."""

    attribute: str
    off: Look
    on: Look
    how: str


def flips(subject: Subject) -> dict[str, Score]:
    """The flip report of a conditional model, or of one that encodes; empty for any other, or where nothing is told."""
    model, tells = subject.trained.model, subject.judge.attributes
    if model.attributes:
        unrelated, pairs = look_at_samples(subject), pairs_of_labels(subject)
    elif isinstance(model, Encodes) and tells:
        unrelated, pairs = pairs_of_directions(subject, model)
    else:
        return {}
    reader = reader_of(subject)
    scores = reader.scores() if reader else {}
    for pair in pairs:
        labels = subject.faces.attributes[subject.rows("test"), subject.faces.attribute_names.index(pair.attribute)]
        scores |= report(pair.off, pair.on, pair.attribute, tells, unrelated, pair.how)
        scores |= ceiling(subject.probabilities("test"), labels, pair.attribute, tells)
        scores |= reader.shifts(pair.off.features, pair.on.features, pair.attribute, pair.how) if reader else {}
        if reader and pair.attribute in drawn_faces.ATTRIBUTES:
            scores |= of_the_renderer(subject, pair.attribute, unrelated, reader)
    return scores


def look_at_samples(subject: Subject) -> Look:
    """The first samples, which have nothing to do with one another, as the judge sees them."""
    images = subject.samples[:PAIRS]
    features = subject.features(subject.extractors[0], "samples")[:PAIRS]
    return Look(images, features, subject.judge.probabilities(images))


def pairs_of_labels(subject: Subject) -> Iterator[Pairs]:
    """Pairs from the same noise and the same other attributes, for each attribute that the judge tells."""
    model = subject.trained.model
    z, y = of_models.latents(model, PAIRS, Seed.PAIRS), subject.trained.labels(PAIRS, seed=Seed.PAIRS)
    assert y is not None
    require_repeatable(model, z, y)
    for attribute in model.attributes:
        if attribute in subject.judge.attributes:
            off, on = of_models.pairs(model, z, y, attribute)
            same = f"the same noise and the same other attributes (seed {Seed.PAIRS})"
            how = f"{PAIRS:,} pairs of {same}, {attribute} off and on"
            yield Pairs(attribute, look(subject.judge, off), look(subject.judge, on), how)


def require_repeatable(model: Model, z: Tensor, y: Tensor) -> None:
    """Find out that noise and attributes are all a picture is made of: else pairs are not of the same noise."""
    once, again = (of_models.generate(model, z[:16], y[:16]).astype(int) for _ in range(2))
    assert np.abs(once - again).max() <= 1, (
        "the model draws noise of its own in generate: no two of its faces are a pair"
    )


def pairs_of_directions(subject: Subject, model: Encodes) -> tuple[Look, Iterator[Pairs]]:
    """Reconstructions of test faces, and the same a step along each attribute's direction in latent space.

    A face without the attribute is the half without it, and takes a step along; one with it the other, and takes a
    step against. The step is that from the mean of training faces without the attribute to that of those with it.
    """
    faces, judge = subject.faces, subject.judge
    train, test = spread(subject.rows("train"), AVERAGED), spread(subject.rows("test"), EDITED)
    latents, (means, _) = of_models.encode(model, faces.images[train])[0], of_models.encode(model, faces.images[test])
    given_back = look(judge, of_models.generate(model, torch.from_numpy(means)))

    def each() -> Iterator[Pairs]:
        for attribute in edited_attributes(subject):
            column = faces.attribute_names.index(attribute)
            of_train, of_test = faces.attributes[train, column], faces.attributes[test, column]
            step = arrays.attribute_direction(latents[of_train >= 0], of_train[of_train >= 0] == 1)
            known = of_test >= 0
            if known.sum() < 2:  # a table may know the attributes of training images only
                continue
            has, start = of_test[known] == 1, given_back.of(known)
            amounts = np.where(has, -1, 1).astype(np.float32)
            end = look(judge, of_models.edit(model, means[known], step, amounts))
            how = (
                f"{known.sum():,} test faces through the model, and a step along or against {attribute}: the "
                f"difference of the mean latents of training faces ({(of_train >= 0).sum():,}) with and without it"
            )
            yield Pairs(attribute, end.where(has, start), start.where(has, end), how)

    return given_back, each()


def edited_attributes(subject: Subject) -> list[str]:
    """Which attributes directions are made of: at most 13 of those that the judge tells."""
    values = subject.faces.attributes[subject.faces.rows("train")]
    fewer = dict(
        zip(subject.faces.attribute_names, np.minimum((values == 0).sum(0), (values == 1).sum(0)), strict=True)
    )
    order = sorted(subject.judge.attributes, key=lambda name: (name not in EDITED_FIRST, -fewer[name]))
    return order[:MOST_EDITED]


def reader_of(subject: Subject) -> FactorReader | None:
    """The regression that reads the factors of drawn faces; None for photographs, whose factors are unknown."""
    known = factors(subject.faces)
    if known is None:
        return None
    judge = subject.extractors[0]
    train = subject.features(judge, "train"), known[subject.rows("train")]
    test = subject.features(judge, "test"), known[subject.rows("test")]
    return read_factors(subject.faces.card["factors"], train, test)


def of_the_renderer(subject: Subject, attribute: str, unrelated: Look, reader: FactorReader) -> dict[str, Score]:
    """The same numbers of pairs that the renderer of drawn faces draws: what a perfect model would have."""
    off, on = (look(subject.judge, images) for images in renderer_pairs(attribute, RENDERED, subject.faces.size))
    how = f"{RENDERED:,} people (seed {RendererSeed.PAIRS}) drawn by the renderer with {attribute} off and on"
    if attribute in drawn_faces.HAIR_COLORS:
        how += (
            ", the other colours of hair off in both; a conditional model's pairs keep them as they are, so that a "
            "label may ask for two colours at once"
        )
    scores = report(off, on, attribute, subject.judge.attributes, unrelated, how)
    scores |= reader.shifts(off.features, on.features, attribute, how)
    return {
        beside.of(*values): score
        for number, beside in OF_THE_RENDERER.items()
        for values, score in of_number(scores, number).items()
    }


def renderer_pairs(
    attribute: str, count: int, size: int, seed: int = RendererSeed.PAIRS
) -> tuple[arrays.Pictures, arrays.Pictures]:
    """The same drawn people without and with an attribute, which is all that differs.  -> [count,size,size,3] x 2

    Of the colours of hair a person has one at most, so the others are off in both halves.
    """
    people, known = drawn_faces.sample(count, seed=seed)
    column = drawn_faces.ATTRIBUTES.index(attribute)
    if attribute in drawn_faces.HAIR_COLORS:
        people[:, [drawn_faces.ATTRIBUTES.index(name) for name in drawn_faces.HAIR_COLORS]] = 0
    off, on = people.copy(), people.copy()
    off[:, column], on[:, column] = 0, 1
    return drawn_faces.render(off, known, size), drawn_faces.render(on, known, size)
