"""Tokens against the Hugging Face tokenizers they are read from, on DNA with N, other letters, tails and mixed case.

Tokenizers are built here in the layout of published ones; the real files are used too where they are at hand.
"""

from __future__ import annotations

import functools
import itertools
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("transformers")

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertTokenizer, EsmTokenizer, PreTrainedTokenizer, PreTrainedTokenizerFast

from baserate.errors import ConfigError
from baserate.networks.tokens import Encoded, Tokens, read_tokens

REAL = Path(os.environ.get("BASERATE_SHARED_MODELS", Path(__file__).parents[2] / "shared" / "models"))
DNABERT = Path("tokenizers/dnabert6")
BPE = ("tokenizers/gena", "tokenizers/metagene", "mistral-dna-1m-tf0")


class Lettered(PreTrainedTokenizer):
    """A tokenizer in Python, as checkpoints bring them: a list of words, and rules given by subclasses."""

    words: tuple[str, ...]
    unknown = "[UNK]"

    def __init__(self, **kwargs: Any) -> None:
        self._ids = {word: i for i, word in enumerate(self.words)}
        super().__init__(unk_token=self.unknown, **kwargs)

    @property
    def vocab_size(self) -> int:
        return len(self.words)

    def get_vocab(self) -> dict[str, int]:
        return dict(self._ids)

    def _tokenize(self, text: str, **kwargs: Any) -> list[str]:
        return list(text)

    def _convert_token_to_id(self, token: str) -> int:
        return self._ids.get(token, self._ids[self.unknown])

    def _convert_id_to_token(self, index: int) -> str:
        return self.words[index]


class HyenaTokenizer(Lettered):
    """HyenaDNA and Caduceus: a token a letter, [SEP] appended, padding on the left."""

    words = ("[CLS]", "[SEP]", "[BOS]", "[MASK]", "[PAD]", "[RESERVED]", "[UNK]", *"ACGTN")

    def __init__(self) -> None:
        super().__init__(sep_token="[SEP]", mask_token="[MASK]", pad_token="[PAD]", padding_side="left")

    def build_inputs_with_special_tokens(self, token_ids_0: list[int], token_ids_1: Any = None) -> list[int]:
        return [*token_ids_0, 1]


class ByteTokenizer(PreTrainedTokenizer):
    """Evo: the id is the byte's value, the vocabulary 512 wide, nothing around a sequence."""

    @property
    def vocab_size(self) -> int:
        return 512

    def get_vocab(self) -> dict[str, int]:
        return {chr(i): i for i in range(512)}

    def __len__(self) -> int:
        return 512

    def _tokenize(self, text: str, **kwargs: Any) -> list[str]:
        return list(text)

    def _convert_token_to_id(self, token: str) -> int:
        return ord(token)

    def _convert_id_to_token(self, index: int) -> str:
        return chr(index)


class FixedFrameTokenizer(Lettered):
    """GENERator: k-mers in a fixed frame, what is none is <oov>, begun by <s> and ended by </s>; `<...>` is a tag."""

    words = ("<oov>", "<s>", "</s>", "<pad>", "<mask>", "<dna>", *map("".join, itertools.product("ATCG", repeat=4)))
    unknown = "<oov>"

    def __init__(self) -> None:
        super().__init__(bos_token="<s>", eos_token="</s>", pad_token="<pad>")

    def _tokenize(self, text: str, **kwargs: Any) -> list[str]:
        tag, text = (text[: text.index(">") + 1], text[text.index(">") + 1 :]) if text[:1] == "<" else ("", text)
        return [tag] * bool(tag) + [text[i : i + 4] for i in range(0, len(text), 4)]

    def build_inputs_with_special_tokens(self, token_ids_0: list[int], token_ids_1: Any = None) -> list[int]:
        return [1, *token_ids_0, 2]


