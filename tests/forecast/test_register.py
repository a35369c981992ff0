"""The register: what was written stays provable, and whatever was changed is said, line by line."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayes_dsl.errors import FileRefused, InputError
from bayes_dsl.forecast import register
from bayes_dsl.forecast.register import append_forecast, read_register

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def record(median: float = 2.5) -> dict[str, Any]:
    told = {"median": median, "lower": median - 0.1, "upper": median + 0.1, "prob": 0.9, "kind": "eti"}
    return {
        "question": {"student_params": 1e9, "student_tokens": 2e10, "run": "läufer\u2028\n"},
        "forecast": {"expected": told | {"about": "expected"}, "next_run": told | {"about": "next_run"}},
        "posterior": {"file": "posterior.nc", "content_sha256": "ab" * 32, "health": []},
    }


def filled(path: Path, number: int = 4) -> tuple[dict[str, Any], ...]:
    for i in range(number):
        append_forecast(path, record(2.0 + i / 10), now=NOW + timedelta(days=i))
    return read_register(path)


def refusal_of(path: Path) -> FileRefused:
    with pytest.raises(FileRefused) as refusal:
        read_register(path)
    assert str(refusal.value).count("\n") == len(refusal.value.faults) - 1
    return refusal.value


def test_what_is_appended_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "register.jsonl"
    first = append_forecast(path, record(), now=NOW)
    second = append_forecast(path, record(2.2), now=NOW.astimezone(timezone(timedelta(hours=5))))
    assert read_register(path) == (first, second)
    assert first["registered_at"] == second["registered_at"] == "2026-11-23T12:00:00+00:00"
    assert (first["number"], second["number"]) == (1, 2)
    assert first["previous"] == "" and second["previous"] == first["sha256"]
    assert {name: first[name] for name in record()} == record()
    assert len(path.read_bytes().splitlines()) == 2
    assert all(json.loads(line) for line in path.read_bytes().split(b"\n")[:2])


def test_the_clock_is_used_by_default(tmp_path: Path) -> None:
    entry = append_forecast(tmp_path / "r", record())
    moment = datetime.fromisoformat(entry["registered_at"])
    assert abs(datetime.now(UTC) - moment) < timedelta(minutes=1)


def test_same_records_at_same_times_give_the_same_file(tmp_path: Path) -> None:
    filled(tmp_path / "a")
    filled(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=40, deadline=None)
@given(
    contents=st.lists(
        st.dictionaries(st.text(min_size=7, max_size=7), JSON, max_size=3), min_size=1, max_size=3
    )
)
def test_any_json_comes_back(
    contents: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("any") / "register.jsonl"
    surrogates = [content for content in contents if "\\ud" in json.dumps(content)]
    written = [append_forecast(path, content, now=NOW) for content in contents]
    assert list(read_register(path)) == written
    assert surrogates or all(
        content.items() <= entry.items() for content, entry in zip(contents, written, strict=True)
    )


def edit(path: Path, line: int, old: bytes, new: bytes) -> None:
    lines = path.read_bytes().split(b"\n")
    assert old in lines[line - 1]
    lines[line - 1] = lines[line - 1].replace(old, new, 1)
    path.write_bytes(b"\n".join(lines))


def test_an_edited_forecast_is_seen_in_its_line(tmp_path: Path) -> None:
    path = tmp_path / "register.jsonl"
    filled(path)
    edit(path, 2, b'"median": 2.1', b'"median": 2.3')
    (fault,) = refusal_of(path).faults
    assert fault.line == 2 and "not what was registered" in str(fault)


def test_a_changed_date_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "register.jsonl"
    filled(path)
    edit(path, 4, b"2026-11-26", b"2026-11-20")
    assert [fault.line for fault in refusal_of(path).faults] == [4]


def test_an_edit_with_a_new_checksum_breaks_the_chain_after_it(tmp_path: Path) -> None:
    path = tmp_path / "register.jsonl"
    filled(path)
    lines = path.read_bytes().split(b"\n")
    entry = json.loads(lines[1])
    entry["forecast"]["next_run"]["median"] = 2.3
    entry["sha256"] = register._checksum(entry)
    lines[1] = json.dumps(entry).encode()
    path.write_bytes(b"\n".join(lines))
    (fault,) = refusal_of(path).faults
    assert fault.line == 3 and "changed, moved or removed" in str(fault)


@pytest.mark.parametrize("order", [(0, 2, 3), (1, 2, 3), (0, 2, 1, 3), (0, 1, 1, 2, 3)])
def test_lines_removed_moved_or_repeated_are_seen(tmp_path: Path, order: tuple[int, ...]) -> None:
    path = tmp_path / "register.jsonl"
    filled(path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[i] for i in order))
    assert refusal_of(path).faults


def test_all_faults_are_listed_at_once_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "register.jsonl"
    filled(path, 6)
    edit(path, 1, b'"median": 2.0', b'"median": 2.3')
    edit(path, 3, b'"number"', b'"numbed"')
    edit(path, 5, b"{", b"[")
    edit(path, 6, b'"median": 2.5', b'"median": NaN')
    with path.open("ab") as file:
        file.write(b'{"number": 7')
    faults = refusal_of(path).faults
    assert [fault.line for fault in faults] == [1, 3, 5, 6, 7]
    assert str(faults[1]).startswith(f"{path} line 3: line = ")


def test_every_single_character_change_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "register.jsonl"
    filled(path, 2)
    data = path.read_bytes()
    good = read_register(path)
    dice = random.Random(0)
    seen = 0
    for _ in range(300):
        changed = bytearray(data)
        changed[dice.randrange(len(data))] ^= dice.randrange(1, 128)
        path.write_bytes(changed)
        try:
            assert read_register(path) == good
        except FileRefused:
            seen += 1
    assert seen > 280


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"\xff\n", b"[]\n", b"{}\n", b"1\n", b'{"a":1,"a":2}\n', b"[" * 9999]
)
def test_odd_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "register.jsonl"
    path.write_bytes(content)
    if not content:
        assert read_register(path) == ()
        return
    assert len(refusal_of(path).faults) == 1
    with pytest.raises(FileRefused):
        append_forecast(path, record(), now=NOW)
    assert path.read_bytes() == content


def test_a_torn_last_line_is_said_and_not_repaired(tmp_path: Path) -> None:
    path = tmp_path / "register.jsonl"
    filled(path, 3)
    whole = path.read_bytes()
    for cut in (1, 30, 200):
        path.write_bytes(whole[:-cut])
        with pytest.raises(FileRefused) as refusal:
            append_forecast(path, record(), now=NOW)
        assert "line 3" in str(refusal.value) and "Remove that line" in str(refusal.value)
        assert path.read_bytes() == whole[:-cut]
    path.write_bytes(b"".join(whole.splitlines(keepends=True)[:2]))
    assert append_forecast(path, record(), now=NOW)["number"] == 3


def test_what_cannot_be_registered(tmp_path: Path) -> None:
    path = tmp_path / "register.jsonl"
    for bad in (
        {"x": float("nan")},
        {"x": float("inf")},
        {"x": {1, 2}},
        {"number": 1},
        {"sha256": ""},
        {"x": object()},
    ):
        with pytest.raises(InputError) as refusal:
            append_forecast(path, bad, now=NOW)
        assert "\n" not in str(refusal.value)
    with pytest.raises(InputError, match="time zone"):
        append_forecast(path, record(), now=NOW.replace(tzinfo=None))
    assert not path.exists()


def test_places_that_are_no_register(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "missing" / "r", tmp_path / "pipe", Path("/dev/null"), Path("nul\0")):
        with pytest.raises(FileRefused) as refusal:
            append_forecast(path, record(), now=NOW)
        assert "\n" not in str(refusal.value)
    with pytest.raises(FileRefused, match="No such file"):
        read_register(tmp_path / "none")


def test_a_full_disk_takes_the_line_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "register.jsonl"
    filled(path, 2)
    before = path.read_bytes()
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        if len(data) < 400:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data[:300])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(FileRefused, match="disk is full"):
        append_forecast(path, record(), now=NOW)
    monkeypatch.undo()
    assert path.read_bytes() == before


def test_threads_and_processes_at_once_all_land(tmp_path: Path) -> None:
    path = tmp_path / "register.jsonl"
    threads = [
        threading.Thread(target=lambda: [append_forecast(path, record(), now=NOW) for _ in range(10)])
        for _ in range(4)
    ]
    program = (
        "import sys\nfrom pathlib import Path\nfrom bayes_dsl.forecast.register import append_forecast\n"
        "for i in range(20):\n    append_forecast(Path(sys.argv[1]), {'i': i})\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", program, str(path)]) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.wait() for process in processes] == [0, 0]
    assert len(read_register(path)) == 80


def test_a_writer_that_never_ends_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "register.jsonl"
    filled(path, 1)
    monkeypatch.setattr(register, "PATIENCE", 0.1)
    with register._locked(path), pytest.raises(FileRefused, match="another process"):
        append_forecast(path, record(), now=NOW)
    assert append_forecast(path, record(), now=NOW)["number"] == 2


def test_kill_9_loses_no_confirmed_line(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom bayes_dsl.forecast.register import append_forecast\n"
        "while True:\n    print(append_forecast(Path(sys.argv[1]), {'x': 'y' * 999})['sha256'], flush=True)\n"
    )
    path = tmp_path / "register.jsonl"
    dice = random.Random(0)
    for _ in range(4):
        process = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        confirmed = [process.stdout.readline()]
        time.sleep(dice.uniform(0, 0.1))
        process.send_signal(signal.SIGKILL)
        confirmed += [line for line in process.stdout if line.endswith(b"\n")]
        process.wait()
        process.stdout.close()
        data = path.read_bytes()
        path.write_bytes(data[: data.rfind(b"\n") + 1])
        registered = {entry["sha256"] for entry in read_register(path)}
        assert {line.decode().strip() for line in confirmed} <= registered


def test_it_opens_without_jax() -> None:
    program = (
        "import sys, bayes_dsl.forecast.register, bayes_dsl.forecast.scores; print('jax' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
