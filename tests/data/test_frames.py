"""Frames from arrays, tables of numbers and sound."""

import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sunhwan.data import FRAME_SUFFIXES, read_frames
from sunhwan.errors import DataError, SunhwanError, TextError, UsageError

PLAIN = np.arange(6, dtype=np.float32).reshape(3, 2)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def complaint(name: str, data: bytes | None = None, **options: int) -> str:
    if data is not None:
        Path(name).write_bytes(data)
    with pytest.raises(DataError) as caught:
        read_frames(name, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("dtype", ["float64", "float16", ">f4", "int8", "uint16", "bool"])
def test_arrays(dtype: str) -> None:
    values = (PLAIN % 2).astype(dtype)
    np.save("x.npy", values)
    np.savez("x.npz", values)
    np.savez_compressed("y.npz", other=values[0], frames=np.asfortranarray(values))
    for name in ("x.npy", "x.npz", "y.npz"):
        frames = read_frames(name)
        assert frames.dtype == np.float32
        assert frames.flags["C_CONTIGUOUS"]
        np.testing.assert_array_equal(frames, PLAIN % 2)


def test_tables() -> None:
    for name, text in (
        ("a.csv", "0,1\n2,3\n4,5\n"),
        ("b.csv", '높이,너비\r\n"0", 1\r\n2,3\r\n4e0,5\r\n\r\n'),
        ("c.tsv", "0\t1\n2.\t3\n4\t+5"),
    ):
        Path(name).write_text(text, "utf-8", newline="")
        np.testing.assert_array_equal(read_frames(name), PLAIN)


@settings(deadline=None)
@given(arrays.arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 4)),
                     elements=st.floats(allow_nan=False, allow_infinity=False, width=32)))  # fmt: skip
def test_what_is_written_is_read(values: np.ndarray) -> None:
    np.save("x.npy", values)
    np.savetxt("x.csv", values, delimiter=",")
    np.testing.assert_array_equal(read_frames("x.npy"), values)
    np.testing.assert_array_equal(read_frames("x.csv"), values)


def test_arrays_of_other_sizes() -> None:
    for values, shape in ((PLAIN[0], r"(2,)"), (PLAIN[None], "(1, 3, 2)"), (PLAIN[:0], "(0, 2)")):
        np.save("x.npy", values)
        assert complaint("x.npy").startswith(f"x.npy holds an array of shape {shape}, but (T, D)")
    np.save("x.npy", np.array([["가", "나"]]))
    assert complaint("x.npy").startswith("x.npy holds <U1 values")
    np.savez("x.npz", a=PLAIN, b=PLAIN)
    assert complaint("x.npz").startswith("x.npz holds 2 arrays (a, b), none of them named frames")


def test_bad_numbers() -> None:
    for bad in (np.nan, np.inf, 1e300):
        values = PLAIN.astype(np.float64)
        values[1, 0] = bad
        np.save("x.npy", values)
        message = complaint("x.npy")
        assert message.startswith("x.npy, frame 2: it holds NaN, infinity or")
        assert "1 of 3 frames" in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n1,nan\n", "x.csv, line 3: column 'b' holds 'nan', which is not a finite"),
        ("1,2\n1,\n", "x.csv, line 2: column '2' is empty"),
        ("1,2\n1,둘\n", "x.csv, line 2: column '2' holds '둘'"),
        ("1,2\n1e999,2\n", "x.csv, line 2: column '1' holds '1e999'"),
        ("1,2\n1,2,3\n", "x.csv, line 2: the first row has 2 cells, and this row 3"),
        ("1|2\n3|4\n", "x.csv, line 1: column '1' holds '1|2'"),
        ("", "x.csv holds no row"),
        ("1,2\n1e300,2\n", "x.csv, frame 2: it holds NaN, infinity or a number too large"),
    ],
)
def test_bad_tables(text: str, message: str) -> None:
    assert complaint("x.csv", text.encode()).startswith(message)


