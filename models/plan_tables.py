"""What a plan may say: its tables, their keys, and one line for every key or value that is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from bayes_dsl.errors import Fault
from bayes_dsl.runs.quantities import number_of
from models.corpus.specs import CorpusSpec
from models.recipe import Recipe

_NUMBER = "must be a number of tokens, such as 500_000, 0.5e6 or '0.5M'"
_WHOLE = "must be a whole number of tokens above 0"


def _quantity(value: object) -> int:
    """Numbers of tokens may be written as in run tables: 0.5M."""
    number = number_of(value) if isinstance(value, str) else value
    if isinstance(number, bool) or not isinstance(number, int | float) or not abs(number) <= 1e18:
        raise ValueError(_NUMBER)
    if number < 1 or number != int(number):
        raise ValueError(_WHOLE)
    return int(number)


def _different(values: tuple[Any, ...]) -> tuple[Any, ...]:
    twice = [value for value, times in Counter(values).items() if times > 1]
    if twice:
        raise ValueError(f"{', '.join(map(str, twice))} stands there twice")
    return values


Text = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
"""A name that can stand in a run_id and in the name of a folder."""

Width = Annotated[int, Field(ge=8, le=16_384, multiple_of=8)]
Tokens = Annotated[int, BeforeValidator(_quantity)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Stage = Annotated[int, Field(ge=0, le=1000)]
Part = Literal["teacher", "student"]
Each = Field(strict=False, min_length=1)
Distinct = AfterValidator(_different)


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class NetworkTable(_Table):
    """What all networks of a plan share: the family of one depth, of which a block chooses widths."""

    layers: Annotated[int, Field(ge=1, le=1024)] = 2
    base_width: Annotated[int, Field(ge=1, le=16_384)] = 64
    """The width at which muP's multipliers are 1."""
    compute: Literal["float32", "bfloat16"] = "float32"


class DevicesTable(_Table):
    """Whether each step is spread over all devices that a worker sees; see `models.devices`."""

    layout: Literal["one", "data", "full"] = "one"
    """data: all devices hold the network. full: each holds a part of parameters and optimiser state."""


class Block(_Table):
    """What every block may say."""

    stage: Stage = 1
    """Lower stages are trained first."""
    epochs: Annotated[int, Field(ge=1, le=10_000)] = 1
    """How often a run may see a token of its part at most."""
    group: Text | None = None
    """The run table's group: rows that share an effect, beyond being seeds of one configuration."""
    data_seed: Seed | None = None
    """Order of the data; each run's own seed where it is left out."""
    recipe: dict[str, Any] = {}
    """What differs from the plan's [recipe]."""


class SupervisedBlock(Block):
    """Networks trained on text alone: every width with every number of tokens and every seed."""

    widths: Annotated[tuple[Width, ...], Each, Distinct]
    tokens: Annotated[tuple[Tokens, ...], Each, Distinct]
    seeds: Annotated[tuple[Seed, ...], Each, Distinct] = (0,)
    part: Part = "student"


class TeacherBlock(Block):
    """One network that others learn from; in the run table it is a supervised run."""

    name: Text | None = None
    """What students call it; its width, tokens and seed as `t-d48-1M-s0` where it is left out."""
    width: Width
    tokens: Tokens
    seed: Seed = 0
    part: Part = "teacher"


class StudentBlock(Block):
    """Distilled networks: every teacher with every width, number of tokens and seed."""

    teachers: Annotated[tuple[Text, ...], Each, Distinct]
    widths: Annotated[tuple[Width, ...], Each, Distinct]
    tokens: Annotated[tuple[Tokens, ...], Each, Distinct]
    seeds: Annotated[tuple[Seed, ...], Each, Distinct] = (0,)
    part: Part = "student"
    mixing: Annotated[float, Field(gt=0, le=1)] = 1.0
    """lambda: the share of the distillation loss; 1 is pure distillation."""
    temperature: Annotated[float, Field(gt=0, le=1000)] = 1.0
    """tau."""
    divergence: Literal["forward", "reverse"] = "forward"
    top_k: Annotated[int, Field(ge=1)] | None = None
    """Only the teacher's k likeliest tokens, renormalised; likewise `top_p`, by their probability."""
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None


class Head(_Table):
    """The keys of a plan that stand in no table."""

    name: Text


KINDS: Mapping[str, type[Block]] = {
    "supervised": SupervisedBlock,
    "teachers": TeacherBlock,
    "students": StudentBlock,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """A plan whose every table was checked by itself; `models.expansion` checks what they say together.

    Attributes
    ----------
    name
        What the plan calls itself.
    source
        The name of its file, without folders.
    text, sha256
        The file as it was read, and the hash of its bytes.
    recipe
        The common recipe; that of a block is `recipe_of(block)`.
    """

    name: str
    source: str
    text: str
    sha256: str
    corpus: CorpusSpec
    network: NetworkTable
    devices: DevicesTable
    recipe: Recipe
    supervised: tuple[tuple[str, SupervisedBlock], ...]
    teachers: tuple[tuple[str, TeacherBlock], ...]
    students: tuple[tuple[str, StudentBlock], ...]
    """Blocks, each after what error lines call it: `[[students]] 2`."""

    def recipe_of(self, block: Block) -> Recipe:
        """The plan's recipe with what the block changes."""
        return Recipe(**{**self.recipe.record(), **block.recipe})


def faults_of(error: ValidationError, where: str) -> Iterator[Fault]:
    """One fault for each breach that pydantic found in a table."""
    details = error.errors()
    inner = {detail["loc"][:-1] for detail in details}
    for detail in details:
        # A list whose items are refused counts as too short as well: that says nothing new.
        if not (detail["type"] == "too_short" and detail["loc"] in inner):
            yield _fault(detail, where)


_RULES = {
    "extra_forbidden": ("there is no such key here", "Remove it, or check its spelling"),
    "missing": ("this key has no default", "Write a value for it"),
    "tuple_type": ("must be a list", "Write [ and ] around it"),
    "too_short": ("must have at least one entry", "Write one, or remove the block"),
    "model_type": ("must be a table", "Write its keys below a line with its name"),
    "string_pattern_mismatch": (
        "must be letters, digits, '.', '_' or '-', the first a letter or digit",
        "Choose such a name",
    ),
}


def _fault(detail: ErrorDetails, where: str) -> Fault:
    # An item of a list is told by its value, which follows.
    what = ".".join(str(key) for key in detail["loc"] if not isinstance(key, int)) or "content"
    message = detail["msg"].removeprefix("Value error, ").replace("Input should", "must", 1)
    rule, remedy = _RULES.get(detail["type"], (message[:1].lower() + message[1:], "Choose another value"))
    value = "" if detail["type"] == "missing" else as_written(detail["input"])
    return Fault(where=where, what=what, value=value, rule=rule, remedy=remedy)


def as_written(value: object) -> str:
    """A value as an error line shows it."""
    text = value if isinstance(value, str) else repr(value)
    return text if text.isprintable() else ascii(text)
