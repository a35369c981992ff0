"""From a finished sweep to a table that ships: `python -m benchmarks.shipped_table SWEEP NAME --title TITLE`.

Writes `NAME.csv`, `NAME.cost.toml` and `NAME.toml` into `bayes_dsl/runs/datasets`; nothing is typed by hand.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from pathlib import Path

from bayes_dsl.files import write_atomically
from bayes_dsl.runs import datasets
from models.table import collect_into

LICENCE = "MIT, as the package"


def ship(sweep: Path, name: str, *, title: str, folder: Path, partial: bool = False) -> tuple[str, ...]:
    """Collect a sweep and put its table, costs and provenance into a folder; returns what is in it.

    Raises
    ------
    InputError
        Not all units of the sweep are done, unless `partial`.
    FileRefused
        There is no sweep, or the disk does not take the files.
    """
    with tempfile.TemporaryDirectory() as aside:
        table = Path(aside) / f"{name}.csv"
        told = collect_into(sweep, table, partial=partial)
        provenance = (Path(aside) / f"{name}.provenance.toml").read_text(encoding="utf-8")
        content = table.read_bytes()
        write_atomically(folder / f"{name}.csv", content)
        write_atomically(folder / f"{name}.cost.toml", table.with_suffix(".cost.toml").read_bytes())
    write_atomically(folder / f"{name}.toml", description(title, content, provenance))
    # The folder that `collect` wrote to is gone, and with it what it named.
    return (
        f"{name}.csv: {told[0].rpartition(': ')[2]}",
        *(line for line in told if line.startswith("note:")),
    )


def description(title: str, content: bytes, provenance: str) -> str:
    """The TOML beside a table that ships: four keys of every such table, then what the sweep recorded.

    Parameters
    ----------
    title
        One line for a caption.
    content
        The CSV file's bytes.
    provenance
        The text of `runs.provenance.toml`; its own title and command give way, its tables stay.
    """
    source = "python -m models sweep PLAN.toml, with the plan below; what it was trained on and by follows"
    tables = provenance[provenance.index("\n[") :]
    return "\n".join(
        (
            f"title = {json.dumps(title)}",
            f'source = "{source}"',
            f'licence = "{LICENCE}"',
            f'sha256 = "{hashlib.sha256(content).hexdigest()}"',
            tables,
        )
    )


def main() -> None:
    """Read the arguments, and ship."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sweep", type=Path)
    parser.add_argument("name")
    parser.add_argument("--title", required=True)
    parser.add_argument("--folder", type=Path, default=Path(datasets.__file__).parent)
    parser.add_argument("--partial", action="store_true", help="what is done so far, to try things on")
    args = parser.parse_args()
    for line in ship(args.sweep, args.name, title=args.title, folder=args.folder, partial=args.partial):
        print(line)


if __name__ == "__main__":
    main()
