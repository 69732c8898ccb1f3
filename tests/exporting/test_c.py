"""Language models as C: no warning, the numbers of the model, the text of `sample`."""

import re
import subprocess
import unicodedata
from pathlib import Path

import pytest
import torch

import sunhwan
from sunhwan.cells import OWN
from sunhwan.errors import ConfigError, UsageError
from sunhwan.exporting import export, loops, parity
from sunhwan.exporting.c import coding, write_c
from sunhwan.exporting.whole import whole_step
from sunhwan.tasks import LanguageModelTask
from sunhwan.text import KINDS, build_vocabulary
from tests.exporting import test_onnx
from tests.exporting.compilers import STRICT, compiled, compiler, needs_compiler, said
from tests.exporting.test_onnx import small
from tests.laws import test_own_structure as own

GOLDEN = Path(__file__).parents[1] / "golden" / "v1"

pytestmark = needs_compiler


def program(file: Path, *options: str) -> Path:
    """The demonstration that is in the file, compiled with every warning an error."""
    assert compiler
    to, main = file.with_suffix(".run"), f"-D{file.stem.upper()}_MAIN"
    compiled([compiler, *STRICT, *options, main, file, "-lm", "-o", to])
    return to


@pytest.mark.parametrize(
    "name",
    ["cells/gru", "cells/lstm_projected", "cells/slstm", "cells/antisymmetric", "texts/dense"],
)  # fmt: skip
def test_it_writes_what_sample_writes(tmp_path, name):
    """In characters, words and jamo; greedily."""
    found = export(GOLDEN / name, tmp_path / "notes.c", "c")
    assert found.files == [tmp_path / "notes.c"]
    assert found.deviation < 1e-5
    run, task = program(tmp_path / "notes.c", "-O1"), sunhwan.load(GOLDEN / name)
    assert isinstance(task, LanguageModelTask)
    for prompt, length in (("너느 the 사", 2000), ("", 150)):
        (wanted,) = task.sample(prompt, length=length, temperature=0, precision="fp32")
        assert said(run, prompt, str(length)) == wanted.prompt + wanted.text + "\n"


def test_a_model_of_sentences_begins_each_line_anew(tmp_path):
    task = test_onnx.of_sentences(test_onnx.small(kind="jamo", cell=["gru"]))
    export(task, tmp_path / "lines.c", "c")
    run = program(tmp_path / "lines.c", "-O1")
    for prompt in ("the", "the cat\n나", ""):
        (wanted,) = task.sample(prompt, length=60, temperature=0, precision="fp32")
        assert said(run, prompt, "60") == wanted.prompt + wanted.text + "\n"


def test_hostile_words(tmp_path, monkeypatch):
    """Words that look like C, in strings of C."""
    monkeypatch.setattr(test_onnx, "TEXT", 'NAME "quoted" \\\\ */ ??/ %s NAME_put 각 \\n0')
    task = test_onnx.small(kind="words", cell=["gru"])
    export(task, tmp_path / "name.c", "c")
    run = program(tmp_path / "name.c", "-O1")
    (wanted,) = task.sample('NAME ??/ "quoted"', length=50, temperature=0, precision="fp32")
    assert said(run, wanted.prompt, "50") == wanted.prompt + wanted.text + "\n"


@pytest.mark.parametrize("name", ["cells/gru", "texts/dense", "texts/subwords"])
def test_a_long_prompt_is_read_whole(tmp_path, name):
    """Characters, jamo or words, pieces of them; with line ends of another system."""
    export(GOLDEN / name, tmp_path / "notes.c", "c")
    run, task = program(tmp_path / "notes.c", "-O1"), sunhwan.load(GOLDEN / name)
    assert isinstance(task, LanguageModelTask)
    prompt = "너느 the 사" + "\r\n7 pears the" * 400
    (wanted,) = task.sample(prompt, length=20, temperature=0, precision="fp32")
    found = said(run, prompt, "20")
    assert found.removeprefix(prompt) == wanted.text + "\n"


