"""Cross-entropy piece by piece is cross-entropy, in its gradients too, and takes less memory."""

import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from sunhwan.ops import cross_entropy, output_cross_entropy
from sunhwan.ops.cross_entropy import ChunkedCrossEntropy
from tests.tiers import deep

H = 3


def operands(R: int, V: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, ...]:
    draw = torch.Generator().manual_seed(1)
    sizes = ((R, H), (V, H), (V,))
    floats = [torch.randn(s, generator=draw, dtype=dtype, requires_grad=True) for s in sizes]
    return *floats, torch.randint(V, (R,), generator=draw)


def plain(y: Tensor, weight: Tensor, bias: Tensor, targets: Tensor) -> Tensor:
    return functional.cross_entropy(functional.linear(y, weight, bias), targets, reduction="sum")


def chunked(*values: Tensor) -> Tensor:
    total: Tensor = ChunkedCrossEntropy.apply(*values)  # type: ignore[no-untyped-call]
    return total


@pytest.fixture
def small_pieces(monkeypatch: Any) -> None:
    monkeypatch.setattr(cross_entropy, "PIECE", 8)
    monkeypatch.setattr(cross_entropy, "FEWEST", 3)
    monkeypatch.setattr(cross_entropy, "WHOLE", 20)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize(("R", "V"), [(1, 1), (3, 7), (4, 7), (10, 4), (50, 2)])
def test_pieces_give_the_same_numbers(R: int, V: int) -> None:
    *floats, targets = operands(R, V)
    found = []
    for function in (chunked, plain, output_cross_entropy):
        total = function(*floats, targets)
        found.append([total, *torch.autograd.grad(0.7 * total, floats)])
    for other in (found[0], found[2]):
        for got, wanted in zip(other, found[1], strict=True):
            torch.testing.assert_close(got, wanted, rtol=1e-12, atol=1e-13)


@pytest.mark.usefixtures("small_pieces")
def test_a_checkpoint_around_it_changes_no_number() -> None:
    """Whose saved tensors can be read a single time."""
    *floats, targets = operands(7, 5)
    plainly = torch.autograd.grad(chunked(*floats, targets), floats)
    kept = checkpoint(chunked, *floats, targets, use_reentrant=False)
    for got, wanted in zip(torch.autograd.grad(kept, floats), plainly, strict=True):
        assert torch.equal(got, wanted)


@pytest.mark.usefixtures("small_pieces")
def test_the_gradient_is_the_slope() -> None:
    *floats, targets = operands(7, 5)
    assert torch.autograd.gradcheck(lambda *values: chunked(*values, targets), floats)


@pytest.mark.usefixtures("small_pieces")
def test_a_gradient_penalty_is_that_of_plain_cross_entropy() -> None:
    *floats, targets = operands(7, 5)
    found = []
    for function in (chunked, plain):
        first = torch.autograd.grad(function(*floats, targets), floats, create_graph=True)
        penalty = torch.stack([d.square().sum() for d in first]).sum()
        found.append([*first, *torch.autograd.grad(penalty, floats)])
    for got, wanted in zip(*found, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-10, atol=1e-12)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("fixed", range(3))
def test_what_needs_no_gradient_gets_none(fixed: int) -> None:
    *floats, targets = operands(7, 5)
    floats[fixed] = floats[fixed].detach()
    chunked(*floats, targets).backward()  # type: ignore[no-untyped-call]
    for k, value in enumerate(floats):
        assert (value.grad is None) == (k == fixed)


@pytest.mark.usefixtures("small_pieces")
def test_large_logits_do_not_overflow() -> None:
    *floats, targets = operands(7, 5)
    values = [200 * v.detach() for v in floats]
    total = chunked(*values, targets)
    assert total.isfinite()
    torch.testing.assert_close(total, plain(*values, targets))


def test_the_size_decides() -> None:
    small, large = operands(3, 7), operands(3, cross_entropy.WHOLE // 3 + 1, torch.float32)
    assert "Chunked" not in type(output_cross_entropy(*small).grad_fn).__name__
    assert "Chunked" in type(output_cross_entropy(*large).grad_fn).__name__


@pytest.mark.usefixtures("small_pieces")
def test_under_autocast_products_are_short_and_sums_are_not() -> None:
    *floats, targets = operands(40, 6, torch.float32)
    exact = [plain(*floats, targets)]
    exact += torch.autograd.grad(exact[0], floats)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        short = [chunked(*floats, targets)]
    short += torch.autograd.grad(short[0], floats)
    for got, wanted in zip(short, exact, strict=True):
        assert got.dtype == wanted.dtype
        torch.testing.assert_close(got, wanted, rtol=0.05, atol=0.05)
        assert not got.equal(wanted)


MEMORY = """
import resource, torch
from sunhwan.ops.cross_entropy import ChunkedCrossEntropy
torch.set_num_threads(1)
R, V, H = 4096, 50_000, 4
y, weight, bias = (torch.randn(s, requires_grad=True) for s in ((R, H), (V, H), (V,)))
targets = torch.randint(V, (R,))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
ChunkedCrossEntropy.apply(y, weight, bias, targets).backward()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@deep
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kilobytes on Linux")
def test_a_vocabulary_of_50_000_fits() -> None:
    """Of 0.8 GB of logits, as many again of their logarithms and of gradients, nearly nothing."""
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", MEMORY], capture_output=True, text=True, check=True
    )
    assert int(run.stdout) < 300_000
