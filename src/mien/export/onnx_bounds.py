"""Bounds on the cost of an ONNX file, checked before ONNX Runtime opens it: a file may come from a stranger.

An ONNX file is a program. One of a few hundred bytes can ask for terabytes, or never end, and runtimes compute part of
it as they open it. So its description is read first, without its weights, and the package onnx infers the shape that
each step gives, one step after the other. A network may have any of ONNX's steps whose cost follows from these shapes.
Bounded are the numbers that they give and their multiplications; loops, functions and other files are refused.

Source: onnx.proto of ONNX 1.19; the shape inference of the package onnx.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mien.errors import RecipeError, in_one_line, shown
from mien.files.reading import LARGEST_SIDE

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto, TypeProto

LARGEST = 2**31  # bytes of an ONNX file, which is one protocol buffer
WIDEST = 4096  # channels of the layer nearest to the image that a recipe may ask for
LARGEST_MAP = WIDEST * (LARGEST_SIDE // 2) ** 2  # numbers that one step may give for an image
MOST_COMPUTED = 16 * LARGEST_MAP  # numbers that all steps together may give, for all images of a run: a gibibyte
MOST_NODES = 2_000
MOST_FIELDS = 100_000  # of the description
MOST_DESCRIPTION = 2**25  # bytes that are no weights: 200,000 combinations of 40 attributes are among them
MOST_DEPTH = 12  # of messages in messages
MOST_PRODUCTS = 2**34  # multiplications of an image that need no weights, as attention does
MOST_USES = 48  # of one tensor of weights: more are a loop that was written out
SMALL = 512  # bytes of a tensor that may decide a shape; larger ones are weights, and stay where they are
MOST_KNOWN = SMALL // 8  # numbers of a value that is computed here, as it may decide a shape
LEFT_OUT = b"bytes left out: "
VERSIONS = range(13, 26)  # of the operators
SIZES = {1: 4, 2: 1, 3: 1, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 16: 2}  # bytes of a number of each type, by onnx's numbers
FLOAT32 = 1
WRITTEN_AS = {1: 1, 2: 5, 9: 2, 11: 2, 12: 2}  # type of a field -> how it is written; whole numbers: 0

Shape = tuple[int, ...]
Shapes = dict[str, Shape]


def read_description(content: memoryview) -> "ModelProto":
    """An ONNX file without its weights: of each, raw_data holds the number of its bytes, as text.

    Raises: ValueError for a file that is not ONNX, or whose description has too many bytes or fields; RecipeError where
    the package onnx is not installed.
    """
    try:
        from onnx import ModelProto
    except ImportError as error:
        raise RecipeError("onnx, which checks an ONNX file, is not installed: pip install 'mien[export]'") from error
    found = without_weights(content, ModelProto.DESCRIPTOR, Allowance())
    model = ModelProto()
    try:
        model.ParseFromString(found)
    except Exception as error:  # google.protobuf.message.DecodeError, whose module is not to be relied on
        raise ValueError(f"damaged, or no ONNX at all ({in_one_line(error)})") from error
    return model


@dataclass
class Allowance:
    """The fields and bytes that a description may still have."""

    fields: int = MOST_FIELDS
    bytes: int = MOST_DESCRIPTION

    def take(self, count: int) -> None:
        """Read a field, and keep so many bytes of it.  Raises: ValueError where there are too many."""
        self.fields -= 1
        self.bytes -= count
        if self.fields < 0:
            raise ValueError(f"it has more than {MOST_FIELDS:,} fields")
        if self.bytes < 0:
            raise ValueError(f"it has more than {MOST_DESCRIPTION:,} bytes besides weights")


def without_weights(message: memoryview, descriptor: Any, left: Allowance, depth: int = 0) -> bytes:
    """A message as it is written, but for the raw data of large tensors, of which only the number of bytes is left.

    Raises: ValueError for one that is damaged, too deep or too large, or has twice what stands once.
    """
    if depth > MOST_DEPTH:
        raise ValueError("it is deeper than any export")
    kept, seen, at = bytearray(), set(), 0
    while at < len(message):
        start = at
        tag, at = varint(message, at)
        known, kind = descriptor.fields_by_number.get(tag >> 3), tag & 7
        if known is None:
            raise ValueError(f"it holds something (field {tag >> 3}) that ONNX does not know, or is no ONNX at all")
        if known.number in seen and not known.is_repeated:
            raise ValueError(f"{known.name} stands twice where it stands once")
        seen.add(known.number)
        length, at = varint(message, at) if kind in (0, 2) else ({1: 8, 5: 4}.get(kind, len(message)), at)
        end = at if kind == 0 else at + length
        packed = kind == 2 and known.is_repeated and length <= SMALL  # numbers, one behind the other
        if end > len(message) or not (packed or kind == WRITTEN_AS.get(known.type, 0)):
            raise ValueError("cut short, damaged, or no ONNX at all")
        value = message[at:end]
        if known.message_type is not None:
            left.take(0)
            value = memoryview(without_weights(value, known.message_type, left, depth + 1))
            kept += varint_of(tag) + varint_of(len(value)) + value
        elif known.name == "raw_data" and length > SMALL:
            left.take(0)
            text = LEFT_OUT + str(length).encode()
            kept += varint_of(tag) + varint_of(len(text)) + text
        else:
            left.take(end - start)
            kept += message[start:end]
        at = end
    return bytes(kept)


def varint(message: memoryview, at: int) -> tuple[int, int]:
    """A whole number below 2^64 at a place, and where the next thing begins.  Raises: ValueError."""
    value = 0
    for place, byte in enumerate(message[at : at + 10]):
        value |= (byte & 127) << 7 * place
        if byte < 128 and value < 2**64:
            return value, at + place + 1
    raise ValueError("cut short, or no ONNX at all")


def varint_of(value: int) -> bytes:
    """A whole number as protocol buffers write it."""
    written = bytearray()
    while value > 127:
        written.append(value & 127 | 128)
        value >>= 7
    return bytes([*written, value])


@dataclass(frozen=True)
class Network:
    """A network that takes and gives this, of which each run's memory and time are bounded.

    takes, gives: inputs and outputs, with the shape of one image.

    Raises: ValueError where it takes or gives something else, or costs too much for one image or for two.
    """

    model: "ModelProto"
    takes: Mapping[str, Shape]
    gives: Mapping[str, Shape]
    computed: dict[int, int] = field(default_factory=dict)  # numbers that its steps give, by the number of images

    def __post_init__(self) -> None:
        require_plain(self.model)
        require_inputs(self.model, self.takes)
        if (found := [value.name for value in self.model.graph.output]) != list(self.gives):
            raise ValueError(f"it gives {shown(found)}, not {shown(list(self.gives))}")
        self.require_affordable(1)
        self.require_affordable(2)

    def most_images(self) -> int:
        """How many may be given to it at a time."""
        return max(1, MOST_COMPUTED // max(self.computed[1], self.computed[2] - self.computed[1], 1))

    def require_affordable(self, count: int) -> None:
        """Check that so many images cost no more memory and time than a model with these weights needs.

        Shapes can be computed from the number of images, so each number that is run is looked at, once.
        Weights are used at every place of an image at the most, so that a small file cannot ask for much.

        Raises: ValueError where not.
        """
        if count in self.computed:
            return
        stored = sum(math.prod(tensor.dims) for tensor in self.model.graph.initializer)
        image = max(map(math.prod, (*self.takes.values(), *self.gives.values())))
        computed, products, most = 0, 0, count * (MOST_PRODUCTS + image * stored)
        most_computed = max(MOST_COMPUTED, 2 * self.computed.get(1, 0))  # a network of large maps is run image by image
        for node, given, shapes, sizes in steps(self.model, self.takes, self.gives, count):
            computed += sum(sizes)
            work, workspace = COSTS[node.op_type](node, given, shapes)
            products += work
            if max(*sizes, 0) > count * LARGEST_MAP or max(computed, workspace) > most_computed:
                raise ValueError(
                    f"its step {node.op_type[:40]!r} needs {max(*sizes, workspace):,} numbers for {count} image(s), "
                    f"all to there {computed:,}; a step may give {LARGEST_MAP:,}, all may give {MOST_COMPUTED:,}"
                )
            if products > most:
                raise ValueError(
                    f"with its step {node.op_type[:40]!r} it multiplies {products:,} times for {count} image(s), more "
                    f"than {most:,}"
                )
        self.computed[count] = computed


def require_plain(model: "ModelProto") -> None:
    """Check that a model consists of ONNX's own steps, each of known cost.  Raises: ValueError for anything else."""
    graph = model.graph
    versions = [(entry.version, entry.domain) for entry in model.opset_import]
    if len(versions) != 1 or versions[0][0] not in VERSIONS or versions[0][1]:
        raise ValueError(f"its operators are those of {shown(versions)}; one version of {VERSIONS} is read")
    if model.functions or model.training_info or graph.sparse_initializer or graph.quantization_annotation:
        raise ValueError("it has functions, training or sparse weights, which are not read")
    if len(graph.node) > MOST_NODES:
        raise ValueError(f"its network has {len(graph.node):,} steps, more than {MOST_NODES:,}")
    weights = {tensor.name for tensor in graph.initializer if stored_bytes(tensor)}
    uses = Counter(name for node in graph.node for name in node.input if name in weights)
    for name, times in uses.most_common(1):
        if times > MOST_USES:
            raise ValueError(f"it uses its weights {name[:40]!r} {times} times, more than {MOST_USES}")
    taken = {name for node in graph.node for name in node.input} | {value.name for value in graph.output}
    for node in graph.node:
        require_plain_step(node)
        if taken.isdisjoint(node.output):
            raise ValueError(f"its step {node.op_type[:40]!r} gives what no other step takes")


