"""Completions: the texts of `generation.sample`, whole and in pieces, alone and in company."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from sunhwan import generation
from sunhwan.api import load_language
from sunhwan.generation.offsets import token_name
from sunhwan.text import Vocabulary
from tests.serve.helpers import VOCABULARIES, Client, events

PROMPTS = {
    "characters": "abc xy", "jamo": "난 다가", "bytes": "é한a", "documents": "ab", "words": "a b",
    "bare": "", "slow": "각은",
}  # fmt: skip
each_model = pytest.mark.parametrize("name", PROMPTS)


def speech(name: str) -> Vocabulary:
    return VOCABULARIES["jamo" if name == "slow" else name]


def sampled(runs: list[Path], name: str, prompt: str, **options: Any) -> list[generation.Sample]:
    (run,) = (run for run in runs if run.name == name)
    found = load_language(run)
    return generation.sample(
        found.model, found.vocabulary, prompt, precision="fp32", until_eos=True, **options
    )


@each_model
@pytest.mark.parametrize(
    "options",
    [{}, {"temperature": 0.0}, {"temperature": 1.4, "top_k": 4}, {"top_p": 0.6}],
    ids=str,
)
def test_the_texts_are_those_of_sample(
    client: Client, language_runs: list[Path], name: str, options: dict[str, Any]
) -> None:
    body = {"temperature": 1.0} | options
    answer = client.post(
        "/v1/completions", model=name, prompt=PROMPTS[name], max_tokens=30, n=3, seed=5, **body
    )
    wanted = sampled(language_runs, name, PROMPTS[name], length=30, n=3, seed=5, **body)
    assert [choice["text"] for choice in answer["choices"]] == [one.text for one in wanted]
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2]
    assert answer["object"] == "text_completion"
    assert (answer["model"], answer["seed"]) == (name, 5)
    reasons = {choice["finish_reason"] for choice in answer["choices"]}
    assert reasons <= ({"length", "stop"} if speech(name).eos_id is not None else {"length"})
    tokens = len(speech(name).encode(PROMPTS[name]))
    usage = answer["usage"]
    assert usage["prompt_tokens"] == tokens
    assert usage["total_tokens"] == tokens + usage["completion_tokens"]
    if reasons == {"length"}:
        assert usage["completion_tokens"] == 90


@each_model
@pytest.mark.parametrize("scored", [None, 2])
def test_the_pieces_of_a_stream_are_the_whole_text(
    client: Client, name: str, scored: int | None
) -> None:
    body = {
        "model": name, "prompt": PROMPTS[name], "max_tokens": 40, "n": 2, "seed": 3,
        "logprobs": scored,
    }  # fmt: skip
    whole = client.post("/v1/completions", **body)
    stream = client.ask(
        "POST",
        "/v1/completions",
        json={**body, "stream": True, "stream_options": {"include_usage": True}},
    )
    assert stream.headers["content-type"].startswith("text/event-stream")
    *told, usage, done = events(stream.text)
    assert done == "[DONE]"
    assert json.loads(usage)["usage"] == whole["usage"]
    assert json.loads(usage)["choices"] == []
    for index, choice in enumerate(whole["choices"]):
        own = [one for t in told for one in json.loads(t)["choices"] if one["index"] == index]
        assert "".join(one["text"] for one in own) == choice["text"]
        assert [one["finish_reason"] for one in own[:-1]] == [None] * (len(own) - 1)
        assert own[-1]["finish_reason"] == choice["finish_reason"]
        for field in ("tokens", "token_logprobs", "top_logprobs", "text_offset") if scored else ():
            parts = [value for one in own for value in one["logprobs"][field]]
            assert parts == choice["logprobs"][field]


def is_at(vocabulary: Vocabulary, token: int, text: str) -> bool:
    """Whether a token is, or begins, or is a part of the first character of a text."""
    if vocabulary.kind == "bytes":
        return text[0] == "\ufffd" or token in text[0].encode()
    if vocabulary.kind == "words":
        return text.lstrip(" ").startswith(vocabulary.decode([token]))
    return token in vocabulary.encode(text[0])


@each_model
def test_every_token_has_its_probability_and_its_place(
    client: Client, language_runs: list[Path], name: str
) -> None:
    vocabulary = speech(name)
    prompt = vocabulary.encode(PROMPTS[name]).tolist()
    (choice,) = client.post(
        "/v1/completions",
        model=name, prompt=PROMPTS[name], max_tokens=25, seed=4, logprobs=3, echo=True,
    )["choices"]  # fmt: skip
    (run,) = (run for run in language_runs if run.name == name)
    model = load_language(run).model.double()
    names = [token_name(vocabulary, token) for token in range(len(vocabulary))]
    lead = generation.start_tokens(vocabulary, prompt)
    ids: list[int] = []
    scored = choice["logprobs"]
    for said, told, top in zip(
        scored["tokens"], scored["token_logprobs"], scored["top_logprobs"], strict=True
    ):
        with torch.no_grad():
            logits, _ = generation.next_token_logits(model, [*lead, *ids])
        found = torch.log_softmax(logits, -1)
        alike = [t for t, own in enumerate(names) if own == said]
        ids += prompt[len(ids) : len(ids) + 1] or [min(alike, key=lambda t: abs(found[t] - told))]
        assert ids[-1] in alike
        if told is None:
            assert not lead
            assert len(ids) == 1
            assert top is None
        else:
            assert told == pytest.approx(found[ids[-1]].item(), abs=1e-4)
            assert max(top.values()) == pytest.approx(found.max().item(), abs=1e-4)
            assert top[said] == pytest.approx(max(found[t].item() for t in alike), abs=1e-4) or (
                top[said] == told
            )
            assert len(top) <= 4
    text, offsets = choice["text"], scored["text_offset"]
    assert vocabulary.decode(ids) == text
    assert offsets == sorted(offsets)
    assert all(
        is_at(vocabulary, token, text[offset:]) for token, offset in zip(ids, offsets, strict=True)
    )


@pytest.mark.parametrize(
    "stop", ["a", ["b", "ab"], ["xyz", " "], "zz\u3042", ["\n", ".", "e", "y"]]
)
def test_a_text_ends_before_a_stop_string(client: Client, stop: str | list[str]) -> None:
    body = {"model": "characters", "prompt": "ab", "max_tokens": 60, "n": 4, "seed": 11}
    whole = client.post("/v1/completions", **body)["choices"]
    ended = client.post("/v1/completions", **body, stop=stop)["choices"]
    streamed = client.ask("POST", "/v1/completions", json={**body, "stop": stop, "stream": True})
    told = [json.loads(t)["choices"][0] for t in events(streamed.text)[:-1]]
    stops = [stop] if isinstance(stop, str) else stop
    for index, (one, choice) in enumerate(zip(whole, ended, strict=True)):
        text = one["text"]
        ends = [(text.find(s) + len(s), -len(s)) for s in stops if s in text]
        wanted = text[: min(ends)[0] + min(ends)[1]] if ends else text
        assert choice["text"] == wanted
        assert choice["finish_reason"] == ("stop" if ends else "length")
        assert "".join(t["text"] for t in told if t["index"] == index) == wanted


def test_what_a_stop_string_takes_back_is_not_scored(client: Client) -> None:
    body = {"model": "characters", "prompt": "ab", "max_tokens": 60, "seed": 11, "logprobs": 0}
    (whole,) = client.post("/v1/completions", **body)["choices"]
    stop = whole["text"][20:23]
    (choice,) = client.post("/v1/completions", **body, stop=stop)["choices"]
    assert len(choice["text"]) == whole["text"].find(stop) <= 20
    assert "".join(choice["logprobs"]["tokens"]) == choice["text"]


def test_prompts_are_texts_or_tokens_one_or_several(client: Client) -> None:
    ids = VOCABULARIES["characters"].encode("abc").tolist()
    body = {"model": "characters", "max_tokens": 9, "n": 2, "seed": 1}
    alone = client.post("/v1/completions", prompt="abc", **body)["choices"]
    assert client.post("/v1/completions", prompt=ids, **body)["choices"] == alone
    several = client.post("/v1/completions", prompt=[ids, ids], **body)
    assert several["choices"][:2] == alone
    assert [choice["index"] for choice in several["choices"]] == [0, 1, 2, 3]
    texts = client.post("/v1/completions", prompt=["abc", "abc"], **body)
    assert texts["choices"] == several["choices"]
    assert texts["usage"]["prompt_tokens"] == 6
    later = client.post("/v1/completions", prompt="abc", **(body | {"seed": 3}))["choices"]
    assert [c["text"] for c in several["choices"][2:]] == [c["text"] for c in later]


def test_without_a_seed_one_is_drawn_and_told(client: Client) -> None:
    body = {"model": "characters", "prompt": "a", "max_tokens": 20}
    one, other = (client.post("/v1/completions", **body) for _ in range(2))
    assert one["seed"] != other["seed"]
    again = client.post("/v1/completions", **body, seed=one["seed"])
    assert again["choices"] == one["choices"]


@pytest.mark.slow
def test_an_answer_is_what_it_is_alone(client: Client) -> None:
    bodies = [
        {
            "model": ("characters", "jamo", "slow")[k % 3], "prompt": "ab가"[: k % 4],
            "max_tokens": 5 + k % 40, "seed": k, "n": 1 + k % 3, "temperature": 0.5 + k % 2,
            "logprobs": (None, 1)[k % 2], "echo": k % 5 == 0, "top_k": k % 6,
            "stop": ["xy", "a"][: k % 2] or None,
        }
        for k in range(48)
    ]  # fmt: skip
    alone = [client.post("/v1/completions", **body)["choices"] for body in bodies]

    async def together() -> list[Any]:
        asked = (client.asked("POST", "/v1/completions", json=body) for body in bodies)
        return [found.json()["choices"] for found in await asyncio.gather(*asked)]

    assert client.wait(together()) == alone


def test_null_is_the_default(client: Client) -> None:
    body = {"model": "characters", "prompt": "a", "seed": 2}
    names = (
        "max_tokens", "temperature", "top_p", "n", "stream", "echo", "stop", "logprobs", "suffix",
        "presence_penalty", "frequency_penalty", "logit_bias", "best_of", "user",
    )  # fmt: skip
    null = client.post("/v1/completions", **body, **dict.fromkeys(names))
    assert null["choices"] == client.post("/v1/completions", **body)["choices"]
    neutral = {
        "best_of": 1, "presence_penalty": 0, "frequency_penalty": 0.0, "suffix": "",
        "logit_bias": {}, "user": "me",
    }  # fmt: skip
    assert client.post("/v1/completions", **body, **neutral)["choices"] == null["choices"]


@pytest.mark.parametrize(
    ("change", "status", "param"),
    [
        ({"model": "nobody"}, 404, "model"), ({"model": "classify"}, 422, "model"),
        ({"prompt": 3}, 422, "prompt"), ({"prompt": []}, 422, "prompt"),
        ({"prompt": [99]}, 422, "prompt"), ({"prompt": [[0], [-1]]}, 422, "prompt"),
        ({"prompt": ["a", 3]}, 422, "prompt"), ({"prompt": "\ud800"}, 422, "prompt"),
        ({"max_tokens": -1}, 422, "max_tokens"), ({"max_tokens": "9"}, 422, "max_tokens"),
        ({"temperature": -1}, 422, "temperature"), ({"temperature": 1e-9}, 422, "temperature"),
        ({"top_p": 0}, 422, "top_p"), ({"top_k": -1}, 422, "top_k"), ({"n": 0}, 422, "n"),
        ({"logprobs": 6}, 422, "logprobs"), ({"stop": ["a"] * 5}, 422, "stop"),
        ({"stop": ""}, 422, "stop"), ({"seed": 2**60}, 422, "seed"), ({"seed": 1.5}, 422, "seed"),
        ({"best_of": 2}, 422, None), ({"suffix": "x"}, 422, None),
        ({"presence_penalty": 0.1}, 422, None), ({"frequency_penalty": 1}, 422, None),
        ({"logit_bias": {"3": 1}}, 422, None), ({"stream_options": {}}, 422, None),
        ({"messages": []}, 422, "messages"),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_not_offered_is_refused(
    client: Client, change: dict[str, Any], status: int, param: str | None
) -> None:
    body = json.dumps({"model": "characters", "prompt": "a"} | change)
    found = client.ask(
        "POST", "/v1/completions", content=body, headers={"content-type": "application/json"}
    )
    error = found.json()["error"]
    assert found.status_code == status, error
    assert error["param"] == param
    assert error["type"] == ("not_found_error" if status == 404 else "invalid_request_error")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stop": list("abcde")}, "stop: there are 5, and 4 are the most"),
        ({"stop": 3}, "stop: it must be a text or a list of up to 4 texts"),
        ({"prompt": [1, -1]}, "prompt.1: it must be 0 or more"),
        ({"prompt": ["a", 1]}, "prompt: it must be a text, a list of texts, a list of token numbers"),
        ({"max_tokens": "9"}, "max_tokens: it must be a whole number"),
        ({"messages": []}, "messages: there is no such field"),
    ],
    ids=str,
)  # fmt: skip
def test_a_field_that_is_wrong_is_told_in_a_plain_sentence(
    client: Client, change: dict[str, Any], message: str
) -> None:
    _, error = client.refused("/v1/completions", **{"model": "characters", "prompt": "a"} | change)
    assert error["message"].startswith(message)
