"""Predictors as programs of one step each: what is read, the levels of the recurrence, what is said."""

from typing import NamedTuple

import numpy as np
from torch import nn

from sunhwan.errors import ConfigError
from sunhwan.exporting.predictor_checks import Scale
from sunhwan.layers import Attention, Pooling, Recurrent
from sunhwan.layers.connections import Plain
from sunhwan.layers.programs import (
    StateFields,
    add_layer,
    array_of,
    connected,
    linear,
    normalized,
    program_of_layer,
)
from sunhwan.models.inputs import FrameInput, InputLayer, TokenInput, WordInput
from sunhwan.models.readers import ImageInput, LabelsInput, VectorInput
from sunhwan.program import Program, folded
from sunhwan.program.operations import Builder, Numbers


class Level(NamedTuple):
    """A layer of the recurrence, in one direction or two.

    directions: "x" and the state → "out" and the state; the second adds to "out" where both are summed.
    connect: "x" and "out", the outputs of all directions → "out"; None where it changes nothing.
    initial: the state before the first step. given, width, output: sizes of "x", of "out" before and
    after `connect`.
    """

    directions: tuple[Program, ...]
    connect: Program | None
    initial: dict[str, Numbers]
    given: int
    width: int
    output: int


class Words(NamedTuple):
    """Words by their own vectors and by those of their letters, which two readers go over."""

    table: Numbers
    letters: Numbers
    onward: Level
    back: Level


