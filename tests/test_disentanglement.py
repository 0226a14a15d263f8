"""Probes, MIG, SAP and DCI on codes whose answers are known, and against scikit-learn and SciPy."""

import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg import hadamard
from scipy.stats import ks_2samp
from sklearn.linear_model import Lasso
from sklearn.metrics import balanced_accuracy_score, mutual_info_score

import tiny
from mien.faces import UNKNOWN
from mien.metrics.encoder.principal_components import fit_principal_gaussian, pixels
from mien.metrics.intervals import GROUPS
from mien.metrics.latents.dci import Trial, completeness_of, dci, disentanglement_of, lasso, moments
from mien.metrics.latents.disentanglement import disentanglement, most_even, principal_codes, probe
from mien.metrics.latents.mig_and_sap import BINS, in_bins, mutual_information_gaps, separated_predictability
from mien.runs.folder import Run
from tiny import ENCODING

RANDOM = np.random.default_rng(0)
FACTORS = RANDOM.normal(size=(4_000, 4)).astype(np.float32)
ATTRIBUTES = (FACTORS > 0).astype(np.float32)
ROTATION = hadamard(4).astype(np.float32) / 2  # every latent has as much of every factor
CODES = {
    "one for one": FACTORS[:, ::-1].copy(),
    "rotated": FACTORS @ ROTATION,
    "shuffled": RANDOM.permutation(FACTORS),
    "constant": np.ones_like(FACTORS),
}
Floats = NDArray[np.float32]


def scored(codes: Floats, factors: Floats) -> dict[str, float]:
    """Every score of all images."""
    trial = dci((codes[:3_000], factors[:3_000]), (codes[3_000:], factors[3_000:]))
    return {
        "mig": mutual_information_gaps(codes, factors)[0],
        "sap": separated_predictability(codes, factors)[0],
        "disentanglement": trial.disentanglement[0],
        "completeness": trial.completeness[0],
        "informativeness": trial.informativeness[0],
    }


def test_a_latent_for_each_factor_scores_one() -> None:
    assert scored(CODES["one for one"], FACTORS) == pytest.approx(dict.fromkeys(scored(FACTORS, FACTORS), 1), abs=0.02)


def test_a_latent_that_is_the_attribute_scores_one_and_half_in_sap() -> None:
    scores = scored(ATTRIBUTES, ATTRIBUTES)
    assert scores["sap"] == pytest.approx(0.5, abs=0.02)  # 1 for the right latent, 1/2 for a guess
    assert scores["mig"] == pytest.approx(1, abs=0.01)
    assert min(scores[name] for name in ("disentanglement", "completeness", "informativeness")) > 0.98


@pytest.mark.parametrize("factors", [FACTORS, ATTRIBUTES], ids=["continuous", "binary"])
def test_a_rotated_code_knows_as_much_and_is_entangled(factors: Floats) -> None:
    straight, rotated = scored(CODES["one for one"], factors), scored(CODES["rotated"], factors)
    assert rotated["informativeness"] == pytest.approx(straight["informativeness"], abs=0.01)
    for name in ("mig", "sap", "disentanglement", "completeness"):
        assert rotated[name] < 0.05 < 0.4 < straight[name]


@pytest.mark.parametrize("code", ["shuffled", "constant"])
@pytest.mark.parametrize("factors", [FACTORS, ATTRIBUTES], ids=["continuous", "binary"])
def test_a_code_that_knows_nothing_scores_nothing(code: str, factors: Floats) -> None:
    assert scored(CODES[code], factors) == pytest.approx(dict.fromkeys(scored(FACTORS, FACTORS), 0), abs=0.015)


# Against references


def test_the_gap_is_that_of_the_mutual_information_of_scikit_learn() -> None:
    codes, few = CODES["rotated"][:500], FACTORS[:500]
    gaps = []
    for level in in_bins(few).T:
        shares = sorted(
            mutual_info_score(level, column) / mutual_info_score(level, level) for column in in_bins(codes).T
        )
        gaps.append(shares[-1] - shares[-2])
    assert mutual_information_gaps(codes, few)[0] == pytest.approx(np.mean(gaps), abs=1e-9)


