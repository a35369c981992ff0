"""Packages by name: fetched once and kept, read without touching the disk, hostile ones refused."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import tarfile
from pathlib import Path

import pytest

from bayes_dsl.errors import FileRefused, InputError
from models.corpus import debian, load, parse_spec
from models.corpus.debian import documents_of, packages_at, without_repeats

pytestmark = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="Debian's tools are not here")


def archive_of(members: list[tarfile.TarInfo | tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                entry = tarfile.TarInfo(member[0])
                entry.size = len(member[1])
                archive.addfile(entry, io.BytesIO(member[1]))
    return buffer.getvalue()


def deb_of(name: str, data: bytes, version: str = "1.0-1") -> bytes:
    """A Debian package, byte by byte."""
    control = f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: n <n@n>\nDescription: d\n"
    parts = [
        ("debian-binary", b"2.0\n"),
        ("control.tar.gz", archive_of([("./control", control.encode())])),
        ("data.tar.gz", data),
    ]
    whole = b"!<arch>\n"
    for part, content in parts:
        whole += f"{part:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode()
        whole += content + b"\n" * (len(content) % 2)
    return whole


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages with an `apt-get` and an `apt-cache` of its own that know nothing else."""
    folder, tools = tmp_path / "mirror", tmp_path / "tools"
    folder.mkdir()
    tools.mkdir()
    get = f"""#!/bin/sh
[ "$1" = download ] || exit 9
for file in {folder}/"$2"_*.deb; do
  [ -e "$file" ] || {{ echo "E: Unable to locate package $2" >&2; exit 100; }}
  cp "$file" . && echo "$2" >> {folder}/log
done
"""
    cache = f"#!/bin/sh\ncd {folder} && ls | sed -n 's/_.*deb$//p' | grep \"^$2\"\n"
    for name, text in {"apt-get": get, "apt-cache": cache}.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    return folder


def put(mirror: Path, name: str, members: list[tarfile.TarInfo | tuple[str, bytes]]) -> None:
    (mirror / f"{name}_1.0-1_all.deb").write_bytes(deb_of(name, archive_of(members)))


def texts(name: str, folder: Path) -> list[str]:
    (package,) = packages_at([name], folder)
    return list(documents_of(package, folder))


def test_documents_of_a_package_by_their_formats(mirror: Path, tmp_path: Path) -> None:
    members = [
        ("./usr/share/doc/some-doc/a.md", b"# A"),
        ("./usr/share/doc/some-doc/b.html", b"<p>B</p>"),
        ("./usr/share/doc/some-doc/c.rst.gz", gzip.compress(b"C")),
        ("./usr/share/doc/some-doc/copyright", b"not read"),
        ("./usr/lib/d.txt", b"not read"),
        ("./usr/share/dictd/e.dict.dz", gzip.compress(b"entry one\nentry two\n")),
        ("./usr/share/dictd/e.index", b"one\tA\tK\ntwo\tK\tK\n"),
    ]
    put(mirror, "some-doc", members)
    found = [text.strip() for text in texts("some-doc", tmp_path / "kept")]
    assert found == ["# A", "B", "C", "entry one", "entry two"]


def test_known_packages_are_read_in_one_format_only(mirror: Path, tmp_path: Path) -> None:
    root = "./usr/share/doc/linux-doc-6.1/"
    members = [
        (f"{root}Documentation/a.rst.gz", gzip.compress(b"kernel")),
        (f"{root}Documentation/translations/zh_CN/a.rst.gz", gzip.compress(b"not English")),
        (f"{root}Documentation/devicetree/bindings/a.txt.gz", gzip.compress(b"tables")),
        (f"{root}html/a.html", b"kernel again"),
    ]
    put(mirror, "linux-doc-6.1", members)
    assert texts("linux-doc-6.1", tmp_path / "kept") == ["kernel"]
    put(
        mirror,
        "anarchism",
        [("./usr/share/doc/anarchism/html/a.html", b"x"), ("./usr/share/doc/anarchism/markdown/a.md", b"y")],
    )
    assert texts("anarchism", tmp_path / "kept") == ["y"]


