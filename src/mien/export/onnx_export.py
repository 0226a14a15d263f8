"""A trained model as ONNX files: the generator, and beside it the encoder and the learned prior where there are such.

Inputs and outputs, float32, any number N of images: the generator takes `z` [N,Z] and, where it is conditional, `y`
[N,A] in [0, 1], and gives `x` [N,3,S,S] in [-1, 1]; the encoder takes `x` and gives `mu` and `logvar` [N,Z]; the prior
takes `noise` [N,Z] from N(0, I) and gives `z`.
"""

import copy
import json
import logging
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mien.errors import RecipeError, RunError, in_one_line
from mien.export.metadata import metadata, open_source
from mien.export.onnx_bounds import LARGEST, MOST_USES, read_description
from mien.export.runtime import CHUNK, KEY, SUFFIX, bounded_network, file_beside, open_session
from mien.faces.pixel_range import GREY_LEVELS
from mien.files.validation import checked
from mien.files.writing import replacing
from mien.models.base import Encodes, Model
from mien.pictures import of_models
from mien.runs.records import ExportedFacts
from mien.seeds import TorchSeed

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

BATCHES = (1, 2, 7)  # that a file is checked with
MOST_GREY_LEVELS = 0.1  # that an image may differ by from PyTorch's: far less than what rounding to 8 bits does
MOST_OF_A_LATENT = 1e-3  # that a latent may differ by, in parts of the largest one, or of 1
Outputs = list[NDArray[np.float32]]


class Generates(nn.Module):
    """A model's way from latents to images, as a module of its own."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Images.  [N,Z], [N,A] -> [N,3,S,S]"""
        return self.model.generate(z, y)


class EncodesImages(nn.Module):
    """A model's way from images to latents, as a module of its own."""

    def __init__(self, model: Encodes) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log-variance.  [N,3,S,S], [N,A] -> [N,Z] x 2"""
        return self.model.encode(x, y)


@dataclass(frozen=True)
class Written:
    """A file that was written: its size in bytes, and the largest difference from PyTorch on so many random inputs."""

    path: Path
    size: int
    difference: float
    unit: str  # 'grey_levels', or 'latents': units of the latents, whose prior has a standard deviation of 1
    inputs: int = sum(BATCHES)


def export_onnx(run: Path, file: Path) -> list[Written]:
    """Write a trained run as ONNX, after a check against PyTorch on random inputs; nothing is written unless it passes.

    run: a run's folder, or a file of weights.

    Raises: RunError where there is no trained run, a check fails, or a file cannot be written; RecipeError where the
        file's name does not end in .onnx, or the packages for it are not installed.
    """
    if file.suffix != SUFFIX:
        raise RecipeError(f"--to onnx {file}: the name of an ONNX file ends in {SUFFIX}. Give {file.name}{SUFFIX}.")
    require_packages()
    source = open_source(run)
    model = on_cpu(source.trained.model)
    contents, written = {}, []
    for part, graph in graphs_of(model).items():
        check, unit, most = CHECKS[part]
        path, difference = file if part == "generator" else file_beside(file, part), check(model, run_with(graph))
        if not difference <= most:
            raise RunError(
                f"{run}: the {part} as ONNX differs by {difference:.3g} {unit.replace('_', ' ')} from PyTorch, more "
                f"than {most:g}; nothing was written. Look at the weights: do samples of the run look right?"
            )
        content = metadata(source, part, {unit: difference})
        graph.metadata_props.add(key=KEY, value=json.dumps(content))
        contents[path] = graph.SerializeToString()
        require_opens(run, contents[path], checked(ExportedFacts, content))
        written.append(Written(path, len(contents[path]), difference, unit))
    write_together(contents)
    return written


def require_opens(run: Path, content: bytes, facts: ExportedFacts) -> None:
    """Check that a file can be opened again, and used for as many images as are run at a time.  Raises: RunError."""
    try:
        network = bounded_network(read_description(memoryview(content)), facts)
        network.require_affordable(min(CHUNK, network.most_images()))
    except ValueError as error:
        raise RunError(
            f"{run}: the {facts.part} as ONNX could not be opened again ({in_one_line(error)}); nothing was written. "
            "Change the model's layers, or use the run itself."
        ) from error


def require_packages() -> None:
    """Raises: RecipeError where a package that the export needs is not installed."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise RecipeError(
            f"--to: {error.name} is not installed, which the export needs: pip install 'mien[export]'"
        ) from error


