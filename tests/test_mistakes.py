"""Sentences about mistakes: each that the catalogue has is one that the package says."""

import ast
import re
from pathlib import Path

import sunhwan.messages
from sunhwan.messages import catalogue
from sunhwan.messages.mistakes import mistake

PACKAGE = Path(sunhwan.messages.__file__).parents[1]


def templates() -> set[str]:
    """Every text of the package's code, with {} where something is filled in."""
    found = set()
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [str(p.value) if isinstance(p, ast.Constant) else "{}" for p in node.values]
                found.add("".join(parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
    return found


def test_each_mistake_is_one_that_the_package_says() -> None:
    known = templates()
    told = {key: re.sub(r"\{[0-9]+\}", "{}", t["en"]) for key, t in catalogue()["mistakes"].items()}
    assert {key: text for key, text in told.items() if text not in known} == {}


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
