"""The continuous factors of drawn faces, read from images: pairs should leave them unchanged."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.metrics.intervals import mean_score
from mien.metrics.numbers import FACTOR_R2, FACTOR_SHIFT
from mien.runs.score import Score
from mien.seeds import Seed

READABLE = 0.3  # R^2 on test faces below which a factor is not read: its shift would always be near 0
PENALTIES = np.logspace(-1, 4, 6)  # of the ridge regression, chosen by leave-one-out on training faces
DRAWS = 200  # of the bootstrap


@dataclass(frozen=True)
class FactorReader:
    """A ridge regression from the judge's features to factors in units of their standard deviation.

    names: of the factors.  quality: R^2 of each on real test faces.
    """

    names: tuple[str, ...]
    regression: Any  # of scikit-learn
    quality: tuple[Score, ...]

    def shifts(self, off: NDArray[np.float32], on: NDArray[np.float32], attribute: str, how: str) -> dict[str, Score]:
        """How far each factor that can be read moves between the halves of pairs.  features [N,D] x 2"""
        change = self.regression.predict(on) - self.regression.predict(off)
        return {
            FACTOR_SHIFT.of(attribute, name): mean_score(
                change[:, column],
                f"{how}; mean change of {name} in standard deviations, read from the judge's features by a ridge "
                f"regression whose R² on real test faces is {quality.value:.2f}; 0 if only {attribute} changes",
            )
            for column, (name, quality) in enumerate(zip(self.names, self.quality, strict=True))
            if quality.value >= READABLE
        }

    def scores(self) -> dict[str, Score]:
        """How well each factor can be read."""
        return {FACTOR_R2.of(name): quality for name, quality in zip(self.names, self.quality, strict=True)}


def read_factors(
    names: Sequence[str],
    train: tuple[NDArray[np.float32], NDArray[np.float32]],
    test: tuple[NDArray[np.float32], NDArray[np.float32]],
) -> FactorReader:
    """Fit a reader of factors to training faces, and measure it on test faces.

    names: of the factors' columns.  train, test: the judge's features and the factors.  ([N,D], [N,F])
    """
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    features, factors = train
    mean, scale = factors.mean(0), np.maximum(factors.std(0), 1e-6)
    regression = make_pipeline(StandardScaler(), RidgeCV(PENALTIES, alpha_per_target=True))
    regression.fit(features, (factors - mean) / scale)
    truth = (test[1] - mean) / scale
    residual = truth - regression.predict(test[0])
    protocol = (
        f"test split, R² of a ridge regression from the judge's features, fitted to {len(features):,} training faces; "
        "interval by bootstrap"
    )
    quality = tuple(explained(residual[:, column], truth[:, column], protocol) for column in range(len(names)))
    return FactorReader(tuple(names), regression, quality)


def explained(residual: NDArray[np.float64], truth: NDArray[np.float64], protocol: str) -> Score:
    """R²: the share of the truth's variance that is not left over, with a bootstrap interval over images.  [N] x 2"""
    rows = np.random.default_rng(Seed.BOOTSTRAP).integers(len(truth), size=(DRAWS, len(truth)))
    left, whole = np.square(residual), np.square(truth - truth.mean())
    value = 1 - left.sum() / max(whole.sum(), 1e-12)
    drawn = 1 - left[rows].sum(1) / np.maximum(whole[rows].sum(1), 1e-12)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Score(float(value), float(low), float(high), len(truth), protocol)
