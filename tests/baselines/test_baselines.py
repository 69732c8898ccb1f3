"""Baselines: what each simple method says, against definitions and values worked out by hand."""

import numpy as np
import pytest

from sunhwan.baselines import ngrams
from sunhwan.baselines.labels import majority, tfidf_regression, within
from sunhwan.baselines.neighbours import nearest_texts, nearest_vectors
from sunhwan.baselines.ngrams import KneserNey
from sunhwan.baselines.tags import FrequentTags
from sunhwan.tasks import Baselines


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_ngram_probabilities_sum_to_one(order: int) -> None:
    ids = np.random.default_rng(0).integers(0, 4, 60)
    model = KneserNey(ids, 6, order)  # of six tokens two never occur
    for context in ([], [0], [1, 2], [5, 5], [2, 3, 1, 0], list(ids[:9])):
        each = [np.exp(model.log_probabilities(np.array([*context, w]))[-1]) for w in range(6)]
        assert sum(each) == pytest.approx(1.0)
        assert min(each) > 0


def test_bigrams_by_hand() -> None:
    """a b a b a c: below the highest order a token counts after how many others it was seen."""
    model = KneserNey(np.array([0, 1, 0, 1, 0, 2]), 4, 2)
    # Seen after one token each: b and c after a, a after b; discounts 0.5, 0.75, 0.9.
    unigram = dict.fromkeys((0, 1, 2), 0.5 / 3 + 1.5 / 3 / 4) | {3: 1.5 / 3 / 4}
    left = (0.75 + 0.5) / 3  # after a: b twice, c once
    expected = [(2 - 0.75) / 3 + left * unigram[1], left * unigram[3]]
    found = [np.exp(model.log_probabilities(np.array([0, w]))[1]) for w in (1, 3)]
    assert found == pytest.approx(expected)


def test_longer_contexts_predict_better() -> None:
    text = np.frombuffer(b"the cat sat on the mat and the dog sat on the cat " * 8, np.uint8)
    losses = [
        -KneserNey(text.astype(np.int64), 256, order).log_probabilities(text[:60]).mean()
        for order in (1, 2, 5)
    ]
    assert losses[0] > losses[1] > losses[2]


def test_loss_of_a_long_text_is_that_of_its_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = np.random.default_rng(1).integers(0, 3, 200) * (np.arange(200) % 2)
    model = KneserNey(ids[:150], 4, 5)
    places = np.r_[3:40, 90, 150:200]
    monkeypatch.setattr(ngrams, "PIECE", 16)
    expected = -model.log_probabilities(ids)[places].mean()
    assert model.loss(lambda part: ids[part], places) == pytest.approx(expected, rel=1e-13)


def test_majority_and_regression() -> None:
    assert majority(["b", "a", "b"], 2) == ["b", "b"]
    texts = ["good film", "bad film", "very good", "very bad"] * 3
    labels = ["+", "-", "+", "-"] * 3
    assert tfidf_regression(texts, labels, ["a good one", "so bad"]) == ["+", "-"]
    korean = ["재미있어요", "재미없어요", "정말 재미있다", "정말 재미없다"] * 3
    said = tfidf_regression(korean, labels, ["재미있네", "재미없네"], inside_words=True)
    assert said == ["+", "-"]
    assert tfidf_regression([" ", ""], ["+", "-"], ["x"]) == ["+"]


def test_of_long_texts_a_part() -> None:
    assert within(["ab", "cd", "ef"], 4) == 2
    assert within(["abcdef", "g"], 4) == 1
    assert within(["ab"], 4) == 1


def test_tags_of_words_and_endings() -> None:
    tagger = FrequentTags(
        [
            (["the", "walk"], ["DET", "NOUN"]),
            (["they", "walk"], ["PRON", "VERB"]),
            (["walk", "talking"], ["VERB", "VERB"]),
            (["singing"], ["VERB"]),
            (["king", "things"], ["NOUN", "NOUN"]),
        ]
    )
    assert tagger.tag("walk") == "VERB"
    assert tagger.tag("baking") == "NOUN"  # as king; a longer ending than -ing
    assert tagger.tag("humming") == "VERB"
    assert tagger.tag("strings") == "NOUN"
    assert tagger.tag("xyz") == "NOUN"  # the tag of the most different words, the first of equals


def test_nearest_questions() -> None:
    assert nearest_texts(["how are you", "good night"], ["night!", "are we"]) == [1, 0]
    assert nearest_texts(["", " "], ["x"]) == [0]
    known = np.array([[0.0, 0.0], [3.0, 4.0]])
    assert nearest_vectors(known, np.array([[2.0, 2.5], [1.0, 1.0]])) == [1, 0]


def test_which_methods_are_ahead() -> None:
    found = Baselines(("accuracy",), {"accuracy": 0.8}, {"x": {"accuracy": 0.8}})
    assert found.better == []
    found = found._replace(methods={"x": {"accuracy": 0.85}, "y": {"accuracy": 0.9}})
    assert found.better == ["y", "x"]
    assert found._replace(lower=True).better == []
    assert [row[0] for row in found.listing().rows] == ["the model", "x", "y"]
    assert found.to_dict()["better_than_the_model"] == ["y", "x"]
    diverged = Baselines(("perplexity",), {"perplexity": 2.3e57}, {})
    assert diverged.listing().rows == [("the model", "2.3e+57")]
