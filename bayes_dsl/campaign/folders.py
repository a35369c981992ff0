"""What lies in a unit's folder, and whether it can be trusted.

`units/NAME/` holds `unit.json` (whose work this is, by its key), `result.json`, or `failure.json` and
`log.txt`, `took.json` (how long it took), and whatever the work keeps there. Every record is sealed:
it carries the SHA-256 of its own content and is written in one spelling, so that no changed byte passes.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bayes_dsl.campaign.units import canonical
from bayes_dsl.errors import Fault, FileRefused, InputError
from bayes_dsl.files import read_bytes, refused_by_system, sha256_of_bytes, shown, write_atomically

RESULT, MARKER, FAILURE, TOOK, LOG = "result.json", "unit.json", "failure.json", "took.json", "log.txt"
REPLACED = ".replaced"
_FORMAT = 1
_PATIENCE = 600.0


class Damaged(ValueError):
    """A record's bytes are not those that were written."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a unit's folder holds, for one key.

    `stale` is a sentence where the folder belongs to another key or is damaged, and must be moved aside;
    None otherwise. `core_seconds` and `wall_seconds` are None where they were not measured.
    """

    state: Literal["none", "done", "failed"] = "none"
    stale: str | None = None
    sentence: str = ""
    core_seconds: float | None = None
    wall_seconds: float | None = None


def folder_of(root: Path, name: str) -> Path:
    """A unit's own folder."""
    return root / "units" / name


def sealed(content: Mapping[str, Any]) -> bytes:
    """A record's bytes: its content with the checksum of that content. Raises ValueError for no JSON."""
    # Through JSON and back first: keys that are numbers become text, and sort as text.
    plain = json.loads(canonical(dict(content)))
    document = {"sha256": sha256_of_bytes(canonical(plain).encode()), "content": plain}
    return (json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


def unsealed(data: bytes) -> dict[str, Any]:
    """The content of a record; raises `Damaged` where one byte is not as it was written."""
    try:
        content = json.loads(data)["content"]
        if isinstance(content, dict) and sealed(content) == data:
            return content
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise Damaged


def write_record(path: Path, content: Mapping[str, Any]) -> None:
    """Write a sealed record in one step."""
    write_atomically(path, sealed({"format": _FORMAT, **content}))


def read_record(path: Path) -> dict[str, Any] | None:
    """The content of a record, None where there is none; raises `Damaged` and `FileRefused`."""
    try:
        return unsealed(read_bytes(path))
    except FileRefused as error:
        if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
            return None
        raise


def look(root: Path, name: str, key: str) -> Found:
    """Tell whether a unit is done, failed or neither; changes nothing."""
    folder = folder_of(root, name)
    try:
        result, marker = read_record(folder / RESULT), read_record(folder / MARKER)
    except Damaged:
        which = f"{shown(folder)} is damaged (a checksum does not fit)"
        return Found(
            stale=f"unit {name}: {which}; the unit is made again and the old folder goes to {REPLACED}"
        )
    if result is not None and result.get("key") == key:
        took = _gently(folder / TOOK, key)
        return Found(
            state="done", core_seconds=took.get("core_seconds"), wall_seconds=took.get("wall_seconds")
        )
    told = result or marker
    if told is not None and told.get("key") != key:
        what = "what it was made from has changed (work, payload, settings or needs)"
        return Found(stale=f"unit {name}: {what}; it is made again and the old folder goes to {REPLACED}")
    if told is None and _holds_files(folder):
        what = "its folder holds files that no unit of this campaign left"
        return Found(stale=f"unit {name}: {what}; it is made anew and the old folder goes to {REPLACED}")
    failure = _gently(folder / FAILURE, key)
    return Found(state="failed", sentence=str(failure["sentence"])) if failure else Found()


def read_result(root: Path, name: str, key: str) -> dict[str, Any] | None:
    """The result of a unit that is done for this key; None where it is not."""
    try:
        record = read_record(folder_of(root, name) / RESULT)
    except Damaged:
        return None
    if record is None or record.get("key") != key:
        return None
    result: dict[str, Any] = record["result"]
    return result


def write_result(root: Path, name: str, key: str, result: dict[str, Any], took: Mapping[str, float]) -> None:
    """Record that a unit is done, in one step."""
    folder = folder_of(root, name)
    write_record(folder / TOOK, {"key": key, **took})
    write_record(folder / RESULT, {"unit": name, "key": key, "result": result})


def write_failure(root: Path, name: str, key: str, sentence: str) -> None:
    """Record that a unit failed, so that it is not tried again unasked."""
    write_record(prepare(root, name, key) / FAILURE, {"unit": name, "key": key, "sentence": sentence})


def prepare(root: Path, name: str, key: str) -> Path:
    """A unit's folder, ready for the work: what belongs to another key is moved aside, an old failure forgotten."""
    folder = folder_of(root, name)
    with _told(folder):
        if look(root, name, key).stale is not None:
            aside = root / "units" / REPLACED
            aside.mkdir(parents=True, exist_ok=True)
            number = 1
            while (aside / f"{name}.{number}").exists():
                number += 1
            folder.rename(aside / f"{name}.{number}")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FAILURE).unlink(missing_ok=True)
    if not (folder / MARKER).exists():
        write_record(folder / MARKER, {"unit": name, "key": key})
    return folder


@contextlib.contextmanager
def alone_in_campaign(root: Path) -> Iterator[None]:
    """Hold the campaign's folder: a second run in it is refused. The kernel lets go when the process ends.

    Raises
    ------
    InputError
        Another run works in this folder, or the folder cannot be written.
    """
    with _told(root):
        (root / "units").mkdir(parents=True, exist_ok=True)
        (root / "locks").mkdir(exist_ok=True)
    with _opened(root / "campaign.lock") as descriptor:
        if not _lock(descriptor, fcntl.LOCK_EX):
            who = os.pread(descriptor, 200, 0).decode(errors="replace").strip()
            raise InputError(
                Fault(
                    where=shown(root),
                    what="folder of a campaign",
                    value=f"held by {who}" if who.isprintable() and who else "held",
                    rule="another run works in this folder, and one at a time may",
                    remedy="Wait until it ends or stop it; what it has finished will be kept",
                )
            )
        with _told(root / "campaign.lock"):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
        yield


@contextlib.contextmanager
def alone_in_unit(root: Path, name: str, patience: float = _PATIENCE) -> Iterator[bool]:
    """Hold a unit's folder, waiting for a process that still works there; False where that takes too long."""
    with _opened(root / "locks" / name) as descriptor:
        end = time.monotonic() + patience
        while not (held := _lock(descriptor, fcntl.LOCK_EX)) and time.monotonic() < end:
            time.sleep(0.02)
        yield held


def is_worked_on(root: Path, name: str) -> bool:
    """Whether a process holds a unit's folder at this moment."""
    try:
        descriptor = os.open(root / "locks" / name, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _lock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    with _told(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holds_files(folder: Path) -> bool:
    """Whether somebody left files here; a write that was cut short leaves names with a dot in front."""
    try:
        return any(not path.name.startswith(".") for path in folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return False


def _gently(path: Path, key: str) -> dict[str, Any]:
    """A record that may be lost without harm."""
    try:
        record = read_record(path)
    except (Damaged, FileRefused):
        return {}
    return record if record is not None and record.get("key") == key else {}


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise refused_by_system(path, "writing", error) from error
