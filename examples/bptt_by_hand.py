"""Truncated backpropagation through time with nothing but NumPy: from h, e, l, l predict e, l, l, o.

    python examples/bptt_by_hand.py --block 3

The text is hello, hello, hello …; the network sees --block letters at a time. The state is carried
from block to block, the gradient is not. At the end the same gradient is taken with PyTorch.
"""

import argparse

import numpy as np
import torch

from sunhwan import Recurrent, TimeRNN

LETTERS = "helo"
TEXT = "hello" * 400


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--block", type=int, default=3, help="letters between two cuts")
    parser.add_argument("--hidden-size", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=0.5)
    options = parser.parse_args(arguments)
    T, H, V = options.block, options.hidden_size, len(LETTERS)

    random = np.random.default_rng(1)
    rnn = TimeRNN(
        random.normal(0, 0.5, (V, H)), random.normal(0, H**-0.5, (H, H)), np.zeros(H), stateful=True
    )
    W = random.normal(0, H**-0.5, (H, V))  # the output layer: logits = h W
    ids = np.array([LETTERS.index(letter) for letter in TEXT])
    for step in range(options.steps):
        at = step * T % (len(ids) - T)
        xs, targets = np.eye(V)[ids[at : at + T]][None], ids[at + 1 : at + T + 1]  # (1, T, V), (T)
        hs = rnn.forward(xs)  # (1, T, H), from the state in which the last block ended
        loss, dlogits = softmax_loss(hs[0] @ W, targets)
        dW = hs[0].T @ dlogits
        rnn.backward((dlogits @ W.T)[None])
        for parameter, gradient in ((rnn.Wx, rnn.grads.Wx), (rnn.Wh, rnn.grads.Wh),
                                    (rnn.b, rnn.grads.b), (W, dW)):  # fmt: skip
            parameter -= options.learning_rate * gradient  # in place
        if step % max(1, options.steps // 5) == 0 or step == options.steps - 1:
            print(f"step {step + 1:4}  loss {loss:.4f}")

    rnn.reset_state()
    written = "h"
    for _ in range(14):
        h = rnn.forward(np.eye(V)[[[LETTERS.index(written[-1])]]])  # one step, the state carried
        written += LETTERS[int((h[0, -1] @ W).argmax())]
    print(f"it writes {written}")
    print(f"largest difference from PyTorch's gradient: {difference(rnn, W):.1e}")


def softmax_loss(logits: np.ndarray, targets: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean cross-entropy of (T, V) logits, and its gradient: (p − one-hot target) / T."""
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    rows = np.arange(len(targets))
    return -np.log(p[rows, targets]).mean(), (p - np.eye(p.shape[1])[targets]) / len(targets)


def difference(rnn: TimeRNN, W: np.ndarray) -> float:
    """The same network and text in float64 through `Recurrent` and its loss through autograd."""
    ids = np.array([LETTERS.index(letter) for letter in "hellohello"])
    xs, targets = np.eye(len(LETTERS))[ids[:-1]][None], ids[1:]
    rnn.reset_state()
    rnn.backward((softmax_loss(rnn.forward(xs)[0] @ W, targets)[1] @ W.T)[None])
    layer = Recurrent("elman", *rnn.Wx.shape).double()
    (inner,) = layer.stack
    with torch.no_grad():
        for parameter, value in ((inner.W_x, rnn.Wx), (inner.W_h, rnn.Wh), (inner.b, rnn.b)):
            parameter.copy_(torch.from_numpy(value))
    output, _ = layer(torch.from_numpy(xs))
    logits = output[0] @ torch.from_numpy(W)
    torch.nn.functional.cross_entropy(logits, torch.from_numpy(targets)).backward()
    # The layer keeps its matrices transposed.
    pairs = zip((inner.W_x_T, inner.W_h_T, inner.b), rnn.grads, strict=True)
    return max(float(np.abs(p.grad.numpy() - gradient.T).max()) for p, gradient in pairs)


if __name__ == "__main__":
    main()
