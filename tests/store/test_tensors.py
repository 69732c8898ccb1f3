"""Tensors and their state: what is written comes back, what is damaged is refused."""

import json
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor

from sunhwan.errors import StoreError
from sunhwan.store import read_tensors, write_tensors

TENSORS = {
    "float": torch.randn(3, 4, generator=torch.Generator().manual_seed(1)),
    "double": torch.tensor([1e300, -0.0, float("nan"), float("inf")], dtype=torch.float64),
    "half": torch.ones(2, dtype=torch.bfloat16),
    "bytes": torch.arange(9, dtype=torch.uint8),
    "flags": torch.tensor([True, False]),
    "scalar": torch.tensor(7),
    "empty": torch.zeros(0, 5),
    "한글.W_h": torch.arange(6.0).reshape(2, 3).T,
}
STATE = {"step": 3, "text": "한글 \U0001f600", "list": [1.5, None, True], "inner": {"a": {}}}


def same(a: Tensor, b: Tensor) -> bool:
    as_bytes = [t.contiguous().flatten().view(torch.uint8) for t in (a, b)]
    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(*as_bytes)


def test_what_is_written_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    write_tensors(path, TENSORS, STATE)
    tensors, state = read_tensors(path)
    assert state == STATE
    assert tensors.keys() == TENSORS.keys()
    assert all(same(tensors[name], TENSORS[name]) for name in TENSORS)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).filter(
            lambda name: name != "__metadata__"
        ),
        st.lists(st.floats(width=32), max_size=4).map(torch.tensor),
        max_size=4,
    ),
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=5), st.integers() | st.text()
    ),
)
def test_any_names_and_values_come_back(
    tmp_path: Path, tensors: dict[str, Tensor], state: dict[str, Any]
) -> None:
    path = tmp_path / "t.safetensors"
    write_tensors(path, tensors, state)
    found, found_state = read_tensors(path)
    assert found_state == state
    assert found.keys() == tensors.keys()
    assert all(same(found[name], tensors[name]) for name in tensors)


def refused(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    with pytest.raises(StoreError) as caught:
        read_tensors(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_every_flipped_bit_is_found(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    write_tensors(path, TENSORS, STATE)
    good = path.read_bytes()
    rng = random.Random(1)
    length = 8 + struct.unpack("<Q", good[:8])[0]
    found = 0
    flips = [(i, b) for i in range(8) for b in range(8)]
    flips += [(rng.randrange(8, length), rng.randrange(8)) for _ in range(150)]
    flips += [(rng.randrange(length, len(good)), rng.randrange(8)) for _ in range(100)]
    for where, bit in flips:
        bad = bytearray(good)
        bad[where] ^= 1 << bit
        path.write_bytes(bad)
        try:
            tensors, state = read_tensors(path)
        except StoreError:
            found += 1
            continue
        # A flip in the header's white space says the same.
        assert state == STATE, (where, bit)
        assert tensors.keys() == TENSORS.keys()
        assert all(same(tensors[name], TENSORS[name]) for name in TENSORS), (where, bit)
    assert found > 300


def test_every_cut_is_found(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    write_tensors(path, TENSORS, STATE)
    good = path.read_bytes()
    rng = random.Random(2)
    for length in {0, 1, 7, 8, 9, len(good) - 1, *(rng.randrange(len(good)) for _ in range(60))}:
        refused(path, good[:length])
    refused(path, good + b"\0")


def header(length: int, text: bytes) -> bytes:
    return struct.pack("<Q", length) + text


DEEP = b'{"__metadata__":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001


@pytest.mark.parametrize(
    "data",
    [
        header(2**63 - 1, b"{}"), header(2**64 - 1, b"{}"), header(10**8, b"{}" * 500),
        header(2, b"{}"), header(4, b"null"), header(len(DEEP), DEEP), b"\x80\x04N.", b"PK\x03\x04",
        header(67, b'{"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]}}'[:67]),
        header(68, b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[99999999,99999999999]}}'[:68]),
    ],
    ids=lambda data: repr(data[:24]),
)  # fmt: skip
def test_hostile_headers_are_refused(tmp_path: Path, data: bytes) -> None:
    refused(tmp_path / "t.safetensors", data)


@pytest.mark.parametrize(
    "body",
    [
        "", "{", "[]", "3", "null", "{}", '{"state": {}}', '{"digests": {}}',
        '{"state": [], "digests": {"a": "x"}}', '{"state": {}, "digests": []}',
        '{"state": {}, "digests": {"a": 3}}', '{"state": {}, "digests": {"b": ""}}',
        "[" * 100_000, '{"state": ' * 50_000,
    ],
    ids=lambda body: body[:40],
)  # fmt: skip
def test_a_header_that_is_sealed_but_not_ours_is_refused(tmp_path: Path, body: str) -> None:
    import hashlib

    path = tmp_path / "t.safetensors"
    metadata = {"sunhwan": body, "sha256": hashlib.sha256(body.encode()).hexdigest()}
    save_file({"a": torch.zeros(2)}, path, metadata=metadata)
    refused(path, path.read_bytes())


def test_a_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    save_file({"a": torch.zeros(2)}, path)
    refused(path, path.read_bytes())
    save_file({"a": torch.zeros(2)}, path, metadata={"format": "pt"})
    refused(path, path.read_bytes())


def test_tensors_that_changed_places_are_found(tmp_path: Path) -> None:
    """Same bytes, same digests, other names."""
    path = tmp_path / "t.safetensors"
    write_tensors(path, {"aa": torch.zeros(2), "bb": torch.ones(2)}, {})
    data = path.read_bytes()
    at = struct.unpack("<Q", data[:8])[0] + 8
    payload = data[at:]
    refused(path, data[:at] + payload[8:] + payload[:8])


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: None], ids=["folder", "missing"])
def test_what_is_no_file_is_refused(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / "t.safetensors"
    make(path)
    with pytest.raises(StoreError, match="does not exist"):
        read_tensors(path)


def test_the_body_is_json(tmp_path: Path) -> None:
    """Another program can read the state with a JSON parser alone."""
    path = tmp_path / "t.safetensors"
    write_tensors(path, {"a": torch.zeros(2)}, STATE)
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    metadata = json.loads(data[8 : 8 + length])["__metadata__"]
    assert json.loads(metadata["sunhwan"])["state"] == STATE
