"""Forecasts written down before the outcome, each dated and chained to the last so that a change shows."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import stat
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from bayes_dsl.errors import Fault, FileRefused, InputError
from bayes_dsl.files import read_bytes, refused_by_system, shown

LIMIT = 256 * 1024**2
"""Bytes of a register that is read."""

PATIENCE = 10.0
"""Seconds that a writer waits for another one to finish."""

_OWN = ("number", "registered_at", "previous", "sha256")


def append_forecast(path: Path, record: Mapping[str, Any], now: datetime | None = None) -> dict[str, Any]:
    """Append a forecast to a register (JSON, one line each; made if missing) and return the entry.

    The entry is the record with `number` (from 1), `registered_at` (UTC), `previous` (the checksum of the
    entry before, empty for the first) and `sha256` of all of that as canonical JSON. So an entry cannot be
    edited, moved or taken out of the middle without a break in the chain. Whoever can write the file can
    still cut off its end or make the whole chain anew: keep a `sha256` elsewhere (a commit, a message) to
    show that a forecast stood on its date.

    Two writers at once both land, one after the other. The line has reached the disk when this returns; a
    write that fails is taken back.

    Parameters
    ----------
    path
        The register.
    record
        What is forecast, as JSON types; the four names above are not free.
    now
        The time to note, with its time zone; the clock's by default.

    Raises
    ------
    FileRefused
        The register is damaged (nothing is repaired silently), busy, or cannot be written.
    InputError
        The record is not JSON (NaN and infinity are not), or `now` lacks a time zone.
    """
    content = _plain_json(path, record)
    moment = datetime.now(UTC) if now is None else now
    if moment.tzinfo is None:
        fault = _fault(path, "now", moment.isoformat(), "a time has a time zone", "Pass a time in UTC")
        raise InputError(fault)
    with _locked(path) as descriptor:
        entries = read_register(path)
        entry: dict[str, Any] = {
            "number": len(entries) + 1,
            "registered_at": moment.astimezone(UTC).isoformat(timespec="seconds"),
            **content,
            "previous": entries[-1]["sha256"] if entries else "",
        }
        entry["sha256"] = _checksum(entry)
        _append(descriptor, path, json.dumps(entry, allow_nan=False).encode() + b"\n")
    return entry


def read_register(path: Path) -> tuple[dict[str, Any], ...]:
    """All entries of a register, in order, their chain verified.

    Raises
    ------
    FileRefused
        The file is missing or unreadable, or entries are damaged or were changed: all of them are listed,
        each with its line.
    """
    data = read_bytes(path, LIMIT)
    faults: list[Fault] = []
    entries: list[dict[str, Any]] = []
    previous = ""
    *lines, rest = data.split(b"\n")
    for number, line in enumerate(lines, start=1):
        entry = _parse(path, number, line, faults)
        if entry is None:
            previous = "?"
            continue
        _verify(path, number, entry, previous, faults)
        previous = str(entry["sha256"])
        entries.append(entry)
    if rest:
        rule = "the line does not end, so its writing was cut off"
        remedy = "Remove that line (it was never confirmed) and register the forecast again"
        faults.append(_fault(path, "last line", _text(rest), rule, remedy, len(lines) + 1))
    if faults:
        raise FileRefused(faults)
    return tuple(entries)


def _parse(path: Path, number: int, line: bytes, faults: list[Fault]) -> dict[str, Any] | None:
    remedy = "Restore the register from a copy"
    try:
        entry = json.loads(line.decode("utf-8"), parse_constant=_no_constant, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        faults.append(
            _fault(path, "line", _text(line), f"a line is one JSON object ({reason})", remedy, number)
        )
        return None
    missing = [name for name in _OWN if name not in entry] if isinstance(entry, dict) else list(_OWN)
    if missing:
        rule = f"an entry has {', '.join(_OWN)}, and {', '.join(missing)} is missing"
        faults.append(_fault(path, "line", _text(line), rule, remedy, number))
        return None
    found: dict[str, Any] = entry
    return found


def _verify(path: Path, number: int, entry: dict[str, Any], previous: str, faults: list[Fault]) -> None:
    remedy = "Restore the register from a copy; a changed forecast counts for nothing"
    if entry["sha256"] != _checksum(entry):
        rule = "the entry is not what was registered"
        faults.append(_fault(path, "sha256", str(entry["sha256"]), rule, remedy, number))
    # After a line that cannot be read nothing is known of the chain, and one fault is enough.
    if previous != "?" and entry["previous"] != previous:
        rule = f"the entry before it has {previous or 'no'} checksum: an entry was changed, moved or removed"
        value = str(entry["previous"]) or "(empty)"
        faults.append(_fault(path, "previous", value, rule, remedy, number))
    elif entry["number"] != number:
        rule = f"entries are numbered from 1 and this is the one in line {number}"
        faults.append(_fault(path, "number", str(entry["number"]), rule, remedy, number))


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[int]:
    try:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK
        descriptor = os.open(path, flags, 0o666)
    except (OSError, ValueError) as error:
        raise refused_by_system(path, "writing", error) from error
    try:
        _wait_for_lock(descriptor, path)
        yield descriptor
    finally:
        os.close(descriptor)


def _wait_for_lock(descriptor: int, path: Path) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                rule = f"another process has been writing to it for more than {PATIENCE:g} s"
                remedy = "Wait until it has finished, or end it, then try again"
                raise FileRefused(_fault(path, "register", "locked", rule, remedy)) from None
            time.sleep(0.01)
        except OSError as error:
            raise refused_by_system(path, "writing", error) from error
        else:
            return


def _append(descriptor: int, path: Path, line: bytes) -> None:
    status = os.fstat(descriptor)
    assert stat.S_ISREG(status.st_mode)  # read_register has refused everything else
    try:
        try:
            _write_all(descriptor, line)
            os.fsync(descriptor)
        except BaseException:
            os.ftruncate(descriptor, status.st_size)
            raise
        _sync_folder(path)
    except OSError as error:
        raise refused_by_system(path, "writing", error) from error


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path.resolve().parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _plain_json(path: Path, record: Mapping[str, Any]) -> dict[str, Any]:
    taken = [name for name in _OWN if name in record]
    if taken:
        rule = f"{', '.join(_OWN)} are the register's own"
        raise InputError(_fault(path, "record", ", ".join(taken), rule, "Rename them"))
    try:
        plain: dict[str, Any] = json.loads(json.dumps(dict(record), allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        rule = "a registered forecast holds text, finite numbers, lists and objects only"
        raise InputError(_fault(path, "record", reason, rule, "Turn it into JSON types")) from error
    return plain


def _checksum(entry: Mapping[str, Any]) -> str:
    content = {name: value for name, value in entry.items() if name != "sha256"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _text(line: bytes) -> str:
    text = line[:100].decode("utf-8", "backslashreplace")
    return (text if text.isprintable() else ascii(text)) or "(empty)"


def _fault(path: Path, what: str, value: str, rule: str, remedy: str, line: int | None = None) -> Fault:
    where = shown(path) if line is None else f"{shown(path)} line {line}"
    return Fault(where=where, what=what, value=value, rule=rule, remedy=remedy, line=line)
