"""Arrays that numpy saved: a vector or an image a row, and perhaps a text to each."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sunhwan.errors import DataError, listed
from sunhwan.files import UNPACKED
from sunhwan.text.decoding import normalize, read_bytes

FEATURES = ("x", "features")
TEXTS = ("text", "texts", "caption", "description")


class Arrays(NamedTuple):
    """features: (N, D) or (N, h, w) float32, all finite. texts: N of them, or None."""

    features: NDArray[np.float32]
    texts: tuple[str, ...] | None


def read_arrays(path: str | Path) -> Arrays:
    """Read an `.npz` with the features as `x` and, where it has one, the texts as `text`.

    Raises:
        TextError: the file is missing or unreadable.
        DataError: it is damaged, holds no such array, one of objects, of another number of rows,
            without a row, or with NaN or infinity.
    """
    name = normalize(str(path))
    loaded = load_arrays(read_bytes(Path(path)), name, (*FEATURES, *TEXTS))
    features = next((loaded[key] for key in FEATURES if key in loaded), None)
    if features is None:
        raise DataError(f"{name} holds no array named {' or '.join(FEATURES)}; save one as x.")
    if features.dtype.kind not in "biuf" or features.ndim not in (2, 3) or 0 in features.shape:
        raise DataError(
            f"{name}: x has shape {features.shape} and holds {features.dtype}, but numbers of "
            "shape (N, D), or (N, h, w) for images, are needed."
        )
    with np.errstate(over="ignore"):
        features = features.astype(np.float32)
    bad = np.flatnonzero(~np.isfinite(features).all(axis=tuple(range(1, features.ndim))))
    if len(bad):
        raise DataError(
            f"{name}, row {bad[0] + 1}: it holds NaN, infinity or a number too large for float32; "
            "replace it or leave the row out."
        )
    texts = next((loaded[key] for key in TEXTS if key in loaded), None)
    if texts is None:
        return Arrays(features, None)
    if texts.dtype.kind != "U" or texts.shape != features.shape[:1]:
        raise DataError(
            f"{name}: text has shape {texts.shape} and holds {texts.dtype}, but {len(features)} "
            "strings are needed, one a row of x."
        )
    return Arrays(features, tuple(normalize(text) for text in texts.tolist()))


def load_arrays(data: bytes, name: str, wanted: Sequence[str]) -> dict[str, NDArray[Any]]:
    """The bytes of an `.npy` or `.npz` → those of the wanted arrays that it holds, by name.

    An array alone goes by the first name. DataError: numpy cannot load it without pickle, or of
    several arrays none has such a name.
    """
    if not data:
        raise DataError(f"{name} is empty; save an array with numpy.save.")
    try:
        loaded = np.load(io.BytesIO(data), allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {wanted[0]: loaded}
        names = loaded.files
        size = sum(member.file_size for member in loaded.zip.infolist())
        if size > UNPACKED:
            raise DataError(
                f"{name} unpacks to {size:,} bytes, but at most {UNPACKED:,} are read; split it"
            )
        if len(names) == 1:
            return {wanted[0]: np.asarray(loaded[names[0]])}
        found = {key: np.asarray(loaded[key]) for key in wanted if key in names}
    except DataError:
        raise
    # A damaged file ends in one of a dozen kinds of exceptions, of zipfile, zlib, ast and numpy.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"{name} is no array that numpy can load without pickle ({reason.rstrip('.')}); "
            "save one with numpy.save."
        ) from None
    if not found:
        raise DataError(
            f"{name} holds {len(names)} arrays ({listed(names)}), none of them named "
            f"{' or '.join(wanted)}; give one of them that name."
        )
    return found
