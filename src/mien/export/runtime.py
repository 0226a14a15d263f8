"""A model that was exported to ONNX, read with ONNX Runtime: neither PyTorch nor recipes are loaded."""

import mmap
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mien.errors import RecipeError, RunError, in_one_line
from mien.export import onnx_bounds
from mien.faces.pixel_range import signed, to_stored
from mien.files import reading
from mien.files.validation import checked, require_format
from mien.pictures import arrays
from mien.runs.records import ExportedFacts

if TYPE_CHECKING:
    from onnx import ModelProto
    from onnxruntime import InferenceSession

    from mien.faces.source.decode import Crop

FORMAT = 1
KEY = "mien"  # of the file's metadata
SUFFIX = ".onnx"
CHUNK = 64  # images at a time


def file_beside(path: Path, part: str) -> Path:
    """Where a part of an exported model is: faces.onnx, encoder -> faces-encoder.onnx"""
    return path.with_stem(f"{path.stem}-{part}")


@dataclass(frozen=True)
class Part:
    """A file of an exported model, opened.  content, facts: of its metadata.  network: its steps, and their cost"""

    path: Path
    content: dict[str, Any]
    facts: ExportedFacts
    network: onnx_bounds.Network
    session: "InferenceSession"

    @property
    def chunk(self) -> int:
        """Images at a time, so that memory stays bounded."""
        return min(CHUNK, self.network.most_images())

    def run(self, outputs: list[str], inputs: dict[str, NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """The outputs of the network for a chunk of images or latents.  Raises: RunError where it fails, or is refused.

        A network may compute shapes from the number of images, so its cost is checked for each number.
        """
        try:
            self.network.require_affordable(len(next(iter(inputs.values()))))
            results: list[NDArray[np.float32]] = self.session.run(outputs, inputs)
        except Exception as error:  # ONNX Runtime's errors have no base of their own
            raise RunError(f"{self.path}: its network fails ({in_one_line(error)}). Export the run again.") from error
        return results


@dataclass(frozen=True)
class ExportedModel:
    """A model as `mien.open_run` gives it for a file of `mien export --to onnx`; used as a TrainedModel is."""

    path: Path
    content: dict[str, Any]  # of the metadata: recipe, attributes, combinations, crop, images_seen, card ...
    generator: Part
    name: str  # of the model, as its recipe has it
    attributes: tuple[str, ...]  # that can be set; empty for a model without conditions
    image_size: int  # side of its images, in pixels
    latent_dim: int
    images_seen: int  # in training, each as often as it was seen
    combinations: arrays.Combinations
    crop: "Crop"  # the part kept of each training picture, and so of others
    threads: int = 0

    def sample(
        self, count: int = 32, *, seed: int = 0, attributes: Mapping[str, float] | None = None
    ) -> arrays.Pictures:
        """New faces: those that the run itself gives for the seed.  -> uint8 [count,S,S,3]

        attributes: values in [0, 1] for some or all of the model's attributes; the others are drawn as they occur
        together in the training data.

        Raises: RecipeError for an attribute the model does not know, or a value out of range.
        """
        arrays.require_sample(count, seed)
        y = self.labels(count, seed=seed, attributes=attributes)
        return self.generate(self.latents(count, seed), y)

    def latents(self, count: int, seed: int) -> NDArray[np.float32]:
        """Latents of new faces: from N(0, I), or carried from there by the model's prior.  -> [count,Z]"""
        noise = arrays.latents(self.latent_dim, count, seed)
        if not self.generator.facts.prior:
            return noise
        prior = self.prior
        starts = range(0, count, prior.chunk)
        return np.concatenate([prior.run(["z"], {"noise": noise[at : at + prior.chunk]})[0] for at in starts])

    def labels(
        self, count: int, *, seed: int = 0, attributes: Mapping[str, float] | None = None
    ) -> NDArray[np.float32] | None:
        """Attributes for new faces.  -> [count,A], or None for a model without conditions

        Raises: RecipeError for an attribute the model does not know, or a value out of range.
        """
        return arrays.labels(
            self.attributes, self.combinations, count, seed=seed, given=attributes or {}, model=self.name
        )

    def generate(self, z: NDArray[np.float32], y: NDArray[np.float32] | None = None) -> arrays.Pictures:
        """Pictures from latents, and attributes where the model is conditional.  [N,Z], [N,A] -> uint8 [N,S,S,3]

        Raises: DataError for arrays of other shapes, or without the attributes.
        """
        arrays.require_rows("latents", z, self.latent_dim)
        if self.attributes:
            arrays.require_rows("attributes", y, len(self.attributes), len(z))
        pieces = []
        for start in range(0, len(z), self.generator.chunk):
            piece = slice(start, start + self.generator.chunk)
            given = {"z": z[piece]} if y is None else {"z": z[piece], "y": y[piece]}
            pieces.append(to_stored(self.generator.run(["x"], given)[0]))
        return np.concatenate(pieces)

    def encode(
        self, images: arrays.Pictures, y: NDArray[np.float32] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Mean and log-variance of each picture's latent.  uint8 [N,S,S,3], [N,A] -> [N,Z] x 2

        y: attributes of the pictures, where the model is conditional; left out, none is known (0.5 each).

        Raises: RecipeError where the model has no encoder; RunError where its file is not there; DataError for other
        arrays.
        """
        arrays.require_pictures(images, self.image_size)
        encoder, coded = self.encoder, []
        labels = self.known(len(images), y)
        for start in range(0, len(images), encoder.chunk):
            piece = slice(start, start + encoder.chunk)
            given = {"x": signed(images[piece])} | ({} if labels is None else {"y": labels[piece]})
            coded.append(encoder.run(["mu", "logvar"], given))
        return np.concatenate([mu for mu, _ in coded]), np.concatenate([logvar for _, logvar in coded])

    def known(self, count: int, y: NDArray[np.float32] | None) -> NDArray[np.float32] | None:
        """Attributes of pictures for the encoder; 0.5 where unknown.  -> [count,A], or None where it takes none"""
        known = arrays.labels_of_pictures(self.attributes, count, {}) if y is None else y
        if known is not None and self.attributes:
            arrays.require_rows("attributes", known, len(self.attributes), count)
        return known if self.attributes else None

    def reconstruct(self, images: arrays.Pictures, y: NDArray[np.float32] | None = None) -> arrays.Pictures:
        """Faces through the model and back.  uint8 [N,S,S,3], [N,A] -> uint8 [N,S,S,3]

        Raises: as `encode`.
        """
        return self.generate(self.encode(images, y)[0], self.known(len(images), y))

    @cached_property
    def encoder(self) -> Part:
        """The encoder, from the file beside the generator's.

        Raises: RecipeError where the model has no encoder; RunError where its file is missing or of another export.
        """
        if not self.generator.facts.encodes:
            raise RecipeError(
                f"{self.path}: its model ({self.name}) has no encoder, so it cannot take a picture. "
                "Give the export of a model with one."
            )
        return self._beside("encoder")

    @cached_property
    def prior(self) -> Part:
        """The learned prior, from the file beside the generator's.    Raises: RunError, as `encoder`."""
        return self._beside("prior")

    def _beside(self, name: str) -> Part:
        file = file_beside(self.path, name)
        if not file.is_file():
            raise RunError(
                f"{file}: is not there. The {name} is a file of its own, beside {self.path.name}; copy both."
            )
        part = read(file, self.threads)
        if part.facts.weights != self.generator.facts.weights:
            raise RunError(f"{file}: is the {name} of other weights than {self.path.name}. Export the run again.")
        return part


def open_exported(path: str | Path, threads: int = 0) -> ExportedModel:
    """A model that `mien export --to onnx` wrote.

    threads: that compute; 0: as many as the machine has cores.

    Raises: RunError where there is no such file, or it is not one; RecipeError where ONNX Runtime is not installed.
    """
    path = Path(path)
    part = read(path, threads)
    facts = part.facts
    if facts.part != "generator":
        whole = path.with_stem(path.stem.removesuffix(f"-{facts.part}"))
        raise RunError(f"{path}: is only the {facts.part} of an exported model. Give its generator, {whole.name}.")
    return ExportedModel(
        path,
        part.content,
        part,
        facts.name,
        tuple(facts.attributes),
        facts.size,
        facts.latent_dim,
        facts.images_seen,
        facts.combinations,
        facts.crop,
        threads,
    )


def read(path: Path, threads: int) -> Part:
    """A file of an exported model, opened by ONNX Runtime after a check of its cost and its metadata.

    Raises: RunError where there is no such file, or `mien export` did not write it; RecipeError without ONNX Runtime.
    """
    if not path.is_file():
        raise RunError(f"{path}: there is no such file. `mien export RUN --to onnx {path.name}` writes one.")
    try:
        model = onnx_bounds.read_description(mapped(path))
        text = next((entry.value for entry in model.metadata_props if entry.key == KEY), "{}")
    except (OSError, ValueError) as error:
        raise RunError(
            f"{path}: is not an ONNX file that can be read ({in_one_line(error)}). Export the run again."
        ) from error
    try:
        content = reading.json_object(text)
        if not content:
            raise RunError(f"{path}: is not a model of mien. Give a file that `mien export RUN --to onnx FILE` wrote.")
        instead = f"Use mien {str(content.get('mien'))[:40]}, which wrote it, or export the run again."
        require_format(path, "an export", content.get("format"), FORMAT, instead)
        facts = checked(ExportedFacts, content)
        network = bounded_network(model, facts)
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"{path}: is refused, or not as mien wrote it: {in_one_line(error)}. Export the run again."
        ) from error
    return Part(path, content, facts, network, open_session(str(path), threads))


def mapped(path: Path) -> memoryview:
    """A file's bytes, mapped, so that only the pages that are used are read.

    Raises: OSError; ValueError for a file that is empty, or larger than an ONNX file can be.
    """
    with path.open("rb") as file:
        if path.stat().st_size >= onnx_bounds.LARGEST:
            raise ValueError(f"{path.stat().st_size:,} bytes, more than an ONNX file can have")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def bounded_network(model: "ModelProto", facts: ExportedFacts) -> onnx_bounds.Network:
    """The network of a file, with the inputs and outputs that its metadata says.

    Raises: ValueError where it has others, or costs too much.
    """
    images: dict[str, tuple[int, ...]] = {"x": (3, facts.size, facts.size)}
    labels: dict[str, tuple[int, ...]] = {"y": (len(facts.attributes),)} if facts.attributes else {}
    if facts.part == "generator":
        return onnx_bounds.Network(model, takes={"z": (facts.latent_dim,), **labels}, gives=images)
    if facts.part == "prior":
        return onnx_bounds.Network(model, takes={"noise": (facts.latent_dim,)}, gives={"z": (facts.latent_dim,)})
    coded = {"mu": (facts.latent_dim,), "logvar": (facts.latent_dim,)}
    return onnx_bounds.Network(model, takes=images | labels, gives=coded)


def open_session(model: str | bytes, threads: int = 0) -> "InferenceSession":
    """A session of ONNX Runtime on the CPU, from a file or from its bytes.

    Raises: RunError for bytes that are not an ONNX model; RecipeError where ONNX Runtime is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise RecipeError("ONNX Runtime is not installed: pip install 'mien[export]'") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4  # errors are raised, so they need not be printed too
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no base of their own
        where = model if isinstance(model, str) else "the model"
        raise RunError(
            f"{where}: is not an ONNX file that can be read ({in_one_line(error)}). Export the run again."
        ) from error
