"""The trainer: what it computes, and that nothing can make it lose its place."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import tiny
import two_processes
from mien.cli import main
from mien.cli.terminal import Terminal
from mien.errors import Diverged, Interrupted, RecipeError, RunError
from mien.faces.batches import Batch, Batches, to_signed
from mien.faces.pixel_range import to_stored
from mien.faces.pixels import Mapped, OnDevice
from mien.files import tensors
from mien.models import MODELS, build, model_class
from mien.models.base import Phase, Term
from mien.models.layer_table import layer_table
from mien.recipes.recipe import load_recipe, presets
from mien.runs.folder import Run
from mien.sessions.train import change_length, train_run
from mien.training import checkpoint
from mien.training.config import TrainConfig
from mien.training.cuda_graphs import Replays
from mien.training.devices import Hardware
from mien.training.loop import split_batch, update_seed
from mien.training.moving_average import MovingAverage
from mien.training.optimizers import RMSprop
from tiny import ADVERSARIAL, ENCODING, TIMING, Killed, assert_same_outcome, hard, kill

GOLDEN = Path(__file__).with_name("golden.json")


# Golden losses


def twenty_steps(preset: str, folder: Path) -> list[dict[str, float]]:
    """The log of twenty steps of a preset, made narrow; terms times their weights, as they are minimised."""
    recipe = load_recipe(preset, ["model.width=4", "model.latent_dim=8", "data.size=32"])
    if hasattr(recipe.model, "attributes"):
        recipe = recipe.model_copy(update={"model": recipe.model.model_copy(update={"attributes": tiny.ATTRIBUTES})})
    torch.manual_seed(0)
    kept = {"batch_size": 16, "epochs": None, "steps": 20, "log_every_images": 160, "precision": "float32"}
    lines: list[dict[str, float]] = []
    training = recipe.training.model_dump() | kept
    tiny.trainer(build(recipe.model, 32), folder, checkpoint=preset, log=lines.append, **training).run()
    return [
        {key: value * line["weights"].get(key, 1) for key, value in line.items() if key not in (*TIMING, "weights")}
        for line in lines
    ]


def test_twenty_steps_of_every_recipe_give_the_golden_losses(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """After an intended change: `python -m pytest tests/test_train.py -k golden --regenerate-golden`."""
    logs = {preset: twenty_steps(preset, tmp_path) for preset in presets()}
    if request.config.getoption("--regenerate-golden"):
        GOLDEN.write_text(json.dumps(logs, indent=1) + "\n")
    golden = json.loads(GOLDEN.read_text())
    assert logs.keys() == golden.keys()
    for preset, lines in logs.items():
        for line, expected in zip(lines, golden[preset], strict=True):
            assert line == pytest.approx(expected, rel=1e-3), preset  # other CPUs sum in another order


# Going on exactly


def tried_at(moment: int, function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that is killed when it is called for so many-th time."""
    calls = iter(range(1, 1000))
    return lambda *given: kill() if next(calls) == moment else function(*given)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    folder = tmp_path_factory.mktemp("uninterrupted")
    return {name: tiny.train(folder / name, hard(name)) for name in MODELS}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("step", [1, 4, 8])
def test_a_resumed_run_equals_an_uninterrupted_one(
    name: str, step: int, uninterrupted: dict[str, Run], tmp_path: Path, faces: Any
) -> None:
    """Killed after a step that was not saved, so that the log is ahead of the checkpoint."""
    recipe = hard(name, "training.checkpoint_every_seconds=0")
    images_per_step = 8 * getattr(recipe.model, "discriminator_updates", 1)
    with pytest.raises(Killed):
        tiny.train(tmp_path / name, recipe, tiny.Watcher(step * images_per_step, kill))
    run = Run.open(tmp_path / name)
    assert not run.weights.exists()
    assert run.checkpoint.exists() == (step > 1)
    train_run(run, faces)
    assert_same_outcome(run, uninterrupted[name])


