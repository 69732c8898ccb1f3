"""Saving: weights that are saved and loaded are the same bits."""

from safetensors.torch import load, save

from sunhwan.laws.case import Case
from sunhwan.laws.compare import assert_identical, results


def saving_loses_nothing(case: Case) -> float:
    """Weights to safetensors and back into a layer that began elsewhere: the same bits."""
    layer = case.build()
    written = save(layer.state_dict())
    other = case.build(seed=99)
    other.load_state_dict(load(written))
    x, _ = case.inputs()
    return assert_identical(results(other, x, None), results(layer, x, None), where="loaded again")
