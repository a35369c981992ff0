"""The cost model whose numbers lie beside a run table: `runs.cost.toml` for `runs.csv`."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bayes_dsl.costs.checks import as_written, key_faults
from bayes_dsl.costs.flops import PAPER, SIX_ND, CostModel, at_fixed_aspect_ratio, at_fixed_depth
from bayes_dsl.errors import Fault, InputError
from bayes_dsl.files import read_bytes, shown

LARGEST_BYTES = 64 * 1024
"""Bytes of a file of numbers that are read at most."""

_ENDING = ".cost.toml"
_SHAPES: Mapping[str, tuple[Callable[..., CostModel], tuple[str, ...], tuple[str, ...]]] = {
    "fixed_aspect_ratio": (at_fixed_aspect_ratio, ("context", "vocabulary"), ("aspect_ratio", "omega")),
    "fixed_depth": (at_fixed_depth, ("layers", "context", "vocabulary"), ("omega",)),
}
_FORMS = ("terms", *_SHAPES)
_KEYS = ("name", "counting", "remark", *_FORMS)
_EXAMPLE = "terms = [[2.0, 1.0], [1e5, 0.5]] for F(N) = 2 N + 1e5 N^0.5"


def beside(table: Path) -> Path | None:
    """Where the numbers beside a run table are, None where there are none.

    `runs.csv` and `runs.parquet` both have theirs in `runs.cost.toml` in the same folder.
    """
    path = Path(table)
    if not path.name:
        return None
    found = path.with_name(f"{path.stem}{_ENDING}")
    # A dangling link is found, so that reading it says so: passing it over would change the answer in silence.
    return found if found.exists() or found.is_symlink() else None


def read_cost_model(path: Path) -> CostModel:
    """The cost model that a TOML file writes down.

    Its keys: `name` ("table" if left out), `counting`, `remark`, and one of

    * `terms = [[coefficient, exponent], ...]`: F(N) = sum of coefficient * N ** exponent;
    * `[fixed_aspect_ratio]` with `context`, `vocabulary` and, if not 128 and 12, `aspect_ratio`, `omega`;
    * `[fixed_depth]` with `layers`, `context`, `vocabulary` and, if not 12, `omega`.

    Raises
    ------
    FileRefused
        The file is missing, larger than 64 KiB, or unreadable.
    InputError
        It is no TOML, has an unknown key, lacks a number or holds a bad one; every breach is listed.
    """
    where = shown(path)
    content = _parsed(read_bytes(path, LARGEST_BYTES), where)
    faults = list(key_faults(content, where=where, known=_KEYS))
    forms = [form for form in _FORMS if form in content]
    model = None
    if len(forms) == 1:
        model = _attempt(faults, where, lambda: _of_form(forms[0], content[forms[0]], where))
    else:
        rule = f"exactly one of {', '.join(_FORMS)} says what F(N) is"
        value = ", ".join(forms) or "none"
        faults.append(Fault(where=where, what="F(N)", value=value, rule=rule, remedy=f"Write {_EXAMPLE}"))
    # The name and the remark are checked even where the numbers are bad, so that all faults come at once.
    named = _attempt(faults, where, lambda: _named(model or SIX_ND, content))
    faults += _conflicts(content, forms, where)
    if faults or named is None:
        raise InputError(faults)
    return named


def _parsed(data: bytes, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        value = reason if reason.isprintable() else ascii(reason)
        rule = "the file could not be read as TOML"
        raise InputError(
            Fault(where=where, what="content", value=value, rule=rule, remedy=f"Write {_EXAMPLE}")
        ) from error


def _attempt(faults: list[Fault], where: str, make: Callable[[], CostModel]) -> CostModel | None:
    """What is made, or None and its faults in the list, placed in the file."""
    try:
        return make()
    except InputError as error:
        faults += [replace(fault, where=where) for fault in error.faults]
        return None


def _of_form(form: str, given: object, where: str) -> CostModel:
    if form == "terms":
        return CostModel.from_record({"name": "table", "terms": given})
    make, needed, optional = _SHAPES[form]
    if not isinstance(given, dict):
        rule, remedy = "must be a table of numbers", f"Write a line [{form}] and its numbers below"
        raise InputError(Fault(where=where, what=form, value=as_written(given), rule=rule, remedy=remedy))
    known = (*needed, *optional)
    faults = [
        *key_faults(given, where=where, known=known),
        *_missing(form, [key for key in needed if key not in given], where),
    ]
    # A missing number is told once; the one stands in for it while the others are checked.
    numbers = {**dict.fromkeys(needed, 1.0), **{key: given[key] for key in known if key in given}}
    model = _attempt(faults, where, lambda: make(**numbers))
    if faults or model is None:
        raise InputError(faults)
    return model


def _missing(form: str, keys: Iterable[str], where: str) -> list[Fault]:
    return [
        Fault(
            where=where,
            what=f"{form}.{key}",
            value="",
            rule="this number is missing",
            remedy="Take it from the networks' configuration",
        )
        for key in keys
    ]


def _named(model: CostModel, content: Mapping[str, Any]) -> CostModel:
    remark = content.get("remark", "")
    if model.remark and model is not SIX_ND and isinstance(remark, str):
        remark = "; ".join(part for part in (model.remark, remark) if part)
    counting = content.get("counting", model.counting)
    return replace(model, name=content.get("name", "table"), remark=remark, counting=counting)


def _conflicts(content: Mapping[str, Any], forms: list[str], where: str) -> list[Fault]:
    """What is well formed and yet says something else than it means."""
    faults = []
    name = content.get("name")
    if isinstance(name, str) and name.casefold() in (PAPER.name.casefold(), SIX_ND.name.casefold()):
        rule, remedy = "this name belongs to another cost model", "Leave it out, or give one of your own"
        faults.append(Fault(where=where, what="name", value=name, rule=rule, remedy=remedy))
    if content.get("counting") == "total" and set(forms) & set(_SHAPES):
        rule = f"{' and '.join(_SHAPES)} are made for params counted without embeddings"
        remedy = "Write terms for params counted as total"
        faults.append(Fault(where=where, what="counting", value="total", rule=rule, remedy=remedy))
    return faults
