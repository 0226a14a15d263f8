"""Do single latents stand for single things? Can attributes be read from latents better than from pixels?"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mien.faces import SPLITS, UNKNOWN
from mien.faces.pack.open import factors
from mien.faces.splits import spread
from mien.metrics.control.judge_accuracy import balanced_accuracy
from mien.metrics.encoder.principal_components import PrincipalGaussian
from mien.metrics.evaluated_model import Subject
from mien.metrics.intervals import GROUPS, jackknife, not_negative
from mien.metrics.latents.dci import PENALTIES, dci
from mien.metrics.latents.mig_and_sap import mutual_information_gaps, separated_predictability
from mien.metrics.numbers import OF_ATTRIBUTES, OF_FACTORS, PROBE, PROBE_OF_PCA, Number
from mien.pictures import arrays
from mien.runs.score import Score
from mien.seeds import Seed

PENALTY = 0.03  # of the ridge regression, for each training image
THRESHOLDED = 1_000  # test images that SAP looks for thresholds on, at most
MOST_ATTRIBUTES = 13  # for MIG, SAP and DCI: those that divide the training faces most evenly

Array = NDArray[np.float32]
PROTOCOLS = {
    "mig": "mutual information gap in 20 bins, training images",
    "sap": "separated attribute predictability, test images",
    "dci_disentanglement": "whether a latent matters to one factor only",
    "dci_completeness": "whether a factor needs one latent only",
    "dci_informativeness": "R² on test images, mean over factors",
}
LASSO = (
    f"lasso fitted to training images, penalty from {PENALTIES[0]} to {PENALTIES[-1]}: the largest that predicts "
    "every fifth of them about as well as the best"
)


class Codes(NamedTuple):
    """Latents of training and test images, or what stands in for them.  [N,Z] x 2"""

    train: Array
    test: Array


def disentanglement(subject: Subject) -> dict[str, Score]:
    """Linear probes of every attribute, and MIG, SAP and DCI on attributes and on the factors of drawn faces."""
    rows = {"train": subject.encoded_rows("train"), "test": subject.encoded_rows("test")}
    if not all(map(len, rows.values())):  # a table may know the attributes of training images only
        return {}
    images = {split: subject.faces.images[at] for split, at in rows.items()}
    codes = Codes(subject.latents("train")[0], subject.latents("test")[0])
    scores = probes(subject, codes, principal_codes(subject.principal(), images["train"], images["test"]))
    attributes = subject.faces.attributes
    kept = most_even(attributes[rows["train"]])
    known = {split: (attributes[at][:, kept] != UNKNOWN).all(1) for split, at in rows.items()}
    if kept and min(inside.sum() for inside in known.values()) >= GROUPS:
        of_known = Codes(codes.train[known["train"]], codes.test[known["test"]])
        truth = Codes(
            *(attributes[rows[split]][known[split]][:, kept].astype(np.float32) for split in ("train", "test"))
        )
        names = ", ".join(subject.faces.attribute_names[column] for column in kept)
        scores |= axis_scores(of_known, truth, OF_ATTRIBUTES, f"on {len(kept)} attributes ({names})")
    drawn = factors(subject.faces)
    if drawn is not None and len(rows["test"]) >= GROUPS:
        truth = Codes(drawn[rows["train"]], drawn[rows["test"]])
        scores |= axis_scores(codes, truth, OF_FACTORS, f"on the {drawn.shape[1]} continuous factors of drawn faces")
    return scores


def most_even(values: NDArray[np.int8]) -> list[int]:
    """Columns of attributes that both kinds of faces have, known for most; at most 13, the most even.  [N,A]"""
    fewer = np.minimum((values == 0).sum(0), (values == 1).sum(0))
    usable = np.flatnonzero((fewer >= GROUPS) & ((values != UNKNOWN).mean(0) > 0.9))
    return sorted(sorted(usable.tolist(), key=lambda column: -fewer[column])[:MOST_ATTRIBUTES])


# Probes


def principal_codes(gaussian: PrincipalGaussian, train: arrays.Pictures, test: arrays.Pictures) -> Codes:
    """Principal components of pixels, as many as there are latents."""
    return Codes(gaussian.components(train), gaussian.components(test))


def probes(subject: Subject, codes: Codes, principal: Codes) -> dict[str, Score]:
    """Balanced accuracy of a linear probe for each attribute, from latents and from principal components."""
    train, test = (subject.faces.attributes[subject.encoded_rows(split)] for split in SPLITS[::2])
    scores = {}
    for column, name in enumerate(subject.faces.attribute_names):
        for number, some, what in (
            (PROBE, codes, "means of q(z given x)"),
            (PROBE_OF_PCA, principal, f"{principal.train.shape[1]} principal components of pixels"),
        ):
            seen = probe(some.train, train[:, column], some.test)
            known = test[:, column] != UNKNOWN
            has = test[known, column] == 1
            if seen is not None and has.any() and not has.all():  # else there is only one class
                how = (
                    f"test split, balanced accuracy of a ridge classifier (classes weighed alike) of {what}, fitted "
                    f"to {len(train):,} training images; a guess has 0.5"
                )
                scores[number.of(name)] = balanced_accuracy(seen[known], has, how)
    return scores


def probe(codes: Array, values: NDArray[np.int8], others: Array) -> NDArray[np.bool_] | None:
    """Whether others have an attribute, by ridge regression; None where it cannot be fitted.  [N,Z], [N], [M,Z]"""
    from sklearn.linear_model import RidgeClassifier

    known = values != UNKNOWN
    labels = values[known] == 1
    if labels.all() or not labels.any():
        return None
    spread_of = codes[known].std(0)
    scale = np.where(spread_of > 0, spread_of, 1)
    ridge = RidgeClassifier(PENALTY * len(labels), class_weight="balanced", solver="cholesky")
    seen: NDArray[np.bool_] = ridge.fit(codes[known] / scale, labels).predict(others / scale)
    return seen


# Axes


def axis_scores(codes: Codes, truth: Codes, numbers: Mapping[str, Mapping[str, Number]], what: str) -> dict[str, Score]:
    """MIG, SAP and DCI of codes, beside those of the codes shuffled over images, and of the codes rotated.

    numbers: by what is measured, and of which codes.  what: the factors, in words.
    """
    random = np.random.default_rng(Seed.ROTATED)
    rotation = np.linalg.qr(random.standard_normal((codes.train.shape[1],) * 2))[0].astype(np.float32)
    kinds = {
        "": (codes, "means of q(z given x)"),
        "shuffled": (Codes(*map(random.permutation, codes)), "the latents of other images: knows nothing"),
        "rotated": (
            Codes(codes.train @ rotation, codes.test @ rotation),
            "the same latents in a random rotation: knows as much, and its axes mean nothing",
        ),
    }
    scores = {}
    for kind, (some, words) in kinds.items():
        for name, values, images in axis_values(some, truth):
            protocol = f"{PROTOCOLS[name]} ({LASSO})" if name.startswith("dci") else PROTOCOLS[name]
            found = jackknife(values[0], values[1:], images, f"{protocol}, {what}; {words}")
            scores[numbers[name][kind].name] = not_negative(found)
    return scores


def axis_values(codes: Codes, truth: Codes) -> Iterator[tuple[str, list[float], int]]:
    """Name, values of all images and without each group, and number of images, of each score that can be had."""
    few = spread(np.arange(len(codes.test)), THRESHOLDED)
    yield "mig", mutual_information_gaps(codes.train, truth.train).tolist(), len(codes.train)
    yield "sap", separated_predictability(codes.test[few], truth.test[few]).tolist(), len(few)
    trial = dci((codes.train, truth.train), (codes.test, truth.test))
    if truth.train.shape[1] > 1:
        yield "dci_disentanglement", trial.disentanglement.tolist(), len(codes.train)
    if codes.train.shape[1] > 1:
        yield "dci_completeness", trial.completeness.tolist(), len(codes.train)
    yield "dci_informativeness", trial.informativeness.tolist(), len(codes.test)
