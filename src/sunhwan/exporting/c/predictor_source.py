"""The source of a classifier, a tagger or a forecaster in C99."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from sunhwan import __version__
from sunhwan.exporting.c.coding import encoding, named, quoted
from sunhwan.exporting.c.functions import (
    PRODUCTS,
    CFunction,
    c_function,
    floats,
    in_bytes,
    literal,
)
from sunhwan.exporting.c.predictor_code import POOLS
from sunhwan.exporting.c.source import CSource
from sunhwan.exporting.c.words import read_code, vocabularies
from sunhwan.exporting.predictor_programs import Level, Read
from sunhwan.program import Program
from sunhwan.program.operations import Numbers
from sunhwan.tasks.common.word_input import WordsKind
from sunhwan.text import Vocabulary

HEAD = """\
/* {about}
 *
 * Made by sunhwan {version}. C99, nothing but the standard library and libm, no allocation.
 *
 *   flash       {flash:,} bytes of weights
 *   RAM         {ram:,} bytes: struct {name}, for at most {upper}_STEPS steps
 *   operations  {operations:,} additions and multiplications a step in the matrix products
 *
 * The struct belongs to the caller; what it holds between calls is of no concern. For shorter inputs
 * and less RAM, {row:,} bytes a step, compile with -D{upper}_STEPS=100, say.
 *
{usage}
 */
#ifndef {upper}_DECLARED
#define {upper}_DECLARED

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


class Network(NamedTuple):
    """What all predictors have: the input, the recurrence, and the head for each step or each vector."""

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
    struct. labels: names, or none. vocabulary: of texts; words: of words that are spelled, too.
    vocabularies: code that is written as it is, for there are texts of users in it.
    functions, tables: that the code calls and reads; written: levels that go on step by step; numbers, row:
    4 bytes each of `fields`, and bytes of them for each step.
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
    vocabulary: Vocabulary | None = None
    words: WordsKind | None = None
    vocabularies: str = ""
    functions: Sequence[Function] = ()
    tables: tuple[tuple[str, Numbers], ...] = ()
    written: tuple[Level, ...] = ()
    numbers: int = 0
    row: int = 0


