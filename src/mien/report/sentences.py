"""The sentences of the page. What they claim, they take from the numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

from mien.metrics import numbers
from mien.metrics.numbers import find, of_each, of_number
from mien.recipes.expected import Expected
from mien.report.number_tables import cell, digits_of, written
from mien.runs.score import Score

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
    """The facts of a run's provenance, by their names on the page; of its starts the number and the devices."""
    facts = {PROVENANCE.get(key, key): value for key, value in content.items() if key != "starts"}
    if starts := content.get("starts"):
        on = [f"{start['device']} in {start['precision']}, {start['threads']} threads" for start in starts]
        facts |= {"computed on": "; ".join(dict.fromkeys(on)), "started or resumed": f"{len(starts)} times"}
    return facts


def reconstruction_sentence(title: str, scores: Mapping[str, Score]) -> str:
    """How well a model gives test images back, against the baselines; '' where that was not measured."""
    own = scores.get(numbers.TEST["mse"].name)
    if own is None:
        return ""
    images = f"{own.images:,} test images" if own.images else "test images"
    shown = cell(own)
    interval = f" ({shown.interval})" if shown.interval else ""
    told = f"Over {images} the {title}'s reconstructions have a mean squared error of {shown.value}{interval}"
    beside = []
    if mean_face := scores.get(numbers.MEAN_FACE["mse"].name):
        beside.append(f"{_compare(own, mean_face)} the mean face, which has {cell(mean_face).value}")
    pcas = {int(components): score for components, score in of_each(scores, numbers.PCA["mse"]).items()}
    if pcas:  # the largest is the one with as many components as the model has latents
        components, pca = max(pcas.items())
        beside.append(f"{_compare(own, pca)} a PCA with {components} components, which has {cell(pca).value}")
    return told + (": " + ", and ".join(beside) if beside else "") + "."


def _compare(own: Score, other: Score) -> str:
    return "better than" if _lower(own, other) else "worse than" if _lower(other, own) else "no better or worse than"


def _lower(one: Score, other: Score) -> bool:
    """Whether the whole interval of one is below that of the other."""
    return bool(one.interval and other.interval and one.interval[1] < other.interval[0])


def sharpness_sentence(runs: Sequence[tuple[str, Mapping[str, Score]]]) -> str:
    """How sharp the samples of the runs are against real images, and which are the sharper."""
    own, real_images = numbers.SHARPNESS["samples"].name, numbers.SHARPNESS_REAL.name
    measured = [
        (title, scores[own], scores[real_images].value)
        for title, scores in runs
        if own in scores and real_images in scores and scores[real_images].value > 0
    ]
    if not measured:
        return ""
    measured.sort(key=lambda entry: -entry[1].value / entry[2])
    shares = [samples.value / real for _, samples, real in measured]
    parts = [f"the {title}'s samples have {share:.2f}" for (title, *_), share in zip(measured, shares, strict=True)]
    told = f"Of the sharpness of real images, {listed(parts)}"
    (sharpest, high, _), (softest, low, _) = measured[0], measured[-1]
    if len(measured) > 1:
        apart = _lower(low, high)
        told += f": the {sharpest}'s are sharper than the {softest}'s" if apart else ": no clear difference"
    if shares[0] > SHARPER_THAN_LIFE:
        told += f". The {sharpest}'s are sharper than real images, which is no merit: noise is sharp too"
    return told + "."


def distance_sentence(runs: Sequence[tuple[str, Mapping[str, Score]]]) -> str:
    """How far the samples of the runs are from test images in the judge's features, the nearest first."""
    found = []
    for title, scores in runs:
        for (count,), score in of_number(scores, numbers.FRECHET["judge"]["test"]).items():
            found.append((score, title, scores.get(numbers.FRECHET["judge"]["floor_train"].of(count))))
    if not found:
        return ""
    found.sort(key=lambda entry: entry[0].value)
    floor = found[0][2]
    parts = [f"the {title}'s samples are at {cell(score).value}" for score, title, _ in found]
    beside = f"; training images, which are real, are at {cell(floor).value}" if floor else ""
    return f"By the judge's Fréchet distance to test images, {listed(parts)}{beside}."


