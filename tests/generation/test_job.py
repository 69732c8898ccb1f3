"""A text by steps of any size: the same pieces, scores and end; stop strings; places of tokens."""

import threading
import unicodedata
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sunhwan.generation import Engine, ModelStepper, PromptContext, Sampling, Stepper, sample
from sunhwan.generation.job import Job, JobUpdate, advance
from sunhwan.generation.offsets import TokenOffsets, token_name, token_offsets
from sunhwan.generation.stop_strings import StopStrings
from tests.serve.helpers import VOCABULARIES, language

JAMO = VOCABULARIES["jamo"]


def written(stepper: Stepper, job: Job, reading: int, drawing: int) -> list[JobUpdate]:
    """What comes of a job in steps of a size, step by step."""
    told = []
    while not job.done:
        advance(stepper, [job], drawing, reading)
        told.append(job.update())
    assert job.error is None
    return told


def steppers(name: str) -> list[Stepper]:
    model = language(VOCABULARIES[name]).model
    return [Engine(model, "fp32"), ModelStepper(model, threading.Lock())]


def job(name: str, prompt: str, **options: Any) -> Job:
    vocabulary = VOCABULARIES[name]
    sampling = Sampling(length=options.pop("length", 40), temperature=1.0, seed=7, until_eos=True)
    return Job(vocabulary, PromptContext.of(vocabulary, prompt), sampling, **options)


@pytest.mark.parametrize("name", VOCABULARIES)
@pytest.mark.parametrize("prompt", ["", "a", "난 다가 a b"])
def test_the_size_of_steps_changes_nothing(name: str, prompt: str) -> None:
    model, vocabulary = language(VOCABULARIES[name]).model, VOCABULARIES[name]
    (wanted,) = sample(
        model, vocabulary, prompt, length=40, temperature=1.0, seed=7, until_eos=True
    )
    for stepper in steppers(name):
        found = set()
        for reading, drawing, top in ((1024, 1, None), (1024, 8, None), (1024, 40, 1), (3, 5, 2)):
            if reading == 3 and isinstance(stepper, ModelStepper):
                continue  # it reads a prompt at once: its products round by their size
            one = job(name, prompt, top=top)
            told = written(stepper, one, reading, drawing)
            text = "".join(part.text for part in told) or one.update().text
            assert text == wanted.text
            finishes = [part.finish for part in told]
            assert finishes[:-1] == [None] * (len(finishes) - 1)
            found.add((one.finish, one.drawn))
        assert len(found) == 1


def test_a_syllable_comes_when_it_is_whole() -> None:
    stepper = steppers("jamo")[0]
    text, syllables = "다", 0
    for piece in (part.text for part in written(stepper, job("jamo", "다", length=300), 8, 1)):
        # However the pieces are joined, no letters meet that would be another syllable.
        assert unicodedata.normalize("NFC", text + piece) == text + piece
        text += piece
        syllables += any("가" <= character <= "힣" for character in piece)
    assert syllables > 5


def test_states_are_kept_and_gone_on_from() -> None:
    stepper, prompt = steppers("characters")[0], "abc xyz abc"
    ids = PromptContext.of(VOCABULARIES["characters"], prompt).ids
    whole = job("characters", prompt, keep_states=[4, 9, len(ids)], keep_logits=True)
    text = "".join(part.text for part in written(stepper, whole, 100, 8))
    assert sorted(whole.states) == [4, 9, len(ids)]
    for read in (4, 9):
        part = job("characters", prompt, read=read, state=whole.states[read], keep_logits=True)
        assert "".join(p.text for p in written(stepper, part, 100, 8)) == text
        assert part.prompt_logits is not None
        assert whole.prompt_logits is not None
        assert torch.equal(part.prompt_logits, whole.prompt_logits)


def test_numbers_that_are_none_are_an_error() -> None:
    task = language(VOCABULARIES["characters"])
    with torch.no_grad():
        task.model.output.bias[2] = torch.nan
    for stepper in (Engine(task.model, "fp32"), ModelStepper(task.model)):
        one = job("characters", "abc")
        advance(stepper, [one])
        assert "not finite" in str(one.error)


letters = st.text("abc", max_size=12)


@given(letters, st.lists(st.text("abc", min_size=1, max_size=4), max_size=3), st.data())
def test_stop_strings_end_a_text_however_it_comes(text: str, stops: list[str], data: Any) -> None:
    ends = [
        (end, -max(len(s) for s in stops if text[:end].endswith(s)))
        for end in range(len(text) + 1)
        if any(text[:end].endswith(s) for s in stops)
    ]
    wanted = text[: ends[0][0] + ends[0][1]] if ends else text
    found, said = StopStrings(stops), ""
    while text and not found.hit:
        size = data.draw(st.integers(1, len(text)))
        said += found.push(text[:size])
        assert wanted.startswith(said), "what was said cannot be taken back"
        text = text[size:]
    assert found.hit == bool(ends)
    assert said + ("" if found.hit else found.flush()) == wanted


@given(
    st.lists(st.text("abc", max_size=3), max_size=6),
    st.lists(st.text("abc", min_size=1), max_size=2),
)
def test_pieces_at_once_are_pieces_one_by_one(pieces: list[str], stops: list[str]) -> None:
    one, all_, text, count = StopStrings(stops), StopStrings(stops), "", 0
    for piece in pieces:
        if one.hit:
            break
        text, count = text + one.push(piece), count + 1
    assert all_.push_all(pieces) == (text, count)
    assert (all_.hit, all_.flush()) == (one.hit, one.flush())


@pytest.mark.parametrize("name", VOCABULARIES)
def test_a_token_has_a_name_that_can_be_seen(name: str) -> None:
    vocabulary = VOCABULARIES[name]
    names = [token_name(vocabulary, token) for token in range(len(vocabulary))]
    assert all(names)
    if name == "jamo":
        assert {"ㄱ", "ㅏ", " ", "\n"} <= set(names)
    if name == "bytes":
        assert names[0x61], names[0xEA] == ("a", "0xEA")


@given(st.lists(st.integers(0, len(JAMO) - 1), max_size=20))
def test_places_of_letters_are_those_of_their_syllables(ids: list[int]) -> None:
    text, places = JAMO.decode(ids), token_offsets(JAMO, ids)
    assert places == sorted(places)
    # The letters at each place are those of its character.
    for place, character in enumerate(text):
        own = [token for token, at in zip(ids, places, strict=True) if at == place]
        assert JAMO.decode(own) == character


@given(st.binary(max_size=12))
def test_places_of_bytes_are_those_of_their_characters(data: bytes) -> None:
    vocabulary, ids = VOCABULARIES["bytes"], list(data)
    decoder, offsets, said = vocabulary.decoder(), TokenOffsets(vocabulary), ""
    for token in ids:
        piece = decoder.push(token)
        place = offsets.push(token, piece)
        assert place in (len(said), len(said + piece) - 1, len(said + piece))
        said += piece
    text = data.decode("utf-8", "replace")
    if "\ufffd" not in text:
        wanted = [i for i, character in enumerate(text) for _ in character.encode()]
        assert token_offsets(vocabulary, ids) == wanted
