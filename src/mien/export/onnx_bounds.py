"""An ONNX file as `mien export` writes it, checked before ONNX Runtime gets it: a file may come from anybody.

An ONNX file is a program. One of a few hundred bytes can ask for terabytes, or never end, and runtimes compute part of
it as they open it. So whatever an export has no need of is refused: all but 16 operators and the attributes that
decide what they cost, loops, functions, tensors in other files. What is left is gone through with shapes alone, so that
what an image costs is known before anything is allocated.

Only what describes the network is read here, a few kilobytes; weights are left where they are. The package onnx would
copy them and ignore what it does not know, and sampling from a file does without it.

Source: onnx.proto of ONNX 1.19
"""

import math
import struct
from collections.abc import Mapping
from typing import Any

from mien.errors import shown
from mien.export.protobuf import FLOAT, INT, TEXT, Message, fields, one, parsed, text
from mien.files.reading import LARGEST_SIDE

LARGEST = 2**31  # bytes of an ONNX file, which is one protocol buffer
WIDEST = 4096  # channels of the layer nearest to the image that a recipe may ask for
LARGEST_MAP = WIDEST * (LARGEST_SIDE // 2) ** 2  # numbers between two layers, of an image
MOST_COMPUTED = 16 * LARGEST_MAP  # numbers that all layers give for an image: each further map is half as large
MOST_NODES = 64  # the deepest generator, normalized by groups, has 56
MOST_FIELDS = 4_000  # and 1,948 of these in all
MOST_METADATA = 2**25  # bytes: 200,000 combinations of 40 attributes

Shape = tuple[int, ...]  # of one image: without the number of images, which comes first

# Fields by their numbers: the name, and how it is written or, of a message, its fields. No others are known.
ENTRY = {1: ("key", TEXT), 2: ("value", TEXT)}
OPERATORS = {1: ("domain", TEXT), 2: ("version", INT)}
DIMENSION = {1: ("dim_value", INT), 2: ("dim_param", TEXT)}
TYPE = {1: ("tensor_type", {1: ("elem_type", INT), 2: ("shape", {1: ("dim", DIMENSION)})})}
VALUE = {1: ("name", TEXT), 2: ("type", TYPE)}
TENSOR = {1: ("dims", INT), 2: ("data_type", INT), 8: ("name", TEXT), 9: ("raw_data", TEXT)}
ATTRIBUTE = {1: ("name", TEXT), 2: ("f", FLOAT), 3: ("i", INT), 4: ("s", TEXT), 8: ("ints", INT), 20: ("type", INT)}
NODE = {1: ("input", TEXT), 2: ("output", TEXT), 3: ("name", TEXT), 4: ("op_type", TEXT), 5: ("attribute", ATTRIBUTE)}
GRAPH = {
    1: ("node", NODE),
    2: ("name", TEXT),
    5: ("initializer", TENSOR),
    11: ("input", VALUE),
    12: ("output", VALUE),
    13: ("value_info", VALUE),
}
MODEL = {
    1: ("ir_version", INT),
    2: ("producer_name", TEXT),
    3: ("producer_version", TEXT),
    7: ("graph", GRAPH),
    8: ("opset_import", OPERATORS),
    14: ("metadata_props", ENTRY),
}
FLOAT32, INT64 = 1, 7  # types of numbers
SIZES = {FLOAT32: 4, INT64: 8}  # bytes of each
VERSIONS = range(18, 24)  # of the operators, between which those below do not differ

PLAIN = ("Add", "Sub", "Mul", "MatMul", "Relu", "LeakyRelu", "Tanh", "Reshape", "Shape")
NORMALIZING = ("BatchNormalization", "InstanceNormalization")
NEEDED: dict[str, dict[str, Any]] = {  # attributes that an operator must have, where it must have some
    "Concat": {"axis": 1},
    "Conv": {"strides": [2, 2], "pads": [1, 1, 1, 1]},
    "ConvTranspose": {"strides": [2, 2], "pads": [1, 1, 1, 1]},
    "Gemm": {"transB": 1},
    "Split": {"axis": 1, "num_outputs": 2},
}
ANY = object()
OPTIONAL: dict[str, Any] = {  # attributes that may be there, with their only value where it decides what comes out
    "allowzero": ANY,
    "alpha": ANY,
    "auto_pad": b"NOTSET",
    "beta": ANY,
    "dilations": [1, 1],
    "epsilon": ANY,
    "group": 1,
    "kernel_shape": [4, 4],
    "momentum": ANY,
    "output_padding": [0, 0],
    "start": 0,
    "training_mode": 0,
    "transA": 0,
}


def metadata(content: memoryview, key: str) -> str | None:
    """What stands in an ONNX file's metadata under a key.

    Raises: ValueError for what is no ONNX file, or has metadata of too many bytes.
    """
    found = None
    for number, value in fields(content, iter(range(MOST_FIELDS))):
        if number != 14 or not isinstance(value, memoryview):
            continue
        entry = parsed(value, ENTRY, iter(range(MOST_FIELDS)))
        if text(entry, "key") == key:
            if len(one(entry, "value")) > MOST_METADATA:
                raise ValueError(f"metadata of {len(one(entry, 'value')):,} bytes, more than {MOST_METADATA:,}")
            found = text(entry, "value")
    return found


def require_network(content: memoryview, takes: Mapping[str, Shape], gives: Mapping[str, Shape]) -> int:
    """Whether an ONNX file is a network that an export can have, which takes and gives this.  -> its largest map

    takes, gives: inputs and outputs, with the shape of one image. Its largest map is of so many numbers an image.

    Raises: ValueError where not.
    """
    model = parsed(content, MODEL, iter(range(MOST_FIELDS)))
    versions = [(one(operators, "version"), text(operators, "domain", b"")) for operators in model["opset_import"]]
    if len(versions) != 1 or versions[0][0] not in VERSIONS or versions[0][1]:
        raise ValueError(f"its operators are those of {shown(versions)}")
    graph = one(model, "graph")
    network = Network(graph.get("initializer", []), takes)
    require_declared(graph.get("input", []), network, takes)
    nodes = graph.get("node", [])
    if len(nodes) > MOST_NODES:
        raise ValueError(f"its network has {len(nodes):,} steps, more than {MOST_NODES}")
    for node in nodes:
        network.go_through(node)
    require_declared(graph.get("output", []), network, gives)
    require_declared(graph.get("value_info", []), network)
    return max(map(math.prod, network.maps.values()))


def require_declared(values: list[Message], network: "Network", expected: Mapping[str, Shape] | None = None) -> None:
    """Whether what is declared of values is so; and where it is given, whether they are those expected.

    Raises: ValueError where not.
    """
    found = {}
    for value in values:
        name = text(value, "name")
        tensor = one(one(value, "type"), "tensor_type")
        dims = one(tensor, "shape").get("dim", [])
        declared = tuple(one(dim, "dim_value") if "dim_value" in dim else None for dim in dims)
        shape = network.shape_of(name)
        if len(declared) != len(shape) or any(n is not None and n != m for n, m in zip(declared, shape, strict=True)):
            raise ValueError(f"it declares {name[:40]!r} as {shown(declared)}, which comes out as {shape}")
        if one(tensor, "elem_type") != (INT64 if name in network.numbers else FLOAT32):
            raise ValueError(f"it declares {name[:40]!r} as numbers of another type")
        found[name] = declared[1:]
    if expected is not None and (found != expected or len(found) != len(values)):
        raise ValueError(f"its network has {shown(found)}, where the metadata asks for {shown(dict(expected))}")


class Network:
    """What is known of a graph's values while its steps are gone through.

    weights: float32 tensors of the file. matrices: those of them that a layer has not multiplied with yet. maps: what
    is computed, of one image. numbers: what a tensor of whole numbers makes of an image, whose place is held by None.
    """

    def __init__(self, initializers: list[Message], takes: Mapping[str, Shape]) -> None:
        self.weights: dict[str, Shape] = {}
        self.maps: dict[str, Shape] = dict(takes)
        self.numbers: dict[str, tuple[int | None, ...]] = {}
        for tensor in initializers:
            self.add_stored(tensor)
        self.matrices = dict(self.weights)
        self.computed = 0

    def add_stored(self, tensor: Message) -> None:
        """A tensor of the file, which must be as long as it says.  Raises: ValueError."""
        name, shape, kind = text(tensor, "name"), tuple(tensor.get("dims", [])), one(tensor, "data_type")
        content = one(tensor, "raw_data")
        if kind not in SIZES or len(shape) > 4 or any(side < 1 for side in shape):
            raise ValueError(f"its tensor {name[:40]!r} is of type {kind} and shape {shown(shape)}")
        if len(content) != SIZES[kind] * math.prod(shape):
            raise ValueError(f"its tensor {name[:40]!r} of shape {shown(shape)} is of {len(content):,} bytes")
        self.require_new(name)
        if kind == FLOAT32:
            self.weights[name] = shape
        elif len(shape) == 1 and shape[0] <= 4:
            self.numbers[name] = struct.unpack(f"<{shape[0]}q", content)
        else:
            raise ValueError(f"its tensor {name[:40]!r} has whole numbers of shape {shown(shape)}")

    def require_new(self, name: str) -> None:
        """Raises: ValueError where there is such a value already."""
        if not name or name in self.weights or name in self.maps or name in self.numbers:
            raise ValueError(f"it has two values of the name {name[:40]!r}, or one of none")

    def shape_of(self, name: str) -> tuple[int | None, ...]:
        """Shape of a value, with None for the number of images.  Raises: ValueError where there is none."""
        if name in self.maps:
            return (None, *self.maps[name])
        if name in self.numbers:
            return (len(self.numbers[name]),)
        if name in self.weights:
            return self.weights[name]
        raise ValueError(f"there is no {name[:40]!r} in it")

    def go_through(self, node: Message) -> None:
        """A step, and what it gives.  Raises: ValueError for one that no export has."""
        operation = text(node, "op_type")
        given = [str(name, "utf-8") for name in node.get("input", [])]
        gives = [str(name, "utf-8") for name in node.get("output", [])]
        require_attributes(operation, node.get("attribute", []))
        if operation == "Shape" and len(given) == len(gives) == 1 and given[0] in self.maps:
            self.require_new(gives[0])
            self.numbers[gives[0]] = (None, *self.maps[given[0]])
            return
        shapes = self.results(operation, given)
        if len(shapes) != len(gives):
            raise ValueError(f"its {operation} gives {len(gives)} values")
        for name, shape in zip(gives, shapes, strict=True):
            self.require_new(name)
            self.maps[name] = shape
            self.computed += math.prod(shape)
            if math.prod(shape) > LARGEST_MAP or self.computed > MOST_COMPUTED:
                raise ValueError(f"its {operation} gives {shape} for an image, more than a model of mien has")

    def results(self, operation: str, given: list[str]) -> list[Shape]:
        """Shapes that an operation gives.  Raises: ValueError for values that it cannot have in an export."""
        x = self.maps.get(given[0] if given else "")
        if operation in ("Add", "Mul", "Sub") and len(given) == 2:
            return [self.elementwise(given)]
        if operation == "Concat" and given and all(len(self.maps.get(name, ())) == 1 for name in given):
            return [(sum(self.maps[name][0] for name in given),)]
        if x is not None:
            match operation, given[1:]:
                case "Relu" | "LeakyRelu" | "Tanh", []:
                    return [x]
                case "Split", [] if len(x) == 1 and x[0] % 2 == 0:
                    return [(x[0] // 2,)] * 2
                case "Reshape", [name] if name in self.numbers:
                    return [self.reshaped(x, self.numbers[name])]
                case "BatchNormalization", [_, _, _, _] as names if len(x) == 3:
                    if all(self.weights.get(name) == x[:1] for name in names):
                        return [x]
                case "InstanceNormalization", [_, _] as names if len(x) == 2:
                    if all(self.weights.get(name) == x[:1] for name in names):
                        return [x]
                case "Gemm" | "MatMul" | "Conv" | "ConvTranspose", [matrix, *bias]:
                    return [self.multiplied(operation, x, matrix, bias)]
        raise ValueError(f"its {operation} takes {shown([self.shape_of(name) for name in given])}")

    def multiplied(self, operation: str, x: Shape, matrix: str, bias: list[str]) -> Shape:
        """What a linear or convolution layer makes of an image.  Raises: ValueError.

        Each matrix serves once, and at 64 x 64 places at most, so that a small file cannot ask for much arithmetic.
        """
        w = self.matrices.pop(matrix, ())
        b = self.weights.get(bias[0], ()) if len(bias) == 1 else ()
        if operation == "MatMul" and not bias and len(x) == 1 and len(w) == 2 and w[:1] == x:
            return w[1:]
        if operation == "Gemm" and len(x) == len(b) == 1 and w == b + x:
            return b
        if len(x) == 3 and len(b) == 1:
            channels, *sides = x
            if operation == "Conv" and w == (*b, channels, 4, 4) and max(sides) <= LARGEST_SIDE:
                return (*b, *(side // 2 for side in sides))
            if operation == "ConvTranspose" and w == (channels, *b, 4, 4) and 2 * max(sides) <= LARGEST_SIDE:
                return (*b, *(2 * side for side in sides))
        raise ValueError(f"its {operation} takes {x}, {w} and {b}, or weights for the second time")

    def elementwise(self, given: list[str]) -> Shape:
        """What comes of two values, of which one has the shape of the result.  Raises: ValueError."""
        whole, other = given if given[0] in self.maps else reversed(given)
        if whole in self.maps and other not in self.numbers:
            large, small = self.shape_of(whole), self.shape_of(other)
            pairs = zip(reversed(small), reversed(large), strict=False)
            if len(small) <= len(large) and all(n in (1, m) for n, m in pairs):
                return self.maps[whole]
        raise ValueError(f"it has {given[0][:40]!r} and {given[1][:40]!r} added or multiplied, which do not fit")

    def reshaped(self, x: Shape, target: tuple[int | None, ...]) -> Shape:
        """An image's numbers in another shape.  Raises: ValueError where they do not fit, or images are mixed."""
        count = math.prod(x)
        shape = [count if side is None else side for side in target[1:]]
        if target[:1] == (0,) and shape.count(-1) == 1:
            rest = math.prod(side for side in shape if side != -1)
            shape = [count // rest if side == -1 and rest > 0 else side for side in shape]
        if target[:1] not in ((None,), (0,), (-1,)) or any(side < 1 for side in shape) or math.prod(shape) != count:
            raise ValueError(f"its Reshape makes {shown(target)} of {x}")
        return tuple(shape)


def require_attributes(operation: str, attributes: list[Message]) -> None:
    """Whether an operator is one that an export has, set as there.  Raises: ValueError where not."""
    if operation not in (*PLAIN, *NORMALIZING, *NEEDED):
        raise ValueError(f"its network has a step {operation[:40]!r}, which no export of mien has")
    needed = NEEDED.get(operation, {})
    found = {}
    for attribute in attributes:
        name = text(attribute, "name")
        kind = {1: "f", 2: "i", 3: "s", 7: "ints"}.get(one(attribute, "type"), "")
        value = attribute.get("ints", []) if kind == "ints" else one(attribute, kind)
        value = bytes(value) if kind == "s" else value
        allowed = needed.get(name, OPTIONAL.get(name))
        if name in found or attribute.keys() - {"name", "type", kind} or (allowed is not ANY and value != allowed):
            raise ValueError(f"its {operation} has {name[:40]} = {shown(value)}, which no export of mien has")
        found[name] = value
    if missing := needed.keys() - found.keys():
        raise ValueError(f"its {operation} has no {', '.join(sorted(missing))}")
