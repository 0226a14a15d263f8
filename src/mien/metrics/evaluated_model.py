"""A trained model with its faces, and the features that several metrics need, computed once."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from mien.faces import UNKNOWN, Faces, Split
from mien.faces.splits import spread
from mien.judge import Judge
from mien.metrics.encoder.principal_components import PrincipalGaussian, fit_principal_gaussian, pixels
from mien.metrics.extractors import Extractor
from mien.models.base import Encodes
from mien.pictures import arrays, of_models
from mien.runs.weights import TrainedModel
from mien.seeds import Seed

FEWEST_SAMPLES, MOST_IMAGES = 2_000, 10_000
READ = 2_048  # images at a time, so that memory does not grow with the split
MOST_ENCODED: dict[Split, int] = {"train": 5_000, "validation": 2_000, "test": 2_000}  # for metrics of latents
Where = Split | Literal["samples"]
Seen = dict[tuple[str, Where], NDArray[np.float32]]  # extractor's name or "probabilities", images -> features


@dataclass
class Subject:
    """A trained model, its faces, and what its metrics share.

    extractors: the judge's features first.    seen: features of real images.    components: of their pixels, by their
    number. Subjects of the same faces share the last two.
    """

    trained: TrainedModel
    faces: Faces
    judge: Judge
    extractors: tuple[Extractor, ...]
    seen: Seen = field(default_factory=dict)
    components: dict[int, PrincipalGaussian] = field(default_factory=dict)
    _of_samples: dict[str, NDArray[np.float32]] = field(default_factory=dict, init=False)
    _of_faces: dict[Split, tuple[NDArray[np.float32], NDArray[np.float32]]] = field(default_factory=dict, init=False)

    @property
    def sample_count(self) -> int:
        """How many samples are measured: as many as there are test images, within limits."""
        return min(MOST_IMAGES, max(FEWEST_SAMPLES, len(self.faces.rows("test"))))

    @cached_property
    def labels(self) -> Tensor | None:
        """Attributes of the samples, drawn as they occur together in the training images.  -> [N,A], or None"""
        return self.trained.labels(self.sample_count, seed=Seed.MEASURED)

    @cached_property
    def samples(self) -> arrays.Pictures:
        """New faces.  -> uint8 [N,S,S,3]"""
        z = of_models.latents(self.trained.model, self.sample_count, Seed.MEASURED)
        return of_models.generate(self.trained.model, z, self.labels)

    @property
    def encoder(self) -> Encodes:
        """The model, for metrics of models that encode.  Raises: TypeError for one that does not."""
        if not isinstance(self.trained.model, Encodes):
            raise TypeError(f"{self.trained.model.title} does not encode: this metric is not for it")
        return self.trained.model

    def labelled(self, split: Split) -> NDArray[np.bool_]:
        """Whether all attributes that the model is given are known, for each measured face of a split.  -> [N]"""
        values = self.faces.attributes[self.rows(split)][:, self.faces.columns(self.trained.attributes)]
        known: NDArray[np.bool_] = (values != UNKNOWN).all(1)
        return known

    def split_in_words(self, split: Split) -> str:
        """A split in words, with the number of its faces that are left out because their attributes are unknown."""
        left_out = int((~self.labelled(split)).sum())
        return f"{split} split" + (f" without {left_out:,} faces whose attributes are unknown" if left_out else "")

    def labels_of(self, rows: NDArray[np.int64]) -> Tensor | None:
        """The attributes that a conditional model is given for these faces.  -> [N,A], or None"""
        return of_models.labels_of(self.trained.model, self.faces, rows)

    def rows(self, split: Split) -> NDArray[np.int64]:
        """Which faces of a split are measured: all, but of the training split at most 10,000, evenly spread."""
        return spread(self.faces.rows(split), MOST_IMAGES) if split == "train" else self.faces.rows(split)

    def real(self, split: Split) -> Iterator[arrays.Pictures]:
        """Images of those rows, some at a time.  -> uint8 [n,S,S,3]"""
        return self.read(self.rows(split))

    def read(self, rows: NDArray[np.int64]) -> Iterator[arrays.Pictures]:
        """Images of any rows, some at a time.  -> uint8 [n,S,S,3]"""
        for start in range(0, max(len(rows), 1), READ):  # once, where the rows are empty
            yield self.faces.images[rows[start : start + READ]]

    def features(self, extractor: Extractor, where: Where) -> NDArray[np.float32]:
        """An extractor's features of real images of a split, or of the samples.  -> [N,D]"""
        if where == "samples":
            if extractor.name not in self._of_samples:
                self._of_samples[extractor.name] = extractor(self.samples)
            return self._of_samples[extractor.name]
        return self._of_real(extractor.name, where, extractor)

    def probabilities(self, split: Split) -> NDArray[np.float32]:
        """The judge's probability of each attribute in real images of a split.  -> [N,A]"""
        return self._of_real("probabilities", split, self.judge.probabilities)

    def _of_real(
        self, name: str, split: Split, see: Callable[[arrays.Pictures], NDArray[np.float32]]
    ) -> NDArray[np.float32]:
        """Features of real images of a split, computed once."""
        if (name, split) not in self.seen:
            self.seen[name, split] = np.concatenate([see(images) for images in self.real(split)])
        return self.seen[name, split]

    def principal(self) -> PrincipalGaussian:
        """The principal components of training images: as many as the model has latents, or as there can be."""
        size = self.faces.size
        train = spread(self.rows("train"), MOST_IMAGES * 64**2 // max(size, 64) ** 2)
        count = min(self.trained.model.latent_dim, len(train) - 1, 3 * size**2 - 1)
        if count not in self.components:
            self.components[count] = fit_principal_gaussian(pixels(self.faces.images[train]), count)
        return self.components[count]

    def encoded_rows(self, split: Split) -> NDArray[np.int64]:
        """Which faces of a split metrics of latents are about: at most 5,000 to train on, 2,000 of another split.

        All attributes that the model is told are known of them.
        """
        return spread(self.faces.rows(split, known=self.trained.attributes), MOST_ENCODED[split])

    def latents(self, split: Split) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Mean and log-variance of q(z given x) of those faces, by a model that encodes.  -> [N,Z] x 2"""
        if split not in self._of_faces:
            rows = self.encoded_rows(split)
            self._of_faces[split] = of_models.encode(self.encoder, self.faces.images[rows], self.labels_of(rows))
        return self._of_faces[split]