def test_bytes(tmp_path):
    export(GOLDEN / "texts" / "bytes", tmp_path / "octets.c", "c")
    run, task = program(tmp_path / "octets.c"), sunhwan.load(GOLDEN / "texts" / "bytes")
    assert isinstance(task, LanguageModelTask)
    (wanted,) = task.sample("나", length=40, temperature=0, precision="fp32")
    assert said(run, "나", "40") == wanted.prompt + wanted.text + "\n"


HOSTILE = (
    "너느 the 사과 7 pears", "  two  spaces",
    " \n\n\t a", "don't!! 12,345.67 (ok) ", "x" * 70 + " " * 70 + "y",
    "the\r\n\r\r\n사 \r a\n\r", unicodedata.normalize("NFD", "너느 the 사과각 끝"),
    "\u1100가\u11a8\u11a8\u1161",
    "\u3000\u2028 끝\u00a0\u2003-\u2029a", "😀 the 힣☃\ufffd", "", " ",
)  # fmt: skip


def test_subwords(tmp_path):
    """Cut and merged as the vocabulary does it, whatever the text."""
    task = sunhwan.load(GOLDEN / "texts" / "subwords")
    assert isinstance(task, LanguageModelTask)
    export(task, tmp_path / "parts.c", "c")
    run = program(tmp_path / "parts.c", "-fsanitize=address,undefined")
    (wanted,) = task.sample("the 사", length=60, temperature=0, precision="fp32")
    assert said(run, "the 사", "60") == wanted.prompt + wanted.text + "\n"
    check_encoding(tmp_path, task.vocabulary)


@pytest.mark.parametrize("eos", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_texts_become_the_tokens_of_the_vocabulary(tmp_path, kind, eos):
    """Line ends of other systems, and letters of Hangul that stand apart, among them."""
    size = 90 if kind == "subwords" else None
    known = "".join(HOSTILE) * 9
    check_encoding(
        tmp_path, build_vocabulary(kind, [known], max_size=size, unk=kind != "bytes", eos=eos)
    )


def check_encoding(folder, vocabulary):
    source = CODER.replace(
        "CODING", coding.characters_code(vocabulary.kind) + coding.encoding(vocabulary, "NAME")
    )
    (folder / "coder.c").write_text(source, encoding="utf-8")
    command = [compiler, *STRICT, str(folder / "coder.c"), "-o", str(folder / "coder")]
    subprocess.run(command, check=True)
    for text in HOSTILE:
        ids = vocabulary.encode(text).tolist()
        assert said(folder / "coder", text).split() == list(map(str, ids))


CODER = """
#include <stdio.h>
#include <string.h>
CODING
int main(int count, char **texts)
{
    int tokens[500];
    const int n = NAME_encode(texts[count - 1], tokens, 500);
    for (int k = 0; k < n; k++) printf("%d ", tokens[k]);
    return 0;
}
"""


def test_ten_thousand_steps_under_sanitizers(tmp_path):
    """Also drawn ones: the same seed draws the same text."""
    export(GOLDEN / "cells" / "lstm", tmp_path / "lstm.c", "c")
    run = program(tmp_path / "lstm.c", "-O1", "-g", "-fsanitize=address,undefined")
    drawn = said(run, "the", "10000", "0.8")
    assert len(drawn) > 9000
    assert drawn == said(run, "the", "10000", "0.8")
    assert len(set(drawn)) > 10


@pytest.mark.parametrize("kind", [own.Pairs, own.GatedMemory])
def test_cells_of_ones_own(tmp_path, monkeypatch, kind):
    """Units that meet in pairs; branches and logarithms."""
    monkeypatch.setitem(OWN, "own.py:Cell", kind())
    task = small(cell=["own.py:Cell"], hidden_size=6)
    assert export(task, tmp_path / "own.c", "c").deviation < 1e-5
    program(tmp_path / "own.c", "-O1")


def test_a_skip_connection_over_time(tmp_path):
    """Of two steps: a field after the step is another one of before, and that is written first."""
    task = small(cell=["gru"], lag=2, input="one-hot")
    assert export(task, tmp_path / "out.c", "c").deviation < 1e-5


def test_what_the_comment_tells(tmp_path):
    """Bytes of weights and of memory, operations of the products."""
    export(GOLDEN / "cells" / "gru", tmp_path / "gru.c", "c")
    source = (tmp_path / "gru.c").read_text(encoding="utf-8")
    flash, ram, operations = (
        int(re.search(rf"\*   {word} +([\d,]+) ", source)[1].replace(",", ""))  # type: ignore[index]
        for word in ("flash", "RAM", "operations")
    )
    task = sunhwan.load(GOLDEN / "cells" / "gru")
    assert abs(flash / 4 - sum(p.numel() for p in task.model.parameters())) < 16  # equal ones once
    fields = re.findall(r"^    (?:float|int) \w+(?:\[(\d+)\])?;", source, re.M)
    assert ram == 4 * sum(int(size or 1) for size in fields) + 4 * len(task.vocabulary)
    matrices = sum(p.numel() for p in task.model.parameters() if p.dim() == 2)
    assert operations == 2 * (matrices - task.model.embedding.weight.numel())


def test_values_share_room():
    """What is no longer read makes room for what follows."""
    task = small(cell=["lstm"], num_layers=2, hidden_size=32)
    made = loops.statements(whole_step(task.model).program, loops.C)
    assert made.scratch < 4 * 4 * 32


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"C is written to a file: name one such as folder\.c"):
        export(GOLDEN / "texts/tied", tmp_path / "folder", "c")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_disagrees_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setitem(loops.C.functions, "tanh", "sinf({0})")
    with pytest.raises(ConfigError, match=r"^out\.c is not written: its logits are off by"):
        export(small(cell=["gru"]), tmp_path / "out.c", "c")
    assert list(tmp_path.iterdir()) == []


