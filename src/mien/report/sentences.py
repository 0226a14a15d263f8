"""The sentences of the page. What they claim, they take from the numbers."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from mien.report.number_tables import Score, cell, written

PROVENANCE = {
    "mien": "mien",
    "python": "Python",
    "torch": "PyTorch",
    "numpy": "NumPy",
    "data_fingerprint": "fingerprint of the faces",
    "format": "format of the run folder",
}
SHARPER_THAN_LIFE = 1.1  # share of real images' sharpness above which the summary warns


def provenance(content: Mapping[str, Any]) -> dict[str, Any]:
    """What a run's provenance holds, under words; of its starts only how many there were, and what they computed on."""
    facts = {PROVENANCE.get(key, key): value for key, value in content.items() if key != "starts"}
    if starts := content.get("starts"):
        on = [f"{start['device']} in {start['precision']}, {start['threads']} threads" for start in starts]
        facts |= {"computed on": "; ".join(dict.fromkeys(on)), "started or resumed": f"{len(starts)} times"}
    return facts


def reconstruction_sentence(title: str, scores: Mapping[str, Score]) -> str:
    """How well a model gives test images back, against the baselines; '' where that was not measured."""
    own = scores.get("test_mse")
    if own is None:
        return ""
    images = f"{own.images:,} test images" if own.images else "test images"
    shown = cell(own)
    interval = f" ({shown.interval})" if shown.interval else ""
    told = f"Over {images} the {title}'s reconstructions have a mean squared error of {shown.value}{interval}"
    beside = []
    if mean_face := scores.get("baseline_mean_face_mse"):
        beside.append(f"{_compare(own, mean_face)} the mean face, which has {cell(mean_face).value}")
    pcas = {int(found[1]): s for name, s in scores.items() if (found := re.fullmatch(r"baseline_pca_(\d+)_mse", name))}
    if pcas:  # the largest is the one with as many components as the model has latents
        components, pca = max(pcas.items())
        beside.append(f"{_compare(own, pca)} a PCA with {components} components, which has {cell(pca).value}")
    return told + (": " + ", and ".join(beside) if beside else "") + "."


def _compare(own: Score, other: Score) -> str:
    if own.high < other.low:
        return "better than"
    return "worse than" if own.low > other.high else "no better or worse than"


def sharpness_sentence(runs: Sequence[tuple[str, Mapping[str, Score]]]) -> str:
    """How sharp the samples of the runs are against real images, and which are the sharper."""
    measured = [
        (title, scores["sharpness_samples"], scores["sharpness_real"].value)
        for title, scores in runs
        if "sharpness_samples" in scores and scores.get("sharpness_real", Score(0)).value > 0
    ]
    if not measured:
        return ""
    measured.sort(key=lambda entry: -entry[1].value / entry[2])
    shares = [samples.value / real for _, samples, real in measured]
    parts = [f"the {title}'s samples have {share:.2f}" for (title, *_), share in zip(measured, shares, strict=True)]
    told = f"Of the sharpness of real images, {listed(parts)}"
    (sharpest, high, _), (softest, low, _) = measured[0], measured[-1]
    if len(measured) > 1:
        apart = high.low > low.high
        told += f": the {sharpest}'s are sharper than the {softest}'s" if apart else ": no clear difference"
    if shares[0] > SHARPER_THAN_LIFE:
        told += f". That the {sharpest}'s are sharper than life is no merit: noise is sharp too"
    return told + "."


def distance_sentence(runs: Sequence[tuple[str, Mapping[str, Score]]]) -> str:
    """How far the samples of the runs are from test images in the judge's eyes, the nearest first."""
    found = []
    for title, scores in runs:
        for name, score in scores.items():
            if re.fullmatch(r"fd_judge_\d+k?", name):
                found.append((score, title, scores.get(f"{name}_floor_train")))
    if not found:
        return ""
    found.sort(key=lambda entry: entry[0].value)
    floor = found[0][2]
    parts = [f"the {title}'s samples are at {cell(score).value}" for score, title, _ in found]
    beside = f"; training images, which are real, are at {cell(floor).value}" if floor else ""
    return f"By the judge's Fréchet distance to test images, {listed(parts)}{beside}."


