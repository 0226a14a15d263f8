"""Bounds on the cost of an ONNX file, checked before ONNX Runtime opens it: a file may come from a stranger.

An ONNX file is a program. One of a few hundred bytes can ask for terabytes, or never end, and runtimes compute part of
it as they open it. So its description is read first, without its weights, and the package onnx says which shape every
step gives. A network may have any of ONNX's steps. Bounded are the numbers that they give and their multiplications;
loops, other files and operators that are not ONNX's are refused.

Source: onnx.proto of ONNX 1.19; the shape inference of the package onnx.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from mien.errors import RecipeError, in_one_line, shown
from mien.files.reading import LARGEST_SIDE

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

LARGEST = 2**31  # bytes of an ONNX file, which is one protocol buffer
WIDEST = 4096  # channels of the layer nearest to the image that a recipe may ask for
LARGEST_MAP = WIDEST * (LARGEST_SIDE // 2) ** 2  # numbers that one step may give for an image
MOST_COMPUTED = 16 * LARGEST_MAP  # numbers that all steps may give for an image: each further map is half as large
MOST_NODES = 2_000
MOST_FIELDS = 100_000  # of the description
MOST_DESCRIPTION = 2**25  # bytes that are no weights: 200,000 combinations of 40 attributes are among them
MOST_DEPTH = 12  # of messages in messages
MOST_PRODUCTS = 2**34  # multiplications of an image that need no weights, as attention does
MOST_USES = 48  # of one tensor of weights: more are a loop that was written out
SMALL = 512  # bytes of a tensor that may decide a shape; larger ones are weights, and stay where they are
LEFT_OUT = b"bytes left out: "
VERSIONS = range(13, 26)  # of the operators
SIZES = {1: 4, 2: 1, 3: 1, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 16: 2}  # bytes of a number of each type, by onnx's numbers
FLOAT32 = 1

Shape = tuple[int, ...]  # of one image: without the number of images, which comes first
Values = dict[str, Shape]


def read_description(content: memoryview) -> "ModelProto":
    """An ONNX file without its weights: of each, raw_data holds the number of its bytes, as text.

    Raises: ValueError for a file that is not ONNX, or whose description has too many bytes or fields; RecipeError where
    the package onnx is not installed.
    """
    try:
        from onnx import ModelProto
    except ImportError as error:
        raise RecipeError("an ONNX file is read by the package onnx: pip install 'mien[export]'") from error
    found = without_weights(content, ModelProto.DESCRIPTOR, iter(range(MOST_FIELDS)))
    if len(found) > MOST_DESCRIPTION:
        raise ValueError(f"it has {len(found):,} bytes besides weights, more than {MOST_DESCRIPTION:,}")
    model = ModelProto()
    try:
        model.ParseFromString(found)
    except Exception as error:  # google.protobuf.message.DecodeError, whose module is not to be relied on
        raise ValueError(f"damaged, or no ONNX at all ({in_one_line(error)})") from error
    return model


def without_weights(message: memoryview, descriptor: Any, left: Iterator[int], depth: int = 0) -> bytes:
    """A message as it is written, but for the raw data of large tensors, of which only the number of bytes is left.

    Raises: ValueError for one that is damaged, too deep, of too many fields, or has twice what stands once.
    """
    if depth > MOST_DEPTH:
        raise ValueError("it is deeper than any export")
    kept, seen = bytearray(), set()
    for number, tag, value, start, end in fields(message, left):
        field = descriptor.fields_by_number.get(number)
        if field is None:
            raise ValueError(f"it holds something (field {number}) that ONNX does not know")
        if not field.is_repeated:
            if number in seen:
                raise ValueError(f"{field.name} stands twice where it stands once")
            seen.add(number)
        if value is None:
            kept += message[start:end]
            continue
        if field.message_type is not None:
            value = memoryview(without_weights(value, field.message_type, left, depth + 1))
        elif field.name == "raw_data" and len(value) > SMALL:
            value = memoryview(LEFT_OUT + str(len(value)).encode())
        kept += tag + varint_of(len(value)) + value
    return bytes(kept)


def fields(message: memoryview, left: Iterator[int]) -> Iterator[tuple[int, bytes, memoryview | None, int, int]]:
    """The fields of a message: number, tag, content (None: it is a number), where it begins and ends.

    left: an iterator that is exhausted by too many fields.  Raises: ValueError for bytes that are not a message.
    """
    at = 0
    while at < len(message):
        if next(left, None) is None:
            raise ValueError(f"it has more than {MOST_FIELDS:,} fields")
        start = at
        tag, at = varint(message, at)
        after, kind = at, tag & 7
        if kind == 0:
            _, at = varint(message, at)
        elif kind == 5:
            at += 4
        elif kind == 2:
            length, after = varint(message, at)
            at = after + length
        else:
            raise ValueError("damaged, or no ONNX at all")
        if at > len(message):
            raise ValueError("cut short, or no ONNX at all")
        yield tag >> 3, varint_of(tag), message[after:at] if kind == 2 else None, start, at


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


def require_bounded(model: "ModelProto", takes: Mapping[str, Shape], gives: Mapping[str, Shape]) -> int:
    """Check a network's inputs, outputs, memory and time.  -> its largest map

    takes, gives: inputs and outputs, with the shape of one image. Its largest map is of so many numbers an image.

    Raises: ValueError where not.
    """
    require_plain(model)
    weights = {tensor.name: shape_stored(tensor) for tensor in model.graph.initializer}
    if len(weights) != len(model.graph.initializer):
        raise ValueError("two of its tensors have one name")
    require_inputs(model, takes)
    require_outputs(model, gives)
    one, two = (shapes_of(model, weights, takes, gives, count) for count in (1, 2))
    for name, shape in one.items():
        if math.prod(two[name]) > 2 * math.prod(shape):
            raise ValueError(f"{name[:40]!r} grows faster than the number of images")
    require_affordable(model, weights, one, max(math.prod(shape) for shape in (*takes.values(), *gives.values())))
    return max(math.prod(one[name]) for node in model.graph.node for name in node.output if name)


def require_plain(model: "ModelProto") -> None:
    """Check that a model consists of ONNX's own steps.  Raises: ValueError for anything else."""
    graph = model.graph
    versions = [(entry.version, entry.domain) for entry in model.opset_import]
    if len(versions) != 1 or versions[0][0] not in VERSIONS or versions[0][1]:
        raise ValueError(f"its operators are those of {shown(versions)}; one version of {VERSIONS} is read")
    if model.functions or model.training_info or graph.sparse_initializer or graph.quantization_annotation:
        raise ValueError("it has functions, training or sparse weights, which are not read")
    if len(graph.node) > MOST_NODES:
        raise ValueError(f"its network has {len(graph.node):,} steps, more than {MOST_NODES:,}")
    for node in graph.node:
        if node.domain or node.overload:
            raise ValueError(f"its step {node.op_type[:40]!r} is of {node.domain[:40]!r}, not of ONNX")
        for attribute in node.attribute:
            if attribute.HasField("g") or attribute.graphs or attribute.HasField("sparse_tensor"):
                raise ValueError(f"its step {node.op_type[:40]!r} has a network in it, as loops and branches have")
            if attribute.name == "auto_pad" and attribute.s not in (b"", b"NOTSET"):
                raise ValueError(f"its step {node.op_type[:40]!r} pads by {shown(attribute.s)}, which is not read")
            if attribute.HasField("t"):
                shape_stored(attribute.t)


