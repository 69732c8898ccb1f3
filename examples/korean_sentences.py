"""Learn a few Korean sentences and go on from a beginning: the classic first exercise.

    python examples/korean_sentences.py
    python examples/korean_sentences.py my_sentences.txt --vocabulary jamo --hidden-size 128

A text file has one sentence a line. Every sentence is a document of its own: it is read from the
initial state, and where it ends the model learns to predict the end.
"""

import argparse
import tempfile
from pathlib import Path

import sunhwan
from sunhwan.text import read_text

SENTENCES = """\
아침에 일어나면 먼저 창문을 열고 바람을 마신다.
비가 그친 뒤 골목에는 흙냄새가 오래 남아 있었다.
동생은 작은 화분에 해바라기 씨앗 세 개를 심었다.
할머니는 겨울마다 마당 한쪽에 김칫독을 묻으셨다.
기차가 터널을 지나자 바다가 한꺼번에 눈앞에 펼쳐졌다.
우리는 도서관 맨 위층에서 저녁노을을 함께 바라보았다.
고양이는 따뜻한 책상 위에서 하루 종일 낮잠을 잔다.
늦은 밤까지 불이 켜진 빵집에서 고소한 냄새가 났다.
"""


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", type=Path, help="one sentence a line (default: ours)")
    parser.add_argument("--vocabulary", choices=("words", "characters", "jamo"), default="words")
    parser.add_argument("--embedding-size", type=int, default=32)
    parser.add_argument("--hidden-size", type=int, default=64)
    parser.add_argument("--cell", choices=tuple(sunhwan.CELLS), default="gru")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--beginning", action="append", help="what to go on from; may be repeated")
    parser.add_argument("--out", type=Path, help="keep the run here (default: nowhere)")
    options = parser.parse_args(arguments)

    text = read_text(options.file) if options.file else SENTENCES
    sentences = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    beginnings = options.beginning or [_half(sentence) for sentence in sentences[:3]]
    with tempfile.TemporaryDirectory() as scratch:
        corpus = Path(scratch, "sentences")
        corpus.mkdir()
        for number, sentence in enumerate(sentences):
            Path(corpus, f"{number:05}.txt").write_text(sentence, encoding="utf-8")
        config = sunhwan.Config.from_dict(
            {
                "text": {
                    "corpus": str(corpus),
                    "vocabulary": options.vocabulary,
                    "validation_share": 0,  # a few sentences: all of them are to be learned
                },
                "data": {"batch_size": min(8, len(sentences)), "block_length": 32},
                "model": {
                    "cell": options.cell,
                    "embedding_size": options.embedding_size,
                    "hidden_size": options.hidden_size,
                    "dropout": 0,
                },
                "training": {"steps": options.steps, "validations": 1, "sample_length": 0},
            }
        )
        result = sunhwan.train(config, options.out or Path(scratch, "run"))
        language = sunhwan.load(result.run)
        scores = language.evaluate(corpus)

    print(f"{len(sentences)} sentences, {scores.tokens} tokens, {result.seconds:.1f} s")
    print(f"accuracy {scores.accuracy:.3f}  loss {scores.loss:.4f}")
    for beginning in beginnings:
        (sample,) = language.sample(beginning, length=100, temperature=0, until_eos=True)
        print(f"{beginning} … {sample.text.strip()}")


def _half(sentence: str) -> str:
    words = sentence.split()
    return " ".join(words[: max(1, len(words) // 3)])


if __name__ == "__main__":
    main()
