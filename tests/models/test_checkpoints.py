"""Checkpoints: what was written is read, and a damaged or foreign file is refused in a sentence."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from bayes_dsl.errors import FileRefused
from models import checkpoints
from tests.models import tiny


def tree() -> dict[str, Any]:
    return {
        "states": ({"x": np.arange(6, dtype=np.float32).reshape(2, 3)}, {"x": np.float32(np.nan)}),
        "count": np.int32(7),
        "layers": [{"half": np.ones(3, np.float16)}],
    }


def test_a_tree_comes_back_to_the_last_bit(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    checkpoints.save(path, tree(), {"step": 3, "seconds": 0.1})
    read, meta = checkpoints.read(path, tree())
    assert meta == {"step": 3, "seconds": 0.1} == checkpoints.read_meta(path)
    assert str(jax.tree.structure(read)) == str(jax.tree.structure(tree()))
    for got, wanted in zip(jax.tree.leaves(read), jax.tree.leaves(tree()), strict=True):
        assert got.dtype == wanted.dtype
        assert got.tobytes() == wanted.tobytes()


def test_another_tree_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    checkpoints.save(path, tree(), {})
    for other in ({**tree(), "count": np.int64(7)}, {**tree(), "more": np.zeros(1)}):
        with pytest.raises(FileRefused, match=r"state\.npz: arrays = (count|more); they are not those"):
            checkpoints.read(path, other)


def test_every_flipped_byte_and_every_cut_is_found(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    checkpoints.save(path, tree(), {"step": 3})
    sound = path.read_bytes()
    rng = np.random.default_rng(0)
    harmless = 0
    for place in rng.choice(len(sound), 150, replace=False):
        path.write_bytes(sound[:place] + bytes([sound[place] ^ 0x55]) + sound[place + 1 :])
        try:
            read, meta = checkpoints.read(path, tree())
        except FileRefused:
            continue
        # Dates and the like in the zip's headers carry nothing of ours.
        harmless += 1
        assert meta == {"step": 3}
        assert checkpoints.digest_of(read) == checkpoints.digest_of(tree())
    assert harmless < 75
    for length in (0, 1, 30, len(sound) // 2, len(sound) - 1):
        path.write_bytes(sound[:length])
        with pytest.raises(FileRefused):
            checkpoints.read(path, tree())


def test_pickled_arrays_are_never_loaded(tmp_path: Path) -> None:
    path = tmp_path / "hostile.npz"
    np.savez(path, meta=np.array([{"step": 1}], dtype=object))
    with pytest.raises(FileRefused):
        checkpoints.read_meta(path)


def test_an_npz_without_a_checksum_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "foreign.npz"
    np.savez(path, meta=np.frombuffer(b"{}", np.uint8))
    with pytest.raises(FileRefused, match="checksum = none"):
        checkpoints.read_meta(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileRefused, match=r"none\.npz: reading = No such file"):
        checkpoints.read_meta(tmp_path / "none.npz")


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.npz"
    checkpoints.save(path, tree(), {"step": 1})

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("bayes_dsl.files.os.replace", full)
    with pytest.raises(FileRefused, match="The disk is full"):
        checkpoints.save(path, tree(), {"step": 2})
    assert checkpoints.read_meta(path) == {"step": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["state.npz"]


def test_parameters_carry_their_network(tmp_path: Path) -> None:
    network, params = tiny.teacher()
    path = tmp_path / "teacher.npz"
    checkpoints.save_parameters(path, params, network, {"loss": 2.5})
    got, read, meta = checkpoints.load_parameters(path)
    assert got == network and meta == {"loss": 2.5}
    assert checkpoints.digest_of(read) == checkpoints.digest_of(params)


def test_a_checkpoint_is_no_network(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    checkpoints.save(path, tree(), {"step": 1})
    with pytest.raises(FileRefused, match="it holds no final parameters"):
        checkpoints.load_parameters(path)


def test_the_digest_tells_trees_apart() -> None:
    one = {"a": np.zeros(2, np.float32), "b": np.ones(2, np.float32)}
    others = [
        {"a": np.ones(2, np.float32), "b": np.zeros(2, np.float32)},
        {"a": np.zeros(2, np.float32), "c": np.ones(2, np.float32)},
        {"a": np.zeros((2, 1), np.float32), "b": np.ones(2, np.float32)},
        {"a": np.zeros(1, np.float64), "b": np.ones(2, np.float32)},
    ]
    assert len({checkpoints.digest_of(tree) for tree in [one, *others]}) == 5
