"""Sentences about mistakes: each that the catalogue has is one that the package says."""

import ast
import re
from pathlib import Path

import pytest

import sunhwan.errors
import sunhwan.messages
from sunhwan.errors import TextError
from sunhwan.messages import catalogue
from sunhwan.messages.mistakes import mistake
from sunhwan.text.decoding import decode

PACKAGE = Path(sunhwan.messages.__file__).parents[1]


def templates() -> set[str]:
    """Every text of the package's code, with {} where something is filled in."""
    found = set()
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            found.add(template(node))
    return found


def template(node: ast.AST) -> str:
    """A text of the code with {} where something is filled in; "" of what is no text."""
    if isinstance(node, ast.JoinedStr):
        return "".join(str(p.value) if isinstance(p, ast.Constant) else "{}" for p in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def test_each_mistake_is_one_that_the_package_says() -> None:
    known = templates()
    told = {key: re.sub(r"\{[0-9]+\}", "{}", t["en"]) for key, t in catalogue()["mistakes"].items()}
    assert {key: text for key, text in told.items() if text not in known} == {}


def raised() -> dict[str, str]:
    """The sentences with which the command line can end, and where: those of errors of ours, written out
    where they are raised. What layers and cells say is met in Python alone."""
    found = {}
    for file in PACKAGE.rglob("*.py"):
        if file.relative_to(PACKAGE).parts[0] in ("cells", "layers", "ops", "laws", "numpy_rnn.py"):
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call)):
                continue
            name = getattr(node.exc.func, "id", "")
            own = isinstance(getattr(sunhwan.errors, name, None), type)
            text = next(iter(template(part) for part in node.exc.args), "")
            if own and len(text.replace("{}", "")) > 20:
                found[text] = f"{file.relative_to(PACKAGE)}:{node.lineno}"
    return found


def test_each_sentence_that_ends_a_command_is_in_korean_too() -> None:
    told = {re.sub(r"\{[0-9]+\}", "{}", t["en"]) for t in catalogue()["mistakes"].values()}
    assert {text: where for text, where in raised().items() if text not in told} == {}


def test_each_mistake_is_recognised_with_what_it_quotes() -> None:
    for texts in catalogue()["mistakes"].values():
        count = len(re.findall(r"\{[0-9]+\}", texts["en"]))
        values = ["" if f"}}{{{n}}}" in texts["en"] else f"«{n}»" for n in range(count)]
        assert mistake(texts["en"].format(*values), "ko") == texts["ko"].format(*values)


def test_a_sentence_in_korean_and_one_that_stays() -> None:
    said = "There is no file a.txt (did you mean 'b.txt'?); check the path."
    assert mistake(said, "ko") == "파일 a.txt이(가) 없습니다 (혹시 'b.txt'?). 경로를 확인하세요"
    assert mistake(said, "en") == said
    assert mistake("nobody translated this", "ko") == "nobody translated this"


@pytest.mark.parametrize(
    "data",
    [
        b"\xb0\xa1\xb3\xaa \xb4\xd9 \xff\xfe\xff", b"a\xed\xa0\x80", "가나".encode()[:-1], b"a\0b\xff",
        b"\xff\xfea\0\0\xd8", b"\xb0\xa1", b"PK\x03\x04\xff", b"%PDF-1.4\xff", b"\x1f\x8b\x08\xff",
    ],
)  # fmt: skip
def test_what_is_wrong_with_bytes_is_said_in_korean_too(data: bytes) -> None:
    with pytest.raises(TextError) as raised:
        decode(data, "FILE")
    told = mistake(str(raised.value), "ko")
    assert told != str(raised.value)
    assert not re.findall(r"\b(?:is|it|as|a|here|not|which)\b", told), told