class Convolution(NamedTuple):
    """A convolution of 3 × 3 with zeros beyond the border: an image (side, side, channels), depth last.

    program: the numbers around a place, "x" (9 · channels), → "out" (width), of each `stride`-th place.
    """

    program: Program
    side: int
    stride: int
    channels: int
    width: int

    @property
    def after(self) -> int:
        """The side of what it makes."""
        return -(-self.side // self.stride)


class Images(NamedTuple):
    """Images: pixels (side²) are scaled, go through convolutions, and what they make through `last`."""

    side: int
    scale: Program
    layers: tuple[Convolution, ...]
    last: Program


class Read(NamedTuple):
    """The input: a table of vectors by token, a program "x" → "out" of so many numbers, words, or labels.

    tables: of each column of labels the vectors.
    """

    table: Numbers | None = None
    program: Program | None = None
    numbers: int = 0
    words: Words | None = None
    tables: tuple[Numbers, ...] = ()
    images: Images | None = None


def read_program(layer: InputLayer, scale: Scale | None) -> Read:
    """What the input layer makes of a step; ConfigError for one that has no program."""
    if isinstance(layer, TokenInput):
        return Read(array_of(layer.embedding.weight))
    if isinstance(layer, WordInput):
        ((onward,), (back,)) = levels_of(layer.onward, "onward"), levels_of(layer.back, "backward")
        return Read(
            words=Words(array_of(layer.words.weight), array_of(layer.letters.weight), onward, back)
        )
    if isinstance(layer, LabelsInput):
        return Read(tables=tuple(array_of(weight) for weight in layer.embeddings.parameters()))
    if isinstance(layer, ImageInput):
        return Read(images=_images(layer, scale))
    if isinstance(layer, FrameInput):
        modules: list[nn.Module] = [layer.linear]
    elif isinstance(layer, VectorInput):
        modules = list(layer.layers.children())
    else:
        raise ConfigError(
            f"the input layer {type(layer).__name__} has no form in C: export to ONNX"
        )
    first = modules[0]
    assert isinstance(first, nn.Linear)
    builder = Builder()
    x = _scaled(builder, builder.input("x", first.in_features, True), scale)
    for module in modules:
        if isinstance(module, nn.Linear):
            x = linear(builder, module, x)
        elif isinstance(module, nn.ReLU):
            x = builder.elementwise("maximum", x, builder.constant(0.0))
    return Read(None, _program(builder, x), first.in_features)


def _scaled(builder: Builder, x: int, scale: Scale | None) -> int:
    """(x − mean) / deviation; of what all numbers share there is one constant."""
    if scale is None:
        return x
    for kind, part in zip(("sub", "div"), scale, strict=True):
        numbers = np.broadcast_to(np.asarray(part), (builder.operations[x].size,))
        same = bool((numbers == numbers[0]).all())
        x = builder.elementwise(kind, x, builder.constant(numbers[:1] if same else numbers))
    return x


def _images(layer: ImageInput, scale: Scale | None) -> Images:
    """The convolutions of an image that is kept with its channels last."""
    builder = Builder()
    scaled = _program(builder, _scaled(builder, builder.input("x", layer.side**2, True), scale))
    side, made = layer.side, list[Convolution]()
    *_, last = layer.layers.children()
    assert isinstance(last, nn.Linear)
    for module in layer.layers.children():
        if not isinstance(module, nn.Conv2d):
            continue
        channels, width, stride = module.in_channels, module.out_channels, module.stride[0]
        builder = Builder()
        x = builder.input("x", 9 * channels, True)
        by_place = array_of(module.weight).transpose(2, 3, 1, 0).reshape(9 * channels, width)
        y = builder.product(x, builder.constant(by_place))
        assert module.bias is not None
        y = builder.elementwise("add", y, builder.constant(array_of(module.bias)))
        y = builder.elementwise("maximum", y, builder.constant(0.0))
        made.append(Convolution(_program(builder, y), side, stride, channels, width))
        side = made[-1].after
    builder = Builder()
    x = builder.input("x", last.in_features, True)
    W = array_of(last.weight).reshape(len(last.weight), made[-1].width, side, side)
    y = builder.product(x, builder.constant(W.transpose(2, 3, 1, 0)))
    y = builder.elementwise("add", y, builder.constant(array_of(last.bias)))
    return Images(layer.side, scaled, tuple(made), _program(builder, y))


def levels_of(recurrent: Recurrent, prefix: str = "state") -> list[Level]:
    """The layers of a recurrence, from the input to the output; the state's names begin with a prefix."""
    found, given = [], recurrent.stack[0].input_size
    for depth, connection in enumerate(recurrent.connections):
        programs, width = [], 0
        initial: dict[str, Numbers] = {}
        for direction in range(recurrent.directions):
            layer = recurrent.stack[recurrent.directions * depth + direction]
            builder, state = Builder(), StateFields({}, {})
            x = builder.input("x", given, True)
            x = normalized(builder, recurrent.norms[depth], x)
            name = f"{prefix}_{depth}" + "_back" * direction
            h = add_layer(builder, layer, program_of_layer(layer), x, name, state)
            size = builder.operations[h].size
            if direction and recurrent.merge == "sum":
                h = builder.elementwise("add", builder.input("out", size, True), h)
            else:
                width += size
            programs.append(_program(builder, h, state.results))
            initial |= state.initial
        connect, output = None, width
        if type(connection) is not Plain:
            builder = Builder()
            below, y = builder.input("x", given, True), builder.input("out", width, True)
            y = connected(builder, connection, below, y)
            connect, output = _program(builder, y), builder.operations[y].size
        found.append(Level(tuple(programs), connect, initial, given, width, output))
        given = output
    return found


def head_program(output: nn.Linear, temperature: float = 1.0) -> Program:
    """ "x" → "out", the logits."""
    builder = Builder()
    y = linear(builder, output, builder.input("x", output.in_features, True))
    if temperature != 1.0:
        y = builder.elementwise("div", y, builder.constant(temperature))
    return _program(builder, y)


def score_program(layer: Pooling | Attention) -> Program:
    """ "x" → "out", how much a step weighs before the softmax; of attention x is W_q q + W_k k + b."""
    builder = Builder()
    if isinstance(layer, Attention):
        hidden = builder.input("x", layer.score.in_features, True)
    else:
        hidden = linear(builder, layer.hidden, builder.input("x", layer.size, True))
    return _program(builder, linear(builder, layer.score, builder.elementwise("tanh", hidden)))


def query_program(layer: Attention) -> Program:
    """ "x", a query q, → "out", qᵀ W, whose products with keys k are the scores qᵀ W k ("general")."""
    builder = Builder()
    W = builder.constant(array_of(layer.key.weight))
    return _program(builder, builder.product(builder.input("x", layer.query_size, True), W))


def linear_program(layer: nn.Linear, *, tanh: bool = False) -> Program:
    """ "x" → "out", x W + b or its tanh."""
    builder = Builder()
    y = linear(builder, layer, builder.input("x", layer.in_features, True))
    return _program(builder, builder.elementwise("tanh", y) if tanh else y)


def _program(builder: Builder, out: int, results: dict[str, int] | None = None) -> Program:
    return folded(Program(tuple(builder.operations), {"out": out, **(results or {})}), {})
