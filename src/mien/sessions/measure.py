"""A trained run to numbers: which metrics, by which extractors, and which were measured already."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

import torch

from mien.errors import RecipeError, RunError, did_you_mean
from mien.faces import Faces
from mien.files.progress import Observer
from mien.files.reading import is_there
from mien.files.writing import digest, write_picture
from mien.judge import judge_of
from mien.metrics.encoder.principal_components import PrincipalGaussian
from mien.metrics.evaluated_model import Seen, Subject
from mien.metrics.evaluation import METRICS
from mien.metrics.extractors import Extractor, available_extractors, installed_extractors
from mien.metrics.illustrations import PICTURES
from mien.models import build
from mien.models.base import Model
from mien.pictures.arrays import Pictures, grid
from mien.recipes.recipe import Recipe
from mien.runs.folder import Run
from mien.runs.score import Score
from mien.runs.weights import load_model, require_fit


@dataclass
class Measuring:
    """How runs of the same faces are measured.

    names: keys of METRICS.     more: extractors besides the installed ones.
    again: measure also the metrics that these weights have already.
    seen, components: of real images, computed once for all runs.
    """

    faces: Faces
    names: Collection[str] = tuple(METRICS)
    more: tuple[Extractor, ...] = ()
    again: bool = False
    seen: Seen = field(default_factory=dict)
    components: dict[int, PrincipalGaussian] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.names:
            if name not in METRICS:
                raise RecipeError(
                    f"{name!r} is not a metric.{did_you_mean(name, METRICS)} Metrics: {', '.join(METRICS)}."
                )


def measure_run(run: Run, measuring: Measuring, observer: Observer | None = None) -> None:
    """Measure a trained run and write its metrics, one kind after the other, so that a kill costs only the last.

    Raises: RunError where there are no weights yet, or the faces are not those the run was trained on; RunInUse where
    another process trains or measures it.
    """
    require_measurable(run, measuring.faces)
    weights = "sha256:" + digest(run.weights)
    if not missing_metrics(run, measuring, measured_of(run, weights)):
        return
    with run.locked():
        measure_missing(run, weights, measuring, observer)


def measured_of(run: Run, weights: str) -> dict[str, Score]:
    """The numbers of a run that are of these weights."""
    return {name: s for name, s in run.metrics().items() if s.weights == weights and s.metric in METRICS}


def measure_missing(run: Run, weights: str, measuring: Measuring, observer: Observer | None) -> None:
    """Measure the metrics that these weights lack, in a folder that this process has locked."""
    kept = measured_of(run, weights)
    missing = missing_metrics(run, measuring, kept)
    subject = subject_of(run, measuring, observer)
    extractors = tuple(extractor.name for extractor in subject.extractors)
    for place, name in enumerate(missing):
        if observer:
            observer.work(f"measuring {subject.trained.recipe.name}", place, len(missing))
        scores = METRICS[name].measure(subject)
        if name in PICTURES:
            draw(run, *PICTURES[name], subject)
        kept = {key: score for key, score in kept.items() if score.metric != name}
        kept |= {
            key: replace(score, metric=name, weights=weights, extractors=extractors) for key, score in scores.items()
        }
        if scores:
            run.write_metrics(in_order(kept))
    if observer:
        observer.work(f"measuring {subject.trained.recipe.name}", len(missing), len(missing))


def require_measurable(run: Run, faces: Faces) -> None:
    """Raises: RunError where a run has no sound weights, or was trained on other faces, with another test split."""
    require_fit(run.weights)
    require_own_faces([run], faces)


def require_own_faces(runs: Iterable[Run], faces: Faces) -> None:
    """Raises: RunError where a run was trained on other faces than these.

    Their test split is not the run's own. And a run from elsewhere may name any folder as its data: its report must
    not show pictures that the run was not trained on.
    """
    for run in runs:
        if run.provenance().data_fingerprint != faces.fingerprint:
            raise RunError(
                f"{run.path}: was trained on other faces than {faces.card['source']} holds now (the fingerprint "
                "differs), so that faces it has learnt from might count as test. Put the old faces back, or give them "
                "with --data."
            )


def missing_metrics(run: Run, measuring: Measuring, kept: Mapping[str, Score]) -> list[str]:
    """The metrics to measure: those that apply to the model and lack an extractor that is available."""
    model = sketch(run.recipe())
    wanted = [name for name in METRICS if name in measuring.names and METRICS[name].applies(model)]
    if measuring.again:
        return wanted
    available = {*installed_extractors(), *(extractor.name for extractor in measuring.more)}
    done = {s.metric for s in kept.values() if available <= set(s.extractors) or not METRICS[s.metric].by_extractor}
    return [name for name in wanted if name not in done]


def sketch(recipe: Recipe) -> Model:
    """The recipe's model without its weights: its shapes and abilities, at no cost."""
    with torch.device("meta"):
        return build(recipe.model, recipe.data.size)


def subject_of(run: Run, measuring: Measuring, observer: Observer | None) -> Subject:
    """The run's model with its faces and its judge."""
    trained = load_model(run.weights)
    judge = judge_of(measuring.faces, observer.work if observer else None)
    extractors = (*available_extractors(judge), *measuring.more)
    return Subject(trained, measuring.faces, judge, extractors, measuring.seen, measuring.components)


def draw(run: Run, name: str, make: Callable[[Subject], Pictures], subject: Subject) -> None:
    """Write a picture of the measurement into the run's folder, in rows on white."""
    made = make(subject)
    path = run.measured_picture(name)
    path.parent.mkdir(exist_ok=True)
    write_picture(path, grid(made.reshape(-1, *made.shape[2:]), columns=made.shape[1]))


def in_order(scores: dict[str, Score]) -> dict[str, Score]:
    """Scores in the order of METRICS."""
    return {key: scores[key] for name in METRICS for key in scores if scores[key].metric == name}


def measure_runs(runs: Iterable[Run], measuring: Measuring, observer: Observer | None = None) -> None:
    """Measure the trained runs that are not measured yet; a damaged run is noted, as in the report."""
    for run in runs:
        try:
            if is_there(run.weights):
                measure_run(run, measuring, observer)
        except RunError as error:
            if observer:
                observer.note(str(error))
