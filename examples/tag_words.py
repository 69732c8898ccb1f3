"""Find names of people and places in sentences: a label for each word, in the scheme BIO.

    python examples/tag_words.py
    python examples/tag_words.py my_sentences.conll --output-layer softmax --sentence "지호가 서울에 산다"

A file of one's own is CoNLL (a word and its label a line, an empty line between sentences) or CoNLL-U.
"""

import argparse
import random
import tempfile
from pathlib import Path

import sunhwan

PATTERNS = """\
1가 어제 2에서 돌아왔다
1는 2까지 걸어서 갔다
비가 그쳐서 1는 책을 읽었다
고양이가 2에서 밤까지 잔다
3 wrote a letter from 4
in 4 it rains and 3 is late"""
NAMES = {
    "1": ("PER", "민수,영희,김 지호,수진,최 민준,하늘이,다솜,박 유나,준호,나래,정 은지,가람이"),
    "2": ("LOC", "서울,부산,대구 시장,광주,강릉,제주,목포,여수,서울 역,안동,춘천,남원"),
    "3": ("PER", "Anna,Tom Reed,Clara,Ella Jones,Bo,Mr Brown,Dora,Ben Hill,Nora,Otto"),
    "4": ("LOC", "Oslo,New York,Rome,Lima,San Marino,Paris,New Haven,Kiel,Turin,San Remo"),
}
NEW = (
    "보라가 인천에서 돌아왔다",
    "비가 그쳐서 김 서준은 울산 역까지 갔다",
    "Rob Lane wrote from New Delhi",
)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", type=Path, help="CoNLL or CoNLL-U (default: ours)")
    parser.add_argument("--output-layer", choices=("softmax", "crf"), default="crf")
    parser.add_argument("--hidden-size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--sentence", action="append", help="what to label; may be repeated")
    options = parser.parse_args(arguments)

    with tempfile.TemporaryDirectory() as scratch:
        corpus = options.file or Path(scratch, "sentences.conll")
        if options.file is None:
            corpus.write_text("\n\n".join(sentences(400)), encoding="utf-8")
        config = sunhwan.Config.from_dict(
            {
                "task": {"name": "tag"},
                "data": {"source": str(corpus), "batch_size": 16},
                "model": {
                    "hidden_size": options.hidden_size,
                    "letter_size": 32,
                    "word_dropout": 0.5,  # it is to find names it has never seen
                    "output_layer": options.output_layer,
                },
                "training": {"steps": options.steps, "validations": 3, "learning_rate": 0.01},
            }
        )
        result = sunhwan.train(config, Path(scratch, "run"))
        tagger = sunhwan.load(result.run)
    print(f"{result.steps} steps, {result.seconds:.1f} s; validation {result.best.summary()}")
    for answer in tagger.predict(options.sentence or NEW):
        print(answer.text)


def sentences(count: int) -> list[str]:
    """So many sentences of the patterns, names drawn by chance, in CoNLL."""
    rng = random.Random(1)
    return [sentence(rng.choice(PATTERNS.splitlines()), rng) for _ in range(count)]


def sentence(pattern: str, rng: random.Random) -> str:
    lines = []
    for word in pattern.split():
        kind, names = NAMES.get(word[0], ("", word))
        name = rng.choice(names.split(",")) + (word[1:] if kind else "")
        marks = [
            f"{'I' if place else 'B'}-{kind}" if kind else "O" for place in range(len(name.split()))
        ]
        lines += [f"{part} {mark}" for part, mark in zip(name.split(), marks, strict=True)]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
