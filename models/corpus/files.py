"""The user's own documents: text files, Parquet columns, and local copies of Hugging Face data sets, streamed."""

from __future__ import annotations

import glob
import gzip
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from bayes_dsl.errors import Fault, InputError
from bayes_dsl.files import open_regular, read_bytes, refused_by_system, shown
from models.corpus.readers import FILE_LIMIT, documents_in, readable, refused, text_of
from models.corpus.specs import HuggingFaceSpec, ParquetSpec, TextSpec, path_of
from models.corpus.tokenizer import END

try:
    import pyarrow as arrow
    import pyarrow.parquet as arrow_parquet
except ImportError:  # the extra is not installed
    arrow = None
    arrow_parquet = None

_ROWS = 1024
_SHARD_ENDINGS = (".json.gz", ".jsonl.gz", ".json", ".jsonl", ".parquet")


def files_of(spec: TextSpec | ParquetSpec | HuggingFaceSpec) -> tuple[Path, ...]:
    """The files that hold the documents, in the order of their names.

    Raises
    ------
    InputError
        There are none.
    """
    path = path_of(spec)
    if isinstance(spec, HuggingFaceSpec):
        names = [file.relative_to(path).as_posix() for file in _all_files(path)]
        found = [path / name for name in shards(names, config=spec.config, split=spec.split)]
        rule = f"it holds no file of the split {spec.split}" + f" under {spec.config}/" * bool(spec.config)
    else:
        found = [file for file in _all_files(path) if isinstance(spec, TextSpec) or file.suffix == ".parquet"]
        rule = "there is no such file, or no file under it"
    if not found:
        remedy = "Name a file, a folder or a pattern such as notes/**/*.md that has files"
        raise InputError(Fault(where="[corpus]", what="path", value=spec.path, rule=rule, remedy=remedy))
    return tuple(found)


def shards(names: list[str], *, config: str, split: str) -> list[str]:
    """Which files of a data set hold a split, in order.

    The folder is the configuration's (or `data`, or any where the configuration is empty), and one of the
    words of the rest of the path is the split: `en/c4-train.00000-of-01024.json.gz`,
    `data/train-00000-of-00002.parquet`, `en/train/0000.parquet`.
    """
    fitting = []
    for name in names:
        if ".." in name.split("/"):
            continue
        inside = name.removeprefix(f"{config}/") if config else name
        in_config = not config or inside != name
        if in_config and name.endswith(_SHARD_ENDINGS) and split in re.split(r"[-./]", inside):
            fitting.append(name)
    return sorted(fitting)


def documents_of_text(spec: TextSpec, paths: Iterable[Path]) -> Iterator[str]:
    """The documents of text files: a whole file, or what the rule of the specification cuts it into."""
    for path in paths:
        if spec.document == "file":
            data = read_bytes(path, limit=FILE_LIMIT)
            # A name without a known ending is read as plain text: the user has named it.
            yield from documents_in(path.name if readable(path.name) else "a.txt", data)
        else:
            mark = "" if spec.document == "blank-line" else END
            yield from _cut(_lines(path), mark)


def documents_of_parquet(path: Path, column: str) -> Iterator[str]:
    """The texts of a column, a few rows at a time; missing ones are left out.

    Raises
    ------
    FileRefused
        The file is no Parquet file, or has no such column of text.
    InputError
        pyarrow is not installed.
    """
    if arrow_parquet is None:
        rule, remedy = "it needs pyarrow, which is not installed", 'Run pip install "bayes-dsl[parquet]"'
        raise InputError(Fault(where=shown(path), what="Parquet", value="", rule=rule, remedy=remedy))
    try:
        with open_regular(path) as raw, arrow_parquet.ParquetFile(raw) as file:
            kinds = {field.name: field.type for field in file.schema_arrow}
            if column not in kinds or not _is_text(kinds[column]):
                shape = ", ".join(f"{name} ({kind})" for name, kind in kinds.items())
                raise refused(shown(path), "column", column, f"it has the columns {shape[:200]}")
            for batch in file.iter_batches(batch_size=_ROWS, columns=[column]):
                yield from (text for text in batch.column(0).to_pylist() if text)
    except (arrow.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())[:120]
        raise refused(shown(path), "Parquet", "damaged", f"it cannot be read ({reason})") from error


def documents_of_json_lines(path: Path, column: str) -> Iterator[str]:
    """The texts of a field of JSON objects, one a line; missing ones are left out.

    Raises
    ------
    FileRefused
        A line is no JSON object, or its field is no text.
    """
    for number, line in enumerate(_raw_lines(path), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise refused(
                shown(path), f"line {number}", text_of(line[:60]), "a line is a JSON object"
            ) from error
        if not isinstance(row, Mapping) or not isinstance(row.get(column, 0), str | None):
            has = ", ".join(map(str, row)) if isinstance(row, Mapping) else type(row).__name__
            raise refused(shown(path), f"line {number}", has, f"a line is an object with the text {column}")
        if row[column]:
            yield row[column]


def documents_of_shard(path: Path, column: str) -> Iterator[str]:
    """The documents of one file of a data set, by its ending."""
    if path.suffix == ".parquet":
        return documents_of_parquet(path, column)
    return documents_of_json_lines(path, column)


def _all_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if path.is_dir():
        hidden = re.compile(r"(^|/)\.")
        found = [file for file in path.rglob("*") if not hidden.search(file.relative_to(path).as_posix())]
    else:
        found = [Path(name) for name in glob.glob(str(path), recursive=True)]
    return sorted(file for file in found if file.is_file())


def _cut(lines: Iterator[str], mark: str) -> Iterator[str]:
    """Documents between lines that are blank, or between marks, which may stand within a line."""
    pieces: list[str] = []
    for line in lines:
        if mark:
            *ended, rest = line.split(mark)
            for piece in ended:
                yield "".join([*pieces, piece])
                pieces = []
            pieces.append(rest)
        elif line.strip():
            pieces.append(line)
        else:
            yield "".join(pieces)
            pieces = []
    yield "".join(pieces)


def _lines(path: Path) -> Iterator[str]:
    return (text_of(line) for line in _raw_lines(path))


def _raw_lines(path: Path) -> Iterator[bytes]:
    """Lines of a file, packed by gzip or not, each of a size that memory can hold."""
    with open_regular(path) as raw:
        stream: IO[bytes] | Any = gzip.GzipFile(fileobj=raw) if path.suffix == ".gz" else raw
        try:
            while line := stream.readline(FILE_LIMIT):
                if len(line) == FILE_LIMIT:
                    raise refused(shown(path), "line", f"over {FILE_LIMIT:,} bytes", "a line is shorter")
                yield line
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise refused(shown(path), "gzip", "damaged", "packed text unpacks whole") from error
        except OSError as error:
            raise refused_by_system(path, "reading", error) from error


def _is_text(kind: Any) -> bool:
    return bool(
        arrow.types.is_string(kind) or arrow.types.is_large_string(kind) or arrow.types.is_string_view(kind)
    )
