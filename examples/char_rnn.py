"""Train on a text from Python, stop half-way, resume, and let the model write.

    python examples/char_rnn.py my_text.txt --steps 2000

Stopping is a signal here, as Ctrl-C is; the resumed run ends exactly as one that never stopped.
"""

import argparse
import signal
import tempfile
from pathlib import Path

import sunhwan
from sunhwan.metrics import Scores
from sunhwan.training import Reporter
from sunhwan.training.reporter import StepReport


class Watch(Reporter):
    """Prints validations; sends this process an interrupt at a step, if one is given."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.stop_at = stop_at

    def step(self, report: StepReport) -> None:
        if report.step == self.stop_at:
            signal.raise_signal(signal.SIGINT)

    def validated(self, step: int, scores: Scores, improved: bool) -> None:
        print(f"step {step}: loss {scores.loss:.4f}, {scores.bits_per_character:.3f} bits a letter")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", nargs="?", default="korean", help="a file, a folder, a built-in")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--hidden-size", type=int, default=128)
    parser.add_argument("--cell", choices=tuple(sunhwan.CELLS), default="gru")
    parser.add_argument("--prompt", default="")
    parser.add_argument("--out", type=Path, help="keep the run here (default: nowhere)")
    options = parser.parse_args(arguments)

    config = sunhwan.Config.from_dict(
        {
            "text": {"corpus": options.corpus},
            "model": {"cell": options.cell, "hidden_size": options.hidden_size},
            "training": {"steps": options.steps, "validations": 4, "sample_length": 0},
        }
    )
    with tempfile.TemporaryDirectory() as scratch:
        run = options.out or Path(scratch, "run")
        first = sunhwan.train(config, run, reporter=Watch(stop_at=options.steps // 2))
        print(f"{first.stopped} after {first.steps} steps")
        result = sunhwan.resume(run, reporter=Watch())
        print(f"resumed to step {result.steps}, best at step {result.best_step}")

        language = sunhwan.load(run)
        for piece in language.stream(options.prompt, length=200, temperature=0.7):
            print(piece, end="", flush=True)
        print()


if __name__ == "__main__":
    main()
