"""The ledger of measured figures: one line of JSON each, with where, when and on what it was measured."""

import argparse
import datetime
import importlib.metadata
import json
import math
import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

ROOT = Path(__file__).parents[1]
LEDGER = ROOT / "benchmarks" / "ledger.jsonl"
README = ROOT / "README.md"
ALWAYS = ("jax", "numpyro", "arviz", "numpy", "scipy")
# Read when a benchmark imports this file, which is before it loads the machine itself.
LOAD_AT_START = os.getloadavg()[0]

type Scalar = Annotated[bool | int | float | str, AfterValidator(lambda value: _checked(value))]


def _checked(value: bool | int | float | str) -> bool | int | float | str:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(
            "is not finite; leave a figure out, and say so in the note, where it was not measured"
        )
    return value


class Row(BaseModel):
    """One measurement.

    `figures` are what was measured, each name ending in its unit where it has one (`wall_s`, `draws_per_s`);
    `settings` are what was chosen (seeds, sizes); `target` is what was asked, in words, and `met` whether
    the figures reach it, None where nothing was asked.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, str_strip_whitespace=True)

    benchmark: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    claim: Annotated[str, Field(min_length=10, max_length=200)]
    figures: Annotated[dict[str, Scalar | list[Scalar]], Field(min_length=1)]
    target: str | None = None
    met: bool | None = None
    settings: dict[str, Scalar | list[Scalar]] = {}
    note: str = ""
    date: Annotated[AwareDatetime, Field(strict=False)]
    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
    dirty: bool
    versions: Annotated[dict[str, str], Field(min_length=2)]
    machine: Annotated[str, Field(min_length=5)]


def append(
    row: Mapping[str, Any],
    *,
    rivals: Sequence[str] = (),
    elsewhere: Mapping[str, str] | None = None,
    path: Path = LEDGER,
) -> Row:
    """Add one measurement to the ledger, with date, commit, versions and machine filled in.

    Parameters
    ----------
    row : mapping
        `benchmark`, `claim` and `figures`; as needed `target`, `met`, `settings`, `note` (see `Row`).
    rivals : sequence of str
        Distributions whose versions matter beside ours, for instance ``("pymc", "nutpie")``.
    elsewhere : mapping, optional
        Of figures that another machine measured: its `device`, and the versions of what it computed with.
    path : Path
        The ledger.

    Raises
    ------
    pydantic.ValidationError
        Where the row breaks the schema; nothing is written then.
    """
    told = dict(elsewhere) if elsewhere is not None else None
    device = told.pop("device") if told is not None else None
    commit = _git("rev-parse", "HEAD")
    # A figure that was appended a moment ago does not make the measured code another.
    changed = _git("status", "--porcelain", "--", ".", f":(exclude){LEDGER.relative_to(ROOT)}")
    whole = Row.model_validate(
        {
            **row,
            "date": datetime.datetime.now(datetime.UTC).replace(microsecond=0),
            "commit": commit,
            "dirty": bool(changed),
            "versions": versions(rivals) if told is None else told,
            "machine": machine() if device is None else device,
        }
    )
    line = json.dumps(whole.model_dump(mode="json"), ensure_ascii=False, allow_nan=False) + "\n"
    with path.open("a", encoding="utf-8") as file:
        file.write(line)
    return whole


def read(path: Path = LEDGER) -> list[Row]:
    """Every row of the ledger, oldest first; a line that breaks the schema is refused by its number."""
    if not path.is_file():
        return []
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            rows.append(Row.model_validate_json(line))
        except ValidationError as wrong:
            raise ValueError(f"{path.name}:{number}: {wrong}") from wrong
    return rows


def latest(rows: Sequence[Row]) -> list[Row]:
    """The newest row of each benchmark, in the order in which the benchmarks first appear."""
    return list({row.benchmark: row for row in rows}.values())


SUMMED_UP = "summed up from the record, nothing was sampled"
"""Note of a row whose figures are older than its date."""

MOST_TOLD = 6


def table(rows: Sequence[Row]) -> str:
    """Rows as a Markdown table for people."""
    lines = ["| what | asked | measured | on |", "|---|---|---|---|"]
    for row in rows:
        measured = "<br>".join(f"{name} {_shown(row.figures[name])}" for name in _told(row))
        asked = row.target or "–"
        if row.met is not None:
            asked += ": met" if row.met else ": **not met**"
        where = f"{row.date:%Y-%m-%d}, {row.commit[:7]}{' with changes' if row.dirty else ''}; {row.machine}"
        claim = f"{row.claim} ({row.note})" if row.note else row.claim
        lines.append(" ".join(["|", " | ".join(_cell(x) for x in (claim, asked, measured, where)), "|"]))
    return "\n".join(lines)


def _told(row: Row) -> list[str]:
    """The figures that a table tells: the ratios where there are any, otherwise the first few."""
    ratios = [name for name in row.figures if name.startswith("ratio")]
    return ratios or list(row.figures)[:MOST_TOLD]


def with_figures(readme: str, rows: Sequence[Row]) -> str:
    """The README's text with the newest figures between its two markers."""
    fence = re.compile(r"(<!-- figures: .*? -->\n).*?(<!-- end of figures -->)", re.DOTALL)
    if len(fence.findall(readme)) != 1:
        raise ValueError("README.md lacks its two markers of the figures, or holds them twice")
    return fence.sub(lambda marks: f"{marks[1]}{table(latest(rows))}\n{marks[2]}", readme)


def versions(rivals: Sequence[str] = ()) -> dict[str, str]:
    """Versions of Python, of what the package computes with, and of the rivals named."""
    found = {"python": platform.python_version()}
    for name in (*ALWAYS, *rivals):
        found[name] = importlib.metadata.version(name)
    return found


def machine() -> str:
    """The machine in words: cores that this process may use, the processor, the load when it started."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores} cores of {_processor()}, load {LOAD_AT_START:.1f} at the start"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = re.findall(r"^model name\s*:\s*(.+)$", info.read_text(), re.MULTILINE) if info.is_file() else []
    return " ".join(names[0].split()) if names else platform.processor() or platform.machine()


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _shown(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
        case list():
            return ", ".join(_shown(one) for one in value)
        case _:
            return str(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the ledger as a table, or write its newest figures into the README."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ledger", description=__doc__)
    parser.add_argument("--latest", action="store_true", help="only the newest row of each benchmark")
    parser.add_argument("--readme", action="store_true", help="write the newest figures into README.md")
    chosen = parser.parse_args(arguments)
    rows = read()
    if chosen.readme:
        README.write_text(with_figures(README.read_text(encoding="utf-8"), rows), encoding="utf-8")
    else:
        print(table(latest(rows) if chosen.latest else rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