def test_other_files(monkeypatch: pytest.MonkeyPatch) -> None:
    assert complaint("x.mat", b"abc").startswith("x.mat is no file of frames; its name must end in")
    assert complaint("x.npy", b"").startswith("x.npy is empty")
    assert complaint("x.npy", b"text").startswith(
        "x.npy is no array that numpy can load without pi"
    )
    np.save("o.npy", np.array([{}]), allow_pickle=True)
    assert complaint("o.npy").startswith("o.npy is no array that numpy can load without pickle")
    np.save("x.npy", PLAIN)
    assert "x.npy is no array" in complaint("x.npy", Path("x.npy").read_bytes()[:-1])
    np.savez_compressed("x.npz", PLAIN)
    assert "x.npz is no array" in complaint("x.npz", Path("x.npz").read_bytes()[:-30])
    for name in sorted(FRAME_SUFFIXES):
        with pytest.raises(TextError, match="There is no file"):
            read_frames(f"none{name}")


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 255), st.sampled_from([".npy", ".npz"]))
def test_damage_is_a_package_error(place: int, byte: int, suffix: str) -> None:
    np.save("whole.npy", PLAIN)
    np.savez_compressed("whole.npz", PLAIN)
    data = bytearray(Path(f"whole{suffix}").read_bytes())
    data[place % len(data)] = byte
    Path(f"damaged{suffix}").write_bytes(data)
    with suppress(SunhwanError):
        read_frames(f"damaged{suffix}")


def tone(seconds: float, rate: int, hertz: float = 1000.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype("f4")


class TestSound:
    @pytest.fixture(autouse=True)
    def _library(self) -> None:
        pytest.importorskip("kaldi_native_fbank")
        self.sf = pytest.importorskip("soundfile")

    def test_a_frame_every_ten_milliseconds(self) -> None:
        self.sf.write("x.wav", tone(1, 16000), 16000)
        frames = read_frames("x.wav")
        assert frames.shape == (98, 40)
        assert frames.dtype == np.float32
        np.testing.assert_array_equal(frames, read_frames("x.wav"))
        # Bands lie at equal steps of mel = 1127 ln(1 + f / 700) from 20 Hz to 8 kHz.
        low, high, own = (1127 * np.log1p(f / 700) for f in (20, 8000, 1000))
        band = (own - low) / (high - low) * 41 - 1
        assert abs(frames.mean(axis=0).argmax() - band) <= 0.75
        assert read_frames("x.wav", mel=23, sample_rate=8000).shape == (98, 23)

    def test_other_rates_channels_and_formats_sound_alike(self) -> None:
        self.sf.write("x.wav", tone(1, 16000), 16000)
        base = read_frames("x.wav")
        both = np.stack([tone(1, 44100), tone(1, 44100)], axis=1)
        self.sf.write("y.wav", both, 44100)
        self.sf.write("y.flac", tone(1, 22050), 22050)
        self.sf.write("y.ogg", tone(1, 16000), 16000)
        peak = int(base.mean(axis=0).argmax())
        for name in ("y.wav", "y.flac", "y.ogg"):
            frames = read_frames(name)
            assert abs(len(frames) - 98) <= 1
            np.testing.assert_allclose(
                frames[10:-10, peak].mean(), base[10:-10, peak].mean(), atol=0.1
            )

    def test_silence_is_finite(self) -> None:
        self.sf.write("x.wav", np.zeros(1600, "f4"), 16000)
        assert np.isfinite(read_frames("x.wav")).all()

    def test_what_is_wrong_is_named(self) -> None:
        self.sf.write("x.wav", tone(0.02, 16000), 16000)
        assert complaint("x.wav").startswith("x.wav lasts 20 ms, but one frame needs 25")
        self.sf.write("x.wav", tone(0, 8000), 8000)
        assert complaint("x.wav").startswith("x.wav lasts 0 ms")
        assert complaint("x.wav", b"").startswith("x.wav is no sound that can be read")
        assert complaint("x.flac", b"fLaC, or not").startswith(
            "x.flac is no sound that can be read"
        )
        for number in (np.nan, -np.inf, 1e30):
            bad = tone(0.1, 16000)
            bad[800] = number
            self.sf.write("x.wav", bad, 16000, subtype="FLOAT")
            assert complaint("x.wav").startswith("x.wav, 0.050 s after its start: a sample is NaN")
        self.sf.write("x.wav", tone(0.1, 16000) * 1e6, 16000, subtype="FLOAT")
        assert np.isfinite(read_frames("x.wav")).all()
        self.sf.write("x.wav", tone(0.1, 900), 900)
        assert complaint("x.wav").startswith("x.wav has 900 samples a second")

    @pytest.mark.parametrize(
        "options", [{"mel": 0}, {"mel": 200}, {"mel": 9999}, {"sample_rate": 0}]
    )
    def test_impossible_options(self, options: dict[str, int]) -> None:
        self.sf.write("x.wav", tone(0.1, 16000), 16000)
        with pytest.raises(UsageError, match=str(*options.values())):
            read_frames("x.wav", **options)

    @pytest.mark.parametrize("module", ["soundfile", "kaldi_native_fbank"])
    def test_a_missing_library(self, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sf.write("x.wav", tone(0.1, 16000), 16000)
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(UsageError, match=r"pip install 'sunhwan\[audio\]'"):
            read_frames("x.wav")