@pytest.mark.parametrize("moment", [1, 2, 5, 8])
@pytest.mark.parametrize("write", ["fsync", "replace"])
def test_a_kill_in_the_middle_of_a_write_loses_nothing(
    write: str, moment: int, uninterrupted: dict[str, Run], tmp_path: Path, faces: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run.create(tmp_path / ENCODING, hard(ENCODING, "training.checkpoint_every_seconds=0"), faces.fingerprint)
    place = os if write == "fsync" else Path
    with monkeypatch.context() as patched:
        patched.setattr(place, write, tried_at(moment + 1, getattr(place, write)))  # the first is the rewound log's
        with pytest.raises(Killed):
            train_run(run, faces)
    train_run(run, faces)
    assert_same_outcome(run, uninterrupted[ENCODING])


KILLED_BY_ITSELF = """
import os, signal, sys
from mien.cli import main
from mien.cli.terminal import Terminal

def training(terminal, name, images_seen, total, line):
    if images_seen >= 40:
        os.kill(os.getpid(), signal.SIGKILL)

Terminal.training = training
main(sys.argv[1:])
"""


def test_a_process_killed_by_sigkill_goes_on_by_mien_resume(uninterrupted: dict[str, Run], tmp_path: Path) -> None:
    run = Run(tmp_path / ADVERSARIAL)
    uninterrupted_recipe = uninterrupted[ADVERSARIAL].recipe_file
    command = ["train", str(uninterrupted_recipe), "--out", str(run.path), "training.checkpoint_every_seconds=0"]
    killed = subprocess.run([sys.executable, "-c", KILLED_BY_ITSELF, *command], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert checkpoint.read_progress(run.checkpoint).images_seen == 32
    assert main(["resume", str(run.path)]) == 0
    assert_same_outcome(run, uninterrupted[ADVERSARIAL])


def test_a_run_that_is_given_more_steps_equals_one_that_always_had_them(tmp_path: Path, faces: Any) -> None:
    longer = tiny.train(tmp_path / "longer", tiny.recipe(ADVERSARIAL, "training.steps=10"))
    extended = tiny.train(tmp_path / "extended", tiny.recipe(ADVERSARIAL, "training.steps=4"))
    change_length(extended, faces, ["training.steps=10"])
    train_run(extended, faces)
    assert tiny.same(tiny.tensors(extended.weights), tiny.tensors(longer.weights))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_checkpoint_is_read_into_the_memory_layout_of_the_model(layout: torch.memory_format, tmp_path: Path) -> None:
    whole, halves = (tiny.model(ENCODING).to(memory_format=layout) for _ in range(2))
    tiny.trainer(whole, tmp_path, checkpoint="whole", steps=8).run()
    tiny.trainer(halves, tmp_path, checkpoint="halves", steps=4).run()
    resumed = tiny.model(ENCODING).to(memory_format=layout)
    tiny.trainer(resumed, tmp_path, checkpoint="halves", steps=8).run()
    assert tiny.same(whole.state_dict(), resumed.state_dict())


def test_a_checkpoint_of_another_recipe_or_a_damaged_one_is_refused_in_words(run_of: Any, faces: Any) -> None:
    run = run_of(ENCODING)
    run.rewrite_recipe(tiny.recipe(ENCODING, "model.width=5"))
    with pytest.raises(RunError, match=r"does not fit the run's recipe.*delete the checkpoint"):
        train_run(run, faces)
    run.checkpoint.write_bytes(run.checkpoint.read_bytes()[:1000])
    with pytest.raises(RunError, match=r"is not a checkpoint that can be read.*Delete it"):
        train_run(run, faces)


def test_a_checkpoint_of_another_format_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    tensors.write_tensors(path, {}, {"format": 99})
    with pytest.raises(RunError, match=r"format 99; this version of mien reads format 1"):
        checkpoint.read_progress(path)


def test_other_faces_than_those_it_was_started_on_are_refused(run_of: Any) -> None:
    run = run_of(ENCODING)
    run.weights.unlink()
    with pytest.raises(RunError, match=r"other faces than drawn:200 holds now"):
        train_run(run, tiny.noise_faces())


# Stopping


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_the_step_saves_and_says_how_to_resume(
    number: signal.Signals, uninterrupted: dict[str, Run], tmp_path: Path, faces: Any
) -> None:
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted, match=r"stopped at 24 of 64 images; all of it is saved.*mien resume .*/stopped"):
        tiny.train(tmp_path / "stopped", hard(ENCODING), tiny.Watcher(24, lambda: signal.raise_signal(number)))
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
    run = Run.open(tmp_path / "stopped")
    assert checkpoint.read_progress(run.checkpoint).images_seen == 24
    train_run(run, faces)
    assert_same_outcome(run, uninterrupted[ENCODING])


def test_a_second_signal_stops_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def twice() -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(signal, "getsignal", lambda number: signal.default_int_handler)  # ignored under nohup
    with pytest.raises(KeyboardInterrupt):
        tiny.train(tmp_path / ENCODING, tiny.recipe(ENCODING), tiny.Watcher(8, twice))


def test_the_command_line_ends_with_130_when_it_is_stopped(
    trained_runs: dict[str, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Terminal, "training", lambda *given: signal.raise_signal(signal.SIGINT))
    assert main(["train", str(trained_runs[ENCODING].recipe_file), "--out", str(tmp_path / "a run")]) == 130
    error = capsys.readouterr().err
    assert error.endswith(
        f"mien: stopped at 8 of 64 images; all of it is saved. To go on: mien resume '{tmp_path}/a run'\n"
    )


# Numbers that are not finite


@pytest.mark.parametrize("checkpoint_every_seconds", [0, 60])
@pytest.mark.parametrize("log_every_images", [8, 10**6])
def test_a_training_that_diverges_stops_in_words_and_keeps_the_last_good_checkpoint(
    log_every_images: int, checkpoint_every_seconds: int, tmp_path: Path
) -> None:
    model = tiny.model(ENCODING)
    options = {"steps": 200, "learning_rate": 9.0, "optimizer": "rmsprop", "log_every_images": log_every_images}
    options["checkpoint_every_seconds"] = checkpoint_every_seconds
    lines: list[dict[str, float]] = []
    with pytest.raises(Diverged, match=r"at [\d,]+ images: training has diverged.*Try a lower training.learning_rate"):
        tiny.trainer(model, tmp_path, log=lines.append, **options).run()
    assert all(np.isfinite(value) for line in lines for name, value in line.items() if name != "weights")
    saved = tmp_path / "checkpoint.safetensors"
    assert saved.exists() == (checkpoint_every_seconds == 0)
    if saved.exists():
        assert all(tensor.isfinite().all() for tensor in tiny.tensors(saved).values())


def test_a_diverging_loss_is_named_with_its_phase(tmp_path: Path) -> None:
    model = tiny.model(ADVERSARIAL)
    first, last = model.phases

    def loss(batch: Batch) -> dict[str, Term]:
        return {"endless": Term(model.generate(batch.noise(model.latent_dim)).mean() / 0)}

    model.phases = (first, Phase(last.name, last.moves, loss))
    with pytest.raises(Diverged, match=rf"^{last.name}/endless is -?inf at 8 images"):
        tiny.trainer(model, tmp_path).run()


def test_training_touches_no_gpu_but_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    tiny.trainer(tiny.model(ENCODING), tmp_path).run()
    layer_table(tiny.model(ENCODING))


def test_a_checkpoint_past_the_end_of_its_recipe_is_refused(tmp_path: Path) -> None:
    tiny.trainer(tiny.model(ENCODING), tmp_path, steps=3).run()
    with pytest.raises(RecipeError, match=r"has seen 24 images, and its recipe ends at 16. Give .* training.steps=3"):
        tiny.trainer(tiny.model(ENCODING), tmp_path, steps=2).run()


# Batches


@given(st.integers(1, 40), st.integers(0, 2**31), st.integers(0, 5))
def test_an_epoch_covers_each_image_once(count: int, seed: int, epoch: int) -> None:
    batches = Batches(tiny.noise_faces(count, 8), "train", seed=seed)
    assert sorted(batches.indices(epoch * count, count)) == list(range(count))


@given(st.integers(1, 20), st.integers(0, 100), st.lists(st.integers(1, 30), min_size=1, max_size=6))
def test_the_stream_is_a_pure_function_of_the_position(count: int, start: int, pieces: list[int]) -> None:
    faces = tiny.noise_faces(count, 8)
    batches, end = Batches(faces, "train"), start + sum(pieces)
    whole = Batches(faces, "train").indices(start, end - start)
    starts = np.cumsum([start, *pieces[:-1]])
    backwards = [batches.indices(int(at), piece) for at, piece in zip(starts, pieces, strict=True)][::-1]
    assert np.concatenate(backwards[::-1]).tolist() == whole.tolist()
    assert Batches(faces, "train").indices(start, 1) == whole[:1]


def test_another_epoch_and_another_seed_come_in_another_order() -> None:
    first, other = (Batches(tiny.noise_faces(), "train", seed=seed) for seed in (0, 1))
    assert first.indices(0, 64).tolist() != first.indices(64, 64).tolist()
    assert first.indices(0, 64).tolist() != other.indices(0, 64).tolist()


def test_two_processes_see_other_images_and_other_noise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda values: None)
    (x, noise), (other_x, other_noise) = seen_by(0, tmp_path), seen_by(1, tmp_path)
    assert torch.cat([x, other_x]).equal(tiny.batch(tiny.model(ADVERSARIAL), 8).x)
    assert not noise.equal(other_noise)


def seen_by(rank: int, folder: Path) -> list[torch.Tensor]:
    """The images and the noise of the first step of one of two processes."""
    model, seen = tiny.model(ADVERSARIAL), []

    def loss(batch: Batch) -> dict[str, Term]:
        seen.extend([batch.x, batch.noise(model.latent_dim)])
        return {"mean": Term(model.generate(seen[-1]).mean())}

    model.phases = (Phase("noted", model.phases[-1].moves, loss),)
    trainer = tiny.trainer(model, folder, checkpoint=str(rank))
    trainer.hardware = Hardware(torch.device("cpu"), "float32", rank, 2)
    trainer.run()
    return seen


@given(st.integers(0, 2**32 - 1))
def test_pixels_survive_the_way_to_networks_and_back(seed: int) -> None:
    images = np.random.default_rng(seed).integers(0, 256, (2, 4, 4, 3), dtype=np.uint8)
    x = to_signed(images)
    assert x.abs().max() <= 1
    assert (to_stored(x) == images).all()


def test_flips_mirror_about_half_of_the_images_and_follow_the_seed() -> None:
    faces = tiny.noise_faces()
    plain, flipping = (Batches(faces, "train", horizontal_flips=flips) for flips in (False, True))
    x, flipped = plain.at(0, 64).x, flipping.at(0, 64).x
    mirrored = (flipped == x.flip(3)).all(3).all(2).all(1)
    assert ((flipped == x).all(3).all(2).all(1) | mirrored).all()
    assert 16 < mirrored.sum() < 48
    assert flipping.at(0, 64).x.equal(flipped)
    assert torch.cat([flipping.at(0, 64, part).x for part in (slice(40), slice(40, 64))]).equal(flipped)


@given(st.integers(1, 12), st.integers(0, 3), st.integers(0, 2**31))
def test_a_batch_in_pieces_has_the_faces_and_the_noise_of_the_whole(count: int, halvings: int, seed: int) -> None:
    whole = tiny.batch(tiny.model(ADVERSARIAL), count)
    pieces = split_batch(whole, halvings)
    torch.manual_seed(seed)
    noise = whole.noise(3)
    for name, expected in {"x": whole.x, "y": whole.y, "noise": noise}.items():
        assert torch.cat([part_of(piece, name, seed) for piece in pieces]).equal(expected)


def part_of(piece: Batch, name: str, seed: int) -> torch.Tensor:
    torch.manual_seed(seed)
    return piece.noise(3) if name == "noise" else getattr(piece, name)


def test_pixels_held_by_a_device_are_those_of_the_memory_map(faces: Any) -> None:
    rows = faces.rows("train")
    held, mapped = OnDevice(faces.images, rows, torch.device("cpu")), Mapped(faces.images, torch.device("cpu"))
    some = np.random.default_rng(0).permutation(rows)[:50]
    mapped.expect(rows[:3])  # what is expected need not come
    assert held.take(some).equal(mapped.take(some))
    mapped.expect(some)
    assert held.take(some).equal(mapped.take(some))


# Laws of a step


def test_the_moving_average_trails_the_weights_and_copies_the_statistics() -> None:
    model = tiny.model(ADVERSARIAL, normalization="batch")
    average = MovingAverage(model, decay=0.9)
    old = [p.clone() for p in average.model.parameters()]
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            tensor.add_(1)
    average.update(steps=1_000)
    for mine, before, theirs in zip(average.model.parameters(), old, model.parameters(), strict=True):
        torch.testing.assert_close(mine, 0.9 * before + 0.1 * theirs)
    assert all(mine.equal(theirs) for mine, theirs in zip(average.model.buffers(), model.buffers(), strict=True))


def test_the_moving_average_soon_forgets_the_random_start() -> None:
    model = tiny.model(ENCODING)
    average = MovingAverage(model, decay=0.999)
    with torch.no_grad():
        for tensor in model.parameters():
            tensor.add_(1)
    for step in range(1, 60):
        average.update(step)
    for mine, theirs in zip(average.model.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_the_moving_average_of_one_step_still_has_two_elevenths_of_the_start(tmp_path: Path) -> None:
    model = tiny.model(ADVERSARIAL)
    start = [p.detach().clone() for p in model.parameters()]
    trainer = tiny.trainer(model, tmp_path, ema_decay=0.999)
    trainer.run()
    for mine, old, new in zip(trainer.sampling_model.parameters(), start, model.parameters(), strict=True):
        torch.testing.assert_close(mine, old * 2 / 11 + new.detach() * 9 / 11)


def test_the_moving_average_is_what_is_sampled_and_saved(tmp_path: Path) -> None:
    trainer = tiny.trainer(tiny.model(ADVERSARIAL), tmp_path, ema_decay=0.5)
    assert trainer.average is not None
    assert trainer.sampling_model is trainer.average.model
    assert tiny.trainer(tiny.model(ADVERSARIAL), tmp_path).sampling_model is not trainer.average.model


@given(st.lists(st.tuples(*[st.integers(0, 2**31)] * 4), min_size=2, max_size=8, unique=True))
def test_no_two_updates_or_seeds_share_their_randomness(updates: list[tuple[int, int, int, int]]) -> None:
    assert len({update_seed(*update) for update in updates}) == len(updates)


def test_the_seed_of_an_update_never_changes_or_old_runs_could_not_go_on() -> None:
    assert update_seed(1, 2, 3, 4) == 15323499849503866763


def test_the_cosine_schedule_falls_from_the_learning_rate_to_zero(tmp_path: Path) -> None:
    rates: list[float] = []

    def note(images_seen: int, total: int) -> None:
        (optimizer,) = trainer.optimizers.values()
        rates.append(optimizer.param_groups[0]["lr"])

    trainer = tiny.trainer(tiny.model(ENCODING), tmp_path, steps=4, schedule="cosine", learning_rate=0.1, progress=note)
    trainer.run()
    assert rates == pytest.approx([0.1 * (1 + np.cos(np.pi * step / 4)) / 2 for step in range(4)])


@pytest.mark.parametrize("rate", [1e-3, 0.1])
def test_rmsprop_is_pytorchs_own(rate: float) -> None:
    ours, theirs = (torch.linspace(-1, 1, 12).view(3, 4).requires_grad_() for _ in range(2))
    mine = RMSprop([ours], rate, rho=0.9, eps=1e-7)
    reference = torch.optim.RMSprop([theirs], lr=rate, alpha=0.9, eps=1e-7)
    for step in range(20):
        for parameter, optimizer in ((ours, mine), (theirs, reference)):
            parameter.grad = (parameter.detach() - step) ** 3
            optimizer.step()
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize(
    ("epochs", "steps", "images"), [(None, 7, 70), (1, None, 100), (1.25, None, 130), (0.01, None, 10)]
)
def test_a_length_in_epochs_is_rounded_up_to_whole_steps(epochs: float | None, steps: int | None, images: int) -> None:
    assert TrainConfig(epochs=epochs, steps=steps).total_images(100, images_per_step=10) == images


@pytest.mark.parametrize("name", MODELS)
def test_mixed_precision_trains(name: str, tmp_path: Path) -> None:
    run = tiny.train(tmp_path / name, tiny.recipe(name, "training.precision=bfloat16", "training.steps=2"))
    assert all(tensor.dtype != torch.bfloat16 for tensor in tiny.tensors(run.weights).values())


def test_the_log_counts_images_and_names_phases_and_terms(trained_runs: dict[str, Run]) -> None:
    lines = [line for line in trained_runs[ADVERSARIAL].log() if "seconds" in line]
    assert [line["images_seen"] for line in lines] == [16, 32, 48, 64]
    model = tiny.model(ADVERSARIAL)
    terms = {f"{phase.name}/{term}" for phase in model.phases for term in phase.loss(tiny.batch(model))}
    assert set(lines[0]) == {"images_seen", "weights", *TIMING, *terms}


def test_seconds_of_training_are_no_more_than_passed_and_no_snapshot_counts(tmp_path: Path) -> None:
    seconds: list[float] = []
    options = {"log": lambda line: seconds.append(line["seconds"]), "snapshot": lambda *given: time.sleep(0.5)}
    started = time.monotonic()
    tiny.trainer(tiny.model(ENCODING), tmp_path, steps=4, log_every_images=8, **options).run()
    assert 0 < seconds[-1] <= time.monotonic() - started - 2 * 0.5


def test_sample_grids_are_of_the_same_latents_through_the_run(trained_runs: dict[str, Run]) -> None:
    names = sorted(path.name for path in trained_runs[ENCODING].samples.iterdir())
    assert names == ["0000000000.png", "0000000064.png"]


# Memory, and recorded updates


def fits(most: int, loss: Callable[[Batch], Any]) -> Callable[[Batch], Any]:
    """A loss for which memory ends with more images than so many."""

    def limited(batch: Batch) -> Any:
        if len(batch.x) > most:
            raise torch.OutOfMemoryError("no more memory")
        return loss(batch)

    return limited


def trained_on(name: str, folder: Path, most: int, **training: Any) -> tuple[dict[str, torch.Tensor], list[str]]:
    """The weights after four steps where only so many images fit, and what the trainer said."""
    model, said = tiny.model(name), []
    limited = (dataclasses.replace(phase, loss=fits(most, phase.loss)) for phase in model.phases)
    model.phases = tuple(limited)
    trainer = tiny.trainer(model, folder, checkpoint=f"{name}-{most}", steps=4, **training)
    trainer.note = said.append
    trainer.run()
    return model.state_dict(), said


@pytest.mark.parametrize("name", MODELS)
def test_a_batch_that_does_not_fit_is_split_and_trains_the_same(name: str, tmp_path: Path) -> None:
    whole, silence = trained_on(name, tmp_path, 8)
    split, said = trained_on(name, tmp_path, 3)
    assert not silence
    assert [words.partition(" pieces")[0].split()[-1] for words in said] == ["2", "4"]
    for key, tensor in whole.items():
        torch.testing.assert_close(split[key], tensor, rtol=1e-3, atol=1e-5)


def test_a_split_is_remembered_by_the_checkpoint(tmp_path: Path) -> None:
    trained_on(ADVERSARIAL, tmp_path, 3)
    trainer = tiny.trainer(tiny.model(ADVERSARIAL), tmp_path, checkpoint=f"{ADVERSARIAL}-3", steps=5)
    trainer.run()
    assert trainer.halvings == 2


def test_an_image_that_does_not_fit_at_all_is_an_error_in_words(tmp_path: Path) -> None:
    first = tiny.model(ADVERSARIAL).phases[0].name
    with pytest.raises(RecipeError, match=rf"{first} phase does not fit into memory.*Use a smaller model.width"):
        trained_on(ADVERSARIAL, tmp_path, 0)


def record_by_calling(update: Callable[[], dict[str, torch.Tensor]]) -> tuple[Callable[[], None], Any]:
    """What stands for a CUDA graph where there is no GPU: it is carried out on its fixed places when it is played."""
    terms: dict[str, torch.Tensor] = {}
    return lambda: terms.update(update()), terms


def cannot_record(update: Any) -> Any:
    raise RuntimeError("operation not permitted")


def replaying(name: str, folder: Path, record: Any) -> Any:
    """A trainer of a model after eight steps that recorded its updates, or did not."""
    options = {"r1_weight": 1.0, "r1_every": 2} if "r1_weight" in model_class(name).Config.model_fields else {}
    trainer = tiny.trainer(tiny.model(name, **options), folder, checkpoint=f"{record}", steps=8, schedule="cosine")
    trainer.replays = Replays(record) if record else None
    trainer.run()
    return trainer


@pytest.mark.parametrize("name", MODELS)
def test_recorded_updates_train_the_same_to_the_bit(name: str, tmp_path: Path) -> None:
    plain, recorded = (replaying(name, tmp_path, record) for record in (None, record_by_calling))
    assert tiny.same(plain.model.state_dict(), recorded.model.state_dict())
    assert len(recorded.replays.recorded) == len(recorded.model.phases)


def test_an_update_that_cannot_be_recorded_is_an_error_that_says_how_to_go_on(tmp_path: Path) -> None:
    first = tiny.model(ENCODING).phases[0].name
    with pytest.raises(RunError, match=rf"{first} phase cannot be recorded .*not permitted.*cuda_graphs=false"):
        replaying(ENCODING, tmp_path, cannot_record)


# Several processes


def test_a_batch_that_processes_cannot_share_is_refused(tmp_path: Path) -> None:
    trainer = tiny.trainer(tiny.model(ENCODING), tmp_path)
    hardware = Hardware(torch.device("cpu"), "float32", 0, 3)
    with pytest.raises(RecipeError, match=r"batch_size is 8, which 3 processes cannot share"):
        type(trainer)(trainer.model, trainer.batches, trainer.config, hardware, checkpoint=tmp_path)


def test_gradients_are_averaged_over_the_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = [torch.zeros(2, 3), torch.zeros(4), torch.zeros(1)]
    weights[0].grad, weights[1].grad = torch.full((2, 3), 1.0), torch.full((4,), 2.0)
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda flat: flat.add_(3))  # the gradients of the other one
    Hardware(torch.device("cpu"), "float32", 0, 2).average_gradients(weights)
    assert weights[0].grad.eq(2).all()
    assert weights[1].grad.eq(2.5).all()
    assert weights[2].grad is None


def launched(*arguments: str, program: tuple[str, ...] = ("-m", "mien")) -> subprocess.CompletedProcess[str]:
    """A program in two processes."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return subprocess.run([*launcher, *program, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.long
def test_two_processes_train_one_run_through_the_command_line(trained_runs: dict[str, Run], tmp_path: Path) -> None:
    folder = tmp_path / "two"
    recipe = str(trained_runs[ADVERSARIAL].recipe_file)
    done = launched("train", recipe, "--out", str(folder), "training.steps=3")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("trained: ") == 1
    run = Run.open(folder)
    written = [run.best.name, run.checkpoint.name, run.weights.name]
    assert sorted(path.name for path in run.path.glob("*.safetensors")) == written
    assert [line["images_seen"] for line in run.log() if "seconds" in line] == [16, 24]
    assert [line["images_seen"] for line in run.log() if "validation/fd_judge" in line] == [24]


@pytest.fixture(scope="module")
def by_two_processes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes trained."""
    folder = tmp_path_factory.mktemp("two")
    done = launched("train", str(folder), program=(two_processes.__file__,))
    assert done.returncode == 0, done.stderr
    return folder


def losses(lines: list[dict[str, float]]) -> list[dict[str, Any]]:
    """The lines of a log to compare, without times."""
    return [{key: pytest.approx(line[key], rel=1e-4) for key in line if key not in TIMING} for line in lines]


def assert_close(one: Path, other: Path) -> None:
    """Whether two checkpoints are equal, but for how floats are summed."""
    mine, theirs = tiny.tensors(one), tiny.tensors(other)
    assert mine.keys() == theirs.keys()
    for name, tensor in mine.items():
        torch.testing.assert_close(theirs[name], tensor, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_two_processes_give_the_losses_and_weights_of_one(name: str, by_two_processes: Path, tmp_path: Path) -> None:
    lines = two_processes.train(name, tmp_path)
    assert len(lines) == (6 if name in two_processes.OPTIONS else 3)
    assert json.loads((by_two_processes / f"{name}.json").read_text(), object_hook=without_times) == losses(lines)
    assert_close(tmp_path / name, by_two_processes / name)


def without_times(line: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in line.items() if key not in TIMING}


def test_processes_stop_together_and_one_alone_can_go_on(by_two_processes: Path, tmp_path: Path) -> None:
    begun = by_two_processes / "stopped"
    assert checkpoint.read_progress(begun / ENCODING).images_seen == 64
    two_processes.train(ENCODING, begun, steps=40)
    two_processes.train(ENCODING, tmp_path, steps=40)
    assert_close(tmp_path / ENCODING, begun / ENCODING)


@pytest.mark.long
def test_a_killed_process_ends_the_others_in_words_and_the_run_goes_on(
    uninterrupted: dict[str, Run], tmp_path: Path, faces: Any
) -> None:
    folder, recipe = tmp_path / "killed", uninterrupted[ENCODING].recipe_file
    done = launched("kill", str(recipe), str(folder), program=(two_processes.__file__,))
    assert done.returncode != 0
    assert "mien: another process of this training has ended" in done.stderr
    assert "`mien resume` goes on from the last checkpoint" in done.stderr
    run = Run.open(folder)
    assert checkpoint.read_progress(run.checkpoint).images_seen == 32
    train_run(run, faces)
    assert losses(uninterrupted[ENCODING].log())[-1] == without_times(run.log()[-1])
