"""Health in words: what turns is said once, with its numbers, and a resumed run says the same."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import tiny
from mien.cli.terminal import Terminal
from mien.faces import Faces
from mien.faces.batches import to_signed
from mien.health import RULES, Turn, turns
from mien.judge import judge_of
from mien.metrics.samples.frechet import frechet_distance_of
from mien.metrics.samples.sharpness import laplacian_variance
from mien.models import build
from mien.models.base import Discriminates, Encodes
from mien.report.build import build_report
from mien.report.loss_curves import panels, terms_of
from mien.runs.folder import Run
from mien.runs.weights import TrainedModel, load_model, save_model
from mien.seeds import Seed
from mien.sessions.snapshots import Snapshots
from tiny import ADVERSARIAL, CONDITIONAL, ENCODING

TERMS = [
    *("fd_judge", "variety", "sharpness", "discriminator_real", "discriminator_fake"),
    *("kl_nats", "active_units", "reconstruction", "reconstruction_of_training"),
]


def snapshots(**terms: Sequence[float]) -> list[dict[str, float]]:
    """Lines of a log, one every 1,000 images, from the values of each term."""
    counts = range(1, 1 + len(next(iter(terms.values()))))
    named = {f"validation/{term}": values for term, values in terms.items()}
    return [{"images_seen": 1000 * n} | {name: values[n - 1] for name, values in named.items()} for n in counts]


def training(*values: float, term: str = "phase/reconstruction") -> list[dict[str, float]]:
    return [{"images_seen": 100 * n, "seconds": 1.0, term: value} for n, value in enumerate(values, 1)]


def said(history: list[dict[str, float]], state: str) -> list[str]:
    return [turn.words for turn in turns(history) if turn.state == state]


# What is said


@pytest.mark.long
def test_the_judge_of_a_training_in_bfloat16_is_the_one_that_is_trained_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within autocast a judge would learn nothing: weights that were rounded once are kept until its context ends."""
    digests = []
    for folder in ("alone", "within"):
        monkeypatch.setenv("MIEN_CACHE", str(tmp_path / folder))
        if folder == "within":
            tiny.train(tmp_path / "run", tiny.recipe(tiny.ENCODING, "training.precision=bfloat16", "training.steps=2"))
        digests.append(judge_of(tiny.faces()).digest)
    assert digests[0] == digests[1]


def test_a_loss_of_variety_is_said_once_with_the_best_snapshot_and_so_is_its_end() -> None:
    history = snapshots(variety=[0.31, 0.30, 0.07, 0.06, 0.07, 0.29, 0.30], fd_judge=[12, 10, 90, 91, 92, 11, 11])
    assert said(history, "losing variety") == [
        "samples are losing variety: 0.07 of real, was 0.31 at 1,000 images; best snapshot is at 2,000 images. "
        "Try a lower model.kl_weight, model.r1_weight=1 or a lower training.learning_rate.",
        "samples are varied again: 0.29 of real, fell to 0.06.",
    ]


def test_samples_that_were_alike_from_the_start_are_said_to_be_when_they_had_their_time() -> None:
    history = snapshots(variety=[0.01, 0.02, 0.02, 0.03, 0.04, 0.25, 0.35])
    told = [turn for turn in turns(history) if turn.state == "samples alike"]
    assert [(turn.images_seen, turn.begins) for turn in told] == [(4000, True), (7000, False)]
    assert told[0].words.startswith("samples are all alike: 0.03 of real images' variety, never more than 0.03")


def test_a_discriminator_that_tells_all_apart_has_won_when_it_does_so_twice() -> None:
    history = snapshots(
        discriminator_real=[1, 0.7, 1, 1, 0.8, 0.95, 0.8, 0.7], discriminator_fake=[1, 1, 1, 0.99, 1, 1, 1, 1]
    )
    told = said(history, "discriminator has won")
    assert [words.split(":")[0] for words in told] == ["the discriminator has won", "the discriminator no longer wins"]
    assert "tells 100% of real and 99% of generated images apart" in told[0]
    assert "model.r1_weight=1" in told[0]


@pytest.mark.parametrize(
    ("options", "advice"),
    [
        ({"model.r1_weight"}, " Try model.r1_weight=1 or a lower training.learning_rate."),
        ({"model.kl_weight"}, " Try a lower model.kl_weight or a lower training.learning_rate."),
        ({"model.width"}, " Try a lower training.learning_rate."),
    ],
)
def test_an_option_that_a_model_does_not_have_is_not_advised(options: set[str], advice: str) -> None:
    (turn,) = turns(snapshots(variety=[0.31, 0.30, 0.07]), options)
    assert turn.words.endswith(f"1,000 images.{advice}")


