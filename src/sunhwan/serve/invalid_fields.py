"""Invalid fields of a request: one plain sentence from what pydantic found."""

from collections.abc import Mapping, Sequence
from typing import Any

from sunhwan.errors import shortened
from sunhwan.serve.refusals import RefusedError

SENTENCES = {
    "missing": "it is missing",
    "extra_forbidden": "there is no such field",
    "greater_than_equal": "it must be {ge} or more",
    "greater_than": "it must be more than {gt}",
    "less_than_equal": "it must be {le} or less",
    "less_than": "it must be less than {lt}",
    "too_long": "there are {actual_length}, and {max_length} are the most",
    "string_too_long": "it has more than {max_length} characters",
    "string_too_short": "it must not be empty",
    "string_type": "it must be a text",
    "int_type": "it must be a whole number",
    "int_from_float": "it must be a whole number",
    "float_type": "it must be a number",
    "finite_number": "it must be a finite number",
    "bool_type": "it must be true or false",
    "list_type": "it must be a list",
    "dict_type": "it must be an object",
    "model_type": "it must be an object",
    "model_attributes_type": "it must be an object",
}
"""What is wrong with a field, by pydantic's name for it."""


def invalid_fields(errors: Sequence[Mapping[str, Any]]) -> RefusedError:
    """What the server answers to a request whose fields are not as they must be."""
    first = errors[0]
    if first["type"] == "json_invalid":
        return RefusedError(400, "the body is no JSON")
    # Of a field that may be several things there is an error for each of these: the one to tell is
    # the one that is not about the kind.
    alike = [error for error in errors if error["loc"][:2] == first["loc"][:2]]
    told = next((error for error in alike if not error["type"].endswith("_type")), first)
    names = [str(part) for part in told["loc"][1:] if _is_of_request(part)]
    sentence = told["msg"].removeprefix("Value error, ")
    if told["type"] in SENTENCES:
        limits = {name: _number(value) for name, value in told.get("ctx", {}).items()}
        sentence = SENTENCES[told["type"]].format(**limits)
    where = shortened(".".join(names), 200)
    message = f"{where}: {sentence}" if where else sentence
    return RefusedError(422, message, param=names[0] if names else None)


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _is_of_request(part: str | int) -> bool:
    """Whether a part of a place is a name or a number of the request, no kind such as list[str]."""
    return isinstance(part, int) or (part.isidentifier() and part not in ("str", "int", "float"))