def require_plain_step(node: "NodeProto") -> None:
    """Check that a step has a known cost, and contains no network.  Raises: ValueError where not."""
    step = f"its step {node.op_type[:40]!r}"
    if node.domain or node.overload:
        raise ValueError(f"{step} is of {node.domain[:40]!r}, not of ONNX")
    for attribute in node.attribute:
        if attribute.HasField("g") or attribute.graphs or attribute.HasField("sparse_tensor"):
            raise ValueError(f"{step} has a network in it, as loops and branches have, or sparse weights")
        if attribute.name == "auto_pad" and attribute.s not in (b"", b"NOTSET"):
            raise ValueError(f"{step} pads by {shown(attribute.s)}, which is not read")
        if attribute.HasField("t"):
            stored_bytes(attribute.t)
    if node.op_type not in COSTS:
        raise ValueError(f"{step} is one whose cost is not known")


def stored_bytes(tensor: "TensorProto") -> int:
    """The length of a tensor of the file, which must be as long as it says.  Raises: ValueError."""
    name, shape = tensor.name[:40], tuple(tensor.dims)
    if tensor.data_location or tensor.external_data:
        raise ValueError(f"its tensor {name!r} is said to stand in another file")
    if tensor.data_type not in SIZES or len(shape) > 8 or any(side < 1 for side in shape):
        raise ValueError(f"its tensor {name!r} is of type {tensor.data_type} and shape {shown(shape)}")
    length = len(tensor.raw_data)
    if tensor.raw_data.startswith(LEFT_OUT):
        length = int(tensor.raw_data.removeprefix(LEFT_OUT)[:20])
    if length != SIZES[tensor.data_type] * math.prod(shape):
        raise ValueError(f"its tensor {name!r} of shape {shown(shape)} is of {length:,} bytes")
    return length