def test_leaving_a_group_out_is_the_same_as_not_having_it() -> None:
    codes, few, stay = CODES["rotated"][:500], ATTRIBUTES[:500], np.arange(500) % GROUPS != 3
    codes[0], codes[1] = codes.min(0), codes.max(0)  # so that the bins are the same
    assert mutual_information_gaps(codes, few)[4] == pytest.approx(
        mutual_information_gaps(codes[stay], few[stay])[0], abs=1e-9
    )
    assert separated_predictability(codes, few)[4] == separated_predictability(codes[stay], few[stay])[0]


def test_bins_are_those_of_numpy() -> None:
    values = FACTORS[:300]
    for column, binned in zip(values.T, in_bins(values).T, strict=True):
        assert (np.bincount(binned, minlength=BINS) == np.histogram(column.astype(float), BINS)[0]).mean() > 0.9


def test_the_best_threshold_is_the_largest_gap_of_the_distributions() -> None:
    codes, label = CODES["rotated"][:400].round(1), ATTRIBUTES[:400, :1]  # rounded: equal values cannot be parted
    distances = sorted(ks_2samp(column[label[:, 0] > 0], column[label[:, 0] == 0]).statistic for column in codes.T)
    assert separated_predictability(codes, label)[0] == pytest.approx((distances[-1] - distances[-2]) / 2, abs=1e-6)


def test_a_factor_between_is_scored_by_its_squared_correlation() -> None:
    codes, factor = CODES["rotated"][:400], FACTORS[:400, :1]
    squared = sorted(np.corrcoef(column, factor[:, 0])[0, 1] ** 2 for column in codes.T)
    assert separated_predictability(codes, factor)[0] == pytest.approx(squared[-1] - squared[-2], abs=1e-5)


@pytest.mark.parametrize("penalty", [0.003, 0.1])
def test_the_lasso_is_that_of_scikit_learn(penalty: float) -> None:
    codes = RANDOM.normal(size=(300, 20)) @ (np.eye(20) + 0.3 * RANDOM.normal(size=(20, 20)))
    codes = (codes - codes.mean(0)) / codes.std(0)
    target = codes @ RANDOM.normal(size=(20, 3)) + RANDOM.normal(size=(300, 3))
    target -= target.mean(0)
    expected = Lasso(penalty, tol=1e-8, max_iter=100_000).fit(codes, target).coef_.T
    assert lasso(moments(codes, target), penalty) == pytest.approx(expected, abs=0.02)


def test_an_importance_matrix_has_the_entropies_of_the_paper() -> None:
    importance = np.array([[2.0, 2.0], [4.0, 0.0], [0.0, 0.0]])
    assert disentanglement_of(importance) == pytest.approx(0.5 * 0 + 0.5 * 1)
    entropy = -(1 / 3 * np.log(1 / 3) + 2 / 3 * np.log(2 / 3)) / np.log(3)
    assert completeness_of(importance) == pytest.approx(6 / 8 * (1 - entropy) + 2 / 8 * 1)


def test_the_scores_without_a_group_are_near_those_of_all() -> None:
    trial: Trial = dci((CODES["rotated"][:1_000], FACTORS[:1_000]), (CODES["rotated"][1_000:], FACTORS[1_000:]))
    for values in (trial.disentanglement, trial.completeness, trial.informativeness):
        assert len(values) == GROUPS + 1
        assert values[1:] == pytest.approx(values[0], abs=0.05)
        assert values[1:].std() > 0


