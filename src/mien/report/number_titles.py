"""What each metric is called on the page, and which others it stands beside."""

import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Meaning:
    """How a metric is shown: the group of its table, what stands before its row, and whether it is a share."""

    group: str
    hint: str
    title: str
    share: bool = False


@dataclass(frozen=True)
class Column:
    """A number that is measured for every attribute.  prefix: of its name, which the attribute's follows"""

    prefix: str
    title: str
    share: bool = False


@dataclass(frozen=True)
class AttributeTable:
    """Numbers that are measured for every attribute: a row each, these columns."""

    title: str
    hint: str
    columns: tuple[Column, ...]


MEASURES = {
    "mse": ("Mean squared error", "of test images and their reconstructions, pixels in [-1, 1]; lower is better"),
    "psnr": ("PSNR", "of the same, in dB; higher is better"),
    "ssim": ("SSIM", "of the same, 1 for identical images; higher is better"),
    "perceptual": (
        "Perceptual distance",
        "of the same in an extractor's features; 0 is the same image, 1 as far as two faces are; lower is better",
    ),
}
BASELINES = {"test": "the model", "baseline_mean_face": "the mean face"}
EXTRACTORS = {"judge": "the judge's", "face": "face network's"}
DISTANCES = {
    "fd": ("Fréchet distance", "lower is better, down to the floor of real images"),
    "fid": ("FID", "lower is better, down to the floor of real images"),
    "kid": ("Kernel distance", "unbiased, so 0 or a little below it is perfect; lower is better"),
    "precision": ("Precision", "share of samples within the real images' neighbourhoods; higher is better"),
    "recall": ("Recall", "share of real images within the samples' neighbourhoods; higher is better"),
    "density": ("Density", "as precision, but outliers among real images weigh less; 1 is as dense as real ones"),
    "coverage": ("Coverage", "share of real images with a sample in their neighbourhood; higher is better"),
}
ENDS = {
    "": "samples against test images",
    "_train": "samples against training images",
    "_floor_train": "floor: training against test images",
    "_floor_halves": "floor: real images against real ones",
    "_prior": "sampled from N(0, I)",
    "_mixture": "sampled from a mixture of Gaussians",
    "_aggregate": "sampled from the training images' own latents",
}
COPYING = ("Copying and variety", "by the judge's features, beside test images, which cannot be copies")
COPIES = {
    "nearest_train_samples": ("distance of samples to the nearest training image, over that of test images", False),
    "copies_samples": ("samples nearer to a training image than 99 % of test images are (1 % would be)", True),
    "diversity_judge": ("mean distance between samples, over that between test images", False),
    "diversity_judge_floor_train": ("mean distance between training images, over that between test images", False),
    "duplicates_samples": ("samples that nearly repeat another one", True),
    "duplicates_samples_floor_train": ("training images that nearly repeat another one", True),
}
SHARPNESS = ("Sharpness", "variance of the Laplacian; nearer to real images is better")
SHARPNESS_RATIO = ("Sharpness by how latents are drawn", "as a share of that of real images")
SPECTRUM = ("Spectrum", "mean log10 ratio of power to real images, over spatial frequencies; lower is better")
IMAGES = {
    "real": "real test images",
    "reconstructions": "their reconstructions",
    "samples": "samples",
    "floor": "floor: real images against real ones",
    "prior": "sampled from N(0, I)",
    "mixture": "sampled from a mixture of Gaussians",
    "aggregate": "sampled from the training images' own latents",
}
LIKELIHOOD = ("Likelihood", "of test images, in nats an image where nothing else is said")
LIKELIHOODS = {
    "elbo_nats": "evidence lower bound",
    "iwae_nats": "importance-weighted bound, 50 draws, fewer images",
    "iwae_gain_nats": "what it adds to the evidence lower bound of the same images",
    "baseline_ppca_nats": "probabilistic PCA of as many components",
    "elbo_nats_in_training": "evidence lower bound, at the variance of training",
    "elbo_bits_per_dim": "evidence lower bound, bits a pixel value; lower is better",
    "decoder_variance": "variance of the decoder, likeliest on validation",
    "decoder_variance_in_training": "variance of the decoder in training",
}
LATENTS = ("Latents", "what the encoder puts into them, and how all of it together lies beside the prior N(0, I)")
LATENT_NUMBERS = {
    "kl_nats": "KL of an image's posterior to the prior, nats",
    "active_units": "latents that vary with the image",
    "latent_dim": "latents",
    "aggregate_kl": "KL of all images' posterior to the prior, nats; lower is nearer",
    "aggregate_kl_floor": "floor: that of as many draws from the prior",
    "aggregate_total_correlation": "of it: dependence between latents",
    "aggregate_total_correlation_floor": "floor: that of as many draws from the prior",
    "aggregate_dimension_kl": "of it: each latent by itself",
}
AXES = (
    "Disentanglement",
    "whether single latents stand for single things; 1 is one for one. Read it against the same code turned at random",
)
AXES_MEASURES = {
    "mig": "mutual information gap",
    "sap": "separated attribute predictability",
    "dci_disentanglement": "DCI disentanglement",
    "dci_completeness": "DCI completeness",
    "dci_informativeness": "DCI informativeness",
}
AXES_ENDS = {"": "", "_floor_shuffled": ", latents shuffled", "_floor_rotated": ", latents turned at random"}
OTHER = ("Other measurements", "under the names they have in metrics.json")
ORDER = (
    *(title for title, _ in MEASURES.values()),
    *(title for title, _ in DISTANCES.values()),
    COPYING[0],
    SHARPNESS[0],
    SHARPNESS_RATIO[0],
    SPECTRUM[0],
    LIKELIHOOD[0],
    LATENTS[0],
    AXES[0],
    OTHER[0],
)

