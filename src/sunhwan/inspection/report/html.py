"""A page that needs nothing but itself: escaped text, tables, coloured text, and its frame."""

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

MORE, LESS, AMOUNT = (230, 120, 20), (118, 86, 214), (210, 60, 90)
"""The colours of values above and below 0, and of amounts, laid thinly over the page's own."""

DEEPEST = 0.75


class Painting(NamedTuple):
    """A name, and a value −1 … 1 for each piece of a text, NaN where there is none.

    signed: whether the values lie around 0; else they are amounts.
    """

    name: str
    values: Values
    signed: bool


def around_zero(name: str, values: Values, centre: float | None = 0.0) -> Painting:
    """Values around a centre (None: their mean), the deepest colour where the largest 2 % begin."""
    real = values[~np.isnan(values)]
    if not len(real):
        return Painting(name, values, True)
    middle = real.mean() if centre is None else centre
    reach = max(float(np.quantile(np.abs(real - middle), 0.98)), 1e-12)
    return Painting(name, np.clip((values - middle) / reach, -1, 1), True)


def amounts(name: str, values: Values, most: float) -> Painting:
    """Values from 0 on, the deepest colour from `most` on."""
    return Painting(name, np.clip(values / most, 0, 1), False)


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph; kind: its class."""
    return f"<p{f' class={kind}' if kind else ''}>{escape(text)}</p>"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int]) -> str:
    """A table that scrolls in itself; numbers: the columns to be set flush right."""
    right = [' class="n"' if place in numbers else "" for place in range(len(columns))]
    head = "".join(f"<th{r}>{escape(name)}</th>" for r, name in zip(right, columns, strict=True))
    body = "".join(
        "<tr>"
        + "".join(f"<td{r}>{escape(c)}</td>" for r, c in zip(right, row, strict=True))
        + "</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def painted(
    pieces: Sequence[str], paintings: Sequence[Painting], label: str, mark: int | None = None
) -> str:
    """A text in the colours of the first painting, and a choice of the others where there are any.

    mark: the piece to be framed.
    """
    spans = "".join(
        f"<span{' class=mark' if place == mark else ''}{_style(paintings, place)}>{escape(piece)}</span>"
        for place, piece in enumerate(pieces)
    )
    if len(paintings) < 2:
        return f'<div class="text">{spans}</div>'
    options = "".join(
        f"<option value={number}>{escape(one.name)}</option>"
        for number, one in enumerate(paintings)
    )
    data = json.dumps(
        [[one.signed, [_percent(value) for value in one.values.tolist()]] for one in paintings],
        separators=(",", ":"),
    )
    return (
        f'<div class="painted"><label>{escape(label)} <select autocomplete=off>{options}</select></label>'
        f'<div class="text">{spans}</div><script type="application/json">{data}</script></div>'
    )


def _percent(value: float) -> int | None:
    return None if np.isnan(value) else round(100 * value)


def _style(paintings: Sequence[Painting], place: int) -> str:
    if not paintings or np.isnan(paintings[0].values[place]):
        return ""
    value, signed = float(paintings[0].values[place]), paintings[0].signed
    red, green, blue = (MORE if value > 0 else LESS) if signed else AMOUNT
    depth = round(DEEPEST * abs(value), 2)
    return f' style="background:rgba({red},{green},{blue},{depth})"' if depth else ""


def page(title: str, language: str, body: str) -> str:
    """The whole document. It asks for nothing outside, and no script runs but the one that colours."""
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'"
    return (
        f'<!DOCTYPE html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>{CSS}</style>\n</head>\n<body>\n<main>\n{body}\n"
        f"</main>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )


def _colour(colour: tuple[int, int, int]) -> str:
    return ",".join(map(str, colour))


SCRIPT = f"""
for (const box of document.querySelectorAll(".painted")) {{
  const data = JSON.parse(box.querySelector("script").textContent);
  const spans = box.querySelectorAll(".text span");
  box.querySelector("select").addEventListener("change", event => {{
    const [signed, values] = data[Number(event.target.value)];
    spans.forEach((span, place) => {{
      const value = values[place];
      const colour = !signed ? "{_colour(AMOUNT)}" : value > 0 ? "{_colour(MORE)}" : "{_colour(LESS)}";
      span.style.background = value ? `rgba(${{colour}},${{{DEEPEST} * Math.abs(value) / 100}})` : "";
    }});
  }});
}}
"""

CSS = """
:root { --paper: #ffffff; --ink: #1f2933; --soft: #52606d; --line: #9aa5b1; --rule: #e4e7eb;
  --accent: #c2410c; --blue: #0072b2; color-scheme: light dark; }
@media (prefers-color-scheme: dark) { :root { --paper: #14181d; --ink: #e4e7eb; --soft: #aab4bf;
  --line: #66717d; --rule: #2b333b; --accent: #f28b5b; --blue: #4aa3df; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.6 system-ui, "Apple SD Gothic Neo", "Malgun Gothic", "Noto Sans KR",
    "Noto Sans CJK KR", sans-serif; word-break: keep-all; overflow-wrap: break-word; }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.3; margin: 0 0 .5rem; }
h2 { font-size: 1.25rem; margin: 3rem 0 .5rem; padding-top: .75rem;
  border-top: 1px solid var(--rule); }
h3 { font-size: 1rem; margin: 1.75rem 0 .25rem; }
p { margin: .4rem 0; }
.what, .about, figcaption, footer { color: var(--soft); font-size: .875rem; }
.missing { color: var(--soft); font-style: italic; }
nav ol { padding-left: 1.4rem; margin: .5rem 0; columns: 18rem; }
a { color: inherit; text-underline-offset: .15em; }
figure { margin: 1rem 0; }
.scroll { overflow-x: auto; }
.picture { display: block; max-width: max(100%, 36rem); height: auto; }
table { border-collapse: collapse; font-size: .875rem; margin: .5rem 0; white-space: nowrap; }
th, td { text-align: left; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid var(--rule); }
th { font-weight: 600; color: var(--soft); }
.n { text-align: right; font-variant-numeric: tabular-nums; }
label { font-size: .875rem; color: var(--soft); }
select { font: inherit; color: var(--ink); background: var(--paper); border: 1px solid var(--line);
  border-radius: .3rem; padding: .1rem .3rem; max-width: 100%; }
.text { white-space: pre-wrap; word-break: break-all; border: 1px solid var(--rule);
  border-radius: .4rem; padding: .6rem .8rem; margin: .5rem 0; max-height: 32rem; overflow: auto;
  font: .85rem/1.55 ui-monospace, "D2Coding", "Nanum Gothic Coding", "Noto Sans Mono CJK KR",
    monospace; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.mark { outline: 2px solid var(--accent); outline-offset: -1px; }
footer { margin-top: 3rem; }
@media (max-width: 40rem) { main { padding: 1rem .8rem 3rem; } }
@media print { .text { max-height: none; } label { display: none; } figure { break-inside: avoid; }
  h2, h3 { break-after: avoid; } }
"""
