"""A model that was exported to ONNX, read with ONNX Runtime: neither PyTorch nor the recipe's checks are loaded."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mien import foreign, sampling
from mien.errors import RecipeError, RunError, shown

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

    from mien.faces.pictures import Crop

FORMAT = 1
KEY = "mien"  # of the file's metadata
SUFFIX = ".onnx"
CHUNK = 64  # images at a time, so that memory stays bounded


def encoder_file(path: Path) -> Path:
    """Where the encoder of an exported model is: faces.onnx -> faces-encoder.onnx"""
    return path.with_stem(f"{path.stem}-encoder")


@dataclass(frozen=True)
class ExportedModel:
    """A model as `mien.open_run` gives it for a file of `mien export --to onnx`; used as a TrainedModel is."""

    path: Path
    content: dict[str, Any]  # of the metadata: recipe, attributes, combinations, crop, images_seen, card ...
    generator: "InferenceSession"
    threads: int = 0

    @property
    def attributes(self) -> tuple[str, ...]:
        """Names of the attributes that can be set; empty for a model without conditions."""
        return tuple(self.content["attributes"])

    @property
    def image_size(self) -> int:
        """Side of its images, in pixels."""
        return int(self.content["recipe"]["data"]["size"])

    @property
    def latent_dim(self) -> int:
        """Numbers in a latent."""
        return int(self.content["recipe"]["model"]["latent_dim"])

    @property
    def images_seen(self) -> int:
        """Images that it was trained on, each as often as it was seen."""
        return int(self.content["images_seen"])

    @property
    def combinations(self) -> sampling.Combinations:
        """Values of the attributes, and how many training faces have them."""
        return [(list(values), int(count)) for values, count in self.content["combinations"]]

    @property
    def crop(self) -> "Crop":
        """What was kept of the training pictures, and so of any other."""
        kept: Any = self.content["crop"]
        return tuple(kept) if isinstance(kept, list) else kept

    def sample(
        self, count: int = 32, *, seed: int = 0, attributes: Mapping[str, float] | None = None
    ) -> sampling.Pictures:
        """New faces: those that the run itself gives for the seed.  -> uint8 [count,S,S,3]

        attributes: values in [0, 1] for some or all of the model's attributes; the others are drawn as they occur
        together in the training data.

        Raises: RecipeError for an attribute the model does not know, or a value out of range.
        """
        sampling.require_sample(count, seed)
        y = self.labels(count, seed=seed, attributes=attributes)
        return self.generate(sampling.latents(self.latent_dim, count, seed), y)

    def labels(
        self, count: int, *, seed: int = 0, attributes: Mapping[str, float] | None = None
    ) -> NDArray[np.float32] | None:
        """Attributes for new faces.  -> [count,A], or None for a model without conditions

        Raises: RecipeError for an attribute the model does not know, or a value out of range.
        """
        return sampling.labels(
            self.attributes, self.combinations, count, seed=seed, given=attributes or {}, model=self.name
        )

    @property
    def name(self) -> str:
        """What model it is, such as 'vae'."""
        return str(self.content["recipe"]["model"]["name"])

    def generate(self, z: NDArray[np.float32], y: NDArray[np.float32] | None = None) -> sampling.Pictures:
        """Pictures from latents, and attributes where the model is conditional.  [N,Z], [N,A] -> uint8 [N,S,S,3]"""
        pieces = []
        for start in range(0, len(z), CHUNK):
            piece = slice(start, start + CHUNK)
            given = {"z": z[piece]} if y is None else {"z": z[piece], "y": y[piece]}
            pieces.append(to_stored(self.generator.run(["x"], given)[0]))
        return np.concatenate(pieces)

    def encode(self, images: sampling.Pictures) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Mean and log-variance of each picture's latent.  uint8 [N,S,S,3] -> [N,Z] x 2

        Raises: RecipeError where the model has no encoder; RunError where its file is not there.
        """
        chunks = [to_signed(images[start : start + CHUNK]) for start in range(0, len(images), CHUNK)]
        coded = [self.encoder.run(["mu", "logvar"], {"x": x}) for x in chunks]
        return np.concatenate([mu for mu, _ in coded]), np.concatenate([logvar for _, logvar in coded])

    def reconstruct(self, images: sampling.Pictures) -> sampling.Pictures:
        """Faces through the model and back.  uint8 [N,S,S,3] -> uint8 [N,S,S,3]

        Raises: RecipeError where the model has no encoder; RunError where its file is not there.
        """
        return self.generate(self.encode(images)[0])

    @cached_property
    def encoder(self) -> "InferenceSession":
        """The encoder beside it.

        Raises: RecipeError where the model has none; RunError where its file is not there, or of another export.
        """
        if not self.content["encodes"]:
            raise RecipeError(f"a {self.name} has no encoder, so it cannot reconstruct. Use a VAE.")
        file = encoder_file(self.path)
        if not file.is_file():
            raise RunError(
                f"{file}: is not there. The encoder is a file of its own, beside {self.path.name}; copy both."
            )
        session, content = read(file, self.threads)
        if content["weights"] != self.content["weights"]:
            raise RunError(f"{file}: is the encoder of other weights than {self.path.name}. Export the run again.")
        return session


