"""Traces: the recorded states and gates are those that a run computes, and recording changes no number."""

import torch
from torch import Tensor

from sunhwan.laws.case import Case, N, T, by_field, generator, named_fields, resets_for, seeded
from sunhwan.laws.compare import assert_equal, leaves, require

BOUND, LENGTHS = 1e-12, (T, 3, 1)


def trace_is_the_run(case: Case) -> float:
    """Output and last state of `trace` are those of `forward`, bit for bit: resets, lengths too."""
    layer, largest = case.build(), 0.0
    x, state = case.inputs()
    for resets in (None, resets_for()):
        for lengths in (None, LENGTHS):
            with seeded():
                output, last = layer(x, state, resets, lengths)
            with seeded():
                traced = layer.trace(x, state, resets, lengths)
            got = {"output": traced.output, **named_fields(traced.state)}
            wanted = {"output": output, **named_fields(last)}
            # A kernel cannot be looked into: there the reference is traced.
            bound = BOUND if case.backend in ("fused", "native") else 0.0
            largest = max(largest, assert_equal(got, wanted, bound, where="traced"))
            require(len(traced.layers) == len(last), f"{len(traced.layers)} layers are traced")
            for depth, layer_state in enumerate(last):
                for name, value in by_field(layer_state).items():
                    require(name in traced.layers[depth], f"{name} of layer {depth} is not traced")
                    field = traced.layers[depth][name][:, -1]
                    where = f"layer {depth}, the last step of the trace"
                    largest = max(
                        largest, assert_equal({name: field}, {name: value}, bound, where=where)
                    )
    return largest


def traced_states_are_those_of_prefixes(case: Case) -> float:
    """The state of step t is the last one of a run that ends there; behind a row's end it stays."""
    layer = case.build()
    x, state = case.inputs()
    largest = 0.0
    for lengths in (None, LENGTHS):
        traced = layer.trace(x, state, None, lengths)
        for t in range(T):
            shorter = None if lengths is None else [min(n, t + 1) for n in lengths]
            _, last = layer(x[:, : t + 1], state, None, shorter)
            got = {
                f"{name} of layer {depth}": traced.layers[depth][name][:, t]
                for depth, one in enumerate(last)
                for name in by_field(one)
            }
            found = assert_equal(got, named_fields(last), BOUND, where=f"step {t} of the trace")
            largest = max(largest, found)
    return largest


def traced_gates_have_names(case: Case) -> None:
    """Gates go over time as the states do, and none hides a field of the state behind its name."""
    layer = case.build()
    x, state = case.inputs()
    cell, parameters = case.cell, case.cell.effective(layer.stack[0].parameters_of_cell)
    _, saved = cell.forward_step(
        cell.inputs(x[:, 0], parameters), state[0], cell.parameters_of_step(parameters)
    )
    fields, gates = cell.state_type._fields, cell.gate_values(saved)
    both = [name for name in gates if name in fields]
    require(not both, f"{', '.join(both)}: a gate and a field of the state by one name")
    traced = layer.trace(x, state)
    for depth, values in enumerate(traced.layers):
        require(set(values) == {*fields, *gates}, f"layer {depth} shows {', '.join(values)}")
        for name, value in values.items():
            shape = tuple(value.shape)
            require(shape[:2] == (N, T) and len(shape) == 3, f"{name} of the trace is {shape}")


def traced_states_carry_their_gradient(case: Case) -> float:
    """The gradient of all states over time is that of the loop through autograd."""
    x, state = case.inputs()
    found = []
    for backend in (case.backend, "unrolled"):
        layer = case.build(backend)
        named, leaf, before = leaves(layer, x, state)
        traced = layer.trace(leaf, before)
        draw = generator(53)
        total = leaf.new_zeros(())
        for depth, one in enumerate(traced.state):
            for name in by_field(one):
                value = traced.layers[depth][name]
                weights = torch.randn(value.shape, generator=draw, dtype=torch.float64)
                total = total + (weights * value).sum()
        gradients: tuple[Tensor, ...] = torch.autograd.grad(
            total, list(named.values()), allow_unused=True, materialize_grads=True
        )
        found.append({f"gradient of {n}": g for n, g in zip(named, gradients, strict=True)})
    return assert_equal(found[0], found[1], BOUND, where="of traced states")
