"""Checks a built wheel and sdist: python .ci/wheel.py FOLDER prints what is wrong and exits 1, or nothing."""

import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
IN_SDIST = (
    "LICENSE",
    "Makefile",
    "README.md",
    "requirements.lock",
    ".ci/run",
    ".python-version",
    "tests",
    "benchmarks",
)


def problems(folder: Path) -> list[str]:
    """What the wheel holds beside the package or lacks of it, and what the sdist lacks."""
    (wheel,) = folder.glob("*.whl")
    (sdist,) = folder.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as opened:
        inside = set(opened.namelist())
    with tarfile.open(sdist) as opened_sdist:
        source = {name.partition("/")[2] for name in opened_sdist.getnames()}
    wanted = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "bayes_dsl").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    own = f"bayes_dsl-{version}.dist-info/"
    found = [f"the wheel lacks {name}" for name in sorted(wanted - inside)]
    found += [f"the wheel also holds {name}" for name in sorted(inside - wanted) if not name.startswith(own)]
    for name in IN_SDIST:
        if not any(one == name or one.startswith(f"{name}/") for one in source):
            found.append(f"the sdist lacks {name}")
    return found


if __name__ == "__main__":
    wrong = problems(Path(sys.argv[1]))
    print("\n".join(wrong))
    sys.exit(bool(wrong))
