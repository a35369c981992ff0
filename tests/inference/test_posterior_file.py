"""Posterior files: what goes in comes out, and nothing that was damaged does."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import arviz
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bayes_dsl.errors import FileRefused, InputError
from bayes_dsl.inference import posterior_file
from bayes_dsl.inference.content import content_of, sha256_of_content
from bayes_dsl.inference.netcdf import encode
from bayes_dsl.inference.posterior_file import FORMAT, WITHOUT_MISFIT, read_tree, write_tree

ODD_NAN = np.array([0x7FF8000000000123], dtype="<u8").view("<f8")[0]


def example(seed: int = 0) -> xr.DataTree:
    rng = np.random.default_rng(seed)
    runs = np.array(["run 1", "NA", "läufer", ""], dtype=object)
    sites = {name: (("chain", "draw"), rng.normal(size=(2, 25))) for name in ("E", "A", "alpha")}
    sites["offset"] = (("chain", "draw", "group"), rng.normal(size=(2, 25, 2)))
    sites["E"][1][0, :3] = [np.nan, ODD_NAN, -0.0]
    chains = {"chain": np.arange(2), "draw": np.arange(25)}
    sites_by_coordinate = {"z_0": (("chain", "draw"), rng.normal(size=(2, 25)).astype("f4"))}
    diverging = {"diverging": (("chain", "draw"), rng.random((2, 25)) < 0.1)}
    observed = {
        "loss": ("run_id", rng.normal(size=4), {"unit": "nats"}),
        "ok": ("run_id", [True, False, True, True]),
    }
    given_data = {
        "table_csv": ((), 'run_id,loss\r\n"a,\nb",2.1\n'),
        "status": ("run_id", ["ok", "", "diverged", "ok"]),
        "n": ((), np.int32(-4)),
        "none": ("empty", np.zeros(0)),
        "no_text": ("empty", np.zeros(0, dtype="U3")),
    }
    given_attributes = {"sample_dims": ["chain", "draw"], "sizes": np.array([1, 2]), "scales": (0.5, -0.0, 3)}
    return xr.DataTree.from_dict(
        {
            "/": xr.Dataset(
                attrs={"law": "distillation", "seed": 3, "prior": '{"E": [1]}', "t": "x\n" * 50_000}
            ),
            "/posterior": xr.Dataset(sites, coords=chains | {"group": ["g1", "g2"]}, attrs={"h": 1e-300}),
            "/unconstrained_posterior": xr.Dataset(sites_by_coordinate),
            "/sample_stats": xr.Dataset(diverging, coords=chains),
            "/log_likelihood": xr.Dataset(
                {"loss": (("chain", "draw", "run_id"), rng.normal(size=(2, 25, 4)))}, coords={"run_id": runs}
            ),
            "/observed_data": xr.Dataset(observed, coords={"run_id": runs.astype(np.dtypes.StringDType())}),
            "/constant_data": xr.Dataset(
                given_data,
                coords={"run_id": runs.astype("U"), "step": ("run_id", np.arange(4, dtype="u2"))},
                attrs=given_attributes,
            ),
        }
    )


def checksum(tree: xr.DataTree) -> str:
    return sha256_of_content(content_of(tree, "tree"))


def with_paths() -> xr.DataTree:
    """The same with the paths of a misfit, which older versions would leave out of a forecast."""
    tree = example()
    tree["misfit"] = xr.DataTree(xr.Dataset({"drift_edge": (("chain", "draw"), np.ones((2, 3)))}))
    return tree


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("posterior") / "posterior.nc"
    write_tree(example(), path)
    return path


def test_round_trip_to_the_bit(saved: Path) -> None:
    tree, back = example(), read_tree(saved)
    assert back.attrs.pop("bayes_dsl_format") == WITHOUT_MISFIT
    assert len(back.attrs.pop("content_sha256")) == 64
    assert back.identical(tree)
    assert checksum(back) == checksum(tree)
    assert back["posterior/E"].values.tobytes() == tree["posterior/E"].values.tobytes()
    assert back["observed_data/run_id"].values.tolist() == ["run 1", "NA", "läufer", ""]
    assert back["constant_data/table_csv"].item() == tree["constant_data/table_csv"].item()
    assert back["unconstrained_posterior/z_0"].dtype == np.float32
    assert back["sample_stats/diverging"].dtype == bool
    assert {name: type(value) for name, value in back.attrs.items()} == {
        "law": str, "seed": int, "prior": str, "t": str
    }  # fmt: skip


def test_arviz_opens_it(saved: Path) -> None:
    tree = arviz.from_netcdf(saved).load()
    assert {"posterior", "sample_stats", "log_likelihood", "observed_data", "constant_data"} <= set(
        tree.children
    )
    np.testing.assert_array_equal(tree["posterior/A"].values, example()["posterior/A"].values)
    assert arviz.summary(tree, var_names=["A", "alpha"]).shape[0] == 2
    assert tree["observed_data/run_id"].values.tolist() == ["run 1", "NA", "läufer", ""]
    tree.close()


def test_same_tree_same_checksum_and_a_read_tree_can_be_written_again(saved: Path, tmp_path: Path) -> None:
    write_tree(example(), tmp_path / "a.nc")
    write_tree(read_tree(saved), tmp_path / "b.nc")
    hashes = {
        read_tree(path).attrs["content_sha256"] for path in (saved, tmp_path / "a.nc", tmp_path / "b.nc")
    }
    assert len(hashes) == 1
    write_tree(example(seed=1), tmp_path / "a.nc")
    assert read_tree(tmp_path / "a.nc").attrs["content_sha256"] not in hashes


BASE = xr.Dataset({"a": ("x", [0.0, 1.0]), "t": ("x", ["p", "qr"])}, attrs={"k": 1})

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
ATTRIBUTE = st.one_of(
    TEXT,
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.lists(st.floats(), min_size=1, max_size=4),
    st.lists(TEXT, min_size=1, max_size=4),
)


@settings(max_examples=40, deadline=None)
@given(
    numbers=hnp.arrays(
        st.sampled_from(["f8", "f4", ">f8", "i8", "u1", "i2", "?"]),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0),
    ),
    texts=st.lists(TEXT, max_size=5),
    attributes=st.dictionaries(st.sampled_from(["one", "zwei 2", "ü"]), ATTRIBUTE),
)
def test_whatever_is_written_comes_back(
    numbers: np.ndarray, texts: list[str], attributes: dict, tmp_path_factory: pytest.TempPathFactory
) -> None:
    dims = ["i", "j", "k"][: numbers.ndim]
    dataset = xr.Dataset(
        {"numbers": (dims, numbers), "texts": ("t", np.array(texts, dtype=object))}, attrs=attributes
    )
    tree = xr.DataTree.from_dict({"/posterior": dataset})
    path = tmp_path_factory.getbasetemp() / "whatever.nc"
    write_tree(tree, path)
    back = read_tree(path)
    assert back["posterior/texts"].values.tolist() == texts
    assert back["posterior/numbers"].dtype == numbers.dtype.newbyteorder("=")
    little = numbers.astype(numbers.dtype.newbyteorder("<"))
    assert back["posterior/numbers"].values.tobytes() == little.tobytes()
    assert set(back["posterior"].attrs) == set(attributes)


@pytest.mark.parametrize(
    ("dataset", "words"),
    [
        (BASE.assign(a=("x", [1 + 1j, 2])), "complex128"),
        (BASE.assign(a=("x", np.array([1, None], dtype=object))), "int"),
        (BASE.assign(a=("x", np.array(["2026-01-01", "2026-01-02"], dtype="datetime64[ns]"))), "datetime64"),
        (BASE.assign(a=("x", ["nul\0inside", ""])), "without NUL"),
        (BASE.assign(a=("x", np.array(["\ud800", ""]))), "valid Unicode"),
        (BASE.assign_attrs(k={"a": 1}), "JSON"),
        (BASE.assign_attrs(k=True), "flat sequence"),
        (BASE.assign_attrs(k=[]), "flat sequence"),
        (BASE.assign_attrs(k=[1, "a"]), "flat sequence"),
        (BASE.assign_attrs(k=[[1], [2]]), "flat sequence"),
        (BASE.assign_attrs(k=2**63), "flat sequence"),
        (BASE.assign_attrs(k=None), "flat sequence"),
        (BASE.assign(a=("x", [0.0, 1.0], {"dtype": "bool"})), "nothing was written"),
    ],
)
def test_what_a_file_cannot_keep_is_refused_and_the_old_file_stays(
    dataset: xr.Dataset, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "posterior.nc"
    path.write_text("old")
    with pytest.raises(InputError) as refusal:
        write_tree(xr.DataTree.from_dict({"/posterior": dataset}), path)
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert path.read_text() == "old"


def test_all_unfit_parts_are_listed_at_once(tmp_path: Path) -> None:
    dataset = BASE.assign(a=("x", [1j, 2j])).assign_attrs(k=None)
    with pytest.raises(InputError) as refusal:
        write_tree(xr.DataTree.from_dict({"/posterior": dataset}), tmp_path / "x.nc")
    assert len(refusal.value.faults) == 2


def test_a_tree_without_posterior_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="group posterior"):
        write_tree(xr.DataTree.from_dict({"/prior": BASE}), tmp_path / "x.nc")
    assert os.listdir(tmp_path) == []


def small_tree() -> xr.DataTree:
    """Two groups, so that reading it hundreds of times takes seconds."""
    tree = example()
    posterior = tree["posterior"].to_dataset()[["A", "offset"]]
    observed = tree["observed_data"].to_dataset()[["loss"]]
    return xr.DataTree.from_dict(
        {"/": xr.Dataset(attrs={"seed": 3}), "/posterior": posterior, "/runs": observed}
    )


def test_no_single_byte_flip_loads_with_other_numbers(tmp_path: Path) -> None:
    path = tmp_path / "flipped.nc"
    write_tree(small_tree(), path)
    data = path.read_bytes()
    good = read_tree(path)
    dice = random.Random(1)
    sentences: list[str] = []
    for _ in range(200):
        flipped = bytearray(data)
        flipped[dice.randrange(len(data))] ^= dice.randrange(1, 256)
        path.write_bytes(flipped)
        try:
            loaded = read_tree(path)
        except FileRefused as refusal:
            sentences.append(str(refusal))
        else:
            assert loaded.identical(good)
            assert checksum(loaded) == checksum(good)
    assert len(sentences) > 50
    assert not [text for text in sentences if "\n" in text or not text.endswith(".")]


def test_flips_do_change_numbers_without_the_checksums(tmp_path: Path) -> None:
    """The control: in a file that xarray writes by default, flips in the draws pass unseen."""
    path = tmp_path / "plain.nc"
    example().to_netcdf(path, engine="h5netcdf")
    data = bytearray(path.read_bytes())
    draws = example()["posterior/A"].values
    start = data.find(draws.tobytes())
    assert start > 0
    data[start + 3] ^= 1
    path.write_bytes(data)
    with xr.open_datatree(path, engine="h5netcdf") as tree:
        assert (tree["posterior/A"].values != draws).sum() == 1


def test_a_change_that_hdf5_accepts_is_refused_by_the_checksum(tmp_path: Path) -> None:
    tree = example()
    path = tmp_path / "edited.nc"
    write_tree(tree, path)
    edited = read_tree(path)
    edited["posterior/A"].values[0, 0] += 1e-12
    path.write_bytes(encode(content_of(edited, "edited")))
    with pytest.raises(FileRefused, match=r"content_sha256 = .*the content is not what was written"):
        read_tree(path)


def test_every_truncation_is_refused(saved: Path, tmp_path: Path) -> None:
    data = saved.read_bytes()
    path = tmp_path / "short.nc"
    dice = random.Random(2)
    for length in [0, 1, 8, 512, len(data) - 1, *(dice.randrange(len(data)) for _ in range(45))]:
        path.write_bytes(data[:length])
        with pytest.raises(FileRefused):
            read_tree(path)


def test_only_a_tree_with_a_misfit_takes_the_newer_format(tmp_path: Path) -> None:
    write_tree(with_paths(), tmp_path / "drift.nc")
    assert read_tree(tmp_path / "drift.nc").attrs["bayes_dsl_format"] == FORMAT > WITHOUT_MISFIT


def test_a_newer_format_names_both_versions_and_what_to_do(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posterior_file, "FORMAT", 7)
    write_tree(with_paths(), tmp_path / "newer.nc")
    monkeypatch.undo()
    with pytest.raises(FileRefused) as refusal:
        read_tree(tmp_path / "newer.nc")
    text = str(refusal.value)
    assert (
        "bayes_dsl_format = 7" in text
        and f"reads formats 1 to {FORMAT}" in text
        and "pip install --upgrade" in text
    )


def test_a_full_disk_or_a_missing_folder_is_one_sentence(tmp_path: Path) -> None:
    for path in (tmp_path / "missing" / "x.nc", tmp_path):
        with pytest.raises(FileRefused) as refusal:
            write_tree(example(), path)
        assert "\n" not in str(refusal.value)


WRITER = """
import sys
from pathlib import Path
from bayes_dsl.inference.posterior_file import read_tree, write_tree
tree = read_tree(Path(sys.argv[1]))
print("ready", flush=True)
while True:
    write_tree(tree, Path(sys.argv[1]))
    print("written", flush=True)
"""


@pytest.mark.slow
def test_kill_9_while_writing_leaves_a_readable_file(tmp_path: Path) -> None:
    path = tmp_path / "posterior.nc"
    write_tree(small_tree(), path)
    expected = checksum(read_tree(path))
    dice = random.Random(3)
    for _ in range(4):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(dice.uniform(0, 0.5))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert checksum(read_tree(path)) == expected
