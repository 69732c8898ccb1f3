"""A text by steps of any size: the same pieces, scores and end; stop strings; places of tokens."""

import threading
import unicodedata
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sunhwan.generation import Engine, PromptContext, Sampling, sample
from sunhwan.generation.job import Job, News
from sunhwan.generation.offsets import Offsets, name_of, offsets_of
from sunhwan.generation.stepper import EngineStepper, ModelStepper, Stepper
from sunhwan.generation.stop_strings import Stops
from tests.serve.helpers import VOCABULARIES, language

JAMO = VOCABULARIES["jamo"]


def written(writer: Stepper, job: Job, reading: int, drawing: int) -> list[News]:
    """What comes of a job in steps of a size, step by step."""
    told = []
    while not job.done:
        step = job.step(reading, drawing)
        (stepped,) = writer.step([step])
        job.apply(step, stepped)
        told.append(job.news())
    assert job.error is None
    return told


def writers(name: str) -> list[Stepper]:
    model = language(VOCABULARIES[name]).model
    return [EngineStepper(Engine(model, "fp32")), ModelStepper(model, threading.Lock())]


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
    for writer in writers(name):
        found = set()
        for reading, drawing, top in ((1024, 1, None), (1024, 8, None), (1024, 40, 1), (3, 5, 2)):
            if reading == 3 and isinstance(writer, ModelStepper):
                continue  # it reads a prompt at once: its products round by their size
            one = job(name, prompt, top=top)
            told = written(writer, one, reading, drawing)
            text = "".join(part.text for part in told) or one.news().text
            assert text == wanted.text
            finishes = [part.finish for part in told]
            assert finishes[:-1] == [None] * (len(finishes) - 1)
            found.add((one.finish, one.drawn))
        assert len(found) == 1


def test_a_syllable_comes_when_it_is_whole() -> None:
    writer = writers("jamo")[0]
    text, syllables = "다", 0
    for piece in (part.text for part in written(writer, job("jamo", "다", length=300), 8, 1)):
        # However the pieces are joined, no letters meet that would be another syllable.
        assert unicodedata.normalize("NFC", text + piece) == text + piece
        text += piece
        syllables += any("가" <= character <= "힣" for character in piece)
    assert syllables > 5


def test_states_are_kept_and_gone_on_from() -> None:
    writer, prompt = writers("characters")[0], "abc xyz abc"
    ids = PromptContext.of(VOCABULARIES["characters"], prompt).ids
    whole = job("characters", prompt, marks=[4, 9, len(ids)], ahead=True)
    text = "".join(part.text for part in written(writer, whole, 100, 8))
    assert sorted(whole.states) == [4, 9, len(ids)]
    for read in (4, 9):
        part = job("characters", prompt, read=read, state=whole.states[read], ahead=True)
        assert "".join(p.text for p in written(writer, part, 100, 8)) == text
        assert part.ahead is not None
        assert whole.ahead is not None
        assert torch.equal(part.ahead, whole.ahead)


def test_numbers_that_are_none_are_an_error() -> None:
    task = language(VOCABULARIES["characters"])
    with torch.no_grad():
        task.model.output.bias[2] = torch.nan
    for writer in (
        EngineStepper(Engine(task.model, "fp32")),
        ModelStepper(task.model, threading.Lock()),
    ):
        one = job("characters", "abc")
        step = one.step(8, 8)
        one.apply(step, writer.step([step])[0])
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
    found, said = Stops(stops), ""
    while text and not found.hit:
        size = data.draw(st.integers(1, len(text)))
        said += found.push(text[:size])
        assert wanted.startswith(said), "what was said cannot be taken back"
        text = text[size:]
    assert found.hit == bool(ends)
    assert said + ("" if found.hit else found.flush()) == wanted


@pytest.mark.parametrize("name", VOCABULARIES)
def test_a_token_has_a_name_that_can_be_seen(name: str) -> None:
    vocabulary = VOCABULARIES[name]
    names = [name_of(vocabulary, token) for token in range(len(vocabulary))]
    assert all(names)
    if name == "jamo":
        assert {"ㄱ", "ㅏ", " ", "\n"} <= set(names)
    if name == "bytes":
        assert names[0x61], names[0xEA] == ("a", "0xEA")


@given(st.lists(st.integers(0, len(JAMO) - 1), max_size=20))
def test_places_of_letters_are_those_of_their_syllables(ids: list[int]) -> None:
    text, places = JAMO.decode(ids), offsets_of(JAMO, ids)
    assert places == sorted(places)
    # The letters at each place are those of its character.
    for place, character in enumerate(text):
        own = [token for token, at in zip(ids, places, strict=True) if at == place]
        assert JAMO.decode(own) == character


@given(st.binary(max_size=12))
def test_places_of_bytes_are_those_of_their_characters(data: bytes) -> None:
    vocabulary, ids = VOCABULARIES["bytes"], list(data)
    decoder, offsets, said = vocabulary.decoder(), Offsets(vocabulary), ""
    for token in ids:
        piece = decoder.push(token)
        place = offsets.push(token, piece)
        assert place in (len(said), len(said + piece) - 1, len(said + piece))
        said += piece
    text = data.decode("utf-8", "replace")
    if "\ufffd" not in text:
        wanted = [i for i, character in enumerate(text) for _ in character.encode()]
        assert offsets_of(vocabulary, ids) == wanted
