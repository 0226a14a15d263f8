"""ONNX models made small for transfer to a browser: weights are stored in 16 bits or fewer, and used in 32.

Only what is stored is smaller. A runtime turns the weights back into float32 once, as it opens the file.
"""

import gzip
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

FEWEST = 1024  # numbers of a tensor; smaller ones are stored as they are


def keep_means_only(model: "ModelProto") -> None:
    """Remove the output of log-variances from an encoder, in place, with the half of its last layer that computes them.

    Where the two do not come from the halves of one linear layer, all layers stay.
    """
    from onnx import numpy_helper

    graph = model.graph
    graph.output.remove(next(output for output in graph.output if output.name == "logvar"))
    halves = next(node for node in graph.node if "mu" in node.output)
    linear = next((node for node in graph.node if node.output[0] == halves.input[0]), halves)
    turned = any(attribute.name == "transB" and attribute.i == 1 for attribute in linear.attribute)
    users = [node for node in graph.node if {linear.output[0], *linear.input[1:]} & set(node.input)]
    if (halves.op_type, {*halves.output}, turned, users) != ("Split", {"mu", "logvar"}, True, [linear, halves]):
        return
    place = list(halves.output).index("mu")
    for initializer in graph.initializer:
        if initializer.name in linear.input[1:]:  # [outputs,inputs] and [outputs], as PyTorch has them
            half = np.split(numpy_helper.to_array(initializer), len(halves.output))[place]
            initializer.CopyFrom(numpy_helper.from_array(half, initializer.name))
    linear.output[0] = "mu"
    graph.node.remove(halves)
    del graph.value_info[:]  # it has the shapes of the whole layer, which ONNX Runtime for browsers would reject


def store_small(model: "ModelProto", bits: int) -> None:
    """Store weights as float16, in place; below 16 bits, those of linear layers, the largest, as int8.

    bits: how finely the weights of one output of a linear layer are divided, between those that are furthest from 0.
    Each takes a byte, and `packed` makes the less of it the fewer steps there are.
    """
    from onnx import TensorProto

    stored: list[TensorProto] = []
    unpacking: list[NodeProto] = []
    for initializer in model.graph.initializer:
        if initializer.data_type != TensorProto.FLOAT or np.prod(initializer.dims) < FEWEST:
            stored.append(initializer)
            continue
        few = bits < 16 and len(initializer.dims) == 2
        tensors, nodes = as_int8(initializer, 2 ** (bits - 1) - 1) if few else as_float16(initializer)
        stored += tensors
        unpacking += nodes
    nodes_before = list(model.graph.node)
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(stored)
    model.graph.node.extend([*unpacking, *nodes_before])


def as_float16(weights: "TensorProto") -> "tuple[list[TensorProto], list[NodeProto]]":
    """The tensors to store for weights, and the nodes that restore the weights."""
    from onnx import TensorProto, helper, numpy_helper

    name = f"{weights.name}.float16"
    half = numpy_helper.to_array(weights).astype(np.float16)
    back = helper.make_node("Cast", [name], [weights.name], to=TensorProto.FLOAT)
    return [numpy_helper.from_array(half, name)], [back]


def as_int8(weights: "TensorProto", most: int) -> "tuple[list[TensorProto], list[NodeProto]]":
    """The same for weights [outputs,inputs] of a linear layer, stored as whole steps from -most to most."""
    from onnx import TensorProto, helper, numpy_helper

    name, scale_name, whole = f"{weights.name}.int8", f"{weights.name}.scale", f"{weights.name}.whole"
    values = numpy_helper.to_array(weights)
    scale = np.abs(values).max(axis=1, keepdims=True) / most
    steps = np.rint(values / np.where(scale == 0, 1, scale)).astype(np.int8)
    # Not DequantizeLinear, which runtimes compute for every image; these nodes they compute once.
    back = [
        helper.make_node("Cast", [name], [whole], to=TensorProto.FLOAT),
        helper.make_node("Mul", [whole, scale_name], [weights.name]),
    ]
    return [numpy_helper.from_array(steps, name), numpy_helper.from_array(scale, scale_name)], back


def packed(content: bytes) -> bytes:
    """Bytes packed by gzip, reproducibly; browsers unpack them."""
    return gzip.compress(content, mtime=0)
