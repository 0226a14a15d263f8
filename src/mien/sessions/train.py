"""One recipe to a trained, measured run."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from mien.errors import Interrupted, RecipeError, RunError, quoted
from mien.faces import Faces
from mien.faces.batches import Batch, Batches
from mien.files.progress import Observer
from mien.health import Watch
from mien.judge import Judge, judge_of
from mien.models import MODELS, build, model_class
from mien.models.base import Model
from mien.pictures.arrays import Combinations
from mien.recipes.recipe import Recipe, apply_overrides, check
from mien.runs.folder import Run
from mien.runs.named_by_time import folder_by_time
from mien.runs.weights import TrainedModel, save_model
from mien.sessions.chosen_by_data import settle_by_data
from mien.sessions.recipe_faces import read_faces
from mien.sessions.snapshots import Snapshots, rewind_best, seen_by
from mien.training.checkpoint import one_before, read_progress, recover
from mien.training.devices import Hardware, choose_device, hardware, memory_of, rank, require_one_process
from mien.training.loop import Trainer

TRAINING_BYTES = 12  # of a weight, at the least: itself, its gradient and an optimizer's state in float32


def start_run(
    recipe: Recipe,
    out: Path | None = None,
    observer: Observer | None = None,
    fitted: Callable[[Recipe, Faces], Recipe] = lambda recipe, faces: recipe,
) -> tuple[Run, Faces]:
    """A new run folder and its faces; under `torchrun` the first process makes it and the others wait for it.

    fitted: gives the recipe its length, once the faces are known.

    Raises: DataError; RunError where the folder holds a run or a plan already; RecipeError for a conditional model
    whose attributes the faces cannot teach.
    """
    from mien.runs.plan_folder import is_plan  # which reads faces by what is here

    if rank() > 0:
        return wait_for_run(out), read_faces(recipe.data)
    if out and is_plan(out):
        raise RunError(
            f"{out}: is the folder of a plan or a study; a single run needs a folder of its own. Give another --out."
        )
    faces = read_faces(recipe.data, observer)
    settled, why = settle_by_data(recipe, faces)
    if why:
        others = " or a ".join(name for name in MODELS if "attributes" not in model_class(name).Config.model_fields)
        raise RecipeError(f"{recipe.name} cannot be trained on {recipe.data.source}: {why} Train a {others}.")
    require_runnable(settled)
    settled = fitted(settled, faces)
    return Run.create(out or folder_by_time(recipe.name), settled, faces.fingerprint), faces


def require_runnable(recipe: Recipe) -> None:
    """Find out before a folder is made.

    Raises: RecipeError for a device that is not here, or networks that cannot take the images or have no room.
    """
    device = choose_device(recipe.training.device)
    with torch.device("meta"):  # at no cost: a recipe may ask for terabytes
        model = build(recipe.model, recipe.data.size)
    weights = sum(parameter.numel() for parameter in model.parameters())
    room = memory_of(device)
    if room and weights * TRAINING_BYTES > room:
        raise RecipeError(
            f"{recipe.name}: its networks have {weights:,} weights, which take {weights * TRAINING_BYTES / 2**30:,.0f} "
            f"GiB to train, and there are {room / 2**30:,.1f}. Lower model.width, model.latent_dim or model.depth."
        )


def wait_for_run(path: Path | None) -> Run:
    """The run that the first of several processes makes.

    Raises: RecipeError where its folder was left to be named after the time; RunError after ten minutes.
    """
    if path is None:
        raise RecipeError("several processes train one run: name its folder with --out, so that they find each other.")
    run = Run(path)
    for _ in range(3_000):
        if run.recipe_file.exists():
            return Run.open(path)
        time.sleep(0.2)
    raise RunError(
        f"{path}: the first process has not started the run within ten minutes. See the output of the first process."
    )


def change_length(run: Run, faces: Faces, overrides: Sequence[str]) -> None:
    """Give a run another length, in training.steps or training.epochs; what it has done stays as it is.

    Raises: RecipeError for any other key: it would have changed what was done already, for a training that follows its
    length, and for a length that the run is past.
    """
    if not overrides:
        return
    require_one_process(
        "another length", "Give it without `torchrun`, stop the run, and go on with as many as you like."
    )
    recipe = run.recipe()
    for override in overrides:
        if override.split("=")[0] not in ("training.steps", "training.epochs"):
            raise RecipeError(f"{override!r}: only training.steps or training.epochs can change when a run goes on.")
    if recipe.training.schedule != "constant":
        raise RecipeError(f"{run.path}: its learning rate follows its length, so the length cannot change. Train anew.")
    table = recipe.model_dump(mode="json", exclude_none=True)
    changed = check(apply_overrides(table, overrides), str(run.recipe_file), run.path)
    model = build(changed.model, changed.data.size)
    if follows_its_length(model):
        raise RecipeError(
            f"{run.path}: its {model.title} learns by the share of the training that is done, so the length cannot "
            "change. Train anew."
        )
    images_per_step = changed.training.images_per_step(model)
    total = changed.training.total_images(len(faces.rows("train", known=model.attributes)), images_per_step)
    with run.locked():
        recover(run.checkpoint)
        seen = read_progress(run.checkpoint).images_seen if run.checkpoint.exists() else 0
        if seen > total:
            raise RecipeError(
                f"{run.path}: has seen {seen:,} images already, and would end at {total:,}. "
                f"Give it at least training.steps={-(-seen // images_per_step)}."
            )
        run.rewrite_recipe(changed)


def follows_its_length(model: Model) -> bool:
    """Whether a phase has a span, or a loss asks how far the training is."""
    asked: list[str] = []

    class Noting(Batch):
        def __getattribute__(self, name: str) -> Any:
            asked.append(name)
            return super().__getattribute__(name)

    example = Noting(torch.zeros(2, 3, model.image_size, model.image_size), torch.zeros(2, len(model.attributes)))
    for phase in model.phases:
        phase.loss(example)
    return "progress" in asked or any((phase.start, phase.end) != (0, 1) for phase in model.phases)


def train_run(run: Run, faces: Faces, observer: Observer | None = None, *, resume: Path | None = None) -> None:
    """Train a run to its end, from where its checkpoint stands, and write its weights; a trained run is left alone.

    resume: the folder that the message of an interrupt names; by default the run's.

    Raises: Diverged; Interrupted, after saving; RunError where the folder is in use, the disk takes no more, or the
    faces are not those it was started on.
    """
    recipe = run.recipe()
    if run.provenance().data_fingerprint != faces.fingerprint:
        raise RunError(
            f"{run.path}: was started on other faces than {recipe.data.source} holds now (the fingerprint differs). "
            "Put the old faces back, or start a new run."
        )
    if run.weights.exists():
        return
    with hardware(recipe.training.device, recipe.training.precision) as here:
        if here.rank > 0:
            here.meet()
            make_trainer(run, recipe, faces, here).run()
            return
        with run.locked():
            run.require_room()
            if (words := recover(run.checkpoint)) and observer:
                observer.note(words)
            here.meet()  # the others read the checkpoint that is left
            run.add_start(str(here.device), here.precision)
            run.rewind_log(int(seen_by(run.checkpoint, -1)))
            rewind_best(run)
            try:
                judge = judge_for(recipe, faces, observer)
                trainer = make_trainer(run, recipe, faces, here, judge, observer)
                trainer.run()
            except Interrupted as stopped:
                raise Interrupted(f"{stopped}. To go on: mien resume {quoted(resume or run.path)}") from None
            counted, crop = combinations(faces, trainer.model), faces.crop
            for path in (one_before(run.checkpoint), *run.bests_before()):
                path.unlink(missing_ok=True)  # nothing goes back to them now; and room for the weights
            save_model(run.weights, TrainedModel(trainer.sampling_model, recipe, trainer.images_seen, counted, crop))


def judge_for(recipe: Recipe, faces: Faces, observer: Observer | None = None) -> Callable[[], Judge] | None:
    """What gives the judge of a run's snapshots; None where the recipe wants none, or validation has too few faces."""
    if not recipe.health or len(faces.rows("validation")) < 2:
        return None
    return lambda: judge_of(faces, observer.work if observer else None)


