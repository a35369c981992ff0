"""What is in a unit's folder is trusted only when every byte is as it was written."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayes_dsl.campaign import folders
from bayes_dsl.campaign.folders import Damaged, Found, look, sealed, unsealed
from bayes_dsl.errors import FileRefused, InputError
from tests.campaign.test_units import JSON

TOOK = {"core_seconds": 1.5, "wall_seconds": 2.0}


def done(root: Path, name: str = "a", key: str = "k", result: dict[str, Any] | None = None) -> Path:
    folder = folders.prepare(root, name, key)
    folders.write_result(root, name, key, result or {"loss": 2.5}, TOOK)
    return folder


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_a_record_comes_back(content: dict[str, Any]) -> None:
    assert unsealed(sealed(content)) == content


def test_numbers_as_keys_become_text() -> None:
    assert unsealed(sealed({"x": {2: "b", 10: "a"}})) == {"x": {"2": "b", "10": "a"}}


def test_every_flipped_bit_and_every_cut_is_found() -> None:
    data = sealed({"loss": 2.5, "tokens": [1, 2, 3], "name": "a", "none": None})
    for place in range(len(data)):
        for bit in range(8):
            wrong = bytearray(data)
            wrong[place] ^= 1 << bit
            with pytest.raises(Damaged):
                unsealed(bytes(wrong))
        with pytest.raises(Damaged):
            unsealed(data[:place])
    with pytest.raises(Damaged):
        unsealed(data + b"\n")


def test_a_record_of_another_kind_is_damaged() -> None:
    for data in (b"[]", b"3", b'{"content": 3}', b"[" * 100_000, b'{"content": NaN}'):
        with pytest.raises(Damaged):
            unsealed(data)


def test_an_empty_campaign_has_nothing(tmp_path: Path) -> None:
    assert look(tmp_path, "a", "k") == Found()
    assert list(tmp_path.iterdir()) == []


def test_done_is_present_valid_and_of_this_key(tmp_path: Path) -> None:
    folder = done(tmp_path)
    assert look(tmp_path, "a", "k") == Found(state="done", core_seconds=1.5, wall_seconds=2.0)
    assert folders.read_result(tmp_path, "a", "k") == {"loss": 2.5}
    (folder / "took.json").unlink()
    assert look(tmp_path, "a", "k") == Found(state="done")


def test_a_flipped_byte_is_not_done(tmp_path: Path) -> None:
    result = done(tmp_path) / "result.json"
    data = bytearray(result.read_bytes())
    data[len(data) // 2] ^= 1
    result.write_bytes(data)
    found = look(tmp_path, "a", "k")
    assert found.state == "none" and found.stale is not None and "damaged" in found.stale
    assert "\n" not in found.stale
    assert folders.read_result(tmp_path, "a", "k") is None


def test_another_key_is_not_done_and_goes_aside(tmp_path: Path) -> None:
    folder = done(tmp_path)
    (folder / "checkpoint").write_text("of the old plan")
    found = look(tmp_path, "a", "other")
    assert found.state == "none" and found.stale is not None and "has changed" in found.stale
    assert folders.read_result(tmp_path, "a", "other") is None
    new = folders.prepare(tmp_path, "a", "other")
    assert new == folder and [path.name for path in new.iterdir()] == ["unit.json"]
    old = tmp_path / "units" / ".replaced" / "a.1"
    assert (old / "checkpoint").read_text() == "of the old plan" and (old / "result.json").exists()
    done(tmp_path, key="third")
    assert (tmp_path / "units" / ".replaced" / "a.2").is_dir()


def test_a_checkpoint_of_this_key_stays(tmp_path: Path) -> None:
    folder = folders.prepare(tmp_path, "a", "k")
    (folder / "checkpoint").write_text("half way")
    assert look(tmp_path, "a", "k") == Found()
    assert (folders.prepare(tmp_path, "a", "k") / "checkpoint").exists()


def test_a_checkpoint_of_an_unfinished_unit_of_another_key_goes_aside(tmp_path: Path) -> None:
    folder = folders.prepare(tmp_path, "a", "k")
    (folder / "checkpoint").write_text("of the old plan")
    assert not (folders.prepare(tmp_path, "a", "other") / "checkpoint").exists()


def test_files_that_nobody_knows_go_aside(tmp_path: Path) -> None:
    folder = tmp_path / "units" / "a"
    folder.mkdir(parents=True)
    (folder / ".unit.0.tmp.json").write_text("a write that was cut short")
    assert look(tmp_path, "a", "k") == Found()
    (folder / "thesis.txt").write_text("mine")
    stale = look(tmp_path, "a", "k").stale
    assert stale is not None and "no unit of this campaign" in stale
    folders.prepare(tmp_path, "a", "k")
    assert (tmp_path / "units" / ".replaced" / "a.1" / "thesis.txt").read_text() == "mine"


def test_a_failure_is_of_its_key_and_is_forgotten_by_the_next_try(tmp_path: Path) -> None:
    folders.write_failure(tmp_path, "a", "k", "it did not go")
    assert look(tmp_path, "a", "k") == Found(state="failed", sentence="it did not go")
    assert look(tmp_path, "a", "other").state == "none"
    folders.prepare(tmp_path, "a", "k")
    assert look(tmp_path, "a", "k") == Found()


def test_one_run_at_a_time(tmp_path: Path) -> None:
    with (
        folders.alone_in_campaign(tmp_path),
        pytest.raises(
            InputError, match=f"process {os.getpid()} on .*another run works in this folder"
        ) as caught,
        folders.alone_in_campaign(tmp_path),
    ):
        pass
    assert len(str(caught.value).splitlines()) == 1
    with folders.alone_in_campaign(tmp_path):
        pass


def test_one_process_at_a_time_in_a_unit(tmp_path: Path) -> None:
    with folders.alone_in_campaign(tmp_path):
        assert not folders.is_worked_on(tmp_path, "a")
        with folders.alone_in_unit(tmp_path, "a") as first:
            assert first and folders.is_worked_on(tmp_path, "a")
            with folders.alone_in_unit(tmp_path, "a", patience=0.05) as second:
                assert not second
            with folders.alone_in_unit(tmp_path, "b") as other:
                assert other
        assert not folders.is_worked_on(tmp_path, "a")


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_a_folder_that_takes_nothing_is_one_sentence(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(FileRefused) as caught, folders.alone_in_campaign(tmp_path / "new"):
        pass
    assert len(str(caught.value).splitlines()) == 1 and os.strerror(number) in str(caught.value)


def test_a_file_in_the_place_of_a_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(FileRefused, match="Not a directory"), folders.alone_in_campaign(tmp_path / "file"):
        pass
    (tmp_path / "units").mkdir()
    (tmp_path / "units" / "a").write_text("x")
    with pytest.raises(FileRefused, match="File exists"):
        folders.prepare(tmp_path, "a", "k")
