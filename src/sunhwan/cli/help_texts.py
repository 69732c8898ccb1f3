"""Help of the commands in the chosen language; what has no translation stays English."""

import inspect
import unicodedata
from functools import cache
from typing import Any

from typer.core import TyperCommand, TyperGroup

from sunhwan.cli.language import language, say
from sunhwan.messages import catalogue

WIDE = "\u2060"
"""Stands behind a letter of two columns while lines are broken, so that both are counted."""

HEADINGS = {
    "Usage: ": "help.usage", "Options:": "help.options", "Arguments:": "help.arguments",
    "Commands:": "help.commands", "[default:": "help.default", "[required]": "help.required",
}  # fmt: skip


class Translated:
    """A command or a group whose help is in the chosen language."""

    help: str | None

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters, with their help translated."""
        found: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        for param in found:
            if getattr(param, "help", None):
                param.help = translated(param.help)
        return found

    def get_short_help_str(self, limit: int = 45) -> str:
        """One line of what it does."""
        self.help = translated(self.help or "")
        found: str = super().get_short_help_str(limit)  # type: ignore[misc]
        return found

    def get_help(self, ctx: Any) -> str:
        """The page of --help."""
        self.help = translated(self.help or "")
        page: str = super().get_help(ctx)  # type: ignore[misc]
        if language() == "en":
            return page
        for heading, key in HEADINGS.items():
            page = page.replace(heading, say(key))
        return page.replace(WIDE, "")


class Command(Translated, TyperCommand):
    """A command."""


class Group(Translated, TyperGroup):
    """Several commands."""


def translated(text: str) -> str:
    """A text of help in the chosen language, its wide letters marked."""
    if language() == "en" or WIDE in text:
        return text
    found = _translations(language()).get(inspect.cleandoc(text), text)
    return "".join(c + WIDE if unicodedata.east_asian_width(c) in "WF" else c for c in found)


@cache
def _translations(chosen: str) -> dict[str, str]:
    return {texts["en"]: texts[chosen] for texts in catalogue()["help"].values()}
