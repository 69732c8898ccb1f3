"""Limits of the server: sizes and counts, checked before anything is allocated."""

from dataclasses import dataclass

from sunhwan.errors import UsageError


@dataclass(frozen=True)
class Limits:
    """Each is an option of `sunhwan serve`; UsageError for one out of range.

    body: bytes of a request. prompt: tokens that are read. max_tokens: that are written to a prompt.
    n: answers to a prompt. prompts: of a request. lines: to score, or questions to answer.
    characters: of a text to look into and of a question. explained: of a text of which is asked what
    mattered, which takes as many readings as it has tokens. numbers: of a trace. seconds: for a request,
    the wait included. slow: seconds for the bytes of a request to arrive. running, waiting: requests
    at work and in the queue. connections: that are open. sessions: that are remembered.
    """

    body: int = 1_000_000
    prompt: int = 32_768
    max_tokens: int = 4_096
    n: int = 16
    prompts: int = 16
    lines: int = 256
    characters: int = 20_000
    explained: int = 600
    numbers: int = 2_000_000
    seconds: float = 120.0
    slow: float = 10.0
    running: int = 64
    waiting: int = 64
    connections: int = 256
    sessions: int = 256

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            least = 0 if name == "waiting" else 1e-3 if isinstance(value, float) else 1
            if not least <= value < float("inf"):
                option = f"--{name.replace('_', '-')}"
                raise UsageError(f"{option} must be {least:g} or more, not {value}")
