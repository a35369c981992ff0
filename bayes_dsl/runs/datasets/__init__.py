"""Tables that ship with the package: `NAME.csv`, and `NAME.toml` that says where each comes from."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from bayes_dsl.errors import Fault, UnknownName

_FOLDER = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where a table comes from.

    Attributes
    ----------
    title
        One line for a caption; it says so where the runs are simulated.
    source
        Who or what made the runs, in enough words to make them again.
    licence
        Under which licence the table ships.
    sha256
        SHA-256 of the CSV file's bytes.
    """

    title: str
    source: str
    licence: str
    sha256: str


def names(folder: Path = _FOLDER) -> tuple[str, ...]:
    """Return the names of the tables, sorted."""
    return tuple(sorted(file.stem for file in folder.glob("*.csv")))


def path(name: str, folder: Path = _FOLDER) -> Path:
    """Return the CSV file of a table, for `RunTable.read`.

    Raises
    ------
    UnknownName
        When no table has this name; the remedy lists those that are there.
    """
    if name not in names(folder):
        raise UnknownName(
            Fault(
                where="datasets",
                what="name",
                value=name,
                rule="is no table that ships with the package",
                remedy=f"The tables are: {', '.join(names(folder)) or 'none'}",
            )
        )
    return folder / f"{name}.csv"


def provenance(name: str, folder: Path = _FOLDER) -> Provenance:
    """Return where a table comes from.

    Raises
    ------
    UnknownName
        When no table has this name.
    """
    text = path(name, folder).with_suffix(".toml").read_text(encoding="utf-8")
    return Provenance(**tomllib.loads(text))
