"""Messages: one printable line of bounded length, whatever they quote."""

import re

import pytest

from sunhwan.errors import (
    LONGEST,
    SunhwanError,
    TextError,
    UsageError,
    did_you_mean,
    listed,
    printable,
    quoted,
    shortened,
)
from sunhwan.exporting import export
from sunhwan.generation.sampling import Sampling
from sunhwan.lab.gradients import variants
from sunhwan.messages.mistakes import mistake
from sunhwan.prediction.output_formats import format_of
from tests.conftest import Command

UGLY = "a\nb\r\x1b[31mc\x07\x00\x9b\u202e\u2028\ud800\U000e0001\x7f"


def test_a_choice_that_is_not_there_is_told_the_nearest() -> None:
    for asked in (
        lambda: format_of("parket", None),
        lambda: export("run", "out", to="onx"),
        lambda: Sampling(precision="fp61"),
        lambda: variants(["tanh"], ["rnn"], ["ortogonal"], [1.0]),
    ):
        with pytest.raises(UsageError) as raised:
            asked()
        assert "did you mean" in str(raised.value)
        assert re.search(
            r"\(혹시 '(parquet|onnx|fp16|orthogonal)'\?\)", mistake(str(raised.value), "ko")
        )


@pytest.mark.parametrize("kind", [SunhwanError, TextError, UsageError])
def test_a_message_is_one_printable_line(kind: type[SunhwanError]) -> None:
    message = str(kind(f"the file {UGLY} is none; rename it"))
    assert message.isprintable()
    assert message.startswith("the file a\\nb\\r\\x1b[31mc\\x07")
    assert message.endswith("is none; rename it")


def test_what_can_be_seen_stays_as_it_is() -> None:
    for text in ("각자의 길, é, 日本, — … “”", "", "한글 파일.txt: line 3"):
        assert printable(text) == text == str(SunhwanError(text))


def test_a_message_keeps_its_beginning_and_its_end() -> None:
    for inner in ("x" * 10**7, "\n" * 10**5, "가" * 5000):
        message = str(SunhwanError(f"file.txt, line 3: {inner} is no number; write one"))
        assert len(message) <= LONGEST
        assert message.startswith("file.txt, line 3: ")
        assert message.endswith(" is no number; write one")


def test_what_is_quoted_is_short() -> None:
    deep: list[object] = []
    for _ in range(10**5):
        deep = [deep]
    for value in ("x" * 10**6, 10**6000, deep, {"a": deep}, b"\0" * 10**6):
        assert len(quoted(value)) <= 60
    while deep:  # or freeing it would recurse
        deep = deep.pop()  # type: ignore[assignment]
    assert quoted("a\n") == "'a\\n'"
    assert shortened("abcdefghij", 7) == "abcd…ij"
    assert listed(["a", "b" * 99]) == "a, " + "b" * 19 + "…" + "b" * 10
    assert listed([str(n) for n in range(1000)], 3) == "0, 1, 2 …"


@pytest.mark.parametrize(
    "arguments",
    [("train", f"no{UGLY[:9]}file"), ("sample", "/"), ("sample", "a" * 300), ("sample", "a\nb"),
     ("train", "hello", "--set", f"model.{UGLY[:9]}=1"), ("train", "hello", "--set", "x\x1b=1"),
     ("train", "hello", "--set", "model.hidden_size=" + "[" * 5000), ("evaluate", "/", "b\nc"),
     ("train", "hello", "--set", "model.hidden_size=0x" + "f" * 9000), ("info", "a" * 5000),
     ("train", "hello", "--set", "model.hidden_size=" + "1" * 9000), ("resume", "a" * 300),
     ("train", "hello", "--out", "a" * 300), ("train", "hello", "--config", "a\nb" * 200),
     ("train", "a" * 5000), ("predict", "x\nx"), ("inspect", "y\n" * 200), ("words", "z\n", "a"),
     ("serve", "q\n"), ("check-cell", "a\nb"), ("check-cell", "a" * 400 + ".py:C")],
    ids=lambda arguments: ascii(arguments)[:60],
)  # fmt: skip
def test_hostile_arguments_end_in_a_sentence(command: Command, arguments: tuple[str, ...]) -> None:
    done = command(*arguments)
    assert done.sentence.isprintable()
    assert len(done.sentence) < LONGEST + 100


@pytest.mark.parametrize(
    "arguments", [("train", "--no\nsuch\x1b"), ("tr\nain\x1b",), ("lab", "a\nb\x1b")]
)
def test_usage_errors_escape_what_they_quote(command: Command, arguments: tuple[str, ...]) -> None:
    done = command(*arguments)
    assert done.code == 2
    assert "\x1b" not in done.err
    assert "\\x1b" in done.err or "\\n" in done.err


def test_hangul_is_compared_by_its_letters() -> None:
    assert did_you_mean("리뷴", ["label", "리뷰"]) == " (did you mean '리뷰'?)"
    assert did_you_mean("Lable", ["label", "리뷰"]) == " (did you mean 'label'?)"
    assert did_you_mean("promo", ["label", "리뷰"]) == ""
