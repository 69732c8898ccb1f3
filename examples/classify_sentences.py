"""Tell praise from complaint in a few Korean and English sentences, and see which label surprises.

python examples/classify_sentences.py --steps 150
python examples/classify_sentences.py reviews.tsv --minutes 5
"""

import argparse
import itertools
import tempfile
from pathlib import Path

import sunhwan

SUBJECTS = ("영화가", "음식이", "이 노래는", "the film was", "the food was", "this song is")
WORDS = {
    "praise": ("정말 좋아요", "참 멋져요", "최고였다", "wonderful", "so good", "a joy"),
    "complaint": ("너무 싫어요", "정말 지루해요", "별로였다", "awful", "so dull", "a bore"),
}
NEW = ("그 영화는 정말 멋져요", "the song was so dull", "음식이 별로였다")


def sentences(folder: Path) -> Path:
    """Every subject with every word that is said in its language, as a table of text and label."""
    lines = ["text\tlabel"]
    for label, words in WORDS.items():
        for subject, word in itertools.product(SUBJECTS, words):
            if subject.isascii() == word.isascii():
                lines.append(f"{subject} {word}\t{label}")
    path = folder / "sentences.tsv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", type=Path, help="a table with columns text and label")
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--minutes", type=float, help="a budget on the clock instead")
    parser.add_argument("--pooling", default="max")
    options = parser.parse_args(arguments)

    with tempfile.TemporaryDirectory() as scratch:
        file = options.file or sentences(Path(scratch))
        budget = {"minutes": options.minutes} if options.minutes else {"steps": options.steps}
        config = sunhwan.Config.from_dict(
            {
                "task": {"name": "classify"},
                "data": {"source": str(file)},
                "text": {"validation_share": 0.1 if options.file else 0.0},
                "model": {"pooling": options.pooling},
                "training": {**budget, "sample_length": 0},
            }
        )
        result = sunhwan.train(config, Path(scratch, "run"))
        predictor = sunhwan.load(result.run)
        print(f"{result.steps} steps; what it says of new sentences:")
        for answer in predictor.predict(NEW):
            print(answer.text)
        review = predictor.review(file)
        print(f"accuracy {review.scores.accuracy:.3f} on the whole file")


if __name__ == "__main__":
    main()
