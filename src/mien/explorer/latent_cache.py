"""What an encoder makes of its faces: directions to edit along, and a map of test faces. Computed once, then cached."""

import contextlib
import hashlib
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mien.explorer.manifest import Direction
from mien.faces import Faces
from mien.faces.pack.store import default_cache
from mien.faces.splits import spread
from mien.files.writing import digest, replacing
from mien.models.base import Encodes
from mien.pictures import arrays, of_models
from mien.seeds import MAP

VERSION = 1  # of what is cached
MOST_MAPPED = 4_000  # test faces on the map
MOST_ENCODED = 5_000  # training faces that directions are taken from
FEWEST = 10  # training faces with an attribute, and without it, for a direction
MOST_PRINCIPAL = 10

Floats = NDArray[np.float32]


class Progress(Protocol):
    """Somebody who is told how far a piece of work is."""

    def work(self, words: str, done: int, total: int) -> None:
        """So much of a piece of work is done."""


@dataclass(frozen=True)
class Latents:
    """directions: [D,Z], one step each, and named: what each is, in its order.

    rows: [N], the mapped faces' places in the set.    means: [N,Z], their latents.    tsne, pca: [N,2], two maps.
    """

    directions: Floats
    named: list[Direction]
    rows: NDArray[np.int64]
    means: NDArray[np.float16]
    tsne: Floats
    pca: Floats


def latents_of(model: Encodes, weights: Path, faces: Faces, progress: Progress, name: str) -> Latents:
    """Directions and maps of a run, from the cache or computed now.

    weights: the model's file, whose content the cache goes by.    faces: those that it was trained on.

    Raises: FloatingPointError where the encoder gives numbers that are not finite.
    """
    about = {
        "version": VERSION,
        "weights": digest(weights),
        "faces": faces.fingerprint,
    }
    key = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:20]
    path = default_cache() / "explorer" / f"{key}.npz"
    found = read(path)
    if found is None:
        found = compute(model, faces, progress, name)
        write(path, found)
    return found


def compute(model: Encodes, faces: Faces, progress: Progress, name: str) -> Latents:
    """Encode training and test faces whose attributes the model can be told, and make directions and maps of them."""
    words = f"mapping the latents of {name}"
    train = spread(faces.rows("train", known=model.attributes), MOST_ENCODED)
    test = spread(faces.rows("test", known=model.attributes), MOST_MAPPED)
    progress.work(words, 0, 4)
    learnt = of_models.encode(model, faces.images[train], of_models.labels_of(model, faces, train))[0]
    progress.work(words, 1, 4)
    means = of_models.encode(model, faces.images[test], of_models.labels_of(model, faces, test))[0]
    if not (np.isfinite(learnt).all() and np.isfinite(means).all()):
        raise FloatingPointError("the encoder gives numbers that are not finite")
    progress.work(words, 2, 4)
    of_attributes = attribute_directions(learnt, faces.attributes[train], faces.attribute_names)
    principal = principal_directions(learnt)
    directions = np.stack([step for _, step in (*of_attributes, *principal)] or [np.zeros(means.shape[1], np.float32)])
    named = [about for about, _ in (*of_attributes, *principal)]
    pca = arrays.principal_plane(means)
    progress.work(words, 3, 4)
    tsne = arrays.embed(means, MAP)
    progress.work(words, 4, 4)
    return Latents(directions[: len(named)], named, test, means.astype(np.float16), tsne, pca)


def attribute_directions(
    means: Floats, attributes: NDArray[np.int8], names: tuple[str, ...]
) -> list[tuple[Direction, Floats]]:
    """A step for each attribute that enough faces have, and have not; unknown ones are left out.  [N,Z], [N,A]"""
    found = []
    for column, name in enumerate(names):
        has, has_not = attributes[:, column] == 1, attributes[:, column] == 0
        if min(has.sum(), has_not.sum()) >= FEWEST:
            known = has | has_not
            found.append((Direction(name=name, kind="attribute"), arrays.attribute_direction(means[known], has[known])))
    return found


def principal_directions(means: Floats) -> list[tuple[Direction, Floats]]:
    """The leading principal directions of latents, one standard deviation long, and their share of the variance.

    Each points to where its largest number is positive, so that it does not turn round with the machine.  [N,Z]
    """
    if len(means) < 2:
        return []
    _, values, components = np.linalg.svd(means - means.mean(0), full_matrices=False)
    total = float(np.square(values).sum())
    found = []
    for place, (value, component) in enumerate(zip(values[:MOST_PRINCIPAL], components, strict=False)):
        share = float(value**2 / total) if total else 0.0
        if share > 1e-6:
            sign = np.sign(component[np.abs(component).argmax()])
            step = sign * component * value / np.sqrt(len(means) - 1)
            about = Direction(name=str(place + 1), kind="principal", share=round(share, 5))
            found.append((about, step.astype(np.float32)))
    return found


def read(path: Path) -> Latents | None:
    """What the cache holds; None where it has nothing, or nothing sound."""
    try:
        # Opened here, since numpy leaves a damaged file open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as found:
            named = [Direction.model_validate(about) for about in json.loads(str(found["named"]))]
            return Latents(found["directions"], named, found["rows"], found["means"], found["tsne"], found["pca"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def write(path: Path, latents: Latents) -> None:
    """Keep them; a cache that cannot be written costs only the time of computing them again."""
    content = {key: value for key, value in vars(latents).items() if key != "named"}
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, shared=True) as (place,):
            np.savez(place, named=np.array(json.dumps([about.model_dump() for about in latents.named])), **content)
