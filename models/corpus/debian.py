"""Real English from Debian's documentation packages: fetched by name, kept, and read without being unpacked on disk.

apt checks what it fetches against the signed index of the distribution. Members of a package are read one by
one from the stream of `dpkg-deb --fsys-tarfile`: no file is created from them, so that a path or a link in
a package can point nowhere, and nothing of it is executed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bayes_dsl.errors import Fault, FileRefused, InputError
from bayes_dsl.files import read_bytes, sha256_of_file, write_atomically
from models.corpus.readers import FILE_LIMIT, dictionary, documents_in, readable, refused

PACKAGE_LIMIT = 4 * 2**30
"""Bytes of one package, unpacked, that are read."""

_FETCH_SECONDS = 1800


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package that lies in the folder of packages; `request` is what the plan calls it."""

    request: str
    package: str
    version: str
    sha256: str
    file: str

    def as_provenance(self) -> dict[str, str]:
        """Version and checksum under the package's name."""
        return {f"package {self.package}": f"{self.version} sha256:{self.sha256}"}


def packages_at(requests: Sequence[str], folder: Path) -> tuple[Package, ...]:
    """The packages, fetched into `folder` where they do not lie there yet.

    Parameters
    ----------
    requests
        Names such as `anarchism`, `anarchism=15.3-3` or `linux-doc-*`, where `*` stands for digits and dots:
        the newest package with such a name is taken, and the same one again as long as it is kept.

    Raises
    ------
    InputError
        One line for every package that cannot be had.
    FileRefused
        A kept package was changed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found: list[Package] = []
    faults: list[Fault] = []
    for request in requests:
        try:
            found.append(_kept(request, folder) or _fetched(request, folder))
        except FileRefused:
            raise
        except InputError as error:
            faults += error.faults
    if faults:
        raise InputError(faults)
    return tuple(found)


def documents_of(package: Package, folder: Path) -> Iterator[str]:
    """The documents of a package, without lines of 20 letters and more that the package has shown before.

    Raises
    ------
    FileRefused
        The package is damaged, too large, or holds no text.
    """
    seen: set[str] = set()
    empty = True
    for text in _texts(package, folder):
        empty = False
        yield without_repeats(text, seen)
    if empty:
        raise refused(package.package, "text", "none", "a documentation package holds files that can be read")


def without_repeats(text: str, seen: set[str]) -> str:
    """The lines of a text but those of at least 20 letters that `seen` holds; they are added to it."""
    kept = []
    for line in text.split("\n"):
        bare = line.strip()
        if len(bare) >= 20:
            if bare in seen:
                continue
            seen.add(bare)
        kept.append(line)
    return "\n".join(kept)


@dataclass(frozen=True, kw_only=True)
class _Recipe:
    """Which files of a package are read: many ship the same text in several formats."""

    package: str
    keep: str
    drop: str = r"^$"


_RECIPES = (
    _Recipe(package=r"anarchism", keep=r"/markdown/"),
    _Recipe(
        package=r"linux-doc-[\d.]+",
        keep=r"/Documentation/",
        drop=r"/Documentation/(devicetree|translations)/",
    ),
    _Recipe(package=r"python3\.\d+-doc", keep=r"/_sources/"),
    _Recipe(package=r"vim-doc", keep=r"/html/", drop=r"/(tags|vimindex|index)\.html$"),
    _Recipe(package=r"perl-doc", keep=r"\.pod$"),
    _Recipe(package=r"wordnet-base", keep=r"/data\.[a-z]+$"),
    _Recipe(package=r".*", keep=r"^usr/share/"),
)


def _texts(package: Package, folder: Path) -> Iterator[str]:
    recipe = next(recipe for recipe in _RECIPES if re.fullmatch(recipe.package, package.package))
    dictionaries: dict[str, dict[str, bytes]] = {}
    for path, data in _members(package, folder):
        stem, dot, _ = path.partition(".dict.dz") if ".dict.dz" in path else path.rpartition(".index")
        if path.startswith("usr/share/dictd/") and dot:
            halves = dictionaries.setdefault(stem, {})
            halves[dot] = data
            if len(halves) == 2:
                yield from dictionary(halves[".dict.dz"], halves[".index"], f"{package.package}: {path}")
        elif readable(path) and re.search(recipe.keep, path) and not re.search(recipe.drop, path):
            yield from documents_in(f"{package.package}: {path}", data)


def _members(package: Package, folder: Path) -> Iterator[tuple[str, bytes]]:
    """Path and content of every file that may be text, in the order of the package."""
    tool = _tool("dpkg-deb", package.request)
    command = [tool, "--fsys-tarfile", str(folder / package.file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:  # noqa: S603
        assert process.stdout is not None
        try:
            with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
                for member in archive:
                    path = member.name.removeprefix("./")
                    if member.offset_data > PACKAGE_LIMIT:
                        rule = "a package is smaller"
                        raise refused(package.package, "unpacked size", f"over {PACKAGE_LIMIT:,} bytes", rule)
                    wanted = readable(path) or path.endswith((".dict.dz", ".index"))
                    if not member.isreg() or not wanted:
                        continue
                    if member.size > FILE_LIMIT:
                        raise refused(
                            path, "size in bytes", f"{member.size:,}", f"at most {FILE_LIMIT:,} are read"
                        )
                    content = archive.extractfile(member)
                    assert content is not None
                    yield path, content.read()
        except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
            if isinstance(error, FileRefused):
                raise
            raise refused(package.package, "package", "damaged", "a Debian package unpacks whole") from error
        finally:
            process.kill()


def _kept(request: str, folder: Path) -> Package | None:
    card = folder / f"{request}.json"
    if not card.exists():
        return None
    try:
        words = json.loads(read_bytes(card, limit=2**16))
        package = Package(**{key: str(value) for key, value in words.items()})
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise refused(str(card), "card", "unreadable", "it says which package lies beside it") from error
    if "/" in package.file or package.request != request:
        raise refused(str(card), "card", package.file, "it names a package in its own folder")
    if not (folder / package.file).exists():
        return None
    if sha256_of_file(folder / package.file) != package.sha256:
        raise refused(str(folder / package.file), "sha256", "another", "a kept package is the one fetched")
    return package


def _fetched(request: str, folder: Path) -> Package:
    name = _resolved(request)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetching-") as temporary:
        _run("apt-get", ["download", name], request, cwd=temporary)
        files = list(Path(temporary).glob("*.deb"))
        if len(files) != 1:
            raise _missing(request, "apt-get brought no package", "Fetch it by hand to see why")
        fields = _run("dpkg-deb", ["--show", "--showformat=${Package}\n${Version}", str(files[0])], request)
        package, version = fields.split("\n")[:2]
        target = folder / files[0].name
        os.replace(files[0], target)
    made = Package(
        request=request, package=package, version=version, sha256=sha256_of_file(target), file=target.name
    )
    write_atomically(folder / f"{request}.json", json.dumps(asdict(made), indent=2))
    return made


def _resolved(request: str) -> str:
    """The newest name that fits a request with `*`; any other request as it is."""
    if "*" not in request:
        return request
    pattern = re.compile(re.escape(request).replace(r"\*", r"[0-9.]+"))
    names = _run("apt-cache", ["pkgnames", request.partition("*")[0]], request).split()
    fitting = [name for name in names if pattern.fullmatch(name)]
    if not fitting:
        raise _missing(
            request, "apt knows no package with such a name", "Check its spelling, or run apt-get update"
        )
    return max(fitting, key=lambda name: ([int(number) for number in re.findall(r"\d+", name)], name))


def _run(tool: str, arguments: Sequence[str], request: str, *, cwd: str | None = None) -> str:
    command = [_tool(tool, request), *arguments]
    environment: Mapping[str, str] = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(  # noqa: S603
            command,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_FETCH_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        rule = f"{tool} was not done after {_FETCH_SECONDS} seconds"
        raise _missing(request, rule, "Check the network, then try again") from error
    if done.returncode:
        words = [line.removeprefix("E: ") for line in done.stderr.split("\n") if line.startswith("E: ")]
        said = "".join(letter for letter in (words or ["it failed"])[0] if letter.isprintable()).rstrip(".")
        raise _missing(
            request, f"{tool} says: {said}", "Check the name and the network, or run apt-get update"
        )
    return done.stdout


def _tool(name: str, request: str) -> str:
    path = shutil.which(name)
    if path is None:
        rule = f"it is fetched and read with {name}, which this machine lacks"
        raise _missing(request, rule, 'Run this on Debian or Ubuntu, or choose kind = "text" or "markov"')
    return path


def _missing(request: str, rule: str, remedy: str) -> InputError:
    return InputError(Fault(where="[corpus]", what="packages", value=request, rule=rule, remedy=remedy))
