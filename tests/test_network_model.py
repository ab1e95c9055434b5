"""Every native architecture as a language model, against transformers' own classes run one sequence at a time."""

from __future__ import annotations

import functools
import gc
import json
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("transformers")

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

from baserate.errors import ConfigError, DataError, NotApplicable
from baserate.networks import embedding
from baserate.networks.checkpoint import from_network
from baserate.networks.language_model import LanguageModel
from baserate.types import Examples, Inputs, StrArray, strings

from .checkpoints import LAYOUTS, Layout, build, dna, opened

# Older versions of transformers with a newer torch.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning")

DNA = {"A", "C", "G", "T"}
MIXED = strings([*dna(6, (4, 45), seed=1), "acgtnACGTTGCA", "NNACGTTGCANNRACG"])


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[LanguageModel, Path]]:
    """Return what builds the checkpoint of a layout, once, and opens it."""

    @functools.cache
    def made(name: str) -> tuple[LanguageModel, Path]:
        folder = build(tmp_path_factory.mktemp(name), LAYOUTS[name])
        return opened(folder), folder

    return made


def text_of(sequence: str, layout: Layout) -> str:
    """Return a sequence as its tokenizer wants it, and where a token is a base, with N for other ambiguous letters."""
    sequence = sequence.upper()
    if layout.tokenizer in ("single", "char"):
        sequence = sequence.replace("R", "N")
    if layout.tokenizer == "overlapping":
        return " ".join(sequence[i : i + 3] for i in range(len(sequence) - 2))
    return sequence