HEADLINES = (  # the groups that are shown before anybody asks
    MEASURES["mse"][0],
    *(DISTANCES[kind][0] for kind in ("fid", "fd", "precision", "recall")),
    COPYING[0],
    SHARPNESS[0],
)

ATTRIBUTE_TABLES = (
    AttributeTable(
        "How far the judge can be trusted",
        "the judge is a classifier of its own, trained on the training split; a guess has 50 % and 0.5",
        (Column("judge_accuracy_", "balanced accuracy on test images", True), Column("judge_auc_", "AUC")),
    ),
    AttributeTable(
        "Flips",
        "pairs with an attribute off and on: how often the judge sees it change as asked. The ceiling is how often it "
        "would of real faces without and with it; chance is what a label without effect would have at most. What "
        "changes of the face is on a scale from 0, nothing, to 1, another face",
        (
            Column("flip_rate_", "flips", True),
            Column("flip_ceiling_", "ceiling", True),
            Column("flip_renderer_", "the renderer's", True),
            Column("flip_chance_", "chance", True),
            Column("flip_back_", "flips the wrong way", True),
            Column("shift_", "shift of the judge's probability"),
            Column("change_pixels_", "change in pixels"),
            Column("change_features_", "change in features"),
        ),
    ),
    AttributeTable(
        "The model's own head",
        "no independent judge of its samples: generator and head learnt from one another; a guess has 50 %",
        (
            Column("head_accuracy_", "balanced accuracy on test images", True),
            Column("head_agreement_", "sees what samples were asked to have", True),
        ),
    ),
    AttributeTable(
        "What a line through the latents can tell",
        "balanced accuracy of a linear probe on test images; a guess has 50 %",
        (
            Column("probe_", "of latents", True),
            Column("baseline_probe_pca_", "of as many principal components of pixels", True),
        ),
    ),
    AttributeTable(
        "Squared error by attribute",
        "of test images that have it, and of those that have it not",
        (Column("mse_with_", "with"), Column("mse_without_", "without")),
    ),
)
# Each attribute against each other, or against each factor: drawn as a heat map, and in metrics.json.
MATRICES = ("leak", "factor_")
Maker = Callable[[re.Match[str]], Meaning]


def _reconstruction(found: re.Match[str]) -> Meaning:
    who, components, measure, extractor = found.groups()
    title = BASELINES.get(who, f"PCA, {components} components")
    measured, _, _ = measure.partition("_")
    return Meaning(*MEASURES[measured], title + (f", {EXTRACTORS.get(extractor, extractor)} eyes" if extractor else ""))


def _distance(found: re.Match[str]) -> Meaning:
    kind, extractor, place, count, end = found.groups()
    eyes = f", {EXTRACTORS.get(extractor, extractor)} features" if extractor else ""
    title = f"{ENDS[(place or '') + (end or '')]}, {count} each{eyes}"
    return Meaning(*DISTANCES[kind], title, share=kind in ("precision", "recall", "coverage"))


def _axes(found: re.Match[str]) -> Meaning:
    measure, factors, end = found.groups()
    of = "drawn factors" if factors else "attributes"
    return Meaning(*AXES, f"{AXES_MEASURES[measure]} of {of}{AXES_ENDS[end]}")


PATTERNS: tuple[tuple[str, Maker], ...] = (
    (r"(test|baseline_mean_face|baseline_pca_(\d+))_(mse|psnr|ssim|perceptual_(\w+))", _reconstruction),
    (
        r"(fid|fd|kid|precision|recall|density|coverage)(?:_(?!train_)([a-z]+?))?(_train)?_(\d+k?)"
        r"(_floor_train|_floor_halves|_prior|_mixture|_aggregate)?",
        _distance,
    ),
    ("|".join(COPIES), lambda found: Meaning(*COPYING, *COPIES[found[0]])),
    (rf"sharpness_({'|'.join(IMAGES)})", lambda found: Meaning(*SHARPNESS, IMAGES[found[1]])),
    (rf"sharpness_ratio_({'|'.join(IMAGES)})", lambda found: Meaning(*SHARPNESS_RATIO, IMAGES[found[1]])),
    (rf"spectrum_({'|'.join(IMAGES)})", lambda found: Meaning(*SPECTRUM, IMAGES[found[1]])),
    ("|".join(LATENT_NUMBERS), lambda found: Meaning(*LATENTS, LATENT_NUMBERS[found[0]])),
    (rf"({'|'.join(AXES_MEASURES)})(_factors)?({'|'.join(AXES_ENDS)})", _axes),
    ("|".join(LIKELIHOODS), lambda found: Meaning(*LIKELIHOOD, LIKELIHOODS[found[0]])),
)


def meaning(name: str) -> Meaning:
    """What a metric of that name is; one that is not known is shown by its name."""
    for pattern, make in PATTERNS:
        if found := re.fullmatch(pattern, name, re.DOTALL):
            return make(found)
    return Meaning(*OTHER, name)


def is_of_attributes(name: str) -> bool:
    """Whether a metric is one of many alike, for each attribute, which have tables of their own or a heat map."""
    prefixes = (column.prefix for table in ATTRIBUTE_TABLES for column in table.columns)
    return name.startswith((*prefixes, *MATRICES))


def is_headline(name: str) -> bool:
    """Whether a metric is among those that are shown before anybody asks for the rest."""
    return name.startswith("flip_rate_") or (not is_of_attributes(name) and meaning(name).group in HEADLINES)


def is_in_a_matrix(name: str) -> bool:
    """Whether a metric is one of hundreds alike, of each attribute against each other, which a heat map shows."""
    return name.startswith(MATRICES)
