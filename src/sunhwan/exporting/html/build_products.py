"""Compilation of the page's products to WebAssembly: `python -m sunhwan.exporting.html.build_products`.

The bytes are kept beside the source, so that an export needs no compiler; the pinned one makes the same
bytes on every machine.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
COMPILER = "0.17.1"
"""The version of the wheel `ziglang`."""
FLAGS = (
    "--target=wasm32-freestanding", "-O3", "-msimd128", "-nostdlib", "-Wall", "-Wextra", "-Werror",
    "-Wl,--no-entry", "-Wl,--import-memory", "-Wl,--strip-all", "-Wl,-z,stack-size=0",
    "-Wl,--export=product", "-Wl,--export=accumulate",
)  # fmt: skip


def build() -> bytes:
    """The compiled module."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "products.c").write_bytes((HERE / "products.c").read_bytes())
        command = [sys.executable, "-m", "ziglang", "cc", *FLAGS, "products.c", "-o", "out.wasm"]
        subprocess.run(command, cwd=folder, check=True)
        return (Path(folder) / "out.wasm").read_bytes()


if __name__ == "__main__":
    (HERE / "products.wasm").write_bytes(build())
