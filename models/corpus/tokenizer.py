"""Text to tokens: byte-level BPE learnt from a sample of the training documents, or the bytes themselves."""

from __future__ import annotations

import contextlib
import importlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bayes_dsl.errors import Fault, InputError
from bayes_dsl.files import sha256_of_bytes
from models.corpus.base import Tokens, token_dtype

hugging_face: Any = None
with contextlib.suppress(ImportError):  # the extra is not installed
    hugging_face = importlib.import_module("tokenizers")

END = "<|endoftext|>"
"""Follows every document, as token 0; in the text itself it is text like any other."""


class Tokenizer(Protocol):
    """What makes tokens of documents, each closed by its end mark, which is token 0."""

    @property
    def tokenizer_id(self) -> str:
        """Kind, size and short hash."""
        ...

    @property
    def vocabulary(self) -> int:
        """V."""
        ...

    def encode(self, documents: Sequence[str]) -> Tokens:
        """The tokens of some documents, one after the other."""
        ...

    def bytes_of_tokens(self) -> NDArray[np.int64]:
        """Bytes of text behind each token; none behind the end mark."""
        ...

    def content(self) -> str:
        """What to keep of it: JSON."""
        ...


@dataclass(frozen=True, kw_only=True)
class Bytes:
    """Every byte of the text in UTF-8 is a token; texts hold no byte 0, which is the end mark."""

    tokenizer_id: str = "bytes"
    vocabulary: int = 256

    def encode(self, documents: Sequence[str]) -> Tokens:
        """See `Tokenizer`."""
        data = b"".join(document.encode() + b"\0" for document in documents)
        return np.frombuffer(data, np.uint8).astype(np.uint16)

    def bytes_of_tokens(self) -> NDArray[np.int64]:
        """See `Tokenizer`."""
        return np.array([0] + [1] * 255)

    def content(self) -> str:
        """See `Tokenizer`."""
        return json.dumps({"type": "bytes"})


class BytePairs:
    """A byte-level BPE of the `tokenizers` library: any text can be written, and read back exactly."""

    def __init__(self, content: str) -> None:
        self._content = content
        self._tokenizer: Any = hugging_face.Tokenizer.from_str(content)
        # A text that spells the end mark must not end a document.
        self._tokenizer.encode_special_tokens = True
        self.vocabulary: int = self._tokenizer.get_vocab_size()
        self.tokenizer_id = f"bpe{self.vocabulary}-{sha256_of_bytes(content.encode())[:12]}"

    def encode(self, documents: Sequence[str]) -> Tokens:
        """See `Tokenizer`."""
        tokens: list[int] = []
        for encoding in self._tokenizer.encode_batch_fast(documents, add_special_tokens=False):
            tokens += encoding.ids
            tokens.append(0)
        return np.array(tokens, token_dtype(self.vocabulary))

    def decode(self, tokens: Iterable[int]) -> str:
        """The text behind some tokens; end marks are left out."""
        text: str = self._tokenizer.decode(list(tokens), skip_special_tokens=True)
        return text

    def bytes_of_tokens(self) -> NDArray[np.int64]:
        """See `Tokenizer`."""
        # The byte alphabet writes each byte as one letter.
        spelt = [self._tokenizer.id_to_token(token) for token in range(self.vocabulary)]
        return np.array([0] + [len(text) for text in spelt[1:]])

    def content(self) -> str:
        """See `Tokenizer`."""
        return self._content


def train_byte_pairs(documents: Iterator[str], vocabulary: int) -> BytePairs:
    """Learn a vocabulary of byte pairs; the same documents in the same order give the same one.

    Raises
    ------
    InputError
        `tokenizers` is not installed, or the documents are too few for so large a vocabulary.
    """
    if hugging_face is None:
        fault = ("", "needs the library tokenizers, which is not installed")
        raise _refused(*fault, 'Run pip install "bayes-dsl[text]", or write tokenizer = "bytes"')
    tokenizer = hugging_face.Tokenizer(hugging_face.models.BPE())
    tokenizer.pre_tokenizer = hugging_face.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = hugging_face.decoders.ByteLevel()
    trainer = hugging_face.trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END],
        initial_alphabet=sorted(hugging_face.pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(documents, trainer=trainer)
    made = BytePairs(tokenizer.to_str())
    if made.vocabulary < vocabulary:
        rule = f"the sample of text holds pairs for {made.vocabulary:,} tokens only"
        raise _refused(f"{vocabulary:,}", rule, "Give it more text, or choose a smaller vocabulary")
    return made


def _refused(value: str, rule: str, remedy: str) -> InputError:
    return InputError(Fault(where="[corpus]", what="vocabulary", value=value, rule=rule, remedy=remedy))
