"""Trees of arrays on the disk: whole or not at all, checked when read, without pickle."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from bayes_dsl.costs.architecture import Architecture
from bayes_dsl.errors import Fault, FileRefused
from bayes_dsl.files import open_regular, shown, write_atomically
from models import transformer
from models.config import Network

LIMIT = 64 * 1024**3
"""Bytes of a file of arrays that are read at most."""

_DIGEST, _META = "digest", "meta"


def save(path: Path, tree: Any, meta: Mapping[str, Any]) -> None:
    """Write a tree of arrays and some JSON as one npz file with a checksum over both.

    A crash at any moment leaves the old file or the new one.

    Raises
    ------
    FileRefused
        The folder or the disk does not take it.
    """
    arrays = {_name(at): np.asarray(leaf) for at, leaf in jax.tree_util.tree_leaves_with_path(tree)}
    arrays[_META] = np.frombuffer(json.dumps(dict(meta), sort_keys=True).encode(), np.uint8)
    arrays[_DIGEST] = np.frombuffer(_digest(arrays), np.uint8)
    packed = io.BytesIO()
    np.savez(packed, **arrays)  # type: ignore[arg-type]
    write_atomically(path, packed.getvalue())


def read_meta(path: Path) -> dict[str, Any]:
    """The JSON of a file that `save` wrote; the whole file is checked. See `read`."""
    return _meta(_arrays(path), path)


def read(path: Path, like: Any) -> tuple[Any, dict[str, Any]]:
    """The tree and the JSON that `save` wrote.

    Parameters
    ----------
    path
        The file.
    like
        A tree of the same structure, of arrays or of their shapes.

    Returns
    -------
    tree, meta
        NumPy arrays in the structure of `like`.

    Raises
    ------
    FileRefused
        The file is missing, cut short, changed, or holds other arrays than `like`.
    """
    arrays = _arrays(path)
    leaves, structure = jax.tree_util.tree_flatten_with_path(like)
    wanted = {_name(at): (leaf.shape, np.dtype(leaf.dtype)) for at, leaf in leaves}
    found = {name: (x.shape, x.dtype) for name, x in arrays.items() if name not in (_META, _DIGEST)}
    if wanted != found:
        odd = sorted(name for name in {*wanted, *found} if wanted.get(name) != found.get(name))
        raise _refused(path, "arrays", ", ".join(odd), "they are not those of this network and optimiser")
    tree = jax.tree_util.tree_unflatten(structure, [arrays[_name(at)] for at, _ in leaves])
    return tree, _meta(arrays, path)


def save_parameters(path: Path, params: Any, network: Network, meta: Mapping[str, Any]) -> None:
    """Write a network and its parameters, so that `load_parameters` needs nothing else.

    Raises
    ------
    FileRefused
        The folder or the disk does not take it.
    """
    shape = network.architecture
    record = {
        "architecture": {name: getattr(shape, name) for name in shape.__dataclass_fields__},
        "rope_base": network.rope_base,
        "base_width": network.base_width,
        "norm_epsilon": network.norm_epsilon,
        "compute": network.compute,
    }
    save(path, params, {**meta, "network": record})


def load_parameters(path: Path) -> tuple[Network, Any, dict[str, Any]]:
    """The network, its parameters (NumPy arrays) and the rest of the JSON that `save_parameters` wrote.

    Raises
    ------
    FileRefused
        The file is missing, changed, or holds no network.
    """
    record = read_meta(path).get("network")
    if not isinstance(record, dict):
        raise _refused(path, "content", "no network", "it holds no final parameters")
    network = Network(**{**record, "architecture": Architecture(**record["architecture"])})
    params, meta = read(path, transformer.shapes(network))
    return network, params, {name: value for name, value in meta.items() if name != "network"}


def digest_of(tree: Any) -> str:
    """SHA-256 of a tree of arrays: names, shapes, types and bytes; 64 hexadecimal digits."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return _digest({_name(at): np.asarray(leaf) for at, leaf in leaves}).hex()


def _name(at: tuple[Any, ...]) -> str:
    return "/".join(str(getattr(key, "key", getattr(key, "idx", getattr(key, "name", key)))) for key in at)


def _digest(arrays: Mapping[str, np.ndarray]) -> bytes:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.digest()


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with open_regular(path, LIMIT) as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except FileRefused:
        raise
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, NotImplementedError) as error:
        raise _refused(path, "content", " ".join(str(error).split()), "it is cut short or changed") from error
    stored = arrays.pop(_DIGEST, np.empty(0, np.uint8)).tobytes()
    if stored != _digest(arrays):
        raise _refused(path, "checksum", stored.hex()[:12] or "none", "its content was changed")
    return arrays


def _meta(arrays: Mapping[str, np.ndarray], path: Path) -> dict[str, Any]:
    try:
        meta = json.loads(arrays[_META].tobytes())
    except (KeyError, ValueError) as error:
        raise _refused(path, "content", "no description", "it is not of this program's making") from error
    if not isinstance(meta, dict):
        raise _refused(path, "content", "no description", "it is not of this program's making")
    return meta


def _refused(path: Path, what: str, value: str, rule: str) -> FileRefused:
    remedy = "Move it away, and what it holds is made anew"
    return FileRefused(Fault(where=shown(path), what=what, value=value, rule=rule, remedy=remedy))
