"""The site: the page and what it shows of some trained runs, as a tree of files with relative addresses.

It is the same for the server, which has it in memory, and for the static bundle, which has it on disk.
"""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mien.errors import RunError
from mien.explorer.latent_cache import Latents
from mien.explorer.manifest import FILE, EngineName, LatentMap, Manifest, NetworkFiles, SampleGrid, ShownRun, Snapshot
from mien.explorer.run_faces import FacesOpener, encoded, is_drawn
from mien.explorer.shown_numbers import numbers
from mien.faces import Faces
from mien.faces.splits import spread
from mien.files.progress import Observer
from mien.models.base import Encodes, Model
from mien.pictures.arrays import FEWEST_FOR_TSNE, Pictures, grid
from mien.runs.folder import Run
from mien.runs.plan_folder import is_plan, read_plan
from mien.runs.weights import TrainedModel, load_model
from mien.studies.compare_runs import runs_at
from mien.version import __version__

MOST_CELL = 64  # pixels of a mapped face
MOST_FILMED = 60  # sample grids of a run
JPEG_QUALITY = 85
MOST_REPORT = 256 * 2**20  # bytes of a report that is shown
# A report stands alone: its styles and pictures are within it, and it needs no script. Whoever wrote it, nothing of it
# comes before the policy, so that it holds in a bundle too, which others serve without our headers.
REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
POLICY_FIRST = f'<!doctype html><meta http-equiv="Content-Security-Policy" content="{REPORT_POLICY}">'.encode()
FLOATS, HALVES = np.dtype("<f4"), np.dtype("<f2")  # little endian on every machine


@dataclass
class Site:
    """files: bytes by relative address, without the manifest and the page's own.

    weights: where each snapshot of each run is: run id -> snapshot id -> file.
    test_faces: whether it may show photographs that models were tested on.    left_out: what it would show with them.
    """

    manifest: Manifest
    files: dict[str, bytes] = field(default_factory=dict)
    weights: dict[str, dict[str, Path]] = field(default_factory=dict)
    test_faces: bool = True
    left_out: list[str] = field(default_factory=list)

    def tree(self) -> dict[str, bytes]:
        """Every file, the page's own and the manifest among them, by its relative address."""
        return {**page_files(), **self.files, FILE: self.manifest.model_dump_json().encode()}


def page_files() -> dict[str, bytes]:
    """The page itself, as it comes with the package: bytes by relative address."""
    found: dict[str, bytes] = {}

    def add(folder: Traversable, prefix: str) -> None:
        for item in folder.iterdir():
            if item.is_dir():
                add(item, f"{prefix}{item.name}/")
            else:
                found[f"{prefix}{item.name}"] = item.read_bytes()

    add(resources.files("mien.explorer") / "page", "")
    return dict(sorted(found.items()))


def open_site(
    paths: Sequence[str | Path],
    engine: EngineName = "server",
    *,
    source: str | None = None,
    test_faces: bool = True,
    observer: Observer | None = None,
) -> Site:
    """The site of some runs; of a plan, of all that are trained.

    engine: "server": the snapshots are all there is; "web": only the first one, with the addresses of its ONNX files.
    source: where the faces are now, by default where the recipes say. Without its faces a run has no map.
    test_faces: whether photographs that a model was tested on may be in it, on its map and in its report.

    Raises: RunError where a path is neither a run nor a plan, or none of the runs has usable weights.
    """
    site = Site(Manifest(mien=__version__, title=title(paths), engine=engine), test_faces=test_faces)
    opener = FacesOpener(source, observer)
    left_out: list[tuple[str, str]] = []
    runs = runs_at(paths)
    for run, name in zip(runs, identifiers([run.path.resolve().name for run in runs]), strict=True):
        try:
            site.manifest.runs.append(add_run(site, run, name, opener))
        except RunError as error:
            left_out.append((run.path.resolve().name, str(error)))
    if not site.manifest.runs:
        raise RunError(" ".join(words for _, words in left_out))
    for _, words in left_out:
        opener.note(f"left out: {words}")
    # The words may name paths, which are nobody's business elsewhere.
    notes = [f"{name}: it has no weights that can be read." if engine == "web" else words for name, words in left_out]
    site.manifest.notes = [f"Left out: {words}" for words in notes]
    return site