def shape_stored(tensor: "TensorProto") -> Shape:
    """The shape of a tensor of the file, which must be as long as it says.  Raises: ValueError."""
    name, shape = tensor.name[:40], tuple(tensor.dims)
    if tensor.data_location or tensor.external_data:
        raise ValueError(f"its tensor {name!r} is said to stand in another file")
    if tensor.data_type not in SIZES or len(shape) > 8 or any(side < 1 for side in shape):
        raise ValueError(f"its tensor {name!r} is of type {tensor.data_type} and shape {shown(shape)}")
    count = math.prod(shape)
    length = len(tensor.raw_data)
    if tensor.raw_data.startswith(LEFT_OUT):
        length = int(tensor.raw_data.removeprefix(LEFT_OUT)[:20])
    if length != SIZES[tensor.data_type] * count:
        raise ValueError(f"its tensor {name!r} of shape {shown(shape)} is of {length:,} bytes")
    return shape


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
    if found != dict(takes):
        raise ValueError(f"it takes {shown(found)}, where the metadata asks for {shown(dict(takes))}")


def require_outputs(model: "ModelProto", gives: Mapping[str, Shape]) -> None:
    """Check that a network says that it gives this, or leaves sizes open.  Raises: ValueError otherwise."""
    found = {
        value.name: tuple(side.dim_value for side in value.type.tensor_type.shape.dim)[1:]
        for value in model.graph.output
    }
    open_or_same = (
        len(found[name]) == len(shape) and all(n in (0, m) for n, m in zip(found[name], shape, strict=True))
        for name, shape in gives.items()
        if name in found
    )
    if list(found) != list(gives) or not all(open_or_same):
        raise ValueError(f"it says that it gives {shown(found)}, where the metadata asks for {shown(dict(gives))}")


