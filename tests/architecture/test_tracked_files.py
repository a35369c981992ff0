"""What is committed runs anywhere: no address of an index, no path of one machine, nothing huge."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.architecture.source import ROOT

INDEX_ADDRESS = re.compile(
    r"(?:--?(?:extra-)?index-url\b|--find-links\b|--trusted-host\b|-f\s+(?:https?|file):)"
    r"|(?:pypi|pythonhosted|anaconda|pytorch)\.(?:python\.)?org/(?:simple|packages|whl)"
    r"|\b(?:artifactory|nexus|devpi)\b[^\s]*/simple",
    re.IGNORECASE,
)
MACHINE_PATH = re.compile(
    r"(?<![\w.$}/-])/(?:home|Users|root|work|mnt|data|scratch|opt|srv)/[\w.-]+|\b[A-Z]:\\Users\\|file:///\w"
)
ALLOWED = re.compile(r"--no-emit-(?:index-url|find-links|trusted-host)")
LARGEST_BYTES = 2_000_000
PIN = re.compile(r"[A-Za-z0-9_.-]+==\S+(?: ;[^#]*)?\s.*--hash=sha256:[0-9a-f]{64}")


def tracked() -> list[Path]:
    """The files that git holds, as they lie now."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout")
    done = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    paths = [ROOT / name.decode() for name in done.stdout.split(b"\0") if name]
    return [path for path in paths if path.is_file()]


def slips(text: str) -> list[str]:
    """Addresses of indexes and paths of one machine in a text, each with its line number."""
    found = []
    for number, line in enumerate(text.splitlines(), start=1):
        rest = ALLOWED.sub("", line)
        found += [
            f"{number}: {hit.group()}" for p in (INDEX_ADDRESS, MACHINE_PATH) for hit in p.finditer(rest)
        ]
    return found


def test_no_tracked_file_names_a_machine_or_an_index() -> None:
    found = {}
    for path in tracked():
        data = path.read_bytes()
        if b"\0" in data or path == Path(__file__):
            continue
        if here := slips(data.decode("utf-8", errors="replace")):
            found[path.relative_to(ROOT).as_posix()] = here
    assert found == {}


def test_no_tracked_file_is_huge() -> None:
    assert [path.name for path in tracked() if path.stat().st_size > LARGEST_BYTES] == []


def test_the_locks_are_exact_and_hashed() -> None:
    for lock in (ROOT / "requirements.lock", ROOT / "benchmarks" / "requirements-rivals.lock"):
        text = lock.read_text(encoding="utf-8").replace("\\\n", " ")
        entries = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
        assert len(entries) > 30
        assert [entry for entry in entries if not PIN.match(entry)] == []


@pytest.mark.parametrize(
    "text",
    [
        "--index-url https://example.org/simple",
        "--extra-index-url x",
        "--find-links /wheels",
        "https://pypi.org/simple/jax",
        "https://files.pythonhosted.org/packages/a.whl",
        "open('/home/somebody/runs.csv')",
        "cd /root/project",
        "file:///wheels",
    ],
)
def test_each_slip_is_found(text: str) -> None:
    assert slips(text)


@pytest.mark.parametrize(
    "text",
    [
        "pip-compile --no-emit-index-url --no-emit-find-links",
        "#!/usr/bin/env bash",
        "name one with PYTHON=/path/to/python",
        "import a/work/b",
        "https://arxiv.org/abs/2502.08606",
        "../shared/data/real/x.csv",
    ],
)
def test_what_runs_anywhere_passes(text: str) -> None:
    assert slips(text) == []
