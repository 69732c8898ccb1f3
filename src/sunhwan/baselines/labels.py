"""Baselines of classification: the most frequent label; TF-IDF with logistic regression."""

from collections import Counter
from collections.abc import Sequence

CHARACTERS = 2_000_000
"""Of a longer training text only the first ones are read: seconds, and some hundred megabytes."""
FEATURES = 200_000


def majority(labels: Sequence[str], count: int) -> list[str]:
    """The most frequent label of training, for `count` examples; of equals the one seen first."""
    (best, _), *_ = Counter(labels).most_common(1)
    return [best] * count


def within(texts: Sequence[str], characters: int = CHARACTERS) -> int:
    """How many texts from the first on hold no more than so many characters; one at least."""
    seen = 0
    for place, text in enumerate(texts):
        seen += len(text)
        if seen > characters:
            return max(place, 1)
    return len(texts)


def tfidf_regression(
    texts: Sequence[str], labels: Sequence[str], asked: Sequence[str], *, inside_words: bool = False
) -> list[str]:
    """The labels of texts by multinomial logistic regression on TF-IDF features (scikit-learn).

    Features: words and pairs of words; inside_words: the stretches of 1 to 4 characters of a word instead,
    for Korean, whose words carry their endings. labels: at least two different ones.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    kind = {"token_pattern": r"\w+|[^\w\s]", "ngram_range": (1, 2)}
    if inside_words:
        kind = {"analyzer": "char_wb", "ngram_range": (1, 4)}
    vectorizer = TfidfVectorizer(sublinear_tf=True, max_features=FEATURES, **kind)
    try:
        features = vectorizer.fit_transform(texts)
    except ValueError:  # no text has a word
        return majority(labels, len(asked))
    model = LogisticRegression(C=10.0, max_iter=200, tol=1e-3).fit(features, labels)
    return [str(label) for label in model.predict(vectorizer.transform(asked))]
