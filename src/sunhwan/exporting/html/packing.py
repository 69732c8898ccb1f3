"""Numbers as text that a page can hold: 7 bits a character, of float16 the high bytes in Huffman's code.

Weights of a network are of similar size, so the byte with sign and exponent takes some 5 bits, and a
page is about as large as its weights in float16.
"""

import heapq
from typing import Any

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
UNHEARD = (0, 13, 60)
"""Characters that HTML takes for something else (NUL, CR, <): 256 is added, in a page two bytes."""
LONGEST = 15
"""Bits of a code at most."""


def packed(floats: Bytes, halves: npt.NDArray[np.float16]) -> tuple[str, list[int]]:
    """The text of float32's bytes and of float16, and how many bits the code of each high byte has."""
    parts = halves.astype("<f2").view(np.uint8).reshape(-1, 2)
    lengths = code_lengths(np.bincount(parts[:, 1], minlength=256))
    coded = _coded(parts[:, 1], lengths)
    return text_of(np.concatenate([floats, parts[:, 0], coded])), lengths.tolist()


def text_of(data: Bytes) -> str:
    """Bytes as characters of 7 bits."""
    bits = np.unpackbits(data)
    rows = np.append(bits, np.zeros(-len(bits) % 7, np.uint8)).reshape(-1, 7)
    values = np.packbits(rows, axis=1)[:, 0] >> 1
    codes = values.astype(np.uint16)
    codes[np.isin(values, UNHEARD)] += 256
    return codes.astype("<u2").tobytes().decode("utf-16-le")


def code_lengths(counts: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Bits of each symbol's code (Huffman 1952), 0 for one that does not occur."""
    least = 1  # rare symbols are taken to be so frequent that no code is too long
    while (found := _lengths(counts, least)).max() > LONGEST:
        least *= 2
    return found


def _lengths(counts: npt.NDArray[Any], least: int) -> npt.NDArray[np.int64]:
    found = np.zeros(len(counts), np.int64)
    waiting = [(max(int(n), least), k, [k]) for k, n in enumerate(counts) if n]
    heapq.heapify(waiting)
    if len(waiting) == 1:
        found[waiting[0][1]] = 1
    while len(waiting) > 1:
        one, other = heapq.heappop(waiting), heapq.heappop(waiting)
        both = one[2] + other[2]
        found[both] += 1
        heapq.heappush(waiting, (one[0] + other[0], one[1], both))
    return found


def _coded(symbols: Bytes, lengths: npt.NDArray[np.int64]) -> Bytes:
    """Symbols in the canonical code of these lengths: shorter codes first, then by symbol."""
    codes, code, before = np.zeros(len(lengths), np.int64), 0, 0
    for symbol in sorted(np.flatnonzero(lengths), key=lambda k: (lengths[k], k)):
        code <<= int(lengths[symbol]) - before
        codes[symbol], before = code, int(lengths[symbol])
        code += 1
    bits = []
    for part in np.array_split(symbols, len(symbols) // 2**20 + 1):
        each = lengths[part]
        ends = np.repeat(np.cumsum(each), each)
        left = ends - 1 - np.arange(len(ends))
        bits.append((np.repeat(codes[part], each) >> left & 1).astype(np.uint8))
    return np.packbits(np.concatenate(bits))
