"""What `--json` prints: the keys of every verb, each with its type and meaning."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Keys(BaseModel):
    """Base of every report: no key that is not declared, numbers that are not finite become null."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="null")


class CheckKeys(Keys):
    """`check --json`: what a run table holds."""

    source: str = Field(description="name of the file")
    sha256: str = Field(description="hash of the table's values, whatever file they came from")
    rows: int = Field(description="rows read, whatever their status")
    used: int = Field(description="rows that a posterior conditions on: those with status ok")
    by_role: dict[str, int] = Field(description="rows of each role")
    by_status: dict[str, int] = Field(description="rows of each status")
    left_out: dict[str, int] = Field(description="rows that each condition or status leaves out")
    configurations: int = Field(description="distinct (role, params, tokens) among the used rows")
    teachers: int = Field(description="distinct teachers")
    groups: int = Field(description="distinct groups")
    evaluations: int = Field(description="distinct eval_ids")
    ranges: dict[str, tuple[float, float]] = Field(description="smallest and largest value of a column")
    largest_compute_flops: float = Field(description="of the used row with the largest compute")
    counting: str | None = Field(description="non_embedding, total, or null where unstated")
    notes: list[str]
    warnings: list[str]
