"""Arrays of vectors and images with their texts, and what is wrong with others."""

from pathlib import Path

import numpy as np
import pytest

from sunhwan.data.arrays import read_arrays
from sunhwan.errors import DataError, TextError

X = np.arange(12, dtype=np.float64).reshape(3, 4)
TEXTS = np.array(["하나", "둘", "three"])


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def complaint(**arrays: np.ndarray) -> str:
    np.savez("a.npz", **arrays)
    with pytest.raises(DataError) as caught:
        read_arrays("a.npz")
    return str(caught.value)


def test_vectors_images_and_texts() -> None:
    np.savez("a.npz", x=X, text=TEXTS, other=X)
    features, texts = read_arrays("a.npz")
    np.testing.assert_array_equal(features, X.astype(np.float32))
    assert texts == ("하나", "둘", "three")
    np.savez("a.npz", features=X.reshape(3, 2, 2).astype(np.uint8), caption=TEXTS)
    features, texts = read_arrays("a.npz")
    assert (features.shape, features.dtype, texts) == ((3, 2, 2), np.float32, tuple(TEXTS))


def test_texts_may_be_missing_and_one_array_may_have_any_name() -> None:
    np.savez("a.npz", values=X)
    assert read_arrays("a.npz").texts is None
    np.save("a.npy", X)
    assert read_arrays("a.npy").features.shape == (3, 4)


def test_texts_are_normalised() -> None:
    np.savez("a.npz", x=X[:1], text=np.array(["\u1112\u1161\u11ab\r\n"]))
    assert read_arrays("a.npz").texts == ("한\n",)


def test_what_is_wrong_is_said() -> None:
    assert complaint(a=X, b=X).startswith("a.npz holds 2 arrays (a, b), none of them named x or")
    assert complaint(text=TEXTS, b=X).startswith("a.npz holds no array named x or features")
    assert complaint(x=X[0], text=TEXTS).startswith("a.npz: x has shape (4,)")
    assert "holds <U5" in complaint(x=TEXTS.reshape(3, 1), text=TEXTS)
    assert complaint(x=X[:0], text=TEXTS[:0]).startswith("a.npz: x has shape (0, 4)")
    assert "text has shape (2,)" in complaint(x=X, text=TEXTS[:2])
    assert "3 strings are needed" in complaint(x=X, text=X[:, 0])
    for bad in (np.nan, np.inf, 1e300):
        broken = X.copy()
        broken[1, 2] = bad
        assert complaint(x=broken, text=TEXTS).startswith("a.npz, row 2: it holds NaN")


def test_nothing_is_unpickled() -> None:
    np.savez("a.npz", x=X, text=np.array([{"a": 1}, "b", "c"], dtype=object))
    with pytest.raises(DataError, match="without pickle"):
        read_arrays("a.npz")
    with pytest.raises(TextError, match=r"none\.npz"):
        read_arrays("none.npz")