def test_the_penalty_does_not_depend_on_images_being_in_the_order_of_classes() -> None:
    random = np.random.default_rng(1)
    kind = random.integers(0, 4, 2_000)
    factors = np.stack([kind % 2, kind // 2], 1).astype(np.float32)
    codes = (factors @ random.normal(size=(2, 32)) + 2 * random.normal(size=(2_000, 32))).astype(np.float32)
    orders = (np.arange(2_000), np.argsort(kind))
    mixed, in_order = (dci((codes[order], factors[order]), (codes, factors)) for order in orders)
    assert in_order.informativeness[0] == pytest.approx(mixed.informativeness[0], abs=0.02)


# Probes


def test_a_probe_finds_what_is_linear_and_guesses_where_there_is_nothing() -> None:
    values, codes = ATTRIBUTES.astype(np.int8)[:, 0], CODES["rotated"]
    accuracy = {
        name: balanced_accuracy_score(values[2_000:] == 1, probe(some[:2_000], values[:2_000], some[2_000:]))
        for name, some in CODES.items()
    }
    assert accuracy["rotated"] > 0.97
    assert accuracy["shuffled"] == pytest.approx(0.5, abs=0.05)
    assert accuracy["constant"] == 0.5
    assert probe(codes, np.ones(len(codes), np.int8), codes) is None


def test_a_rare_attribute_is_weighed_as_much_as_a_common_one() -> None:
    values = (FACTORS[:, 0] > 1.5).astype(np.int8)
    seen = probe(CODES["rotated"], values, CODES["rotated"])
    assert seen is not None
    assert seen[values == 1].mean() > 0.9


def test_unknown_values_are_no_answer() -> None:
    values = ATTRIBUTES.astype(np.int8)[:, 0]
    hidden = np.where(np.arange(len(values)) % 2, UNKNOWN, values).astype(np.int8)
    seen = probe(CODES["rotated"], hidden, CODES["rotated"])
    assert seen is not None
    assert balanced_accuracy_score(values == 1, seen) > 0.97


def test_the_most_even_attributes_are_taken() -> None:
    values = (RANDOM.random((1_000, 15)) < np.linspace(0.02, 0.5, 15)).astype(np.int8)
    values[:, 14] = UNKNOWN
    assert most_even(values) == list(range(1, 14))


def test_principal_codes_are_as_many_as_there_are_latents() -> None:
    images = tiny.noise_faces(60).images
    gaussian = fit_principal_gaussian(pixels(images[:40]), 8)
    assert [codes.shape for codes in principal_codes(gaussian, images[:40], images[40:])] == [(40, 8), (20, 8)]


def test_principal_codes_are_the_components_and_are_had_without_all_pixels_at_once() -> None:
    images = RANDOM.integers(0, 256, (2_000, 16, 16, 3), dtype=np.uint8)
    gaussian = fit_principal_gaussian(pixels(images[:200]), 8)
    tracemalloc.start()
    codes = principal_codes(gaussian, images, images[:0])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert codes.train == pytest.approx(gaussian.split(pixels(images))[0], abs=1e-3)
    assert codes.test.shape == (0, 8)
    assert peak < images.size * 4  # bytes of all pixels in single precision


# A run


def test_a_run_is_scored_on_attributes_and_on_the_factors_of_drawn_faces(
    trained_runs: dict[str, Run], faces: Any
) -> None:
    scores = disentanglement(tiny.subject(trained_runs[ENCODING], faces))
    names = {f"{name}{kind}" for name in ("mig", "sap", "dci_completeness") for kind in ("", "_factors")}
    names |= {f"{name}_floor_{kind}" for name in names for kind in ("shuffled", "rotated")}
    names |= {f"{kind}_{name}" for kind in ("probe", "baseline_probe_pca") for name in ("Male", "Eyeglasses")}
    assert names <= set(scores)
    assert all(np.isfinite([s.value, s.low, s.high]).all() and s.images and s.protocol for s in scores.values())


@pytest.mark.parametrize("value", [0, 1])
def test_an_attribute_that_all_test_faces_have_or_lack_is_not_probed(
    value: int, trained_runs: dict[str, Run], faces: Any
) -> None:
    attributes = faces.attributes.copy()
    attributes[faces.rows("test"), faces.attribute_names.index("Male")] = value
    scores = disentanglement(
        replace(tiny.subject(trained_runs[ENCODING], faces), faces=replace(faces, attributes=attributes))
    )
    assert "probe_Eyeglasses" in scores
    assert not {"probe_Male", "baseline_probe_pca_Male"} & set(scores)


def test_faces_without_attributes_or_factors_have_no_scores(trained_runs: dict[str, Run], faces: Any) -> None:
    subject = tiny.subject(trained_runs[ENCODING], faces)
    bare = replace(faces, attributes=faces.attributes[:, :0], attribute_names=(), card=faces.card | {"pack": "nowhere"})
    assert disentanglement(replace(subject, faces=bare)) == {}
