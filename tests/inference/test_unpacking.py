"""Chunks are measured without being kept, and only as far as they may go."""

from __future__ import annotations

import tracemalloc
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayes_dsl.inference.unpacking import broken_chunk, inflated_size


@given(data=st.binary(max_size=5000), limit=st.integers(0, 6000))
def test_size_of_a_stream(data: bytes, limit: int) -> None:
    size = inflated_size(zlib.compress(data), limit)
    assert size == len(data) if len(data) <= limit else size > limit


def test_a_cut_stream_ends_and_noise_is_no_stream() -> None:
    packed = zlib.compress(np.random.default_rng(0).bytes(10_000))
    assert inflated_size(packed[:5000], 10**9) < 10_000
    assert inflated_size(b"", 10) == 0
    with pytest.raises(zlib.error):
        inflated_size(b"noise", 10)


def test_a_bomb_takes_no_memory() -> None:
    packed = zlib.compress(bytes(200 * 2**20))
    tracemalloc.start()
    assert inflated_size(packed, 2**20) > 2**20
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 2**20


def chunked(path: Path, chunk: bytes | None = None) -> h5py.File:
    file = h5py.File(path, "w")
    array = file.create_dataset(
        "x", (10, 10), "f8", chunks=(5, 10), compression="gzip", shuffle=True, fletcher32=chunk is None
    )
    if chunk is None:
        array[:] = np.random.default_rng(0).normal(size=(10, 10))
    else:
        array.id.write_direct_chunk((0, 0), chunk)
    return file


def test_good_chunks_pass(tmp_path: Path) -> None:
    with chunked(tmp_path / "x.h5") as file:
        assert broken_chunk(file["x"].id, 10_000) is None


@pytest.mark.parametrize(
    ("length", "value"), [(399, "399"), (401, "more than 400"), (10**7, "more than 400")]
)
def test_a_chunk_of_another_size_is_found(tmp_path: Path, length: int, value: str) -> None:
    with chunked(tmp_path / "x.h5", zlib.compress(bytes(length))) as file:
        found = broken_chunk(file["x"].id, 100_000)
    assert found == ("bytes in a chunk", value, "it was declared to hold 400")


def test_a_chunk_larger_than_its_file_is_found(tmp_path: Path) -> None:
    with chunked(tmp_path / "x.h5") as file:
        found = broken_chunk(file["x"].id, 100)
    assert found is not None and found[0] == "stored bytes"
