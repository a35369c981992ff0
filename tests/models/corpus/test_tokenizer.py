"""Tokens of text: read back exactly, the same every time, and every byte accounted for."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayes_dsl.errors import InputError
from models.corpus import tokenizer as tokenizer_module
from models.corpus.text import bytes_per_token
from models.corpus.tokenizer import END, BytePairs, Bytes, train_byte_pairs

WORDS = ["the", "law", "of", "runs", "says", "what", "loss", "it", "should", "have", "given", "its", "tokens"]


def sentences(count: int) -> list[str]:
    draw = random.Random(5)
    return [" ".join(draw.choices(WORDS, k=30)) + "." for _ in range(count)]


@pytest.fixture(scope="module")
def pairs() -> BytePairs:
    return train_byte_pairs(iter(sentences(200)), 300)


def test_the_same_documents_give_the_same_tokenizer_and_others_another(pairs: BytePairs) -> None:
    again = train_byte_pairs(iter(sentences(200)), 300)
    assert again.content() == pairs.content() and again.tokenizer_id == pairs.tokenizer_id
    assert pairs.tokenizer_id.startswith("bpe300-") and pairs.vocabulary == 300
    assert (
        train_byte_pairs(iter(["banana bandana " * 50, *sentences(3)]), 270).tokenizer_id
        != pairs.tokenizer_id
    )
    assert BytePairs(pairs.content()).encode(["abc"]).tolist() == pairs.encode(["abc"]).tolist()


@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_any_text_is_read_back_exactly_and_its_bytes_are_counted(pairs: BytePairs, text: str) -> None:
    tokens = pairs.encode([text])
    assert pairs.decode(tokens) == text
    assert tokens[-1] == 0 and 0 not in tokens[:-1]
    assert pairs.bytes_of_tokens()[tokens].sum() == len(text.encode())


@pytest.mark.parametrize("text", [END, f"a{END}b", "<|endoftext", f"{END}{END}"])
def test_a_text_that_spells_the_end_mark_does_not_end_a_document(pairs: BytePairs, text: str) -> None:
    tokens = pairs.encode([text, text])
    assert np.flatnonzero(tokens == 0).tolist() == [len(tokens) // 2 - 1, len(tokens) - 1]
    assert pairs.decode(tokens[: len(tokens) // 2]) == text


def test_pairs_are_longer_than_bytes_on_text_like_their_own(pairs: BytePairs) -> None:
    own, foreign = pairs.encode(sentences(20)), pairs.encode(["ξψω" * 50])
    assert bytes_per_token(pairs, own) > 2
    assert 0.9 < bytes_per_token(pairs, foreign) <= 1


def test_bytes_need_no_library_and_count_as_one_each() -> None:
    tokens = Bytes().encode(["aé", "", "b"])
    assert tokens.tolist() == [97, 195, 169, 0, 0, 98, 0]
    assert bytes_per_token(Bytes(), tokens) == pytest.approx(4 / 7)


def test_too_little_text_for_the_vocabulary_is_one_sentence() -> None:
    with pytest.raises(
        InputError, match=r"vocabulary = 5,000; the sample of text holds pairs for 2\d\d tokens only"
    ):
        train_byte_pairs(iter(["aaa bbb"]), 5000)


def test_without_the_library_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizer_module, "hugging_face", None)
    with pytest.raises(InputError, match=r"bayes-dsl\[text\]") as refusal:
        train_byte_pairs(iter(["a"]), 300)
    assert len(refusal.value.faults) == 1
