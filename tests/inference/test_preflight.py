"""Hostile and foreign files: each is refused with its sentence, quickly, and nothing outside it is read."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from bayes_dsl.errors import FileRefused
from bayes_dsl.inference.posterior_file import FORMAT, read_tree, write_tree

SECRET = b"SECRET!!" * 8


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    draws = {"E": (("chain", "draw"), np.random.default_rng(0).normal(size=(2, 50)))}
    path = tmp_path_factory.mktemp("good") / "good.nc"
    write_tree(
        xr.DataTree.from_dict({"/posterior": xr.Dataset(draws), "/runs": xr.Dataset(attrs={"n": 1})}), path
    )
    return path


Change = Callable[[h5py.File, Path], object]
CASES: dict[str, tuple[Change, str]] = {}


def case(words: str) -> Callable[[Change], Change]:
    """Register a change of a good file, with words of the sentence that must refuse it."""

    def register(change: Change) -> Change:
        CASES[change.__name__] = (change, words)
        return change

    return register


@case("link to another file")
def external_link(file: h5py.File, folder: Path) -> None:
    file["posterior/x"] = h5py.ExternalLink(str(folder / "other.h5"), "/x")


@case("link to another file")
def external_link_as_group(file: h5py.File, folder: Path) -> None:
    file["more"] = h5py.ExternalLink("/dev/stdin", "/")


@case("soft link")
def soft_link(file: h5py.File, folder: Path) -> None:
    file["posterior/x"] = h5py.SoftLink("/posterior/E")


@case("soft link")
def dangling_soft_link(file: h5py.File, folder: Path) -> None:
    file["x"] = h5py.SoftLink("/nowhere")


@case("second name of the same object")
def hard_link_to_an_array(file: h5py.File, folder: Path) -> None:
    file["posterior/x"] = file["posterior/E"]


@case("second name of the same object")
def group_inside_itself(file: h5py.File, folder: Path) -> None:
    file["posterior/posterior"] = file["posterior"]


@case("second name of the same object")
def root_inside_itself(file: h5py.File, folder: Path) -> None:
    file["posterior/root"] = file["/"]


@case("array stored in another file")
def external_storage(file: h5py.File, folder: Path) -> None:
    file["posterior"].create_dataset(
        "x", (len(SECRET) // 8,), "f8", external=[(str(folder / "secret"), 0, len(SECRET))]
    )


@case("array stored in another file")
def external_storage_in_a_pipe(file: h5py.File, folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    file["posterior"].create_dataset("x", (8,), "u1", external=[(str(folder / "pipe"), 0, 8)])


@case("virtual array")
def virtual_array(file: h5py.File, folder: Path) -> None:
    layout = h5py.VirtualLayout((4,), "f8")
    layout[:] = h5py.VirtualSource(str(folder / "other.h5"), "x", (4,))
    file["posterior"].create_virtual_dataset("x", layout)


@case("virtual array")
def unlimited_virtual_array_over_a_pipe(file: h5py.File, folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    layout = h5py.VirtualLayout((4,), "f8", maxshape=(None,))
    source = h5py.VirtualSource(str(folder / "pipe"), "x", (4,), maxshape=(None,))
    layout[: h5py.h5s.UNLIMITED] = source[: h5py.h5s.UNLIMITED]
    file["posterior"].create_virtual_dataset("x", layout)


@case("declared bytes")
def eight_terabytes(file: h5py.File, folder: Path) -> None:
    file["posterior"].create_dataset("x", (10**6, 10**6), "f8")


@case("declared bytes")
def eight_terabytes_in_chunks(file: h5py.File, folder: Path) -> None:
    file["posterior"].create_dataset("x", (10**6, 10**6), "f8", chunks=(1000, 1000), compression="gzip")


@case("declared bytes")
def one_item_in_a_chunk_of_two_gigabytes(file: h5py.File, folder: Path) -> None:
    file["posterior"].create_dataset("x", (1,), "u1", chunks=(2**31,), maxshape=(None,), compression="gzip")


@case("declared bytes")
def many_arrays_that_are_large_together(file: h5py.File, folder: Path) -> None:
    for i in range(20):
        file["posterior"].create_dataset(f"x{i}", (2**21,), "f8")


@case("declared bytes")
def dimension_of_1e15(file: h5py.File, folder: Path) -> None:
    file["posterior"].create_dataset("x", (10**15,), ">f4")


@case("bytes in a chunk")
def chunk_that_unpacks_to_half_a_gigabyte(file: h5py.File, folder: Path) -> None:
    packer = zlib.compressobj(1)
    block = bytes(2**20)
    data = b"".join(packer.compress(block) for _ in range(512)) + packer.flush()
    array = file["posterior"].create_dataset("x", (8,), "f8", chunks=(8,), compression="gzip")
    array.id.write_direct_chunk((0,), data)


@case("bytes in a chunk")
def chunk_that_is_too_short(file: h5py.File, folder: Path) -> None:
    array = file["posterior"].create_dataset("x", (80,), "f8", chunks=(80,), compression="gzip")
    array.id.write_direct_chunk((0,), zlib.compress(bytes(8)))


@case("structure")
def chunk_that_is_no_deflate_stream(file: h5py.File, folder: Path) -> None:
    array = file["posterior"].create_dataset("x", (80,), "f8", chunks=(80,), compression="gzip")
    array.id.write_direct_chunk((0,), b"garbage")


@case("chunks of")
def very_many_chunks(file: h5py.File, folder: Path) -> None:
    file["posterior"].create_dataset("x", (10_001,), "u1", chunks=(1,))[:] = 1


@case("variable-length string")
def object_text(file: h5py.File, folder: Path) -> None:
    file["posterior"].create_dataset("x", data=["a", "b"], dtype=h5py.string_dtype())


@case("string of 10 bytes")
def fixed_text(file: h5py.File, folder: Path) -> None:
    file["posterior"].create_dataset("x", (2,), "S10")


@case("variable-length sequence")
def ragged_array(file: h5py.File, folder: Path) -> None:
    file["posterior"].create_dataset("x", (2,), h5py.vlen_dtype("f8"))


@case("reference")
def reference_array(file: h5py.File, folder: Path) -> None:
    file["posterior"].create_dataset("x", data=[file["posterior/E"].ref], dtype=h5py.ref_dtype)


@case("reference")
def region_reference_array(file: h5py.File, folder: Path) -> None:
    file["posterior"].create_dataset("x", (1,), dtype=h5py.regionref_dtype)


@case("compound")
def compound_array(file: h5py.File, folder: Path) -> None:
    file["posterior"].create_dataset("x", (2,), np.dtype([("a", "f8"), ("b", "i4")]))


@case("compound")
def complex_array(file: h5py.File, folder: Path) -> None:
    file["posterior"].create_dataset("x", (2,), "c16")


@case("opaque")
def opaque_array(file: h5py.File, folder: Path) -> None:
    file["posterior"].create_dataset("x", (2,), "V8")


@case("enumeration")
def enumeration(file: h5py.File, folder: Path) -> None:
    file["posterior"].create_dataset("x", (2,), "?")


@case("array of 24 bytes")
def array_in_an_array(file: h5py.File, folder: Path) -> None:
    three = h5py.Datatype(h5py.h5t.array_create(h5py.h5t.IEEE_F64LE, (3,)))
    file["posterior"].create_dataset("x", (2,), three)


@case("float of 16 bytes")
def long_double(file: h5py.File, folder: Path) -> None:
    file["posterior"].create_dataset("x", (2,), np.longdouble)


@case("named type")
def committed_type(file: h5py.File, folder: Path) -> None:
    file["kind"] = np.dtype("f8")


@case("null array")
def null_array(file: h5py.File, folder: Path) -> None:
    file["posterior"]["x"] = h5py.Empty("f8")


@case("dimensions of")
def thirty_dimensions(file: h5py.File, folder: Path) -> None:
    file["posterior"].create_dataset("x", (1,) * 30, "f8")


@case("filters of")
def unknown_filter(file: h5py.File, folder: Path) -> None:
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk((8,))
    plan.set_filter(32_015, h5py.h5z.FLAG_OPTIONAL, (3,))
    space = h5py.h5s.create_simple((8,))
    h5py.h5d.create(file["posterior"].id, b"x", h5py.h5t.IEEE_F64LE, space, plan)


@case("filters of")
def other_filter_of_hdf5(file: h5py.File, folder: Path) -> None:
    file["posterior"].create_dataset("x", (8,), "i4", chunks=(8,), scaleoffset=4)


@case("filters of")
def deflate_twice(file: h5py.File, folder: Path) -> None:
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk((8,))
    plan.set_deflate(9)
    plan.set_filter(h5py.h5z.FILTER_DEFLATE, h5py.h5z.FLAG_OPTIONAL, (9,))
    space = h5py.h5s.create_simple((8,))
    h5py.h5d.create(file["posterior"].id, b"x", h5py.h5t.IEEE_F64LE, space, plan)


@case("nested at most")
def deep_nesting(file: h5py.File, folder: Path) -> None:
    file.create_group("/".join(["g"] * 40))


@case("number of groups")
def many_groups(file: h5py.File, folder: Path) -> None:
    for i in range(100):
        file.create_group(f"g{i}")


@case("members of /posterior")
def many_members(file: h5py.File, folder: Path) -> None:
    for i in range(3_000):
        file["posterior"].create_group(f"g{i}")


@case("number of arrays")
def many_arrays(file: h5py.File, folder: Path) -> None:
    space = h5py.h5s.create_simple((1,))
    for i in range(2_010):
        h5py.h5d.create(file["posterior"].id, b"x%d" % i, h5py.h5t.STD_I8LE, space)


@case("attributes of")
def many_attributes(file: h5py.File, folder: Path) -> None:
    for i in range(300):
        file["posterior"].attrs[f"a{i}"] = i


@case("attribute big of /posterior")
def huge_attribute(file: h5py.File, folder: Path) -> None:
    file["posterior"].attrs["big"] = "x" * (65 * 2**20)


@case("attribute many of /posterior")
def attribute_of_many_texts(file: h5py.File, folder: Path) -> None:
    file["posterior"].attrs["filler"] = "x" * 2**20
    file["posterior"].attrs.create("many", ["x"] * 400, dtype=h5py.string_dtype())


@case("attribute of_many of /")
def attribute_that_is_an_array_of_arrays(file: h5py.File, folder: Path) -> None:
    file.attrs["of_many"] = np.zeros((3, 3))


@case("compound")
def compound_attribute(file: h5py.File, folder: Path) -> None:
    file["posterior"].attrs["x"] = np.zeros(2, dtype=[("a", "f8"), ("b", "i4")])


@case("reference")
def reference_attribute(file: h5py.File, folder: Path) -> None:
    file["posterior"].attrs["x"] = file["posterior/E"].ref


@case("null")
def null_attribute(file: h5py.File, folder: Path) -> None:
    file["posterior"].attrs["x"] = h5py.Empty("f8")


@case("bayes_dsl_format = missing")
def no_format(file: h5py.File, folder: Path) -> None:
    del file.attrs["bayes_dsl_format"]


@case("pip install --upgrade")
def newer_format(file: h5py.File, folder: Path) -> None:
    file.attrs["bayes_dsl_format"] = FORMAT + 1


@case("bayes_dsl_format = 0")
def format_zero(file: h5py.File, folder: Path) -> None:
    file.attrs["bayes_dsl_format"] = 0


@case("the format is one integer")
def format_as_text(file: h5py.File, folder: Path) -> None:
    file.attrs["bayes_dsl_format"] = "1"


@case("the format is one integer")
def format_as_list(file: h5py.File, folder: Path) -> None:
    file.attrs["bayes_dsl_format"] = [1, 1]


@case("content_sha256")
def no_checksum(file: h5py.File, folder: Path) -> None:
    del file.attrs["content_sha256"]


@case("content_sha256")
def wrong_checksum(file: h5py.File, folder: Path) -> None:
    file.attrs["content_sha256"] = "0" * 64


@case("content_sha256")
def wrong_groups(file: h5py.File, folder: Path) -> None:
    file.move("posterior", "prior")


@case("content_sha256")
def added_group(file: h5py.File, folder: Path) -> None:
    file.create_group("sample_stats")


@case("content_sha256")
def edited_attribute(file: h5py.File, folder: Path) -> None:
    file["runs"].attrs["n"] = 2


@case("content_sha256")
def one_other_number(file: h5py.File, folder: Path) -> None:
    file["posterior/E"][0, 0] = 1.0


@case("content_sha256")
def array_without_its_dimensions(file: h5py.File, folder: Path) -> None:
    file["posterior"].create_dataset("x", (7,), "f8")


@case("content_sha256")
def dimensions_that_lead_nowhere(file: h5py.File, folder: Path) -> None:
    array = file["posterior"].create_dataset("x", (7,), "f8")
    array.attrs["_Netcdf4Coordinates"] = np.array([999], dtype="i4")


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_file_is_refused(name: str, good: Path, tmp_path: Path) -> None:
    change, words = CASES[name]
    (tmp_path / "secret").write_bytes(SECRET)
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["x"] = np.arange(4.0)
    path = tmp_path / "hostile.nc"
    path.write_bytes(good.read_bytes())
    with h5py.File(path, "r+") as file:
        change(file, tmp_path)
    started = time.process_time()
    with pytest.raises(FileRefused) as refusal:
        read_tree(path)
    assert time.process_time() - started < 3
    text = str(refusal.value)
    assert text.startswith(f"{path}: ") and text.endswith(".") and "\n" not in text
    assert words in text
    assert "SECRET" not in text


def test_the_good_file_is_read(good: Path) -> None:
    """The control of the cases above: what they start from is fine."""
    assert read_tree(good)["posterior/E"].shape == (2, 50)


def test_the_attack_works_without_the_inspection(good: Path, tmp_path: Path) -> None:
    """The control of the secret: HDF5 itself reads it through external storage."""
    (tmp_path / "secret").write_bytes(SECRET)
    path = tmp_path / "hostile.nc"
    path.write_bytes(good.read_bytes())
    with h5py.File(path, "r+") as file:
        external_storage(file, tmp_path)
    with h5py.File(path, "r") as file:
        assert file["posterior/x"][:].tobytes() == SECRET
    with pytest.raises(FileRefused):
        read_tree(path)


def other_kinds(folder: Path) -> dict[Path, str]:
    """Things that are no posterior file at all, each with words of its sentence."""
    contents = {
        "empty.nc": (b"", "empty file"),
        "text.nc": (b"params,tokens,loss\n1,2,3\n", "no HDF5 signature"),
        "classic.nc": (b"CDF\x01" + bytes(200), "netCDF-3"),
        "classic64.nc": (b"CDF\x02" + bytes(200), "netCDF-3"),
        "signature.nc": (b"\x89HDF\r\n\x1a\n", "structure"),
        "noise.nc": (b"\x89HDF\r\n\x1a\n" + np.random.default_rng(0).bytes(4000), "structure"),
        "pickle.nc": (b"\x80\x04\x95" + bytes(40), "no HDF5 signature"),
    }
    for name, (data, _) in contents.items():
        (folder / name).write_bytes(data)
    with zipfile.ZipFile(folder / "zip.nc", "w") as archive:
        archive.writestr("posterior.nc", b"x")
    (folder / "folder.nc").mkdir()
    os.mkfifo(folder / "pipe.nc")
    with h5py.File(folder / "plain.nc", "w") as file:
        file["x"] = np.arange(3)
    with (folder / "sparse.nc").open("wb") as sparse:
        sparse.truncate(2**40)
    expected = {folder / name: words for name, (_, words) in contents.items()}
    expected[folder / "zip.nc"] = "zip archive"
    expected[folder / "folder.nc"] = "folder"
    expected[folder / "pipe.nc"] = "pipe"
    expected[folder / "plain.nc"] = "bayes_dsl_format = missing"
    expected[folder / "sparse.nc"] = "size in bytes"
    expected[folder / "missing.nc"] = "No such file"
    return expected


def test_other_kinds_of_files_are_refused(tmp_path: Path) -> None:
    for path, words in other_kinds(tmp_path).items():
        started = time.monotonic()
        with pytest.raises(FileRefused) as refusal:
            read_tree(path)
        assert words in str(refusal.value), path
        assert "\n" not in str(refusal.value)
        assert time.monotonic() - started < 5


LOADER = """
import sys
from pathlib import Path
from bayes_dsl.errors import FileRefused
from bayes_dsl.inference.posterior_file import read_tree
def peak_in_mib():
    line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    return int(line.split()[1]) // 1024
before = peak_in_mib()
for name in sys.argv[1:]:
    try:
        read_tree(Path(name))
    except FileRefused:
        continue
    print("loaded", name)
print(before, peak_in_mib())
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads its memory from /proc")
def test_memory_stays_bounded(good: Path, tmp_path: Path) -> None:
    paths = []
    for name in (
        "eight_terabytes",
        "chunk_that_unpacks_to_half_a_gigabyte",
        "one_item_in_a_chunk_of_two_gigabytes",
    ):
        paths.append(tmp_path / f"{name}.nc")
        paths[-1].write_bytes(good.read_bytes())
        with h5py.File(paths[-1], "r+") as file:
            CASES[name][0](file, tmp_path)
    paths.append(tmp_path / "long.nc")
    paths[-1].write_bytes(paths[0].read_bytes())
    with paths[-1].open("r+b") as long:
        long.truncate(2**30)
    done = subprocess.run(
        [sys.executable, "-c", LOADER, *map(str, paths)], capture_output=True, text=True, check=True
    )
    before, after = map(int, done.stdout.split())
    assert after - before < 100
    assert after < 500
