"""The pages on the mathematics: every cell in both languages, and the notes' symbols are the code's."""

import re
from pathlib import Path

import torch

from sunhwan.cells import CELLS, GRU, LSTM, get_cell

DOCS = Path(__file__).parents[1] / "docs"
ENGLISH, KOREAN = (
    (DOCS / name).read_text(encoding="utf-8") for name in ("cells.md", "cells.ko.md")
)


def test_every_cell_is_on_the_pages_of_both_languages() -> None:
    headings = [line for line in KOREAN.splitlines() if line.startswith("### ")]
    named = [name for line in headings for name in re.findall(r"`(\w+)`", line)]
    assert sorted(named) == sorted(CELLS)
    rows = re.findall(r"^\| `(\w+)` \|", ENGLISH, re.MULTILINE)
    assert sorted(set(rows) & set(CELLS)) == sorted(CELLS)


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
