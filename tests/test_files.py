"""Files that others wrote: plain, bounded in size and depth, whatever they hold."""

import gzip
import io
import json
import os
import socket
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sunhwan import files
from sunhwan.config import Config
from sunhwan.data import read_frames, read_image, read_series, read_table, read_treebank, read_tunes
from sunhwan.data.arrays import read_arrays
from sunhwan.errors import ConfigError, SunhwanError
from sunhwan.files import DEPTH, is_plain, parse_json, parse_toml, read_plain, unpack
from sunhwan.store import Run, load_model, read_tensors
from sunhwan.text import load_corpus, read_text, read_vectors

READERS: dict[str, Callable[[Path], Any]] = {
    "text": read_text,
    "corpus": load_corpus,
    "table": read_table,
    "series": read_series,
    "treebank": read_treebank,
    "tunes": read_tunes,
    "vectors": read_vectors,
    "arrays": read_arrays,
    "frames": lambda path: read_frames(path.rename(path.with_suffix(".npy"))),
    "image": lambda path: read_image(path, 8),
    "settings": Config.load,
    "tensors": read_tensors,
}


@pytest.mark.parametrize("kind", ["pipe", "folder", "socket"])
@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_plain_file_is_refused_at_once(tmp_path: Path, reader: str, kind: str) -> None:
    """A pipe without a writer above all: its opening would wait for ever."""
    path = tmp_path / "f"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(path))
    found: list[BaseException] = []

    def read() -> None:
        try:
            READERS[reader](path)
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert isinstance(found[0], SunhwanError)


def test_devices_are_refused() -> None:
    with pytest.raises(OSError, match="no plain file"):
        read_plain(Path("/dev/zero"))
    with pytest.raises(SunhwanError, match="no plain file"):
        read_text("/dev/zero")


@pytest.mark.parametrize("name", ["a" * 300, "a\0b", "/" + "x/" * 3000, ""])
def test_any_name_can_be_asked_for(name: str) -> None:
    assert not is_plain(Path(name))
    for reader in ("text", "table", "settings", "tensors", "vectors"):
        with pytest.raises(SunhwanError):
            READERS[reader](Path(name))


def test_a_size_is_compared_before_memory_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # holes: it takes no room on the disk
    with pytest.raises(OSError, match="more than"):
        read_plain(path)
    with pytest.raises(SunhwanError, match="more than"):
        read_text(path)
    path.write_bytes(b"abc")
    assert read_plain(path, 3) == b"abc"
    with pytest.raises(OSError, match="more than 2 bytes"):
        read_plain(path, 2)


def test_what_unpacks_to_more_is_refused_with_its_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files.unpack, "__defaults__", (1 << 20,))
    packed = gzip.compress(bytes(5 << 20))
    with pytest.raises(OSError, match=r"unpacks to more than 1,048,576 bytes"):
        unpack(packed)
    for name in ("f.txt.gz", "f.csv.gz", "f.npy.gz"):
        (tmp_path / name).write_bytes(packed)
    with pytest.raises(SunhwanError, match="unpacks to more than"):
        read_text(tmp_path / "f.txt.gz")
    with pytest.raises(SunhwanError, match="unpacks to more than"):
        read_table(tmp_path / "f.csv.gz")
    with pytest.raises(SunhwanError, match="unpacks to more than"):
        read_frames(tmp_path / "f.npy.gz")
    assert unpack(gzip.compress(bytes(1 << 20))) == bytes(1 << 20)
    assert unpack(gzip.compress(b"a") + gzip.compress(b"b")) == b"ab"


def test_an_archive_of_arrays_is_bounded_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sunhwan.data import arrays

    monkeypatch.setattr(arrays, "UNPACKED", 1 << 20)
    np.savez_compressed(tmp_path / "f.npz", x=np.zeros((2, 1 << 20)))
    assert (tmp_path / "f.npz").stat().st_size < 1 << 16
    with pytest.raises(SunhwanError, match="unpacks to"):
        read_arrays(tmp_path / "f.npz")
    with pytest.raises(SunhwanError, match="unpacks to"):
        read_frames(tmp_path / "f.npz")


