"""The image of the server: its files are there, its command serves, its check sees when it does."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import tomllib
from pathlib import Path

from tests.tiers import deep

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")


def words_of(instruction: str) -> list[str]:
    """The list in JSON of an instruction."""
    (found,) = re.findall(rf"^{instruction} [^\[]*(\[.*\])$", TEXT, re.M)
    words: list[str] = json.loads(found)
    return words


def test_what_is_built_is_in_the_image() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "*"
    kept = {line[1:] for line in lines if line.startswith("!")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    needed = {"src", "native", "pyproject.toml", project["project"]["readme"]}
    assert kept == needed | set(project["project"]["license-files"])
    assert all((ROOT / name).exists() for name in kept)


def test_the_user_has_no_rights() -> None:
    last = TEXT.rpartition("FROM ")[2]
    assert last.index("USER sunhwan") < last.index("ENTRYPOINT")
    assert "--no-create-home" in last


@deep
def test_the_command_serves_and_the_check_sees_it(tmp_path: Path) -> None:
    """Without a home, from folders that are only read; stopped as Docker stops it."""
    (tmp_path / words_of("CMD")[0]).symlink_to(ROOT / "tests" / "golden" / "v1" / "cells" / "gru")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    program, *serve = (word.replace("8000", port) for word in words_of("ENTRYPOINT"))
    _, *check = (word.replace("8000", port) for word in words_of("HEALTHCHECK"))
    assert program == "sunhwan"

    def healthy() -> bool:
        return (
            subprocess.run([sys.executable, *check], capture_output=True, check=False).returncode
            == 0
        )

    assert not healthy()
    command = [sys.executable, "-m", "sunhwan", *serve, *words_of("CMD")]
    home = {**os.environ, "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"}
    with subprocess.Popen(command, cwd=tmp_path, env=home, stdout=subprocess.DEVNULL) as server:
        end = time.monotonic() + 60
        while not healthy():
            assert server.poll() is None
            assert time.monotonic() < end
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
    assert [path.name for path in tmp_path.iterdir()] == words_of("CMD")
