"""The static bundle: the explorer's page with the networks beside it, for any host of files.

It is kept under 25 MB where it can be: weights are stored in as few bits as that takes, and no fewer.
"""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from mien.errors import RunError
from mien.explorer.run_faces import is_drawn
from mien.explorer.site import Site, open_site
from mien.export.metadata import Source, model_card, open_source
from mien.export.onnx_export import graphs_of, on_cpu, require_packages, run_with
from mien.export.quantize import keep_means_only, packed, store_small
from mien.faces.pixel_range import GREY_LEVELS
from mien.files.progress import Observer
from mien.models.base import Encodes, Model
from mien.pictures import of_models
from mien.runs.folder import Run
from mien.seeds import TorchSeed
from mien.version import __version__

if TYPE_CHECKING:
    from onnx import ModelProto

MOST_BYTES = 25_000_000  # of a bundle, where some number of bits allows it
BITS = (16, 8, 7, 6)  # of a weight of a linear layer, in the order in which they are tried
PRIOR_BITS = 16  # of a weight of the prior, whose error would grow from step to step
USUAL_BITS = 8  # where none of them makes the bundle small enough
CHECKED = 64  # images that the networks are checked with
MOST_MEAN, MOST_LARGEST = 1.0, 16.0  # grey levels that the images may differ by from PyTorch's
FILE_LIST = "bundle.json"  # the files that it is made of, so that a new one takes the place of that and of nothing else


@dataclass(frozen=True)
class Part:
    """One part of a bundle: what it is, its size in bytes, and how far its images are from PyTorch's, in words."""

    name: str
    size: int
    words: str = ""


@dataclass
class Networks:
    """The networks of one run, as ONNX models with full weights by the names of `graphs_of`, and their model."""

    source: Source
    model: Model
    graphs: dict[str, "ModelProto"]

    @classmethod
    def of(cls, weights: Path) -> "Networks":
        """Those of a file of weights."""
        source = open_source(weights)
        model = on_cpu(source.trained.model)
        networks = cls(source, model, graphs_of(model))
        if "encoder" in networks.graphs:
            keep_means_only(networks.graphs["encoder"])
        return networks

    def small(self, bits: int) -> dict[str, "ModelProto"]:
        """Copies with weights stored in so many bits."""
        graphs = {}
        for part, graph in self.graphs.items():
            graphs[part] = type(graph)()
            graphs[part].CopyFrom(graph)
            store_small(graphs[part], PRIOR_BITS if part == "prior" else bits)
        return graphs


def export_web(path: Path, folder: Path, observer: Observer | None = None, *, test_faces: bool = False) -> list[Part]:
    """Write the page of a run, or of all runs of a plan, into a folder.  -> its parts, the largest first

    test_faces: whether to put in what shows photographs that a model was tested on: its map, and the report.

    Raises: RunError where there is no trained run, the networks differ from PyTorch's beyond the bounds, or the folder
        holds something else or cannot be written; RecipeError where the packages are not installed.
    """
    require_packages()
    earlier_files(folder)
    site = open_site([path], "web", test_faces=test_faces, observer=observer)
    networks = {name: Networks.of(next(iter(files.values()))) for name, files in site.weights.items()}
    held = faces_in(site)
    cards = [model_card(each.source) for each in networks.values()]
    site.files["MODEL_CARD.md"] = "\n".join([*cards, f"## Whose faces are in this bundle\n\n{held}\n"]).encode()
    addresses = {run.id: dict(run.onnx or ()) for run in site.manifest.runs}
    bits = add_networks(site, networks, addresses)
    words = {}
    for name, each in networks.items():
        for part, difference in differences(each.model, each.small(bits)).items():
            words[addresses[name][part]] = checked(difference, f"{path}: the {part} of {name}", bits)
    files = site.tree()
    files[FILE_LIST] = file_list([*files, FILE_LIST])
    write_bundle(folder, files)
    if observer:
        left = f" Left out: {', '.join(site.left_out)}; --with-test-faces puts them in." if site.left_out else ""
        observer.note(held + left)
    return parts_of(files, words)


def faces_in(site: Site) -> str:
    """Which faces besides generated ones are in a bundle, in a sentence."""
    held = []
    for run in site.manifest.runs:
        if run.map:
            weights = next(iter(site.weights[run.id].values()))
            kind = "drawn faces" if is_drawn(Run(weights.parent)) else "photographs"
            held.append(f"{run.map.count:,} {kind} that {run.name} was tested on, with attributes and latents")
    if any(run.report for run in site.manifest.runs):
        held.append("a report, which shows faces that a model was tested on, and paths and commands of this machine")
    return f"In this bundle: {'; '.join(held) or 'no face that a model was trained or tested on'}."


def add_networks(site: Site, networks: Mapping[str, Networks], addresses: Mapping[str, Mapping[str, str]]) -> int:
    """Put the networks among the files, in as many bits as fit in.  -> the bits of a weight of a linear layer"""
    rest = sum(map(len, site.tree().values()))
    tried: dict[int, dict[str, bytes]] = {}
    for bits in BITS:
        tried[bits] = {
            addresses[name][part]: packed(graph.SerializeToString())
            for name, each in networks.items()
            for part, graph in each.small(bits).items()
        }
        if rest + sum(map(len, tried[bits].values())) <= MOST_BYTES:
            break
    else:
        bits = USUAL_BITS
    site.files |= tried[bits]
    return bits


