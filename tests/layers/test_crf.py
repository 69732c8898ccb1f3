"""A conditional random field against the enumeration of all paths."""

import math
from itertools import pairwise, product
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from sunhwan.errors import ConfigError, DataError, ShapeError
from sunhwan.layers.crf import CRF, bio_constraints
from tests.layers.helpers import assert_close, assert_identical, gradients, random_input

N, T, L = 6, 4, 3
LENGTHS = [4, 2, 0, 1, 3, 4]
PADDING = torch.arange(T) >= torch.tensor(LENGTHS).unsqueeze(1)
TARGETS = torch.randint(L, (N, T), generator=torch.Generator().manual_seed(5))
SICK = 1
FORBIDDEN = torch.tensor([[0, 1, 0], [0, 0, 1], [1, 1, 0]], dtype=torch.bool)
FORBIDDEN_START = torch.tensor([False, True, False])
MASKS: dict[str, tuple[Tensor | None, Tensor | None]] = {
    "free": (None, None),
    "constrained": (FORBIDDEN, FORBIDDEN_START),
}

every_mask = pytest.mark.parametrize("masks", MASKS)


def crf(masks: str = "free", dtype: torch.dtype = torch.float64, seed: int = 0) -> CRF:
    """One whose every parameter is random."""
    torch.manual_seed(seed)
    made = CRF(L, *MASKS[masks]).to(dtype)
    with torch.no_grad():
        for p in made.parameters():
            p += torch.randn_like(p)
    return made


class Paths(NamedTuple):
    """Every allowed path of one row, and its score."""

    labels: list[tuple[int, ...]]
    scores: Tensor


def enumerate_paths(net: CRF, e: Tensor, masks: str = "free") -> Paths:
    """Of emissions (T, L)."""
    pairs, first = MASKS[masks]
    labels, scores = [], []
    for path in product(range(L), repeat=len(e)):
        moves = list(pairwise(path))
        if first is not None and path and first[path[0]]:
            continue
        if pairs is not None and any(pairs[i, j] for i, j in moves):
            continue
        score = e.new_zeros(())
        if path:
            score = net.start[path[0]] + net.end[path[-1]]
        for t, label in enumerate(path):
            score = score + e[t, label]
        for i, j in moves:
            score = score + net.transitions[i, j]
        labels.append(path)
        scores.append(score)
    return Paths(labels, torch.stack(scores))


def rows(e: Tensor, lengths: list[int] | None) -> list[Tensor]:
    return [e[n, :length] for n, length in enumerate(lengths or [T] * N)]


@every_mask
@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_log_partition_is_the_sum_over_all_paths(masks: str, lengths: list[int] | None) -> None:
    net, e = crf(masks), random_input(N, T, L).requires_grad_()
    sources = [e, *net.parameters()]
    for constrained, obeyed in ((True, masks), (False, "free")):
        found = net.log_partition(e, lengths, constrained=constrained)
        wanted = [enumerate_paths(net, row, obeyed).scores.exp().sum() for row in rows(e, lengths)]
        total = torch.stack(wanted).log()
        assert_close(found, total)
        assert_close(gradients([found], sources), gradients([total], sources), 1e-11)


@every_mask
@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_likelihood_is_the_share_of_the_path(masks: str, lengths: list[int] | None) -> None:
    # Among the targets are some that the masks forbid.
    net, e = crf(masks), random_input(N, T, L).requires_grad_()
    found = net.negative_log_likelihood(e, TARGETS, lengths)
    wanted = []
    for row, targets in zip(rows(e, lengths), TARGETS.tolist(), strict=True):
        paths = enumerate_paths(net, row)
        right = paths.labels.index(tuple(targets[: len(row)]))
        wanted.append(-torch.log(paths.scores.exp()[right] / paths.scores.exp().sum()))
    assert_close(found, torch.stack(wanted))
    sources = [e, *net.parameters()]
    slopes = gradients([torch.stack(wanted)], sources)
    assert all(s.any() for s in slopes)
    assert_close(gradients([found], sources), slopes, 1e-11)


@every_mask
@pytest.mark.parametrize("lengths", [None, LENGTHS])
@pytest.mark.parametrize("seed", range(5))
def test_decode_finds_the_best_path(masks: str, lengths: list[int] | None, seed: int) -> None:
    net, e = crf(masks, seed=seed), random_input(N, T, L, seed=seed)
    found = net.decode(e, lengths)
    assert found.shape == (N, T)
    assert not found.is_floating_point()
    for row, labels in zip(rows(e, lengths), found.tolist(), strict=True):
        paths = enumerate_paths(net, row, masks)
        best = paths.labels[int(paths.scores.argmax())]
        assert tuple(labels) == (*best, *[0] * (T - len(row)))


