"""ONNX files that are programs of somebody else: they ask for memory, or time, or files, and have mien's metadata."""

import json
from collections.abc import Callable
from functools import cache, partial
from itertools import pairwise
from typing import Any

import numpy as np
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

SIZE, LATENTS = 32, 2
PIXELS = 3 * SIZE * SIZE
CONTENT: dict[str, Any] = {
    "format": 1, "mien": "0", "part": "generator",
    "recipe": {"data": {"size": SIZE}, "model": {"name": "vae", "latent_dim": LATENTS}},
    "attributes": [], "combinations": [], "crop": "square", "images_seen": 8, "encodes": False, "weights": "0",
}  # fmt: skip
CONVOLUTION = {"strides": [2, 2], "pads": [1, 1, 1, 1]}


def model_of(nodes: list[NodeProto], weights: dict[str, Any], outputs: tuple[str, ...] = ("x",)) -> ModelProto:
    """A network of these steps before the usual ones: linear from 'm' [N,2], and a new shape."""
    z = helper.make_tensor_value_info("z", TensorProto.FLOAT, ["N", LATENTS])
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, SIZE, SIZE])
    usual = {"w": np.zeros((LATENTS, PIXELS), np.float32), "s": np.array([-1, 3, SIZE, SIZE])}
    last = [node("MatMul", "m w", "l"), node("Reshape", "l s", "x")]
    stored = [numpy_helper.from_array(np.asarray(array), name) for name, array in (usual | weights).items()]
    model = helper.make_model(
        helper.make_graph([*nodes, *last], "g", [z], [x], stored), opset_imports=[helper.make_opsetid("", 20)]
    )
    model.ir_version = 10
    helper.set_model_props(model, {"mien": json.dumps(CONTENT)})
    return model


def node(operation: str, inputs: str, outputs: str, **attributes: Any) -> NodeProto:
    return helper.make_node(operation, inputs.split(), outputs.split(), **attributes)


@cache
def graph() -> ModelProto:
    """A generator of 2 numbers to grey images, as small as can be."""
    return model_of([node("Relu", "z", "m")], {})


def with_metadata(text: str) -> bytes:
    """The small generator, with other metadata."""
    model = ModelProto.FromString(graph().SerializeToString())
    helper.set_model_props(model, {"mien": text})
    return bytes(model.SerializeToString())


def branch(nodes: list[NodeProto], inputs: list[Any], outputs: dict[str, int]) -> Any:
    values = [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs.items()]
    return helper.make_graph(nodes, "b", inputs, values)


def endless() -> ModelProto:
    """A loop of 2^62 rounds."""
    inputs = [helper.make_tensor_value_info(n, t, []) for n, t in (("i", TensorProto.INT64), ("c", TensorProto.BOOL))]
    state = helper.make_tensor_value_info("a", TensorProto.FLOAT, None)
    body = branch(
        [node("Identity", "c", "d"), node("Sin", "a", "b")], [*inputs, state], {"d": TensorProto.BOOL, "b": 1}
    )
    return model_of(
        [node("Loop", "rounds true z", "m", body=body)], {"rounds": np.array(2**62), "true": np.array(True)}
    )


def either() -> ModelProto:
    one = branch([node("Identity", "z", "o")], [], {"o": TensorProto.FLOAT})
    return model_of([node("If", "true", "m", then_branch=one, else_branch=one)], {"true": np.array(True)})


def within(operation: str, inputs: str, weights: dict[str, Any], **attributes: Any) -> ModelProto:
    """Something huge is made, summed up and added to the latents."""
    steps = [
        node(operation, inputs, "h", **attributes),
        node("ReduceSum", "h", "t", keepdims=0),
        node("Add", "z t", "m"),
    ]
    return model_of(steps, weights)


def doubling(times: int) -> ModelProto:
    """Latents beside themselves, time after time."""
    names = ["z", *(f"d{at}" for at in range(times))]
    steps = [node("Concat", f"{a} {a}", b, axis=1) for a, b in pairwise(names)]
    return model_of([*steps, node("Relu", "z", "m")], {})


def growing(times: int, **attributes: Any) -> ModelProto:
    """An image of one channel that doubles its sides, time after time, by few weights."""
    names = ["i", *(f"c{at}" for at in range(times))]
    weights = {f"w{at}": np.ones((1, 1, 4, 4), np.float32) for at in range(times)}
    steps = [
        node("ConvTranspose", f"{names[at]} w{at} zero", names[at + 1], **(CONVOLUTION | attributes))
        for at in range(times)
    ]
    more = {"one": np.array([-1, 1, 1, 2]), "zero": np.zeros(1, np.float32)}
    return model_of([node("Reshape", "z one", "i"), *steps, node("Relu", "z", "m")], weights | more)


