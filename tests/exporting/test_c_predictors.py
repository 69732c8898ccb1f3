"""Classifiers, taggers and forecasters as C: the numbers of the model, and the labels of `predict`."""

import re
import subprocess

import pytest
import torch

import sunhwan
from sunhwan.errors import ConfigError
from sunhwan.exporting import export, predictor_checks
from tests.exporting.test_c import STRICT, compiler
from tests.exporting.test_tasks import GOLDEN, other

pytestmark = pytest.mark.skipif(compiler is None, reason="there is no C compiler")


@pytest.fixture(autouse=True)
def few_shapes(monkeypatch):
    """Compared at fewer sizes than users' models are."""
    monkeypatch.setattr(predictor_checks, "BATCHES", (3,))
    monkeypatch.setattr(predictor_checks, "LENGTHS", (1, 20))


def tagger(output_layer: str):
    """A tagger of frames."""
    task = sunhwan.load(GOLDEN / ("tag" if output_layer == "crf" else "tag_softmax"))
    source = {"kind": "frames", "mean": [1.0, -2.0, 30.0], "deviation": [1.0, 0.5, 9.0]}
    torch.manual_seed(1)
    config = task.config.override({"task.kind": "frames"})
    return type(task).restored(config, {**task.preprocessing(), "source": source})


@pytest.mark.parametrize(
    "task",
    [
        lambda: sunhwan.load(GOLDEN / "classify_frames"),
        lambda: sunhwan.load(GOLDEN / "forecast"),
        lambda: tagger("crf"),
        lambda: tagger("softmax"),
        lambda: other(
            "classify", pooling="concat", direction="both", num_layers=2, connection="residual", lag=2
        ),
        lambda: other("classify", pooling="attention", cell=["slstm"], learned_initial_state=True),
    ],
)  # fmt: skip
@pytest.mark.parametrize("weights", ["fp32", "int8"])
def test_numbers(tmp_path, task, weights):
    """Pooling, directions, levels, Viterbi, quantiles; no warning."""
    found = export(task(), tmp_path / "out.c", "c", weights)
    assert found.deviation < (1e-5 if weights == "fp32" else 0.1)
    command = [compiler, *STRICT, "-fsyntax-only", str(tmp_path / "out.c")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


MAIN = """
#include "NAME.c"
#include <stdio.h>
int main(int count, char **texts)
{
    static struct notes m;
    static float logits[NOTES_LABELS];
    for (int n = 1; n < count; n++) {
        const int label = notes_text(&m, texts[n], logits);
        puts(label < 0 ? "too long" : notes_label(label));
    }
    printf("%lu\\n", (unsigned long)sizeof m);
    return 0;
}
"""


def test_labels_of_texts(tmp_path):
    """Under sanitizers; a text that is too long is no text that was read in part."""
    task = sunhwan.load(GOLDEN / "classify")
    export(task, tmp_path / "notes.c", "c")
    (tmp_path / "main.c").write_text(MAIN.replace("NAME", "notes"), encoding="utf-8")
    run = tmp_path / "run"
    command = [
        compiler,
        *STRICT,
        "-fsanitize=address,undefined",
        str(tmp_path / "main.c"),
        "-lm",
        "-o",
        run,
    ]
    subprocess.run(command, check=True)
    texts = ["the 사과 7", "a cow", "", "나" * 256, "나" * 257]
    done = subprocess.run([run, *texts], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    wanted = [answer.values["label"] for answer in task.predict(texts[:4])]
    told = re.search(r"RAM +([\d,]+) ", (tmp_path / "notes.c").read_text(encoding="utf-8"))
    assert told
    assert done.stdout.splitlines() == [*wanted, "too long", told[1].replace(",", "")]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tag", "what reads words has no form in C: export to ONNX"),
        ("classify_pair", "a classifier of pairs has no form in C: export to ONNX"),
    ],
)
def test_refusals(tmp_path, name, said):
    with pytest.raises(ConfigError, match=said):
        export(GOLDEN / name, tmp_path / "out.c", "c")
    assert list(tmp_path.iterdir()) == []
