"""The commands that set things up do what the README and pyproject.toml say."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.source import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
LOCKS = [ROOT / "requirements.lock", ROOT / "benchmarks" / "requirements-rivals.lock"]


def pins(lock: Path) -> dict[str, str]:
    """Versions by name in a lock."""
    found = re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", lock.read_text(encoding="utf-8"), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


def unmet(requirements: list[str], pinned: dict[str, str]) -> list[str]:
    """The requirements that a lock lacks, or pins outside their bounds."""
    asked = [Requirement(text) for text in requirements]
    return [
        str(one)
        for one in asked
        if canonicalize_name(one.name) not in pinned
        or not one.specifier.contains(pinned[canonicalize_name(one.name)], prereleases=True)
    ]


def test_the_lock_answers_every_requirement() -> None:
    everything = [*PROJECT["dependencies"], *(text for texts in EXTRAS.values() for text in texts)]
    assert unmet(everything, pins(LOCKS[0])) == [], "run `make lock`"


def test_the_rivals_stand_beside_the_same_versions() -> None:
    ours, theirs = (pins(lock) for lock in LOCKS)
    assert unmet([*PROJECT["dependencies"], "pymc>=6", "nutpie>=0.16", "numba"], theirs) == []
    assert {name: theirs[name] for name in ours.keys() & theirs.keys()} == {
        name: ours[name] for name in ours.keys() & theirs.keys()
    }
    assert not ours.keys() & {"pymc", "nutpie", "torch"}


def test_an_unmet_requirement_is_found() -> None:
    assert unmet(["a>=2", "b", "c<3"], {"a": "1.0", "c": "2.9"}) == ["a>=2", "b"]


def test_the_lock_is_made_from_every_extra() -> None:
    text = (ROOT / ".ci" / "lock").read_text(encoding="utf-8")
    (named,) = re.findall(r"^for extra in ([\w ]+); do", text, re.MULTILINE)
    assert set(named.split()) == set(EXTRAS)


def test_the_lock_was_made_on_the_preferred_python() -> None:
    wanted = (ROOT / ".python-version").read_text(encoding="utf-8").strip()
    for lock in LOCKS:
        assert f"with Python {wanted}\n" in lock.read_text(encoding="utf-8")


def find_python(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs .ci/python where only the given folder and a few plain tools are on the path."""
    for tool in ("bash", "dirname", "tr"):
        (folder / tool).symlink_to(str(shutil.which(tool)))
    return subprocess.run(
        [str(folder / "bash"), str(ROOT / ".ci" / "python")],
        env={"PATH": str(folder), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def script(path: Path, text: str) -> None:
    path.write_text(f"#!{shutil.which('sh')}\n{text}\n")
    path.chmod(0o755)


def test_a_python_that_fails_is_passed_over(tmp_path: Path) -> None:
    script(tmp_path / "python3.12", "echo 'not installed' >&2; exit 127")
    script(tmp_path / "python3.13", "exit 0")
    script(tmp_path / "python3.14", f'exec "{sys.executable}" "$@"')
    done = find_python(tmp_path)
    assert done.returncode == 0
    assert done.stdout == f"{sys.executable}\n"
    assert done.stderr == ""


def test_a_named_python_comes_first(tmp_path: Path) -> None:
    for name in ("python3.12", "mine"):
        script(tmp_path / name, 'echo "$0"')
    assert find_python(tmp_path, PYTHON=str(tmp_path / "mine")).stdout == f"{tmp_path / 'mine'}\n"


def test_without_a_python_one_sentence_says_what_to_install(tmp_path: Path) -> None:
    script(tmp_path / "python3", "exit 1")
    done = find_python(tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith("No Python of version 3.12 or later") and "install Python 3.12" in sentence


@pytest.mark.parametrize("kind", ["python", "shell"])
def test_the_readme_has_an_example_that_can_be_run(kind: str) -> None:
    command = [sys.executable, str(ROOT / ".ci" / "readme.py"), kind]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if kind == "python":
        assert len(ast.parse(text).body) >= 3
    else:
        done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and "bayes-dsl forecast" in text


def test_the_readme_says_what_the_name_means_in_its_first_sentence() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8").split("\n\n")[1]
    assert "distillation scaling law" in text.partition(". ")[0].replace("\n", " ")


@pytest.mark.parametrize("name", ["python", "setup", "lock", "run"])
def test_a_script_is_sound_and_stops_at_the_first_failure(name: str) -> None:
    path = ROOT / ".ci" / name
    assert "\nset -euo pipefail\n" in path.read_text(encoding="utf-8")
    assert os.access(path, os.X_OK)
    assert subprocess.run(["bash", "-n", str(path)], check=False).returncode == 0


def test_ci_runs_every_test() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    chosen = re.findall(r"-m pytest .*-m (.+)$", makefile, re.MULTILINE)
    assert chosen == ['"not evidence"', "evidence"]
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "\nmake test\n" in script and "\nmake evidence\n" in script


def test_what_is_promised_about_the_wheel_stands() -> None:
    assert PROJECT["requires-python"] == ">=3.12"
    assert PROJECT["scripts"] == {"bayes-dsl": "bayes_dsl.cli.app:main"}
