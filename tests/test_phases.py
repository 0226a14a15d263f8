"""Phases: when they take part, how fast they learn, what they are told; and what the log keeps of their terms."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import tiny
from mien.errors import RecipeError
from mien.faces import Faces
from mien.faces.batches import Batch
from mien.models.base import Model, Phase, Term, Terms
from mien.runs.folder import Run
from mien.sessions import train as session
from mien.training.loop import split_batch
from tiny import ADVERSARIAL

ANY = ADVERSARIAL  # a model of two networks; nothing here depends on which


def noting_progress(model: Model, name: str, seen: list[float], **options: Any) -> Phase:
    """A phase that moves what the last one moves, and notes how far the training is."""

    def loss(batch: Batch) -> Terms:
        seen.append(float(batch.progress))
        return {"mean": Term(model.generate(batch.noise(model.latent_dim)).mean(), batch.progress)}

    return Phase(name, model.phases[-1].moves, loss, **options)


def test_a_phase_is_active_within_its_span_alone_and_is_told_how_far_the_training_is(tmp_path: Path) -> None:
    model, early, late = tiny.model(ANY), [], []
    model.phases = (noting_progress(model, "early", early, end=0.5), noting_progress(model, "late", late, start=0.5))
    lines: list[dict[str, Any]] = []
    tiny.trainer(model, tmp_path, steps=8, log_every_images=8, log=lines.append).run()
    assert (early, late) == ([0, 0.125, 0.25, 0.375], [0.5, 0.625, 0.75, 0.875])
    assert ["early/mean" in line for line in lines] == 4 * [True] + 4 * [False]
    assert [line["weights"]["late/mean"] for line in lines[4:]] == late


def test_a_step_without_an_active_phase_is_a_step_without_an_update(tmp_path: Path) -> None:
    model, lines = tiny.model(ANY), []
    model.phases = (noting_progress(model, "late", [], start=0.5),)
    tiny.trainer(model, tmp_path, steps=2, log_every_images=8, log=lines.append).run()
    assert [[name for name in line if "/" in name] for line in lines] == [[], ["late/mean"]]


@pytest.mark.parametrize("span", [{"start": 0.5, "end": 0.5}, {"start": -0.1}, {"end": 1.5}])
def test_a_span_that_is_empty_or_outside_the_training_is_refused(span: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="Give a start below its end"):
        Phase("late", (), lambda batch: {}, **span)


def test_a_phase_may_not_be_called_as_the_snapshots_are() -> None:
    with pytest.raises(ValueError, match="Give it another name"):
        Phase("validation", (), lambda batch: {})


def test_a_learning_rate_of_a_phase_scales_its_own_updates_and_no_others(tmp_path: Path) -> None:
    moved = {}
    for factor in (1.0, 0.0):
        model = tiny.model(ANY)
        before = {name: value.clone() for name, value in model.state_dict().items()}
        first, *others = model.phases
        model.phases = (dataclasses.replace(first, learning_rate=factor), *others)
        tiny.trainer(model, tmp_path, checkpoint=str(factor)).run()
        now = model.state_dict()
        moved[factor] = {name.split(".")[0] for name, value in before.items() if not value.equal(now[name])}
    last = set(others[-1].moves)
    assert not last & set(first.moves)
    assert moved == {1.0: {*first.moves, *last}, 0.0: last}


@pytest.mark.parametrize("factor", [0.5, 3.0])
def test_a_learning_rate_of_a_phase_is_a_factor_of_the_recipes(factor: float, tmp_path: Path) -> None:
    states = []
    for scale, rate in ((factor, 1e-3), (1.0, factor * 1e-3)):
        model = tiny.model(ANY)
        model.phases = tuple(dataclasses.replace(phase, learning_rate=scale) for phase in model.phases)
        tiny.trainer(model, tmp_path, checkpoint=f"{scale}-{rate}", learning_rate=rate, steps=3).run()
        states.append(model.state_dict())
    for key, value in states[0].items():
        torch.testing.assert_close(value, states[1][key])


def test_what_is_drawn_for_a_batch_in_pieces_is_what_is_drawn_for_the_whole() -> None:
    batch = tiny.batch(tiny.model(ANY), 7)
    for draw in (
        lambda part: part.noise(3),
        lambda part: part.uniform(3),
        lambda part: part.drawn(lambda count: torch.randint(9, (count,))),
    ):
        drawn = []
        for part in (batch, *split_batch(batch, 2)):
            torch.manual_seed(5)
            drawn.append(draw(part))
        assert torch.cat(drawn[1:]).equal(drawn[0])


def trained(name: str, folder: Path, most: int) -> tuple[list[dict[str, float]], torch.Tensor]:
    """The terms of four steps where only so many images fit into memory, and images that were learnt."""
    model, lines = tiny.model(name), []

    def fitting(loss: Callable[[Batch], Terms]) -> Callable[[Batch], Terms]:
        def limited(batch: Batch) -> Terms:
            if len(batch.x) > most:
                raise torch.OutOfMemoryError("no more memory")
            return loss(batch)

        return limited

    model.phases = tuple(dataclasses.replace(phase, loss=fitting(phase.loss)) for phase in model.phases)
    tiny.trainer(model, folder, checkpoint=str(most), steps=4, log_every_images=8, log=lines.append).run()
    terms = [{name: value for name, value in line.items() if "/" in name} for line in lines]
    return terms, model.generate(torch.ones(2, model.latent_dim), tiny.labels(model, 2)).detach()


@pytest.mark.parametrize("name", tiny.PROBES, ids=tiny.PROBES.values())
def test_a_probe_trains_the_same_from_batches_in_pieces(name: str, tmp_path: Path) -> None:
    (terms, images), (of_pieces, images_of_pieces) = trained(name, tmp_path, 8), trained(name, tmp_path, 3)
    assert terms[0] != terms[-1]
    for line, expected in zip(of_pieces, terms, strict=True):
        assert line == pytest.approx(expected, rel=1e-3, abs=1e-5)
    torch.testing.assert_close(images_of_pieces, images, rtol=1e-3, atol=1e-4)


def test_uniform_numbers_fill_their_interval_evenly() -> None:
    torch.manual_seed(0)
    numbers = tiny.batch(tiny.model(ANY)).uniform(10_000)
    assert numbers.shape == (8, 10_000)
    assert (float(numbers.min()) >= 0, float(numbers.max()) < 1) == (True, True)
    assert float(numbers.mean()) == pytest.approx(0.5, abs=0.01)
    assert float(numbers.var()) == pytest.approx(1 / 12, abs=0.002)


@pytest.mark.parametrize("what", ["a span", "a weight"])
def test_a_training_that_follows_its_length_is_not_given_another(
    what: str, run_of: Any, faces: Faces, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = session.build

    def build(*given: Any) -> Model:
        model = plain(*given)
        phases = list(model.phases)
        if what == "a span":
            phases[0] = dataclasses.replace(phases[0], start=0.5)
        else:
            phases[0] = noting_progress(model, phases[0].name, [])
        model.phases = tuple(phases)
        return model

    run: Run = run_of(ANY)
    monkeypatch.setattr(session, "build", build)
    with pytest.raises(RecipeError, match="learns by the share of the training that is done"):
        session.change_length(run, faces, ["training.steps=10"])


def test_means_are_taken_in_float32_whatever_a_loss_is_computed_in(tmp_path: Path) -> None:
    trainer = tiny.trainer(tiny.model(ANY), tmp_path)
    half = Term(torch.tensor(1 / 3, dtype=torch.bfloat16, requires_grad=True), 0.1)
    assert half.weighted.dtype == torch.float32
    model = trainer.model

    def loss(batch: Batch) -> Terms:
        return {"mean": Term(model.generate(batch.noise(model.latent_dim)).mean().bfloat16())}

    phase = Phase("half", model.phases[-1].moves, loss)
    assert trainer._minimise(phase, 0, [tiny.batch(model)])["mean"].value.dtype == torch.float32


def test_sums_of_a_checkpoint_without_weights_are_left_out_of_the_next_line(tmp_path: Path) -> None:
    meter = tiny.trainer(tiny.model(ANY), tmp_path).meter
    old = {"sums": {"d/kl": 1e-4}, "counts": {"d/kl": 1}, "last": [16, 0.5]}
    meter.restore(old, torch.device("cpu"))
    meter.add("d", {"kl": Term(torch.tensor(30.0), 1e-4)})
    meter.close(32, 1.0)
    (line,) = meter.flush()
    assert (line["d/kl"], line["weights"], line["images_per_second"]) == (30, {"d/kl": 1e-4}, 32)
