"""The pages on the mathematics: every cell in both languages, and the notes' symbols are the code's."""

import re
from pathlib import Path

import torch

from sunhwan.cells import CELLS, GRU, LSTM, get_cell

DOCS = Path(__file__).parents[1] / "docs"
ENGLISH, KOREAN = (
    (DOCS / name).read_text(encoding="utf-8") for name in ("cells.md", "cells.ko.md")
)
DERIVATIONS = {path.name: path for path in (DOCS / "cells").glob("*.md")}


def test_every_cell_is_on_the_pages_of_both_languages() -> None:
    tables = [
        re.findall(r"^\| `(\w+)` \|.*\|.*\|", page, re.MULTILINE) for page in (ENGLISH, KOREAN)
    ]
    cells = [[name for name in names if name in CELLS] for names in tables]
    assert cells[0] == cells[1]
    assert sorted(cells[0]) == sorted(CELLS)
    headings = "".join(
        line
        for name, path in DERIVATIONS.items()
        for line in path.read_text(encoding="utf-8").splitlines()
        if name.endswith(".ko.md") and line.startswith("## ")
    )
    assert sorted(set(re.findall(r"`(\w+)`", headings))) == sorted(CELLS)


def test_a_reader_of_korean_needs_no_english_page_for_the_mathematics() -> None:
    for name in [n for n in DERIVATIONS if not n.endswith(".ko.md")]:
        korean = DERIVATIONS[name.replace(".md", ".ko.md")].read_text(encoding="utf-8")
        english = DERIVATIONS[name].read_text(encoding="utf-8")
        # Every section, and its derivation: as many gradients, a few of them in a line of text.
        assert korean.count("\n## ") == english.count("\n## "), name
        assert korean.count("mathrm{d}") > 0.8 * english.count("mathrm{d}"), name
        body = korean.split("\n", 3)[3]
        assert not re.findall(r"\]\([^)]*(?<!\.ko)\.md", body), name
    assert set(re.findall(r"\]\(([^)]*(?<!\.ko)\.md[^)]*)\)", KOREAN)) == {
        "cells.md",
        "cells.md#sources",
    }


def test_the_symbols_of_the_notes_are_those_of_the_code() -> None:
    """Γ_u = 1 − z, Γ_r = r, c = h, c̃ = n; of an LSTM Γ_u, Γ_f, Γ_o = i, f, o and c̃ = g."""
    torch.manual_seed(1)
    x, before = torch.randn(2, 3), torch.randn(2, 4)
    for name in ("gru", "gru_reset_before"):
        cell = get_cell(name)
        p = cell.initial_parameters(3, 4)
        h = cell.state_type(before)
        (after,) = cell.step(x, h, p)
        r, z, n = (x @ p["W_x"] + p["b"]).chunk(3, 1)
        if isinstance(cell, GRU):
            u_r, u_z, u_n = (before @ p["W_h"] + p["b_h"]).chunk(3, 1)
            reset, update = torch.sigmoid(r + u_r), 1 - torch.sigmoid(z + u_z)
            candidate = torch.tanh(n + reset * u_n)
        else:
            u_r, u_z = (before @ p["W_h"]).chunk(2, 1)
            reset, update = torch.sigmoid(r + u_r), 1 - torch.sigmoid(z + u_z)
            candidate = torch.tanh(n + (reset * before) @ p["W_m"])
        torch.testing.assert_close(after, update * candidate + (1 - update) * before)
    lstm = LSTM()
    p, c = lstm.initial_parameters(3, 4), torch.randn(2, 4)
    h, memory = lstm.step(x, lstm.state_type(before, c), p)
    u, f, g, o = (x @ p["W_x"] + before @ p["W_h"] + p["b"]).chunk(4, 1)
    kept = torch.sigmoid(f) * c + torch.sigmoid(u) * torch.tanh(g)
    torch.testing.assert_close((memory, h), (kept, torch.sigmoid(o) * torch.tanh(kept)))