def require_inputs(model: "ModelProto", takes: Mapping[str, Shape]) -> None:
    """Check that a network takes any number of such images.  Raises: ValueError where not."""
    found = {}
    for value in model.graph.input:
        first, *sides = value.type.tensor_type.shape.dim or [None]
        if first is None or value.type.tensor_type.elem_type != FLOAT32:
            raise ValueError(f"it takes {value.name[:40]!r}, which is not float32 with a shape")
        if first.HasField("dim_value"):
            raise ValueError(f"it takes {first.dim_value} images at a time, and no other number of them")
        found[value.name] = tuple(side.dim_value for side in sides)
    if found != dict(takes) or len(found) != len(model.graph.input):
        raise ValueError(f"it takes {shown(found)}, where the metadata asks for {shown(dict(takes))}")


def steps(
    model: "ModelProto", takes: Mapping[str, Shape], gives: Mapping[str, Shape], count: int
) -> "Iterator[tuple[NodeProto, list[Shape], list[Shape], list[int]]]":
    """Each step for so many images: what it takes and gives, and how many numbers of 4 bytes it gives.

    Raises: ValueError for a step that onnx refuses, or whose outputs' shapes it cannot infer.
    """
    from onnx import helper, numpy_helper

    types = {name: helper.make_tensor_type_proto(FLOAT32, (count, *shape)) for name, shape in takes.items()}
    known: dict[str, NDArray[Any]] = {}
    for tensor in model.graph.initializer:
        require_new(tensor.name, types)
        types[tensor.name] = helper.make_tensor_type_proto(tensor.data_type, tensor.dims)
        if not tensor.raw_data.startswith(LEFT_OUT):
            known[tensor.name] = numpy_helper.to_array(tensor)
    for node in model.graph.node:
        found = inferred(node, model, types, known)
        for name, value in found.items():
            require_new(name, types)
            types[name] = value
        given, results = ([shape_of(types[name]) if name else () for name in names] for names in (node.input, found))
        kinds = [value.tensor_type.elem_type for value in found.values()]
        sizes = [math.prod(shape) * -(-SIZES[kind] // 4) for shape, kind in zip(results, kinds, strict=True)]
        yield node, given, results, sizes
        known |= known_results(node, model, given, results, known)
    for name, shape in gives.items():
        if name not in types or types[name] != helper.make_tensor_type_proto(FLOAT32, (count, *shape)):
            comes = shape_of(types[name]) if name in types else "nothing"
            raise ValueError(f"{name!r} comes out as {comes}, where the metadata asks for {(count, *shape)} in float32")
    for value in (*model.graph.output, *model.graph.value_info):
        sides = value.type.tensor_type.shape.dim
        shape = shape_of(types[value.name]) if value.name in types else shape_of(value.type)
        fixed = [one.dim_value if one.HasField("dim_value") else two for one, two in zip(sides, shape, strict=False)]
        if len(sides) != len(shape) or tuple(fixed) != shape:
            raise ValueError(f"it declares {value.name[:40]!r} as {shown(tuple(fixed))}, which comes out as {shape}")


def require_new(name: str, types: "Mapping[str, TypeProto]") -> None:
    """Raises: ValueError where there is such a value already."""
    if not name or name in types:
        raise ValueError(f"it has two values of the name {name[:40]!r}, or one of none")


def inferred(
    node: "NodeProto", model: "ModelProto", types: "Mapping[str, TypeProto]", known: Mapping[str, NDArray[Any]]
) -> "dict[str, TypeProto]":
    """The types and shapes of a step's outputs, by name.  Raises: ValueError where they cannot be inferred."""
    from onnx import defs, numpy_helper, shape_inference

    step = f"its step {node.op_type[:40]!r}"
    if not any(node.output):
        raise ValueError(f"{step} gives nothing")
    if missing := [name for name in node.input if name and name not in types]:
        raise ValueError(f"{step} takes {missing[0][:40]!r}, which no step before it gives")
    sides = len(shape_of(types[node.input[0]])) if any(node.input[:1]) else 0
    for attribute in node.attribute:  # onnx looks for some of these sides where there are none, and crashes
        least = {"axis": -sides, "batch_dims": 0}.get(attribute.name, attribute.i)
        if attribute.name in ("axis", "batch_dims") and not least <= attribute.i < max(sides, 1):
            raise ValueError(f"{step} has {attribute.name} = {attribute.i}, of a tensor of {sides} sides")
    parts = [attribute.i for attribute in node.attribute if attribute.name == "num_outputs"]
    parts += [known[name].size for name in node.input[1:] if node.op_type == "Split" and name in known]
    if any(count != len(node.output) for count in parts):
        raise ValueError(f"{step} gives {len(node.output)} parts where it says {shown(parts)}")
    try:
        found = shape_inference.infer_node_outputs(
            defs.get_schema(node.op_type, model.opset_import[0].version),
            node,
            {name: types[name] for name in node.input if name},
            {name: numpy_helper.from_array(known[name], name) for name in node.input if name in known},
            opset_imports=model.opset_import,
            ir_version=min(model.ir_version, 10),
        )
    except Exception as error:  # onnx's errors have no base of their own
        raise ValueError(f"{step} does not fit: {in_one_line(error)}") from error
    for name in filter(None, node.output):
        tensor = found[name].tensor_type if name in found else None
        if tensor is None or not tensor.HasField("shape") or not all(d.HasField("dim_value") for d in tensor.shape.dim):
            raise ValueError(f"the size of the output of {step} cannot be inferred")
        if tensor.elem_type not in SIZES or any(side < 0 for side in shape_of(found[name])):
            raise ValueError(f"{step} gives something of type {tensor.elem_type} and shape {shape_of(found[name])}")
    return {name: found[name] for name in node.output if name}


def shape_of(value: "TypeProto") -> Shape:
    """The shape of a tensor's type."""
    return tuple(side.dim_value for side in value.tensor_type.shape.dim)


def known_results(
    node: "NodeProto", model: "ModelProto", given: list[Shape], results: list[Shape], known: Mapping[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    """What a step gives where it is few numbers that follow from shapes and stored ones, as they may decide a shape.

    Raises: ValueError where it cannot be computed, or a list grows that may decide a shape.
    """
    from onnx.reference import ReferenceEvaluator

    names = [name for name in node.input if name]
    if node.op_type in ("Shape", "Size"):  # of anything: a single number is spread over the shape, in no memory
        known = {names[0]: np.broadcast_to(np.float32(0), given[0])}
    if node.op_type not in COMPUTED.split() or not all(name in known for name in names):
        return {}
    if sum(map(math.prod, results)) > MOST_KNOWN:
        if node.op_type == "Concat":  # runtimes know such lists too, and would let them double with every step
            raise ValueError(
                f"its step 'Concat' makes a list of more than {MOST_KNOWN} numbers that may decide a shape"
            )
        return {}
    versions = {"": model.opset_import[0].version}
    try:
        with np.errstate(all="ignore"):
            values = ReferenceEvaluator(node, opsets=versions).run(None, {name: known[name] for name in names})
    except Exception as error:  # whatever NumPy raises
        raise ValueError(f"its step {node.op_type[:40]!r} does not fit: {in_one_line(error)}") from error
    return dict(zip(node.output, map(np.asarray, values), strict=True))


COMPUTED = """Add And Cast Ceil Concat Constant ConstantOfShape Div Equal Expand Floor Gather Greater Identity Less Max
    Min Mod Mul Neg Not Or Range ReduceProd ReduceSum Reshape Shape Size Slice Squeeze Sub Transpose Unsqueeze Where"""
PLAIN = """Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh BatchNormalization Bernoulli BitShift BitwiseAnd
    BitwiseNot BitwiseOr BitwiseXor Cast CastLike Ceil Celu Clip Concat Constant ConstantOfShape Cos Cosh CumSum
    DepthToSpace DequantizeLinear Div Dropout Elu Equal Erf Exp Expand EyeLike Flatten Floor Gather GatherElements
    GatherND Gelu GlobalAveragePool GlobalMaxPool Greater GreaterOrEqual GridSample GroupNormalization HardSigmoid
    HardSwish Hardmax Identity InstanceNormalization IsInf IsNaN LayerNormalization LeakyRelu Less LessOrEqual Log
    LogSoftmax LpNormalization Max Mean MeanVarianceNormalization Min Mish Mod Mul Neg Not Or PRelu Pad Pow
    QuantizeLinear RMSNormalization RandomNormalLike RandomUniformLike Range Reciprocal ReduceL1 ReduceL2 ReduceLogSum
    ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize Round
    ScatterElements ScatterND Selu Shape Shrink Sigmoid Sign Sin Sinh Size Slice Softmax Softplus Softsign SpaceToDepth
    Split Sqrt Squeeze Sub Sum Swish Tan Tanh ThresholdedRelu Tile TopK Transpose Trilu Unsqueeze Where Xor"""
Cost = tuple[int, int]  # multiplications, and numbers of memory beside what is given
A_FEW = 16  # operations on each number, of most steps


def cost_of_numbers(node: "NodeProto", given: list[Shape], results: list[Shape]) -> Cost:
    """A step that looks at each number a few times."""
    return A_FEW * sum(map(math.prod, given + results)), 0


def cost_of_windows(node: "NodeProto", given: list[Shape], results: list[Shape]) -> Cost:
    """A step that looks at a window around each number that it gives."""
    windows = [math.prod(map(abs, attribute.ints)) for attribute in node.attribute if attribute.name == "kernel_shape"]
    return max(A_FEW, *windows) * sum(map(math.prod, given + results)), 0


def cost_of_convolution(node: "NodeProto", given: list[Shape], results: list[Shape]) -> Cost:
    """Each number that is given meets the weights of its channel."""
    return math.prod(results[0]) * math.prod(given[1][1:]), 0


def cost_of_transposed_convolution(node: "NodeProto", given: list[Shape], results: list[Shape]) -> Cost:
    """Each number that is taken meets the weights of its channel; an image's products are held before their sum."""
    columns = math.prod(given[1][1:])
    return math.prod(given[0]) * columns, math.prod(given[0][2:]) * columns


def cost_of_matrices(node: "NodeProto", given: list[Shape], results: list[Shape]) -> Cost:
    """Each number that is given is a sum over the side that both have."""
    turned = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
    return math.prod(results[0]) * (given[0][0] if turned else given[0][-1]), 0


def cost_of_letters(node: "NodeProto", given: list[Shape], results: list[Shape]) -> Cost:
    """Einsum of up to two tensors: as often as its letters have values.  Raises: ValueError for more."""
    equation = next(attribute.s for attribute in node.attribute if attribute.name == "equation").decode()
    terms = equation.replace(" ", "").partition("->")[0].split(",")
    if len(given) > 2 or "." in equation or [len(term) for term in terms] != [len(shape) for shape in given]:
        raise ValueError(f"its step 'Einsum' ({shown(equation)}) is one whose cost is not known")
    sides = {
        letter: side for term, shape in zip(terms, given, strict=True) for letter, side in zip(term, shape, strict=True)
    }
    return math.prod(sides.values()), sum(map(math.prod, given))


def cost_of_frequencies(node: "NodeProto", given: list[Shape], results: list[Shape]) -> Cost:
    """Each number that is taken meets all those of its longest side, at the most."""
    return math.prod(given[0]) * max(map(max, (given[0], results[0]))), 4 * max(
        math.prod(given[0]), math.prod(results[0])
    )


def cost_of_recurrence(node: "NodeProto", given: list[Shape], results: list[Shape]) -> Cost:
    """Each time of a sequence meets all weights.  [T,N,C], [D,H,C], [D,H,R]"""
    times = given[0][0] * given[0][1]
    return times * (math.prod(given[1]) + math.prod(given[2])), times * math.prod(given[1][:2])


COSTS: Mapping[str, Callable[["NodeProto", list[Shape], list[Shape]], Cost]] = {
    **dict.fromkeys(PLAIN.split(), cost_of_numbers),
    **dict.fromkeys(("AveragePool", "LpPool", "MaxPool"), cost_of_windows),
    **dict.fromkeys(("Gemm", "MatMul"), cost_of_matrices),
    **dict.fromkeys(("GRU", "LSTM", "RNN"), cost_of_recurrence),
    "Conv": cost_of_convolution,
    "ConvTranspose": cost_of_transposed_convolution,
    "DFT": cost_of_frequencies,
    "Einsum": cost_of_letters,
}
