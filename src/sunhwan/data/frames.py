"""Sequences of vectors: arrays, tables of numbers, and sound as log-mel frames."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sunhwan.data.arrays import load_arrays
from sunhwan.data.audio import AUDIO_SUFFIXES, log_mel
from sunhwan.data.numbers import finite
from sunhwan.data.tables import read_table
from sunhwan.errors import DataError
from sunhwan.text.decoding import normalize, read_bytes

FRAME_SUFFIXES = frozenset((".npy", ".npz", ".csv", ".tsv")) | AUDIO_SUFFIXES
"""The names of files that `read_frames` reads; `.gz` may follow."""


def read_frames(
    path: str | Path, *, sample_rate: int = 16000, mel: int = 40
) -> NDArray[np.float32]:
    """Read T frames of D numbers: (T, D) float32, all of them finite.

    `.npy` and `.npz` hold an array of these two sizes (of several, the one named `frames` or `x`).
    `.csv` and `.tsv` hold a frame a row, perhaps below a header. Sound (`.wav`, `.flac`, `.ogg`,
    `.mp3`, …) becomes `mel` log-mel energies per 10 ms at `sample_rate` samples a second (`log_mel`).

    Raises:
        TextError: the file is missing or unreadable, or a table is not UTF-8.
        DataError: the file is of no such kind or damaged, has no frame or other sizes, a row is
            longer or shorter than the first, or a number is missing, NaN or infinite.
        UsageError: for sound: its libraries are missing, or the rate or `mel` is out of range.
    """
    path = Path(path)
    name = normalize(str(path))
    suffix = Path(name.lower().removesuffix(".gz")).suffix
    if suffix not in FRAME_SUFFIXES:
        raise DataError(
            f"{name} is no file of frames; its name must end in one of "
            f"{', '.join(sorted(FRAME_SUFFIXES))}."
        )
    if suffix in AUDIO_SUFFIXES:
        return _checked(log_mel(read_bytes(path), name, sample_rate=sample_rate, mel=mel), name)
    if suffix in (".csv", ".tsv"):
        return _checked(_numbers(path), name)
    found = load_arrays(read_bytes(path), name, ("frames", "x"))
    return _checked(next(iter(found.values())), name)


def _numbers(path: Path) -> NDArray[np.float64]:
    table = read_table(path)
    cure = "write one number, such as -0.5, in every cell"
    return np.array(
        [[finite(cell, where, c, cure) for c, cell in row.items()] for where, row in table.rows]
    )


def _checked(array: NDArray[Any], name: str) -> NDArray[np.float32]:
    if array.dtype.kind not in "biuf":
        raise DataError(f"{name} holds {array.dtype} values, but frames are real numbers.")
    if array.ndim != 2 or 0 in array.shape:
        raise DataError(
            f"{name} holds an array of shape {array.shape}, but (T, D) is needed: at least one "
            "frame of at least one number each."
        )
    with np.errstate(over="ignore"):
        frames = np.ascontiguousarray(array, dtype=np.float32)
    bad = np.flatnonzero(~np.isfinite(frames).all(axis=1))
    if len(bad):
        raise DataError(
            f"{name}, frame {bad[0] + 1}: it holds NaN, infinity or a number too large for "
            f"float32, as do {len(bad)} of {len(frames)} frames; replace or leave out these."
        )
    return frames