def test_a_header_that_promises_much_is_no_allocation(tmp_path: Path) -> None:
    """An array of a terabyte in a file of a few bytes."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": "<f4", "fortran_order": False, "shape": (1 << 38,)}
    )
    (tmp_path / "f.npy").write_bytes(buffer.getvalue())
    with pytest.raises(SunhwanError):
        read_frames(tmp_path / "f.npy")
    with zipfile.ZipFile(tmp_path / "f.npz", "w") as archive:
        archive.writestr("x.npy", buffer.getvalue())
    with pytest.raises(SunhwanError):
        read_arrays(tmp_path / "f.npz")


@pytest.mark.parametrize(
    "text",
    ["[" * 10**6, '{"a":' * 10**5, "[" * 65 + "]" * 65, '[["[", {"a": ' * 10**5, "[" * 70 + '"]"'],
    ids=lambda text: f"{text[:12]}…{len(text)}",
)
def test_deep_json_is_a_value_error_and_soon(text: str) -> None:
    begun = time.process_time()
    for form in (text, text.encode()):
        with pytest.raises(ValueError, match="nested"):
            parse_json(form)
    assert time.process_time() - begun < 5


@pytest.mark.parametrize("value", [
    [], {}, [[1, {"a": "[[[[" * 100}]] * 100, json.loads("[" * DEPTH + "]" * DEPTH), "[" * 1000,
    {"[": ["]", '\\"[']}, {"한": ["\u2028", "\\"]}, ["\ud800"],
])  # fmt: skip
def test_json_that_is_flat_enough_is_itself(value: Any) -> None:
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=1)):
        assert parse_json(text) == value


@pytest.mark.parametrize(
    "text",
    ["a=" + "[" * 100_000, "a=" + "{a=" * 60_000, ".".join("a" * 100_000) + "=1", "[a." + "b." * 50 + "c]",
     "a=" + "1" * 200_000, "a = 1e" + "9" * 5, "x" * (files.SETTINGS + 1), "a = 0x" + "f" * 9999],
    ids=lambda text: f"{text[:12]}…{len(text)}",
)  # fmt: skip
def test_toml_without_end_is_one_sentence_and_soon(tmp_path: Path, text: str) -> None:
    begun = time.process_time()
    (tmp_path / "c.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        Config.load(tmp_path / "c.toml")
    assert len(str(caught.value)) < 400
    assert time.process_time() - begun < 5


def test_toml_as_people_write_it(tmp_path: Path) -> None:
    text = 'a = "../../../../../../../../../../../../../../../../../../x.y"\n[b.c.d]\ne = [[1], [2.5]]\n'
    assert parse_toml(text)["b"] == {"c": {"d": {"e": [[1], [2.5]]}}}


@pytest.mark.parametrize("value", ["1\nb = 2", '"a"\n[x]', "1 # said\nmodel.cell = 3"])
def test_an_assignment_is_one_value(value: str) -> None:
    """What follows in another line is no setting that would be left out in silence."""
    from sunhwan.config import parse_assignment

    assert parse_assignment(f"model.cell={value}") == ("model.cell", value)


def test_a_log_of_deep_lines_is_no_log(tmp_path: Path) -> None:
    from sunhwan.serve.routes.training_log import losses

    run = Run.create(tmp_path / "run", Config())
    good = '{"event": "step", "step": 1, "loss": 2.5, "grad_norm": 1}\n'
    bad = [
        "[" * 100_000,
        "{}",
        "[]",
        "3",
        '{"event": 3}',
        '{"event": "step", "step": []}',
        "{",
        '"',
    ]
    run.log_file.write_text(good + "".join(line + "\n" for line in bad) + good)
    assert [one[0] for one in losses(run, 0)["steps"]] == [1, [], 1]
    assert [event["step"] for event in run.events()] == [1]


@pytest.mark.parametrize("part", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_model_of_pipes_is_refused(tmp_path: Path, part: str) -> None:
    from tests.store.test_model import FACTS, build, save_model, task

    folder = tmp_path / "model"
    save_model(folder, task(build()), FACTS)
    (folder / part).unlink()
    os.mkfifo(folder / part)
    with pytest.raises(SunhwanError):
        load_model(folder)
