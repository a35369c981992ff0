"""What a plan's [corpus] table may say, and one line for everything in it that is wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails

from bayes_dsl.errors import Fault, InputError

Context = Annotated[int, Field(ge=2, le=65_536)]
Count = Annotated[int, Field(ge=1, le=2**36)]
Strength = Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)]
Share = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[^\x00-\x1f\x7f]+$")]

RECOMMENDED_PACKAGES = (
    "anarchism",
    "dict-gcide",
    "linux-doc-*",
    "python3.*-doc",
    "perl-doc",
    "vim-doc",
    "wordnet-base",
    "postgresql-doc-*",
    "sqlite3-doc",
)
"""About 120 MB of technical English and dictionary prose."""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _Common(_Table):
    context: Context = 64
    """T."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Of everything random in the source, and of the split into parts."""
    eval_tokens: Count = 2**18
    """Target tokens of evaluation, at most; the default makes the error of a difference of losses small."""


class MarkovSpec(_Common):
    """The synthetic language (`models.corpus.markov`)."""

    kind: Literal["markov"]
    vocabulary: Annotated[int, Field(ge=2, le=256)] = 128
    strengths: tuple[Strength, Strength, Strength] = Field((1.2, 0.8, 1.0), strict=False)
    teacher_tokens: Count = 2**24
    student_tokens: Count = 2**24
    document_tokens: Annotated[int, Field(ge=2, le=2**24)] = 2**14
    """Documents are independent, so that the first two tokens of one cannot be foreseen: keep them long."""

    @field_validator("teacher_tokens", "student_tokens")
    @classmethod
    def _holds_a_window(cls, tokens: int, info: ValidationInfo) -> int:
        context = info.data.get("context", 0)
        if tokens <= context:
            raise ValueError(f"a part holds at least one window of context + 1 = {context + 1} tokens")
        return tokens


class Shares(_Table):
    """Weights of the three parts; only their ratios count."""

    teacher: Share = 0.48
    student: Share = 0.48
    eval: Share = 0.04


class _TextSpec(_Common):
    context: Context = 128
    tokenizer: Literal["bpe", "bytes"] = "bpe"
    vocabulary: int | None = Field(None, validate_default=True)
    """V: 512 for bpe unless said otherwise; always 256 for bytes."""
    tokenizer_sample_bytes: Count = 4_000_000
    """Text of teacher and student that the tokenizer learns from."""
    shares: Shares = Shares()
    max_bytes: Count = 2**31
    """Text is read until there is this much of it."""

    @field_validator("vocabulary")
    @classmethod
    def _vocabulary_fits(cls, vocabulary: int | None, info: ValidationInfo) -> int | None:
        tokenizer = info.data.get("tokenizer")
        if tokenizer == "bytes" and vocabulary not in (None, 256):
            raise ValueError("the tokenizer bytes has 256 tokens")
        if tokenizer == "bpe" and vocabulary is None:
            return 512
        if tokenizer == "bpe" and not 257 <= (vocabulary or 0) <= 2**20:
            raise ValueError(
                "the tokenizer bpe has from 257 (256 bytes and the end of a document) to 1,048,576"
            )
        return 256 if vocabulary is None else vocabulary


class DebianSpec(_TextSpec):
    """Documentation packages by name (`models.corpus.debian`); `*` stands for a version in a name."""

    kind: Literal["debian"]
    packages: tuple[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9+.*-]+(=[A-Za-z0-9.+:~-]+)?$")], ...] = (
        Field(RECOMMENDED_PACKAGES, strict=False, min_length=1)
    )


class TextSpec(_TextSpec):
    """The user's own text files (`models.corpus.files`)."""

    kind: Literal["text"]
    path: Name
    """A file, a folder (all files under it), or a pattern such as `notes/**/*.md`."""
    document: Literal["file", "blank-line", "endoftext"] = "file"
    """One document: a whole file, a paragraph, or what stands between marks `<|endoftext|>`."""


