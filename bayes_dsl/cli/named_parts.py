"""Things as people write them in one option: `NAME: PART=VALUE, PART=VALUE`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bayes_dsl.errors import Fault, InputError
from bayes_dsl.runs.quantities import parse_quantity


@dataclass(frozen=True, kw_only=True)
class Grammar:
    """What an option takes: its parts with the words that the library has for them, and who needs which."""

    verb: str
    option: str
    what: str
    parts: Mapping[str, str]
    needed: tuple[str, ...]
    example: str

    def fault(self, value: str, rule: str, remedy: str | None = None) -> Fault:
        """One thing that is wrong with what was given to the option."""
        remedy = remedy or f"Write it like '{self.example}'"
        return Fault(where=self.verb, what=self.option, value=value, rule=rule, remedy=remedy)


def named[Made](
    texts: Sequence[str],
    grammar: Grammar,
    make: Callable[[str, dict[str, float]], Made],
    *,
    taken: Sequence[str],
) -> dict[str, Made]:
    """What `make(name, numbers)` makes of every text, by name, in the order given; every fault at once.

    Raises
    ------
    InputError
        A text without a name or with one that is `taken`, an unknown, repeated or missing part, a bad
        number, or what `make` refuses.
    """
    faults: list[Fault] = []
    made: dict[str, Made] = {}
    for text in texts:
        name, colon, parts = text.partition(":")
        name = name.strip()
        if not colon or not name:
            faults.append(grammar.fault(text, f"a {grammar.what} is NAME: PART=VALUE, ..."))
        elif name in made or name in taken:
            rule = f"a {grammar.what} of this name is there already"
            faults.append(grammar.fault(name, rule, "Give it another name"))
        else:
            try:
                made[name] = make(name, _numbers(name, parts, grammar))
            except InputError as error:
                faults.extend(error.faults)
    if faults:
        raise InputError(faults)
    return made


def _numbers(name: str, parts: str, grammar: Grammar) -> dict[str, float]:
    faults: list[Fault] = []
    given: dict[str, float] = {}
    for part in parts.split(","):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        word = grammar.parts.get(key)
        if not equals or word is None or word in given:
            known = ", ".join(grammar.parts)
            faults.append(grammar.fault(f"{name}: {part.strip()}", f"its parts are {known}, each once"))
            continue
        try:
            given[word] = parse_quantity(value, where=f"{grammar.option} {name}", what=key)
        except InputError as error:
            faults.extend(error.faults)
            given[word] = float("nan")
    for key in grammar.needed:
        if grammar.parts[key] not in given:
            faults.append(grammar.fault(f"{name}: {parts.strip()}", f"{key} is missing"))
    if faults:
        raise InputError(faults)
    return given
