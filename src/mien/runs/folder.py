"""The run folder: the only file that knows the names of the files in it."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import filelock
from pydantic import ValidationError

from mien.errors import RunError, RunInUse, not_written, quoted
from mien.files import reading
from mien.files.reading import is_there, read_lines, require_utf8
from mien.files.validation import checked, require_format
from mien.files.writing import write_text
from mien.models import class_of
from mien.models.own_code import CODE_FILE, code_of
from mien.recipes.recipe import Recipe, check, read_toml, to_toml
from mien.runs.provenance import surroundings
from mien.runs.records import FORMAT, Divergence, LogLine, Provenance, Start
from mien.runs.score import Score, jsonable_scores, read_scores

ROOM_NEEDED = 2 * 2**30  # bytes; checkpoints are written beside the old one, and a run has several of them


class Run:
    """One training: its recipe, log, checkpoint, weights, samples and metrics, in one folder."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.recipe_file = self.path / "recipe.toml"
        self.provenance_file = self.path / "provenance.json"
        self.log_file = self.path / "log.jsonl"
        self.checkpoint = self.path / "checkpoint.safetensors"
        self.weights = self.path / "weights.safetensors"
        self.best = self.path / "best.safetensors"
        self.metrics_file = self.path / "metrics.json"
        self.divergence_file = self.path / "diverged.json"
        self.samples = self.path / "samples"
        self.files = (
            *(self.recipe_file, self.provenance_file, self.log_file, self.checkpoint),
            *(self.weights, self.best, self.metrics_file, self.divergence_file),
        )
        self.lock = filelock.FileLock(self.path / ".lock", blocking=False)

    @classmethod
    def create(cls, path: str | Path, recipe: Recipe, fingerprint: str) -> "Run":
        """Start a run folder.

        Raises: RunError where there is already a run, no room for one, or a path that weights cannot have.
        """
        run = cls(path)
        require_utf8(run.path, "Choose another folder with --out.")
        try:
            run.samples.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"{run.path}: cannot be written: {error}. Choose another folder with --out.") from error
        with run.locked():  # two processes may be told to start the same run
            if run.recipe_file.exists():
                raise taken(run.path, "run")
            run.require_room()
            if code := code_of(class_of(recipe.model)):
                write_text(run.path / CODE_FILE, code.decode())
            origin = {"format": FORMAT, "data_fingerprint": fingerprint, "seed": recipe.training.seed}
            run.write_provenance(Provenance.model_validate(origin | surroundings()))
            write_text(run.recipe_file, to_toml(recipe))  # last: a folder with a recipe is a run
        return run

    @classmethod
    def open(cls, path: str | Path) -> "Run":
        """An existing run folder.

        Raises: RunError where it is not a run folder, is of another version, or one of its files is no regular file.
        """
        run = cls(path)
        if not is_there(run.recipe_file):
            inside = sorted(recipe.parent.name for recipe in run.path.glob(f"*/{run.recipe_file.name}"))
            give = f"one of the runs in it: {', '.join(inside)}" if inside else "a folder that `mien train` wrote"
            raise RunError(
                f"{str(run.path)[:300]}: is not a run folder (it has no {run.recipe_file.name}). Give {give}."
            )
        for file in run.files:
            is_there(file)
        run.provenance()
        return run

    def recipe(self) -> Recipe:
        """The recipe.  Raises: RecipeError where it was edited into something that is not one."""
        return check(read_toml(self.recipe_file)[1], str(self.recipe_file), self.path)

    def rewrite_recipe(self, recipe: Recipe) -> None:
        """Replace the recipe; delete weights and metrics of a shorter training, which are not this recipe's."""
        self.metrics_file.unlink(missing_ok=True)
        shutil.rmtree(self.measured_picture("").parent, ignore_errors=True)
        self.weights.unlink(missing_ok=True)
        write_text(self.recipe_file, to_toml(recipe))

    def provenance(self) -> Provenance:
        """The origin of the run: versions, device, data fingerprint, command line."""
        content = read_json(self.provenance_file)
        instead = f"Use mien {str(content.get('mien'))[:40]}, which wrote it."
        require_format(self.path, "a run", content.get("format"), FORMAT, instead)
        with readable(self.provenance_file):
            return checked(Provenance, content)

    def add_start(self, device: str, precision: str) -> None:
        """Add a start of the training: its device, precision, versions and time."""
        known = self.provenance()
        start = Start(device=device, precision=precision, **surroundings())
        self.write_provenance(known.model_copy(update={"starts": (*known.starts, start)}))

    def write_provenance(self, provenance: Provenance) -> None:
        """Write provenance.json."""
        write_text(self.provenance_file, json.dumps(provenance.model_dump(), indent=1))

    def require_room(self) -> None:
        """Raises: RunError where the disk has too little room for checkpoints."""
        free = shutil.disk_usage(self.path).free
        if free < ROOM_NEEDED:
            raise RunError(
                f"{self.path}: the disk has {free / 2**30:.1f} GiB free; a run needs {ROOM_NEEDED / 2**30:.0f} GiB. "
                "Make room, or choose a folder on another disk with --out."
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """A lock on the folder, which one process may take several times. It ends with the process.

        Raises: RunInUse where another process has the lock; RunError where the folder cannot be written.
        """
        try:
            self.lock.acquire()
        except filelock.Timeout:
            raise RunInUse(
                f"{self.path}: is in use by another process, which trains or measures it. "
                "Wait for it, or stop it first."
            ) from None
        except OSError as error:
            raise RunError(f"{self.path}: cannot be written: {error}. Choose another folder with --out.") from error
        try:
            yield
        finally:
            self.lock.release()

    def append_log(self, line: dict[str, Any]) -> None:
        """Add one line of numbers.  Raises: RunError where the file cannot be written."""
        try:
            with self.log_file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise not_written(self.log_file, error) from error

    def log(self) -> list[dict[str, Any]]:
        """All lines that are whole; a line that a kill cut short is left out."""
        if not is_there(self.log_file):
            return []
        try:
            return [line.entries() for text in read_lines(self.log_file) if (line := log_line(text))]
        except (OSError, ValueError) as error:
            raise RunError(
                f"{self.log_file}: cannot be read ({error}). Move it away: the training goes on without."
            ) from error

    def rewind_log(self, images_seen: int) -> None:
        """Delete the lines past a checkpoint; the training writes them again."""
        kept = [line for line in self.log() if line["images_seen"] <= images_seen]
        write_text(self.log_file, "".join(json.dumps(line) + "\n" for line in kept))

    def metrics(self) -> dict[str, Score]:
        """The scores; empty where nothing is measured yet, or metrics.json cannot be read and is measured again."""
        try:
            content = read_json(self.metrics_file) if is_there(self.metrics_file) else {}
        except RunError:
            return {}
        return read_scores(content)

    def write_metrics(self, scores: Mapping[str, Score]) -> None:
        """Replace the measured numbers."""
        write_text(self.metrics_file, json.dumps(jsonable_scores(scores), indent=1))

    def divergence(self) -> str:
        """The reason why the run of a study diverged, in words; '' where it did not, or has not begun."""
        if is_there(self.weights) or not is_there(self.divergence_file):
            return ""
        content = read_json(self.divergence_file)
        with readable(self.divergence_file):
            return checked(Divergence, content).error

    def write_divergence(self, words: str) -> None:
        """Write that the run diverged, so that it is not trained again."""
        write_text(self.divergence_file, json.dumps({"error": words}, indent=1))

    def best_before(self, images_seen: int) -> Path:
        """The path of weights that were the best at a moment, kept while a checkpoint may go back to it."""
        return self.path / f"best-before-{images_seen}.safetensors"

    def bests_before(self) -> list[Path]:
        """All paths of `best_before` that exist."""
        return list(self.path.glob("best-before*.safetensors"))

    def measured_picture(self, name: str) -> Path:
        """The path of a picture that a measurement makes, such as 'neighbours'."""
        return self.path / "measured" / f"{name}.png"

    def sample_file(self, images_seen: int) -> Path:
        """The path of the sample grid of a moment."""
        return self.samples / f"{images_seen:010d}.png"


class ReadOnce(Run):
    """A run whose files are each read once, when first asked for: so all of a page shows one moment."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        for read in (self.recipe, self.provenance, self.log, self.metrics, self.divergence):
            setattr(self, read.__name__, cache(read))


def taken(folder: Path, kind: str) -> RunError:
    """The error for a folder that holds a run or a plan already."""
    return RunError(
        f"{folder}: holds a {kind} already. `mien resume {quoted(folder)}` goes on with it; --out starts another."
    )


def log_line(text: bytes) -> LogLine | None:
    """A line of a log; None for text that is not one."""
    try:
        return LogLine.model_validate_json(text)
    except ValidationError:
        return None


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object.  Raises: RunError where the file is missing or is not one."""
    with readable(path):
        return reading.read_json(path)


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn an error of reading or checking a file of a run into a RunError with the file's name."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise RunError(
            f"{path}: cannot be read ({error}). The run folder is damaged: restore the file, or train again."
        ) from error
