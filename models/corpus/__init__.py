"""Where training tokens come from: a language of known entropy, or real text, cut into three disjoint parts."""

from models.corpus.base import Corpus, window_count, window_order
from models.corpus.load import load
from models.corpus.specs import CorpusSpec, parse_spec

__all__ = ["Corpus", "CorpusSpec", "load", "parse_spec", "window_count", "window_order"]
