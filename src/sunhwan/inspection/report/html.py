"""HTML page of a report, drawn by its template; it loads nothing from outside."""

import base64
import hashlib
from collections.abc import Mapping, Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined

from sunhwan.inspection.report.blocks import AMOUNT, DEEPEST, LESS, MORE, Block

TEMPLATES = Environment(
    loader=PackageLoader("sunhwan.inspection.report", "template"),
    autoescape=True, undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True,
)  # fmt: skip


def page(
    title: str,
    language: str,
    sections: Mapping[str, Sequence[Block]],
    pictures: Mapping[str, str],
    *,
    about: str = "",
    footer: str = "",
) -> str:
    """The whole document. It asks for nothing outside, and no script runs but the one that colours.

    sections: title → blocks, in their order. pictures: markup by name.
    """
    colours = {"more": MORE, "less": LESS, "amount": AMOUNT}
    script = TEMPLATES.get_template("colours.js").render(
        {name: ",".join(map(str, colour)) for name, colour in colours.items()}, deepest=DEEPEST
    )
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return TEMPLATES.get_template("page.html.jinja").render(
        title=title, language=language, sections=sections, pictures=pictures, about=about,
        footer=footer, script=script, digest=digest,
    )  # fmt: skip