@every_mask
@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_marginals_are_the_share_of_all_paths_through_a_label(
    masks: str, lengths: list[int] | None
) -> None:
    net, e = crf(masks), random_input(N, T, L)
    wanted = torch.zeros(N, T, L, dtype=torch.float64)
    for n, row in enumerate(rows(e, lengths)):
        paths = enumerate_paths(net, row, masks)
        shares = paths.scores.softmax(0).detach()
        for path, share in zip(paths.labels, shares, strict=True):
            for t, label in enumerate(path):
                wanted[n, t, label] += share
    found = net.marginals(e, lengths)
    assert_close(found, wanted)
    assert not found.requires_grad
    with torch.inference_mode():
        assert_identical(net.marginals(e.clone(), lengths), found)


@every_mask
def test_gradients(masks: str) -> None:
    net, e = crf(masks), random_input(N, T, L).requires_grad_()
    sources = (e, *net.parameters())
    assert gradcheck(lambda e, *_: net.negative_log_likelihood(e, TARGETS, LENGTHS), sources)
    assert gradcheck(lambda e, *_: net.log_partition(e, LENGTHS), sources)


def test_a_new_one_takes_labels_for_independent() -> None:
    net, e = CRF(L).double(), random_input(N, T, L)
    wanted = torch.nn.functional.cross_entropy(e.transpose(1, 2), TARGETS, reduction="none")
    assert_close(net.negative_log_likelihood(e, TARGETS), wanted.sum(1))
    assert torch.equal(net.decode(e), e.argmax(2))
    assert_close(net.marginals(e), e.softmax(2))


@every_mask
@pytest.mark.parametrize("value", [1e30, torch.nan, torch.inf, -torch.inf])
def test_padding_changes_nothing(masks: str, value: float) -> None:
    net, results = crf(masks), []
    for filling, target in ((0.0, 0), (value, -100)):
        e = torch.where(PADDING.unsqueeze(-1), filling, random_input(N, T, L)).requires_grad_()
        targets = torch.where(PADDING, target, TARGETS)
        values = [
            net.negative_log_likelihood(e, targets, LENGTHS),
            net.log_partition(e, ~PADDING),
        ]
        slopes = gradients(values, [e, *net.parameters()])
        results.append([*values, *slopes, net.marginals(e, LENGTHS), net.decode(e, LENGTHS)])
    wanted, found = results
    assert all(torch.isfinite(v).all() for v in wanted)
    assert not wanted[2][PADDING].any()
    assert_identical(found, wanted)


@every_mask
def test_nan_stays_in_its_row(masks: str) -> None:
    net, results = crf(masks), []
    for poison in (False, True):
        e = random_input(N, T, L)
        if poison:
            e[SICK, 0, 0] = torch.nan
        e.requires_grad_()
        values = [net.negative_log_likelihood(e, TARGETS, LENGTHS), net.log_partition(e)]
        slopes = gradients(values, [e])
        results.append([*values, *slopes, net.marginals(e, LENGTHS), net.decode(e, LENGTHS)])
    wanted, found = results
    assert found[0][SICK].isnan()
    healthy = torch.arange(N) != SICK
    assert_identical([v[healthy] for v in found], [v[healthy] for v in wanted])


@every_mask
def test_rows_without_steps(masks: str) -> None:
    net, e = crf(masks), random_input(N, T, L).requires_grad_()
    loss = net.negative_log_likelihood(e, TARGETS, LENGTHS)
    empty = LENGTHS.index(0)
    assert loss[empty] == 0
    assert (loss[torch.arange(N) != empty] > 0).all()
    assert not gradients([loss], [e])[0][empty].any()
    for lengths in (None, [0] * N):
        nothing = net.negative_log_likelihood(e[:, :0], TARGETS[:, :0], lengths)
        assert_identical(nothing, torch.zeros(N, dtype=torch.float64))
        assert nothing.requires_grad
        assert net.decode(e[:, :0], lengths).shape == (N, 0)
        assert net.marginals(e[:, :0], lengths).shape == (N, 0, L)
    assert net.negative_log_likelihood(e[:0], TARGETS[:0]).shape == (0,)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_long_sequences_and_few_digits(dtype: torch.dtype) -> None:
    # In bfloat16 sums over 500 steps would keep two digits; −∞ or an overflow would give NaN.
    net = crf("constrained", dtype)
    precise = CRF(L, FORBIDDEN, FORBIDDEN_START).double()
    precise.load_state_dict(net.state_dict())
    e = (10 * random_input(2, 500, L)).to(dtype)
    targets = precise.decode(e.double())
    assert torch.equal(net.decode(e), targets)
    found = net.negative_log_likelihood(e, targets)
    assert found.dtype == torch.float32
    wanted = precise.negative_log_likelihood(e.double(), targets)
    assert_close(found.double(), wanted, 1e-3)
    assert torch.isfinite(net.marginals(e)).all()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert_close(net.negative_log_likelihood(e, targets), found)


def test_what_is_forbidden_is_never_decoded() -> None:
    net = crf("constrained")
    with torch.no_grad():  # everything speaks for what is forbidden
        net.start.copy_(1e4 * FORBIDDEN_START)
        net.transitions.copy_(1e4 * FORBIDDEN)
    e = 100 * random_input(200, 7, L)
    found = net.decode(e)
    assert not FORBIDDEN_START[found[:, 0]].any()
    assert not FORBIDDEN[found[:, :-1], found[:, 1:]].any()
    assert not net.marginals(e)[:, 0, FORBIDDEN_START].any()


