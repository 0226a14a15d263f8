"""The faces of the runs on show, and what encoders make of them."""

from pathlib import Path

from mien.errors import MienError, RunError
from mien.explorer.latent_cache import Latents, latents_of
from mien.faces import Faces
from mien.files.progress import Observer
from mien.models.base import Encodes
from mien.runs.folder import Run
from mien.runs.weights import TrainedModel
from mien.sessions.recipe_faces import faces_of


class FacesOpener:
    """Opens the faces of runs, once for all runs of the same ones."""

    def __init__(self, source: str | None, observer: Observer | None) -> None:
        self.source, self.observer = source, observer
        self.opened: dict[str, Faces | MienError] = {}

    def work(self, words: str, done: int, total: int) -> None:
        """Pass on how far a piece of work is."""
        if self.observer:
            self.observer.work(words, done, total)

    def note(self, words: str) -> None:
        """Pass on something worth a line."""
        if self.observer:
            self.observer.note(words)

    def of(self, run: Run) -> Faces:
        """A run's faces.  Raises: MienError where they cannot be opened, or are not those it was trained on."""
        data = run.recipe().data.model_dump_json(exclude={"horizontal_flips"})
        if data not in self.opened:
            try:
                self.opened[data] = faces_of(run, self.observer, self.source)
            except MienError as error:
                self.opened[data] = error
        faces = self.opened[data]
        if isinstance(faces, MienError):
            raise faces
        if faces.fingerprint != run.provenance().data_fingerprint:
            raise RunError(f"{faces.card['source']} holds other faces now than the run was trained on.")
        return faces


def is_drawn(run: Run) -> bool:
    """Whether a run's faces are drawn ones, so that nobody is seen on them."""
    return run.recipe().data.source.partition(":")[0] == "drawn"


def encoded(
    trained: TrainedModel, weights: Path, run: Run, opener: FacesOpener, notes: list[str], web: bool
) -> Latents | None:
    """Directions and maps of a run whose model encodes; None, and a note that says why, where there can be none."""
    if not isinstance(trained.model, Encodes):
        notes.append(
            f"This {trained.model.title} has no encoder, so it has no map of faces and no directions, and cannot "
            "take a photograph."
        )
        return None
    try:
        return latents_of(trained.model, weights, opener.of(run), opener, run.path.name)
    except (MienError, FloatingPointError) as error:
        words = "No map of faces and no directions: "
        if web:  # the words of an error may name paths
            opener.note(f"{run.path.resolve().name}: {words}{error}")
            error = MienError("its faces could not be read when this bundle was made.")
        notes.append(f"{words}{error}")
        return None
