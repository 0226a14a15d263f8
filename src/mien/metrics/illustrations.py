"""Pictures that only a measurement can make: they need the judge, or the mixture fitted to training latents."""

from collections.abc import Callable

import numpy as np

from mien.metrics.evaluated_model import Subject
from mien.metrics.samples.distribution import nearest_training
from mien.metrics.samples.latent_mixture import from_normal, mixture_of
from mien.pictures import arrays, of_models
from mien.seeds import Seed

NEIGHBOURS = 10  # samples that are shown over their nearest training image
SAMPLED = 16  # samples from the prior, over as many from the mixture


def neighbours(subject: Subject) -> arrays.Pictures:
    """Samples over the training image that is nearest to each in the judge's features.  -> [2,10,S,S,3]"""
    samples = subject.samples[:NEIGHBOURS]
    return np.stack([samples, subject.faces.images[nearest_training(subject, len(samples))]])


def mixture_samples(subject: Subject) -> arrays.Pictures:
    """Samples from N(0, I) over samples from the mixture.  -> [2,16,S,S,3]"""
    drawn = of_models.generate(subject.encoder, mixture_of(subject).sample(SAMPLED, Seed.MEASURED))
    return np.stack([from_normal(subject, SAMPLED), drawn])


PICTURES: dict[str, tuple[str, Callable[[Subject], arrays.Pictures]]] = {  # by the metric they belong to
    "distribution": ("neighbours", neighbours),
    "mixture": ("mixture", mixture_samples),
}
