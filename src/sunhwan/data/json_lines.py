"""JSON Lines: one flat object a line."""

import json
from typing import Any

from sunhwan.errors import DataError, quoted
from sunhwan.files import parse_json
from sunhwan.text.decoding import normalize

_EXAMPLE = 'such as {"text": "…", "label": "…"}'


def parse_json_lines(
    text: str, name: str, *, lists: bool = False
) -> list[tuple[int, dict[str, str]]]:
    """The objects of `text`, with their line numbers; their keys are in the first one's order.

    Strings are normalised. Numbers stay as they are written, true and false too; null is "".
    lists: whether a value may be a list, which becomes its JSON.

    Raises:
        DataError: a line is empty or no object, a value is a list or an object, or the keys
            are not those of the first line; the message names `name` and the line.
    """
    objects: list[tuple[int, dict[str, str]]] = []
    for number, line in enumerate(text.split("\n") if text else [], 1):
        where = f"{name}, line {number}"
        values = _flat(_pairs(line, where), where, lists)
        keys = objects[0][1] if objects else values
        if values.keys() != keys.keys():
            missing, added = keys.keys() - values.keys(), values.keys() - keys.keys()
            found = (
                f"lacks the key {quoted(min(missing))}"
                if missing
                else f"has a key {quoted(min(added))}"
            )
            raise DataError(
                f"{where}: this object {found} unlike that of line 1; give every line the same keys."
            )
        objects.append((number, {key: values[key] for key in keys}))
    return objects


def _pairs(line: str, where: str) -> tuple[tuple[str, Any], ...]:
    if not line.strip():
        raise DataError(f"{where}: this line is empty; remove it.")
    try:
        # Objects become tuples, so that a key given twice shows; numbers keep their digits.
        found = parse_json(line, object_pairs_hook=tuple, parse_int=str, parse_float=str)
    except json.JSONDecodeError as error:
        reason = f"{error.msg} at character {error.colno}"
    except ValueError as error:
        reason = str(error)
    else:
        if isinstance(found, tuple) and found:
            return found
        reason = "it is an empty object" if found == () else "it is another value"
    raise DataError(
        f"{where}: this line is not one JSON object with keys ({reason}); write one a line, "
        f"{_EXAMPLE}."
    )


def _flat(pairs: tuple[tuple[str, Any], ...], where: str, lists: bool) -> dict[str, str]:
    values: dict[str, str] = {}
    for raw, value in pairs:
        key = normalize(raw)
        if key in values:
            raise DataError(f"{where}: the key {quoted(key)} stands twice; give each key once.")
        if isinstance(value, list) and lists:
            values[key] = normalize(json.dumps(value, ensure_ascii=False))
            continue
        if isinstance(value, list | tuple):
            kind = "a list" if isinstance(value, list) else "an object"
            raise DataError(
                f"{where}: the value of {quoted(key)} is {kind}; write a string, a number, true or false."
            )
        if value is None:
            values[key] = ""
        else:
            values[key] = normalize(value) if isinstance(value, str) else json.dumps(value)
    return values
