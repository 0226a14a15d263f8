"""Which numbers are measured, each declared once: its name in metrics.json, its title, which way is better, and more.

A name with a part in braces is a family: `flip_rate_{attribute}` is a number of each attribute; `{count}` is of images
on each side. Functions that measure build names with `of`; pages, tables and studies ask `find` what a name is.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from string import Formatter
from typing import Literal, NamedTuple, TypeVar

from mien.errors import did_you_mean, shown

Better = Literal["lower", "higher", "nearer", ""]  # nearer: to that of real images
Unit = Literal["share", "dB", "nats", "bits", ""]
Value = TypeVar("Value")

ARROW = "->"  # between an attribute that is switched and what is looked at
NUMBERS: list["Number"] = []  # all that are declared, in the order of the documentation


@dataclass(frozen=True)
class Group:
    """Numbers that measure the same thing, together in a table.

    metric: the key of METRICS that measures them.    headline: shown before the rest is asked for.
    """

    metric: str
    title: str
    hint: str
    better: Better = ""
    unit: Unit = ""
    headline: bool = False

    @property
    def words(self) -> str:
        """The hint, and which way is better."""
        return f"{self.hint}; {self.better} is better" if self.better in ("lower", "higher") else self.hint


@dataclass(frozen=True, eq=False)
class Number:
    """A number, or a family of them.

    title: in its group; of a number of each attribute, of its column.
    unit, better, headline, metric: by default as of its group.
    beside: the numbers of which this number is a floor or a baseline; they say little without it.
    """

    name: str
    group: Group
    title: str
    unit: Unit = ""
    better: Better = ""
    beside: tuple["Number", ...] = ()
    headline: bool = False
    metric: str = ""

    def __post_init__(self) -> None:
        for field in ("unit", "better", "headline", "metric"):
            object.__setattr__(self, field, getattr(self, field) or getattr(self.group, field))
        if self.metric:
            NUMBERS.append(self)

    @cached_property
    def pieces(self) -> list[tuple[str, str | None, str]]:
        """The name taken apart: a text that is always there, the part that follows it, and the text that ends that."""
        found = [(text, part) for text, part, _, _ in Formatter().parse(self.name)]
        return [(*piece, after) for piece, (after, _) in zip(found, [*found[1:], ("", None)], strict=True)]

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """The parts of the name, such as 'attribute'."""
        return tuple(part for _, part, _ in self.pieces if part)

    @property
    def of_attributes(self) -> bool:
        """Whether it is one of many alike, for each attribute or factor."""
        return not {"attribute", "factor"}.isdisjoint(self.parts)

    @property
    def in_a_matrix(self) -> bool:
        """Whether it is one of hundreds alike, of each attribute against each other, which a heat map shows."""
        return not {"other", "factor"}.isdisjoint(self.parts)

    @property
    def general(self) -> str:
        """The name without the number of images, as studies write it."""
        return self.name.replace("_{count}", "")

    @property
    def spelling(self) -> str:
        """The name as studies write it: * stands for every attribute, N for a number."""
        start, brace, _ = self.general.replace("{components}", "N").partition("{")
        return f"{start}*" if brace else start

    def of(self, *values: str) -> str:
        """The name in metrics.json, with these values of its parts.

        A part that would hold the text that ends it, such as an arrow, has that text spelt in another way.
        """
        given = iter(values)
        return "".join(text + (_escaped(next(given), end) if part else "") for text, part, end in self.pieces)

    def parts_of(self, name: str) -> tuple[str, ...] | None:
        """The values of the parts in a name, or None where it is not the name of this number."""
        values = []
        for text, part, end in self.pieces:
            if not name.startswith(text):
                return None
            name = name[len(text) :]
            if part:
                at = name.find(end) if end else len(name)
                if at < 0 or not _fits(part, name[:at]):
                    return None
                values.append(_unescaped(name[:at], end))
                name = name[at:]
        return None if name else tuple(values)


def _fits(part: str, value: str) -> bool:
    """Whether a part may have a value: of how many there are, a whole number of a few digits, 2k for 2000 images."""
    if part == "extractor":
        return value.isascii() and value.isalpha() and value.islower() and value not in {*EXTRACTORS, "train"}
    digits = value.removesuffix("k") if part == "count" else value
    return part not in ("count", "components") or (digits.isascii() and digits.isdecimal() and len(digits) < 10)


def _escaped(value: str, end: str) -> str:
    return value.replace("-%", "-%25").replace(ARROW, "-%3E") if end == ARROW else value


def _unescaped(value: str, end: str) -> str:
    return value.replace("-%3E", ARROW).replace("-%25", "-%") if end == ARROW else value


class Named(NamedTuple):
    """A name in metrics.json: the number that it is of, the values of its parts, and its title with these."""

    number: Number
    values: tuple[str, ...]
    title: str


OTHER = Group("", "Other measurements", "under the names they have in metrics.json")
UNKNOWN = Number("{name}", OTHER, "{name}")  # of another version, or written by hand


@lru_cache(maxsize=2**16)
def find(name: str) -> Named:
    """What number a name in metrics.json is of; UNKNOWN where no number has it."""
    begun = (number for number in (*NUMBERS, UNKNOWN) if name.startswith(number.pieces[0][0]))
    number, values = next((one, found) for one in begun if (found := one.parts_of(name)) is not None)
    return Named(number, values, number.title.format(**dict(zip(number.parts, values, strict=True))))


def of_number(scores: Mapping[str, Value], number: Number) -> dict[tuple[str, ...], Value]:
    """The scores of one number, by the values of its name's parts."""
    return {values: score for name, score in scores.items() if (values := number.parts_of(name)) is not None}


