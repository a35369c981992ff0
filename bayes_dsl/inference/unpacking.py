"""Sees that the chunks of an HDF5 array unpack to the size declared, without keeping what is unpacked."""

from __future__ import annotations

import zlib
from math import prod
from typing import Any

import h5py

MAX_CHUNKS = 10_000

_STEP = 1024**2


def broken_chunk(dataset: h5py.h5d.DatasetID, file_size: int) -> tuple[str, str, str] | None:
    """What is wrong with the first chunk that is not as declared, its value, and the rule; None if all are.

    HDF5 unpacks a chunk into memory whatever size it turns out to have: some kilobytes may become
    gigabytes. Here a chunk is unpacked in steps of a mebibyte, and no further than it should go. The array
    is compressed by deflate at most, with fletcher32 after it and shuffle before it.

    Parameters
    ----------
    dataset
        A chunked array, its filters checked.
    file_size
        Bytes of the file, which no stored chunk can exceed.
    """
    plan = dataset.get_create_plist()
    filters = [plan.get_filter(i)[0] for i in range(plan.get_nfilters())]
    declared = prod(plan.get_chunk()) * dataset.get_type().get_size()
    number = dataset.get_num_chunks()
    if number > MAX_CHUNKS:
        return "chunks", f"{number:,}", f"at most {MAX_CHUNKS:,} are read"
    stored: list[Any] = []
    dataset.chunk_iter(stored.append)
    for chunk in stored:
        if chunk.size > file_size:
            return "stored bytes", f"{chunk.size:,}", f"the file has {file_size:,} bytes"
        skipped, data = dataset.read_direct_chunk(chunk.chunk_offset)
        used = [code for i, code in enumerate(filters) if not skipped >> i & 1]
        checked = 4 if h5py.h5z.FILTER_FLETCHER32 in used else 0
        size = len(data) - checked
        if h5py.h5z.FILTER_DEFLATE in used:
            size = inflated_size(data[: len(data) - checked], declared)
        if size != declared:
            value = f"more than {declared:,}" if size > declared else f"{size:,}"
            return "bytes in a chunk", value, f"it was declared to hold {declared:,}"
    return None


def inflated_size(data: bytes, limit: int) -> int:
    """Bytes that a deflate stream unpacks to; one that goes beyond `limit` is left within a mebibyte.

    Raises
    ------
    zlib.error
        The bytes are no such stream.
    """
    stream = zlib.decompressobj()
    size = 0
    while not stream.eof and size <= limit:
        piece = stream.decompress(data, _STEP)
        data = stream.unconsumed_tail
        size += len(piece)
        if not piece and not data:
            break
    return size
