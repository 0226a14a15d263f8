"""The faces that a recipe asks for."""

from pathlib import Path

from mien.errors import DataError
from mien.faces import SPLITS, Faces, open_faces
from mien.files.progress import Observer
from mien.recipes.recipe import DataConfig, with_source
from mien.runs.folder import Run
from mien.runs.plan_folder import plan_runs


def read_faces(data: DataConfig, observer: Observer | None = None) -> Faces:
    """The faces a recipe asks for.

    Raises: DataError where they cannot be used, or a split has none.
    """
    faces = open_faces(
        data.source,
        size=data.size,
        crop=None if data.crop == "auto" else data.crop,
        attributes_table=data.attributes_table,
        names_column=data.names_column,
        skip_bad=data.skip_bad,
        progress=observer.work if observer else None,
    )
    counts = {split: len(faces.rows(split)) for split in SPLITS}
    divided = ", ".join(f"{count:,} {split}" for split, count in counts.items())
    if not all(counts.values()):
        raise DataError(
            f"{data.source}: its {len(faces.files):,} pictures are too much alike to be divided ({divided}): equal "
            "pictures stay in one split, and train, validation and test need one or more each. Add others."
        )
    if observer:
        observer.note(f"faces of {data.source}, read as {faces.card['reader']}: {divided}")
    return faces


def plan_faces(folder: Path, observer: Observer | None = None, source: str | None = None) -> Faces:
    """The faces that a plan's runs share.  source: where they are now, by default where the recipes say"""
    return faces_of(plan_runs(folder)[0], observer, source)


def faces_of(run: Run, observer: Observer | None = None, source: str | None = None) -> Faces:
    """The faces of a run.  source: where they are now, by default where the recipe says"""
    recipe = run.recipe()
    data = with_source(recipe, source or recipe.data.source).data
    if not source and data.source.partition(":")[0] != "drawn" and not Path(data.source).exists():
        raise DataError(f"{data.source}: the faces of {run.path} are not there. Say where they are: --data PATH.")
    return read_faces(data, observer)
