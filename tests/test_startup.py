"""Start-up: what is imported, counted in modules; `python -m benchmarks.startup` has the seconds."""

import json
import subprocess
import sys

import pytest
import torch

from sunhwan.ops.modes import constant_when_compiled

SLOW = {
    "matplotlib", "pandas", "plotly", "PIL", "rich", "scipy", "sklearn", "sympy", "tokenizers",
    "torch._dynamo", "torch._inductor", "torch.distributed.fsdp", "torch.onnx",
}  # fmt: skip
"""Modules that take long, and that neither help nor a layer needs."""


def imported(code: str, *arguments: str) -> set[str]:
    """The modules that a fresh interpreter has imported after running some code."""
    tail = "\nfinally:\n import json, sys; print('\\n' + json.dumps(list(sys.modules)))"
    lines = "\n".join(f" {line}" for line in code.splitlines())
    done = subprocess.run(
        [sys.executable, "-c", f"try:\n{lines}{tail}", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


COMMAND = "import sys; sys.argv[0] = 'sunhwan'\nfrom sunhwan.cli import main\nmain()"


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["train", "--help"]], ids=str)
def test_help_imports_little(arguments: list[str]) -> None:
    found = imported(COMMAND, *arguments)
    assert "sunhwan.cli.app" in found
    assert not found & (SLOW | {"torch", "numpy"})
    assert len(found) < 320


def test_the_package_alone_imports_next_to_nothing() -> None:
    found = imported("import sunhwan") - imported("pass")
    assert {name for name in found if name.startswith("sunhwan")} == {"sunhwan"}
    assert "torch" not in found
    assert len(found) < 30


def test_layers_add_little_to_pytorch() -> None:
    before = imported("import torch")
    after = imported("import sunhwan\nsunhwan.Recurrent")
    assert "sunhwan.layers.recurrent" in after
    assert not after & (SLOW - before)
    assert len(after - before) < 90


def test_the_compilers_mark_of_a_constant_is_the_one_that_we_set() -> None:
    def ours() -> None: ...

    def theirs() -> None: ...

    constant_when_compiled(ours)
    torch.compiler.assume_constant_result(theirs)
    assert vars(ours) == vars(theirs)
