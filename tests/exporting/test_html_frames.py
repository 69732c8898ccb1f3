"""Models that read frames as one page: pasted, of arrays that numpy saved, of tables and of sound."""

import io
import itertools

import numpy as np
import pytest

import sunhwan
from sunhwan.data.frames import read_frames
from sunhwan.exporting import export
from tests.exporting.conftest import GOLDEN, needs_node
from tests.exporting.test_tasks import FRAMES, lively, reading


def saved(path, frames, **options):
    np.save(path, frames, **options)
    return path


def sounding(name):
    """A model that may read sound."""
    scale = {"mean": [8.0] * 40, "deviation": [3.0] * 40}
    return lively(reading(name, {"kind": "frames", **scale}))


def test_frames_are_labelled(opened, tmp_path):
    """Of arrays as numpy saves them, of tables, and pasted; what mattered; on a phone in the dark."""
    task = lively(sunhwan.load(GOLDEN / "tasks" / "classify_frames"))
    wide = len(task.input_kind.mean)
    page = opened(
        task, locale="ko-KR", viewport={"width": 360, "height": 640}, color_scheme="dark"
    )  # fmt: skip
    assert page.text_content("#about").startswith("프레임을 붙여 넣거나")
    assert page.locator(".bar").count() == 0
    frames = np.random.default_rng(1).normal(0, 30, (7, wide))
    table = tmp_path / "frames.csv"
    head = ",".join("abcdefgh"[:wide])
    np.savetxt(table, frames, delimiter=",", header=head, comments="", fmt="%.9g")
    files = [
        saved(tmp_path / "f8.npy", frames),
        saved(tmp_path / "f2.npy", (frames * 10.0 ** np.arange(0, -7, -1)[:, None]).astype("<f2")),
        saved(tmp_path / "f4.npy", np.asfortranarray(frames.astype("<f4"))),
        saved(tmp_path / "i2.npy", frames.astype(">i2")),
        saved(tmp_path / "i8.npy", frames.astype("<i8")),
        table,
        tmp_path / "quoted.csv",
    ]
    rows = ([f'"{v:.5g}"' for v in row] for row in frames)
    files[-1].write_text("\n".join(map(",".join, rows)))
    for file in files:
        page.set_input_files("input[type=file]", file)
        page.wait_for_function(
            "name => document.querySelector('small').textContent.startsWith(name)", arg=file.name
        )
        np.testing.assert_array_equal(
            page.evaluate("asked()[0].map(f => [...f])"), read_frames(file)
        )
        (answer,) = task.predict([str(file)])
        found = page.evaluate("classify(...asked())")
        assert found == pytest.approx(list(answer.values["probabilities"].values()), abs=1e-5)
    assert page.text_content(".bar span") == answer.values["label"]
    assert "프레임 7개" in page.text_content("small")
    page.fill("textarea", "\n".join(" ".join(f"{v:.9g}" for v in row) for row in frames))
    page.wait_for_function("() => document.querySelectorAll('#look span[title]').length === 7")
    assert page.text_content("#look") == "1 2 3 4 5 6 7 "
    part = page.locator("#look span").first.get_attribute("title")
    without = page.evaluate("classify(asked()[0].slice(1))")
    best = int(np.argmax(found))
    assert part == f"{100 * (found[best] - without[best]):.1f}%"
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


FAULTS = {
    "1 2\n": "Line 1 has 2 numbers, but the model reads 3 a frame",
    "1 2 3\n\n1 <b> 3": "Line 3: “<b>” is not a number",
    "1 2 1e99": "Frame 1 holds NaN, infinity or a number too large",
}


def test_every_frame_is_tagged(opened, tmp_path):
    """Runs of one label stand together; what cannot be read is said."""
    task = lively(reading("tag_softmax", FRAMES))
    task.config = task.config.override({"task.input": ("path",)})
    page = opened(task)
    path = saved(tmp_path / "<b>x.npy", np.random.default_rng(2).normal(0, 20, (30, 3)))
    page.set_input_files("input[type=file]", path)
    page.wait_for_selector(".tagged")
    (answer,) = task.predict([str(path)])
    tags = answer.values["tags"]
    assert page.evaluate("sunhwan.tag(asked()[0])") == tags
    shown = [node.text_content() for node in page.locator(".tagged span").all()]
    ends = [tuple(map(int, run.split("–"))) for run in shown]
    assert [n for run in ends for n in range(run[0], run[-1] + 1)] == list(range(1, 31))
    assert len(shown) == 1 + sum(a != b for a, b in itertools.pairwise(tags))
    assert page.locator("b").count() == 0
    for text, fault in FAULTS.items():
        page.fill("textarea", text)
        page.evaluate("show()")
        assert page.text_content("#fault").startswith(fault)
    wrong = {
        "wide.npy": (
            np.zeros((2, 4)),
            "wide.npy holds f8 (2, 4), but the model reads real numbers",
        ),
        "nan.npy": (np.full((2, 3), np.nan), "nan.npy, frame 1 holds NaN"),
        "text.npy": (np.zeros((2, 3), "U1"), "text.npy holds U1 (2, 3), but"),
        "none.npy": (np.zeros((0, 3)), "none.npy holds f8 (0, 3), but"),
    }
    for name, (array, fault) in wrong.items():
        page.set_input_files("input[type=file]", saved(tmp_path / name, array))
        page.wait_for_function(
            "fault => document.getElementById('fault').textContent.startsWith(fault)", arg=fault
        )
    whole = io.BytesIO()
    np.save(whole, np.zeros((9, 3)))
    for name, data in (("cut.npy", whole.getvalue()[:-1]), ("x.png", b"x"), ("0.npy", b"")):
        page.set_input_files(
            "input[type=file]", [{"name": name, "mimeType": "x/x", "buffer": data}]
        )
        page.wait_for_function(
            "name => document.getElementById('fault').textContent.startsWith(`${name} is damaged`)",
            arg=name,
        )
    assert page.locator(".tagged").count() == 0


