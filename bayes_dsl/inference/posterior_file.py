"""A tree of results as one netCDF file that is written whole, checked before it is loaded, and verified."""

from __future__ import annotations

import io
from pathlib import Path

import xarray as xr

from bayes_dsl.errors import Fault, FileRefused, InputError
from bayes_dsl.files import open_regular, refused_by_system, shown, write_atomically
from bayes_dsl.inference.content import (
    CHECKSUM,
    Content,
    Group,
    content_of,
    sha256_of_content,
    tree_of,
)
from bayes_dsl.inference.netcdf import decode, encode
from bayes_dsl.inference.preflight import inspect

FORMAT = 2
"""The newest layout that this version reads, and writes where the tree has a misfit."""

WITHOUT_MISFIT = 1
"""The layout without paths of a misfit, which every version reads; a version that does not know them must refuse."""

FORMAT_ATTRIBUTE = "bayes_dsl_format"
FILE_LIMIT = 2 * 1024**3
"""Bytes of a file that is read."""

_DAMAGED = "Fit again, or restore the file from a copy"


def write_tree(tree: xr.DataTree, path: Path) -> None:
    """Write a tree as netCDF-4, which `arviz.from_netcdf` opens too.

    Arrays carry fletcher32 checksums, one chunk an array (see `encode`). The root gets the attributes
    `bayes_dsl_format` and `content_sha256`. The new file is read back, checked and compared in memory before
    it takes its name; until then whatever was at `path` stays.

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
    layout = FORMAT if "/misfit" in content else WITHOUT_MISFIT
    attributes = {**root.attributes, FORMAT_ATTRIBUTE: layout}
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
    content = _content(data, where)
    try:
        return tree_of(content)
    except Exception as error:  # a right checksum of what makes no tree
        raise _damaged(where, error) from error


def _encode_and_verify(content: Content, where: str) -> bytes:
    try:
        data = encode(content)
        _content(data, where)
    except Exception as error:  # whatever netCDF does not take, or does not give back
        reason = " ".join(str(error).split()) or type(error).__name__
        rule = "netCDF cannot give this tree back exactly and nothing was written"
        remedy = "Rename or leave out the part that is named"
        fault = Fault(where=where, what="tree", value=reason, rule=rule, remedy=remedy)
        raise InputError(fault) from error
    return data


def _content(data: bytes, where: str) -> Content:
    """Inspect, load and verify the bytes themselves, which nobody can change in between."""
    inspect(io.BytesIO(data), where, newest=FORMAT, unpack=True)
    try:
        content = decode(data)
    except Exception as error:  # damage shows itself as errors of a dozen kinds
        raise _damaged(where, error) from error
    stated = content["/"].attributes.get(CHECKSUM, "missing")
    actual = sha256_of_content(content)
    if stated != actual:
        value = f"{str(stated)[:12]}..., but the content has {actual[:12]}..."
        raise _refused(where, CHECKSUM, value, "the content is not what was written")
    _check_groups(content, where)
    return content


def _check_groups(content: Content, where: str) -> None:
    if "/posterior" not in content:
        names = ", ".join(path.lstrip("/") for path in content if path != "/") or "none"
        raise _refused(where, "groups", names, "a posterior file holds the group posterior")


def _damaged(where: str, error: Exception) -> FileRefused:
    reason = " ".join(str(error).split()) or type(error).__name__
    return _refused(where, "structure", reason, "the file is damaged or was changed")


def _refused(where: str, what: str, value: str, rule: str) -> FileRefused:
    return FileRefused(Fault(where=where, what=what, value=value, rule=rule, remedy=_DAMAGED))