def test_where_nothing_that_helps_can_be_set_nothing_is_advised() -> None:
    (turn,) = turns(snapshots(active_units=[0, 0], kl_nats=[0.02, 0.02]), {"model.width"})
    assert turn.words.endswith("all reconstructions are one face.")


def test_latents_that_nothing_is_encoded_in_are_said_to_be_empty() -> None:
    history = snapshots(active_units=[0, 0, 0, 3, 5], kl_nats=[0.02, 0.02, 0.02, 3, 5])
    assert said(history, "nothing encoded") == [
        "nothing is encoded: none of the latents is active (KL 0.02 nats), so all reconstructions are one face. "
        "Try a lower model.kl_weight.",
        "latents are in use again: 5 are active (KL 5 nats).",
    ]


def test_learning_by_heart_takes_an_error_that_rises_on_unseen_faces_and_falls_on_training_faces() -> None:
    rising = [0.03, 0.02, 0.018, 0.020, 0.021]
    by_heart = snapshots(reconstruction=rising, reconstruction_of_training=[0.03, 0.02, 0.017, 0.016, 0.015])
    worse = snapshots(reconstruction=rising, reconstruction_of_training=[0.03, 0.02, 0.017, 0.019, 0.02])
    assert said(worse, "learning by heart") == []
    assert said(by_heart, "learning by heart")[0].startswith(
        "learning by heart: validation error rises (0.021, was 0.018 at 3,000 images) while that of training faces "
        "goes on falling (0.015)."
    )


def test_a_distance_that_stays_is_stalled_and_one_that_grows_is_worse() -> None:
    stays = snapshots(fd_judge=[20, 9.8, 9.9, 10, 9.8, 9.9, 9.7, 9.7, 9.0])
    assert [turn.words.split(":")[0] for turn in turns(stays)] == [
        "samples have stopped getting better",
        "samples are getting better again",
    ]
    assert "Fréchet distance 9.7, best 9.8 at 2,000 images" in said(stays, "stalled")[0]
    grows = snapshots(fd_judge=[20, 10, 15, 16, 10.5, 10.4])
    assert [turn.words.split(":")[0] for turn in turns(grows)] == [
        "samples are getting worse",
        "samples are good again",
    ]


def test_samples_twice_as_sharp_as_life_are_noise() -> None:
    assert len(said(snapshots(sharpness=[3, 1, 2.5, 2.6, 1.9, 1.2]), "noisy samples")) == 2


def test_a_jump_in_training_is_said_with_its_term_and_that_it_came_back() -> None:
    history = training(1.0, 1.1, 0.9, 1.2, 1.0, 8.1, 7.0, 1.3, term="generator/adversarial")
    assert said(history, "training jumped") == [
        "training has jumped: generator/adversarial to 8.1, from 1.2 or less. If it does not come back, try a lower "
        "training.learning_rate.",
        "training has come back from its jump.",
    ]
    stays = training(*[0.01] * 6, *[0.08] * 15)
    assert said(stays, "training jumped")[1] == "training has stayed where it jumped to."


def test_losses_that_come_up_from_nearly_nothing_have_not_jumped() -> None:
    assert not turns(training(*[0.01] * 8, 0.5, term="discriminator/adversarial_fake"))


def test_a_training_error_that_rises_is_said() -> None:
    falling, rising = np.linspace(0.1, 0.02, 20), np.linspace(0.02, 0.03, 20)
    told = said(training(*falling, *rising, *[0.02] * 6), "training error rising")
    assert [words.split(":")[0] for words in told] == ["training error is rising", "training error has come down again"]


def test_an_untrained_model_and_a_healthy_training_are_not_spoken_of() -> None:
    untrained = [{"images_seen": 0, "validation/sharpness": 9.0, "validation/variety": 0.9}]
    healthy = snapshots(fd_judge=np.geomspace(100, 5, 12), variety=np.linspace(0.3, 0.9, 12), sharpness=[0.9] * 12)
    assert turns([*untrained, *healthy, *training(*np.geomspace(0.5, 0.01, 40))]) == []


# When it is said

values = st.floats(0, 3, allow_subnormal=False)
lines = st.one_of(
    st.fixed_dictionaries({}, optional={f"validation/{term}": values for term in TERMS}),
    st.fixed_dictionaries({"phase/reconstruction": values, "phase/kl": values}),
)
histories = st.lists(lines, max_size=40).map(lambda found: [{"images_seen": n} | line for n, line in enumerate(found)])


@given(histories, st.integers(0, 40))
def test_what_was_said_stays_said_whatever_comes_after(history: list[dict[str, Any]], length: int) -> None:
    """So a run that goes on from a checkpoint says what it would have said."""
    before = turns(history[:length])
    assert turns(history)[: len(before)] == before


@given(histories)
def test_beginnings_and_ends_take_turns(history: list[dict[str, Any]]) -> None:
    for rule in RULES:
        begins = [turn.begins for turn in turns(history) if turn.state == rule.state]
        assert begins == [place % 2 == 0 for place in range(len(begins))]


