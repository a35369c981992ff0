"""Refuses, before anything is loaded, an HDF5 file whose structure a posterior file never has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import prod
from typing import Any, BinaryIO, NoReturn

import h5py

from bayes_dsl.errors import Fault, FileRefused
from bayes_dsl.inference.unpacking import broken_chunk

MIB = 1024**2
MAX_GROUPS = 64
MAX_DEPTH = 4
MAX_VARIABLES = 2_000
MAX_DIMENSIONS = 8
MAX_ATTRIBUTES = 256
MAX_ATTRIBUTE_BYTES = MIB
MAX_TEXT = 64 * MIB
MAX_DECLARED = 4 * 1024 * MIB
MAX_EXPANSION = 100
"""Declared bytes for each byte of the file, once the declared size passes `FREE_DECLARED`."""
FREE_DECLARED = 256 * MIB

_MAGIC = b"\x89HDF\r\n\x1a\n"
_FILTERS = (h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_FLETCHER32)
_CLASSES = {
    h5py.h5t.INTEGER: "integer",
    h5py.h5t.FLOAT: "float",
    h5py.h5t.STRING: "string",
    h5py.h5t.BITFIELD: "bit field",
    h5py.h5t.OPAQUE: "opaque",
    h5py.h5t.COMPOUND: "compound",
    h5py.h5t.REFERENCE: "reference",
    h5py.h5t.ENUM: "enumeration",
    h5py.h5t.VLEN: "variable-length sequence",
    h5py.h5t.ARRAY: "array",
}
_AGAIN = "Do not use it; fit again, or take a copy from a source that you trust"


@dataclass(kw_only=True)
class _Tally:
    """What has been counted so far; it lives for one inspection only."""

    where: str
    size: int
    seen: set[int] = field(default_factory=set)
    groups: int = 0
    variables: int = 0
    declared: int = 0
    text: int = 0
    chunked: list[tuple[str, h5py.h5d.DatasetID]] = field(default_factory=list)

    def refuse(self, what: str, value: object, rule: str, remedy: str = _AGAIN) -> NoReturn:
        raise FileRefused(Fault(where=self.where, what=what, value=str(value), rule=rule, remedy=remedy))


def inspect(file: BinaryIO, where: str, *, newest: int, unpack: bool) -> None:
    """Refuse an HDF5 file that could harm whoever loads it, or that this version does not read.

    Allowed are groups, and arrays of integers, floats and single characters that lie in the file itself,
    compressed by nothing but shuffle, deflate and fletcher32; each object has one hard link. The number of
    groups, arrays, attributes and declared bytes is bounded. No array is read; nothing outside the file is
    opened.

    Parameters
    ----------
    file
        The file, open for reading.
    where
        Its name in error lines.
    newest
        The newest format (root attribute `bayes_dsl_format`) that is read.
    unpack
        Whether to unpack every chunk piece by piece as well, keeping nothing, to see that it has the size
        that was declared: HDF5 itself would unpack a chunk of any size into memory.

    Raises
    ------
    FileRefused
        At the first thing that is not allowed.
    """
    tally = _Tally(where=where, size=file.seek(0, 2))
    _check_magic(file, tally)
    try:
        with h5py.File(file, "r") as handle:
            root = handle.id
            _check_attributes(root, "/", tally)
            _check_format(handle, newest, tally)
            group = h5py.h5g.open(root, b"/")
            tally.seen.add(h5py.h5o.get_info(group).addr)
            _walk(group, "", 0, tally)
            if unpack:
                for path, dataset in tally.chunked:
                    broken = broken_chunk(dataset, tally.size)
                    if broken is not None:
                        what, value, rule = broken
                        tally.refuse(f"{what} of {path}", value, rule)
    except FileRefused:
        raise
    except Exception as error:  # HDF5 answers damage with errors of a dozen kinds
        reason = " ".join(str(error).split()) or type(error).__name__
        tally.refuse("structure", reason, "the file is damaged or cut off")


def _check_magic(file: BinaryIO, tally: _Tally) -> None:
    file.seek(0)
    start = file.read(8)
    if start == _MAGIC:
        return
    kinds = {
        b"": "empty file",
        b"CDF\x01": "netCDF-3 file",
        b"CDF\x02": "netCDF-3 file",
        b"CDF\x05": "netCDF-3 file",
    }
    kind = kinds.get(start[:4]) or ("zip archive" if start[:2] == b"PK" else "no HDF5 signature")
    tally.refuse(
        "kind of file",
        kind,
        "a posterior is a netCDF-4 (HDF5) file",
        "Name a file that `bayes-dsl fit` wrote",
    )


def _check_format(handle: h5py.File, newest: int, tally: _Tally) -> None:
    what = "bayes_dsl_format"
    if what not in handle.attrs:
        remedy = "Name a file that `bayes-dsl fit` wrote"
        tally.refuse(what, "missing", "a posterior file states its format", remedy)
    attribute = handle.attrs.get_id(what)
    if attribute.get_type().get_class() != h5py.h5t.INTEGER or prod(attribute.shape) != 1:
        tally.refuse(what, ascii(handle.attrs[what]), "the format is one integer")
    found = int(handle.attrs[what].item())
    if found > newest:
        rule = (
            f"this version of bayes_dsl reads formats 1 to {newest} and the file was written by a newer one"
        )
        tally.refuse(what, found, rule, "Update with `pip install --upgrade bayes-dsl`, or fit again")
    if found < 1:
        tally.refuse(what, found, f"this version of bayes_dsl reads formats 1 to {newest}")


def _walk(group: h5py.h5g.GroupID, path: str, depth: int, tally: _Tally) -> None:
    tally.groups += 1
    if tally.groups > MAX_GROUPS:
        tally.refuse("number of groups", f"more than {MAX_GROUPS}", f"at most {MAX_GROUPS} are read")
    if depth > MAX_DEPTH:
        tally.refuse(f"depth of {_short(path)}", depth, f"groups are nested at most {MAX_DEPTH} deep")
    members = group.get_num_objs()
    if members > MAX_VARIABLES + MAX_GROUPS:
        tally.refuse(f"members of {path or '/'}", f"{members:,}", f"at most {MAX_VARIABLES:,} are read")
    for name in list(group):
        place = f"{path}/{name.decode('utf-8', 'backslashreplace')}"
        _check_link(group, name, place, tally)
        member = h5py.h5o.open(group, name)
        _check_attributes(member, place, tally)
        if isinstance(member, h5py.h5g.GroupID):
            _walk(member, place, depth + 1, tally)
        else:
            _check_dataset(member, place, tally)


def _check_link(group: h5py.h5g.GroupID, name: bytes, place: str, tally: _Tally) -> None:
    """Before the object is opened: opening a soft or external link already follows it."""
    link = group.links.get_info(name).type
    if link != h5py.h5l.TYPE_HARD:
        kinds = {h5py.h5l.TYPE_SOFT: "soft link", h5py.h5l.TYPE_EXTERNAL: "link to another file"}
        tally.refuse(_short(place), kinds.get(link, "user-defined link"), "links are not followed")
    info = h5py.h5o.get_info(group, name)
    if info.type not in (h5py.h5o.TYPE_GROUP, h5py.h5o.TYPE_DATASET):
        tally.refuse(_short(place), "named type", "only groups and arrays are read")
    if info.addr in tally.seen:
        tally.refuse(_short(place), "second name of the same object", "every object has one name")
    tally.seen.add(info.addr)


def _check_dataset(dataset: h5py.h5d.DatasetID, place: str, tally: _Tally) -> None:
    tally.variables += 1
    what = _short(place)
    if tally.variables > MAX_VARIABLES:
        tally.refuse(
            "number of arrays", f"more than {MAX_VARIABLES:,}", f"at most {MAX_VARIABLES:,} are read"
        )
    plan = dataset.get_create_plist()
    # Before the shape is asked for: a virtual array opens other files to answer that.
    layout = plan.get_layout()
    if layout not in (h5py.h5d.COMPACT, h5py.h5d.CONTIGUOUS, h5py.h5d.CHUNKED):
        tally.refuse(what, "virtual array", "arrays lie in the file itself")
    if plan.get_external_count():
        tally.refuse(what, "array stored in another file", "arrays lie in the file itself")
    filters = [plan.get_filter(i)[0] for i in range(plan.get_nfilters())]
    if filters != [known for known in _FILTERS if known in filters]:
        tally.refuse(
            f"filters of {what}", filters, f"only shuffle, deflate, fletcher32 {list(_FILTERS)} are used"
        )
    item = _check_number_or_character(dataset.get_type(), what, tally)
    if dataset.get_space().get_simple_extent_type() == h5py.h5s.NULL:
        tally.refuse(what, "null array", "arrays have a shape")
    shape = dataset.shape
    if len(shape) > MAX_DIMENSIONS + 1:
        tally.refuse(f"dimensions of {what}", len(shape), f"at most {MAX_DIMENSIONS} are read")
    declared = prod(shape) * item
    if layout == h5py.h5d.CHUNKED:
        chunk = plan.get_chunk()
        chunks = prod(-(-length // step) for length, step in zip(shape, chunk, strict=True))
        declared = chunks * prod(chunk) * item
        tally.chunked.append((what, dataset))
    tally.declared += declared
    limit = min(MAX_DECLARED, max(FREE_DECLARED, MAX_EXPANSION * tally.size))
    if tally.declared > limit:
        rule = f"a file of {tally.size:,} bytes may unpack to at most {limit:,} bytes in all"
        tally.refuse(f"declared bytes up to {what}", f"{tally.declared:,}", rule)


def _check_number_or_character(kind: h5py.h5t.TypeID, what: str, tally: _Tally) -> int:
    """Bytes that one item takes in memory; text takes four times its bytes, and a copy."""
    name = _CLASSES.get(kind.get_class(), "unknown")
    size: int = kind.get_size()
    rule = "arrays hold integers, floats or single characters"
    if kind.committed():
        tally.refuse(f"type of {what}", "named type", rule)
    if name == "integer" and size <= 8:
        return size
    if name == "float" and size in (4, 8):
        return size
    if name == "string" and not kind.is_variable_str() and size == 1:
        return 5
    if name == "string" and kind.is_variable_str():
        name = "variable-length string"
    tally.refuse(f"type of {what}", f"{name} of {size} bytes", rule)


def _check_attributes(owner: h5py.h5g.ObjectID, place: str, tally: _Tally) -> None:
    number = h5py.h5a.get_num_attrs(owner)
    if number > MAX_ATTRIBUTES:
        tally.refuse(f"attributes of {_short(place)}", f"{number:,}", f"at most {MAX_ATTRIBUTES} are read")
    for index in range(number):
        attribute = h5py.h5a.open(owner, index=index)
        name = attribute.name.decode("utf-8", "backslashreplace")
        what = f"attribute {_short(name)} of {_short(place)}"
        kind = attribute.get_type()
        if attribute.get_space().get_simple_extent_type() == h5py.h5s.NULL:
            tally.refuse(what, "null", "attributes have a value")
        count = prod(attribute.shape)
        if len(attribute.shape) > 1 or count * kind.get_size() > MAX_ATTRIBUTE_BYTES:
            rule = f"an attribute is flat and has at most {MAX_ATTRIBUTE_BYTES:,} bytes"
            tally.refuse(what, f"shape {attribute.shape} of {kind.get_size()} bytes", rule)
        _check_attribute_type(kind, name, what, tally)
        if kind.get_class() == h5py.h5t.STRING and kind.is_variable_str():
            _count_text(owner, name, count, what, tally)


def _check_attribute_type(kind: h5py.h5t.TypeID, name: str, what: str, tally: _Tally) -> None:
    sort = kind.get_class()
    if sort in (h5py.h5t.INTEGER, h5py.h5t.FLOAT) and kind.get_size() <= 8 and not kind.committed():
        return
    if sort == h5py.h5t.STRING and not kind.committed():
        return
    # The two that netCDF keeps its dimensions in.
    if (name, sort) == ("DIMENSION_LIST", h5py.h5t.VLEN) and _is_object_reference(kind.get_super()):
        return
    if (name, sort) == ("REFERENCE_LIST", h5py.h5t.COMPOUND) and kind.get_nmembers() == 2:
        second = kind.get_member_type(1).get_class()
        if _is_object_reference(kind.get_member_type(0)) and second == h5py.h5t.INTEGER:
            return
    tally.refuse(what, _CLASSES.get(sort, "unknown type"), "attributes hold integers, floats or text")


def _is_object_reference(kind: h5py.h5t.TypeID) -> bool:
    return bool(kind.get_class() == h5py.h5t.REFERENCE and kind.equal(h5py.h5t.STD_REF_OBJ))


def _count_text(owner: h5py.h5g.ObjectID, name: str, count: int, what: str, tally: _Tally) -> None:
    # Many entries may point at one long text, and each becomes a copy of its own.
    if count > 4 and count * tally.size > FREE_DECLARED:
        tally.refuse(what, f"{count:,} texts", f"texts times file size are at most {FREE_DECLARED:,} bytes")
    value: Any = h5py.AttributeManager(_Owner(owner))[name]
    texts: Iterable[Any] = [value] if isinstance(value, str | bytes) else value
    tally.text += sum(len(text) for text in texts)
    if tally.text > MAX_TEXT:
        tally.refuse(
            f"text up to {what}", f"{tally.text:,}", f"attributes hold at most {MAX_TEXT:,} characters"
        )


@dataclass(frozen=True)
class _Owner:
    """As much of an h5py object as its attributes ask for."""

    id: h5py.h5g.ObjectID


def _short(path: str) -> str:
    shown = path if path.isprintable() else ascii(path)
    return shown if len(shown) <= 60 else f"{shown[:40]}...{shown[-17:]}"
