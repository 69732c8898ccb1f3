"""Word lists: cells that hold the words or labels of a sentence as a list, as data sets save them."""

import ast
import json
import re

from sunhwan.errors import DataError, quoted
from sunhwan.text.decoding import normalize

_ITEM = r"""(?:'(?:[^'\\]|\\.)*+'|"(?:[^"\\]|\\.)*+"|-?[0-9]++)"""
_LIST = re.compile(rf"\[\s*+(?:{_ITEM}(?:\s*+,\s*+{_ITEM})*+\s*+,?\s*+)?\]", re.DOTALL)
"""A list of strings and whole numbers, as JSON or Python writes it: nothing in it is nested."""
_OPENS = re.compile(r"""\[\s*(?:['"\[{]|-?[0-9]+\s*,|\])""")


def listed_words(cell: str, where: str) -> tuple[str, ...] | None:
    """The items of a cell that is a list such as `["Anna", "saw"]` or `[0, 3]`; None: it is none.

    DataError: it begins as a list and ends as one, but is not one of strings and whole numbers, or one
    of its strings is empty.
    """
    cell = cell.strip()
    if not (cell.endswith("]") and _OPENS.match(cell)):
        return None
    items = _items(cell)
    words = tuple(" ".join(normalize(str(item)).split()) for item in items or ())
    if items is None or "" in words:
        raise DataError(
            f"{where}: {quoted(cell)} is no list of words or labels alone; write a list of strings that "
            "are not empty, or words with spaces between them"
        )
    return words


def _items(cell: str) -> list[str | int] | None:
    if not _LIST.fullmatch(cell):
        return None
    try:
        found = json.loads(cell)
    except ValueError:
        try:
            found = ast.literal_eval(cell)  # as Python writes lists, with single quotes
        except (ValueError, SyntaxError):
            return None
    return list(found)