def on_cpu(model: Model) -> Model:
    """A copy of a model to be traced: on the CPU, in eval mode.

    Raises: RecipeError where it is too large for one ONNX file.
    """
    size = 4 * sum(parameter.numel() for parameter in model.parameters())
    if size >= LARGEST:
        raise RecipeError(
            f"--to onnx: the model has {size / 2**30:.1f} GiB of weights; an ONNX file holds less than "
            f"{LARGEST / 2**30:.0f} GiB. Export one of a smaller model.width or model.latent_dim."
        )
    return copy.deepcopy(model).cpu().eval()


def graphs_of(model: Model) -> dict[str, "ModelProto"]:
    """Every network that a model is used by: 'generator', and 'encoder' and 'prior' where it has them."""
    graphs = {"generator": generator_graph(model)}
    if isinstance(model, Encodes):
        graphs["encoder"] = encoder_graph(model)
    if model.prior is not None:
        graphs["prior"] = prior_graph(model)
    return graphs


def generator_graph(model: Model) -> "ModelProto":
    """Latents, and attributes where the model is conditional, to images."""
    z = torch.zeros(2, model.latent_dim)
    inputs = {"z": z, "y": torch.zeros(2, len(model.attributes))} if model.attributes else {"z": z}
    return traced(Generates(model), inputs, ["x"])


def encoder_graph(model: Encodes) -> "ModelProto":
    """Images, and attributes where the model is conditional, to the means and log-variances of latents."""
    x = torch.zeros(2, 3, model.image_size, model.image_size)
    inputs = {"x": x, "y": torch.zeros(2, len(model.attributes))} if model.attributes else {"x": x}
    return traced(EncodesImages(model), inputs, ["mu", "logvar"])


def prior_graph(model: Model) -> "ModelProto":
    """Noise from N(0, I) to latents, by the prior that a model has learnt."""
    assert model.prior is not None
    return traced(model.prior, {"noise": torch.zeros(2, model.latent_dim)}, ["z"])


def traced(module: nn.Module, inputs: Mapping[str, Tensor], outputs: Sequence[str]) -> "ModelProto":
    """A module as an ONNX model with a free number of images, and nothing in it about this machine.

    Raises: RecipeError where it can only be traced for a fixed number of images, or has what ONNX has not.
    """
    with quiet(), torch.no_grad():
        exported = exported_program(module.eval(), tuple(inputs.values()))
        try:
            program = torch.onnx.export(
                exported,
                input_names=list(inputs),
                output_names=list(outputs),
                dynamo=True,
                external_data=False,
                verbose=False,
            )
        except Exception as error:  # PyTorch's errors of conversion have no base of their own
            cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
            raise RecipeError(f"PyTorch cannot write the model as ONNX: {in_one_line(cause)}") from error
    assert program is not None
    model: ModelProto = program.model_proto
    graph = model.graph
    name_images(graph)
    spread_uses(graph)
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del part.metadata_props[:]  # stack traces, with paths of this machine
    return model


def name_images(graph: "GraphProto") -> None:
    """Call the free number of images N, for which PyTorch has a name of its own."""
    found = graph.input[0].type.tensor_type.shape.dim[0].dim_param
    for value in (*graph.input, *graph.output, *graph.value_info):
        for side in value.type.tensor_type.shape.dim:
            if side.dim_param == found:
                side.dim_param = "N"


def spread_uses(graph: "GraphProto") -> None:
    """Copy weights that more steps use than a reader allows: the exporter has made one of several that are equal."""
    uses: Counter[str] = Counter()
    kept = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name not in kept:
                continue
            copy, uses[name] = uses[name] // MOST_USES, uses[name] + 1
            if copy:
                node.input[place] = f"{name}/{copy}"
                if uses[name] % MOST_USES == 1:
                    graph.initializer.add().CopyFrom(kept[name])
                    graph.initializer[-1].name = node.input[place]


