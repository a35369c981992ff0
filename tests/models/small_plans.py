"""Plans of networks so small that a whole sweep takes seconds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from models.plan import parse_plan
from models.plan_tables import Plan

ROOT = Path(__file__).parents[2]

HEAD = """
name = "small"
[corpus]
kind = "markov"
vocabulary = 16
context = 16
teacher_tokens = 20_000
student_tokens = 20_000
document_tokens = 512
eval_tokens = 2048
[recipe]
batch_tokens = 64
"""

SMALL = (
    HEAD
    + """
[[supervised]]
widths = [16]
tokens = [6400, 12_800]
[[teachers]]
name = "T"
width = 16
tokens = 12_800
[[students]]
teachers = ["T"]
widths = [8, 16]
tokens = [6400]
"""
)
"""Five runs in four units, of 100 or 200 steps."""


def plan_of(text: str) -> Plan:
    """The plan that a text spells, in a file called plan.toml."""
    return parse_plan(text.encode(), "plan.toml")


def written(folder: Path, text: str = SMALL) -> Path:
    """The path of a file with the plan in it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "small.toml"
    path.write_text(text, encoding="utf-8")
    return path


def models(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run `python -m models` in a process of its own."""
    return subprocess.run(command(*arguments), cwd=ROOT, capture_output=True, text=True, check=False)


def started(*arguments: str | Path) -> subprocess.Popen[str]:
    """Start `python -m models` and come back at once."""
    return subprocess.Popen(
        command(*arguments), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def command(*arguments: str | Path) -> list[str]:
    """The command line."""
    return [sys.executable, "-m", "models", *map(str, arguments)]


def is_root() -> bool:
    """Whether this process may write where nobody else may."""
    return os.geteuid() == 0