def chained(operation: str, times: int) -> ModelProto:
    names = ["z", *(f"r{at}" for at in range(times - 1)), "m"]
    second = " r" if operation == "MatMul" else ""
    steps = [node(operation, a + second, b) for a, b in pairwise(names)]
    return model_of(steps, {"r": np.ones((LATENTS, LATENTS), np.float32)} if second else {})


def lists(times: int) -> ModelProto:
    """The shape of the latents beside itself, time after time: shape inference would compute every number of it."""
    names = ["d", *(f"d{at}" for at in range(times))]
    steps = [node("Concat", f"{a} {a}", b, axis=0) for a, b in pairwise(names)]
    last = [node("ReduceMax", names[-1], "t", keepdims=0), node("Cast", "t", "f", to=1), node("Add", "z f", "m")]
    return model_of([node("Shape", "z", "d"), *steps, *last], {})


def texts(times: int) -> ModelProto:
    """A text beside itself, time after time, which stays a single value."""
    names = ["t", *(f"t{at}" for at in range(times))]
    steps = [node("StringConcat", f"{a} {a}", b) for a, b in pairwise(names)]
    last = [node("Cast", names[-1], "f", to=1), node("Add", "z f", "m")]
    return model_of([node("Constant", "", "t", value_string="1"), *steps, *last], {})


def after(step: NodeProto, weights: dict[str, Any]) -> ModelProto:
    """Latents as an image 'i' of 2 channels, a step that makes 'o' of it, and its sum added to the latents."""
    last = [node("ReduceSum", "o", "t", keepdims=0), node("Add", "z t", "m")]
    return model_of([node("Reshape", "z image", "i"), step, *last], weights | {"image": np.array([-1, 2, 1, 1])})


def columns() -> ModelProto:
    """A transposed convolution that gives few numbers, of terabytes of products beside one another."""
    weights = {"a": np.ones((4096, LATENTS), "f4"), "b": np.zeros(4096, "f4"), "c": np.ones((1, 999, 30, 30), "f4")}
    steps = [
        node("Gemm", "z a b", "g", transB=1),
        node("Reshape", "g square", "i"),
        node("ConvTranspose", "i c", "o", pads=[16] * 4),
        node("ReduceSum", "o", "t", keepdims=0),
        node("Add", "z t", "m"),
    ]
    return model_of(steps, weights | {"square": np.array([-1, 1, 64, 64])})


def later() -> ModelProto:
    """Nothing for one image and for two, and terabytes for more."""
    steps = [
        node("Shape", "z", "n", end=1),
        node("Sub", "n two", "more"),
        node("Max", "more none", "extra"),
        node("Mul", "extra much", "size"),
        node("ConstantOfShape", "size", "h"),
        node("ReduceSum", "h", "t", keepdims=0),
        node("Add", "z t", "m"),
    ]
    return model_of(steps, {"two": np.array([2]), "none": np.array([0]), "much": np.array([10**11])})


def integer_matrices(times: int) -> ModelProto:
    """Matrices of whole numbers, multiplied with themselves."""
    steps = [node("MatMulInteger", f"{a} {a}", b) for a, b in pairwise(["a", *(f"a{at}" for at in range(times))])]
    last = [node("ReduceMax", f"a{times - 1}", "t", keepdims=0), node("Cast", "t", "f", to=1), node("Add", "z f", "m")]
    return model_of([*steps, *last], {"a": np.ones((2000, 2000), np.int8)})


def wide() -> ModelProto:
    """A map of 4,096 channels of a megapixel each, by weights of some kilobytes."""
    weights = {
        "a": np.ones((4096, 1, 4, 4), np.float32),
        "b": np.zeros(4096, np.float32),
        "c": np.ones((2048 * 2048, 2), np.float32),
    }
    more = {"d": np.zeros(2048 * 2048, np.float32), "t": np.array([-1, 1, 2048, 2048])}
    steps = [
        node("Gemm", "z c d", "g", transB=1),
        node("Reshape", "g t", "i"),
        node("Conv", "i a b", "h", **CONVOLUTION),
    ]
    return model_of([*steps, node("Relu", "z", "m")], weights | more)


