"""Tables that ship with the package: `NAME.csv`, and `NAME.toml` that says where each comes from."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
    details
        Of runs that were really trained: the tables `plan`, `corpus`, `runs`, `made_by` and `plan_as_given` as
        `python -m models collect` writes them. Empty where the runs are simulated.
    """

    title: str
    source: str
    licence: str
    sha256: str
    details: Mapping[str, Any] = field(default_factory=dict)


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
    told = tomllib.loads(text)
    details = {key: value for key, value in told.items() if isinstance(value, dict)}
    return Provenance(**{key: told[key] for key in told if key not in details}, details=details)
