"""Reading a plan: a TOML file that says which networks are trained on what, refused with all its faults at once."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bayes_dsl.errors import Fault, InputError
from bayes_dsl.files import read_bytes, sha256_of_bytes, shown
from models.corpus.specs import parse_spec
from models.plan_checks import cross_faults
from models.plan_tables import KINDS, Block, DevicesTable, Head, NetworkTable, Plan, as_written, faults_of
from models.recipe import Recipe

LARGEST_BYTES = 1024**2
"""Bytes of a plan that are read at most."""


def read_plan(path: Path) -> Plan:
    """Read a plan and check all of it.

    Raises
    ------
    FileRefused
        The file is missing, unreadable or larger than 1 MiB.
    InputError
        It is no TOML, or breaks a rule; every breach is one line.
    """
    path = Path(path)
    return parse_plan(read_bytes(path, LARGEST_BYTES), Path(shown(path)).name)


def parse_plan(data: bytes, source: str) -> Plan:
    """The plan that some bytes of TOML spell; `source` is what error lines call it. See `read_plan`."""
    text, content = _parsed(data, source)
    reading = _Reading(content, source)
    named = ("name", "corpus", "recipe", "network", "devices", *KINDS)
    reading.faults += [
        _unknown(source, key, value, named) for key, value in content.items() if key not in named
    ]
    head = reading.attempt(lambda: Head.model_validate({k: v for k, v in content.items() if k == "name"}))
    corpus = reading.attempt(lambda: parse_spec(reading.table("corpus"), where=f"{source}: [corpus]"))
    recipe = reading.attempt(lambda: _recipe(reading.table("recipe", {}), f"{source}: [recipe]"))
    network = reading.attempt(
        lambda: NetworkTable.model_validate(reading.table("network", {})), f"{source}: [network]"
    )
    devices = reading.attempt(
        lambda: DevicesTable.model_validate(reading.table("devices", {})), f"{source}: [devices]"
    )
    if not any(content.get(kind) for kind in KINDS):
        rule, remedy = "a plan trains at least one network", "Add a [[supervised]] block"
        reading.faults.append(Fault(where=source, what="blocks", value="none", rule=rule, remedy=remedy))
    blocks = {kind: reading.blocks(kind, model) for kind, model in KINDS.items()}
    # Where a table is bad, the usual one stands in for it, so that what is wrong elsewhere is told, too.
    plan = Plan(
        name=head.name if head else "plan",
        source=source,
        text=text,
        sha256=sha256_of_bytes(data),
        corpus=corpus or parse_spec({"kind": "markov"}),
        network=network or NetworkTable(),
        devices=devices or DevicesTable(),
        recipe=recipe or Recipe(),
        **blocks,
    )
    if corpus is not None and recipe is not None:
        reading.faults += plan.recipe.context_faults(plan.corpus.context, f"{source}: [recipe]")
    plan = reading.with_sound_recipes(plan, known_context=corpus is not None)
    reading.faults += cross_faults(
        plan,
        known_corpus=corpus is not None,
        known_batch=recipe is not None,
        other_teachers=reading.other_teachers,
    )
    if reading.faults:
        raise InputError(reading.faults)
    return plan


class _Reading:
    """One pass over a plan's content, which collects what is wrong with it."""

    def __init__(self, content: Mapping[str, Any], source: str) -> None:
        self.content = content
        self.source = source
        self.faults: list[Fault] = []
        self.other_teachers: set[str] = set()
        """Names of teachers whose blocks are refused; None of a name is taken for any."""

    def attempt[Made](self, make: Callable[[], Made], where: str | None = None) -> Made | None:
        """What is made, or None with its faults in the list."""
        try:
            return make()
        except ValidationError as error:
            self.faults += faults_of(error, where or self.source)
        except InputError as error:
            self.faults += error.faults
        return None

    def table(self, name: str, default: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        given = self.content.get(name, default)
        if isinstance(given, Mapping):
            return given
        rule = "a plan has this table" if given is None else "must be a table"
        value, remedy = (
            "" if given is None else as_written(given),
            f"Write a line [{name}] and its keys below",
        )
        raise InputError(Fault(where=self.source, what=name, value=value, rule=rule, remedy=remedy))

    def blocks(self, kind: str, model: type[Block]) -> tuple[tuple[str, Any], ...]:
        """The sound blocks of a kind, each after what error lines call it."""
        given = self.content.get(kind, [])
        if not isinstance(given, list):
            rule, remedy = "must be a list of tables", f"Write [[{kind}]], with two brackets"
            self.faults.append(
                Fault(where=self.source, what=kind, value=as_written(given), rule=rule, remedy=remedy)
            )
            return ()
        sound = []
        for number, table in enumerate(given, start=1):
            where = f"[[{kind}]] {number}"
            block = self._block(model, table, f"{self.source}: {where}")
            if block is not None:
                sound.append((where, block))
            elif kind == "teachers" and isinstance(table, Mapping):
                self.other_teachers.add(str(table.get("name")))
        return tuple(sound)

    def _block(self, model: type[Block], table: object, where: str) -> Block | None:
        block = self.attempt(lambda: model.model_validate(table), where)
        if block is None and isinstance(table, Mapping):
            known = {key: value for key, value in table.items() if key in model.model_fields}
            try:
                # Where only unknown keys are wrong, the rest still says what is to be trained.
                return model.model_validate(known)
            except ValidationError:
                return None
        return block

    def with_sound_recipes(self, plan: Plan, *, known_context: bool) -> Plan:
        """The plan, its blocks without those recipes of their own that are wrong."""
        sound: dict[str, Any] = {}
        for kind in KINDS:
            sound[kind] = tuple(
                (where, self._with_sound_recipe(plan, where, block, known_context))
                for where, block in getattr(plan, kind)
            )
        return replace(plan, **sound)

    def _with_sound_recipe(self, plan: Plan, where: str, block: Block, known_context: bool) -> Block:
        if not block.recipe:
            return block
        place = f"{plan.source}: {where} recipe"
        recipe = self.attempt(lambda: _recipe({**plan.recipe.record(), **block.recipe}, place))
        if recipe is None:
            return block.model_copy(update={"recipe": {}})
        if known_context and {"batch_tokens", "micro_tokens"} & set(block.recipe):
            self.faults += recipe.context_faults(plan.corpus.context, place)
        return block


def _parsed(data: bytes, source: str) -> tuple[str, dict[str, Any]]:
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
        return text, tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        rule, remedy = "the file could not be read as TOML", "Start from one of models/plans"
        raise InputError(
            Fault(where=source, what="content", value=as_written(reason), rule=rule, remedy=remedy)
        ) from error


def _unknown(where: str, key: str, value: object, known: tuple[str, ...]) -> Fault:
    rule, remedy = "there is no such key here", f"The keys are {', '.join(known)}"
    return Fault(where=where, what=as_written(key), value=as_written(value), rule=rule, remedy=remedy)


def _recipe(given: Mapping[str, Any], where: str) -> Recipe:
    """A recipe from a table; its faults are placed there."""
    known = tuple(field.name for field in fields(Recipe))
    faults = [_unknown(where, key, value, known) for key, value in given.items() if key not in known]
    recipe = Recipe()
    try:
        recipe = Recipe(**{key: value for key, value in given.items() if key in known})
    except InputError as error:
        faults += [replace(fault, where=where) for fault in error.faults]
    if faults:
        raise InputError(faults)
    return recipe