def flip_sentence(title: str, scores: Mapping[str, Score]) -> str:
    """How often an attribute changes when it is asked to, for the attributes that do so least and most."""
    rates = _by_attribute(scores, "flip_rate_")
    ceilings = _by_attribute(scores, "flip_ceiling_")
    if not rates:
        return ""
    beside = f"; of pairs of real faces it would see it in {_range(ceilings)}" if ceilings else ""
    return f"In the {title}'s pairs, the judge sees the attribute change as asked in {_range(rates)}{beside}."


def _by_attribute(scores: Mapping[str, Score], prefix: str) -> dict[str, float]:
    return {name.removeprefix(prefix): score.value for name, score in scores.items() if name.startswith(prefix)}


def _range(values: Mapping[str, float]) -> str:
    worst, best = min(values, key=lambda name: values[name]), max(values, key=lambda name: values[name])
    low, high = (written(values[name], 2, share=True) for name in (worst, best))
    if len(values) == 1:
        return f"{low} ({worst})"
    return f"{low} (each attribute)" if low == high else f"{low} ({worst}) to {high} ({best})"


def listed(parts: Sequence[str]) -> str:
    """'a, b and c'."""
    return " and ".join((", ".join(parts[:-1]), parts[-1])) if len(parts) > 1 else "".join(parts)


def summary(
    faces: int, source: str, size: int, runs: Sequence[tuple[str, Mapping[str, Score]]], unfinished: Sequence[str]
) -> list[str]:
    """The page's first paragraph, one sentence each."""
    titles = [f"a {title}" if title[0] not in "AEIO" else f"an {title}" for title, _ in runs]
    told = listed(titles) if titles else "no model"
    side = f"{size}\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}{size} pixels"
    sentences = [f"This report is about {told}, trained on {faces:,} faces of {source} at {side}."]
    sentences += [reconstruction_sentence(title, scores) for title, scores in runs]
    sentences += [distance_sentence(runs), sharpness_sentence(runs)]
    sentences += [flip_sentence(title, scores) for title, scores in runs]
    for title in unfinished:
        sentences.append(f"The {title} is not trained to its end: it has no samples and no numbers yet.")
    measured = [title for title, scores in runs if scores]
    if unmeasured := [title for title, _ in runs if title not in measured and title not in unfinished]:
        sentences.append(f"Nothing was measured yet of the {listed(unmeasured)}.")
    return [sentence for sentence in sentences if sentence]


def caveats(seeds: Sequence[int], names: Sequence[str]) -> list[str]:
    """What a reader should hold against the numbers.  names: of all metrics there are"""
    one_seed = "Each model was trained once, from one seed. " if len(set(seeds)) <= 1 else ""
    found = [
        f"{one_seed}Intervals are 95 % over images: how far a number would move with other images. "
        "Another seed of the training can move it further.",
        "The test split was scored once, with the final weights. What had to be chosen was chosen on validation.",
    ]
    if any(name.startswith("baseline_") for name in names):
        found.append(
            "The baselines: the mean face answers every test image with the average of the training faces, which is "
            "what no learning at all achieves. PCA is the best linear code of as many numbers for squared error on "
            "the faces it was fitted to; an autoencoder can have the larger error and still be the better model of "
            "faces, since random PCA codes do not make any."
        )
    if any(name.startswith("sharpness_") for name in names):
        found.append(
            "Sharpness counts edges. It says nothing of likeness or variety, and noise raises it; only beside the "
            "pictures does it mean something."
        )
    if any(name.startswith("head_") for name in names):
        found.append(
            "A model's own head is no independent judge of its samples: generator and head learnt from one another, "
            "and may agree on a sign that no person would see."
        )
    if any(name.startswith(("fd_", "flip_")) for name in names):
        found.append(
            "Most of what is said of samples is said through the judge: a small classifier that was trained on these "
            "faces' attributes. It shares nothing with the models, but it sees attributes better than artefacts and "
            "forgives patterns that a person would not. Its distances compare only with each other, for the same faces "
            "and the same number of images; none of them is an FID."
        )
    found.append("Samples and pairs were not picked: they are the first of a fixed seed.")
    return found
