"""From a plan's blocks to single runs with readable names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal

from models.config import Network, small
from models.plan_tables import Block, Part, Plan, StudentBlock
from models.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Distillation:
    """How a student learns from its teacher."""

    teacher_id: str
    mixing: float
    temperature: float
    divergence: Literal["forward", "reverse"]
    top_k: int | None
    top_p: float | None

    def label(self) -> str:
        """What differs from pure forward distillation at temperature 1, as the end of a name."""
        parts = [f"-mixing{self.mixing:g}"] if self.mixing != 1 else []
        parts += [f"-temperature{self.temperature:g}"] if self.temperature != 1 else []
        parts += ["-reverse"] if self.divergence == "reverse" else []
        parts += [f"-top_k{self.top_k}"] if self.top_k is not None else []
        parts += [f"-top_p{self.top_p:g}"] if self.top_p is not None else []
        return "".join(parts)


@dataclass(frozen=True, kw_only=True)
class PlannedRun:
    """One network that is to be trained.

    Attributes
    ----------
    run_id
        Readable, unique in the plan, and the same however the plan's blocks are ordered.
    block
        Where the plan asks for it: `[[students]] 2`.
    tokens
        As asked for; the run sees the whole steps in them.
    distillation
        None for a supervised run.
    keep
        Whether its parameters are kept, as those of a teacher are.
    trunk_id
        Of WSD runs that are one until their rates fall, the longest, which the others branch off.
    """

    run_id: str
    block: str
    width: int
    tokens: int
    seed: int
    data_seed: int
    part: Part
    recipe: Recipe
    stage: int
    epochs: int
    distillation: Distillation | None = None
    keep: bool = False
    group: str | None = None
    trunk_id: str | None = None

    @property
    def role(self) -> Literal["supervised", "distilled"]:
        """The run table's."""
        return "supervised" if self.distillation is None else "distilled"

    @property
    def steps(self) -> int:
        """Whole steps in its tokens."""
        return self.recipe.steps(self.tokens)

    def same_training(self) -> tuple[Any, ...]:
        """What is equal for two runs of which one is a copy of the other."""
        return (
            self.width,
            self.steps,
            self.seed,
            self.data_seed,
            self.part,
            self.recipe,
            self.distillation,
        )


def runs_of(plan: Plan) -> tuple[PlannedRun, ...]:
    """All runs of a plan, in the order of its blocks: supervised ones, teachers, students."""
    return (*_with_trunks([*_supervised(plan), *_teachers(plan)]), *_students(plan))


def network_of(plan: Plan, width: int) -> Network:
    """The network of a width in the plan's family."""
    table = plan.network
    assert plan.corpus.vocabulary is not None
    shape = small(width, vocabulary=plan.corpus.vocabulary, context=plan.corpus.context, layers=table.layers)
    return replace(shape, base_width=table.base_width, compute=table.compute)


def short(tokens: int) -> str:
    """A number of tokens as a name has it, exactly: 500000 is 0.5M, 1048576 is 1.048576M."""
    for limit, suffix in ((10**11, "B"), (10**5, "M")):
        if tokens >= limit:
            return f"{(Decimal(tokens) / (10**9 if suffix == 'B' else 10**6)).normalize():f}{suffix}"
    return str(tokens)


def teacher_name(name: str | None, width: int, tokens: int, seed: int) -> str:
    """What a teacher is called, in the table as well."""
    return name or f"t-d{width}-{short(tokens)}-s{seed}"


def _supervised(plan: Plan) -> Iterator[PlannedRun]:
    for where, block in plan.supervised:
        for tokens in block.tokens:
            for width in block.widths:
                for seed in block.seeds:
                    on = "-on-teacher-part" if block.part == "teacher" else ""
                    name = f"sup-d{width}-{short(tokens)}-s{seed}{_label(block, seed)}{on}"
                    yield _run(plan, where, block, name, width, tokens, seed, block.part)


def _teachers(plan: Plan) -> Iterator[PlannedRun]:
    for where, block in plan.teachers:
        name = teacher_name(block.name, block.width, block.tokens, block.seed)
        run = _run(plan, where, block, name, block.width, block.tokens, block.seed, block.part)
        yield replace(run, keep=True)


def _students(plan: Plan) -> Iterator[PlannedRun]:
    for where, block in plan.students:
        for teacher in block.teachers:
            how = _how(block, teacher)
            for tokens in block.tokens:
                for width in block.widths:
                    for seed in block.seeds:
                        end = f"{_label(block, seed)}{how.label()}-from-{teacher}"
                        name = f"d{width}-{short(tokens)}-s{seed}{end}"
                        run = _run(plan, where, block, name, width, tokens, seed, block.part)
                        yield replace(run, distillation=how)


def _how(block: StudentBlock, teacher: str) -> Distillation:
    return Distillation(
        teacher_id=teacher,
        mixing=block.mixing,
        temperature=block.temperature,
        divergence=block.divergence,
        top_k=block.top_k,
        top_p=block.top_p,
    )


def _run(
    plan: Plan, where: str, block: Block, name: str, width: int, tokens: int, seed: int, part: Part
) -> PlannedRun:
    recipe = plan.recipe_of(block)
    data_seed = seed if block.data_seed is None else block.data_seed
    return PlannedRun(
        run_id=name,
        block=where,
        width=width,
        tokens=tokens,
        seed=seed,
        data_seed=data_seed,
        part=part,
        recipe=recipe,
        stage=block.stage,
        epochs=block.epochs,
        group=block.group,
    )


def _with_trunks(runs: list[PlannedRun]) -> Iterator[PlannedRun]:
    """The runs, those that are one until their rates fall with the name of the longest, their trunk."""
    families: dict[tuple[Any, ...], list[PlannedRun]] = {}
    for run in runs:
        if run.recipe.schedule == "wsd" and run.recipe.warmup_steps is not None:
            families.setdefault(_until_it_falls(run), []).append(run)
    trunks = {key: max(family, key=lambda run: run.steps) for key, family in families.items()}
    for run in runs:
        trunk = trunks.get(_until_it_falls(run))
        # A branch leaves before its trunk's own rate falls; a run of nearly the trunk's length is none.
        if trunk is None or len(families[_until_it_falls(run)]) == 1 or not _leaves(run, trunk):
            yield run
        else:
            yield replace(run, trunk_id=trunk.run_id)


def _until_it_falls(run: PlannedRun) -> tuple[Any, ...]:
    return (run.width, run.seed, run.data_seed, run.part, replace(run.recipe, cooldown_share=1.0))


def _leaves(run: PlannedRun, trunk: PlannedRun) -> bool:
    if run is trunk:
        return True
    first, last = run.recipe.cooldown_start(run.steps), trunk.recipe.cooldown_start(trunk.steps)
    return run.stage >= trunk.stage and 0 < first <= last


def _label(block: Block, seed: int) -> str:
    order = f"-o{block.data_seed}" if block.data_seed not in (None, seed) else ""
    return order + _changes(block)


def _changes(block: Block) -> str:
    return "".join(f"-{key}{block.recipe[key]}" for key in sorted(block.recipe))
