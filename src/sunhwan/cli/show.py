"""`sunhwan show`."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sunhwan.cli.language import say
from sunhwan.cli.output import echo, echo_json
from sunhwan.cli.own_cell import Cells, name_cells
from sunhwan.errors import UsageError

if TYPE_CHECKING:
    from sunhwan.inspection import UnrolledText
    from sunhwan.inspection.measures.unrolled_text import TextStep, Values

HELLO = "hello"
"""The built-in example, where no folder has this name."""

WIDTH = 8
"""Numbers of a vector in a line; the tokens of a softmax that are shown are as many."""
COLUMNS = 4
"""Of a matrix, which stands three times in a line."""
BLOCK_STEPS = 100
"""Of a text whose blocks are drawn, at most."""


def show(
    run: Annotated[
        Path, typer.Argument(help="A run folder or a model folder; hello: a built-in one.")
    ],
    text: Annotated[
        str | None, typer.Argument(help="What is read (of hello: hell).", show_default=False)
    ] = None,
    then: Annotated[
        str, typer.Option(help="What follows: its first token is the target of the last step.")
    ] = "",
    block_length: Annotated[
        int | None,
        typer.Option(help="Cut the gradient after so many steps, as truncated BPTT does."),
    ] = None,
    bptt_length: Annotated[
        int | None,
        typer.Option(
            help="With --block-length: let the gradient go back so many steps from a block's end."
        ),
    ] = None,
    learning_rate: Annotated[
        float, typer.Option(help="η of the update, one step of gradient descent.")
    ] = 0.1,
    before: Annotated[
        bool, typer.Option("--before", help="Of hello: the network before its training.")
    ] = False,
    example_cell: Annotated[
        str, typer.Option("--with", help="Of hello: the name of another cell.")
    ] = "elman",
    cell: Cells = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="All numbers as one JSON object.")
    ] = False,
) -> None:
    """Show every number of every step: forward to the loss, then the gradient on its way back."""
    from sunhwan.api import load_language
    from sunhwan.cells import get_cell
    from sunhwan.inspection import hello_model, json_values, unroll_text
    from sunhwan.inspection.hello import WORD, following

    name_cells(cell)
    if str(run) == HELLO and not run.exists():
        (example_cell,) = name_cells([example_cell])
        get_cell(example_cell)  # or says which there are
        model = hello_model(example_cell, trained=not before)
        text = WORD[:-1] if text is None else text
        then = then or following(text)
    else:
        if before or example_cell != "elman":
            raise UsageError("--before and --with are of the built-in hello alone: leave them out")
        model = load_language(run)
    if not text:
        raise UsageError("there is nothing to read: give a text behind the run")
    found = unroll_text(
        model, text, then=then,
        block_length=block_length, bptt_length=bptt_length, learning_rate=learning_rate,
    )  # fmt: skip
    if as_json:
        echo_json(json_values(found, digits=17))
        return
    for line in lines(found):
        echo(line)


def lines(found: "UnrolledText") -> Iterator[str]:
    """The steps forward, then back."""
    yield say("show.legend")
    yield from _blocks(found)
    for t, step in enumerate(found.steps):
        if t and step.block != found.steps[t - 1].block:
            yield _border(found, t - 1)
        yield from _forward(found, t, step)
    yield ""
    yield say("show.loss", loss=f"{found.loss:.6f}")
    yield ""
    for layer, name in enumerate(found.cells):
        yield say("show.back", layer=layer + 1, cell=name)
        yield from _backward(found, layer)
        yield ""
    yield from _update(found)


def _blocks(found: "UnrolledText") -> Iterator[str]:
    """The steps of each block, those read once more before the new ones pale."""
    if len(found.blocks) < 2 or len(found.steps) > BLOCK_STEPS:
        return
    yield say("show.blocks")
    for number, (first, new, end) in enumerate(found.blocks, 1):
        yield f"   {number:>3}  {' ' * first}{'░' * (new - first)}{'█' * (end - new)}"
    yield ""


def _forward(found: "UnrolledText", t: int, step: "TextStep") -> Iterator[str]:
    yield f"{t + 1}  {say('show.reads')} {step.label}"
    for number, layer in enumerate(step.layers):
        mark = f"[{number + 1}] " if len(step.layers) > 1 else ""
        if t == 0 or t in found.anew:
            for name in found.initial_fields(number):
                yield _row(f"{mark}{name}", found.weights[number][name])
        yield _row(f"{mark}x", layer.x)
        for name, value in layer.pre_activation.items():
            yield _row(f"{mark}s {name}", value)
        for name, value in layer.gates.items():
            if value.min() >= 0 and value.max() <= 1:
                circles = " ".join(circle(share) for share in value[:WIDTH])
                yield _row(f"{mark}{name}", value) + f"   {circles}"
            else:
                yield _row(f"{mark}{name}", value)
        for name, value in layer.state.items():
            yield _row(f"{mark}{name}", value)
    order = range(len(step.y)) if len(step.y) <= WIDTH else step.softmax.argsort()[::-1][:WIDTH]
    tokens = [int(k) for k in order]
    yield f"   {'':8}" + "".join(
        " " * (9 - width_of(found.labels[k])) + found.labels[k] for k in tokens
    )
    yield f"   {'y':8}" + "".join(f"{step.y[k]:9.4f}" for k in tokens)
    yield f"   {'softmax':8}" + "".join(f"{step.softmax[k]:9.4f}" for k in tokens)
    if step.target is not None:
        yield "   " + say(
            "show.target", token=found.labels[step.target], loss=f"{step.loss or 0.0:.6f}"
        )


def _border(found: "UnrolledText", t: int) -> str:
    """What comes back over the border behind step t."""
    if t + 1 in found.anew:
        return say("show.anew")
    over = [b for b, block in enumerate(found.blocks, 1) if block.first <= t < block.new]
    if not over:
        return say("show.border")
    first = found.blocks[over[0] - 1].first + 1
    return say("show.overlap", blocks=", ".join(map(str, over)), first=first)


def _update(found: "UnrolledText") -> Iterator[str]:
    """Weights, gradients, and the weights after one step of gradient descent, side by side."""
    eta = f"{found.update.learning_rate:g}"
    yield say("show.update", eta=eta, loss=f"{found.loss:.6f}", after=f"{found.update.loss:.6f}")
    layers = [*found.weights, found.output_weights]
    gradients = [*found.gradients, found.output_gradients]
    updated = [*found.update.weights, found.update.output_weights]
    if found.embedding is not None:
        rows = found.tokens_read
        yield "   " + say("show.embedding")
        parts = (found.embedding, found.embedding_gradient, found.update.embedding)
        yield from _matrix("E", parts, eta, [(row, found.labels[row]) for row in rows])
    for k, (own, gradient, after) in enumerate(zip(layers, gradients, updated, strict=True)):
        is_output = k == len(found.weights)
        yield "   " + (say("show.output") if is_output else f"[{k + 1}] {found.cells[k]}")
        for name, value in own.items():
            yield from _matrix(name, (value, gradient[name], after[name]), eta)


def _matrix(
    name: str, values: "Sequence[Values | None]", eta: str, named: Sequence[tuple[int, str]] = ()
) -> Iterator[str]:
    """A matrix, its gradient, and the matrix after the update. named: the rows to show, with their names;
    left out: the first."""
    import numpy as np

    parts = [np.atleast_2d(part) for part in values if part is not None]
    heads = (name, f"∂L/∂{name}", f"{name} − {eta} ∂L/∂{name}")
    width = 9 * min(COLUMNS, parts[0].shape[1])
    beside = 4 if named else 0
    yield " " * (3 + beside) + "   ".join(f"{head:<{width}}" for head in heads).rstrip()
    rows, columns = parts[0].shape
    shown = list(named or ((row, "") for row in range(rows)))[:WIDTH]
    for row, label in shown:
        yield f"   {label}{' ' * (beside - width_of(label))}" + "   ".join(
            "".join(f"{number:9{form}}" for number in part[row, :COLUMNS])
            for part, form in zip(parts, (".4f", ".2g", ".4f"), strict=True)
        )
    if len(shown) < rows or columns > COLUMNS:
        yield f"   … ({rows} × {columns})"


def _row(name: str, value: "Values") -> str:
    rest = f"  … ({len(value)})" if len(value) > WIDTH else ""
    return f"   {name:8}" + "".join(f"{number:9.4f}" for number in value[:WIDTH]) + rest


def width_of(label: str) -> int:
    """The columns of a terminal that a label takes."""
    from rich.cells import cell_len

    return cell_len(label)


def circle(share: float) -> str:
    """A gate as a circle: empty shut, full open."""
    return "○◔◑◕●"[min(4, round(share * 4))]


def _backward(found: "UnrolledText", layer: int) -> Iterator[str]:
    last = found.steps[-1].backward[layer]
    names = [name for name in ("W_x", "W_h") if name in last.shares]
    heads = [f"‖∂L/∂{field}‖" for field in last.norms]
    yield "   " + "".join(f"{head:>12}" for head in [*heads, *names])
    following = found.steps[-1]
    for t in reversed(range(len(found.steps))):
        step = found.steps[t]
        if step.block != following.block:
            yield _border(found, t)
        following = step
        own = step.backward[layer]
        numbers = [f"{norm:12.4g}" for norm in own.norms.values()]
        shares = [own.shares[name].share for name in names]
        bar = "█" * max(0, min(20, round(20 * shares[-1])))
        yield f"{t + 1:>3}" + "".join(numbers) + "".join(f"{s:12.2%}" for s in shares) + f"  {bar}"
    norms = found.gradient_norms[layer]
    for name in found.initial_fields(layer):
        yield (
            _row(f"∂L/∂{name}", found.gradients[layer][name])
            + f"   ‖∂L/∂{name}‖ = {norms[name]:.4g}"
        )
    said = ", ".join(f"‖∂L/∂{name}‖ = {norms[name]:.4g}" for name in names)
    yield say("show.sum", norms=said)
