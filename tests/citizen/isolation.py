"""Run a call in a forked child, so that a crash of the interpreter is a failed test and no more."""

import os
import select
import signal
import sys
import traceback
import warnings
from collections.abc import Callable

import pytest

from sunhwan.errors import SunhwanError

CAN_FORK = sys.platform == "linux"


def isolated(call: Callable[[], object], seconds: float = 60) -> str | None:
    """None where the call returned; the sentence of a `SunhwanError`; a failed test otherwise.

    Where a process cannot be forked safely, the call is made in this one.
    """
    if not CAN_FORK:
        try:
            call()
        except SunhwanError as error:
            return str(error)
        return None
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a fork of a process with threads: the child uses one
        child = os.fork()
    if not child:
        os.close(reading)
        try:
            call()
            answer = "right"
        except SunhwanError as error:
            answer = f"refused{error}"
        except BaseException:
            answer = f"failed{traceback.format_exc()}"
        with os.fdopen(writing, "w", encoding="utf-8") as pipe:
            pipe.write(answer)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        ready, _, _ = select.select([pipe], [], [], seconds)
        if not ready:
            os.kill(child, signal.SIGKILL)
        answer = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if not ready:
        pytest.fail(f"no answer in {seconds} s")
    if answer.startswith("refused"):
        return answer.removeprefix("refused")
    if answer != "right":
        pytest.fail(answer.removeprefix("failed") or f"the interpreter crashed: exit code {code}")
    return None


def assert_sentence(message: str) -> None:
    """One line in words, without a final full stop."""
    assert len(message.splitlines()) == 1, message
    assert len(message) > 15, message
    assert not message.endswith("."), message