def make_trainer(
    run: Run,
    recipe: Recipe,
    faces: Faces,
    here: Hardware,
    judge: Callable[[], Judge] | None = None,
    observer: Observer | None = None,
) -> Trainer:
    """The trainer of a run, with its log, its sample pictures and its validation.

    judge: gives that of the samples; without one, the health of the training is not watched.
    """
    torch.manual_seed(recipe.training.seed)
    model = here.place(build(recipe.model, faces.size))
    batches = Batches(
        faces,
        "train",
        attributes=model.attributes,
        seed=recipe.training.seed,
        horizontal_flips=recipe.data.horizontal_flips,
        device=here.device,
    )
    watch = Watch(options={f"model.{option}" for option in type(recipe.model).model_fields})
    for line in run.log() if judge else ():
        watch.see(line)
    last: dict[str, Any] = {"health": watch.states}

    def log(line: dict[str, Any]) -> None:
        run.append_log(line)
        last.update(line)
        say(line["images_seen"], [turn.words for turn in watch.see(line)] if judge else [])
        last["health"] = watch.states

    def say(images_seen: int, sentences: list[str]) -> None:
        if sentences:
            run.append_log({"images_seen": images_seen, "words": sentences})
        for words in sentences:
            if observer:
                observer.note(f"{recipe.name}, at {images_seen:,} images: {words}")

    def drawn(picture: Path, images_seen: int) -> None:
        earlier = {path.stem for path in run.samples.glob("*.png")} - {picture.stem, run.sample_file(0).stem}
        if observer and images_seen and not earlier:
            observer.note(f"{recipe.name}, at {images_seen:,} images: samples in {picture}; more follow beside it")

    template = TrainedModel(model, recipe, 0, combinations(faces, model), faces.crop)
    snapshot = Snapshots(run, faces, template, judge, log, drawn, here.autocast)

    def report(images_seen: int, total: int) -> None:
        if observer:
            observer.training(recipe.name, images_seen, total, last)

    trainer = Trainer(
        model,
        batches,
        recipe.training,
        here,
        checkpoint=run.checkpoint,
        log=log,
        snapshot=snapshot,
        progress=report,
        note=lambda words: say(trainer.images_seen, [words]),
    )
    return trainer


def combinations(faces: Faces, model: Model) -> Combinations:
    """How often each combination of the model's attributes occurs in the training split, most frequent first."""
    values = faces.attributes[:, faces.columns(model.attributes)][faces.rows("train", known=model.attributes)]
    return [(list(row), count) for row, count in Counter(map(tuple, values.tolist())).most_common()]
