"""Functions of C99 made of programs: one row in, one row out, weights in float32 or in 8 bits."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from sunhwan.exporting import loops
from sunhwan.program import Program
from sunhwan.program.operations import Numbers

PRODUCTS = {
    "fp32": """\
/* out (columns) = x (rows) W (rows, columns) */
static void product(float *restrict out, const float *restrict x, const float *restrict W, int rows,
                    int columns)
{
    int i = 0;
    for (int j = 0; j < columns; j++) out[j] = 0.0f;
    for (; i + 4 <= rows; i += 4, W += 4 * columns) {
        const float a = x[i], b = x[i + 1], c = x[i + 2], d = x[i + 3];
        const float *W1 = W + columns, *W2 = W1 + columns, *W3 = W2 + columns;
        for (int j = 0; j < columns; j++) out[j] += a * W[j] + b * W1[j] + (c * W2[j] + d * W3[j]);
    }
    for (; i < rows; i++, W += columns)
        for (int j = 0; j < columns; j++) out[j] += x[i] * W[j];
}

""",
    "int8": """\
/* out (columns) = W (columns, rows) x (rows), W in 8 bits with a scale for each row; x is rounded to 8
 * bits, too, by its largest number. */
static void product(float *restrict out, const float *restrict x, const signed char *restrict W,
                    const float *restrict scale, int rows, int columns, signed char *restrict rounded)
{
    float most = 0.0f, by;
    for (int i = 0; i < rows; i++) most = fmaxf(most, fabsf(x[i]));
    by = most > 0.0f ? 127.0f / most : 0.0f;
    for (int i = 0; i < rows; i++) rounded[i] = (signed char)lrintf(x[i] * by);
    for (int j = 0; j < columns; j++, W += rows) {
        int total = 0;
        for (int i = 0; i < rows; i++) total += rounded[i] * W[i];
        out[j] = (float)total * (scale[j] * (most / 127.0f));
    }
}

""",
}
"""By what weights are kept in."""


class CFunction(NamedTuple):
    """A function, and what it needs.

    scratch: numbers of `m->scratch`. flash: bytes of weights. operations: additions and multiplications
    of products. rounded: bytes of `m->rounded`.
    """

    text: str
    scratch: int
    flash: int
    operations: int
    rounded: int


def c_function(
    head: str, program: Program, weights: str, first: Sequence[str] = (), state: Sequence[str] = ()
) -> CFunction:
    """The function with this head that runs a program.

    first: lines before its statements. state: inputs and results that are fields of the struct.
    """
    made = loops.statements(program, loops.C)
    arrays, flash, rounded, lines = [], 0, 0, list(made.lines)
    for name, numbers in made.arrays.items():
        if weights == "int8" and name in made.matrices:
            rows = made.matrices[name]
            text, size = in_bytes(name, numbers.reshape(rows, -1).T)
            pattern = rf"^product\((.*), {name}, (\d+), (\d+)\);$"
            called = rf"product(\1, {name}, {name}_scale, \2, \3, m->rounded);"
            lines = [re.sub(pattern, called, line) for line in lines]
            rounded = max(rounded, rows)
        else:
            text, size = floats(name, numbers), 4 * numbers.size
        arrays.append(text)
        flash += size
    arrays += [whole(name, numbers) for name, numbers in made.tables.items()]
    before = [*first, *(f"float *const {field} = m->{field};" for field in state)]
    if made.scratch:
        before.append("float *const scratch = m->scratch;")
    elif not state:
        before.append("(void)m;")
    inside = [*arrays, *before, *lines]
    body = "\n".join("    " + line.replace("\n", "\n    ") for line in inside)
    text = f"{head}\n{{\n{body}\n}}\n"
    return CFunction(text, made.scratch, flash, made.operations, rounded)


def floats(name: str, numbers: Numbers) -> str:
    """An array of float32."""
    flat = [literal(value) for value in numbers.astype(np.float32).reshape(-1).tolist()]
    return f"static const float {name}[] = {_lines(flat, 8)};"


def in_bytes(name: str, rows: Numbers) -> tuple[str, int]:
    """An array of 8 bits with a scale for each row, NAME_scale; and how many bytes both are."""
    scale = np.maximum(np.abs(rows).max(1) / 127, 1e-30).astype(np.float32)
    numbers = np.rint(rows / scale[:, None]).astype(int).reshape(-1)
    text = f"static const signed char {name}[] = {_lines(list(map(str, numbers.tolist())), 24)};\n"
    return text + floats(f"{name}_scale", scale), numbers.size + 4 * scale.size


def whole(name: str, numbers: Numbers | Sequence[int]) -> str:
    """An array of whole numbers."""
    return f"static const int {name}[] = {_lines(list(map(str, map(int, numbers))), 16)};"


def literal(value: float) -> str:
    """A float of C, with as many digits as float32 has."""
    text = f"{value:.9g}"
    return f"{text}f" if "." in text or "e" in text else f"{text}.0f"


def _lines(flat: list[Any], count: int) -> str:
    lines = [", ".join(flat[n : n + count]) for n in range(0, len(flat), count)]
    return "{\n    " + ",\n    ".join(lines) + "\n}"