@given(st.lists(st.tuples(values, st.sampled_from(["validation/variety", "phase/reconstruction"])), max_size=40))
def test_snapshots_and_training_may_come_in_any_order(found: list[tuple[float, str]]) -> None:
    mixed = [{"images_seen": n, term: value} for n, (value, term) in enumerate(found)]
    apart = sorted(mixed, key=lambda line: "phase/reconstruction" in line)
    assert set(turns(mixed)) == set(turns(apart))


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=30), st.sampled_from(TERMS), st.floats(0.1, 2))
def test_a_number_that_only_trembles_turns_at_most_once(noise: list[float], term: str, level: float) -> None:
    trembling = snapshots(**{term: [level * (1 + 0.009 * n) for n in noise]})
    assert len(turns(trembling)) <= 1


# The numbers themselves


@pytest.fixture
def looked(tmp_path: Any, faces: Faces, trained_runs: dict[str, Run]):
    """The numbers of a snapshot of a trained run, and the model."""

    def look(name: str) -> tuple[dict[str, float], TrainedModel]:
        trained = load_model(trained_runs[name].weights)
        run = Run.create(tmp_path / name, trained.recipe, faces.fingerprint)
        lines: list[dict[str, Any]] = []
        Snapshots(run, faces, trained, lambda: judge_of(faces), lines.append)(trained.model, 10)
        return lines[0], trained

    return look


def test_the_distance_and_the_sharpness_are_those_of_samples_of_the_seed(looked: Any, faces: Faces) -> None:
    numbers, trained = looked(CONDITIONAL)
    samples, real = trained.sample(100, seed=Seed.SNAPSHOT), faces.images[faces.rows("validation")]
    features = judge_of(faces).features
    distance = frechet_distance_of(features(samples), features(real))
    assert numbers["validation/fd_judge"] == pytest.approx(distance, rel=1e-4)
    sharpness = laplacian_variance(samples).mean() / laplacian_variance(real).mean()
    assert numbers["validation/sharpness"] == pytest.approx(sharpness, rel=1e-6)


@pytest.mark.parametrize("name", [ADVERSARIAL, CONDITIONAL])
def test_a_discriminator_is_counted_on_real_and_on_generated_images_apart(name: str, looked: Any, faces: Faces) -> None:
    numbers, trained = looked(name)
    assert isinstance(trained.model, Discriminates)
    assert not isinstance(trained.model, Encodes)
    with torch.no_grad():
        real = trained.model.realness(to_signed(faces.images[faces.rows("validation")]))
        fake = trained.model.realness(to_signed(trained.sample(100, seed=Seed.SNAPSHOT)))
    assert numbers["validation/discriminator_real"] == pytest.approx((real > 0).float().mean().item(), abs=1e-6)
    assert numbers["validation/discriminator_fake"] == pytest.approx((fake <= 0).float().mean().item(), abs=0.03)


def test_an_encoder_is_asked_for_its_kl_and_active_latents_on_validation_images(looked: Any, faces: Faces) -> None:
    numbers, trained = looked(ENCODING)
    mu, logvar = (t.double() for t in trained.model.encode(to_signed(faces.images[faces.rows("validation")])))
    normal = torch.distributions.Normal
    kl = torch.distributions.kl_divergence(normal(mu, (logvar / 2).exp()), normal(0.0, 1.0)).sum(1).mean()
    assert numbers["validation/kl_nats"] == pytest.approx(kl.item(), rel=1e-4)
    assert numbers["validation/active_units"] == (mu.detach().numpy().var(0) > 0.01).sum()
    assert "validation/discriminator_real" not in numbers