class ParquetSpec(_TextSpec):
    """A column of text in Parquet files."""

    kind: Literal["parquet"]
    path: Name
    column: Name = "text"


class HuggingFaceSpec(_TextSpec):
    """A local copy of a Hugging Face data set, in the layout that the hub has."""

    kind: Literal["huggingface"]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+$")]
    """For instance `allenai/c4`."""
    path: Name
    """The folder that holds the copy."""
    config: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]*$")] = ""
    """The folder of the configuration, `en` in C4; empty where there is none."""
    split: Annotated[str, Field(pattern=r"^[A-Za-z0-9._]+$")] = "train"
    column: Name = "text"
    revision: Name = "main"
    """Branch or commit on the hub; used with `download` only."""
    download: bool = False
    """Fetch shards that the copy lacks from the hub, as many as `max_bytes` needs."""


CorpusSpec = Annotated[
    MarkovSpec | DebianSpec | TextSpec | ParquetSpec | HuggingFaceSpec, Field(discriminator="kind")
]
"""Any of the kinds. Every field but `kind` (and where the text is) has a default."""

AnyTextSpec = DebianSpec | TextSpec | ParquetSpec | HuggingFaceSpec

_ADAPTER: TypeAdapter[CorpusSpec] = TypeAdapter(CorpusSpec)


def parse_spec(table: Mapping[str, Any], *, where: str = "[corpus]") -> CorpusSpec:
    """A specification from a plan's table.

    Parameters
    ----------
    table
        Keys and values, as TOML or JSON gives them.
    where
        What error lines call the table.

    Raises
    ------
    InputError
        One line for every key that is unknown, missing, or has a value that breaks its rule.
    """
    try:
        return _ADAPTER.validate_python(dict(table))
    except ValidationError as error:
        raise InputError(_fault(detail, where) for detail in _without_echoes(error.errors())) from error


def spec_as_json(spec: CorpusSpec) -> dict[str, Any]:
    """The specification with every default written out; `parse_spec` takes it back."""
    plain: dict[str, Any] = json.loads(spec.model_dump_json())
    return plain


def path_of(spec: TextSpec | ParquetSpec | HuggingFaceSpec) -> Path:
    """Where the user's text lies; `~` is the home folder."""
    return Path(spec.path).expanduser()


def _without_echoes(details: list[ErrorDetails]) -> list[ErrorDetails]:
    """A list whose items are refused counts as too short as well: that says nothing new."""
    inner = {detail["loc"][:-1] for detail in details}
    return [detail for detail in details if detail["type"] != "too_short" or detail["loc"] not in inner]


def _fault(detail: ErrorDetails, where: str) -> Fault:
    # The first part of a place within a union is the kind, which is no key of the table.
    keys = [str(key) for key in detail["loc"][1:]] or ["kind"]
    value = "" if detail["type"] == "missing" else _shown(detail["input"], detail["type"])
    rules = {
        "extra_forbidden": ("there is no such key", "Remove it, or check its spelling"),
        "missing": ("this key has no default", "Write a value for it"),
        "union_tag_not_found": ("a corpus names its kind", 'Write kind = "markov", or ' + _KINDS),
        "union_tag_invalid": ("there is no such kind of corpus", "Choose markov, " + _KINDS),
    }
    message = detail["msg"].removeprefix("Value error, ")
    rule, remedy = rules.get(detail["type"], (message[:1].lower() + message[1:], "Choose another value"))
    return Fault(where=where, what=".".join(keys), value=value, rule=rule, remedy=remedy)


_KINDS = "debian, text, parquet or huggingface"


def _shown(value: object, kind: str) -> str:
    if kind.startswith("union_tag"):
        value = value.get("kind", "") if isinstance(value, Mapping) else value
    text = value if isinstance(value, str) else repr(value)
    return text if text.isprintable() else ascii(text)
