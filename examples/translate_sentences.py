"""Learn to read Korean number words: an encoder-decoder, and where its attention looks.

    python examples/translate_sentences.py
    python examples/translate_sentences.py --attention none --ask 구천구백구십구

Neither length nor order of the answer is that of the question: 삼천오 is 3005, whose two zeros
stand nowhere. What is asked at the end was not among the numbers it learned from.
"""

import argparse
import random
import tempfile
from pathlib import Path

import sunhwan

DIGITS, PLACES = " 일이삼사오육칠팔구", ("천", "백", "십", "")


def in_words(number: int) -> str:
    """1 … 9999 in Korean: 1203 is 천이백삼."""
    words = ""
    for digit, place in zip(f"{number:04}", PLACES, strict=True):
        if digit != "0":
            words += ("" if digit == "1" and place else DIGITS[int(digit)]) + place
    return words


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--attention", default="additive", help="dot, general, none")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--hidden-size", type=int, default=64)
    parser.add_argument("--ask", action="append", help="a number in words; may be repeated")
    parser.add_argument("--out", type=Path, help="keep the run here (default: nowhere)")
    options = parser.parse_args(arguments)

    numbers = random.Random(1).sample(range(1, 10_000), 3_000)
    known, new = numbers[:-4], numbers[-4:]
    lines = ["source\ttarget\n", *(f"{in_words(number)}\t{number}\n" for number in known)]
    with tempfile.TemporaryDirectory() as scratch:
        pairs = Path(scratch, "numbers.tsv")
        pairs.write_text("".join(lines), encoding="utf-8")
        config = sunhwan.Config().override(
            {
                "task.name": "translate",
                "data.source": str(pairs),
                "text.vocabulary": "characters",
                "model.attention": options.attention,
                "model.hidden_size": options.hidden_size,
                "model.embedding_size": 32,
                "model.dropout": 0.1,
                "training.steps": options.steps,
                "training.validations": 4,
            }
        )
        result = sunhwan.train(config, options.out or Path(scratch, "run"))
        print(f"{result.seconds:.1f} s, on numbers it has not seen: {result.best.summary()}")
        predictor = sunhwan.load(result.run)

    for answer in predictor.predict(options.ask or map(in_words, new)):
        print(f"{answer.values['input']} → {answer.text}")
        if answer.alignment:
            source, target, weights = answer.alignment
            looked = (source[place] for place in weights.argmax(1).tolist())
            seen = zip(target, looked, strict=True)
            print("  " + "  ".join(f"{digit} ← {word}" for digit, word in seen))


if __name__ == "__main__":
    main()
