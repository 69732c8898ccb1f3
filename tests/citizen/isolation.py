"""Run calls in a forked child, so that a crash of the interpreter is a failed test and no more."""

import multiprocessing
import sys
import traceback
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import pytest

from sunhwan.errors import SunhwanError

CAN_FORK = sys.platform == "linux"
RIGHT, REFUSED, FAILED = "right", "refused", "failed"


def outcome(call: Callable[..., object], *arguments: Any) -> tuple[str, str]:
    """How a call ended, and what it said."""
    try:
        call(*arguments)
    except SunhwanError as error:
        return REFUSED, str(error)
    except BaseException:
        return FAILED, traceback.format_exc()
    return RIGHT, ""


class Worker:
    """A function called in a forked process, a new one after a crash.

    Where a process cannot be forked safely, the function is called in this one.
    """

    def __init__(self, function: Callable[..., object], seconds: float = 60) -> None:
        self.function, self.seconds = function, seconds
        self.child: Any = None
        self.pipe: Any = None

    def __call__(self, *arguments: Any) -> str | None:
        """None where the function returned, the sentence of a `SunhwanError`; or a failed test."""
        kind, told = self._ask(arguments) if CAN_FORK else outcome(self.function, *arguments)
        if kind == FAILED:
            pytest.fail(told)
        return told if kind == REFUSED else None

    def close(self) -> None:
        """End the process."""
        if self.child is not None:
            self.pipe.close()
            self.child.kill()
            self.child.join()
            self.child = None

    def _ask(self, arguments: tuple[Any, ...]) -> tuple[str, str]:
        if self.child is None:
            context = multiprocessing.get_context("fork")
            self.pipe, there = context.Pipe()
            self.child = context.Process(target=self._answer, args=(there,), daemon=True)
            with warnings.catch_warnings():
                warnings.simplefilter(
                    "ignore"
                )  # a fork of a process with threads: the child uses one
                self.child.start()
            there.close()
        self.pipe.send(arguments)
        try:
            if self.pipe.poll(self.seconds):
                answer: tuple[str, str] = self.pipe.recv()
                return answer
        except EOFError:
            self.child.join()
            code = self.child.exitcode
            self.close()
            return FAILED, f"the interpreter crashed: exit code {code}"
        self.close()
        return FAILED, f"no answer in {self.seconds} s"

    def _answer(self, calls: Connection) -> None:
        self.pipe.close()
        while True:
            try:
                arguments = calls.recv()
            except EOFError:
                return
            calls.send(outcome(self.function, *arguments))


def isolated(call: Callable[[], object]) -> str | None:
    """One call as by a `Worker`."""
    worker = Worker(call)
    try:
        return worker()
    finally:
        worker.close()


def assert_sentence(message: str) -> None:
    """One line in words, without a final full stop."""
    assert len(message.splitlines()) == 1, message
    assert len(message) > 15, message
    assert not message.endswith("."), message