class LongestFirstTokenizer(Lettered):
    """A slow tokenizer of words of many lengths, without offsets; an unknown letter is [UNK]."""

    words = ("[PAD]", "[UNK]", "[CLS]", "TATAAA", "GATTACA", "CG", "ACG", "AAAA", *"ACGT")

    def __init__(self) -> None:
        super().__init__(cls_token="[CLS]", pad_token="[PAD]")

    def _tokenize(self, text: str, **kwargs: Any) -> list[str]:
        words, at = sorted(self.words[3:], key=len, reverse=True), 0
        out: list[str] = []
        while at < len(text):
            out.append(next((word for word in words if text.startswith(word, at)), text[at]))
            at += len(out[-1])
        return out

    def build_inputs_with_special_tokens(self, token_ids_0: list[int], token_ids_1: Any = None) -> list[int]:
        return [2, *token_ids_0]


class DroppingTokenizer(LongestFirstTokenizer):
    """The same without a token for what it does not know."""

    def _tokenize(self, text: str, **kwargs: Any) -> list[str]:
        return [word for word in super()._tokenize(text) if word in self.words]


class MergingTokenizer(LongestFirstTokenizer):
    """The same with tokens that do not join up to the text."""

    def _tokenize(self, text: str, **kwargs: Any) -> list[str]:
        return [word for word, _ in itertools.groupby(text)]


def _from_words(kind: type[Any], words: list[str], **kwargs: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "vocab.txt").write_text("\n".join(words))
        config = {"tokenizer_class": "EsmTokenizer", "eos_token": None} if kind is EsmTokenizer else {}
        (Path(folder) / "tokenizer_config.json").write_text(json.dumps(config))
        return kind.from_pretrained(folder, **kwargs)


def _nucleotide_transformer(extra: tuple[str, ...] = ()) -> EsmTokenizer:
    kmers = map("".join, itertools.product("ATCG", repeat=6))
    return _from_words(EsmTokenizer, ["<unk>", "<pad>", "<mask>", "<cls>", *kmers, *"ATCGN", *extra])


def _dnabert3() -> BertTokenizer:
    kmers = map("".join, itertools.product("ATCG", repeat=3))
    return _from_words(BertTokenizer, ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *kmers], do_lower_case=False)


def _fast(backend: tokenizers.Tokenizer, **kwargs: Any) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]", pad_token="[PAD]", **kwargs)


def _train(backend: tokenizers.Tokenizer, letters: str = "ACGT", alphabet: tuple[str, ...] = ()) -> None:
    rng = np.random.default_rng(3)
    corpus = ["".join(rng.choice(list(letters), size=200, p=[0.3, 0.2, 0.2, 0.3])) for _ in range(100)]
    special = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"]
    backend.train_from_iterator(
        corpus,
        trainers.BpeTrainer(
            vocab_size=300, special_tokens=special, initial_alphabet=list(alphabet), show_progress=False
        ),
    )