def of_each(scores: Mapping[str, Value], number: Number) -> dict[str, Value]:
    """The scores of one number, by the value of its name's only part."""
    return {value: score for (value,), score in of_number(scores, number).items()}


def besides(name: str, names: Collection[str]) -> list[str]:
    """Which of these names are floors and baselines of a number."""
    number, values, _ = find(name)
    parts = dict(zip(number.parts, values, strict=True))
    return [
        other
        for other, (beside, its, _) in ((other, find(other)) for other in names)
        if number in beside.beside
        and all(parts.get(part, value) == value for part, value in zip(beside.parts, its, strict=True))
    ]


def metrics_that_measure(name: str) -> list[str]:
    """The keys of METRICS that a number can come from; none where the name is misspelt.

    name: as in metrics.json, or as studies write it: without the number of images, or NAME_* for the mean over all
    numbers that begin so.
    """
    begun = name[:-1] if name.endswith("_*") else None
    known = (number for number in NUMBERS if "extractor" not in number.parts)
    found = (
        number.metric
        for number in known
        if name == number.general or number.parts_of(name) is not None or (begun and number.name.startswith(begun))
    )
    return list(dict.fromkeys(found))


def unmeasured(name: str, metrics: Collection[str]) -> str:
    """Why a number of that name cannot come from these metrics, in words, or ''."""
    possible = metrics_that_measure(name)
    if not possible:
        near = did_you_mean(name, (number.spelling for number in NUMBERS if "extractor" not in number.parts))
        return f"{shown(name)} is not a number that can be measured.{near}"
    if set(possible).isdisjoint(metrics):
        return f"{name!r} is measured by {' or '.join(possible)}, which this study leaves out. Add it to metrics."
    return ""


OWN = "{extractor}"  # of a program's own, whatever it is called
EXTRACTORS = {"judge": "the judge's", "face": "face network's", "inception": "Inception's", OWN: OWN}  # features
NOT_INCEPTION = ("judge", "face", OWN)  # whose distances are not called FID and KID


def by_extractor(table: Mapping[str, Value], extractor: str, start: str = "") -> tuple[Value, tuple[str, ...]]:
    """The declared number of an extractor, and the parts of its name: the name of a program's own extractor."""
    known = start + extractor in table
    return table[start + (extractor if known else OWN)], () if known else (extractor,)


def floor(of: Number, end: str, title: str) -> Number:
    """A floor of a number, whose name has an end: the same measure of real images, or of a code that knows nothing."""
    return Number(f"{of.name}_{end}", of.group, title, of.unit, of.better, (of,), metric=of.metric)


def likeness(start: str, title: str, beside: Mapping[str, Number] | None = None) -> dict[str, Number]:
    """How similar reconstructions are to their test images, by what is measured."""
    return {
        what: Number(f"{start}_{what}", group, title + features, beside=(beside[what],) if beside else ())
        for what, (group, features) in LIKENESS.items()
    }


