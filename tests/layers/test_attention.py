"""Attention is its formula, row by row, over the steps that are real."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from sunhwan.errors import ConfigError, ShapeError
from sunhwan.layers.attention import KINDS, Attended, Attention
from tests.layers.helpers import assert_close, assert_identical, gradients, random_input

N, T, S, Q, A = 4, 3, 5, 2, 6
LENGTHS = [3, 5, 0, 1]
PADDING = torch.arange(S) >= torch.tensor(LENGTHS).unsqueeze(1)
KEY_SIZE = {"additive": 3, "dot": Q, "general": 3}
SICK = 1

every_kind = pytest.mark.parametrize("kind", KINDS)


def attention(kind: str, dtype: torch.dtype = torch.float64) -> Attention:
    """One whose every parameter is random."""
    torch.manual_seed(0)
    made = Attention(kind, Q, KEY_SIZE[kind], A if kind == "additive" else None).to(dtype)
    with torch.no_grad():
        for p in made.parameters():
            p += 0.2 * torch.randn_like(p)
    return made


def inputs(kind: str) -> tuple[Tensor, Tensor]:
    """T queries a row, and keys."""
    return random_input(N, T, Q, seed=1), random_input(N, S, KEY_SIZE[kind], seed=2)


def score(net: Attention, q: Tensor, k: Tensor) -> Tensor:
    """Of one query (Q) and one key (K), as the paper has it."""
    p = dict(net.named_parameters())
    if net.kind == "dot":
        return (q * k).sum()
    if net.kind == "general":
        return q @ p["key.weight"] @ k
    hidden = torch.tanh(p["query.weight"] @ q + p["key.weight"] @ k + p["query.bias"])
    return p["score.weight"][0] @ hidden


def by_hand(net: Attention, query: Tensor, keys: Tensor, lengths: list[int]) -> list[Tensor]:
    """Contexts (N, T, K) and weights (N, T, S), one query and one key at a time."""
    contexts, weights = [], []
    for n, length in enumerate(lengths):
        for q in query[n]:
            real = keys[n, :length]
            e = [torch.exp(score(net, q, k)) for k in real]
            a = torch.stack(e) / torch.stack(e).sum() if e else keys.new_zeros(0)
            contexts.append(a @ real)
            weights.append(torch.cat((a, a.new_zeros(S - length))))
    shape = query.shape[:2]
    return [torch.stack(v).view(*shape, -1) for v in (contexts, weights)]


@every_kind
def test_it_is_its_formula(kind: str) -> None:
    net, (query, keys) = attention(kind), (v.requires_grad_() for v in inputs(kind))
    sources = [query, keys, *net.parameters()]
    for lengths, padding in (([S] * N, None), (LENGTHS, PADDING)):
        found = list(net(query, keys, padding=padding))
        wanted = by_hand(net, query, keys, lengths)
        assert_close(found, wanted)
        assert_close(gradients(found, sources), gradients(wanted, sources), 1e-11)


@every_kind
def test_gradients(kind: str) -> None:
    net, (query, keys) = attention(kind), (v.requires_grad_() for v in inputs(kind))

    def together(query: Tensor, keys: Tensor, *_: Tensor) -> Attended:
        return net(query, keys, padding=PADDING)

    def one_query(query: Tensor, keys: Tensor, *_: Tensor) -> Attended:
        return net(query[:, 0], keys, net.project(keys), PADDING)

    for function in (together, one_query):
        assert gradcheck(function, (query, keys, *net.parameters()))


Call = Callable[[Attention, Tensor, Tensor], Attended]
WAYS: dict[str, Call] = {
    "whole": lambda net, q, k: net(q, k, padding=PADDING),
    "projected": lambda net, q, k: net(q, k, net.project(k), PADDING),
    "prepared": lambda net, q, k: net.attend(q, net.prepare(k, PADDING)),
    "step by step": lambda net, q, k: step_by_step(net, q, k),
}


def step_by_step(net: Attention, query: Tensor, keys: Tensor) -> Attended:
    prepared = net.prepare(keys, PADDING)
    steps = [net.attend(q, prepared) for q in query.unbind(1)]
    return Attended(*(torch.stack(v, 1) for v in zip(*steps, strict=True)))


@every_kind
def test_all_ways_are_one_function(kind: str) -> None:
    net, (query, keys) = attention(kind), (v.requires_grad_() for v in inputs(kind))
    sources = [query, keys, *net.parameters()]
    wanted = WAYS["whole"](net, query, keys)
    slopes = gradients(wanted, sources)
    for way in WAYS.values():
        found = way(net, query, keys)
        assert_close(list(found), list(wanted))
        assert_close(gradients(found, sources), slopes)


def fill(keys: Tensor, value: float) -> Tensor:
    return torch.where(PADDING.unsqueeze(-1), value, keys.detach()).requires_grad_()


@every_kind
@pytest.mark.parametrize("value", [1e30, torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("way", WAYS)
def test_padding_changes_nothing(kind: str, value: float, way: str) -> None:
    net, (query, keys) = attention(kind), inputs(kind)
    query.requires_grad_()
    results = []
    for filled in (fill(keys, 0.0), fill(keys, value)):
        values = list(WAYS[way](net, query, filled))
        # Projecting NaN is the caller's doing: W's own gradient knows of it.
        parameters = [] if way == "projected" else net.parameters()
        results.append((values, gradients(values, [query, filled, *parameters])))
    (values, slopes), (found, found_slopes) = results
    assert all(torch.isfinite(v).all() for v in (*values, *slopes))
    assert slopes[1].any()
    assert_identical(found, values)
    assert_identical(found_slopes, slopes)
    shown = PADDING.unsqueeze(1).expand(N, T, S)
    assert not values[1][shown].any()
    assert values[1][~shown].all()


@every_kind
@pytest.mark.filterwarnings("ignore:Anomaly Detection")
def test_a_row_of_padding_gives_zeros(kind: str) -> None:
    net, (query, keys) = attention(kind), (v.requires_grad_() for v in inputs(kind))
    # This finds a NaN on the way back even where it is dropped later.
    with torch.autograd.detect_anomaly():
        context, weights = net(query, keys, padding=PADDING)
        of_query, of_keys = gradients([context, weights], [query, keys])
    empty = LENGTHS.index(0)
    for value in (context, weights, of_query, of_keys):
        assert not value[empty].any()
        assert value[SICK].any()


@every_kind
def test_a_source_without_steps(kind: str) -> None:
    net, (query, keys) = attention(kind), inputs(kind)
    for padding in (None, PADDING[:, :0]):
        context, weights = net(query, keys[:, :0], padding=padding)
        assert context.shape == (N, T, KEY_SIZE[kind])
        assert not context.any()
        assert weights.shape == (N, T, 0)


@every_kind
@pytest.mark.parametrize("sick", ["query", "keys"])
@pytest.mark.parametrize("padding", [None, PADDING])
def test_nan_stays_in_its_row(kind: str, sick: str, padding: Tensor | None) -> None:
    net = attention(kind)

    def rows(poison: bool) -> list[Tensor]:
        query, keys = inputs(kind)
        if poison:
            (query if sick == "query" else keys)[SICK, 0] = torch.nan
        query.requires_grad_(), keys.requires_grad_()
        values = list(net(query, keys, padding=padding))
        return [*values, *gradients(values, [query, keys])]

    healthy = torch.arange(N) != SICK
    found, wanted = rows(True), rows(False)
    assert found[0][SICK].isnan().any()
    assert_identical([v[healthy] for v in found], [v[healthy] for v in wanted])


@every_kind
def test_large_scores(kind: str) -> None:
    net, (query, keys) = attention(kind, torch.float32), inputs(kind)
    with torch.no_grad():
        for p in net.parameters():
            p *= 1e3
        weights = net(1e3 * query.float(), 1e3 * keys.float(), padding=PADDING).weights
    assert_close(weights.sum(-1), (~PADDING).any(1).float().unsqueeze(1).expand(N, T), 1e-6)


@every_kind
def test_autocast_keeps_the_precision_of_the_keys(kind: str) -> None:
    net, (query, keys) = attention(kind, torch.float32), inputs(kind)
    query, keys = query.float(), keys.float()
    wanted = net(query, keys, padding=PADDING)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = net(query, keys, padding=PADDING)
    assert found.context.dtype == found.weights.dtype == torch.float32
    assert_close(found, wanted, 0.05)


def test_size_is_that_of_the_hidden_layer() -> None:
    shapes = [
        {name: tuple(p.shape) for name, p in Attention("additive", 4, 3, size).named_parameters()}
        for size in (None, 5)
    ]
    for found, size in zip(shapes, (4, 5), strict=True):
        assert found == {
            "query.weight": (size, 4), "query.bias": (size,), "key.weight": (size, 3),
            "score.weight": (1, size),
        }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("bilinear", 4, 4), ("bilinear", *KINDS)),
        (("dot", 4, 3), ("dot", "4", "3", "general", "additive")),
        (("general", 0, 4), ("query_size 0",)),
        (("additive", 4, -1), ("key_size -1",)),
        (("additive", 4, 4, 0), ("size 0",)),
        (("general", 4, 4, 5), ("general", "size", "additive")),
    ],
)
def test_options_that_do_not_fit(arguments: Any, words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as caught:
        Attention(*arguments)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"query": torch.zeros(N, Q + 1)}, ("query", f"({N}, {Q + 1})", f"(N, {Q})")),
        ({"query": torch.zeros(Q)}, ("query", f"({Q},)")),
        ({"query": torch.zeros(N + 1, Q)}, (str(N + 1), str(N))),
        ({"keys": torch.zeros(N, S, Q + 1)}, ("keys", f"({N}, {S}, {Q + 1})", f"(N, S, {Q})")),
        ({"keys": torch.zeros(N, Q)}, ("keys", f"({N}, {Q})")),
        ({"projected": torch.zeros(N, S + 1, Q)}, ("projected", f"({N}, {S + 1}, {Q})")),
        ({"padding": PADDING.T}, ("padding", f"({N}, {S})", f"({S}, {N})")),
        ({"padding": PADDING.long()}, ("padding", "int64")),
    ],
)
def test_tensors_that_do_not_fit(change: dict[str, Tensor], words: tuple[str, ...]) -> None:
    arguments = {"query": torch.zeros(N, Q), "keys": torch.zeros(N, S, Q), "padding": PADDING}
    with pytest.raises(ShapeError) as caught:
        Attention("dot", Q, Q)(**arguments | change)
    for word in words:
        assert word in str(caught.value)
