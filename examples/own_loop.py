"""The recurrent layer in a PyTorch loop of one's own, the state carried from block to block.

    python examples/own_loop.py --cell lstm

An endless stream of random bits; the network repeats each bit --delay steps later. With --delay 3
--block 2 no gradient spans the delay any more, though the state does: see what truncation costs.
"""

import argparse

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

import sunhwan


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cell", choices=tuple(sunhwan.CELLS), default="gru")
    parser.add_argument("--delay", type=int, default=4)
    parser.add_argument("--block", type=int, default=8, help="T: steps between two cuts")
    parser.add_argument("--hidden-size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=600)
    options = parser.parse_args(arguments)
    N, T, delay = 16, options.block, options.delay

    torch.manual_seed(1)
    # stateful: each call starts where the last one ended, cut off from its gradient.
    layer = sunhwan.Recurrent(options.cell, 1, options.hidden_size, stateful=True)
    head = nn.Linear(options.hidden_size, 1)
    print(layer.explain())
    optimizer = torch.optim.Adam([*layer.parameters(), *head.parameters()], lr=5e-3)
    bits = torch.randint(0, 2, (N, delay + T * options.steps)).float()  # (N, L)
    for step in range(options.steps):
        x, target = block(bits, step * T, T, delay)
        output, _ = layer(x)  # (N, T, 1) → (N, T, H)
        loss = binary_cross_entropy_with_logits(head(output), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % max(1, options.steps // 5) == 0 or step == options.steps - 1:
            print(f"step {step + 1:4}  loss {loss.item():.4f}")

    # The same with the state in one's own hands: (x, state) → (output, state).
    bits = torch.randint(0, 2, (N, delay + 20 * T)).float()
    for carried in (True, False):
        right, state = 0.0, layer.initial_state(N)
        with torch.no_grad():
            for index in range(20):
                x, target = block(bits, index * T, T, delay)
                output, state = layer(x, state if carried else layer.initial_state(N))
                right += ((head(output) > 0) == (target > 0.5)).float().mean().item() / 20
        print(f"accuracy {right:.3f} with the state {'carried' if carried else 'forgotten'}")


def block(bits: Tensor, start: int, T: int, delay: int) -> tuple[Tensor, Tensor]:
    """Inputs and targets (N, T, 1): the target at a step is the input `delay` steps before."""
    x = bits[:, start + delay : start + delay + T]
    return x.unsqueeze(2) * 2 - 1, bits[:, start : start + T].unsqueeze(2)


if __name__ == "__main__":
    main()
