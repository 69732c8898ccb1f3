"""Servers that the tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serve.helpers import Address, Client, client_of, save_languages, save_task, server_of


@pytest.fixture(scope="session")
def language_runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Run folders of language models: see `helpers.VOCABULARIES`."""
    return save_languages(tmp_path_factory.mktemp("languages"))


@pytest.fixture(scope="session")
def task_runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A run folder of each other task."""
    folder = tmp_path_factory.mktemp("tasks")
    names = ("classify", "tag", "translate", "describe", "forecast")
    return [save_task(folder / f"of-{name}", name) for name in names]


@pytest.fixture(scope="session")
def client(language_runs: list[Path], task_runs: list[Path]) -> Iterator[Client]:
    """All of these in this process."""
    with client_of([*language_runs, *task_runs]) as found:
        yield found


@pytest.fixture(scope="session")
def server(language_runs: list[Path]) -> Iterator[Address]:
    """The language models on a socket."""
    with server_of(language_runs) as found:
        yield found
