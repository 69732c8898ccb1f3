"""The linear recurrence against a plain loop, in both forms: step by step and in chunks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sunhwan.ops import linear
from sunhwan.ops.linear import linear_recurrence, linear_scan

N, H = 2, 3
LENGTHS = (0, 1, 2, 3, 7, 8, 9, 16, 17, 97, 256, 1000, 4096)
FORMS = ("steps", "chunks", "chosen")

each_form = pytest.mark.parametrize("form", FORMS)
each_length = pytest.mark.parametrize("T", LENGTHS)
each_direction = pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])

Inputs = tuple[Tensor, Tensor, Tensor]


@contextmanager
def forced(form: str) -> Iterator[None]:
    """One form at every size, chunks at every level too; "chosen" is the rule as it is."""
    long, wide = {
        "steps": (0, 0),
        "chunks": (1, 2**60),
        "chosen": (linear.LONG, linear.WIDE),
    }[form]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linear, "LONG", long)
        patch.setattr(linear, "WIDE", wide)
        yield


def sigmoid_gates(draw: Tensor) -> Tensor:
    return draw.sigmoid()


def saturated_gates(draw: Tensor) -> Tensor:
    """Half of them exactly 0 or 1, the others between."""
    return torch.where(draw.abs() > 0.7, (draw > 0).double(), draw.sigmoid())


def signed_factors(draw: Tensor) -> Tensor:
    """Between -1.1 and 1.1."""
    return 1.1 * draw.tanh()


GATES: dict[str, Callable[[Tensor], Tensor]] = {
    "zeros": torch.zeros_like,
    "ones": torch.ones_like,
    "sigmoid": sigmoid_gates,
    "saturated": saturated_gates,
    "signed": signed_factors,
}


def inputs(
    T: int, gates: str = "sigmoid", *, rows: int = N, width: int = H, seed: int = 1
) -> Inputs:
    draw = torch.Generator().manual_seed(seed)
    f, v = torch.randn(2, T, rows, width, generator=draw, dtype=torch.float64)
    h0 = torch.randn(rows, width, generator=draw, dtype=torch.float64)
    return GATES[gates](f), v, h0


def loop(f: Tensor, v: Tensor, h0: Tensor, *, reverse: bool = False) -> Tensor:
    """The definition, through autograd."""
    if reverse:
        return loop(f.flip(0), v.flip(0), h0).flip(0)
    h, state = [], h0
    for f_t, v_t in zip(f.unbind(0), v.unbind(0), strict=True):
        state = f_t * state + v_t
        h.append(state)
    return torch.stack(h) if h else v.clone()


def assert_close(got: Tensor, wanted: Tensor, bound: float = 1e-12) -> None:
    assert got.shape == wanted.shape
    assert bool(got.isfinite().all())
    if got.numel():
        off = float((got.double() - wanted).abs().max())
        assert off <= bound * (1 + float(wanted.abs().max())), off


@each_length
@each_direction
@pytest.mark.parametrize("gates", GATES)
def test_equals_the_loop(gates: str, reverse: bool, T: int) -> None:
    f, v, h0 = inputs(T, gates)
    wanted = loop(f, v, h0, reverse=reverse)
    for form in FORMS:
        with forced(form):
            assert_close(linear_scan(f, v, h0, reverse=reverse), wanted)


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("long", [False, True])
def test_the_rule_on_a_cpu(long: bool, wide: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    T, width = linear.LONG + long, linear.WIDE - (not wide)
    called: list[int] = []
    in_chunks = linear._scan_by_chunks
    monkeypatch.setattr(
        linear, "_scan_by_chunks", lambda h, *rest: (called.append(len(h)), in_chunks(h, *rest))
    )
    f, v, h0 = inputs(T, rows=1, width=width)
    assert_close(linear_scan(f, v, h0), loop(f, v, h0))
    assert called == ([T] if long and not wide else [])


def test_operations_grow_with_the_logarithm_of_the_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0
    addcmul = torch.addcmul

    def counting(*args: Tensor, out: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return addcmul(*args, out=out)

    monkeypatch.setattr(torch, "addcmul", counting)
    linear_scan(*inputs(2**16, rows=1, width=1))
    assert calls < 128


def test_saturated_gates_are_exact() -> None:
    """A gate of 0 forgets everything, one of 1 keeps every bit."""
    T = 1000
    _, v, h0 = inputs(T)
    with forced("chunks"):
        assert torch.equal(linear_scan(torch.zeros_like(v), v, h0), v)
        kept = linear_scan(torch.ones_like(v), torch.zeros_like(v), h0)
    assert torch.equal(kept, h0.expand_as(v))


@each_form
@pytest.mark.parametrize("T", [0, 1, 100])
def test_no_rows(T: int, form: str) -> None:
    f, v, h0 = (x.requires_grad_() for x in inputs(T, rows=0))
    with forced(form):
        h = linear_recurrence(f, v, h0)
        gradients = torch.autograd.grad(h.sum(), (f, v, h0))
    assert h.shape == (T, 0, H)
    assert [g.shape for g in gradients] == [f.shape, v.shape, h0.shape]


@pytest.mark.parametrize("form", ["steps", "chunks"])
@pytest.mark.parametrize("T", [0, 1, 2, 9, 18])
@pytest.mark.parametrize("gates", ["saturated", "signed"])
def test_gradcheck(gates: str, T: int, form: str) -> None:
    leaves = tuple(x.requires_grad_() for x in inputs(T, gates, rows=1, width=2))
    with forced(form):
        assert torch.autograd.gradcheck(linear_recurrence, leaves)


@pytest.mark.parametrize("wanted", range(3), ids=["f", "v", "h0"])
def test_gradcheck_of_one_input(wanted: int) -> None:
    leaves = tuple(
        x.requires_grad_(i == wanted)
        for i, x in enumerate(inputs(linear.LONG + 1, rows=1, width=1))
    )
    assert torch.autograd.gradcheck(linear_recurrence, leaves)


@pytest.mark.parametrize("gates", ["ones", "saturated", "sigmoid"])
def test_gradients_equal_those_of_the_loop(gates: str) -> None:
    leaves = tuple(x.requires_grad_() for x in inputs(4096, gates))
    weights = inputs(4096, seed=2)[1]
    wanted = torch.autograd.grad((weights * loop(*leaves)).sum(), leaves)
    for form in FORMS:
        with forced(form):
            got = torch.autograd.grad((weights * linear_recurrence(*leaves)).sum(), leaves)
        for ours, theirs in zip(got, wanted, strict=True):
            assert_close(ours, theirs)


@pytest.mark.parametrize("T", [0, 1, 2, 9])
def test_is_differentiable_twice(T: int) -> None:
    leaves = tuple(x.double().requires_grad_() for x in inputs(T))
    if T:
        assert torch.autograd.gradgradcheck(linear_recurrence, leaves)
    (d_v,) = torch.autograd.grad(
        linear_recurrence(*leaves).square().sum(), leaves[1], create_graph=True
    )
    d_v.sum().backward()


lengths = st.integers(0, 150)


@settings(deadline=None, max_examples=60)
@given(T=lengths, form=st.sampled_from(FORMS), gates=st.sampled_from(list(GATES)), data=st.data())
def test_continues_from_a_carried_state(T: int, form: str, gates: str, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, T))
    f, v, h0 = inputs(T, gates)
    with forced(form):
        whole = linear_scan(f, v, h0)
        head = linear_scan(f[:cut], v[:cut], h0)
        tail = linear_scan(f[cut:], v[cut:], head[-1] if cut else h0)
    assert_close(torch.cat((head, tail)), whole)


@settings(deadline=None, max_examples=60)
@given(T=lengths, form=st.sampled_from(FORMS), gates=st.sampled_from(list(GATES)))
def test_reverse_is_a_run_over_flipped_time(T: int, form: str, gates: str) -> None:
    f, v, h0 = inputs(T, gates)
    with forced(form):
        got = linear_scan(f, v, h0, reverse=True)
        assert torch.equal(got, linear_scan(f.flip(0), v.flip(0), h0).flip(0))


@settings(deadline=None, max_examples=60)
@given(
    T=st.integers(1, 150),
    form=st.sampled_from(FORMS),
    bad=st.sampled_from([float("nan"), float("inf"), float("-inf")]),
    where=st.sampled_from(["f", "v", "h0"]),
    data=st.data(),
)
def test_what_is_not_finite_stays_in_its_lane_and_after_its_time(
    T: int, form: str, bad: float, where: str, data: st.DataObject
) -> None:
    t = data.draw(st.integers(0, T - 1)) if where != "h0" else 0
    f, v, h0 = inputs(T)
    clean = [x.clone().requires_grad_() for x in (f, v, h0)]
    {"f": f[t], "v": v[t], "h0": h0}[where][1, 2] = bad
    dirty = [x.requires_grad_() for x in (f, v, h0)]
    lane = torch.zeros(N, H, dtype=torch.bool)
    lane[1, 2] = True
    with forced(form):
        h, wanted = linear_recurrence(*dirty), linear_recurrence(*clean)
        gradients = torch.autograd.grad(h.sum(), dirty)
        wanted_gradients = torch.autograd.grad(wanted.sum(), clean)
    assert not h[t:, lane].isfinite().any()
    assert torch.equal(h[:t], wanted[:t])
    for ours, theirs in zip((h, *gradients), (wanted, *wanted_gradients), strict=True):
        assert torch.equal(ours[..., ~lane], theirs[..., ~lane])


@each_form
@pytest.mark.parametrize("zero_at", [None, 0, 5, 50, 99])
def test_an_overflowing_product_makes_no_nan(zero_at: int | None, form: str) -> None:
    """Factors whose products leave the range, and states of zero: h is v, as in the loop."""
    f = torch.full((100, N, H), 1e200, dtype=torch.float64)
    f[:, 1] *= -1
    v, h0 = torch.zeros_like(f), torch.zeros_like(f[0])
    v[-1] = 1.0
    if zero_at is not None:
        f[zero_at] = 0.0
    with forced(form):
        assert torch.equal(linear_scan(f, v, h0), v)


@each_form
@each_direction
def test_views_with_strides(reverse: bool, form: str) -> None:
    """Batch first in memory, a slice of a wider tensor, one gate for all rows."""
    f, v, h0 = inputs(100)
    wanted = loop(f, v, h0, reverse=reverse)
    layouts = [
        tuple(x.transpose(0, -2).contiguous().transpose(0, -2) for x in (f, v, h0)),
        tuple(torch.cat((x, x), -1)[..., :H] for x in (f, v, h0)),
        tuple(x.repeat_interleave(2, 0)[::2] for x in (f, v, h0)),
    ]
    one = f[:, :1].expand_as(f)
    with forced(form):
        for views in layouts:
            assert not views[0].is_contiguous()
            assert_close(linear_scan(*views, reverse=reverse), wanted)
        got = linear_scan(one, v, h0, reverse=reverse)
    assert_close(got, loop(one, v, h0, reverse=reverse))


@each_form
def test_gradients_through_views(form: str) -> None:
    leaves = tuple(
        x.transpose(0, -2).contiguous().requires_grad_() for x in inputs(100, "saturated")
    )
    views = tuple(x.transpose(0, -2) for x in leaves)
    with forced(form):
        # The gradient of a sum is one number with strides of zero.
        got = torch.autograd.grad(linear_recurrence(*views).sum(), leaves)
    for ours, theirs in zip(got, torch.autograd.grad(loop(*views).sum(), leaves), strict=True):
        assert_close(ours, theirs)


@each_form
@pytest.mark.parametrize("gates", ["sigmoid", "saturated"])
def test_float32_is_close_to_float64(gates: str, form: str) -> None:
    f, v, h0 = (x.float() for x in inputs(4096, gates))
    with forced(form):
        h = linear_scan(f, v, h0)
    assert h.dtype == torch.float32
    assert_close(h, loop(f.double(), v.double(), h0.double()), 1e-6)


def test_the_arguments_are_left_alone() -> None:
    arguments = inputs(100)
    copies = [x.clone() for x in arguments]
    with forced("chunks"):
        linear_scan(*arguments)
    assert all(torch.equal(x, copy) for x, copy in zip(arguments, copies, strict=True))
