"""A text about an image: handwritten digits of 8 × 8 in words, English or Korean.

    python examples/describe_digits.py --name digits-ko

The digits come with scikit-learn; a fifth of them is never learned from, and measured on.
"""

import argparse
import tempfile
from pathlib import Path

import sunhwan
from sunhwan.training import Reporter

SHADES = " .:-=+*#%@"


def picture(numbers: str) -> str:
    """64 numbers from 0 to 1 as lines of characters, the darker the more ink."""
    shades = [SHADES[round(float(number) * 9)] * 2 for number in numbers.split()]
    return "\n".join("".join(shades[row : row + 8]) for row in range(0, 64, 8))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", choices=("digits", "digits-ko"), default="digits")
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--hidden-size", type=int, default=64)
    parser.add_argument("--show", type=int, default=3, help="so many answers")
    parser.add_argument("--out", type=Path, help="keep the run here (default: nowhere)")
    options = parser.parse_args(arguments)

    config = sunhwan.Config.from_dict(
        {
            "task": {"name": "describe"},
            "data": {"source": options.name},
            "model": {"hidden_size": options.hidden_size},
            "training": {"steps": options.steps, "sample_length": 0},
        }
    )
    with tempfile.TemporaryDirectory() as scratch:
        result = sunhwan.train(config, options.out or Path(scratch, "run"), reporter=Reporter())
        predictor = sunhwan.load(result.run)
        # Asked by this name it gives the images that training never sees.
        questions = list(predictor.questions(Path(options.name)))
        answers = predictor.predict(questions[: options.show])
        for question, answer in zip(questions, answers, strict=False):
            print(picture(question.cells[0]))
            print(answer.text)
        exact = predictor.review(options.name).values["exact_by_beam_search"]
        print(f"{len(questions)} images that were not learned: exact {exact:.3f}")


if __name__ == "__main__":
    main()