def literal(
    folder: Path, layout: Layout, sequences: StrArray, layer: int = -1, pooling: str = "mean"
) -> NDArray[np.float32]:
    """Return pooled states of the tokens of known bases, by transformers alone, one sequence at a time."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    network = AutoModel.from_pretrained(folder).eval()
    out = []
    for sequence in sequences:
        encoded = tokenizer(text_of(sequence, layout), return_tensors="pt")
        words = tokenizer.convert_ids_to_tokens(encoded["input_ids"][0].tolist())
        known = [i for i, word in enumerate(words) if DNA.issuperset(word)]
        with torch.no_grad():
            found = network(input_ids=encoded["input_ids"], output_hidden_states=True)
        states = found.last_hidden_state if layer == -1 else found.hidden_states[layer]
        states = states[0, known]
        out.append({"mean": states.mean(0), "max": states.max(0).values, "last": states[-1]}[pooling].numpy())
    return np.stack(out)


@pytest.mark.parametrize("name", LAYOUTS)
def test_vectors_are_the_mean_of_the_hidden_states_of_transformers(name: str, make: Any) -> None:
    model, folder = make(name)
    for layer in (-1, 0, 1):
        expected = literal(folder, LAYOUTS[name], MIXED, layer)
        np.testing.assert_allclose(model.embed(MIXED, layer=layer), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["bert-overlapping", "esm-absolute", "gpt2", "mistral"])
@pytest.mark.parametrize("pooling", ["max", "last"])
def test_other_poolings_count_the_same_tokens(name: str, pooling: str, make: Any) -> None:
    model, folder = make(name)
    expected = literal(folder, LAYOUTS[name], MIXED, pooling=pooling)
    np.testing.assert_allclose(model.embed(MIXED, pooling=pooling), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("pooling", ["mean", "max", "last"])
def test_vectors_do_not_depend_on_the_batch(
    name: str, pooling: str, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _ = make(name)
    alone = np.concatenate([model.embed(MIXED[i : i + 1], pooling=pooling) for i in range(len(MIXED))])
    for budget in (1, 100, 10_000):
        monkeypatch.setattr(model, "budget", budget)
        together = model.embed_all(MIXED[::-1], [(-1, pooling), (1, "mean")])[0]
        np.testing.assert_allclose(together[::-1], alone, rtol=1e-4, atol=1e-5)
    assert not np.allclose(alone[0], alone[1], atol=1e-3)


@pytest.mark.parametrize("name", LAYOUTS)
def test_what_does_not_fit_is_cut_to_what_does(name: str, make: Any) -> None:
    model, _ = make(name)
    (long,) = dna(1, 400, seed=3)
    if model.context is None:
        assert name.startswith("mamba")
        return
    assert model.n_truncated([long]) == 1
    over = (400 - model.context) // 2
    expected = model.embed(strings([long[over : over + model.context]]))
    np.testing.assert_allclose(model.embed(strings([long])), expected, atol=1e-6)
    for side, kept in (("left", long[-30:]), ("right", long[:30]), ("both", long[185:215])):
        found = model.embed(strings([long]), max_length=30, truncation=side)
        np.testing.assert_allclose(found, model.embed(strings([kept])), atol=1e-6)
    kept = model.tokens.encode([long[: model.context]])[0]
    assert 0.8 * model.max_tokens < len(kept.ids) <= model.max_tokens


@pytest.mark.parametrize("name", ["bert-bpe", "esm-absolute", "gpt2"])
def test_letters_that_take_more_tokens_than_bases_do_are_cut_to_what_fits(name: str, make: Any) -> None:
    # A learned table has no position beyond its end; of N, letter by letter, far fewer fit than of words of DNA.
    model, _ = make(name)
    crowded = strings(["ANCN" * 60, "ACGT" + "N" * 300 + "ACGT" * 20, *dna(2, 300, seed=13)])
    for layer in (0, -1):
        assert np.isfinite(model.embed(crowded, layer=layer)).all()
    alone = np.concatenate([model.embed(crowded[i : i + 1]) for i in range(4)])
    np.testing.assert_allclose(model.embed(crowded), alone, atol=1e-5)
    assert model.n_truncated(crowded) == 4 and model.n_truncated(crowded, max_length=5000) == 4
    row = np.full(model.max_tokens + 1, int(model.tokens.vocabulary.dna[0]))
    with pytest.raises(DataError, match=f"takes {len(row)} tokens, but only {model.max_tokens} fit; shorten it"):
        model.forward(model.network, [row])


@pytest.mark.parametrize("name", ["bert-bpe", "llama", "esm-absolute", "gpt2", "bert-overlapping", "gpt_neox"])
def test_what_is_cut_is_counted_however_it_comes_about(name: str, make: Any) -> None:
    model, _ = make(name)
    assert model.context is not None
    x = [s[i:] for s in dna(20, model.context + 2, seed=20) for i in (0, 1, 2, 3, 30)]
    rng = np.random.default_rng(21)
    x += ["".join(b if rng.random() > share else "N" for b in s) for s in x for share in (0.1, 0.3, 0.9)]
    expected = [len(s) > model.context or len(model.tokens.encode([s])[0].ids) > model.max_tokens for s in x]
    assert [model.n_truncated([s]) for s in x] == expected
    assert model.n_truncated(x) == sum(expected)
    crowded = sum(over for over, s in zip(expected, x, strict=True) if len(s) <= model.context)
    assert (crowded > 10) == (LAYOUTS[name].tokenizer in ("bpe", "kmer"))


@pytest.mark.parametrize("name", LAYOUTS)
def test_likelihoods_are_finite_and_do_not_depend_on_the_batch(
    name: str, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _ = make(name)
    x = dna(5, (12, 40), seed=4)
    y = strings([s[:6] + "ACGT"["CGTA".index(s[6])] + s[7:] for s in x])

    def scores(x: StrArray, y: StrArray) -> dict[str, NDArray[Any]]:
        if model.head == "causal":
            return {"ll": model.log_likelihood(x), "next": model.next_base_log_probs(x)}
        return {"llr": model.masked_llr(x, y), "pll": model.pseudo_log_likelihood(x[:3])}

    monkeypatch.setattr(model, "budget", 1000)
    found = scores(x, y)
    if LAYOUTS[name].tokenizer != "bpe":  # an SNV may change how byte pairs are drawn: such are not scored
        assert all(np.isfinite(values).all() for values in found.values())
    monkeypatch.setattr(model, "budget", 1)
    for key, values in scores(x, y).items():
        np.testing.assert_allclose(values, found[key], rtol=1e-4, atol=1e-5)
    if model.head == "causal":
        assert (found["ll"] < 0).all()
        with pytest.raises(NotApplicable, match="needs a masked head, but has a causal head"):
            model.masked_llr(x, y)
    else:
        assert (found["pll"] < 0).all()
    if model.head == "masked" and model.tokens.kind == "nucleotide":
        rows = model.masked_log_probs(x, [np.array([0, len(s) - 1]) for s in x])
        np.testing.assert_allclose(np.exp(rows).sum(2), 1, atol=1e-9)


def examples(n: int, seed: int, *, variants: bool = False) -> Examples:
    """Return sequences with a class each."""
    x = dna(n, (20, 30), seed=seed)
    alternates = strings([s[:9] + "ACGT"["CGTA".index(s[9])] + s[10:] for s in x]) if variants else None
    ids = strings([f"{seed}_{i}" for i in range(n)])
    return Examples(ids, Inputs(x, alternates), np.arange(n) % 2, groups=ids, clusters=ids)


@pytest.mark.parametrize("name", LAYOUTS)
def test_fine_tuning_trains_a_copy(name: str, make: Any) -> None:
    model, _ = make(name)
    before, x = model.parameter_hash(), dna(4, (10, 30), seed=5)
    vectors = model.embed(x)
    model.network.train()
    train, valid = examples(20, 1), examples(6, 2)
    fitted = model.fit(train, valid, n_classes=2, seed=3, epochs=1, batch_size=10)
    assert model.network.training
    model.network.eval()
    found = fitted.predict(valid.inputs)
    assert found.shape == (6, 2)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-6)
    assert model.parameter_hash() == before
    np.testing.assert_array_equal(model.embed(x), vectors)
    again = model.fit(train, valid, n_classes=2, seed=3, epochs=1, batch_size=10).predict(valid.inputs)
    np.testing.assert_array_equal(again, found)


def test_changes_of_a_base_and_values_are_learnt_too(make: Any) -> None:
    model, _ = make("esm-rotary")
    changes = examples(12, 1, variants=True)
    assert model.fit(changes, changes, n_classes=2, seed=0, epochs=1).predict(changes.inputs).shape == (12, 2)
    x = strings(["ACGT" * 5, "TTTA" * 5] * 8)
    ids = strings([str(i) for i in range(16)])
    values = Examples(ids, Inputs(x), np.array([10.0, 30.0] * 8), groups=ids, clusters=ids)
    fitted = model.fit(values, values, n_classes=0, seed=0, epochs=60, patience=60, batch_size=16, lr=1e-2)
    np.testing.assert_allclose(fitted.predict(Inputs(x[:2]))[:, 0], [10, 30], atol=2)


@pytest.mark.parametrize("name", ["esm-rotary", "mixtral"])
def test_random_twins_differ_from_the_checkpoint_and_by_seed(name: str, make: Any) -> None:
    model, folder = make(name)
    twin = opened(folder, random_weights=True)
    assert twin.random_weights and not model.random_weights
    hashes = [model.parameter_hash(), twin.redrawn(1).parameter_hash(), twin.redrawn(2).parameter_hash()]
    assert len(set(hashes)) == 3
    assert twin.redrawn(1).parameter_hash() == hashes[1]
    assert twin.embed(MIXED).shape == model.embed(MIXED).shape
    with pytest.raises(NotApplicable, match="has trained weights"):
        model.redrawn(1)


@pytest.mark.parametrize(
    ("layout", "settings"),
    [
        ("bert-bpe", {}),
        ("bert-bpe", {"num_labels": 1}),
        ("mixtral", {}),
        ("mixtral", {"pad_token_id": None}),
        ("gpt2", {"pad_token_id": None}),
        ("mistral", {"pad_token_id": 0}),  # not the tokenizer's: the head looks for the last other token
    ],
)
def test_a_head_of_its_own_predicts_as_transformers_does(
    layout: str, settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = build(tmp_path, LAYOUTS[layout], head="classifier", **{"num_labels": 3, **settings})
    model = opened(folder)
    assert model.head == "classifier"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    network = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    x = dna(7, (10, 40), seed=6)
    with torch.no_grad():
        logits = torch.cat([network(tokenizer(str(s), return_tensors="pt")["input_ids"]).logits for s in x]).double()
    expected = logits if "num_labels" in settings else logits.softmax(-1)
    for budget in (1, 10_000):
        monkeypatch.setattr(model, "budget", budget)
        np.testing.assert_allclose(model.predict(Inputs(x)), expected.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.embed(x), literal(folder, LAYOUTS[layout], x), rtol=1e-4, atol=1e-5)
    with pytest.raises(NotApplicable, match="needs a masked head, but has a classification head"):
        model.masked_llr(x, x)


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ({0: "enhancer", 1: "Promoter", 2: "LABEL_2"}, ("enhancer", "Promoter", "LABEL_2")),
        ({2: "c", 0: "a", 1: "b"}, ("a", "b", "c")),
        ({0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}, ()),
        ({0: "0", 1: "1", 2: "2"}, ()),
        ({0: 0, 1: 1, 2: 2}, ()),
    ],
)
def test_the_classes_of_a_head_are_known_where_they_have_names(
    named: dict[int, Any], expected: tuple[str, ...], tmp_path: Path
) -> None:
    folder = build(tmp_path, LAYOUTS["bert-bpe"], head="classifier", num_labels=3)
    content = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**content, "id2label": named}))
    model = opened(folder)
    assert model.labels == expected
    assert model.predict(Inputs(MIXED)).shape == (len(MIXED), 3)


def test_labels_that_do_not_exclude_each_other_have_a_probability_each(make: Any, tmp_path: Path) -> None:
    problem = {"num_labels": 2, "problem_type": "multi_label_classification"}
    model = opened(build(tmp_path, LAYOUTS["bert-bpe"], head="classifier", **problem))
    found = model.predict(Inputs(MIXED))
    assert ((found > 0) & (found < 1)).all()
    assert not np.allclose(found.sum(axis=1), 1, atol=1e-3)
    assert make("bert-bpe")[0].labels == ()


class Scarce(nn.Module):
    """A network that has memory for so many tokens at once; what it was given is kept in `seen`."""

    def __init__(self, room: int, error: Exception) -> None:
        super().__init__()
        self.table = nn.Embedding(10, 8)
        self.room, self.error = room, error
        self.seen: list[tuple[int, int]] = []

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> tuple[Tensor]:
        self.seen.append((len(input_ids), input_ids.shape[1]))
        if input_ids.numel() > self.room:
            raise self.error
        return (self.table(input_ids),)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("can't allocate memory")])
def test_batches_shrink_where_memory_runs_out(error: Exception, make: Any) -> None:
    tokens = make("esm-rotary")[0].tokens
    x = dna(40, (10, 30), seed=8)
    roomy = from_network(Scarce(10**9, error), tokens, name="roomy", device="cpu")
    scarce = from_network(Scarce(100, error), tokens, name="scarce", device="cpu")
    scarce.network.load_state_dict(roomy.network.state_dict())
    np.testing.assert_allclose(scarce.embed(x), roomy.embed(x), atol=1e-6)
    assert roomy.network.seen[0][0] == 40
    sizes = [rows * width for rows, width in scarce.network.seen]
    refused = [size for size in sizes if size > 100]
    assert 1 <= len(refused) <= 4 and max(sizes[len(refused) :]) <= 100  # it does not ask for as much again
    with pytest.raises(DataError, match="out of memory on one sequence of 202 tokens; cut it with max_length"):
        scarce.embed(strings([*x[:5], "A" * 200]))
    assert scarce.embed(strings(["A" * 200]), max_length=50).shape == (1, 8)


def test_other_errors_of_a_network_are_not_taken_for_a_lack_of_memory(make: Any) -> None:
    scarce = from_network(Scarce(0, RuntimeError("shapes differ")), make("esm-rotary")[0].tokens, name="x")
    with pytest.raises(RuntimeError, match="shapes differ"):
        scarce.embed(dna(4, 10))


def test_memory_does_not_grow_with_the_number_of_sequences(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # Vectors so wide that they outweigh all else that Python allocates.
    wide = nn.Sequential(nn.Embedding(10, 1024))
    wide.forward = lambda input_ids: (wide[0](input_ids),)  # type: ignore[method-assign]
    model = from_network(wide, make("esm-rotary")[0].tokens, name="wide", device="cpu", precision="fp32")
    monkeypatch.setattr(embedding, "CHUNK", 40)

    def peak(x: StrArray) -> int:
        gc.collect()
        tracemalloc.start()
        rows = 0
        for (vectors,) in embedding.stream(model, x, [(-1, "mean")]):
            assert len(vectors) <= 40
            rows += len(vectors)
        assert rows == len(x)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    small, large = dna(120, 60, seed=9), dna(480, 60, seed=10)
    peak(small)  # what is imported and cached at first is not counted
    assert peak(large) < 1.5 * peak(small)  # all vectors at once would be four times as much
    whole = model.embed(large)
    monkeypatch.setattr(embedding, "CHUNK", 4096)
    np.testing.assert_allclose(model.embed(large), whole, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "fragment"),
    [
        ({"layer": 3}, "layer = 3: .* has hidden states 0 to 2"),
        ({"layer": -4}, "has hidden states 0 to 2"),
        ({"pooling": "median"}, "pooling = 'median': expected one of mean, max, last, cls"),
        ({"truncation": "top", "max_length": 5}, "truncation = 'top': expected 'left', 'right' or 'both'"),
    ],
)
def test_requests_that_cannot_be_met_are_refused_in_one_line(options: Any, fragment: str, make: Any) -> None:
    with pytest.raises(ConfigError, match=fragment):
        make("esm-rotary")[0].embed(dna(3, 20), **options)


def test_a_sequence_without_a_base_is_named(make: Any) -> None:
    for bad, shown in (("", "empty"), ("NNN", "'NNN'")):
        with pytest.raises(DataError, match=f"sequence 2 has no A, C, G or T .{shown}"):
            make("esm-rotary")[0].embed(strings(["ACGT", "GGG", bad]))


def test_cls_is_the_state_of_the_first_special_token(make: Any) -> None:
    model, folder = make("esm-rotary")
    ids = AutoTokenizer.from_pretrained(folder)("ACGTT", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        expected = AutoModel.from_pretrained(folder).eval()(ids).last_hidden_state[:, 0].numpy()
    np.testing.assert_allclose(model.embed(strings(["ACGTT"]), pooling="cls"), expected, atol=1e-5)
    with pytest.raises(ConfigError, match="puts no special token before a sequence"):
        make("gpt_neox")[0].embed(strings(["ACGTT"]), pooling="cls")


def by_site(model: LanguageModel, x: Sequence[str], sites: Sequence[int]) -> NDArray[np.float32]:
    """Return the states of transformers at the token of a base, single-nucleotide tokens after one special token."""
    ids = [model.tokens.encode([s])[0].ids for s in x]
    with torch.no_grad():
        rows = [model.backbone()(input_ids=torch.from_numpy(row)[None]).last_hidden_state[0] for row in ids]
    return np.stack([row[1 + at].numpy() for row, at in zip(rows, sites, strict=True)])


def test_a_site_is_the_state_of_its_own_token(make: Any) -> None:
    model = make("esm-rotary")[0]
    x, sites = dna(4, (5, 30), seed=11), np.array([0, 4, 2, 3])
    np.testing.assert_allclose(model.embed_sites(x, sites), by_site(model, x, sites.tolist()), atol=1e-5)
    (long,) = dna(1, 300, seed=12)
    start = 200 + 0.5 - model.context / 2
    window = long[int(start) : int(start) + model.context]
    expected = by_site(model, [window], [200 - int(start)])
    np.testing.assert_allclose(model.embed_sites(strings([long]), np.array([200])), expected, atol=1e-5)


class Headed(nn.Module):
    """A causal network without a `base_model`; `returns` says how, and whether states come when they are asked for."""

    def __init__(self, returns: str) -> None:
        super().__init__()
        self.table, self.layer, self.head = nn.Embedding(10, 6), nn.Linear(6, 6), nn.Linear(6, 10)
        self.returns = returns
        self.passes = 0

    def forward(self, input_ids: Tensor, output_hidden_states: bool = False) -> Any:
        self.passes += 1
        states = (first := self.table(input_ids), last := self.layer(first))
        logits, given = self.head(last), states if output_hidden_states else None
        kept = [(first[:, None], first[:, None])]
        return {
            "tuple": (logits, kept, states) if output_hidden_states else (logits, kept),
            "named": SimpleNamespace(logits=logits, hidden_states=given),
            "last": SimpleNamespace(logits=logits, last_hidden_state=last, hidden_states=given),
            "none": (logits,),
        }[self.returns]


@pytest.mark.parametrize("returns", ["tuple", "named", "last"])
def test_logits_do_not_pass_for_states(returns: str, make: Any) -> None:
    tokens = make("esm-rotary")[0].tokens
    network = Headed(returns)
    model = from_network(network, tokens, name="headed", head="causal", device="cpu", precision="fp32")
    ids = tokens.encode(list(MIXED[:1]))[0].ids[1:-1]
    with torch.no_grad():
        first = network.table(torch.from_numpy(ids[ids < 8]))
        states = [first, network.layer(first)]
    for layer in (-1, 0, 1):
        expected = states[layer].mean(0).numpy()
        np.testing.assert_allclose(model.embed(MIXED[:1], layer=layer)[0], expected, atol=1e-6)
    network.passes = 0
    model.embed(MIXED[:1])
    assert network.passes == 1
    fitted = model.fit(examples(8, 1), examples(4, 2), n_classes=2, seed=0, epochs=1)
    assert fitted.predict(examples(4, 2).inputs).shape == (4, 2) and fitted.head.in_features == 6


def test_a_network_that_shows_no_states_cannot_embed(make: Any) -> None:
    tokens = make("esm-rotary")[0].tokens
    model = from_network(Headed("none"), tokens, name="bare", head="causal", device="cpu", precision="fp32")
    assert np.isfinite(model.log_likelihood(MIXED)).all()
    with pytest.raises(ConfigError, match="bare: returns logits and no hidden states"):
        model.embed(MIXED)
    plain = from_network(Scarce(10**9, RuntimeError()), tokens, name="plain", device="cpu", precision="fp32")
    with pytest.raises(ConfigError, match=r"layer = 1: plain returns only its last layer .-1."):
        plain.embed(MIXED, layer=1)


def test_a_lower_precision_is_close_and_the_vectors_are_still_single(make: Any) -> None:
    model, folder = make("esm-rotary")
    rough = opened(folder, precision="bf16")
    found = rough.embed(MIXED)
    assert found.dtype == np.float32 and rough.parameter_hash() == model.parameter_hash()
    difference = np.abs(found - model.embed(MIXED)).max()
    assert 0 < difference < 0.1
    with pytest.raises(ConfigError, match="precision = 'half': expected auto, fp32 or bf16"):
        opened(folder, precision="half")