def test_snapshots_look_at_validation_images_from_all_of_them(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, faces: Faces, trained_runs: dict[str, Run]
) -> None:
    monkeypatch.setattr("mien.sessions.snapshots.IMAGES", 3)
    trained, rows = load_model(trained_runs[ADVERSARIAL].weights), faces.rows("validation")
    run = Run.create(tmp_path / "run", trained.recipe, faces.fingerprint)
    seen = Snapshots(run, faces, trained, None, print).validation
    assert np.array_equal(seen, faces.images[rows[[0, (len(rows) - 1) // 2, -1]]])


# Where it is told


def test_what_turns_is_noted_and_logged_beside_its_numbers(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = Turn(32, "stalled", True, "samples have stopped.")
    monkeypatch.setattr(
        "mien.sessions.train.Watch.see", lambda watch, line: [told] if line["images_seen"] == 32 else []
    )
    with Terminal() as terminal:
        run = tiny.train(tmp_path / "run", tiny.recipe(ADVERSARIAL, "training.log_every_images=32"), terminal)
    assert [line for line in run.log() if "words" in line] == [{"images_seen": 32, "words": ["samples have stopped."]}]
    assert f"{ADVERSARIAL}, at 32 images: samples have stopped.\n" in capsys.readouterr().err


def test_the_progress_line_names_what_is_wrong_and_spares_most_numbers_of_a_snapshot(
    capsys: pytest.CaptureFixture[str],
) -> None:
    line = {
        "generator/adversarial": 1.5,
        "validation/fd_judge": 9.87,
        "validation/variety": 0.5,
        "health": ("stalled",),
    }
    Terminal().training("mine", 8, 8, line)
    assert capsys.readouterr().err == "training mine: 100 %    G adversarial 1.500  Fréchet 9.870  [stalled]\n"


def test_without_health_there_are_pictures_and_reconstructions_as_ever(tmp_path: Any) -> None:
    run = tiny.train(tmp_path / "run", tiny.recipe(ENCODING, "health=false"))
    terms = {name for line in run.log() for name in line if name.startswith("validation/")}
    assert terms == {"validation/reconstruction"}
    assert not run.best.exists()
    assert len(list(run.samples.iterdir())) == 2


def test_the_report_tells_what_turned_and_shows_the_best_beside_the_last(run_of: Any, faces: Faces) -> None:
    run = run_of(ADVERSARIAL)
    run.append_log({"images_seen": 40, "words": ["samples are losing variety."]})
    save_model(run.best, replace(load_model(run.weights), images_seen=40, distance=9.75))
    page = build_report(run.path, [run], faces, title="t", skipped={}).read_text()
    assert "<dt>40 images</dt><dd>samples are losing variety.</dd>" in page
    last = next(line["validation/fd_judge"] for line in run.log() if line["images_seen"] == 64 and len(line) > 3)
    assert f"last weights (64 images; validation Fréchet distance {last:.3g}) over those of the best snapshot" in page
    assert "(40 images; validation Fréchet distance 9.75), from the same latents" in page
    assert "numbers of this chapter are made with the last weights" in page


def test_the_report_says_where_the_last_weights_are_the_best(run_of: Any, faces: Faces) -> None:
    run = run_of(ADVERSARIAL)
    page = build_report(run.path, [run], faces, title="t", skipped={}).read_text()
    assert "Samples of the last weights, which are the best of all snapshots too; validation Fréchet" in page
    run.best.write_bytes(b"damaged")
    assert "No pictures of the best snapshot" in build_report(run.path, [run], faces, title="t", skipped={}).read_text()


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        pytest.param((50.0, 1e-4), (50.0, 1e-2), "", id="a weight that grows is no jump"),
        pytest.param((50.0, 1e-4), (210.0, 1e-4), "to 210, from 50 or less", id="a term jumps at a small weight too"),
        pytest.param((0.5, 1e-4), (9.0, 1e-4), "", id="what adds next to nothing may move"),
        pytest.param((50.0, 0.0), (5000.0, 0.0), "", id="what adds nothing may move"),
        pytest.param((-0.5, 1.0), (0.5, 1.0), "", id="a score that changes its sign is no jump"),
        pytest.param((-0.5, 1.0), (-2.5, 1.0), "to -2.5, from 0.5 or less", id="a score jumps below 0 too"),
        pytest.param((5e-3, None), (50.0, 1e-4), "", id="an older log holds products"),
        pytest.param((5e-3, None), (250.0, 1e-4), "to 250, from 50 or less", id="a jump after lines of an older log"),
    ],
)
def test_a_jump_is_of_a_term_and_not_of_its_weight(
    before: tuple[float, float | None], now: tuple[float, float], said: str
) -> None:
    def line(place: int, value: float, weight: float | None) -> dict[str, Any]:
        weights = {} if weight is None else {"weights": {"critic/score": weight}}
        return {"images_seen": 8 * place, "seconds": 1.0, "critic/score": value} | weights

    found = turns([*(line(place, *before) for place in range(1, 9)), line(9, *now)])
    assert [turn.state for turn in found] == ["training jumped"] * bool(said)
    assert all(f"critic/score {said}" in turn.words for turn in found)


def test_a_phase_that_starts_late_does_not_jump() -> None:
    lines = [{"images_seen": 8 * place, "seconds": 1.0, "d/score": 0.1} for place in range(1, 9)]
    assert not turns([*lines, lines[-1] | {"images_seen": 72, "late/mean": 40.0}])


def test_every_number_of_a_snapshot_has_its_panel_in_words(trained_runs: dict[str, Run]) -> None:
    for run in trained_runs.values():
        model = build(run.recipe().model, 32)
        logged = {name for line in run.log() for name in line if "/" in name}
        assert logged <= terms_of(model).keys()
        assert all(quantity.healthy for quantity in panels(run.log(), model))
