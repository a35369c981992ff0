"""What the blocks of a plan say together that cannot be: missing teachers, repeated tokens, copies of runs."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from bayes_dsl.errors import Fault, InputError
from models.corpus.base import window_count
from models.corpus.specs import MarkovSpec
from models.expansion import PlannedRun, runs_of, teacher_name
from models.plan_tables import Part, Plan

MOST_RUNS = 20_000
"""Runs of one plan at most."""

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,89}")


def unique_tokens(plan: Plan) -> Mapping[Part, int] | None:
    """Tokens of each part that can be targets, where the plan says so; None where only the corpus knows."""
    corpus = plan.corpus
    if not isinstance(corpus, MarkovSpec):
        return None
    context = corpus.context
    return {
        "teacher": window_count(corpus.teacher_tokens, context) * context,
        "student": window_count(corpus.student_tokens, context) * context,
    }


def cross_faults(
    plan: Plan,
    *,
    known_corpus: bool = True,
    known_batch: bool = True,
    other_teachers: Collection[str] = (),
) -> Iterator[Fault]:
    """What is wrong with the blocks together.

    Parameters
    ----------
    known_corpus, known_batch
        Whether the plan's corpus, and its recipe, are the file's and not stand-ins for refused ones.
    other_teachers
        Names of teachers that are in the file though their blocks are refused; "None" is of any name.
    """
    many = _size(plan)
    if many > MOST_RUNS:
        rule, remedy = f"a plan has at most {MOST_RUNS}", "Shorten the lists, or write several plans"
        yield Fault(where=plan.source, what="runs", value=str(many), rule=rule, remedy=remedy)
        return
    yield from _part_faults(plan)
    yield from _teacher_faults(plan, other_teachers)
    yield from _truncation_faults(plan, known_corpus)
    runs = runs_of(plan)
    if known_batch:
        yield from _short_faults(plan, runs)
    if known_corpus and (unique := unique_tokens(plan)) is not None:
        yield from repeat_faults(plan.source, runs, unique)
    yield from _double_faults(plan, runs)


def _size(plan: Plan) -> int:
    supervised = sum(len(b.widths) * len(b.tokens) * len(b.seeds) for _, b in plan.supervised)
    students = sum(len(b.teachers) * len(b.widths) * len(b.tokens) * len(b.seeds) for _, b in plan.students)
    return supervised + len(plan.teachers) + students


def _part_faults(plan: Plan) -> Iterator[Fault]:
    sides: tuple[tuple[Iterable[tuple[str, Any]], Part, str, str], ...] = (
        (plan.teachers, "teacher", "student", "what a student reads must be new to its teacher"),
        (plan.students, "student", "teacher", "a student reads what its teacher has not seen"),
    )
    for blocks, right, wrong, rule in sides:
        for where, block in blocks:
            if block.part == wrong:
                remedy = f'Write part = "{right}", or leave the key out'
                yield Fault(
                    where=f"{plan.source}: {where}", what="part", value=wrong, rule=rule, remedy=remedy
                )


def _teacher_faults(plan: Plan, others: Collection[str]) -> Iterator[Fault]:
    names = [teacher_name(b.name, b.width, b.tokens, b.seed) for _, b in plan.teachers]
    if "None" in others:
        return
    there = ", ".join([*dict.fromkeys(names), *sorted(others)])
    rule = f"the teachers of this plan are {there}" if there else "this plan has no teachers"
    for where, block in plan.students:
        for name in block.teachers:
            if name not in names and name not in others:
                remedy = "Name one of them, or add a [[teachers]] block"
                yield Fault(
                    where=f"{plan.source}: {where}", what="teacher", value=name, rule=rule, remedy=remedy
                )


def _truncation_faults(plan: Plan, known_corpus: bool) -> Iterator[Fault]:
    vocabulary = plan.corpus.vocabulary or 0
    for where, block in plan.students:
        where = f"{plan.source}: {where}"
        if known_corpus and block.top_k is not None and block.top_k > vocabulary:
            rule, remedy = f"the vocabulary has {vocabulary} tokens", "Choose fewer, or leave the key out"
            yield Fault(where=where, what="top_k", value=str(block.top_k), rule=rule, remedy=remedy)
        if block.divergence == "reverse" and not block.top_k is block.top_p is None:
            rule = "the reverse divergence from a truncated teacher is infinite"
            remedy = "Leave top_k and top_p out, or take the forward one"
            yield Fault(where=where, what="divergence", value="reverse", rule=rule, remedy=remedy)


def _short_faults(plan: Plan, runs: Iterable[PlannedRun]) -> Iterator[Fault]:
    told = set()
    for run in runs:
        if run.steps < 1 and (run.block, run.tokens) not in told:
            told.add((run.block, run.tokens))
            rule = f"one step takes batch_tokens = {run.recipe.batch_tokens}"
            yield Fault(
                where=f"{plan.source}: {run.block}",
                what="tokens",
                value=str(run.tokens),
                rule=rule,
                remedy="Choose more tokens; a run of fewer than about 500 steps says little",
            )


def repeat_faults(source: str, runs: Iterable[PlannedRun], unique: Mapping[Part, int]) -> Iterator[Fault]:
    """Runs that would see tokens more often than their block's `epochs` says."""
    told = set()
    for run in runs:
        seen = run.steps * run.recipe.batch_tokens
        if seen > run.epochs * unique[run.part] and (run.block, run.tokens) not in told:
            told.add((run.block, run.tokens))
            needed = -(-seen // max(1, unique[run.part]))
            rule = f"the {run.part}'s part of the corpus has {unique[run.part]} tokens"
            times = "" if run.epochs == 1 else f", and epochs = {run.epochs} allows that many times as much"
            yield Fault(
                where=f"{source}: {run.block}",
                what="tokens",
                value=str(run.tokens),
                rule=rule + times,
                remedy=f"Enlarge the corpus, or write epochs = {needed} to repeat it",
            )


def _double_faults(plan: Plan, runs: Iterable[PlannedRun]) -> Iterator[Fault]:
    trained: dict[tuple[Any, ...], PlannedRun] = {}
    named: dict[str, PlannedRun] = {}
    for run in runs:
        copy = trained.setdefault(run.same_training(), run)
        # Folders are named after runs, and some disks do not tell capitals apart.
        namesake = named.setdefault(run.run_id.lower(), run)
        if not _RUN_ID.fullmatch(run.run_id):
            rule = "it names files: at most 90 letters, digits and '._+-'"
            remedy = "Shorten the teacher's name or the block's own recipe"
        elif copy is not run:
            rule = f"{copy.block} has the same training in {copy.run_id}"
            remedy = "Remove one of them, or give it another seed"
        elif namesake is not run:
            rule, remedy = f"{namesake.block} has a run of this name", "Choose another name or other settings"
        else:
            continue
        yield Fault(
            where=f"{plan.source}: {run.block}", what="run", value=run.run_id, rule=rule, remedy=remedy
        )


def require_unique(plan: Plan, unique: Mapping[Part, int]) -> None:
    """Refuse a plan that repeats tokens of its corpus without saying so, now that the corpus is there.

    Raises
    ------
    InputError
        One line for each number of tokens of a block that is too large.
    """
    faults = tuple(repeat_faults(plan.source, runs_of(plan), unique))
    if faults:
        raise InputError(faults)