def test_a_star_finds_the_newest_version_by_number(mirror: Path, tmp_path: Path) -> None:
    for name in ("python3.9-doc", "python3.11-doc", "python3-sphinx-doc", "python3.11-docutils"):
        put(mirror, name, [(f"./usr/share/doc/{name}/_sources/a.rst.txt", name.encode())])
    (package,) = packages_at(["python3.*-doc"], tmp_path / "kept")
    assert (package.package, package.version, package.request) == ("python3.11-doc", "1.0-1", "python3.*-doc")
    # The same one again, though a newer one has come.
    put(mirror, "python3.13-doc", [("./usr/share/doc/a.txt", b"")])
    assert packages_at(["python3.*-doc"], tmp_path / "kept")[0].package == "python3.11-doc"


def test_a_kept_package_needs_no_network_and_no_apt(
    mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(mirror, "some-doc", [("./usr/share/doc/a.txt", b"a")])
    first = packages_at(["some-doc"], tmp_path / "kept")
    only_dpkg = tmp_path / "only"
    only_dpkg.mkdir()
    (only_dpkg / "dpkg-deb").symlink_to(str(shutil.which("dpkg-deb")))
    (only_dpkg / "tar").symlink_to(str(shutil.which("tar")))
    monkeypatch.setenv("PATH", str(only_dpkg))
    assert packages_at(["some-doc"], tmp_path / "kept") == first and texts("some-doc", tmp_path / "kept") == [
        "a"
    ]
    with pytest.raises(InputError, match="apt-get, which this machine lacks"):
        packages_at(["other-doc"], tmp_path / "kept")
    assert (mirror / "log").read_text() == "some-doc\n"


def test_every_package_that_cannot_be_had_has_its_line(mirror: Path, tmp_path: Path) -> None:
    put(mirror, "some-doc", [("./usr/share/doc/a.txt", b"a")])
    with pytest.raises(InputError) as refusal:
        packages_at(["no-doc", "some-doc", "linux-doc-*"], tmp_path / "kept")
    assert [fault.value for fault in refusal.value.faults] == ["no-doc", "linux-doc-*"]
    assert "Unable to locate package no-doc" in str(refusal.value)


def test_a_kept_package_that_was_changed_is_refused(mirror: Path, tmp_path: Path) -> None:
    put(mirror, "some-doc", [("./usr/share/doc/a.txt", b"a")])
    (package,) = packages_at(["some-doc"], tmp_path)
    (tmp_path / package.file).write_bytes(b"another")
    with pytest.raises(FileRefused, match="sha256"):
        packages_at(["some-doc"], tmp_path)
    (tmp_path / package.file).unlink()
    assert packages_at(["some-doc"], tmp_path) == (package,)
    card = tmp_path / "some-doc.json"
    for text in ["", "[]", "{}", json.dumps({**json.loads(card.read_text()), "file": "../../x.deb"})]:
        card.write_text(text)
        with pytest.raises(FileRefused, match="card"):
            packages_at(["some-doc"], tmp_path)


def hostile() -> list[tarfile.TarInfo | tuple[str, bytes]]:
    link = tarfile.TarInfo("./usr/share/doc/link.txt")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    hard = tarfile.TarInfo("./usr/share/doc/hard.txt")
    hard.type, hard.linkname = tarfile.LNKTYPE, "../../../../etc/passwd"
    device = tarfile.TarInfo("./usr/share/doc/device.txt")
    device.type = tarfile.CHRTYPE
    pipe = tarfile.TarInfo("./usr/share/doc/pipe.txt")
    pipe.type = tarfile.FIFOTYPE
    outside = [
        ("../../../../outside.txt", b"out"),
        ("/outside.txt", b"out"),
        ("usr/share/../../../outside.txt", b"in"),
    ]
    return [link, hard, device, pipe, *outside, ("./usr/share/doc/a.txt", b"fine")]


def test_a_hostile_package_writes_nothing_and_its_links_lead_nowhere(mirror: Path, tmp_path: Path) -> None:
    put(mirror, "hostile-doc", hostile())
    folder = tmp_path / "kept"
    before = {path for path in tmp_path.rglob("*") if folder not in path.parents and path.name != "log"}
    assert texts("hostile-doc", folder) == ["in", "fine"]
    after = {path for path in tmp_path.rglob("*") if folder not in path.parents and path.name != "log"}
    assert after - before == {folder}
    assert {path.name for path in folder.iterdir()} == {"hostile-doc.json", "hostile-doc_1.0-1_all.deb"}


def test_sizes_are_bounded(mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(mirror, "big-doc", [("./usr/share/doc/a.txt", b"a" * 5000), ("./usr/share/doc/b.txt", b"b" * 50)])
    monkeypatch.setattr(debian, "FILE_LIMIT", 4000)
    with pytest.raises(FileRefused, match="size in bytes = 5,000"):
        texts("big-doc", tmp_path)
    monkeypatch.setattr(debian, "FILE_LIMIT", 6000)
    monkeypatch.setattr(debian, "PACKAGE_LIMIT", 2000)
    with pytest.raises(FileRefused, match="unpacked size"):
        texts("big-doc", tmp_path)


@pytest.mark.parametrize("harm", ["cut", "garbage", "empty"])
def test_a_damaged_package_is_one_sentence(mirror: Path, tmp_path: Path, harm: str) -> None:
    noise = bytes(range(256)) * 4000
    data = archive_of([("./usr/share/doc/a.bin", noise), ("./usr/share/doc/a.txt", noise)])
    broken = {"cut": data[: len(data) // 2], "garbage": b"\x00" * 300, "empty": archive_of([])}[harm]
    (mirror / "bad-doc_1.0-1_all.deb").write_bytes(deb_of("bad-doc", broken))
    with pytest.raises(FileRefused) as refusal:
        texts("bad-doc", tmp_path)
    assert "\n" not in str(refusal.value) and "bad-doc" in str(refusal.value)


def test_a_reader_that_stops_early_leaves_no_process_waiting(mirror: Path, tmp_path: Path) -> None:
    put(mirror, "long-doc", [(f"./usr/share/doc/{n}.txt", os.urandom(100_000)) for n in range(40)])
    (package,) = packages_at(["long-doc"], tmp_path)
    reading = documents_of(package, tmp_path)
    next(reading)
    reading.close()


def test_long_lines_are_said_once_in_a_package() -> None:
    seen: set[str] = set()
    text = "short\nthis is a line of a menu\nshort\n  this is a line of a menu"
    assert without_repeats(text, seen) == "short\nthis is a line of a menu\nshort"
    assert (
        without_repeats("short\nthis is a line of a menu\nthis one is new to the set", seen)
        == "short\nthis one is new to the set"
    )


def test_a_corpus_records_versions_and_checksums(mirror: Path, tmp_path: Path) -> None:
    members = [(f"./usr/share/doc/{n}.txt", f"document {n} says {n * n}\n".encode() * 3) for n in range(200)]
    put(mirror, "some-doc", members)
    table = {
        "kind": "debian",
        "packages": ["some-doc"],
        "vocabulary": 280,
        "context": 16,
        "shares": {"eval": 0.2},
    }
    corpus = load(parse_spec(table), tmp_path / "kept")
    (package,) = packages_at(["some-doc"], tmp_path / "kept" / "packages")
    assert corpus.provenance["package some-doc"] == f"1.0-1 sha256:{package.sha256}"
    assert corpus.vocabulary == 280 and corpus.tokenizer_id.startswith("bpe280-")
    assert corpus.bytes_per_token is not None and corpus.bytes_per_token > 1
    again = load(parse_spec(table), tmp_path / "kept")
    assert again.sha256 == corpus.sha256 and (mirror / "log").read_text() == "some-doc\n"
