"""Images as squares of grey."""

import io
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sunhwan.data import IMAGE_SUFFIXES, read_image
from sunhwan.errors import DataError, SunhwanError, TextError, UsageError

STEPS = np.array([[0, 51], [102, 255]], np.uint8)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("suffix", sorted(IMAGE_SUFFIXES - {".jpg", ".jpeg", ".webp", ".ppm"}))
def test_grey(suffix: str) -> None:
    PIL.Image.fromarray(STEPS).save(f"x{suffix}")
    found = read_image(f"x{suffix}", 2)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, STEPS / 255, rtol=1e-6)
    np.testing.assert_allclose(read_image(f"x{suffix}", 1), [[STEPS.mean() / 255]], rtol=1e-6)
    np.testing.assert_allclose(read_image(f"x{suffix}", 4), STEPS.repeat(2, 0).repeat(2, 1) / 255)


def test_boxes_are_averaged() -> None:
    values = np.random.default_rng(0).integers(0, 256, (12, 18), dtype=np.uint8)
    PIL.Image.fromarray(values).save("x.png")
    mean = values.reshape(3, 4, 3, 6).mean(axis=(1, 3)) / 255
    np.testing.assert_allclose(read_image("x.png", 3), mean, atol=1e-6)


def test_colours_become_luma() -> None:
    for suffix in (".png", ".ppm", ".webp", ".jpg"):
        PIL.Image.new("RGB", (8, 8), (255, 0, 0)).save(f"x{suffix}")
        np.testing.assert_allclose(read_image(f"x{suffix}", 2), 0.299, atol=0.02)


def test_what_is_transparent_is_white() -> None:
    image = PIL.Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    image.putpixel((1, 0), (0, 0, 0, 255))
    image.save("x.png")
    np.testing.assert_array_equal(read_image("x.png", 2), [[1, 0], [1, 0]])
    PIL.Image.fromarray(STEPS).save("x.png", transparency=0)
    np.testing.assert_allclose(read_image("x.png", 2), [[1, 0.2], [0.4, 1]], rtol=1e-6)


def test_sixteen_bits_keep_their_range() -> None:
    PIL.Image.fromarray(STEPS.astype(np.uint16) * 257).save("x.png")
    np.testing.assert_allclose(read_image("x.png", 2), STEPS / 255, rtol=1e-6)


def test_orientation_is_obeyed() -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise
    PIL.Image.fromarray(STEPS).save("x.png", exif=exif)
    np.testing.assert_allclose(read_image("x.png", 2), np.rot90(STEPS, -1) / 255, rtol=1e-6)


def test_what_is_wrong_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    PIL.Image.fromarray(STEPS).save("x.png")
    whole = Path("x.png").read_bytes()
    for data, message in (
        (b"", "x.png is no image of a known kind"),
        ("글".encode(), "x.png is no image of a known kind"),
        (whole[:45], "x.png is a damaged image"),
    ):
        Path("x.png").write_bytes(data)
        with pytest.raises(DataError) as caught:
            read_image("x.png", 2)
        assert str(caught.value).startswith(message)
        assert "\n" not in str(caught.value)
    Path("x.png").write_bytes(whole)
    for limit in (3, 1):  # Pillow warns above its limit and refuses twice as many
        monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(DataError, match=f"^x.png has more than the {limit} pixels"):
            read_image("x.png", 2)
    with pytest.raises(UsageError, match="must be at least 1"):
        read_image("x.png", 0)
    with pytest.raises(TextError, match="There is no file"):
        read_image("none.png", 2)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 255), st.sampled_from(["png", "gif", "tiff", "bmp"]))
def test_damage_is_a_package_error(place: int, byte: int, kind: str) -> None:
    out = io.BytesIO()
    PIL.Image.fromarray(STEPS).save(out, kind)
    data = bytearray(out.getvalue())
    data[place % len(data)] = byte
    Path("damaged").write_bytes(data)
    try:
        found = read_image("damaged", 2)
    except SunhwanError:
        return
    assert found.shape == (2, 2)
    assert 0 <= found.min() <= found.max() <= 1
