"""Programs: the step of a cell as a flat list of operations on rows of numbers."""

from sunhwan.program.cell_program import CellProgram, program_of, why_no_program
from sunhwan.program.equations import equations, step_equations
from sunhwan.program.evaluation import evaluate
from sunhwan.program.folding import folded
from sunhwan.program.operations import Operation, Program

__all__ = [
    "CellProgram",
    "Operation",
    "Program",
    "equations",
    "evaluate",
    "folded",
    "program_of",
    "step_equations",
    "why_no_program",
]
