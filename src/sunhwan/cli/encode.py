"""`sunhwan encode`."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sunhwan.cli.language import say
from sunhwan.cli.left_out import Problems
from sunhwan.cli.output import complain, echo
from sunhwan.cli.own_cell import Cells, name_cells
from sunhwan.errors import SunhwanError, UsageError, listed

if TYPE_CHECKING:
    from sunhwan.inspection.measures.encoding import EncodedText
    from sunhwan.tasks import Task


def encode(
    run: Annotated[Path, typer.Argument(help="A run folder or a model folder.")],
    file: Annotated[
        Path,
        typer.Argument(
            help="A text a line, or a table with a --column of texts; -: standard input, a text a line."
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="A file .npy or .parquet to write.", show_default=False)
    ] = Path("vectors.npy"),
    column: Annotated[
        str,
        typer.Option(
            help="Of a table: the column with the texts; left out: the model's own, text or document."
        ),
    ] = "",
    tokens: Annotated[
        bool,
        typer.Option("--tokens", help="A vector for each token, not for each text (.parquet)."),
    ] = False,
    skip_bad: Annotated[
        bool,
        typer.Option(
            "--skip-bad", help="Leave out texts that are too short for a vector, and tell which."
        ),
    ] = False,
    pooling: Annotated[
        str,
        typer.Option(
            help="How a text's vector is made: mean, last, max, concat; left out: as the model does."
        ),
    ] = "",
    cell: Cells = None,
) -> None:
    """Write the vector that a model makes of each text, for search, clustering or other models."""
    from sunhwan.api import load
    from sunhwan.atomic import check_writable, write_bytes
    from sunhwan.inspection.measures.encoding import encode_texts, unknown_pieces

    if out.suffix not in (".npy", ".parquet"):
        raise UsageError(f"--out {out} must end with .npy or .parquet")
    if tokens and out.suffix != ".parquet":
        raise UsageError("--tokens gives a table of tokens: name a .parquet with --out")
    name_cells(cell)
    check_writable(out)
    task = load(run)
    texts = _texts(task, file, column)
    problems = Problems() if skip_bad else None
    found = encode_texts(task, texts, pooling=pooling, on_problem=problems or _refuse)
    if problems:
        problems.tell()
    if unknown := unknown_pieces(task, texts):
        some = listed([repr(piece) for piece, _ in unknown.most_common()], 10)
        complain(say("encode.unknown", count=f"{unknown.total():,}", some=some), "yellow")
    write_bytes(out, _parquet(texts, found, tokens) if out.suffix == ".parquet" else _npy(found))
    vectors = sum(len(one.labels) for one in found) if tokens else len(found)
    size = len(found[0].tokens[0] if tokens else found[0].vector)
    echo(say("encode.written", vectors=f"{vectors:,}", size=size, path=out))


def _refuse(problem: SunhwanError) -> None:
    raise UsageError(f"{problem}: leave it out (--skip-bad)")


def _texts(task: "Task", file: Path, column: str) -> list[str]:
    """The texts of a file: its lines, or a column of its table; parts that a model reads side by side are
    separated by tabs."""
    from sunhwan.data import column as column_of
    from sunhwan.data import read_table
    from sunhwan.tasks.common.questions import read_stdin
    from sunhwan.text import read_text

    inputs = task.columns_asked if task.asks_rows(file) else []
    if len(inputs) > 1:
        if column:
            raise UsageError(
                f"--column: the model reads {' and '.join(inputs)} side by side: leave the option out"
            )
        return ["\t".join(question.cells) for question in task.questions(file)]
    if str(file) == "-" and column:
        raise UsageError("--column is of a table, and standard input is read as a text a line")
    if file.suffix in (".txt", ".md", "") and not column:
        text = read_stdin() if str(file) == "-" else read_text(file)
        lines = text.removesuffix("\n").split("\n")
        if not any(lines):
            raise UsageError(f"{'standard input' if str(file) == '-' else file} has no text")
        return lines
    table = read_table(file)
    guesses = table.columns
    if len(table.columns) > 1:
        guesses = tuple(dict.fromkeys((*inputs, "text", "document", "sentence", "1")))
    name = column_of(table, column, guesses, "text")
    return [row.values[name] for row in table.rows]


def _npy(found: "Sequence[EncodedText]") -> bytes:
    import numpy as np

    buffer = io.BytesIO()
    np.save(buffer, np.stack([one.vector for one in found]))
    return buffer.getvalue()


def _parquet(texts: Sequence[str], found: "Sequence[EncodedText]", tokens: bool) -> bytes:
    import pyarrow as arrow

    from sunhwan.data.sheets import parquet_library

    library = parquet_library()
    if tokens:
        columns = {
            "text": [one.place for one in found for _ in one.labels],
            "token": [label for one in found for label in one.labels],
            "vector": [vector.tolist() for one in found for vector in one.tokens],
        }
    else:
        columns = {
            "text": [texts[one.place] for one in found],
            "vector": [one.vector.tolist() for one in found],
        }
    vectors = arrow.array(columns.pop("vector"), type=arrow.list_(arrow.float32()))
    buffer = io.BytesIO()
    library.write_table(arrow.table({**columns, "vector": vectors}), buffer)
    return buffer.getvalue()
