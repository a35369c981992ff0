"""From bytes to text: what is no UTF-8 text is refused, with the line of every byte that is not."""

from __future__ import annotations

from bayes_dsl.errors import Fault, TableError

_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"PK\x03\x04", "a zip archive or a spreadsheet", "Unpack it, or save the sheet as CSV"),
    (b"\x1f\x8b", "compressed with gzip", "Decompress it first"),
    (b"BZh", "compressed with bzip2", "Decompress it first"),
    (b"\xfd7zXZ", "compressed with xz", "Decompress it first"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "Decompress it first"),
    (b"PAR1", "a Parquet file", "Give it a name that ends in .parquet"),
    (b"\x89HDF", "an HDF5 file", "Export the table as CSV or Parquet"),
    (b"\xd0\xcf\x11\xe0", "an old spreadsheet", "Save the sheet as CSV"),
    (b"%PDF", "a PDF", "Export the table as CSV"),
    (b"\xff\xfe", "UTF-16 text", "Save it as UTF-8"),
    (b"\xfe\xff", "UTF-16 text", "Save it as UTF-8"),
    (b"\x00\x00\xfe\xff", "UTF-32 text", "Save it as UTF-8"),
)
_SAMPLE = 65536
_SIGN = "�"


def decode(data: bytes, source: str) -> tuple[str, list[Fault]]:
    """Return the text, a byte-order mark left out, and a fault for every line that is not UTF-8 text.

    In a faulty line the offending characters are replaced by U+FFFD, so that the rest of the file can be
    checked as well.

    Raises
    ------
    TableError
        When the bytes are no text at all.
    """
    for magic, kind, remedy in _MAGIC:
        if data.startswith(magic):
            raise TableError(_not_text(source, f"is {kind}", remedy))
    sample = data[:_SAMPLE]
    if sample and _strange(sample) > 0.1:
        raise TableError(_not_text(source, "is binary", "Export the table as CSV in UTF-8"))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("utf-8-sig", errors="replace")
    else:
        if "\0" not in text:
            return text, []
    return text.replace("\0", _SIGN), _line_faults(data, source)


def _strange(sample: bytes) -> float:
    """Share of the sample that no text file has: control characters and half of all invalid bytes."""
    control = len(sample) - len(sample.translate(None, bytes([*range(9), 11, *range(14, 32), 127])))
    invalid = sample.decode("utf-8", errors="replace").count(_SIGN)
    return (control + invalid / 2) / len(sample)


def _line_faults(data: bytes, source: str) -> list[Fault]:
    faults = []
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    for number, line in enumerate(lines, start=1):
        where = f"{source} line {number}"
        if b"\0" in line:
            faults.append(
                Fault(
                    where=where,
                    what=f"byte {line.index(0) + 1}",
                    value="NUL",
                    rule="text has no NUL bytes",
                    remedy="Remove it, or export the table again",
                    line=number,
                )
            )
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as error:
            faults.append(
                Fault(
                    where=where,
                    what=f"byte {error.start + 1}",
                    value=f"0x{line[error.start]:02x}",
                    rule="the text is encoded in UTF-8",
                    remedy="Save the file as UTF-8 (it may be Latin-1 or Windows-1252 now)",
                    line=number,
                )
            )
    return faults


def _not_text(source: str, rule: str, remedy: str) -> Fault:
    return Fault(
        where=source,
        what="the file",
        value="",
        rule=f"{rule}, and a run table is CSV text in UTF-8 or a .parquet file",
        remedy=remedy,
    )
