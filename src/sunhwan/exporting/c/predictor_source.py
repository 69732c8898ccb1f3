"""The source of a classifier, a tagger or a forecaster in C99."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from sunhwan import __version__
from sunhwan.exporting.c.coding import quoted
from sunhwan.exporting.c.ngrams import add_ngrams
from sunhwan.exporting.c.parts import SourceParts, begin_lines, each_step
from sunhwan.exporting.c.predictor_code import POOLS
from sunhwan.exporting.c.reading import InputCode, Texts, add_reading
from sunhwan.exporting.c.source import CSource
from sunhwan.exporting.predictor_programs import Level, Read
from sunhwan.layers import Pooling
from sunhwan.models.ngrams import NgramLinear
from sunhwan.program import Program
from sunhwan.program.operations import Numbers

HEAD = """\
/* {about}
 *
 * Made by sunhwan {version}. C99, nothing but the standard library and libm, no allocation.
 *
 *   flash       {flash:,} bytes of weights
 *   RAM         {ram:,} bytes: struct {name}{room}
 *   operations  {operations:,} additions and multiplications a step in the matrix products
 *
 * The struct belongs to the caller; what it holds between calls is of no concern.{shorter}
 *
{usage}
 */
#ifndef {upper}_DECLARED
#define {upper}_DECLARED

#include <stdint.h>

#ifndef {upper}_STEPS
#define {upper}_STEPS {steps}
#endif
{sizes}
/* Room for a call. */
struct {name} {{
{fields}
}};

{declared}
#endif
#ifndef {upper}_HEADER

#include <math.h>
#include <string.h>

