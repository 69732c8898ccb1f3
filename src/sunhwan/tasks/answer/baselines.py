"""Baselines of question answering: the commonest answer, and the sentence nearest to the question."""

from collections import Counter
from collections.abc import Sequence

from sunhwan.baselines.labels import within
from sunhwan.baselines.neighbours import nearest_of_each
from sunhwan.tasks.answer.passage_words import bare, key_of, sentence_texts
from sunhwan.tasks.answer.scores import AnswerScores, figures_of, right_keys
from sunhwan.tasks.common.examples import Example
from sunhwan.tasks.common.results import Baselines

COMMONEST = "the most frequent answer"
NEAREST = "the sentence nearest to the question"


def beside_baselines(
    train: Sequence[Example], data: Sequence[Example], scores: AnswerScores
) -> Baselines:
    """The scores beside two methods that answer with the word that was an answer most often:
    of the passage, and of its sentence that is nearest to the question."""
    count = within([example.raw[0] for example in train])
    often = Counter(key for example in train[:count] for key in right_keys(example))
    known = [text for example in train[:count] for text in sentence_texts(example.raw[0])]
    passages = [sentence_texts(example.raw[0]) for example in data]
    nearest = nearest_of_each(known, passages, [example.raw[1] for example in data])
    read = {
        COMMONEST: passages,
        NEAREST: [[texts[place]] for texts, place in zip(passages, nearest, strict=True)],
    }
    methods = {}
    for name, rows in read.items():
        words, evidence = zip(*(_commonest(texts, often) for texts in rows), strict=True)
        methods[name] = figures_of(data, words, evidence)
    own = scores.to_dict()
    figures = tuple(methods[NEAREST])
    some = f"they know the first {count:,} of {len(train):,} rows to learn from"
    notes = (some,) if count < len(train) else ()
    return Baselines(figures, {name: own[name] for name in figures}, methods, notes=notes)


def _commonest(sentences: Sequence[str], often: Counter[str]) -> tuple[str, str]:
    """The word that was an answer most often, of equals the first, and its sentence."""
    found = [(word, text) for text in sentences for word in text.split()]
    word, text = max(found, key=lambda pair: often[key_of(pair[0])])
    return bare(word), text
