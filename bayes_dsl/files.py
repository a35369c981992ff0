"""Atomic writing, checksums, and safe reading of single files."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from bayes_dsl.errors import Fault, FileRefused

READ_LIMIT = 2 * 1024**3
"""Bytes of a file that `read_bytes` takes into memory unless told otherwise."""

_BLOCK = 1024**2


def write_atomically(path: Path, write: Callable[[Path], None] | bytes | str) -> None:
    """Put a whole file at `path`, or leave what was there untouched.

    The content goes to a temporary file in the same folder, reaches the disk, and then takes the final
    name in one step; a crash at any moment leaves the old file or the new one. A process killed outright
    may leave a file called `.NAME.*.tmp.SUFFIX` behind, which nothing reads.

    Parameters
    ----------
    path
        The final name. Where it is a symbolic link, the file that it points to is replaced. The mode of
        an existing file is kept.
    write
        The content (text is written as UTF-8, newlines as they are), or a function that writes it to the
        path that it is given, which has the suffix of `path`.

    Raises
    ------
    FileRefused
        The folder or the disk does not take the file (any `OSError`, one sentence). Other exceptions of
        `write` pass through. In either case the temporary file is removed.
    """
    try:
        target = Path(os.path.realpath(path))
        mode = _mode_to_keep(target)
        temporary = _create_beside(target)
        try:
            _fill(temporary, write)
            if mode is not None:
                temporary.chmod(mode)
            _sync(temporary)
            os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        _sync(target.parent)
    except OSError as error:
        raise refused_by_system(path, "writing", error) from error


def sha256_of_bytes(data: bytes | bytearray | memoryview) -> str:
    """SHA-256 of some bytes, 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def sha256_of_file(path: Path) -> str:
    """SHA-256 of a file's bytes, 64 hexadecimal digits, read in blocks.

    Raises
    ------
    FileRefused
        The file is missing, not a regular file, or unreadable.
    """
    digest = hashlib.sha256()
    with open_regular(path) as file:
        try:
            while block := file.read(_BLOCK):
                digest.update(block)
        except OSError as error:
            raise refused_by_system(path, "reading", error) from error
    return digest.hexdigest()


def read_bytes(path: Path, limit: int = READ_LIMIT) -> bytes:
    """The bytes of a regular file of at most `limit` bytes.

    Raises
    ------
    FileRefused
        The file is missing, a folder, a pipe or a device, larger than `limit`, or unreadable.
    """
    with open_regular(path, limit) as file:
        try:
            data = file.read(limit + 1)
        except OSError as error:
            raise refused_by_system(path, "reading", error) from error
    if len(data) > limit:
        raise _too_large(path, len(data), limit)
    return data


def open_regular(path: Path, limit: int | None = None) -> BinaryIO:
    """Open a regular file of at most `limit` bytes for reading; the caller closes it.

    A pipe or a device is refused without waiting for it.

    Raises
    ------
    FileRefused
        As for `read_bytes`.
    """
    try:
        # Without O_NONBLOCK, opening a named pipe waits for its writer for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise refused_by_system(path, "reading", error) from error
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and (limit is None or status.st_size <= limit):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    if stat.S_ISREG(status.st_mode):
        assert limit is not None
        raise _too_large(path, status.st_size, limit)
    raise FileRefused(
        Fault(
            where=shown(path),
            what="kind of file",
            value=_kind(status.st_mode),
            rule="only a regular file is read",
            remedy="Name a file",
        )
    )


def shown(path: Path) -> str:
    """A path as an error line shows it: always on one line, whatever its name holds."""
    text = str(path)
    return text if text.isprintable() else ascii(text)


def refused_by_system(path: Path, what: str, error: OSError | ValueError) -> FileRefused:
    """One sentence for an error of the operating system, with a next step for the common ones."""
    number = error.errno if isinstance(error, OSError) else None
    reason = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
    outcome = "the file was not written and what was there before is intact"
    rule = outcome if what == "writing" else "the file could not be read"
    remedy = _REMEDIES.get(number or 0, "Check the path and the disk, then try again")
    return FileRefused(
        Fault(where=shown(path), what=what, value=" ".join(reason.split()), rule=rule, remedy=remedy)
    )


_REMEDIES = {
    errno.ENOENT: "Check the spelling, and create the folder first if it is missing",
    errno.ENOTDIR: "A part of the path is a file: name a folder there",
    errno.EISDIR: "This is a folder: name a file in it",
    errno.EACCES: "Choose a folder that you may write to, or a file that you may read",
    errno.EPERM: "Choose a folder that you may write to, or a file that you may read",
    errno.EROFS: "The disk is read-only: choose another folder",
    errno.ENOSPC: "The disk is full: free some space or choose another disk",
    errno.EDQUOT: "Your disk quota is used up: free some space or choose another disk",
    errno.ENAMETOOLONG: "Choose a shorter name",
    errno.EMFILE: "Too many files are open: close some and try again",
}


def _mode_to_keep(target: Path) -> int | None:
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    # Replacing a device such as /dev/null by a file would harm the whole machine.
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, f"this is a {_kind(mode)}, not a regular file")
    return stat.S_IMODE(mode)


def _create_beside(target: Path) -> Path:
    name = f".{target.stem[:40]}.{secrets.token_hex(8)}.tmp{target.suffix[:40]}"
    temporary = target.with_name(name)
    os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
    return temporary


def _fill(temporary: Path, write: Callable[[Path], None] | bytes | str) -> None:
    if isinstance(write, str):
        temporary.write_bytes(write.encode("utf-8"))
    elif isinstance(write, bytes):
        temporary.write_bytes(write)
    else:
        write(temporary)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFDIR: "folder",
        stat.S_IFIFO: "pipe",
        stat.S_IFSOCK: "socket",
        stat.S_IFCHR: "device",
        stat.S_IFBLK: "device",
    }
    return kinds.get(stat.S_IFMT(mode), "special file")


def _too_large(path: Path, size: int, limit: int) -> FileRefused:
    return FileRefused(
        Fault(
            where=shown(path),
            what="size in bytes",
            value=f"{size:,}",
            rule=f"at most {limit:,} bytes are read",
            remedy="Check that this is the file you meant, or keep fewer rows or draws in it",
        )
    )