def test_without_a_compiler_a_sentence_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(write_c, "COMPILERS", ())
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="install a C compiler, or pip install ziglang"):
        export(small(), tmp_path / "out.c", "c")


def test_weights_in_bytes(tmp_path):
    """A quarter of the flash; the products of whole numbers are those of the sanitizer, too."""
    task = small(cell=["lstm", "slstm"], num_layers=2, hidden_size=48, embedding_size=32)
    export(task, tmp_path / "large.c", "c")
    found = export(task, tmp_path / "bytes.c", "c", "int8")
    assert 0 < found.deviation < parity.SHARES["int8"]
    large, less = (flash_of(tmp_path / name) for name in ("large.c", "bytes.c"))
    assert less < 0.3 * large
    run = program(tmp_path / "bytes.c", "-O1", "-fsanitize=address,undefined")
    assert len(said(run, "the", "300", "0.8")) > 250


def flash_of(file: Path) -> int:
    source = file.read_text(encoding="utf-8")
    return int(re.search(r"flash +([\d,]+) ", source)[1].replace(",", ""))  # type: ignore[index]


def test_the_step_is_the_model():
    """The whole model as one program, before it is written in any language."""
    from sunhwan.program import evaluate

    task = small(cell=["lstm", "gru"], num_layers=2, connection="residual", layer_norm=True)
    model = task.model.eval()
    step = whole_step(model)
    ids = torch.tensor([[1, 2, 3, 4, 5]])
    with torch.no_grad():
        wanted = model(ids)[0][0].numpy()
    state = {name: field[None] for name, field in step.initial.items()}
    for token, right in zip(ids[0].tolist(), wanted, strict=True):
        state = evaluate(step.program, {"x": step.table[token][None], **state})
        assert abs(state.pop("logits")[0] - right).max() < 1e-6