def test_a_pair_of_frames_is_labelled(opened, tmp_path):
    task = lively(reading("classify_pair", {"kind": "frames", "mean": [0.0], "deviation": [1.0]}))
    page = opened(task)
    assert page.locator("label[for]").all_text_contents() == list(task.columns.inputs)
    for text in ("0,5", "0,5 1,5", "0,5;1,5"):
        page.fill("#frames0", text)
        page.evaluate("show()")
        assert page.text_content("#fault").startswith("Line 1: it is not clear what separates")
    page.fill("#frames0", "0,5\n1,5")
    page.evaluate("show()")
    assert page.text_content("#fault").startswith("Line 1 has 2 numbers")
    tables = {
        "0,5\n1,5": "t.csv, line 1 has 2 numbers",
        '"0,5"\n1\n': 't.csv, line 1: “"0” is not a number',
        "nan\n1\n": "t.csv, line 1: “nan” is not a number",
    }
    for table, fault in tables.items():
        page.set_input_files(
            "input[type=file] >> nth=0",
            [{"name": "t.csv", "mimeType": "text/csv", "buffer": table.encode()}],
        )
        page.wait_for_function(
            "fault => document.getElementById('fault').textContent.startsWith(fault)", arg=fault
        )
    page.fill("#frames0", "1 2 -0.5")
    page.evaluate("show()")
    assert page.locator(".bar").count() == 0
    page.fill("#frames1", "0\n4")
    page.evaluate("show()")
    some = [
        saved(tmp_path / f"{n}.npy", np.array(v)[:, None])
        for n, v in enumerate(([1, 2, -0.5], [0, 4]))
    ]
    (answer,) = task.predict([[str(path) for path in some]])
    found = page.evaluate("classify(...asked())")
    assert found == pytest.approx(list(answer.values["probabilities"].values()), abs=1e-5)


SOUNDS = {
    "PCM_16": (16000, 1), "PCM_24": (8000, 1), "FLOAT": (44100, 2), "PCM_U8": (11025, 2),
    "PCM_32": (16000, 2), "DOUBLE": (48000, 1),
}  # fmt: skip


def test_sound_is_read_as_by_predict(opened, tmp_path):
    """Of every width, of other rates and of two channels; and written out by a translator."""
    soundfile = pytest.importorskip("soundfile")
    pytest.importorskip("kaldi_native_fbank")
    page = opened(task := sounding("classify"))
    assert page.text_content("#assumed").startswith("Sound is read as 40 log-mel energies")
    draw = np.random.default_rng(3)
    for width, (rate, channels) in SOUNDS.items():
        path = tmp_path / f"{width}.wav"
        times = np.arange(int(0.15 * rate))[:, None] / rate
        tones = np.sin(2 * np.pi * (300 + 2000 * times) * times) * draw.uniform(0.1, 0.5, channels)
        soundfile.write(path, tones + draw.normal(0, 0.01, tones.shape), rate, subtype=width)
        page.set_input_files("input[type=file]", path)
        page.wait_for_function(
            "name => document.querySelector('small').textContent.endsWith(name)", arg=path.name
        )
        found = page.evaluate("asked()[0].map(f => [...f])")
        np.testing.assert_allclose(found, read_frames(path), atol=1e-2)
    (answer,) = task.predict([str(path)])
    assert page.text_content(".bar span") == answer.values["label"]
    soundfile.write(tmp_path / "short.wav", np.zeros(96), 8000)
    page.set_input_files("input[type=file]", tmp_path / "short.wav")
    page.wait_for_function("() => document.getElementById('fault').textContent.includes('12 ms')")
    assert page.text_content("#fault").startswith("short.wav lasts")
    page = opened(task := sounding("translate"))
    page.set_input_files("input[type=file]", path)
    page.wait_for_selector("#pieces button")
    (answer,) = task.predict([str(path)])
    assert page.text_content("#written") == answer.values["output"]
    assert page.locator("#look .piece").count() == len(read_frames(path))


@needs_node
def test_small_weights_are_measured(tmp_path):
    found = export(sounding("tag"), tmp_path / "x.html", "html")
    assert 0 < found.deviation < 1e-2
