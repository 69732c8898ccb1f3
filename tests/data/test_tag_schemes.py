"""Schemes of entity tags: told from sentences, and what they allow."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities

from sunhwan.data.tag_schemes import marks_entities, may_follow, parts_of, scheme_of, told_scheme
from sunhwan.metrics import entity_agreement, in_all

Spans = list[tuple[str, int]]
"""Kinds and lengths, "" for words outside."""


def written(spans: Spans, scheme: str) -> list[str]:
    """A sentence of spans in a scheme."""
    tags: list[str] = []
    before = ""
    for kind, length in spans:
        if not kind:
            tags += ["O"] * length
        elif scheme == "BIOES":
            tags += (
                [f"S-{kind}"]
                if length == 1
                else [f"B-{kind}", *[f"I-{kind}"] * (length - 2), f"E-{kind}"]
            )
        else:
            first = "B" if scheme == "BIO" or before == kind else "I"
            tags += [f"{first}-{kind}", *[f"I-{kind}"] * (length - 1)]
        before = kind
    return tags


spans = st.lists(st.tuples(st.sampled_from(["", "PER", "LOC"]), st.integers(1, 3)), max_size=8)


@given(st.lists(spans, min_size=1, max_size=6), st.sampled_from(["BIO", "IOB1", "BIOES"]))
def test_a_scheme_is_told_from_sentences_and_allows_them(
    sentences: list[Spans], scheme: str
) -> None:
    tagged = [written(one, scheme) for one in sentences]
    found = scheme_of(tagged)
    marks = {parts_of(tag)[0] for tags in tagged for tag in tags}
    assert found == (scheme if marks & set("BIES") else "")
    for tags in tagged:
        assert all(may_follow(a, b, scheme) for a, b in pairwise(["", *tags]))


@given(spans, st.sampled_from(["BIO", "IOB1", "BIOES"]))
def test_entities_are_the_same_in_every_scheme(sentence: Spans, scheme: str) -> None:
    right, start = [], 0
    for kind, length in sentence:
        if kind:
            right.append((kind, start, start + length - 1))
        start += length
    tags = written(sentence, scheme)
    assert [tuple(one) for one in get_entities(tags)] == right
    agreement = in_all(entity_agreement([tags], [tags]).values())
    assert agreement.right == agreement.present == len(right)


@pytest.mark.parametrize(
    ("sentences", "scheme"),
    [
        ([["NOUN", "VERB"]], ""), ([["O", "O"]], ""), ([["I-PER", "O", "B-LOC", "O"]], ""),
        ([["B-PER", "I-PER", "O"]] * 60 + [["O", "I-PER"]], "BIO"),
        ([["O", "I-PER"]] * 60 + [["O", "B-PER"]], "IOB1"),
    ],
)  # fmt: skip
def test_faults_do_not_hide_a_scheme_and_mixtures_have_none(
    sentences: Sequence[Sequence[str]], scheme: str
) -> None:
    assert scheme_of(sentences) == scheme


def test_what_marks_entities() -> None:
    assert marks_entities(["O", "B-PER", "S-LOC"])
    assert not marks_entities(["O"])
    assert not marks_entities(["O", "B-PER", "NOUN"])
    assert parts_of("B-A-B") == ("B", "A-B")


def test_what_bioes_forbids() -> None:
    labels = ["", "O", "B-A", "I-A", "E-A", "S-A", "B-B", "I-B"]
    allowed = {(a, b) for a in labels for b in labels[1:] if may_follow(a, b, "BIOES")}
    assert ("B-A", "O") not in allowed
    assert ("B-A", "E-A") in allowed
    assert ("I-A", "I-B") not in allowed
    assert ("O", "E-A") not in allowed
    assert {b for a, b in allowed if not a} == {"O", "B-A", "S-A", "B-B"}
    assert {b for a, b in allowed if a == "E-A"} == {"O", "B-A", "S-A", "B-B"}


@pytest.mark.parametrize(
    ("sentences", "told"),
    [
        (["B-A I-A O", "B-A O"], "by the scheme BIO"),
        (["B-A I-A O", "I-A O", "O I-A"], "by no one scheme: 1 begin with B-, 2 with I-"),
        (["B-A I-A O B-A", "B-A E-A S-A"], "by no one scheme: 2 end with E- or S-, 2 without"),
        (["NOUN VERB", "B-A"], ""),
    ],
)
def test_schemes_that_are_mixed_are_told(sentences: list[str], told: str) -> None:
    scheme, said = told_scheme(map(str.split, sentences))
    assert told in "".join(said)
    assert bool(said) == bool(told)
    assert bool(scheme) == ("by the scheme" in told)
