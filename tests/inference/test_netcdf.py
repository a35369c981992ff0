"""netCDF-4 by HDF5 alone: xarray reads what we write, and we read what xarray writes, to the bit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bayes_dsl.inference.content import Content, content_of, sha256_of_content
from bayes_dsl.inference.netcdf import decode, encode
from tests.inference.test_posterior_file import TEXT, example

WORDS = ["a", "läufer", "", "NA"]


def content(groups: Mapping[str, xr.Dataset]) -> Content:
    return content_of(xr.DataTree.from_dict(dict(groups)), "tree")


def by_xarray(path: Path) -> Content:
    with xr.open_datatree(path, engine="h5netcdf", mask_and_scale=False, decode_times=False) as tree:
        return content_of(tree.load(), "xarray")


def written_by_xarray(made: xr.DataTree, path: Path) -> bytes:
    """As earlier versions of this package wrote: all arrays deflated, text as characters."""
    encoding: dict[str, dict[str, dict[str, object]]] = {}
    for node in made.subtree:
        for name, array in node.to_dataset(inherit=False).variables.items():
            values, shape = array.values, array.shape
            plan: dict[str, object] = {"_FillValue": None} if values.dtype.kind == "f" else {}
            if values.dtype.kind in "UOT":
                plan["dtype"] = "S1"
                shape += (max([len(text.encode()) for text in values.ravel().tolist()] + [1]),)
            if shape and 0 not in shape:
                plan |= {"zlib": True, "shuffle": True, "fletcher32": True, "chunksizes": shape}
            encoding.setdefault(node.path, {})[str(name)] = plan
    made.to_netcdf(path, engine="h5netcdf", encoding=encoding)
    return path.read_bytes()


def same(one: Content, other: Content) -> bool:
    return sha256_of_content(one) == sha256_of_content(other)


COORDINATES = xr.Dataset(
    {"loss": (("run", "draw"), np.arange(8.0).reshape(4, 2)), "n": ((), 3), "alone": ("other", [1, 2])},
    coords={
        "run": WORDS,
        "step": ("run", np.arange(4, dtype="u2")),
        "both": (("draw", "run"), np.ones((2, 4), dtype="f4")),
        "scalar": ((), "text"),
        "elsewhere": ("third", [1.5]),
    },
    attrs={"k": [1, 2], "empty": "", "texts": ["", "ü"]},
)
CASES = {
    "coordinates": {"/posterior": COORDINATES},
    "array called as another's dimension": {
        "/g": xr.Dataset({"x": ("y", [1.0, 2.0]), "z": ("x", [1, 2, 3]), "w": (("x", "y"), np.ones((3, 2)))})
    },
    "square array called as its dimension": {
        "/g": xr.Dataset({"x": (("x", "y"), np.eye(3)), "z": ("x", [1, 2, 3])})
    },
    "group in a group": {"/": xr.Dataset(coords={"x": [1, 2]}), "/a/b": xr.Dataset({"v": ("x", [3, 4])})},
    "text without rows": {"/g": xr.Dataset({"t": (("i", "j"), np.zeros((0, 3), dtype="U2"))})},
    "nothing": {"/g": xr.Dataset()},
}


@pytest.mark.parametrize("name", CASES)
def test_there_and_back_by_us_and_by_xarray(name: str, tmp_path: Path) -> None:
    made = content(CASES[name])
    (tmp_path / "x.nc").write_bytes(encode(made))
    assert same(decode(encode(made)), made)
    assert same(by_xarray(tmp_path / "x.nc"), made)


def test_order_of_arrays_and_attributes_is_kept() -> None:
    names = [f"v{i}" for i in np.random.default_rng(0).permutation(30)]
    made = content({"/posterior": xr.Dataset(dict.fromkeys(names, ((), 1.0)), attrs=dict.fromkeys(names, 1))})
    back = decode(encode(made))["/posterior"]
    assert list(back.variables) == list(back.attributes) == names


def test_a_file_that_an_earlier_version_wrote(tmp_path: Path) -> None:
    data = written_by_xarray(example(), tmp_path / "old.nc")
    assert same(decode(data), content_of(example(), "tree"))
    coordinates = xr.DataTree.from_dict({"/": COORDINATES})
    assert same(decode(written_by_xarray(coordinates, tmp_path / "old.nc")), content_of(coordinates, "tree"))


@settings(max_examples=40, deadline=None)
@given(
    numbers=hnp.arrays(
        st.sampled_from(["f8", "f4", ">f8", "i8", "u1", "i2", "?"]),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0),
    ),
    texts=st.lists(TEXT, max_size=5),
    attributes=st.dictionaries(
        st.sampled_from(["one", "zwei 2", "ü"]),
        st.one_of(
            TEXT, st.integers(-(2**63), 2**63 - 1), st.floats(), st.lists(TEXT, min_size=1, max_size=3)
        ),
    ),
)
def test_xarray_reads_whatever_is_written(
    numbers: np.ndarray,
    texts: list[str],
    attributes: dict[str, object],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    dims = ["i", "j", "k"][: numbers.ndim]
    arrays = {"numbers": (dims, numbers, attributes), "texts": ("t", np.array(texts, dtype=object))}
    made = content({"/posterior": xr.Dataset(arrays, attrs=attributes)})
    path = tmp_path_factory.getbasetemp() / "netcdf.nc"
    path.write_bytes(encode(made))
    assert same(decode(path.read_bytes()), made)
    assert same(by_xarray(path), made)


def test_every_array_with_items_carries_a_checksum_and_floats_are_not_deflated(tmp_path: Path) -> None:
    (tmp_path / "x.nc").write_bytes(encode(content_of(example(), "tree")))
    arrays: dict[str, h5py.Dataset] = {}
    with h5py.File(tmp_path / "x.nc") as file:
        file.visititems(lambda name, item: arrays.update({name: item}) if hasattr(item, "chunks") else None)
        stored = {
            name: array for name, array in arrays.items() if array.id.get_storage_size() and array.shape
        }
        assert len(stored) > 12
        assert all(array.fletcher32 and array.chunks == array.shape for array in stored.values())
        assert {array.dtype.kind for array in stored.values() if array.compression is None} == {"f"}


@pytest.mark.parametrize(
    ("dataset", "words"),
    [
        (xr.Dataset(attrs={"coordinates": "x"}), "attribute coordinates"),
        (xr.Dataset({"a": ("x", [1], {"_Encoding": "utf-8"})}), "attribute _Encoding"),
        (xr.Dataset({"a": ("x", [1], {"DIMENSION_LIST": "x"})}), "attribute DIMENSION_LIST"),
        (xr.Dataset({"a": ("x", [1])}, coords={"b c": ("x", [1])}), "space in its name"),
        (
            xr.Dataset({"a": ("x", ["four"]), "b": ("string4", [1])}),
            "dimension string4 has the sizes 4 and 1",
        ),
    ],
)
def test_what_netcdf_has_no_place_for_is_said(dataset: xr.Dataset, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        encode(content({"/posterior": dataset}))
