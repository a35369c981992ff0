"""Content as the bytes of a netCDF-4 file and back, by HDF5 alone: xarray, ArviZ and netCDF tools open them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import h5py
import numpy as np

from bayes_dsl.inference.content import (
    Attribute,
    Attributes,
    Content,
    Group,
    Variable,
    canonical_attributes,
    canonical_values,
)

# HDF5's and netCDF's own, which no reader shows.
_HIDDEN = frozenset(
    [
        "CLASS",
        "NAME",
        "DIMENSION_LIST",
        "REFERENCE_LIST",
        "DIMENSION_LABELS",
        "_Netcdf4Dimid",
        "_Netcdf4Coordinates",
        "_nc3_strict",
        "_NCProperties",
    ]
)
# Those by which xarray tells text, booleans and coordinates.
_TEXT, _TYPE, _COORDINATES = "_Encoding", "dtype", "coordinates"
_BARE = b"This is a netCDF dimension but not a netCDF variable."
_CLASHING = "_nc4_non_coord_"
_MEMORY = 1024**2


def encode(content: Content) -> bytes:
    """The bytes of a netCDF-4 file that holds this content.

    Each array is one chunk with a fletcher32 checksum. Integers, booleans and text are compressed (shuffle,
    deflate); floats are not: draws are noise, which deflate takes a fifth off at ten times the time.

    Raises
    ------
    ValueError
        netCDF has no place for a name or an attribute.
    """
    with h5py.File.in_memory(track_order=True, block_size=_MEMORY) as file:
        numbers = itertools.count()
        for path, group in content.items():
            place = file if path == "/" else file.create_group(path, track_order=True)
            _write_group(place, group, numbers)
        file.flush()
        return bytes(file.id.get_file_image())


def decode(data: bytes) -> Content:
    """The content of a netCDF-4 file that `encode` made, or xarray of a tree like those that it takes.

    Its structure is known to be harmless (`inspect`). Dimensions that the file does not name are called
    `phony_dim_0`, ...; damage raises errors of a dozen kinds.
    """
    with h5py.File.in_memory(data) as file:
        groups = dict(_groups(file))
        names = {
            int(array.attrs["_Netcdf4Dimid"]): name.removeprefix(_CLASHING)
            for group in groups.values()
            for name, array in group.items()
            if isinstance(array, h5py.Dataset) and "_Netcdf4Dimid" in array.attrs and _is_scale(array)
        }
        return {path: _read_group(group, names) for path, group in groups.items()}


def _write_group(place: h5py.Group, group: Group, numbers: Iterator[int]) -> None:
    stored = {name: _stored(array) for name, array in group.variables.items()}
    sizes: dict[str, int] = {}
    for dims, values, _ in stored.values():
        for dim, size in zip(dims, values.shape, strict=True):
            if sizes.setdefault(dim, size) != size:
                raise ValueError(f"dimension {dim} has the sizes {sizes[dim]} and {size}")
    listed, loose = _coordinates(group.variables)
    written: dict[str, h5py.Dataset] = {}
    for name, (dims, values, kind) in stored.items():
        clashes = name in sizes and dims[:1] != (name,)
        written[name] = _write_array(place, _CLASHING + name if clashes else name, values)
        extra = {_COORDINATES: listed[name]} if name in listed else {}
        _write_attributes(written[name], group.variables[name].attributes, {**extra, **kind})
    scales = {dim: _write_scale(place, dim, size, next(numbers)) for dim, size in sizes.items()}
    for name, (dims, _, _) in stored.items():
        for axis, dim in enumerate(dims):
            if dims[0] != name:
                h5py.h5ds.attach_scale(written[name].id, scales[dim][0].id, axis)
        if dims:
            written[name].attrs["_Netcdf4Coordinates"] = np.array([scales[d][1] for d in dims], "i4")
    _write_attributes(place, group.attributes, {_COORDINATES: loose} if loose else {})


def _stored(array: Variable) -> tuple[tuple[str, ...], np.ndarray[Any, Any], dict[str, str]]:
    """Dimensions, numbers or characters, and what a reader must know to undo this."""
    values = array.values
    if values.dtype.kind == "b":
        return array.dims, values.astype("i1"), {_TYPE: "bool"}
    if values.dtype.kind != "U":
        return array.dims, values, {}
    # Characters instead of HDF5's variable-length strings: these lie in a heap without checksums.
    encoded = [text.encode("utf-8") for text in values.ravel().tolist()]
    size = max([len(text) for text in encoded] + [1])
    characters = np.array(encoded, dtype=f"S{size}").view("S1").reshape(*values.shape, size)
    return (*array.dims, f"string{size}"), characters, {_TEXT: "utf-8"}


def _write_array(place: h5py.Group, name: str, values: np.ndarray[Any, Any]) -> h5py.Dataset:
    layout: dict[str, Any] = {}
    if values.shape and values.size:
        layout = {"chunks": values.shape, "fletcher32": True}
        if values.dtype.kind != "f":
            layout |= {"shuffle": True, "compression": 1}
    return place.create_dataset(name, data=values, **layout)


def _write_scale(place: h5py.Group, dim: str, size: int, number: int) -> tuple[h5py.Dataset, int]:
    """A dimension as HDF5 keeps it: the array of its name, or an empty one that no reader shows."""
    if dim in place:
        scale, label = place[dim], dim.encode("utf-8")
    else:
        scale, label = place.create_dataset(dim, (size,), ">f4"), _BARE + b"%10d" % size
    h5py.h5ds.set_scale(scale.id, label)
    scale.attrs["_Netcdf4Dimid"] = np.int32(number)
    return scale, number


def _write_attributes(owner: h5py.HLObject, attributes: Attributes, own: Mapping[str, str]) -> None:
    for name, value in [*attributes.items(), *own.items()]:
        if name in _HIDDEN or (name in (_TEXT, _COORDINATES) and name not in own):
            raise ValueError(f"attribute {name} is one of netCDF's own")
        first = value[0] if isinstance(value, list) else value
        if isinstance(first, str):
            owner.attrs.create(name, value, dtype=h5py.string_dtype())
        else:
            owner.attrs.create(name, np.atleast_1d(np.asarray(value)))


def _coordinates(variables: Mapping[str, Variable]) -> tuple[dict[str, str], str]:
    """The attribute `coordinates` of each array, and of the group for those that no array takes."""
    dims = {dim for array in variables.values() for dim in array.dims}
    others = sorted(name for name, array in variables.items() if array.coordinate and name not in dims)
    if spaced := [name for name in others if " " in name]:
        raise ValueError(f"coordinate {spaced[0]!r} has a space in its name")
    listed = {
        name: " ".join(taken)
        for name, array in variables.items()
        if name not in others and name not in array.dims
        if (taken := [other for other in others if set(variables[other].dims) <= set(array.dims)])
    }
    left = set(others).difference(*(taken.split() for taken in listed.values()))
    return listed, " ".join(sorted(left))


def _groups(group: h5py.Group, path: str = "/") -> Iterator[tuple[str, h5py.Group]]:
    yield path, group
    for name, member in group.items():
        if isinstance(member, h5py.Group):
            yield from _groups(member, f"{path.rstrip('/')}/{name}")


def _is_scale(array: h5py.Dataset) -> bool:
    return bool(array.attrs.get("CLASS") == b"DIMENSION_SCALE")


def _is_bare(array: h5py.Dataset) -> bool:
    return _is_scale(array) and bytes(array.attrs.get("NAME", b"")).startswith(_BARE)


def _read_group(group: h5py.Group, names: Mapping[int, str]) -> Group:
    found: dict[str, tuple[tuple[str, ...], np.ndarray[Any, Any], dict[str, Any]]] = {}
    for h5name, array in group.items():
        if isinstance(array, h5py.Dataset) and not _is_bare(array):
            found[h5name.removeprefix(_CLASHING)] = _read_array(array, names)
    attributes = _read_attributes(group)
    coordinates = {dim for dims, _, _ in found.values() for dim in dims}
    coordinates.update(str(attributes.pop(_COORDINATES, "")).split())
    for _, _, own in found.values():
        coordinates.update(str(own.pop(_COORDINATES, "")).split())
    variables = {
        name: Variable(
            dims=dims,
            values=canonical_values(values),
            attributes=canonical_attributes(own),
            coordinate=name in coordinates,
        )
        for name, (dims, values, own) in found.items()
    }
    return Group(attributes=canonical_attributes(attributes), variables=variables)


def _read_array(
    array: h5py.Dataset, names: Mapping[int, str]
) -> tuple[tuple[str, ...], np.ndarray[Any, Any], dict[str, Any]]:
    values, attributes = np.asarray(array[()]), _read_attributes(array)
    numbers = np.atleast_1d(array.attrs.get("_Netcdf4Coordinates", ())).tolist()
    if len(numbers) != values.ndim:
        numbers = [None] * values.ndim
    dims = tuple(names.get(number, f"phony_dim_{axis}") for axis, number in enumerate(numbers))
    if values.dtype.kind == "S":
        attributes.pop(_TEXT, None)
        return dims[:-1], _texts(values), attributes
    if attributes.get(_TYPE) == "bool":
        del attributes[_TYPE]
        values = values.astype(bool)
    return dims, values, attributes


def _texts(characters: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Text from its characters, which lie along the last axis."""
    *shape, size = characters.shape
    whole = np.ascontiguousarray(characters).reshape(-1).view(f"S{size}").tolist()
    return np.array([text.decode("utf-8") for text in whole], dtype=np.str_).reshape(shape)


def _read_attributes(owner: h5py.HLObject) -> dict[str, Attribute]:
    return {name: owner.attrs[name] for name in owner.attrs if name not in _HIDDEN}