def flip_sentence(title: str, scores: Mapping[str, Score]) -> str:
    """How often an attribute changes when it is asked to, for the attributes that do so least and most."""
    rates, ceilings = (of_each(scores, number) for number in (numbers.FLIP_RATE, numbers.FLIP_CEILING))
    if not rates:
        return ""
    beside = f"; of pairs of real faces it would see it in {_range(ceilings)}" if ceilings else ""
    return f"In the {title}'s pairs, the judge sees the attribute change as asked in {_range(rates)}{beside}."


def _range(values: Mapping[str, Score]) -> str:
    worst, best = (pick(values, key=lambda name: values[name].value) for pick in (min, max))
    low, high = (written(values[name].value, 2, share=True) for name in (worst, best))
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


def _in_words(name: str) -> str:
    """A number's name outside its table: its group, and what tells it from the others there."""
    known = find(name)
    if known.number.of_attributes:
        return f"{known.title} of {known.values[0]}"
    return f"{known.number.group.title} ({known.title})"


def expectation_sentence(expected: Expected, scores: Mapping[str, Score]) -> str:
    """Whether a run is what its recipe gave elsewhere; '' where none of those numbers was measured."""
    parts, outside = [], False
    for name, (low, high) in expected.numbers.items():
        if score := scores.get(name):
            value, least, most = (
                written(number, digits_of(score), find(name).number.unit == "share")
                for number in (score.value, low, high)
            )
            place = ", lower" if score.value < low else ", higher" if score.value > high else ""
            parts.append(f"{_in_words(name)} {value} (expected {least} to {most}{place})")
            outside = outside or bool(place)
    if not parts:
        return ""
    verdict = "is not in all what the recipe gives" if outside else "is what the recipe gives"
    return (
        f"This run {verdict}. The recipe {expected.recipe} was trained from {expected.seeds} seeds, to "
        f"{expected.images_seen:,} images; a run from another seed is expected between the ends in brackets, in 95 of "
        f"100 cases: {'; '.join(parts)}."
    )


def caveats(seeds: Sequence[int], names: Sequence[str]) -> list[str]:
    """What limits the numbers.  names: of all metrics that were measured"""
    one_seed = "Each model was trained once, from one seed. " if len(set(seeds)) <= 1 else ""
    found = [
        f"{one_seed}Intervals are 95 % over images: how far a number would move with other images. "
        "Another seed of the training can move it further.",
        "The test split was scored once, with the final weights. What had to be chosen was chosen on validation.",
    ]
    metrics = {find(name).number.metric for name in names}
    if "reconstruction" in metrics:
        found.append(
            "The baselines: the mean face answers every test image with the average of the training faces, which "
            "needs no learning at all. PCA is the best linear code of as many numbers for squared error on "
            "the faces it was fitted to; an autoencoder can have the larger error and still be the better model of "
            "faces, since random PCA codes do not make any."
        )
    if "sharpness" in metrics:
        found.append(
            "Sharpness counts edges. It does not measure likeness or variety, and noise raises it; read it together "
            "with the pictures."
        )
    if "head" in metrics:
        found.append(
            "A model's own head is no independent judge of its samples: generator and head learnt from one another, "
            "and may agree on a sign that no person would see."
        )
    if not metrics.isdisjoint({"distribution", "flips"}):
        found.append(
            "Most numbers of samples are measured by the judge: a small classifier that was trained on these faces' "
            "attributes. The judge shares nothing with the models, but it sees attributes better than artefacts and "
            "misses patterns that a person would notice. Its distances compare only with each other, for the same "
            "faces and the same number of images; none of them is an FID."
        )
    found.append("Samples and pairs were not picked: they are the first of a fixed seed.")
    return found