"""


SHORTER = """ For shorter inputs
 * and less RAM, {row:,} bytes a step, compile with -D{upper}_STEPS=100, say."""
"""Of inputs that are sequences."""


class PredictorParts(NamedTuple):
    """Parts that all predictors have: the input, the recurrence, and the head of a step or vector."""

    read: Read
    levels: list[Level]
    head: Program


class Function(NamedTuple):
    """A function of a program, with the state that is kept in the struct."""

    label: str
    program: Program
    initial: dict[str, Numbers] | None = None


class Ending(NamedTuple):
    """What a task does with the outputs of the recurrence.

    sizes: numbers with a name. usage, declared, code: parts of the file. pool: "" or its name, its size
    and where its second half begins; inputs: how many are pooled; score: of attention. fields: of the
    struct. labels: names, or none. texts: how a text is read, or None. vocabularies: code that is written
    as it is, for there are texts of users in it. ngrams: the linear model beside the network, and the
    temperature that both are divided by. functions, tables: that the code calls and reads; written: levels
    that go on step by step; numbers, row: 4 bytes each of `fields`, and bytes of them for each step. head:
    what the function `head` computes where that is not the output layer.
    """

    sizes: dict[str, int]
    usage: str
    declared: str
    code: str
    fields: tuple[str, ...] = ()
    pool: tuple[str, int, int] = ("", 0, 0)
    inputs: int = 1
    score: Program | None = None
    labels: tuple[str, ...] = ()
    texts: Texts | None = None
    vocabularies: str = ""
    ngrams: tuple[NgramLinear, float] | None = None
    functions: Sequence[Function] = ()
    tables: tuple[tuple[str, Numbers], ...] = ()
    written: tuple[Level, ...] = ()
    numbers: int = 0
    row: int = 0
    head: Program | None = None


def predictor_source(
    name: str, about: str, network: PredictorParts, ending: Ending, weights: str, steps: int
) -> CSource:
    """The file; steps: how many the struct has room for unless the compiler is told."""
    levels, upper = network.levels, name.upper()
    parts, D = SourceParts(name, weights), _given(network)
    ngrams, temperature = ending.ngrams or (None, 1.0)
    reading = add_reading(parts, network.read, D, ngrams)
    rows, here, stride = _recurrence(parts, levels, D)
    if ending.score is not None:
        parts.function("score", ending.score)
    parts.function("head", network.head)
    if ngrams is not None:
        add_ngrams(parts, ngrams, temperature)
    for one in ending.functions:
        parts.function(*one)
    for label, table in ending.tables:
        parts.table(table, label)
    if ending.pool[0]:
        parts.add(_pool(ending.pool, stride))
    fields, row, numbers = _fields(parts, reading, levels, ending, rows)
    parts.add_raw(ending.vocabularies)
    if ending.texts is not None:
        parts.add_raw(ending.texts.vocabularies)
        parts.add(ending.texts.code)
    if ending.labels:
        quotes = ", ".join(quoted(label.encode()) for label in ending.labels)
        parts.add_raw(
            f"const char *{name}_label(int number)\n{{\n"
            f"    static const char *const LABELS[] = {{ {quotes} }};\n    return LABELS[number];\n}}\n"
        )
    given, passed = reading.given, reading.passed
    code = _filled(ending.code, given, passed).replace("VECTOR", str(_pooled(ending.pool)))
    code = code.replace("STRIDE", str(stride)).replace("ROWS", here)
    parts.add(code.replace("WRITTEN_BY ", parts.scaled("WRITTEN", "token")))
    struct = row * steps + 4 * numbers + parts.rounded
    sizes = {**dict(reading.sizes), **ending.sizes}
    about_sizes = "".join(f"enum {{ {upper}_{key} = {n} }};\n" for key, n in sizes.items())
    shorter = SHORTER.format(row=row, upper=upper) if steps > 1 else ""
    room = f", for at most {upper}_STEPS steps" if steps > 1 else ""
    head = HEAD.format(
        about=about, version=__version__, flash=parts.bytes, ram=struct, name=name, upper=upper,
        room=room, shorter=shorter, operations=parts.operations, steps=steps,
        sizes=about_sizes, usage=parts.named(ending.usage), fields=parts.named("\n".join(fields)),
        declared=parts.named(_filled(ending.declared, given, passed)),
    )  # fmt: skip
    return CSource("\n".join([head, *parts.texts, "#endif\n"]), struct)


def _recurrence(parts: SourceParts, levels: list[Level], D: int) -> tuple[dict[str, int], str, int]:
    """Add the function `run`: numbers a step of m->a and m->b, where its outputs are and their size."""
    calls = []
    rows = {"a": D, "b": 0 if levels else 1}
    here, there = "a", "b"
    for depth, level in enumerate(levels):
        rows[there] = max(rows[there], level.output)
        for direction, program in enumerate(level.directions):
            label = f"level_{depth}" + "_back" * direction
            parts.function(label, program, level.initial)
            first = level.directions[0].operations[level.directions[0].results["out"]].size
            shift = f" + {first}" if direction and level.width > first else ""
            call = f"{label}(m, m->{here} + t * {level.given}, m->{there} + t * {level.output}{shift});"
            calls.append(each_step(call, back=direction == 1))
        if level.connect is not None:
            parts.function(f"connect_{depth}", level.connect)
            call = f"connect_{depth}(m, m->{here} + t * {level.given}, m->{there} + t * {level.output});"
            calls.append(each_step(call))
        here, there = there, here
    stride = levels[-1].output if levels else D
    parts.add(_run(levels, calls, here))
    return rows, here, stride


def _fields(
    parts: SourceParts,
    reading: InputCode,
    levels: list[Level],
    ending: Ending,
    rows: dict[str, int],
) -> tuple[list[str], int, int]:
    """The fields of the struct; how many bytes they have for each step, and 4 bytes each beside."""
    row = 4 * (rows["a"] + rows["b"] + (ending.score is not None))
    fields = [
        f"    float a[UPPER_STEPS * {rows['a']}];", f"    float b[UPPER_STEPS * {rows['b']}];",
    ]  # fmt: skip
    arrays = [("scratch", parts.scratch), *reading.fields]
    for level in [*reading.levels, *levels, *ending.written]:
        arrays += [(field, len(values)) for field, values in level.initial.items()]
    if ending.pool[0]:
        arrays.append(("v", _pooled(ending.pool) * (4 if ending.inputs > 1 else 1)))
    fields += [f"    float {field}[{size}];" for field, size in arrays]
    numbers = sum(size for _, size in arrays)
    if ending.score is not None:
        fields.append("    float weights[UPPER_STEPS];")
    if ending.texts is not None and ending.texts.tokens:
        fields.append("    int tokens[UPPER_STEPS + 1];")
        row, numbers = row + 4, numbers + 1
    if ending.ngrams is not None:
        fields.append("    uint32_t codes[UPPER_STEPS];")
        row += 4
    if "origin" in "".join(ending.fields):
        row += 2 * ending.sizes["LABELS"]
    fields += [f"    {field}" for field in ending.fields]
    row, numbers = row + ending.row, numbers + ending.numbers
    if parts.rounded:
        fields.append(f"    signed char rounded[{parts.rounded}];")
    return fields, row, numbers


def pool_of(pooling: Pooling) -> tuple[str, int, int]:
    """The pooling of an `Ending`."""
    return pooling.kind, pooling.size, pooling.size // pooling.directions


def _filled(code: str, given: str, passed: str) -> str:
    """Code with the parameters of an input, and of a second one, in their places."""
    for word, names in (("GIVEN", given), ("PASSED", passed)):
        second = re.sub(r"(\w+)(?=,|$)", r"\1_2", names)
        code = code.replace(f"{word}_2", second).replace(word, names)
    return code


def _given(network: PredictorParts) -> int:
    """Numbers of a step as the recurrence reads it, or what stands in its place."""
    read = network.read
    if network.levels:
        return network.levels[0].given
    program = read.program if read.images is None else read.images.last
    if program is not None:
        return program.operations[program.results["out"]].size
    return sum(table.shape[1] for table in read.tables)


def _run(levels: list[Level], calls: list[str], last: str) -> str:
    lines = [
        "/* The outputs of the recurrence at every step of m->a. */",
        "static const float *run(struct NAME *m, int steps)", "{",
        *begin_lines(levels), *(calls or ["    (void)steps;"]), f"    return m->{last};", "}", "",
    ]  # fmt: skip
    return "\n".join(lines)


def _pooled(pool: tuple[str, int, int]) -> int:
    return 3 * pool[1] if pool[0] == "concat" else pool[1]


def _pool(pool: tuple[str, int, int], stride: int) -> str:
    kind, size, half = pool
    names = ("last", "mean", "max") if kind == "concat" else (kind,)
    body = "    v += SIZE;\n".join(POOLS[name] for name in names)
    for word, value in (("SIZE", size), ("HALF", half), ("STRIDE", stride)):
        body = body.replace(word, str(value))
    head = "static void pool(struct NAME *m, const float *y, int steps, float *v)"
    return f"{head}\n{{\n    (void)m;\n{body}}}\n"
