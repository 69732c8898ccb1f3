"""Log-probabilities of lines of text: /api/score."""

import asyncio
from typing import Any

from sunhwan.generation import Job, scored_line, scoring_job
from sunhwan.serve.models import Loaded
from sunhwan.serve.schemas import Score
from sunhwan.serve.service import Service


async def scored(service: Service, loaded: Loaded, body: Score) -> dict[str, Any]:
    """The log-probability of lines, each from the beginning; see `generation.score_lines`."""
    service.check(len(body.lines), service.limits.lines, "lines")
    batcher, vocabulary = loaded.writing()

    def prepared() -> list[Job]:
        lines = [vocabulary.encode(line).tolist() for line in body.lines]
        for ids in lines:
            service.check(len(ids), service.limits.prompt, "tokens in a line", 413)
        return [scoring_job(vocabulary, ids, end=body.end) for ids in lines]

    jobs = await asyncio.to_thread(prepared)
    with batcher.writing(jobs) as writing:
        await writing.finished()

    def summary() -> dict[str, Any]:
        lines = [
            scored_line(vocabulary, line, job) for line, job in zip(body.lines, jobs, strict=True)
        ]
        return {
            "lines": [
                {
                    "text": line.text,
                    "log_probability": line.log_probability,
                    "tokens": [token._asdict() for token in line.tokens],
                }
                for line in lines
            ]
        }

    return await asyncio.to_thread(summary)
