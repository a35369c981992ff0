"""The canonical content of a tree of results: what a file must give back, and its checksum."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import xarray as xr

from bayes_dsl.errors import Fault, InputError

Attribute = str | int | float | list[str] | list[int] | list[float]
Attributes = Mapping[str, Attribute]

CHECKSUM = "content_sha256"
"""Root attribute that holds the checksum, and the only one that the checksum leaves out."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Variable:
    """One array: numbers are little-endian, text is an array of `str`."""

    dims: tuple[str, ...]
    values: np.ndarray[Any, np.dtype[Any]]
    attributes: Attributes
    coordinate: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Group:
    """One group: its attributes and its own variables (not those inherited from its parents)."""

    attributes: Attributes
    variables: Mapping[str, Variable]


Content = Mapping[str, Group]
"""Groups by path; the root is "/"."""


def content_of(tree: xr.DataTree, where: str) -> Content:
    """Take a tree apart into what a file keeps.

    Arrays may hold booleans, integers, floats of 4 or 8 bytes, or text (numpy's `str` and `StringDType`,
    or Python strings); attributes text, integers, floats and flat non-empty sequences of one of them. A
    sequence of one value counts as that value, because netCDF does not tell the two apart.

    Raises
    ------
    InputError
        Something else is in the tree; all such places are listed.
    """
    faults: list[Fault] = []
    content: dict[str, Group] = {}
    for node in tree.subtree:
        dataset = node.to_dataset(inherit=False)
        variables: dict[str, Variable] = {}
        for name, array in dataset.variables.items():
            place = f"{node.path.rstrip('/')}/{name}"
            try:
                variables[_name(name)] = Variable(
                    dims=tuple(_name(dim) for dim in array.dims),
                    values=canonical_values(array.values),
                    attributes=canonical_attributes(array.attrs),
                    coordinate=name in dataset.coords,
                )
            except _Unfit as unfit:
                faults.append(unfit.fault(where, place))
        try:
            attributes = canonical_attributes(dataset.attrs)
        except _Unfit as unfit:
            faults.append(unfit.fault(where, node.path))
            continue
        content[node.path] = Group(attributes=attributes, variables=variables)
    if faults:
        raise InputError(faults)
    return content


def tree_of(content: Content) -> xr.DataTree:
    """Put a tree together again; equal content gives an identical tree."""
    datasets: dict[str, xr.Dataset | xr.DataTree | None] = {}
    for path, group in content.items():
        parts: tuple[dict[str, xr.Variable], dict[str, xr.Variable]] = ({}, {})
        for name, array in group.variables.items():
            variable = xr.Variable(array.dims, array.values, dict(array.attributes))
            parts[array.coordinate][name] = variable
        datasets[path] = xr.Dataset(parts[0], coords=parts[1], attrs=dict(group.attributes))
    return xr.DataTree.from_dict(datasets)


def sha256_of_content(content: Content) -> str:
    """Checksum of groups, variables, dimensions, types, shapes, bytes and attributes.

    It does not depend on the order of groups, variables or attributes, nor on how a file lays them out or
    compresses them; NaN and -0.0 count bit by bit. The root attribute `content_sha256` is left out.
    """
    digest = hashlib.sha256()

    def feed(*parts: str | bytes | memoryview) -> None:
        for part in parts:
            data = part.encode("utf-8") if isinstance(part, str) else part
            digest.update(struct.pack("<Q", len(data)))
            digest.update(data)

    for path in sorted(content):
        group = content[path]
        kept = {name: value for name, value in group.attributes.items() if (path, name) != ("/", CHECKSUM)}
        feed("group", path, _attribute_text(kept), str(len(group.variables)))
        for name in sorted(group.variables):
            array = group.variables[name]
            values = array.values
            feed("coordinate" if array.coordinate else "data", name, _attribute_text(array.attributes))
            feed(repr(array.dims), repr(values.shape))
            if values.dtype.kind == "U":
                feed("text", "\0".join(values.ravel().tolist()))
            else:
                feed(values.dtype.str, memoryview(np.ascontiguousarray(values).reshape(-1).view(np.uint8)))
    return digest.hexdigest()