def compared(start: str, group: Group, extractor: str) -> dict[str, Number]:
    """A number of samples and real images in an extractor's features, by what is compared with what."""
    each = "{count} each" + (f", {EXTRACTORS[extractor]} features" if group is not FID else "")
    test = Number(f"{start}_{{count}}", group, f"samples against test images, {each}")
    return {
        "test": test,
        "train": Number(f"{start}_train_{{count}}", group, f"samples against training images, {each}"),
        "floor_train": floor(test, "floor_train", f"floor: training against test images, {each}"),
        "floor_halves": floor(test, "floor_halves", f"floor: real images against real ones, {each}"),
    }


def of_axes(start: str, title: str) -> dict[str, Number]:
    """A number of a code's axes, by the code: the latents, or what stands in for them."""
    own = Number(start, AXES, title)
    shuffled = floor(own, "floor_shuffled", f"{title}, latents shuffled")
    return {"": own, "shuffled": shuffled, "rotated": floor(own, "floor_rotated", f"{title}, latents turned at random")}


# fmt: off
# The judge
JUDGE = Group("judge", "How far the judge can be trusted", "the judge is a classifier of its own, trained on the "
              "training split; a guess has 50 % and 0.5", "higher")
JUDGE_ACCURACY = Number("judge_accuracy_{attribute}", JUDGE, "balanced accuracy on test images", "share")
JUDGE_AUC = Number("judge_auc_{attribute}", JUDGE, "AUC")

# Reconstructions
MSE = Group("reconstruction", "Mean squared error", "of test images and their reconstructions, pixels in [-1, 1]",
            "lower", headline=True)
PSNR = Group("reconstruction", "PSNR", "of the same, in dB", "higher", "dB")
SSIM = Group("reconstruction", "SSIM", "of the same, 1 for identical images", "higher")
PERCEPTUAL = Group("reconstruction", "Perceptual distance", "of the same in an extractor's features; 0 is the same "
                   "image, 1 as far as two faces are", "lower")
LIKENESS = {"mse": (MSE, ""), "psnr": (PSNR, ""), "ssim": (SSIM, "")}
LIKENESS |= {f"perceptual_{name}": (PERCEPTUAL, f", {whose} features") for name, whose in EXTRACTORS.items()}
TEST = likeness("test", "the model")
MEAN_FACE = likeness("baseline_mean_face", "the mean face", TEST)
PCA = likeness("baseline_pca_{components}", "PCA, {components} components", TEST)

# Samples against real images
DISTANCE = Group("distribution", "Fréchet distance", "of means and covariances of features; at best the floor of real "
                 "images", "lower", headline=True)
FID = Group("distribution", "FID", "the Fréchet distance in Inception's features; at best the floor of real images",
            "lower", headline=True)
KERNEL = Group("distribution", "Kernel distance", "unbiased, so 0 or a little below it is perfect", "lower")
FRECHET = {name: compared(f"fd_{name}", DISTANCE, name) for name in NOT_INCEPTION}
FRECHET |= {"inception": compared("fid", FID, "inception")}
KID = {name: compared(f"kid_{name}", KERNEL, name) for name in NOT_INCEPTION}
KID |= {"inception": compared("kid", KERNEL, "inception")}
COVERAGES = {
    kind: {name: compared(f"{kind}_{name}", group, name) for name in EXTRACTORS} for kind, group in {
        "precision": Group("distribution", "Precision", "share of samples within the real images' neighbourhoods",
                           "higher", "share", headline=True),
        "recall": Group("distribution", "Recall", "share of real images within the samples' neighbourhoods",
                        "higher", "share", headline=True),
        "density": Group("distribution", "Density", "as precision, but outliers among real images weigh less; 1 is as "
                         "dense as real ones"),
        "coverage": Group("distribution", "Coverage", "share of real images with a sample in their neighbourhood",
                          "higher", "share"),
    }.items()
}
DRAWN = {"prior": "sampled from N(0, I)", "mixture": "sampled from a mixture of Gaussians",
         "learned": "sampled by the model's own learned prior",
         "aggregate": "sampled from the training images' own latents"}
FRECHET_OF_DRAWN = {
    kind: Number(f"fd_judge_{{count}}_{kind}", DISTANCE, how + ", {count} each, the judge's features", metric="mixture")
    for kind, how in DRAWN.items()
}
COPYING = Group("distribution", "Copying and variety", "by the judge's features, beside test images, which cannot be "
                "copies", headline=True)
