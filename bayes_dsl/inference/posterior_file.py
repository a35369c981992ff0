"""A tree of results as one netCDF file that is written whole, checked before it is loaded, and verified."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from bayes_dsl.errors import Fault, FileRefused, InputError
from bayes_dsl.files import open_regular, refused_by_system, shown, write_atomically
from bayes_dsl.inference.content import (
    CHECKSUM,
    Content,
    Group,
    Variable,
    content_of,
    sha256_of_content,
    tree_of,
)
from bayes_dsl.inference.preflight import inspect

FORMAT = 1
"""Layout of the files that this version writes, and the newest that it reads."""

FORMAT_ATTRIBUTE = "bayes_dsl_format"
FILE_LIMIT = 2 * 1024**3
"""Bytes of a file that is read."""

_DAMAGED = "Fit again, or restore the file from a copy"


def write_tree(tree: xr.DataTree, path: Path) -> None:
    """Write a tree as netCDF-4, which `arviz.from_netcdf` opens too.

    Arrays are compressed (shuffle, deflate) and carry fletcher32 checksums, one chunk an array. The root
    gets the attributes `bayes_dsl_format` and `content_sha256`. The new file is read back, checked and
    compared in memory before it takes its name; until then whatever was at `path` stays.

    Parameters
    ----------
    tree
        Results with a group `posterior`. What may be in it: see `content_of`.
    path
        The file, replaced if it exists.

    Raises
    ------
    InputError
        The tree holds something that a file cannot give back exactly.
    FileRefused
        The folder or the disk does not take the file.
    """
    where = shown(path)
    content = dict(content_of(tree, where))
    _check_groups(content, where)
    root = content["/"]
    attributes = {FORMAT_ATTRIBUTE: FORMAT, **root.attributes}
    attributes.pop(CHECKSUM, None)
    content["/"] = Group(attributes=attributes, variables=root.variables)
    attributes[CHECKSUM] = sha256_of_content(content)
    write_atomically(path, _encode_and_verify(content, where))


def read_tree(path: Path) -> xr.DataTree:
    """Read a tree that `write_tree` wrote, into memory; the file is closed when this returns.

    The structure is inspected before any array is read, and the content is compared with its checksum. The
    checksum shows damage; it is no signature, and anybody can write a file with a right one.

    Raises
    ------
    FileRefused
        The file is missing, damaged, hostile, of another kind or of a newer format; nothing of it is used.
    """
    where = shown(path)
    with open_regular(path, FILE_LIMIT) as file:
        try:
            inspect(file, where, newest=FORMAT, unpack=False)
            file.seek(0)
            data = file.read(FILE_LIMIT)
        except OSError as error:
            raise refused_by_system(path, "reading", error) from error
    return _decode(data, where)


def _encode_and_verify(content: Content, where: str) -> bytes:
    try:
        data = _encode(content)
        _decode(data, where)
    except Exception as error:  # whatever netCDF does not take, or does not give back
        reason = " ".join(str(error).split()) or type(error).__name__
        rule = "netCDF cannot give this tree back exactly and nothing was written"
        remedy = "Rename or leave out the part that is named"
        fault = Fault(where=where, what="tree", value=reason, rule=rule, remedy=remedy)
        raise InputError(fault) from error
    return data


def _encode(content: Content) -> bytes:
    encoding = {
        path: {name: _encoding(array) for name, array in group.variables.items()}
        for path, group in content.items()
    }
    return bytes(tree_of(content).to_netcdf(engine="h5netcdf", encoding=encoding))


def _encoding(array: Variable) -> Mapping[str, Any]:
    shape: tuple[int, ...] = array.values.shape
    encoding: dict[str, Any] = {}
    if array.values.dtype.kind == "f":
        encoding["_FillValue"] = None
    if array.values.dtype.kind == "U":
        # Characters instead of HDF5's variable-length strings: these lie in a heap without checksums.
        encoding["dtype"] = "S1"
        shape += (max([len(text.encode()) for text in array.values.ravel().tolist()] + [1]),)
    if shape and 0 not in shape:
        encoding |= {"zlib": True, "complevel": 4, "shuffle": True, "fletcher32": True, "chunksizes": shape}
    return encoding


def _decode(data: bytes, where: str) -> xr.DataTree:
    """Inspect, load and verify the bytes themselves, which nobody can change in between."""
    inspect(io.BytesIO(data), where, newest=FORMAT, unpack=True)
    try:
        opened = xr.open_datatree(
            io.BytesIO(data),
            engine="h5netcdf",
            mask_and_scale=False,
            decode_times=False,
            cache=False,
            phony_dims="sort",
        )
        with opened:
            content = content_of(opened.load(), where)
    except Exception as error:  # damage shows itself as errors of a dozen kinds
        reason = " ".join(str(error).split()) or type(error).__name__
        raise _refused(where, "structure", reason, "the file is damaged or was changed") from error
    stated = content["/"].attributes.get(CHECKSUM, "missing")
    actual = sha256_of_content(content)
    if stated != actual:
        value = f"{str(stated)[:12]}..., but the content has {actual[:12]}..."
        raise _refused(where, CHECKSUM, value, "the content is not what was written")
    _check_groups(content, where)
    return tree_of(content)


def _check_groups(content: Content, where: str) -> None:
    if "/posterior" not in content:
        names = ", ".join(path.lstrip("/") for path in content if path != "/") or "none"
        raise _refused(where, "groups", names, "a posterior file holds the group posterior")


def _refused(where: str, what: str, value: str, rule: str) -> FileRefused:
    return FileRefused(Fault(where=where, what=what, value=value, rule=rule, remedy=_DAMAGED))