def changed(change: Callable[[ModelProto], object]) -> ModelProto:
    model = ModelProto.FromString(graph().SerializeToString())
    change(model)
    return model


def says(**fields: Any) -> Callable[[ModelProto], object]:
    """The weights say something else of themselves."""

    def change(model: ModelProto) -> None:
        weights = next(tensor for tensor in model.graph.initializer if tensor.name == "w")
        for name, value in fields.items():
            if isinstance(value, list):
                del getattr(weights, name)[:]
                getattr(weights, name).extend(value)
            else:
                setattr(weights, name, value)

    return change


def elsewhere(model: ModelProto) -> None:
    """Weights that are said to stand in another file."""
    weights = model.graph.initializer[0]
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    for key, value in {"location": "../../../../etc/passwd", "length": str(10**12)}.items():
        entry = weights.external_data.add()
        entry.key, entry.value = key, value


def twice(model: ModelProto) -> None:
    attribute = model.graph.node[0].attribute.add()
    attribute.name, attribute.type, attribute.g.name = "body", AttributeProto.GRAPH, "g"


def function(model: ModelProto) -> None:
    model.functions.append(
        helper.make_function("f", "Relu", ["a"], ["b"], [node("Sin", "a", "b")], [helper.make_opsetid("", 20)])
    )


def sparse(model: ModelProto) -> None:
    values = numpy_helper.from_array(np.ones(1, np.float32), "sparse")
    places = numpy_helper.from_array(np.array([10**12]), "places")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, [10**13]))


def programs() -> dict[str, bytes]:
    """All that must be refused before ONNX Runtime gets it."""
    huge, one = {"huge": np.array([2**20, 2**20])}, np.ones((1, 1), np.float32)
    found = {
        "a constant of terabytes": within("ConstantOfShape", "huge", huge),
        "a constant expanded to terabytes": within("Expand", "one huge", huge | {"one": one}),
        "a constant repeated to terabytes": within("Tile", "one huge", huge | {"one": one}),
        "a range of terabytes": within("Range", "low high step", {"low": np.float32(0), "high": np.float32(1e12), "step": np.float32(1)}),
        "a one-hot table of terabytes": within("OneHot", "at depth both", {"at": np.array([0]), "depth": np.array(10**12), "both": np.float32([0, 1])}),
        "random numbers of terabytes": within("RandomNormal", "", {}, shape=[2**20, 2**20]),
        "a constant padded to terabytes": within("Pad", "one pads", {"one": one, "pads": np.array([0, 0, 2**20, 2**20])}),
        "a constant of gigabytes": within("ConstantOfShape", "large", {"large": np.array([2**28])}),
        "an outer sum of constants": within("Add", "column row", {"column": np.ones((2**17, 1), np.float32), "row": np.ones((1, 2**17), np.float32)}),
        "an outer product of constants": within("MatMul", "column row", {"column": np.ones((2**17, 1), np.float32), "row": np.ones((1, 2**17), np.float32)}),
        "latents by an outer product": model_of([node("Mul", "z column", "h"), node("Relu", "z", "m")], {"column": np.ones((2**20, 1, 1), np.float32)}),
        "an endless loop": endless(),
        "a branch": either(),
        "latents beside themselves, 40 times": doubling(40),
        "an image that doubles its sides 20 times": growing(20),
        "a convolution with wide borders": growing(1, pads=[10**9] * 4),
        "a convolution with wide gaps": growing(1, dilations=[10**9] * 2),
        "a convolution with wide steps": growing(1, strides=[10**9] * 2),
        "a convolution in no groups": growing(1, group=0),
        "a convolution that pads as it likes": growing(1, auto_pad="SAME_UPPER"),
        "100,000 steps": chained("Relu", 100_000),
        "the same weights 60 times": chained("MatMul", 60),
        "a map of gigabytes": wide(),
        "a list of a shape that doubles 40 times": lists(40),
        "a text that doubles 40 times": texts(40),
        "a transposed convolution of many columns": columns(),
        "matrices of whole numbers": integer_matrices(3),
        "a region looked at a trillion times": after(node("RoiAlign", "i box zero", "o", sampling_ratio=10**6), {"box": np.zeros((1, 4), "f4"), "zero": np.array([0])}),
        "a layer beside all sides": after(node("GatherND", "i at", "o", batch_dims=-9), {"at": np.zeros((1, 1), np.int64)}),
        "parts of too few lengths": model_of([node("Split", "z one", "a b", axis=1), node("Concat", "a b", "m", axis=1)], {"one": np.array([2])}),
        "more parts than are said": model_of([node("Split", "z", "a b c", axis=1, num_outputs=2), node("Concat", "a b c", "m", axis=1)], {}),
        "a step for nothing": model_of([node("Relu", "z", "m"), node("Tanh", "z", "h")], {}),
        "a network in a step": changed(twice),
        "a function in place of a step": changed(function),
        "a step of another domain": changed(lambda model: setattr(model.graph.node[0], "domain", "com.microsoft")),
        "steps of an old version": changed(lambda model: setattr(model.opset_import[0], "version", 7)),
        "steps of two versions": changed(lambda model: model.opset_import.append(helper.make_opsetid("", 18))),
        "weights in another file": changed(elsewhere),
        "weights with gaps": changed(sparse),
        "weights that say terabytes": changed(says(dims=[2**20, 2**20])),
        "weights whose product overflows": changed(says(dims=[2**33, 2**33])),
        "weights of fewer than none": changed(says(dims=[-2, -PIXELS])),
        "weights of no numbers": changed(says(dims=[0, PIXELS], raw_data=b"")),
        "a million numbers of a byte": changed(lambda model: model.graph.initializer[1].int64_data.extend([1] * 10**6)),
        "weights of texts": changed(says(data_type=TensorProto.STRING)),
        "weights that are twice there": changed(lambda model: model.graph.initializer.append(model.graph.initializer[0])),
        "images that are mixed": model_of([node("Reshape", "z t", "m")], {"t": np.array([1, -1])}),
        "a shape that leaves no image": model_of([node("Reshape", "z t", "m", allowzero=1)], {"t": np.array([0, 2])}),
        "a shape of no image": model_of([node("Reshape", "z t", "m")], {"t": np.array([0, 0, -1])}),
        "an input of terabytes": changed(lambda model: setattr(model.graph.input[0].type.tensor_type.shape.dim[1], "dim_value", 10**12)),
        "an output of terabytes": changed(lambda model: setattr(model.graph.output[0].type.tensor_type.shape.dim[1], "dim_value", 10**12)),
        "an output of nothing": changed(lambda model: setattr(model.graph.output[0], "name", "nothing")),
        "a step that takes nothing": changed(lambda model: setattr(model.graph.node[0], "op_type", "Concat")),
    }  # fmt: skip
    contents = {name: bytes(model.SerializeToString()) for name, model in found.items()}
    small = contents["a network in a step"]
    return contents | {
        "a million empty fields": graph().SerializeToString() + b"\x12\x00" * 10**6,
        "a graph that stands twice": graph().SerializeToString() + b"\x3a\x00",
        "fields within fields": small + b"\x3b" * 10**5,
    }