NEAREST = Number("nearest_train_samples", COPYING, "distance of samples to the nearest training image, over that of "
                 "test images")
COPIED = Number("copies_samples", COPYING, "samples nearer to a training image than 99 % of test images are (1 % would "
                "be)", "share", "lower")
DIVERSITY = Number("diversity_judge", COPYING, "mean distance between samples, over that between test images",
                   better="nearer", metric="diversity")
DIVERSITY_FLOOR = floor(DIVERSITY, "floor_train",
                        "mean distance between training images, over that between test images")
DUPLICATES = Number("duplicates_samples", COPYING, "samples that nearly repeat another one", "share", "lower",
                    metric="diversity")
DUPLICATES_FLOOR = floor(DUPLICATES, "floor_train", "training images that nearly repeat another one")
SHARP = Group("sharpness", "Sharpness", "variance of the Laplacian; nearer to real images is better", "nearer",
              headline=True)
SHARPNESS = {"samples": Number("sharpness_samples", SHARP, "samples"),
             "reconstructions": Number("sharpness_reconstructions", SHARP, "their reconstructions")}
SHARPNESS_REAL = Number("sharpness_real", SHARP, "real test images", beside=tuple(SHARPNESS.values()))
RATIO = Group("mixture", "Sharpness by how latents are drawn", "as a share of that of real images", "nearer")
SHARPNESS_OF_DRAWN = {kind: Number(f"sharpness_ratio_{kind}", RATIO, how) for kind, how in DRAWN.items()}
POWER = Group("sharpness", "Spectrum", "mean log10 ratio of power to real images, over spatial frequencies", "lower")
SPECTRUM = {kind: Number(f"spectrum_{kind}", POWER, number.title) for kind, number in SHARPNESS.items()}
SPECTRUM_FLOOR = Number("spectrum_floor", POWER, "floor: real images against real ones",
                        beside=tuple(SPECTRUM.values()))

# Likelihood and latents
LIKELIHOOD = Group("likelihood", "Likelihood", "of test images, in nats an image where nothing else is said")
ELBO = Number("elbo_nats", LIKELIHOOD, "evidence lower bound", "nats", "higher")
ELBO_BITS = Number("elbo_bits_per_dim", LIKELIHOOD, "evidence lower bound, bits a pixel value; lower is better", "bits",
                   "lower")
ELBO_IN_TRAINING = Number("elbo_nats_in_training", LIKELIHOOD, "evidence lower bound, at the variance of training",
                          "nats", "higher")
IWAE = Number("iwae_nats", LIKELIHOOD, "importance-weighted bound, 50 draws, fewer images", "nats", "higher")
IWAE_GAIN = Number("iwae_gain_nats", LIKELIHOOD, "what it adds to the evidence lower bound of the same images", "nats")
PPCA = Number("baseline_ppca_nats", LIKELIHOOD, "probabilistic PCA of as many components", "nats", beside=(ELBO,))
VARIANCE = Number("decoder_variance", LIKELIHOOD, "variance of the decoder, likeliest on validation")
VARIANCE_IN_TRAINING = Number("decoder_variance_in_training", LIKELIHOOD, "variance of the decoder in training")
LATENTS = Group("likelihood", "Latents", "what the encoder puts into them, and how all of it together lies beside the "
                "prior N(0, I)")
KL = Number("kl_nats", LATENTS, "KL of an image's posterior to the prior, nats", "nats")
ACTIVE_UNITS = Number("active_units", LATENTS, "latents that vary with the image")
LATENT_DIM = Number("latent_dim", LATENTS, "latents", beside=(ACTIVE_UNITS,))
AGGREGATE_KL = Number("aggregate_kl", LATENTS, "KL of all images' posterior to the prior, nats; lower is nearer",
                      "nats", "lower")
CORRELATION = Number("aggregate_total_correlation", LATENTS, "of it: dependence between latents", "nats", "lower")
DIMENSION_KL = Number("aggregate_dimension_kl", LATENTS, "of it: each latent by itself", "nats", "lower")
AGGREGATE_KL_FLOOR = floor(AGGREGATE_KL, "floor", "floor: that of as many draws from the prior")
CORRELATION_FLOOR = floor(CORRELATION, "floor", "floor: that of as many draws from the prior")

