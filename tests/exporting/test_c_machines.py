"""Every kind of C file on every machine: no warning, and under wasmtime what `sample` writes."""

from itertools import product

import pytest

import sunhwan
from sunhwan.exporting.c import write_c
from sunhwan.tasks import LanguageModelTask
from tests.exporting.compilers import (
    MACHINES,
    cross_compiled,
    needs_compiler,
    said_in_wasm,
    without_a_warning,
)
from tests.exporting.test_c_encoder_decoders import of_subwords
from tests.exporting.test_c_predictors import with_ngrams
from tests.exporting.test_tasks import GOLDEN, IMAGES, reading, words
from tests.tiers import and_deep, deep

LANGUAGE_MODEL = GOLDEN.parent / "cells" / "gru_reset_before"
PROGRAMS = {
    "text": ("fp32", lambda: sunhwan.load(LANGUAGE_MODEL)),
    "text_bytes": ("int8", lambda: sunhwan.load(LANGUAGE_MODEL)),
    "text_subwords": ("fp32", lambda: sunhwan.load(GOLDEN.parent / "texts" / "subwords")),
    "pair": ("fp32", lambda: sunhwan.load(GOLDEN / "classify_pair")),
    "ngrams": ("int8", lambda: with_ngrams(words())),
    "tag": ("fp32", lambda: sunhwan.load(GOLDEN / "tag")),
    "forecast": ("int8", lambda: sunhwan.load(GOLDEN / "forecast")),
    "image": ("int8", lambda: reading("describe_images", IMAGES)),
    "tunes": ("fp32", lambda: sunhwan.load(GOLDEN / "describe_tunes")),
    "translate": ("int8", lambda: reading("translate", words())),
    "translate_subwords": ("fp32", of_subwords),
    "answer": ("fp32", lambda: sunhwan.load(GOLDEN.parents[1] / "v7" / "tasks" / "answer")),
}
"""By the name of the file: its weights, and the model."""


@pytest.fixture(scope="module")
def file_of(tmp_path_factory):
    """The file of a program, written once."""
    folder = tmp_path_factory.mktemp("programs")

    def found(name):
        file = folder / f"{name}.c"
        if not file.exists():
            weights, make = PROGRAMS[name]
            file.write_text(write_c.source_of(make(), name, weights).text, encoding="utf-8")
        return file

    return found


@needs_compiler
def test_compilers(file_of):
    """GCC and clang take every file without a warning."""
    without_a_warning(*map(file_of, PROGRAMS))


@pytest.mark.parametrize(
    ("machine", "name"),
    and_deep(
        [
            ("Cortex-M4F", "text_bytes"),
            ("AArch64", "answer"),
            ("RISC-V", "text"),
            ("wasm32", "translate_subwords"),
        ],
        product(MACHINES, PROGRAMS),
    ),
)
def test_other_machines(file_of, tmp_path, machine, name):
    """Clang compiles it for them without a warning."""
    cross_compiled(file_of(name), tmp_path / "model.o", machine, "-c")


@deep
def test_web_assembly(file_of):
    """A language model writes what `sample` writes; of the others the tests of their answers ask."""
    task = sunhwan.load(LANGUAGE_MODEL)
    assert isinstance(task, LanguageModelTask)
    (wanted,) = task.sample("the", length=150, temperature=0, precision="fp32")
    text = said_in_wasm(file_of("text"), ["the", "150"], "-DTEXT_MAIN")
    assert text == wanted.prompt + wanted.text + "\n"