def open_exported(path: str | Path, threads: int = 0) -> ExportedModel:
    """A model that `mien export --to onnx` wrote.

    threads: that compute; 0: as many as the machine has cores.

    Raises: RunError where there is no such file, or it is not one; RecipeError where ONNX Runtime is not installed.
    """
    path = Path(path)
    session, content = read(path, threads)
    if content["part"] != "generator":
        whole = path.with_stem(path.stem.removesuffix("-encoder"))
        raise RunError(f"{path}: is only the encoder of an exported model. Give its generator, {whole.name}.")
    return ExportedModel(path, content, session, threads)


def read(path: Path, threads: int) -> "tuple[InferenceSession, dict[str, Any]]":
    """A file as ONNX Runtime opens it, and what mien wrote in its metadata.

    Raises: RunError where there is no such file, or it is not of `mien export`; RecipeError without ONNX Runtime.
    """
    if not path.is_file():
        raise RunError(f"{path}: there is no such file. `mien export RUN --to onnx {path.name}` writes one.")
    session = open_session(str(path), threads)
    try:
        text = session.get_modelmeta().custom_metadata_map.get(KEY)
        content = foreign.json_object("{}" if text is None else text)
        if content and content.get("format") == FORMAT:
            require_sound(session, content)
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path}: is damaged ({str(error)[:300]}). Export the run again.") from error
    if not content:
        raise RunError(f"{path}: is not a model of mien. Give a file that `mien export RUN --to onnx FILE` wrote.")
    if content.get("format") != FORMAT:
        raise RunError(
            f"{path}: an export of format {shown(content.get('format'))}; this version of mien reads format {FORMAT}. "
            f"It was written by mien {str(content.get('mien'))[:40]}: use that version, or export the run again."
        )
    return session, content


def require_sound(session: "InferenceSession", content: dict[str, Any]) -> None:
    """Whether the metadata is what an export writes, and the network takes and gives what it says.

    Raises: ValueError, KeyError or TypeError where not.
    """
    model = content["recipe"]["model"]
    size = foreign.count(content["recipe"]["data"]["size"], "data.size", most=foreign.LARGEST_SIDE)
    latent_dim = foreign.count(model["latent_dim"], "model.latent_dim", least=1, most=foreign.MOST_LATENTS)
    attributes = foreign.words(content["attributes"], "attributes")
    foreign.combinations(content["combinations"], len(attributes))
    foreign.crop(content["crop"])
    foreign.count(content["images_seen"], "images_seen")
    foreign.words([model["name"], content["weights"]], "the model's name and its weights")
    images = {"x": [3, size, size]}
    if content["part"] == "generator":
        takes = {"z": [latent_dim]} | ({"y": [len(attributes)]} if attributes else {})
        expected = takes, images
    else:
        expected = images, {"mu": [latent_dim], "logvar": [latent_dim]}
    for described, shapes in zip((session.get_inputs(), session.get_outputs()), expected, strict=True):
        found = {one.name: one.shape[1:] for one in described}
        if found != shapes:
            raise ValueError(f"its network has {shown(found)}, where the metadata asks for {shown(shapes)}")


def open_session(model: str | bytes, threads: int = 0) -> "InferenceSession":
    """A session of ONNX Runtime on the CPU, from a file or from its bytes.

    Raises: RunError for what is not an ONNX model; RecipeError where ONNX Runtime is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise RecipeError("ONNX Runtime is not installed: pip install 'mien[export]'") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4  # errors are raised; what it prints of them is not ours to check
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no base of their own
        reason = " ".join(str(error).split())[:200]
        where = model if isinstance(model, str) else "the model"
        raise RunError(f"{where}: is not an ONNX file that can be read ({reason}). Export the run again.") from error


def to_signed(images: sampling.Pictures) -> NDArray[np.float32]:
    """Stored pixels as networks take them.  uint8 [N,S,S,3] -> float32 [N,3,S,S] in [-1, 1]"""
    x: NDArray[np.float32] = images.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(127.5) - np.float32(1)
    return x


def to_stored(x: NDArray[np.float32]) -> sampling.Pictures:
    """Networks' pixels as they are stored.  float32 [N,3,S,S] in [-1, 1] -> uint8 [N,S,S,3]"""
    scaled = np.rint((x.clip(-1, 1) + 1) * np.float32(127.5))
    stored: sampling.Pictures = scaled.astype(np.uint8).transpose(0, 2, 3, 1)
    return stored
