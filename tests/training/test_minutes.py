"""A budget on the clock becomes a plan in steps, which the schedule follows to its end."""

from pathlib import Path

from sunhwan.config import Config
from sunhwan.store import Run
from sunhwan.training import resume, train


def test_minutes_become_steps(tmp_path: Path, text_file: Path) -> None:
    config = Config().override(
        {
            "text.corpus": str(text_file),
            "training.minutes": 0.05,
            "training.threads": 1,
            "training.sample_length": 0,
            "model.hidden_size": 4,
            "data.batch_size": 2,
            "data.block_length": 8,
        }
    )
    result = train(config, tmp_path / "run")
    events = list(Run.open(tmp_path / "run").events())
    plans = [event for event in events if event["event"] == "plan"]
    validations = [event["step"] for event in events if event["event"] == "validation"]
    rates = [event["learning_rate"] for event in events if event["event"] == "step"]
    assert plans, "the speed was never measured"
    assert result.stopped == "budget"
    # The run ends where the last plan says, with a validation, the cosine all but at zero.
    assert result.steps == plans[-1]["total"] == validations[-1]
    assert all(plan["total"] > plan["step"] for plan in plans)
    assert rates[-1] < 0.3 * max(rates)
    # Resumed, a finished run stays finished.
    assert resume(tmp_path / "run").steps == result.steps