def title(paths: Sequence[str | Path]) -> str:
    """What the page is called: the one plan that is shown, or the names of what is."""
    folders = [Path(path) for path in paths]
    if len(folders) == 1 and is_plan(folders[0]):
        return read_plan(folders[0]).title
    return ", ".join(folder.resolve().name for folder in folders)


def identifiers(names: Sequence[str]) -> list[str]:
    """Names as parts of an address, no two alike."""
    found: list[str] = []
    for name in names:
        plain = re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-")[:60] or "run"
        count, unique = 1, plain
        while unique in found:
            count += 1
            unique = f"{plain}-{count}"
        found.append(unique)
    return found


def add_run(site: Site, run: Run, name: str, opener: FacesOpener) -> ShownRun:
    """Put a run's files into the site.  -> what the manifest says of it

    Raises: RunError where it has no weights that can be read.
    """
    snapshots = open_snapshots(run)
    kept, trained = next(iter(snapshots.items()))
    model, web = trained.model, site.manifest.engine == "web"
    notes: list[str] = []
    site.weights[name] = {key: snapshot_file(run, key) for key in ([kept] if web else snapshots)}
    latents = encoded(trained, snapshot_file(run, kept), run, opener, notes, web)
    if latents:
        site.files[f"runs/{name}/directions.f32"] = latents.directions.astype(FLOATS).tobytes()
    mapped = latents is not None and may_show_faces(site, run, notes)
    return ShownRun(
        id=name,
        name=run.path.resolve().name,
        model=trained.recipe.model.name,
        image_size=model.image_size,
        latent_dim=model.latent_dim,
        attributes=list(model.attributes),
        combinations=trained.combinations if model.attributes else [],
        encodes=isinstance(model, Encodes),
        prior=model.prior is not None,
        snapshots=[Snapshot(id=key, images_seen=snapshots[key].images_seen) for key in site.weights[name]],
        directions=latents.named if latents else [],
        map=add_map(site.files, f"runs/{name}", latents, opener.of(run)) if latents and mapped else None,
        film=add_film(site.files, f"runs/{name}", run),
        numbers=numbers(run.metrics()),
        report=report_of(site, run),
        onnx=network_files(f"runs/{name}", model) if web else None,
        notes=notes,
    )


def snapshot_file(run: Run, snapshot: str) -> Path:
    """The weights of a snapshot."""
    return {"last": run.weights, "best": run.best}[snapshot]


def open_snapshots(run: Run) -> dict[str, TrainedModel]:
    """The models of a run that can be read: the last one first; the best one where it is another.

    Raises: RunError where there is none.
    """
    found: dict[str, TrainedModel] = {}
    why = run.divergence()
    for snapshot in ("last", "best"):
        try:
            found[snapshot] = load_model(snapshot_file(run, snapshot))
        except RunError as error:
            why = why or str(error)
    if not found:
        raise RunError(f"{run.path}: nothing to explore. {why}")
    if len({trained.images_seen for trained in found.values()}) < len(found):
        del found["best"]
    return found


def may_show_faces(site: Site, run: Run, notes: list[str]) -> bool:
    """Whether a run's test faces may be seen: drawn ones are nobody's; a note says it where they may not."""
    if site.test_faces or is_drawn(run):
        return True
    site.left_out.append(f"the map of {run.path.resolve().name}")
    notes.append("The map is left out of this bundle: it shows the faces that the model was tested on.")
    return False


