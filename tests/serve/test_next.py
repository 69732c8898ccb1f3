"""What may come next: probabilities, the text that Tab inserts, and what a keystroke costs."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from sunhwan import generation
from sunhwan.api import load_language
from sunhwan.serve.sessions import DENSE, Session, Sessions, marks
from tests.serve.helpers import Client

TEXTS = {
    "characters": "abc xy", "jamo": "난 다가", "bytes": "é한a", "documents": "ab", "words": "a b\n",
    "bare": "", "slow": "각은",
}  # fmt: skip
SETTINGS: list[dict[str, Any]] = [
    {}, {"temperature": 1.0, "top_p": 0.5}, {"temperature": 0.0}, {"top_k": 3, "temperature": 2.0},
]  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_candidates_are_those_that_would_be_drawn(
    client: Client, language_runs: list[Path], name: str, settings: dict[str, Any]
) -> None:
    (run,) = (run for run in language_runs if run.name == name)
    language = load_language(run)
    vocabulary = language.vocabulary
    found = client.post("/api/next", model=name, text=TEXTS[name], count=5, **settings)
    beginning = generation.PromptContext.of(vocabulary, TEXTS[name])
    logits, _ = generation.next_token_logits(language.model, beginning.ids)
    options = {"temperature": 0.8} | settings
    may = logits.masked_fill(beginning.never, -math.inf)
    wanted = generation.filtered_probabilities(may, **options)
    values = wanted.topk(min(5, int((wanted > 0).sum())))
    told = [one["probability"] for one in found["candidates"]]
    assert told == pytest.approx(values.values.tolist(), abs=1e-5)
    assert found["candidates"][0]["label"] in vocabulary.token_texts(range(len(vocabulary)))
    p = torch.softmax(logits.double(), -1)
    assert found["entropy"] == pytest.approx(-(p * p.log()).sum().item(), abs=1e-4)
    assert found["read"] == len(beginning.ids)
    assert "surprise" not in found
    (text,) = generation.sample(
        language.model, vocabulary, TEXTS[name], length=24, seed=1, precision="fp32",
        until_eos=True, **options,
    )  # fmt: skip
    assert found["completion"] == text.text.partition("\n")[0]


def typed(client: Client, session: str | None, text: str, model: str = "characters") -> Any:
    return client.post("/api/next", model=model, text=text, session=session)


def test_a_keystroke_costs_one_token(client: Client) -> None:
    text, session = "abc", None
    for letter in "xyz gab" * 12:
        text += letter
        found = typed(client, session, text)
        assert found["read"] == (1 if session else len(text))
        session = found["session"]
        alone = typed(client, None, text)
        for field in ("candidates", "entropy", "completion"):
            assert found[field] == alone[field]
    # Backwards, letter by letter; and the same text again.
    for _ in range(DENSE - 2):
        text = text[:-1]
        assert typed(client, session, text)["read"] == 1
    assert typed(client, session, text)["read"] == 1


def test_a_change_is_read_from_there(client: Client) -> None:
    text = "abcdefg xyz. " * 50
    session = typed(client, None, text)["session"]
    changed = text[:-20] + "a" + text[-20:]
    found = typed(client, session, changed)
    assert found["read"] == 21
    assert found["candidates"] == typed(client, None, changed)["candidates"]
    # Far back there is a state now and then.
    early = text[:300] + "z" + text[300:]
    found = typed(client, session, early)
    assert len(early) - 300 < found["read"] <= len(early) - 256
    assert found["candidates"] == typed(client, None, early)["candidates"]
    assert typed(client, session, "")["candidates"] == typed(client, None, "")["candidates"]


def test_a_syllable_grows_by_letters(client: Client) -> None:
    session = typed(client, None, "나는", "jamo")["session"]
    for text, cost in (
        ("나는 ", 1),
        ("나는 가", 2),
        ("나는 각", 1),
        ("나는 가가", 2),
        ("나는 가각", 1),
    ):
        found = typed(client, session, text, "jamo")
        assert found["read"] == cost, text
        assert found["candidates"] == typed(client, None, text, "jamo")["candidates"]


def test_a_letter_may_complete_the_last_syllable(client: Client) -> None:
    text = "난 다"
    found = client.post("/api/next", model="jamo", text=text, count=99, temperature=2.0)
    texts = {one["whole"]: one["text"] for one in found["candidates"] if one["whole"]}
    # Each final that the vocabulary knows, by what it makes of the syllable.
    assert texts == {"닥": "\u11a8", "단": "\u11ab", "달": "\u11af", "닭": "\u11b0"}
    others = [one["text"] for one in found["candidates"] if not one["whole"]]
    assert {" ", "\u1102"} <= set(others)
    assert "\ufffd" not in others
    # What was chosen is read as one more letter, and a whole syllable grows no more.
    chosen = typed(client, found["session"], "난 단", "jamo")
    assert chosen["read"] == 1
    assert chosen["candidates"] == typed(client, None, "난 단", "jamo")["candidates"]
    assert {one["whole"] for one in chosen["candidates"]} == {None}
    begun = client.post("/api/next", model="jamo", text="\u1102", count=99, temperature=2.0)
    assert {one["whole"] for one in begun["candidates"]} == {None, "나", "내", "느"}


def test_a_strange_session_is_a_new_one(client: Client) -> None:
    found = typed(client, "no such session", "abc")
    assert found["session"] != "no such session"
    assert found["read"] == 3


def test_sessions_keep_what_is_used() -> None:
    sessions = Sessions(2)
    for name in ("a", "b", "a", "c"):
        sessions.keep(name, Session([1], {1: name}))
    assert len(sessions) == 2
    assert sessions.find("a")[0] == "a"
    assert sessions.find("b")[0] != "b"


def test_states_of_a_text_that_changed_are_dropped() -> None:
    session = Session(list(range(10)), {k: k for k in range(1, 11)})
    assert session.resumed(list(range(10))) == (9, 9)
    assert session.resumed([0, 1, 2, 9, 9]) == (3, 3)
    assert session.resumed([5]) == (0, None)
    assert session.resumed([]) == (0, None)
    grown = session.grown([0, 1, 2, 9, 9], {4: "d", 5: "e"})
    assert grown.states == {1: 1, 2: 2, 3: 3, 4: "d", 5: "e"}
    assert session.resumed(list(range(20))) == (10, 10)


def test_few_states_are_kept_of_a_long_text() -> None:
    found = marks(10_000)
    assert len(found) <= DENSE + 40
    assert found[-DENSE:] == list(range(10_000 - DENSE + 1, 10_001))
    assert marks(3) == [1, 2, 3]
    assert marks(0) == []


def test_other_models_offer_nothing(client: Client) -> None:
    assert client.refused("/api/next", model="tag", text="a")[0] == 422
