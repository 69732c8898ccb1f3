"""Initial matrices: Glorot-uniform, orthogonal and others, made by one thread."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from sunhwan.errors import ConfigError

BY_QR = 256
"""The largest side of an orthogonal matrix that is made by a QR decomposition."""


def glorot(fan_in: int, fan_out: int, blocks: int = 1) -> Tensor:
    """(fan_in, blocks · fan_out), each block Glorot-uniform (Glorot and Bengio 2010)."""
    W = torch.empty(fan_in, blocks * fan_out)
    for block in torch.split(W, fan_out, 1):
        torch.nn.init.xavier_uniform_(block)
    return W


def orthogonal(fan_in: int, fan_out: int, blocks: int = 1) -> Tensor:
    """(fan_in, blocks · fan_out), each block orthogonal (Saxe et al. 2014).

    Up to `BY_QR` rows and columns a block is Q of a Gaussian matrix, beyond it `spinner`, which takes
    O(n²) instead of O(n³). On the meta device nothing is computed.
    """
    W = torch.empty(fan_in, blocks * fan_out)
    if W.is_meta or not W.numel():
        return W
    with one_thread():
        for block in torch.split(W, fan_out, 1):
            if max(fan_in, fan_out) <= BY_QR:
                block.copy_(torch.nn.init.orthogonal_(torch.empty(fan_in, fan_out)))
            else:
                spinner(block)
    return W


STARTS = ("orthogonal", "uniform", "identity", "scaled")
"""How W_h can begin in place of its cell's own way."""


def recurrent_start(
    start: str, fan_in: int, fan_out: int, blocks: int = 1, *, scale: float = 1.0
) -> Tensor:
    """W_h (fan_in, blocks · fan_out) before training, by the name of a start; all times the scale.

    orthogonal: every singular value is 1. uniform: in ±1/√H, as in `torch.nn`, whose spectral radius is
    near 0.58. identity: each state is copied. scaled: Gaussian, its deviation the scale by √H, whose
    spectral radius is near the scale (Girko 1984).
    """
    bound = fan_out**-0.5
    if start == "orthogonal":
        W = orthogonal(fan_in, fan_out, blocks)
    elif start == "uniform":
        W = torch.empty(fan_in, blocks * fan_out).uniform_(-bound, bound)
    elif start == "identity":
        W = torch.eye(fan_in, fan_out).repeat(1, blocks)
    elif start == "scaled":
        W = torch.empty(fan_in, blocks * fan_out).normal_(std=bound)
    else:
        raise ConfigError(f"W_h cannot begin as {start!r}: choose from {', '.join(STARTS)}")
    return W if scale == 1.0 else W * scale


def spinner(W: Tensor) -> None:
    r"""Fill W (P, H) with a part of a random structured orthogonal matrix of n = max(P, H) rows.

    .. math:: Q = D_1 \Pi F^{-1} \Lambda F D_2

    D_1 and D_2 are random signs, Π a random permutation of the rows, F the discrete Fourier
    transform and Λ random phases, conjugate in pairs so that Q is real: the structure of the
    orthogonal random features of Yu et al. 2016 and of the spinners of Bojarski et al. 2017, with F
    for their Hadamard transform, which exists for powers of 2 alone. F⁻¹ΛF is circulant, so its rows
    are the shifts of one vector, and no product is needed. Entries are spread as in a
    Haar-distributed Q, about N(0, 1/n); the memory is that of W and one more.
    """
    P, H = W.shape
    n = max(P, H)
    angles = 2 * math.pi * torch.rand(n // 2 + 1, dtype=torch.float64, device=W.device)
    phases = torch.polar(torch.ones_like(angles), angles)
    alone = [0, n // 2] if n % 2 == 0 else [0]  # frequencies without a conjugate: ±1
    phases[alone] = _signs(len(alone), phases)
    first = torch.fft.irfft(phases, n=n).to(W.dtype)
    shifts = torch.cat((first, first)).unfold(0, H, 1)  # a view: row i begins at entry i
    chosen = torch.randperm(n, device=W.device)[:P]
    torch.mul(shifts[chosen], _signs(H, W), out=W)
    W.mul_(_signs(P, W).unsqueeze(1))


def _signs(count: int, like: Tensor) -> Tensor:
    return torch.randint(2, (count,), device=like.device).mul_(2).sub_(1).to(like.dtype)


@contextmanager
def one_thread() -> Iterator[None]:
    """Run PyTorch's operators in the calling thread.

    Threads of OpenMP do not outlive a fork: a process that has started some, and forks, hangs.
    """
    threads = torch.get_num_threads()
    if threads > 1:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if threads > 1:
            torch.set_num_threads(threads)
