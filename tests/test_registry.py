"""A cell of the package is a line in the registry, a file, a header, a section of a page, and tests.

Each test names all that a registered cell lacks, so that whoever adds one is led through.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from sunhwan import registry
from sunhwan.cells import CELLS, Cell
from sunhwan.config import Config
from sunhwan.registry import RegisteredCell
from tests.laws.test_equations import EQUATIONS
from tests.laws.test_initialisation import INITIAL

ROOT = Path(__file__).parents[1]
DECLARED = re.compile(r'^SUNHWAN_CELL\("(\w+)", (\w+), (\w+)\)$', re.MULTILINE)


def declared() -> list[str]:
    """The names that the headers of the kernels declare."""
    headers = sorted((ROOT / "native/cells").glob("*.hpp"))
    return [row[0] for h in headers for row in DECLARED.findall(h.read_text(encoding="utf-8"))]


def text_of(path: str) -> str:
    """A file of the project; "" where there is none."""
    file = ROOT / path
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def missing(name: str, entry: RegisteredCell) -> list[str]:
    """What a cell of the package still needs, a line each."""
    page, _, heading = entry.section.partition("#")
    section, korean = (text_of(f"docs/cells/{page}{end}.md") for end in ("", ".ko"))
    # As texts: some of these modules run every cell, which needs its kernel, as they are imported.
    faults = text_of("tests/laws/planted/in_cells.py")
    traced = text_of("tests/layers/test_trace.py")
    row = f"\n| `{name}` |"
    golden = ROOT.glob(f"tests/golden/v*/cells/{name}.json")
    found = {
        f"src/sunhwan/cells/{entry.module}.py": (
            ROOT / f"src/sunhwan/cells/{entry.module}.py"
        ).is_file(),
        f'native/cells/{entry.module}.hpp with SUNHWAN_CELL("{name}", …)': name in declared(),
        "its equation in tests/laws/test_equations.py": name in EQUATIONS,
        "how it begins in tests/laws/test_initialisation.py": name in INITIAL,
        "a fault in tests/laws/planted/in_cells.py": f'"{name}"' in faults,
        "what its gates obey in tests/layers/test_trace.py": f'"{name}": (' in traced,
        f'a section "## {heading}" in docs/cells/{page}.md': f"## {heading}"
        in section.splitlines(),
        f"a section with `{name}` in its heading in docs/cells/{page}.ko.md": any(
            f"`{name}`" in line for line in korean.splitlines() if line.startswith("## ")
        ),
        f"a row of `{name}` in docs/cells.md": row in text_of("docs/cells.md"),
        f"a row of `{name}` in docs/cells.ko.md": row in text_of("docs/cells.ko.md"),
        f"`{name}` in README.md": f"`{name}`" in text_of("README.md"),
        f"`{name}` in README.ko.md": f"`{name}`" in text_of("README.ko.md"),
        "a golden model: python -m tests.golden.make": any(golden),
    }
    return [what for what, there in found.items() if not there]


@pytest.mark.parametrize("name", registry.CELLS)
def test_a_cell_has_all_that_belongs_to_it(name: str) -> None:
    found = missing(name, registry.CELLS[name])
    assert not found, f"the cell {name} has not yet:\n" + "\n".join(found)


def test_what_a_new_cell_lacks_is_said() -> None:
    said = missing("other", RegisteredCell("other:Other", "gru#Other"))
    assert len(said) == 13
    assert "src/sunhwan/cells/other.py" in said
    assert 'native/cells/other.hpp with SUNHWAN_CELL("other", …)' in said
    assert 'a section "## Other" in docs/cells/gru.md' in said
    # A header alone does not make a second name.
    half = missing("elman_sin", RegisteredCell("elman:Elman", "simple#Elman"))
    assert 'native/cells/elman.hpp with SUNHWAN_CELL("elman_sin", …)' in half


def test_nothing_is_declared_that_is_not_registered() -> None:
    assert sorted(declared()) == sorted(registry.CELLS)
    files = {path.stem for path in (ROOT / "src/sunhwan/cells").glob("*.py")}
    assert files >= {entry.module for entry in registry.CELLS.values()}
    assert {path.stem for path in (ROOT / "native/cells").glob("*.hpp")} <= files


def test_the_registry_is_what_the_cells_and_the_settings_know() -> None:
    assert list(CELLS) == list(registry.CELLS)
    for name, entry in registry.CELLS.items():
        assert type(CELLS[name]).__name__ == entry.kind
        assert Config.from_dict({"model": {"cell": name}}).model.cell == name
    assert set(registry.ALIASES.values()) <= set(CELLS)
    assert len({cell.kernel_key for cell in CELLS.values()}) == len(CELLS)


def test_the_class_of_a_registered_cell_is_at_hand() -> None:
    import sunhwan.cells

    for name, entry in registry.CELLS.items():
        assert getattr(sunhwan.cells, entry.kind) is type(CELLS[name])
        assert entry.kind in dir(sunhwan.cells)
    assert issubclass(sunhwan.cells.GRU, Cell)
    with pytest.raises(AttributeError, match="no attribute 'GRV'"):
        sunhwan.cells.GRV  # noqa: B018


def test_the_registry_waits_for_nothing() -> None:
    code = "import sys, sunhwan.registry, sunhwan.config; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
