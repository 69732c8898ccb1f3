"""Tiny random models in folders, and servers of them: in this process, and on a real socket."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import httpx
import torch
from fastapi import FastAPI

from sunhwan.config import Config, ModelConfig
from sunhwan.models import LanguageModel
from sunhwan.serve.app import make_app
from sunhwan.serve.limits import Limits
from sunhwan.serve.models import served
from sunhwan.serve.server import Server, address, listen
from sunhwan.store import Run, save_model
from sunhwan.tasks import TASKS, LanguageModelTask
from sunhwan.text import Vocabulary, build_vocabulary
from tests.tasks.cases import CASES

Value = TypeVar("Value")

VOCABULARIES: dict[str, Vocabulary] = {
    "characters": build_vocabulary("characters", ["abcdefg xyz.\n"]),
    "jamo": build_vocabulary("jamo", ["각난다을 밝은 해가\n"]),
    "bytes": build_vocabulary("bytes", [""]),
    "documents": build_vocabulary("characters", ["abc "], eos=True),
    "words": build_vocabulary("words", ["a b c d e\n"], eos=True),
    "bare": build_vocabulary("characters", ["abc"]),
}
"""By the name of the model that speaks it; the last has nothing to read before a text."""


def language(vocabulary: Vocabulary, *, seed: int = 1, **options: Any) -> LanguageModelTask:
    """A random language model that is sure enough of some things to be told from others."""
    torch.manual_seed(seed)
    settings: dict[str, Any] = {
        "cell": "gru", "hidden_size": 7, "num_layers": 1, "embedding_size": 5,
        "input": "embedding", "dropout": 0.3,
    }  # fmt: skip
    config = replace(Config(), model=ModelConfig(**(settings | options)))
    model = LanguageModel(config.model, len(vocabulary))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.5 * torch.randn_like(parameter)
    return LanguageModelTask(config, vocabulary, model.eval())


def save_run(folder: Path, task: Any) -> Path:
    """A run folder that holds a model."""
    run = Run.create(folder, task.config)
    save_model(run.model_folder, task, {"step": 1})
    return folder


def save_languages(folder: Path) -> list[Path]:
    """Run folders of a model of each vocabulary, and of one that the engine cannot run."""
    found = [save_run(folder / name, language(v)) for name, v in VOCABULARIES.items()]
    other = language(VOCABULARIES["jamo"], num_layers=2, layer_norm=True)
    return [*found, save_run(folder / "slow", other)]


def save_task(folder: Path, name: str) -> Path:
    """A run folder of another task, its model random."""
    case = CASES[name]
    data = folder / "data"
    data.mkdir(parents=True)
    values = {
        "task.name": name, "data.source": str(case.write(data)), "text.validation_share": 0.3,
        "model.dropout": 0.2, "training.steps": 1, **case.settings,
    }  # fmt: skip
    torch.manual_seed(1)
    prepared = TASKS[name].prepare(Config().override(values, "the test"))
    return save_run(folder / name, prepared.task)


class Client:
    """Asks an application in this process; its loop runs in a thread."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()

    def wait(self, work: Coroutine[Any, Any, Value]) -> Value:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self.wait(self.asked(method, path, **options))

    async def asked(self, method: str, path: str, **options: Any) -> httpx.Response:
        transport = httpx.ASGITransport(app=self.app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1:8000"
        ) as client:
            return await client.request(method, path, **options)

    def get(self, path: str, **options: Any) -> Any:
        """What a GET gives, which must succeed."""
        found = self.ask("GET", path, **options)
        assert found.status_code == 200, found.text
        return found.json()

    def post(self, path: str, **body: Any) -> Any:
        """What a POST of these fields gives, which must succeed."""
        found = self.ask("POST", path, json=body)
        assert found.status_code == 200, found.text
        return found.json()

    def refused(self, path: str, **body: Any) -> tuple[int, dict[str, Any]]:
        """The status of a POST that must be refused, and its error."""
        return refusal(self.ask("POST", path, json=body))


def refusal(found: httpx.Response) -> tuple[int, dict[str, Any]]:
    """The status and the error of an answer that must be one, in the one shape of all errors."""
    error = found.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    assert "\n" not in error["message"]
    assert found.status_code >= 400
    return found.status_code, error


@contextmanager
def client_of(folders: list[Path], **limits: Any) -> Iterator[Client]:
    """A client of a server of these folders."""
    kept = Limits(**limits)
    client = Client(make_app(served(folders, "fp32", kept), kept))
    try:
        yield client
    finally:
        client.close()


class Address:
    """Where a server is, and its application."""

    def __init__(self, url: str, app: FastAPI, stop: Callable[[int], None]) -> None:
        self.url, self.app, self.stop = url, app, stop
        self.port = int(url.rpartition(":")[2])


@contextmanager
def server_of(folders: list[Path], grace: float | None = 1.0, **limits: Any) -> Iterator[Address]:
    """A server of these folders on a free port of this computer, in a thread."""
    kept = Limits(**limits)
    app = make_app(served(folders, "fp32", kept), kept)
    listener = listen("127.0.0.1", 0)
    server = Server(app, kept, grace)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    until(lambda: server.started)
    try:
        yield Address(address(listener), app, lambda sig: server.handle_exit(sig, None))
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


def until(is_so: Any, seconds: float = 20) -> None:
    """Wait until something is so; it must become so."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


def events(text: str) -> list[str]:
    """The data of server-sent events."""
    parts = text.split("\n\n")
    assert parts[-1] == ""
    assert all(part.startswith("data: ") for part in parts[:-1])
    return [part.removeprefix("data: ") for part in parts[:-1]]