class _Unfit(Exception):
    """A value that a file cannot keep exactly."""

    def __init__(self, what: str, value: str, rule: str) -> None:
        super().__init__(what, value, rule)
        self.what, self.value, self.rule = what, value, rule

    def fault(self, where: str, place: str) -> Fault:
        return Fault(
            where=where,
            what=f"{self.what} in {place}",
            value=self.value,
            rule=self.rule,
            remedy="Change it or leave it out (a dict goes in as JSON text)",
        )


_ARRAY_RULE = "a posterior file keeps booleans, integers, 4 or 8 byte floats and text"
_ATTRIBUTE_RULE = "an attribute is text, an integer, a float or a flat sequence of one of them"
_TEXT_RULE = "text is valid Unicode without NUL"


def _name(name: object) -> str:
    if not isinstance(name, str) or not name or "/" in name:
        raise _Unfit("name", ascii(name), "a name is text without a slash")
    return _text(name)


def _text(value: str) -> str:
    if "\0" in value:
        raise _Unfit("text", ascii(value), _TEXT_RULE)
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise _Unfit("text", ascii(value), _TEXT_RULE) from None
    return value


def canonical_values(values: np.ndarray[Any, np.dtype[Any]]) -> np.ndarray[Any, np.dtype[Any]]:
    """An array as `Variable` holds it."""
    kind, size = values.dtype.kind, values.dtype.itemsize
    if kind in "biu" or (kind == "f" and size in (4, 8)):
        return values.astype(values.dtype.newbyteorder("<"), copy=False)
    if kind not in "UOT":
        raise _Unfit("type", str(values.dtype), _ARRAY_RULE)
    texts = values.ravel().tolist()
    for text in texts:
        if not isinstance(text, str):
            raise _Unfit("type", type(text).__name__, _ARRAY_RULE)
        _text(text)
    return np.array(texts, dtype=np.str_).reshape(values.shape)


def canonical_attributes(attributes: Mapping[Any, Any]) -> Attributes:
    """Attributes as `Group` and `Variable` hold them."""
    return {_name(name): _canonical_attribute(name, value) for name, value in attributes.items()}


def _canonical_attribute(name: str, value: Any) -> Attribute:
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if not isinstance(value, list | tuple):
        return _canonical_scalar(name, value)
    scalars = [_canonical_scalar(name, item) for item in value]
    if len(scalars) == 1:
        return scalars[0]
    kinds = {type(item) for item in scalars}
    if kinds == {str}:
        return [item for item in scalars if isinstance(item, str)]
    if kinds == {int}:
        return [item for item in scalars if isinstance(item, int)]
    if kinds <= {int, float} and kinds:
        return [float(item) for item in scalars]
    _bad_attribute(name, value)


def _canonical_scalar(name: str, value: Any) -> str | int | float:
    if isinstance(value, str):
        return _text(str(value))
    if isinstance(value, int | np.integer) and not isinstance(value, bool) and -(2**63) <= value < 2**63:
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value)
    _bad_attribute(name, value)


def _bad_attribute(name: str, value: Any) -> NoReturn:
    raise _Unfit(f"attribute {name}", ascii(value), _ATTRIBUTE_RULE)


def _attribute_text(attributes: Attributes) -> str:
    """Attributes as one unambiguous text: floats by their bits, so that every NaN and -0.0 counts."""

    def bits(item: str | int | float) -> str:
        if not isinstance(item, float):
            return repr(item)
        return "nan" if math.isnan(item) else item.hex()

    shown = []
    for name in sorted(attributes):
        value = attributes[name]
        items: list[Any] = list(value) if isinstance(value, list) else [value]
        shown.append(f"{name!r}={type(items[0]).__name__}[{','.join(map(bits, items))}]")
    return ";".join(shown)
