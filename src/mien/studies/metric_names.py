"""The names of the numbers that each kind of metric measures, so that a misspelt one is found before any training."""

import itertools
import re
from collections.abc import Collection, Iterator
from fnmatch import fnmatchcase

from mien.errors import did_you_mean, shown


def each(*parts: tuple[str, ...]) -> tuple[str, ...]:
    """Every combination of parts of a name."""
    return tuple("".join(chosen) for chosen in itertools.product(*parts))


COUNT = re.compile(r"_\d+[kM]?(?=_|$)")  # of samples, in a metric's name
EXTRACTORS = ("judge", "face", "inception")
DISTANCES = ("fid", "fd_judge", "fd_face", "kid", "kid_judge", "kid_face")
SHARES = ("precision_", "recall_", "density_", "coverage_")
COMPARED = ("", "_train", "_floor_train", "_floor_halves")  # samples with test or training images; real ones in place
RECONSTRUCTED = ("test_", "baseline_mean_face_", "baseline_pca_[0-9]*_")  # of several PCAs, one has to be named
LIKENESS = ("mse", "psnr", "ssim", *each(("perceptual_",), EXTRACTORS))
AXES = ("mig", "sap", "dci_disentanglement", "dci_completeness", "dci_informativeness")

METRIC_NAMES = {  # by keys of METRICS; without sample counts; * stands for an attribute or a factor
    "judge": ("judge_accuracy_*", "judge_auc_*"),
    "reconstruction": (*each(RECONSTRUCTED, LIKENESS), "mse_with_*", "mse_without_*"),
    "likelihood": (
        *("elbo_nats", "elbo_nats_in_training", "elbo_bits_per_dim", "iwae_nats", "iwae_gain_nats", "kl_nats"),
        *("decoder_variance", "decoder_variance_in_training", "active_units", "latent_dim", "baseline_ppca_nats"),
        *each(("aggregate_kl", "aggregate_total_correlation"), ("", "_floor")),
        "aggregate_dimension_kl",
    ),
    "distribution": (
        *each(DISTANCES, COMPARED),
        *each(SHARES, EXTRACTORS, COMPARED),
        *("nearest_train_samples", "copies_samples"),
    ),
    "mixture": each(("fd_judge_", "sharpness_ratio_"), ("prior", "mixture", "aggregate")),
    "diversity": each(("diversity_judge", "duplicates_samples"), ("", "_floor_train")),
    "sharpness": (
        *("sharpness_real", "sharpness_reconstructions", "sharpness_samples"),
        *("spectrum_floor", "spectrum_reconstructions", "spectrum_samples"),
    ),
    "flips": (
        *("flip_rate_*", "flip_back_*", "flip_chance_*", "flip_ceiling_*", "flip_renderer_*", "shift_*"),
        *("leak_shift_*", "leak_flips_*", "leak_real_*", "leak_renderer_*", "change_pixels_*", "change_features_*"),
        *("factor_shift_*", "factor_renderer_*", "factor_r2_*"),
    ),
    "head": ("head_accuracy_*", "head_agreement_*"),
    "disentanglement": (
        *("probe_*", "baseline_probe_pca_*"),
        *each(AXES, ("", "_factors"), ("", "_floor_shuffled", "_floor_rotated")),
    ),
}


def kinds_of(name: str) -> list[str]:
    """The kinds of metrics that a number can come from; none where the name is misspelt.

    name: as in `value_of`.
    """
    return [kind for kind, patterns in METRIC_NAMES.items() if any(fits(name, pattern) for pattern in patterns)]


def fits(name: str, pattern: str) -> bool:
    """Whether a number of that pattern may have this name, with its sample count, without it, or as a mean."""
    if name.endswith("_*") and pattern.startswith(name[:-1]):
        return True
    return any(fnmatchcase(written, pattern) for written in (name, COUNT.sub("", name, count=1)))


def unmeasured(name: str, kinds: Collection[str]) -> str:
    """Why a number of that name cannot come from these kinds of metrics, in words, or ''."""
    possible = kinds_of(name)
    if not possible:
        return f"{shown(name)} is not a number that can be measured.{did_you_mean(name, spelt())}"
    if not set(possible) & set(kinds):
        return f"{name!r} is measured by {' or '.join(possible)}, which this study leaves out. Add it to metrics."
    return ""


def spelt() -> Iterator[str]:
    """Every name as one would write it."""
    return (name.replace("[0-9]*", "N") for names in METRIC_NAMES.values() for name in names)