# Control: flips, leaks and the model's own head
FLIPS = Group(
    "flips", "Flips", "pairs with an attribute off and on: how often the judge sees it change as asked. The ceiling is "
    "how often it would of real faces without and with it; chance is what a label without effect would have at most. "
    "What changes of the face is on a scale from 0, nothing, to 1, another face")
FLIP_RATE = Number("flip_rate_{attribute}", FLIPS, "flips", "share", "higher", headline=True)
FLIP_CEILING = Number("flip_ceiling_{attribute}", FLIPS, "ceiling", "share", beside=(FLIP_RATE,))
FLIP_RENDERER = Number("flip_renderer_{attribute}", FLIPS, "the renderer's", "share", beside=(FLIP_RATE,))
FLIP_CHANCE = Number("flip_chance_{attribute}", FLIPS, "chance", "share", beside=(FLIP_RATE,))
FLIP_BACK = Number("flip_back_{attribute}", FLIPS, "flips the wrong way", "share", "lower")
SHIFT = Number("shift_{attribute}", FLIPS, "shift of the judge's probability", better="higher")
CHANGE = {what: Number(f"change_{what}_{{attribute}}", FLIPS, f"change in {what}") for what in ("pixels", "features")}
LEAKS = Group("flips", "Leaks", "what moves besides A where only A was switched; at best nothing")
LEAK_SHIFT = Number("leak_shift_{attribute}->{other}", LEAKS, "how far the judge's probability of B moves")
LEAK_FLIPS = Number("leak_flips_{attribute}->{other}", LEAKS, "pairs in which the judge sees B in one half only",
                    "share")
LEAK_REAL = Number("leak_real_{attribute}->{other}", LEAKS, "how far real faces with and without A differ in B",
                   beside=(LEAK_SHIFT,))
LEAK_RENDERER = Number("leak_renderer_{attribute}->{other}", LEAKS, "how far it moves in the renderer's pairs",
                       beside=(LEAK_SHIFT,))
FACTOR_SHIFT = Number("factor_shift_{attribute}->{factor}", LEAKS,
                      "how far a factor F of drawn faces moves, in standard deviations")
FACTOR_RENDERER = Number("factor_renderer_{attribute}->{factor}", LEAKS,
                         "how far it moves in the renderer's pairs, where no factor does", beside=(FACTOR_SHIFT,))
FACTOR_R2 = Number("factor_r2_{factor}", LEAKS, "how well F can be read from real faces, R²", better="higher",
                   beside=(FACTOR_SHIFT,))

HEAD = Group("head", "The model's own head", "no independent judge of its samples: generator and head learnt from one "
             "another; a guess has 50 %", "higher", "share")
HEAD_ACCURACY = Number("head_accuracy_{attribute}", HEAD, "balanced accuracy on test images")
HEAD_AGREEMENT = Number("head_agreement_{attribute}", HEAD, "sees what samples were asked to have")

# Probes and disentanglement of latents
PROBES = Group("disentanglement", "What a line through the latents can tell",
               "balanced accuracy of a linear probe on test images; a guess has 50 %", "higher", "share")
PROBE = Number("probe_{attribute}", PROBES, "of latents")
PROBE_OF_PCA = Number("baseline_probe_pca_{attribute}", PROBES, "of as many principal components of pixels",
                      beside=(PROBE,))
AXES = Group(
    "disentanglement", "Disentanglement", "whether single latents stand for single things, 1 for one each; to be read "
    "against the same code turned at random", "higher")
OF_AXES = {"mig": "mutual information gap", "sap": "separated attribute predictability",
           "dci_disentanglement": "DCI disentanglement", "dci_completeness": "DCI completeness",
           "dci_informativeness": "DCI informativeness"}
OF_ATTRIBUTES = {name: of_axes(name, f"{title} of attributes") for name, title in OF_AXES.items()}
OF_FACTORS = {name: of_axes(f"{name}_factors", f"{title} of drawn factors") for name, title in OF_AXES.items()}

# Errors of reconstructions by attribute
BY_ATTRIBUTE = Group("reconstruction", "Squared error by attribute",
                     "of test images that have it, and of those that have it not", "lower")
MSE_WITH = Number("mse_with_{attribute}", BY_ATTRIBUTE, "with")
MSE_WITHOUT = Number("mse_without_{attribute}", BY_ATTRIBUTE, "without")
# fmt: on
