"""Atomic writes and safe reads: what a crash, a full disk or a read-only folder leaves behind."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayes_dsl.errors import FileRefused
from bayes_dsl.files import open_regular, read_bytes, sha256_of_bytes, sha256_of_file, write_atomically


def one_sentence(refusal: pytest.ExceptionInfo[FileRefused]) -> str:
    text = str(refusal.value)
    assert "\n" not in text
    assert text.endswith(".")
    return text


def test_content_of_each_kind_arrives(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_atomically(path, b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    write_atomically(path, "säntis\r\n")
    assert path.read_bytes() == "säntis\r\n".encode()

    def by_function(temporary: Path) -> None:
        temporary.write_text("by function")

    write_atomically(path, by_function)
    assert path.read_text() == "by function"
    assert os.listdir(tmp_path) == ["file.txt"]


@settings(max_examples=25, deadline=None)
@given(data=st.binary(max_size=2000))
def test_what_is_written_is_read_and_hashed(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("files") / "file.bin"
    write_atomically(path, data)
    assert read_bytes(path) == data
    assert sha256_of_file(path) == sha256_of_bytes(data) == hashlib.sha256(data).hexdigest()


def test_the_function_gets_the_suffix_of_the_target(tmp_path: Path) -> None:
    seen: list[Path] = []
    write_atomically(tmp_path / "figure.png", seen.append)
    assert seen[0].suffix == ".png"
    assert seen[0].parent == tmp_path


def test_a_very_long_name_is_written(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 251 + ".csv")
    write_atomically(path, b"1")
    assert path.read_bytes() == b"1"


def test_mode_of_an_old_file_is_kept_and_a_new_one_obeys_the_umask(tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.write_text("old")
    old.chmod(0o640)
    before = os.umask(0o027)
    try:
        write_atomically(old, b"new")
        write_atomically(tmp_path / "new", b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE(old.stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("old")
    (tmp_path / "link").symlink_to("target")
    write_atomically(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "new"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_full_disk_is_one_sentence_and_the_old_file_is_intact(tmp_path: Path, number: int) -> None:
    path = tmp_path / "posterior.nc"
    path.write_text("old")

    def half(temporary: Path) -> None:
        temporary.write_bytes(b"half")
        raise OSError(number, os.strerror(number))

    with pytest.raises(FileRefused) as refusal:
        write_atomically(path, half)
    text = one_sentence(refusal)
    assert "posterior.nc" in text and os.strerror(number) in text and "intact" in text
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["posterior.nc"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    def full(temporary: Path) -> None:
        Path("/dev/full").write_bytes(b"x" * 100)

    with pytest.raises(FileRefused) as refusal:
        write_atomically(tmp_path / "file", full)
    assert "disk is full" in one_sentence(refusal)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("kind", [KeyboardInterrupt, RuntimeError])
def test_other_exceptions_pass_and_leave_nothing(tmp_path: Path, kind: type[BaseException]) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def fail(temporary: Path) -> None:
        temporary.write_text("half")
        raise kind("stop")

    with pytest.raises(kind, match="stop"):
        write_atomically(path, fail)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


READ_ONLY = """
import os, sys
from pathlib import Path
from bayes_dsl.errors import FileRefused
from bayes_dsl.files import write_atomically
os.chdir(sys.argv[1])
if os.geteuid() == 0:
    os.seteuid(65534)
try:
    write_atomically(Path("file.txt"), "new")
except FileRefused as error:
    print(error)
"""


def test_a_read_only_folder_is_one_sentence_and_the_old_file_is_intact(tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_text("old")
    tmp_path.chmod(0o555)
    try:
        done = subprocess.run(
            [sys.executable, "-c", READ_ONLY, str(tmp_path)], capture_output=True, text=True, check=True
        )
    finally:
        tmp_path.chmod(0o755)
    assert done.stdout.count("\n") == 1
    assert done.stdout.startswith("file.txt: writing = Permission denied; ")
    assert (tmp_path / "file.txt").read_text() == "old"
    assert os.listdir(tmp_path) == ["file.txt"]


def test_targets_that_cannot_be_files(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("x")
    for path, words in [
        (tmp_path, "This is a folder"),
        (tmp_path / "missing" / "file", "create the folder"),
        (tmp_path / "plain" / "file", "part of the path is a file"),
        (tmp_path / ("x" * 300), "shorter name"),
        (Path("/dev/null"), "device"),
    ]:
        with pytest.raises(FileRefused) as refusal:
            write_atomically(path, b"new")
        assert words in one_sentence(refusal)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_a_name_with_a_newline_stays_on_one_line(tmp_path: Path) -> None:
    with pytest.raises(FileRefused) as refusal:
        read_bytes(tmp_path / "two\nlines")
    one_sentence(refusal)


def test_what_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"x" * 11)
    for path, words in [
        (tmp_path / "missing", "No such file"),
        (tmp_path, "folder"),
        (tmp_path / "pipe", "pipe"),
        (Path("/dev/zero"), "device"),
        (tmp_path / "large", "at most 10 bytes"),
        (Path("nul\0name"), "null"),
    ]:
        started = time.monotonic()
        with pytest.raises(FileRefused) as refusal:
            read_bytes(path, limit=10)
        assert words in one_sentence(refusal)
        assert time.monotonic() - started < 1
    assert read_bytes(tmp_path / "large", limit=11) == b"x" * 11
    with pytest.raises(FileRefused):
        sha256_of_file(tmp_path)
    with open_regular(tmp_path / "large") as file:
        assert file.read() == b"x" * 11


def test_two_writers_at_once_leave_one_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    contents = [bytes([65 + i]) * 200_000 for i in range(4)]

    def write(content: bytes) -> None:
        for _ in range(5):
            write_atomically(path, content)

    threads = [threading.Thread(target=write, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() in contents
    assert os.listdir(tmp_path) == ["file"]


WRITER = """
import sys
from pathlib import Path
from bayes_dsl.files import write_atomically
def slowly(path):
    with path.open("wb", buffering=0) as file:
        for _ in range(64):
            file.write(bytes([65 + n % 26]) * 16384)
n = 0
path = Path(sys.argv[1])
print("ready", flush=True)
while True:
    write_atomically(path, slowly) if sys.argv[2] == "atomically" else slowly(path)
    n += 1
"""


@pytest.mark.parametrize("way", ["atomically", "directly"])
def test_kill_9_while_writing_never_leaves_part_of_a_file(tmp_path: Path, way: str) -> None:
    """Written directly, as the control, the file is torn by at least one of the kills."""
    path = tmp_path / "file.bin"
    write_atomically(path, b"A" * 64 * 16384)
    dice = random.Random(0)
    torn = 0
    for _ in range(8):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(path), way], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(dice.uniform(0.005, 0.05))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        data = path.read_bytes()
        torn += len(data) != 64 * 16384 or len(set(data)) != 1
    assert torn == 0 if way == "atomically" else torn > 0