def differences(model: Model, graphs: Mapping[str, "ModelProto"]) -> dict[str, NDArray[np.float32]]:
    """How far images are from PyTorch's in 8-bit grey levels: generated, reconstructed and new ones."""
    random = torch.Generator().manual_seed(TorchSeed.EXPORT)
    z = torch.randn(CHECKED, model.latent_dim, generator=random)
    y = {"y": torch.rand(CHECKED, len(model.attributes), generator=random)} if model.attributes else {}
    run = {part: run_with(graph) for part, graph in graphs.items()}
    found = {}
    with of_models.evaluating(model):
        x = model.generate(z, **y)
        found["generator"] = np.abs(run["generator"]({"z": z, **y})[0] - x.numpy()) * GREY_LEVELS
        if isinstance(model, Encodes):
            expected = model.reconstruct(x, **y).numpy()
            mu = torch.from_numpy(run["encoder"]({"x": x, **y})[0])
            found["encoder"] = np.abs(run["generator"]({"z": mu, **y})[0] - expected) * GREY_LEVELS
        if model.prior is not None:
            expected = model.generate(model.prior(z), **y).numpy()
            carried = torch.from_numpy(run["prior"]({"noise": z})[0])
            found["prior"] = np.abs(run["generator"]({"z": carried, **y})[0] - expected) * GREY_LEVELS
    return found


def checked(difference: NDArray[np.float32], what: str, bits: int) -> str:
    """The difference in words.  Raises: RunError where it is beyond the bounds."""
    mean, largest = float(difference.mean()), float(difference.max())
    words = f"{mean:.2g} grey levels from PyTorch in the mean, {largest:.2g} at most"
    if not (mean <= MOST_MEAN and largest <= MOST_LARGEST):
        raise RunError(
            f"{what}, stored small, is {words}; allowed are {MOST_MEAN:g} and {MOST_LARGEST:g}, and nothing was "
            "written. Look at the weights: do samples of the run look right?"
        )
    return f"linear layers in {bits} bits, {words}"


def earlier_files(folder: Path) -> set[str]:
    """The files of an earlier bundle in a folder, by their relative addresses; none where there is nothing yet.

    Raises: RunError where the folder holds something that is not an earlier bundle.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return set()
    try:
        named = json.loads((folder / FILE_LIST).read_text(encoding="utf-8"))["files"]
        here = folder.resolve()
        return {name for name in named if (folder / name).parent.resolve().is_relative_to(here)}
    except (OSError, ValueError, TypeError, KeyError):
        raise RunError(
            f"{folder}: is there already, and is no earlier bundle. Give a new folder, or an empty one."
        ) from None


def file_list(addresses: Iterable[str]) -> bytes:
    """What a bundle says of the files that it is made of."""
    return json.dumps({"mien": __version__, "files": sorted(addresses)}, indent=0).encode()


def write_bundle(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write a bundle's files beside the folder, then move them in; what else an earlier bundle's folder holds, stays.

    A new folder appears as a whole; in an earlier bundle's, the list names old and new files before the first is moved.

    Raises: RunError where the disk takes no more, or something else has the place of a file.
    """
    earlier, beside = earlier_files(folder), None
    if others := [name for name in files if name not in earlier and os.path.lexists(folder / name)]:
        raise RunError(f"{folder / others[0]}: is there already, and is not of the earlier bundle. Move it elsewhere.")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        whole = beside / folder.name  # which has the permissions of any folder, where the one around it is private
        for address, content in files.items():
            write(whole / address, content)
        if not (folder.exists() and any(folder.iterdir())):
            if folder.exists():
                folder.rmdir()
            whole.rename(folder)
            return
        write(beside / FILE_LIST, file_list(earlier | set(files)))
        (beside / FILE_LIST).replace(folder / FILE_LIST)  # should it end half way, all of it is known
        for gone in earlier - set(files):
            (folder / gone).unlink(missing_ok=True)
            remove_if_empty((folder / gone).parent, folder)
        for address in sorted(files, key=FILE_LIST.__eq__):  # the list last
            (folder / address).parent.mkdir(parents=True, exist_ok=True)
            (whole / address).replace(folder / address)
    except OSError as error:
        raise RunError(f"{folder}: could not be written ({error}). Make room, or give another folder.") from error
    finally:
        if beside is not None:
            shutil.rmtree(beside, ignore_errors=True)


def write(path: Path, content: bytes) -> None:
    """Write a file, and make the folders that it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def remove_if_empty(path: Path, top: Path) -> None:
    """Remove a folder that holds nothing any more, and so those above it, up to another one."""
    with contextlib.suppress(OSError):  # one that holds something
        while path != top:
            path.rmdir()
            path = path.parent


def parts_of(files: Mapping[str, bytes], words: Mapping[str, str]) -> list[Part]:
    """The files of a bundle by what they are: a network, a run's other files, the report, the runtime, the page."""
    sizes: dict[str, int] = {}
    for address, content in files.items():
        first, *rest = address.split("/")
        if address in words:
            name = address
        elif first == "runs":
            name = f"{first}/{rest[0]}/{rest[1]}"
        elif first == "vendor":
            name = f"{first}/{rest[0]}"
        else:
            name = first if first.startswith("report") else "page"
        sizes[name] = sizes.get(name, 0) + len(content)
    return [Part(name, sizes[name], words.get(name, "")) for name in sorted(sizes, key=sizes.__getitem__, reverse=True)]