def test_targets_that_are_forbidden_have_a_loss() -> None:
    net, e = crf("constrained"), random_input(1, 3, L).requires_grad_()
    loss = net.negative_log_likelihood(e, torch.tensor([[1, 2, 0]]))
    assert 0 < loss < 100
    assert torch.isfinite(gradients([loss], [e])[0]).all()


def test_masks_are_not_part_of_what_is_saved() -> None:
    net, other = crf("constrained"), crf("free", seed=1)
    assert set(net.state_dict()) == {"start", "transitions", "end"}
    other.load_state_dict(net.state_dict())
    e = random_input(N, T, L)
    assert_identical(other.log_partition(e), net.log_partition(e, constrained=False))


def test_bio_constraints() -> None:
    labels = ["I-LOC", "O", "B-PER", "B-LOC", "I-PER"]
    constraints = bio_constraints(labels)
    assert constraints is not None
    forbidden, forbidden_start = constraints
    allowed = {
        (labels[i], labels[j]) for i, j in product(range(5), repeat=2) if not forbidden[i, j]
    }
    begins = {"O", "B-PER", "B-LOC"}
    assert allowed == {(a, b) for a in labels for b in begins} | {
        ("B-PER", "I-PER"), ("I-PER", "I-PER"), ("B-LOC", "I-LOC"), ("I-LOC", "I-LOC"),
    }  # fmt: skip
    assert {labels[j] for j in range(5) if not forbidden_start[j]} == begins
    CRF(len(labels), forbidden, forbidden_start)


@pytest.mark.parametrize(
    "labels",
    [
        ["NOUN", "VERB"],
        ["O", "B-PER", "I-PER", "E-PER"],
        ["O", "B-PER", "I-PER", "<pad>"],
        ["O", "I-PER", "I-LOC", "B-LOC"],
        ["O", "B-", "I-"],
    ],
)
def test_labels_that_are_not_bio(labels: list[str]) -> None:
    assert bio_constraints(labels) is None


def test_bio_labels_without_an_inside_forbid_nothing() -> None:
    constraints = bio_constraints(["O", "B-PER"])
    assert constraints is not None
    assert not constraints[0].any()
    assert not constraints[1].any()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((0,), ("1 label", "0")),
        ((2, torch.zeros(2, 3, dtype=torch.bool)), ("forbidden", "(2, 2)", "(2, 3)")),
        ((2, torch.zeros(2, 2)), ("forbidden", "float32")),
        ((2, None, torch.zeros(3, dtype=torch.bool)), ("forbidden_start", "(2,)", "(3,)")),
        ((2, None, torch.ones(2, dtype=torch.bool)), ("no sequence",)),
        # 0 leads to 1, 1 to nothing: no third label.
        ((2, torch.tensor([[True, False], [True, True]])), ("no sequence",)),
        # From 1 one could go on for ever, but cannot begin there.
        ((2, torch.tensor([[1, 1], [1, 0]]) > 0, torch.tensor([0, 1]) > 0), ("no sequence",)),
    ],
)
def test_options_that_do_not_fit(arguments: Any, words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as caught:
        CRF(*arguments)
    for word in words:
        assert word in str(caught.value)


def test_tensors_that_do_not_fit() -> None:
    net, e = CRF(L), torch.zeros(N, T, L)
    for emissions, targets, words in (
        (e[..., :2], TARGETS, (f"({N}, {T}, 2)", f"(N, T, {L})")),
        (e, TARGETS[:, :2], ("targets", f"({N}, {T})", f"({N}, 2)")),
        (e, TARGETS.float(), ("targets", "float32")),
    ):
        with pytest.raises(ShapeError) as caught:
            net.negative_log_likelihood(emissions, targets)
        for word in words:
            assert word in str(caught.value)
    with pytest.raises(ShapeError, match="lengths"):
        net.decode(e, [T + 1] * N)


@pytest.mark.parametrize("wrong", [-1, L])
def test_targets_that_are_no_labels(wrong: int) -> None:
    targets = TARGETS.clone()
    targets[SICK, 0] = wrong
    with pytest.raises(DataError, match=f"between 0 and {L - 1}.*{wrong}"):
        CRF(L).negative_log_likelihood(torch.zeros(N, T, L), targets, LENGTHS)


def test_a_fit_learns_what_follows_what() -> None:
    # The emissions tell nothing: what there is to learn is that 0, 1, 2 follow in turn.
    net, e = CRF(L), torch.zeros(L, 6, L)
    targets = (torch.arange(6) + torch.arange(L).unsqueeze(1)) % L
    optimizer = torch.optim.Adam(net.parameters(), 0.2)
    for _ in range(60):
        optimizer.zero_grad()
        loss = net.negative_log_likelihood(e, targets).mean()
        loss.backward()
        optimizer.step()
    assert loss.item() < math.log(L) + 0.1  # the first label remains a guess among L
    assert torch.equal(net.transitions.argmax(1), torch.tensor([1, 2, 0]))