def exported_program(module: nn.Module, inputs: tuple[Tensor, ...]) -> torch.export.ExportedProgram:
    """A module as PyTorch traces it: by running it, or by reading its code where it asks for len() of a tensor.

    Raises: RecipeError where neither leaves the number of images free.
    """
    shapes = tuple({0: torch.export.Dim("N")} for _ in inputs)
    for strict in (False, True):
        try:
            return torch.export.export(module, inputs, dynamic_shapes=shapes, strict=strict)
        except Exception as error:  # PyTorch's errors of tracing have no base of their own
            reason = error
    raise RecipeError(
        f"the model cannot be written for a free number of images ({in_one_line(reason)}). In its generate and encode, "
        "ask a tensor for shape[0], and let nothing depend on what is in it."
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Hide the exporter's messages about packages that are not needed and its own deprecations."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def run_with(graph: "ModelProto") -> Callable[[Mapping[str, Tensor]], Outputs]:
    """A function that runs an ONNX model on named inputs."""
    session = open_session(graph.SerializeToString())
    return lambda inputs: session.run(None, {name: tensor.numpy() for name, tensor in inputs.items()})


def random_inputs(model: Model) -> Iterator[dict[str, Tensor]]:
    """Latents, and attributes where the model is conditional, of several batch sizes; the same each time."""
    random = torch.Generator().manual_seed(TorchSeed.EXPORT)
    for count in BATCHES:
        z = torch.randn(count, model.latent_dim, generator=random)
        y = torch.rand(count, len(model.attributes), generator=random)
        yield {"z": z, "y": y} if model.attributes else {"z": z}


def check_generator(model: Model, run: Callable[[Mapping[str, Tensor]], Outputs]) -> float:
    """The largest difference of an image from PyTorch's, in 8-bit grey levels."""
    largest = 0.0
    with of_models.evaluating(model):
        for inputs in random_inputs(model):
            difference = model.generate(**inputs).numpy() - run(inputs)[0]
            largest = np.maximum(largest, np.abs(difference).max() * GREY_LEVELS)  # keeps what is not a number
    return float(largest)


def check_encoder(model: Encodes, run: Callable[[Mapping[str, Tensor]], Outputs]) -> float:
    """The largest difference of a latent from PyTorch's, in parts of the largest mean or log-variance, or of 1."""
    largest = 0.0
    with of_models.evaluating(model):
        for inputs in random_inputs(model):
            images = {"x": model.generate(**inputs)} | {name: inputs[name] for name in inputs if name == "y"}
            for expected, given in zip(model.encode(**images), run(images), strict=True):
                largest = np.maximum(largest, in_parts(expected, given))
    return float(largest)


def check_prior(model: Model, run: Callable[[Mapping[str, Tensor]], Outputs]) -> float:
    """The largest difference of a latent from PyTorch's, in parts of the largest one, or of 1."""
    largest = 0.0
    assert model.prior is not None
    with of_models.evaluating(model):
        for inputs in random_inputs(model):
            largest = np.maximum(largest, in_parts(model.prior(inputs["z"]), run({"noise": inputs["z"]})[0]))
    return float(largest)


def in_parts(expected: Tensor, given: NDArray[np.float32]) -> float:
    """The largest difference of two arrays, in parts of the largest number that is expected, or of 1."""
    return float(np.abs(expected.numpy() - given).max() / max(1.0, float(expected.abs().max())))


CHECKS: dict[str, tuple[Callable[[Any, Callable[[Mapping[str, Tensor]], Outputs]], float], str, float]] = {
    "generator": (check_generator, "grey_levels", MOST_GREY_LEVELS),
    "encoder": (check_encoder, "latents", MOST_OF_A_LATENT),
    "prior": (check_prior, "latents", MOST_OF_A_LATENT),
}  # of each network: how far it is from PyTorch, in which unit, and by how much it may be


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Write files whole, all or none.  Raises: RunError where the file cannot be written."""
    try:
        with replacing(*contents, shared=True) as places:
            for place, content in zip(places, contents.values(), strict=True):
                place.write_bytes(content)
    except OSError as error:
        raise RunError(
            f"{', '.join(map(str, contents))}: could not be written ({error}). Give a folder that exists and has room."
        ) from error
