"""Values of settings: converted from TOML or a shell to the type of their setting."""

import math
from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Any, cast, get_args, get_origin

from sunhwan.config.sections import Value
from sunhwan.errors import ConfigError, did_you_mean, quoted
from sunhwan.files import SETTINGS, parse_toml, read_plain

STAMP = ("format", "sunhwan")
"""Above the sections of a run folder's config.toml: the format's version, and that of sunhwan."""


def read_toml(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """A TOML file: what a run folder's has above its sections, and the sections.

    ConfigError names the file and the line.
    """
    try:
        values = parse_toml(read_plain(path, SETTINGS).decode("utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start} is not UTF-8: save it as UTF-8") from None
    except ValueError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from None
    return {name: values.pop(name) for name in STAMP if name in values}, values


def parse_assignment(text: str) -> tuple[str, Any]:
    """`section.key=value` → (name, value): the value as TOML, or else as plain text."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--set {text}: write section.key=value, say model.hidden_size=64")
    try:
        found = parse_toml(f"value = {value}")
    except ValueError:
        return name.strip(), value
    return name.strip(), found["value"] if found.keys() == {"value"} else value


def check_names(values: Mapping[str, Any], known: Mapping[str, Any], what: str, where: str) -> None:
    """ConfigError names the first unknown name, and one like it."""
    for name in values:
        if name not in known:
            raise ConfigError(
                f"unknown {what} {quoted(name)} in {where}{did_you_mean(str(name), known)}: it can be "
                f"{', '.join(known)}"
            )


def convert(value: Any, kind: Any, f: Any, name: str) -> Value:
    """A value as the type of its field, if it is what the field may be; ConfigError says what that is."""
    if kind == bool | str:
        # A switch that may be left to auto.
        return "" if value == "" else convert(value, bool, f, name)
    if isinstance(kind, UnionType):
        # One for all, or a list of them.
        one, _ = get_args(kind)
        if not isinstance(value, list | tuple):
            return convert(value, one, f, name)
        if not value:
            raise ConfigError(f"{name} is an empty list: give one value, or one a layer")
        return cast(Value, tuple(convert(v, one, f, name) for v in value))
    if get_origin(kind) is tuple and get_args(kind)[0] is str:
        value = (value,) if isinstance(value, str) else value
        if not isinstance(value, list | tuple) or not all(isinstance(v, str) for v in value):
            raise ConfigError(f"{name} must be a text or a list of texts, not {quoted(value)}")
        return tuple(_text(v, name) for v in value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value) if abs(value) < 2**1023 else math.inf
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ConfigError(f"{name} must be {_KINDS[kind]}, not {quoted(value)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{name} must be a finite number, not {value!r}")
    low, high, choices = (f.metadata[key] for key in ("low", "high", "choices"))
    if isinstance(value, int | float) and not (
        (low is None or value >= low) and (high is None or value <= high) and value == value
    ):
        bounds = f"at least {low:g}" if high is None else f"between {low:g} and {high:g}"
        raise ConfigError(f"{name} must be {bounds}, not {quoted(value)}")
    besides = f.metadata["besides"]
    if choices and value not in choices and not (besides and besides in str(value)):
        raise ConfigError(
            f"{name} must be one of {', '.join(map(repr, choices))}, not {quoted(value)}"
            f"{did_you_mean(str(value), map(str, choices))}"
        )
    return _text(value, name) if isinstance(value, str) else cast(Value, value)


def _text(value: str, name: str) -> str:
    """The same, if it can be written down: the name of a file can be bytes that are no text."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise ConfigError(
            f"{name} is {quoted(value)}, which is not UTF-8: rename the file"
        ) from None
    return value


_KINDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