def predictor_source(
    name: str, about: str, network: Network, ending: Ending, weights: str, steps: int
) -> CSource:
    """The file; steps: how many the struct has room for unless the compiler is told."""
    read, levels, upper = network.read, network.levels, name.upper()
    made: list[CFunction] = []

    def ours(code: str) -> str:
        return named(code.replace("UPPER_", f"{upper}_"), name)

    parts: list[str] = [PRODUCTS[weights]]

    def function(label: str, program: Program, state: dict[str, Numbers] | None = None) -> None:
        head = f"static void {label}(struct NAME *m, const float *x, float *out)"
        fields = [field for field in state or {} if field in program.results]
        made.append(c_function(head, program, weights, (), fields))
        parts.append(ours(made[-1].text))

    flash, D, passed, readers = 0, _given(network), "read, steps", list[Level]()
    if read.program is not None:
        function("read_step", read.program)
        given = "const float *read, int steps"
        fill = f"read_step(m, read + t * {read.numbers}, m->a + t * {D});"
    elif read.words is not None:
        words, readers = read.words, [read.words.onward, read.words.back]
        given, passed = "const int *words, const int *letters, int steps", "words, letters, steps"
        table, flash = _table(words.table, weights)
        parts.append(table)
        flash += 4 * words.letters.size
        function("onward", words.onward.directions[0], words.onward.initial)
        function("backward", words.back.directions[0], words.back.initial)
        factor = "TABLE_scale[word] * " if weights == "int8" else ""
        parts.append(ours(read_code(words, "\n".join(begin_lines(readers)), factor)))
        fill = f"read_word(m, words[t], letters + t * UPPER_LETTERS, m->a + t * {D});"
    elif read.tables:
        given, calls = "const int *read, int steps", list[str]()
        for column, labelled in enumerate(read.tables):
            table, size = _table(labelled, weights, f"LABELS_{column}")
            parts.append(table)
            flash += size
            wide, place = labelled.shape[1], f"read[t * {len(read.tables)} + {column}]"
            factor = f"LABELS_{column}_scale[{place}] * " if weights == "int8" else ""
            calls.append(
                f"for (int j = 0; j < {wide}; j++) m->a[t * {D} + {column * wide} + j] = "
                f"{factor}LABELS_{column}[{place} * {wide} + j];"
            )
        fill = "{ " + " ".join(calls) + " }"
    else:
        assert read.table is not None
        given = "const int *read, int steps"
        table, flash = _table(read.table, weights)
        parts.append(table)
        fill = f"for (int j = 0; j < {D}; j++) m->a[t * {D} + j] = "
        factor = "TABLE_scale[read[t]] * " if weights == "int8" else ""
        fill += f"{factor}TABLE[read[t] * {D} + j];"
    head = f"static void fill(struct NAME *m, {given})"
    parts.append(ours(f"{head}\n{{\n{_each(fill)}\n}}\n"))
    calls = []
    rows = {"a": D, "b": 0 if levels else 1}
    here, there = "a", "b"
    for depth, level in enumerate(levels):
        rows[there] = max(rows[there], level.output)
        for direction, program in enumerate(level.directions):
            label = f"level_{depth}" + "_back" * direction
            function(label, program, level.initial)
            first = level.directions[0].operations[level.directions[0].results["out"]].size
            shift = f" + {first}" if direction and level.width > first else ""
            call = f"{label}(m, m->{here} + t * {level.given}, m->{there} + t * {level.output}{shift});"
            calls.append(_each(call, direction == 1))
        if level.connect is not None:
            function(f"connect_{depth}", level.connect)
            call = f"connect_{depth}(m, m->{here} + t * {level.given}, m->{there} + t * {level.output});"
            calls.append(_each(call))
        here, there = there, here
    stride = levels[-1].output if levels else D
    parts.append(ours(_run(levels, calls, here)))
    if ending.score is not None:
        function("score", ending.score)
    function("head", network.head)
    for one in ending.functions:
        function(*one)
    for label, table_numbers in ending.tables:
        table, size = _table(table_numbers, weights, label)
        parts.append(table)
        flash += size
    if ending.pool[0]:
        parts.append(ours(_pool(ending.pool, stride)))
    row = 4 * (rows["a"] + rows["b"] + (ending.score is not None))
    fields = [
        f"    float a[UPPER_STEPS * {rows['a']}];", f"    float b[UPPER_STEPS * {rows['b']}];",
    ]  # fmt: skip
    numbers = max([1, *(one.scratch for one in made)])
    fields.append(f"    float scratch[{numbers}];")
    for level in [*readers, *levels, *ending.written]:
        fields += [f"    float {field}[{len(v)}];" for field, v in level.initial.items()]
        numbers += sum(map(len, level.initial.values()))
    if ending.pool[0]:
        vectors = _pooled(ending.pool) * (4 if ending.inputs > 1 else 1)
        fields.append(f"    float v[{vectors}];")
        numbers += vectors
    if ending.score is not None:
        fields.append("    float weights[UPPER_STEPS];")
    if ending.vocabulary is not None:
        fields.append("    int tokens[UPPER_STEPS + 1];")
        row, numbers = row + 4, numbers + 1
    if "origin" in "".join(ending.fields):
        row += 2 * ending.sizes["LABELS"]
    fields += [f"    {field}" for field in ending.fields]
    row, numbers = row + ending.row, numbers + ending.numbers
    rounded = max(one.rounded for one in made)
    if rounded:
        fields.append(f"    signed char rounded[{rounded}];")
    if ending.vocabulary is not None:
        parts.append(encoding(ending.vocabulary, name))
    if ending.words is not None:
        parts.append(vocabularies(ending.words, name))
    if ending.labels:
        quotes = ", ".join(quoted(label.encode()) for label in ending.labels)
        parts.append(
            f"const char *{name}_label(int number)\n{{\n"
            f"    static const char *const LABELS[] = {{ {quotes} }};\n    return LABELS[number];\n}}\n"
        )
    parts.append(ending.vocabularies)
    code = _filled(ending.code, given, passed).replace("VECTOR", str(_pooled(ending.pool)))
    code = code.replace("STRIDE_OF_A", str(D)).replace("STRIDE", str(stride)).replace("ROWS", here)
    code = code.replace("WRITTEN_BY", "WRITTEN_scale[token] *" if weights == "int8" else "")
    parts.append(ours(code))
    struct = row * steps + 4 * numbers + rounded
    flash += sum(one.flash for one in made)
    about_sizes = "".join(f"enum {{ {upper}_{key} = {n} }};\n" for key, n in ending.sizes.items())
    head = HEAD.format(
        about=about, version=__version__, flash=flash, ram=struct, name=name, upper=upper, row=row,
        operations=sum(one.operations for one in made), usage=ours(ending.usage), steps=steps,
        sizes=about_sizes, fields=ours("\n".join(fields)),
        declared=ours(_filled(ending.declared, given, passed)),
    )  # fmt: skip
    return CSource("\n".join([head, *parts, "#endif\n"]), struct)


def _filled(code: str, given: str, passed: str) -> str:
    """Code with the parameters of an input, and of a second one, in their places."""
    for word, names in (("GIVEN", given), ("PASSED", passed)):
        second = re.sub(r"(\w+)(?=,|$)", r"\1_2", names)
        code = code.replace(f"{word}_2", second).replace(word, names)
    return code


def _given(network: Network) -> int:
    """Numbers of a step as the recurrence reads it, or what stands in its place."""
    read = network.read
    if network.levels:
        return network.levels[0].given
    if read.program is not None:
        return read.program.operations[read.program.results["out"]].size
    return sum(table.shape[1] for table in read.tables)


def _table(table: Numbers, weights: str, name: str = "TABLE") -> tuple[str, int]:
    if weights == "int8":
        text, size = in_bytes(name, table)
        return text + "\n", size
    return floats(name, table) + "\n", 4 * table.size


def _each(call: str, back: bool = False) -> str:
    head = "for (int t = steps; t--;)" if back else "for (int t = 0; t < steps; t++)"
    return f"    {head} {call}"


def begin_lines(levels: list[Level]) -> list[str]:
    """Statements that set the state before the first step."""
    begin = []
    for level in levels:
        for field, values in level.initial.items():
            begin.append(f"    memset(m->{field}, 0, sizeof m->{field});")
            begin += [f"    m->{field}[{n}] = {literal(v)};" for n, v in enumerate(values) if v]
    return begin


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