def costly() -> bytes:
    """A megabyte that asks for about as much as is allowed: a map of 4,096 channels, again and again."""
    ones, zeros = np.ones, partial(np.zeros, dtype=np.float32)
    weights = {
        "a": ones((4096, LATENTS), "f4"),
        "b": ones((1, 1, 4, 4), "f4"),
        "c": ones((4096, 1, 4, 4), "f4"),
        "d": ones((3, 4096, 4, 4), "f4"),
    }
    biases = {"a0": zeros(4096), "b0": zeros(1), "c0": zeros(4096), "d0": zeros(3), "t": np.array([-1, 1, 64, 64])}
    names = ["h", *(f"r{at}" for at in range(14))]
    steps = [
        node("Gemm", "z a a0", "g", transB=1),
        node("Reshape", "g t", "i"),
        node("ConvTranspose", "i b b0", "j", **CONVOLUTION),
    ]
    steps += [node("Conv", "j c c0", "h", **CONVOLUTION), *(node("Tanh", a, b) for a, b in pairwise(names))]
    model = model_of([*steps, node("Conv", f"{names[-1]} d d0", "x", **CONVOLUTION)], weights | biases)
    del model.graph.node[-2:]
    return bytes(model.SerializeToString())


def odd_weights() -> dict[str, bytes]:
    """Networks of which the numbers alone are odd."""
    numbers = {"no numbers": np.nan, "without end": np.inf, "too small to be normal": 1e-42, "as large as can be": 3e38}
    return {
        f"weights that are {name}": changed(
            says(raw_data=np.full((LATENTS, PIXELS), value, "<f4").tobytes())
        ).SerializeToString()
        for name, value in numbers.items()
    }