def shapes_of(
    model: "ModelProto", weights: Values, takes: Mapping[str, Shape], gives: Mapping[str, Shape], count: int
) -> Values:
    """The shape of everything that a network computes for so many images.

    Raises: ValueError where onnx finds that steps or outputs do not fit, or cannot infer the shape of an output.
    """
    from onnx import TensorProto, checker, helper, shape_inference

    sketch = type(model)()
    sketch.CopyFrom(model)
    sketch.ir_version = min(sketch.ir_version, 10)
    graph = sketch.graph
    del graph.value_info[:], graph.input[:], graph.output[:], graph.initializer[:], sketch.metadata_props[:]
    types = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    small = [tensor for tensor in model.graph.initializer if not tensor.raw_data.startswith(LEFT_OUT)]
    graph.initializer.extend(small)
    inputs = {name: (TensorProto.FLOAT, (count, *shape)) for name, shape in takes.items()}
    inputs |= {name: (types[name], weights[name]) for name in weights.keys() - {tensor.name for tensor in small}}
    graph.input.extend(helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in inputs.items())
    outputs = ((name, (count, *shape)) for name, shape in gives.items())
    graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs)
    try:
        checker.check_model(sketch)
        inferred = shape_inference.infer_shapes(sketch, check_type=True, strict_mode=True, data_prop=True)
    except Exception as error:  # onnx's errors have no base of their own
        raise ValueError(f"its steps do not fit: {in_one_line(error)}") from error
    found = {name: shape for name, (_, shape) in inputs.items()} | {tensor.name: tuple(tensor.dims) for tensor in small}
    for value in (*inferred.graph.value_info, *inferred.graph.output):
        tensor = value.type.tensor_type
        if tensor.HasField("shape") and all(side.HasField("dim_value") for side in tensor.shape.dim):
            found[value.name] = tuple(side.dim_value for side in tensor.shape.dim)
    for node in model.graph.node:
        for name in node.output:
            if name and name not in found:
                raise ValueError(f"the size of the output of its step {node.op_type[:40]!r} cannot be inferred")
    return found


def require_affordable(model: "ModelProto", weights: Values, shapes: Values, image: int) -> None:
    """Check that an image costs no more memory and time than a model with these weights needs.

    Weights are used at every place of an image at the most, so that a small file cannot ask for much.

    Raises: ValueError where not.
    """
    computed = products = 0
    uses: Counter[str] = Counter()
    for node in model.graph.node:
        given = [math.prod(shapes[name]) for name in node.output if name]
        computed += sum(given)
        products += PRODUCTS.get(node.op_type, products_of_any)(node, shapes)
        uses.update(name for name in node.input if name in weights)
        if max(given, default=0) > LARGEST_MAP or computed > MOST_COMPUTED:
            raise ValueError(f"its step {node.op_type[:40]!r} gives {max(given):,} numbers for an image, too many")
    most = MOST_PRODUCTS + image * sum(map(math.prod, weights.values()))
    if products > most:
        raise ValueError(f"it multiplies {products:,} times for an image, more than {most:,}")
    if uses and uses.most_common(1)[0][1] > MOST_USES:
        raise ValueError(f"it uses {uses.most_common(1)[0][0][:40]!r} {uses.most_common(1)[0][1]} times")


def products_of_any(node: "NodeProto", shapes: Values) -> int:
    """Multiplications of a step that looks at each number a few times, or at a window around it."""
    window = next((math.prod(attribute.ints) for attribute in node.attribute if attribute.name == "kernel_shape"), 8)
    return max(window, 8) * sum(math.prod(shapes[name]) for name in (*node.input, *node.output) if name)


def products_of_convolution(node: "NodeProto", shapes: Values) -> int:
    """Each number that comes out (of a transposed one: goes in) meets the weights of its channel."""
    weight = shapes[node.input[1]]
    places = shapes[node.output[0] if node.op_type == "Conv" else node.input[0]]
    return math.prod(places) * math.prod(weight[1:])


def products_of_matrices(node: "NodeProto", shapes: Values) -> int:
    """Each number that comes out is a sum over the side that both have."""
    turned = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
    first = shapes[node.input[0]]
    return math.prod(shapes[node.output[0]]) * (first[0] if turned else first[-1] if first else 1)


def products_of_all(node: "NodeProto", shapes: Values) -> int:
    """Every number of each input with every number of the others: no step takes more."""
    return math.prod(max(1, math.prod(shapes[name])) for name in node.input if name)


PRODUCTS: Mapping[str, Callable[["NodeProto", Values], int]] = {
    "Conv": products_of_convolution,
    "ConvTranspose": products_of_convolution,
    "Gemm": products_of_matrices,
    "MatMul": products_of_matrices,
} | dict.fromkeys(
    ("Attention", "DFT", "DeformConv", "Einsum", "GRU", "LSTM", "NonMaxSuppression", "RNN", "STFT"), products_of_all
)