def _byte_pairs() -> PreTrainedTokenizerFast:
    backend = tokenizers.Tokenizer(models.BPE(unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    _train(backend)
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    return _fast(backend, cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]")


def _byte_level() -> PreTrainedTokenizerFast:
    backend = tokenizers.Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    backend.decoder = decoders.ByteLevel()
    _train(backend, alphabet=tuple(pre_tokenizers.ByteLevel.alphabet()))
    backend.post_processor = processors.ByteLevel(trim_offsets=True)
    return _fast(backend)


def _lower_case_pairs() -> PreTrainedTokenizerFast:
    backend = tokenizers.Tokenizer(models.BPE(unk_token="[UNK]"))
    backend.normalizer = normalizers.Lowercase()
    _train(backend)
    return _fast(backend)


def _gpn() -> PreTrainedTokenizerFast:
    words = {"[PAD]": 0, "[MASK]": 1, "[UNK]": 2, "a": 3, "c": 4, "g": 5, "t": 6}
    backend = tokenizers.Tokenizer(models.BPE(vocab=words, merges=[], unk_token="[UNK]"))
    return _fast(backend, mask_token="[MASK]")


def _real(folder: str | Path) -> Any:
    path = REAL / folder
    if not path.is_dir():
        pytest.skip(f"no {path}")
    if folder == DNABERT:
        return BertTokenizer.from_pretrained(path, do_lower_case=False)
    return PreTrainedTokenizerFast(tokenizer_file=str(path / "tokenizer.json"), unk_token="[UNK]", pad_token="[PAD]")


@functools.cache
def _read(name: str) -> tuple[Any, Tokens]:
    tokenizer = LAYOUTS[name]()
    return tokenizer, read_tokens(tokenizer, where=name)


LAYOUTS: dict[str, Callable[[], Any]] = {
    "nt_v1": _nucleotide_transformer,
    "nt_v2": lambda: _nucleotide_transformer(("<eos>", "<bos>")),
    "fixed_frame": FixedFrameTokenizer,
    "dnabert3": _dnabert3,
    "dnabert6": lambda: _real(DNABERT),
    "hyena": HyenaTokenizer,
    "bytes": ByteTokenizer,
    "gpn": _gpn,
    "byte_pairs": _byte_pairs,
    "byte_level": _byte_level,
    "lower_case_pairs": _lower_case_pairs,
    "slow_words": LongestFirstTokenizer,
    **{name.split("/")[-1]: functools.partial(_real, name) for name in BPE},
}
KINDS = {
    "kmer": ("nt_v1", "nt_v2", "fixed_frame"),
    "overlapping_kmer": ("dnabert3", "dnabert6"),
    "nucleotide": ("hyena", "bytes", "gpn"),
    "subword": ("byte_pairs", "byte_level", "lower_case_pairs", "slow_words", *(name.split("/")[-1] for name in BPE)),
}
NAMES = [(kind, name) for kind, names in KINDS.items() for name in names]
everyone = pytest.mark.parametrize(("kind", "name"), NAMES, ids=[name for _, name in NAMES])

PIECES = st.one_of(
    st.text("ACGT", max_size=30),
    st.text("ACGTN", max_size=6),
    st.text("NRYKMSW", max_size=4),
    st.text("acgtn", max_size=8),
)
DNA = st.lists(PIECES, min_size=1, max_size=5).map("".join).filter(bool)


def _reference(kind: str, name: str, tokenizer: Any, sequence: str) -> list[int]:
    """Return the ids that the tokenizer itself gives for DNA in the case, and the form, that it is made for."""
    text = sequence.lower() if name in ("gpn", "lower_case_pairs") else sequence.upper()
    if kind == "nucleotide" and name != "bytes":  # ours reads an unknown letter as N, where there is an N
        letters = "ACGTN" if name == "hyena" else "acgt"
        text = "".join(c if c in letters else letters[-1] if name == "hyena" else "?" for c in text)
    if kind == "overlapping_kmer":
        k = 3 if name == "dnabert3" else 6
        text = " ".join(text[i : i + k] for i in range(max(1, len(text) - k + 1)))
    return list(tokenizer(text)["input_ids"])


@everyone
@settings(max_examples=60, deadline=None)
@given(sequences=st.lists(DNA, min_size=1, max_size=3))
def test_ids_are_those_of_the_tokenizer(kind: str, name: str, sequences: list[str]) -> None:
    tokenizer, tokens = _read(name)
    assert tokens.kind == kind
    for sequence, encoded in zip(sequences, tokens.encode(sequences), strict=True):
        assert encoded.ids.tolist() == _reference(kind, name, tokenizer, sequence)
        assert encoded.ids.dtype == encoded.starts.dtype == encoded.ends.dtype == np.int64


def _spelled(encoded: Encoded, sequence: str) -> list[tuple[int, str]]:
    return [(int(i), sequence[a:b].upper()) for i, a, b in zip(encoded.ids, encoded.starts, encoded.ends, strict=True)]


@everyone
@settings(max_examples=60, deadline=None)
@given(sequence=DNA)
def test_every_token_spells_the_bases_that_it_says(kind: str, name: str, sequence: str) -> None:
    tokenizer, tokens = _read(name)
    encoded = tokens.encode([sequence])[0]
    dna = set(tokens.vocabulary.dna.tolist())
    for i, bases in _spelled(encoded, sequence):
        if i in dna:
            assert tokenizer.convert_ids_to_tokens(i).strip("Ġ").upper() == bases
    bases = encoded.ends > encoded.starts
    if kind == "overlapping_kmer":
        assert encoded.starts[bases].tolist() == list(range(bases.sum()))
    else:  # the tokens tile the sequence
        assert [0, *encoded.ends[bases]] == [*encoded.starts[bases], len(sequence)]
    before, after = len(tokens.prefix), len(tokens.suffix)
    assert not bases[:before].any() and not bases[len(bases) - after :].any()
    assert encoded.starts[:before].tolist() == [0] * before
    assert encoded.ends[len(bases) - after :].tolist() == [len(sequence)] * after
    assert tokens.n_special == before + after
    if kind != "subword":  # where a piece of no letters may stand among the rest
        assert bases.sum() + tokens.n_special == len(bases)


@everyone
def test_the_vocabulary_lists_every_token_of_dna(kind: str, name: str) -> None:
    tokenizer, tokens = _read(name)
    v = tokens.vocabulary
    assert (np.diff(v.dna) > 0).all() and v.dna[-1] < v.size and 0 <= v.pad < v.size
    words = {i: word.strip("Ġ").upper() for word, i in tokenizer.get_vocab().items()}
    if name in ("bytes", "byte_level"):  # whose lower-case letters are tokens that no sequence is made of
        words = {i: word for word, i in tokenizer.get_vocab().items() for word in [word.strip("Ġ")]}
    expected = {i: word for i, word in words.items() if word and set(word) <= set("ACGT")}
    assert v.dna.tolist() == sorted(expected)
    assert [("ACGT"[f], n) for f, n in zip(v.first_base, v.lengths, strict=True)] == [
        (expected[i][0], len(expected[i])) for i in v.dna.tolist()
    ]


@pytest.mark.parametrize(
    ("name", "size", "dna", "prefix", "suffix", "pad", "mask"),
    [
        ("nt_v1", 4105, 4100, [3], [], 1, 2),
        ("nt_v2", 4107, 4100, [3], [], 1, 2),
        ("dnabert6", 4101, 4096, [2], [3], 0, 4),
        ("hyena", 12, 4, [], [1], 4, 3),
        ("bytes", 512, 4, [], [], 0, None),
        ("gpn", 7, 4, [], [], 0, 1),
        ("fixed_frame", 262, 256, [1], [2], 3, None),
        ("gena", 32000, 31967, [1], [2], 3, None),
        ("mistral-dna-1m-tf0", 4096, 4091, [1], [2], 3, None),
        ("metagene", 1024, 995, [3], [4], 0, None),
    ],
)
def test_layouts_known_from_publication(
    name: str, size: int, dna: int, prefix: list[int], suffix: list[int], pad: int, mask: int | None
) -> None:
    _, tokens = _read(name)
    v = tokens.vocabulary
    assert (v.size, len(v.dna), v.pad, v.mask) == (size, dna, pad, mask)
    assert (tokens.prefix.tolist(), tokens.suffix.tolist()) == (prefix, suffix)


def test_a_non_base_breaks_the_frame_of_the_nucleotide_transformer() -> None:
    tokenizer, tokens = _read("nt_v1")
    encoded = tokens.encode(["ACGTACNACGTACG", "ACGRYACGTACGt"])
    words = [" ".join(tokenizer.convert_ids_to_tokens(e.ids.tolist())) for e in encoded]
    assert words == ["<cls> ACGTAC N ACGTAC G", "<cls> A C G <unk> ACGTAC G T"]
    assert encoded[1].starts.tolist() == [0, 0, 1, 2, 3, 5, 11, 12]


@pytest.mark.parametrize("name", [name for kind, name in NAMES if kind != "subword"])
def test_bases_in_is_exact(name: str) -> None:
    _, tokens = _read(name)
    rng = np.random.default_rng(0)
    sizes = [len(e.ids) for e in tokens.encode(["".join(rng.choice(list("ACGT"), size=n)) for n in range(1, 150)])]
    for n_tokens in range(tokens.n_special + 1, 22):
        fits = tokens.bases_in(n_tokens)
        assert max(sizes[:fits], default=0) <= n_tokens < sizes[fits]
    assert tokens.bases_in(tokens.n_special) == tokens.bases_in(0) == 0


@pytest.mark.parametrize("name", KINDS["subword"])
def test_bases_in_is_safe_for_subwords(name: str) -> None:
    _, tokens = _read(name)
    rng = np.random.default_rng(8)
    fits = tokens.bases_in(512)
    sizes = [len(e.ids) for e in tokens.encode(["".join(rng.choice(list("ACGT"), size=fits)) for _ in range(20)])]
    assert 400 < max(sizes) <= 512


def test_nothing_gives_nothing() -> None:
    for name in ("nt_v1", "dnabert3", "hyena", "byte_pairs", "slow_words"):
        assert _read(name)[1].encode([]) == []


def test_a_tag_stands_before_the_sequence_and_counts_as_special() -> None:
    tokens = read_tokens(FixedFrameTokenizer(), where="x", prefix="<dna>", specials=False)
    assert (tokens.kind, tokens.prefix.tolist(), tokens.suffix.tolist()) == ("kmer", [5], [])
    assert tokens.encode(["AAAAAAAT"])[0].ids.tolist() == [5, 6, 7]
    bpe = _byte_pairs()
    bpe.add_special_tokens({"additional_special_tokens": ["<dna>"]})
    tagged = read_tokens(bpe, where="x", prefix="<dna>", specials=False)
    plain = read_tokens(bpe, where="x", specials=False)
    for a, b in zip(tagged.encode(["ACGTTGCA", "ACNNGT"]), plain.encode(["ACGTTGCA", "ACNNGT"]), strict=True):
        assert a.ids.tolist() == [bpe.convert_tokens_to_ids("<dna>"), *b.ids]
        assert a.starts.tolist() == [0, *b.starts] and a.ends.tolist() == [0, *b.ends]


def test_special_tokens_can_be_left_out() -> None:
    tokens = read_tokens(HyenaTokenizer(), where="x", specials=False)
    assert tokens.n_special == 0 and tokens.encode(["ACGTN"])[0].ids.tolist() == [7, 8, 9, 10, 11]


def test_a_stated_kind_is_held_to() -> None:
    assert read_tokens(_dnabert3(), where="x", kind="overlapping_kmer", k=3).kind == "overlapping_kmer"
    with pytest.raises(ConfigError, match=r"my model: its \w+ does not spell A, C, G and T as 6-mers"):
        read_tokens(_dnabert3(), where="my model", kind="overlapping_kmer", k=6)
    with pytest.raises(ConfigError, match=r"as single nucleotides \(nucleotide\)"):
        read_tokens(_nucleotide_transformer(), where="x", kind="nucleotide")


def test_a_tokenizer_of_english_is_refused() -> None:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "##s", "a"]
    tokenizer = _from_words(BertTokenizer, words, do_lower_case=True)
    with pytest.raises(ConfigError, match=r"bert: its \w+ does not spell A, C, G and T .*DNA becomes unknown tokens"):
        read_tokens(tokenizer, where="bert")


def test_an_unknown_token_that_is_not_declared_does_not_pass_for_dna() -> None:
    backend = tokenizers.Tokenizer(models.WordPiece({"[UNK]": 0, "AC": 1, "##GT": 2}, unk_token="[UNK]"))
    with pytest.raises(ConfigError, match="DNA becomes unknown tokens"):
        read_tokens(PreTrainedTokenizerFast(tokenizer_object=backend), where="x")


def test_ids_may_leave_gaps() -> None:
    words = {word: 3 * i for i, word in enumerate(["[UNK]", "[PAD]", *"ACGT", "AC", "GT"])}
    backend = tokenizers.Tokenizer(models.BPE(words, [("A", "C"), ("G", "T")], unk_token="[UNK]"))
    tokens = read_tokens(_fast(backend), where="x")
    assert tokens.vocabulary.size == 22
    assert tokens.encode(["ACGTTN"])[0].ids.tolist() == [18, 21, 15, 0]


def test_tokens_without_spans_are_refused() -> None:
    with pytest.raises(ConfigError, match="does not spell"):
        read_tokens(MergingTokenizer(), where="x")
    tokens = read_tokens(DroppingTokenizer(), where="x")
    with pytest.raises(ConfigError, match=r"gives no offsets, and its tokens do not join up to sequence 1 \('ACGTN'\)"):
        tokens.encode(["ACGT", "ACGTN"])