def add_map(files: dict[str, bytes], folder: str, latents: Latents, faces: Faces) -> LatentMap:
    """Put maps and the mapped faces among the files.  -> what the manifest says of the map"""
    count, cell = len(latents.rows), min(faces.size, MOST_CELL)
    columns = max(1, round(np.ceil(np.sqrt(count))))
    methods = {"tsne": latents.tsne, "pca": latents.pca}
    if count < FEWEST_FOR_TSNE:
        del methods["tsne"]
    for method, points in methods.items():
        files[f"{folder}/map/{method}.f32"] = points.astype(FLOATS).tobytes()
    files[f"{folder}/map/latents.f16"] = latents.means.astype(HALVES).tobytes()
    files[f"{folder}/map/attributes.u8"] = faces.attributes[latents.rows].astype(np.uint8).tobytes()  # -1 becomes 255
    files[f"{folder}/map/faces.jpg"] = jpeg(grid(shrunk(faces.images[latents.rows], cell), columns, gap=0))
    names = list(faces.attribute_names)
    return LatentMap(count=count, columns=columns, cell=cell, attributes=names, methods=list(methods))


def shrunk(images: Pictures, side: int) -> Pictures:
    """Faces at a smaller size, where they are larger.  [N,S,S,3] -> [N,side,side,3]"""
    if images.shape[1] == side:
        return images
    small = [Image.fromarray(image).resize((side, side), Image.Resampling.LANCZOS) for image in images]
    return np.stack([np.asarray(image) for image in small])


def jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """A picture as JPEG.  uint8 [H,W,3]"""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return buffer.getvalue()


def add_film(files: dict[str, bytes], folder: str, run: Run) -> list[SampleGrid]:
    """Put a run's sample grids among the files, evenly thinned; one that is no picture is left out."""
    film = []
    moments = sorted(path for path in run.samples.glob("*.png") if path.stem.isdecimal() and is_own(path, run.path))
    for row in spread(np.arange(len(moments)), MOST_FILMED):
        try:
            with Image.open(moments[row]) as picture:
                content = jpeg(np.asarray(picture.convert("RGB")))
        except (OSError, ValueError, Image.DecompressionBombError):
            continue
        file = f"{folder}/film/{moments[row].stem}.jpg"
        files[file] = content
        film.append(SampleGrid(images_seen=int(moments[row].stem), file=file))
    return film


def report_of(site: Site, run: Run) -> str | None:
    """The address of a run's report, put among the files; it shows test faces, and paths of this machine."""
    if site.test_faces:
        return add_report(site.files, run)
    if add_report({}, run) and "the report" not in site.left_out:
        site.left_out.append("the report")
    return None


def add_report(files: dict[str, bytes], run: Run) -> str | None:
    """Put the report of a run's plan, or else its own, among the files.  -> its address, or None where there is none"""
    plan = run.path.resolve().parent
    for folder in ([plan] if is_plan(plan) else []) + [run.path]:
        page = folder / "report" / "report.html"
        if is_own(page, folder) and page.stat().st_size <= MOST_REPORT:
            content = POLICY_FIRST + page.read_bytes()
            reports = {address: other for address, other in files.items() if address.startswith("report")}
            known = [address for address, other in reports.items() if other == content]
            address = known[0] if known else f"report{f'-{len(reports) + 1}' if reports else ''}/report.html"
            files[address] = content
            return address
    return None


def is_own(file: Path, folder: Path) -> bool:
    """Whether a file is in a folder, and no link in it to one elsewhere, which is not to be shown to whoever looks."""
    return file.is_file() and file.resolve().is_relative_to(folder.resolve())


def network_files(folder: str, model: Model) -> NetworkFiles:
    """Where the static bundle has a run's networks."""
    encoder = f"{folder}/encoder.onnx" if isinstance(model, Encodes) else None
    prior = f"{folder}/prior.onnx" if model.prior is not None else None
    return NetworkFiles(generator=f"{folder}/generator.onnx", encoder=encoder, prior=prior)
