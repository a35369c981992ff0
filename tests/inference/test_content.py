"""The checksum of a tree: the same for the same content, another one for any other."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import xarray as xr

from bayes_dsl.inference.content import content_of, sha256_of_content, tree_of


def checksum(tree: xr.DataTree) -> str:
    return sha256_of_content(content_of(tree, "tree"))


def test_checksum_does_not_depend_on_order() -> None:
    one = xr.Dataset({"a": ("x", [1.0, 2.0]), "b": ("x", [3.0, 4.0])}, attrs={"p": 1, "q": "2"})
    two = xr.Dataset({"b": ("x", [3.0, 4.0]), "a": ("x", [1.0, 2.0])}, attrs={"q": "2", "p": 1})
    assert checksum(xr.DataTree.from_dict({"/g": one, "/h": two})) == checksum(
        xr.DataTree.from_dict({"/h": one, "/g": two})
    )


BASE = xr.Dataset({"a": ("x", [0.0, 1.0]), "t": ("x", ["p", "qr"])}, attrs={"k": 1})


@pytest.mark.parametrize(
    "changed",
    [
        BASE.assign(a=("x", [-0.0, 1.0])),
        BASE.assign(a=("x", [0.0, np.nextafter(1.0, 2.0)])),
        BASE.assign(a=("x", np.array([0.0, 1.0], dtype="f4"))),
        BASE.assign(a=("x", [0, 1])),
        BASE.assign(a=(("x", "y"), [[0.0], [1.0]])),
        BASE.assign(t=("x", ["pq", "r"])),
        BASE.rename({"a": "b"}),
        BASE.rename({"x": "y"}),
        BASE.set_coords("a"),
        BASE.assign_attrs(k=1.0),
        BASE.assign_attrs(k="1"),
        BASE.assign_attrs(k=[1, 1]),
        BASE.assign_attrs(j=1),
        BASE.drop_attrs(),
        BASE.drop_vars("t"),
    ],
)
def test_checksum_sees_every_change(changed: xr.Dataset) -> None:
    assert checksum(xr.DataTree(BASE)) == checksum(xr.DataTree(BASE.copy(deep=True)))
    assert checksum(xr.DataTree(changed)) != checksum(xr.DataTree(BASE))


def test_a_tree_taken_apart_is_put_together_again() -> None:
    nested = xr.DataTree.from_dict(
        {"/": xr.Dataset(coords={"x": [1, 2]}), "/g": BASE, "/g/h": BASE.set_coords("t")}
    )
    content = content_of(nested, "tree")
    assert tree_of(content).identical(nested)
    assert "x" not in content["/g"].variables


@pytest.mark.parametrize("kind", [object, np.str_, np.dtypes.StringDType()])
def test_text_counts_the_same_however_it_is_held(kind: Any) -> None:
    held = BASE.assign(t=("x", np.array(["p", "qr"], dtype=kind)))
    assert checksum(xr.DataTree(held)) == checksum(xr.DataTree(BASE))


def test_nan_counts_by_its_bits() -> None:
    odd = np.array([0x7FF8000000000123, 0], dtype="<u8").view("<f8")
    plain = np.array([math.nan, 0.0])
    one, two = (xr.DataTree(BASE.assign(a=("x", values))) for values in (odd, plain))
    assert checksum(one) != checksum(two)
    assert checksum(two) == checksum(two.copy(deep=True))


def test_the_checksum_leaves_itself_out_at_the_root_only() -> None:
    named = xr.DataTree(BASE.assign_attrs(content_sha256="x"))
    assert checksum(named) == checksum(xr.DataTree(BASE))
    inner = (
        xr.DataTree.from_dict({"/g": BASE}),
        xr.DataTree.from_dict({"/g": BASE.assign_attrs(content_sha256="x")}),
    )
    assert checksum(inner[0]) != checksum(inner[1])
