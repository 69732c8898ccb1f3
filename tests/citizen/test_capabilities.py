"""Every row of the table of capabilities, for cells of several shapes."""

import os
from functools import cache

import pytest
from benchmarks.capabilities import (
    CAPABILITIES,
    FOREIGN,
    NONE,
    REFUSED,
    RIGHT,
    NotApplicableError,
    Subject,
    classify,
    outcomes,
    worst,
)

from tests.citizen.isolation import assert_sentence, isolated
from tests.tiers import deep

RISKY = ("meta", "FakeTensorMode", "state", "weights", "input on another device", "stateful")
"""Words of capabilities where memory could be read that is not there."""

CELLS = os.environ.get("SUNHWAN_CAPABILITIES", "elman,lstm,slstm").split(",")
"""Whose uses are tested; `python -m benchmarks.capabilities` looks at every cell on every backend."""

CHEAP = [(cell, name) for cell in CELLS for name, c in CAPABILITIES.items() if not c.dear]
FORCED = [(cell, backend, name)
          for cell, backend in (("lstm", "fused"), ("gru", "reference"), ("rglru", "scan"))
          for name, c in CAPABILITIES.items() if not c.dear]  # fmt: skip
DEAR = [("lstm", name) for name, c in CAPABILITIES.items() if c.dear]

pytestmark = [
    # PyTorch's forward mode calls its own deprecated function.
    pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning"),
    # As of torch.nn.LSTM, the output is a transposed view.
    pytest.mark.filterwarnings("ignore:FSDP2-wrapped module:UserWarning"),
]

subject = cache(Subject)


def check(cell: str, name: str, backend: str | None = None) -> None:
    use, wants = CAPABILITIES[name].use, CAPABILITIES[name].wants
    network = subject(cell, backend, compiler="aot_eager")

    def call() -> None:
        try:
            use(network)
        except NotApplicableError:
            return
        except Exception as error:
            if type(error).__module__.startswith("sunhwan") or FOREIGN not in wants:
                raise

    apart = name.startswith(RISKY) or REFUSED in wants
    told = isolated(call) if apart else call()
    if told is None:
        assert wants != (REFUSED,), "accepted without a word"
    else:
        assert REFUSED in wants, told
        assert_sentence(told)


@pytest.mark.parametrize(("cell", "name"), CHEAP)
def test_a_use_by_default(cell, name):
    check(cell, name)


@pytest.mark.parametrize(("cell", "backend", "name"), FORCED)
def test_a_use_with_a_backend_forced(cell, backend, name):
    if backend == "fused":
        # Whatever PyTorch's operator cannot do may be refused in its own words; no number is wrong.
        entry = classify(subject(cell, backend, compiler="aot_eager"), name)
        assert entry.outcome in (RIGHT, REFUSED, FOREIGN, NONE), entry.message
    else:
        check(cell, name, backend)


@pytest.mark.slow
@pytest.mark.parametrize(("cell", "name"), DEAR)
def test_a_dear_use(cell, name):
    check(cell, name)


@deep
def test_the_table_survives_a_crash():
    """Entries of a process that ends are those of a crash, and the rest comes from a new one."""
    names = ["forward", "no such use", "double backward through the input"]
    found = outcomes("gru", None, names)
    assert [entry.outcome for entry in found] == [RIGHT, "crash", RIGHT]
    assert worst(found) == "crash (1 of 3)"
