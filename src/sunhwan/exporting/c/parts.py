"""The parts of a C file in order, and what they need of flash and of the struct."""

import re

from sunhwan.exporting.c.coding import named
from sunhwan.exporting.c.functions import PRODUCTS, CFunction, c_function, floats, in_bytes, literal
from sunhwan.exporting.predictor_programs import Level
from sunhwan.program import Program
from sunhwan.program.operations import Numbers


class SourceParts:
    """The parts of a file.

    texts: in order. functions: those of programs. flash: bytes of the tables. operations: additions and
    multiplications of a step in the matrix products.
    """

    def __init__(self, name: str, weights: str) -> None:
        self.name, self.weights = name, weights
        self.texts: list[str] = [PRODUCTS[weights]]
        self.functions: list[CFunction] = []
        self.flash = self.operations = 0

    def named(self, code: str) -> str:
        """Code of ours with the names of the model in it."""
        return named(code.replace("UPPER_", f"{self.name.upper()}_"), self.name)

    def add(self, code: str) -> None:
        """A part of ours."""
        self.texts.append(self.named(code))

    def add_raw(self, text: str) -> None:
        """A part that is written as it is."""
        self.texts.append(text)

    def function(
        self, label: str, program: Program, state: dict[str, Numbers] | None = None, times: int = 1
    ) -> None:
        """A function of a program from x to out; its state is in the struct. times: calls a step."""
        head = f"static void {label}(struct NAME *m, const float *x, float *out)"
        fields = [field for field in state or {} if field in program.results]
        made = c_function(head, program, self.weights, (), fields)
        self.functions.append(made)
        self.operations += times * made.operations
        self.add(made.text)

    def table(self, numbers: Numbers, label: str = "TABLE") -> None:
        """A table, in 8 bits with a scale for each row where weights are."""
        if self.weights == "int8":
            text, size = in_bytes(label, numbers)
        else:
            text, size = floats(label, numbers), 4 * numbers.size
        self.add_raw(text + "\n")
        self.flash += size

    def scaled(self, label: str, row: str) -> str:
        """What an entry of a table's row is multiplied with, and the sign."""
        return f"{label}_scale[{row}] * " if self.weights == "int8" else ""

    @property
    def scratch(self) -> int:
        """Numbers that the functions need for values in between, at least 1."""
        return max([1, *(one.scratch for one in self.functions)])

    @property
    def rounded(self) -> int:
        """Bytes that products of 8 bits need."""
        return max(one.rounded for one in self.functions)

    @property
    def bytes(self) -> int:
        """Bytes of all weights."""
        return self.flash + sum(one.flash for one in self.functions)


def each_step(call: str, *, back: bool = False) -> str:
    """A loop over the steps."""
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


def filled(code: str, words: dict[str, object]) -> str:
    """Code with numbers and statements in the places of words."""
    pattern = r"\b(" + "|".join(words) + r")\b"
    return re.sub(pattern, lambda found: str(words[found[1]]), code)
