"""However a sequence is cut, the numbers are the same: steps, chunks, resets."""

import torch

from tests.cases import (
    Case,
    N,
    assert_equal,
    each_backend,
    each_row,
    generator,
    leaves,
    objective,
    resets_for,
    results,
)

STEPS, BOUND = 12, 1e-12


def chunks_are_the_sequence(case: Case, backend: str, seed: int = 31) -> None:
    """Chunks of random lengths, the state carried with its gradient: all values, all gradients."""
    layer = case.build(backend)
    x, state = case.inputs(steps=STEPS)
    cuts = (torch.randperm(STEPS - 1, generator=generator(seed))[:4] + 1).sort().values.tolist()

    def chunked(x, state):
        outputs = []
        for start, end in zip([0, *cuts], [*cuts, STEPS], strict=True):
            output, state = layer(x[:, start:end], state)
            outputs.append(output)
        return torch.cat(outputs, 1), state

    assert_equal(results(layer, x, state, chunked), results(layer, x, state), BOUND)
    assert_equal(results(layer, x, None, chunked), results(layer, x, None), BOUND)


def steps_are_the_sequence(case: Case) -> None:
    """`Cell.step` after `Cell.step`, layer upon layer, from a non-zero state."""
    layer = case.build()
    x, state = case.inputs(steps=STEPS)

    def stepwise(x, state):
        outputs, state = [], list(state)
        for x_t in x.unbind(1):
            for depth, one in enumerate(layer.layers):
                state[depth] = case.cell.step(x_t, state[depth], one.parameters_of_cell)
                x_t = state[depth][0]
            outputs.append(x_t)
        return torch.stack(outputs, 1), state

    assert_equal(results(layer, x, state, stepwise), results(layer, x, state), BOUND)


def resets_are_separate_sequences(case: Case, backend: str) -> None:
    """A row with resets is its pieces run apart, each from the initial state: also backward."""
    layer = case.build(backend)
    x, state = case.inputs()
    resets = resets_for()

    def apart(x, state):
        rows = []
        for row in range(N):
            now = [type(s)(*(field[row : row + 1] for field in s)) for s in state]
            pieces, start = [], 0
            for cut in [*resets[row].nonzero().flatten().tolist(), x.shape[1]]:
                if cut > start:
                    output, now = layer(x[row : row + 1, start:cut], now)
                    pieces.append(output)
                if cut < x.shape[1]:
                    now = layer.initial_state(1)
                start = cut
            rows.append((torch.cat(pieces, 1), now))
        last = [
            type(same[0])(*(torch.cat(field) for field in zip(*same, strict=True)))
            for same in zip(*(now for _, now in rows), strict=True)
        ]
        return torch.cat([output for output, _ in rows]), last

    def together(x, state):
        return layer(x, state, resets)

    assert_equal(results(layer, x, state, together), results(layer, x, state, apart), BOUND)


def no_gradient_crosses_a_reset(case: Case) -> None:
    """What was read before a reset changes nothing after it."""
    layer = case.build()
    x, state = case.inputs()
    resets = torch.zeros(x.shape[:2], dtype=torch.bool)
    resets[1, 3] = True
    _, x, state = leaves(layer, x, state)
    output, last = layer(x, state, resets)
    after = objective(output[1:2, 3:], [type(s)(*(field[1:2] for field in s)) for s in last])
    d_x, *d_state = torch.autograd.grad(after, [x, *(field for s in state for field in s)])
    assert bool((d_x[1, :3] == 0).all()), "a gradient crosses the reset"
    assert bool((d_x[1, 3:] != 0).any())
    assert all(bool((d == 0).all()) for d in d_state)


@each_backend
def test_chunks_of_any_length_are_the_sequence(case, backend):
    chunks_are_the_sequence(case, backend)


@each_row
def test_single_steps_are_the_sequence(case):
    steps_are_the_sequence(case)


@each_backend
def test_resets_are_separate_sequences(case, backend):
    resets_are_separate_sequences(case, backend)


@each_row
def test_no_gradient_crosses_a_reset(case):
    no_gradient_crosses_a_reset(case)


@each_row
def test_resets_everywhere_and_nowhere(case):
    layer = case.build()
    x, state = case.inputs()
    nowhere = layer(x, state, torch.zeros(x.shape[:2], dtype=torch.bool))[0]
    assert torch.equal(nowhere, layer(x, state)[0])
    everywhere = layer(x, state, torch.ones(x.shape[:2], dtype=torch.bool))[0]
    alone = layer(x.reshape(-1, 1, x.shape[2]))[0]
    torch.testing.assert_close(everywhere.reshape(alone.shape), alone, rtol=0, atol=BOUND)
    counted = layer(x, state, torch.ones(x.shape[:2], dtype=torch.int64))[0]
    assert torch.equal(counted, everywhere)
