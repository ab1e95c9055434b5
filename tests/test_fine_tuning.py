"""What is trained of a network in each kind of fine-tuning, on toy checkpoints in the layouts of published ones."""

from __future__ import annotations

import copy
import functools
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("transformers")

import torch
from torch import Tensor, nn

from baserate.errors import ConfigError, MissingExtra, NotApplicable
from baserate.modes import MODES, versions_of
from baserate.networks import finetuning
from baserate.networks.adapters import decayed_rates, trainable
from baserate.networks.checkpoint import from_network
from baserate.networks.language_model import LanguageModel
from baserate.networks.projections import Projected, with_projections
from baserate.networks.settings import KINDS, training_values
from baserate.types import Examples, FloatArray, Inputs, strings

from .checkpoints import LAYOUTS, build, dna, opened
from .golden_inputs import split_of

ADAPTED = ("lora", "ia3")
SHORT: dict[str, Any] = {"epochs": 2, "batch_size": 8}


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], LanguageModel]:
    """Return what builds the checkpoint of a layout, once, and opens it."""

    @functools.cache
    def made(name: str) -> LanguageModel:
        return opened(build(tmp_path_factory.mktemp(name), LAYOUTS[name]))

    return made


def motif(n: int, seed: int, length: int = 40) -> Examples:
    """Return sequences half of which have a motif, which is their class."""
    x = [str(s) for s in dna(n, length, seed=seed)]
    y = np.arange(n) % 2
    x = [s[:12] + "TATAAATATAAA" + s[24:] if label else s for s, label in zip(x, y, strict=True)]
    ids = strings([f"{seed}_{i}" for i in range(n)])
    return Examples(ids, Inputs(strings(x)), y, groups=ids, clusters=ids)


TRAIN, VALID = motif(32, 1), motif(16, 2)
QKV = {"modernbert": "Wqkv", "gpt2": "c_attn", "gpt_neox": "query_key_value", "mamba": "in_proj", "esm-rotary": "query"}


@pytest.mark.parametrize("name", QKV)
def test_adapters_are_on_all_linear_layers_of_the_blocks(name: str, make: Any) -> None:
    model = make(name)
    before, x = model.parameter_hash(), dna(4, (10, 30), seed=5)
    vectors = model.embed(x)
    fitted = model.fit(TRAIN, VALID, n_classes=2, seed=3, train="lora", lr=1e-2, **SHORT)
    assert QKV[name] in fitted.chosen["adapted"]
    assert not {"lm_head", "decoder", "embeddings", "wte", "word_embeddings"} & set(fitted.chosen["adapted"])
    assert 0 < fitted.chosen["trained_share"] < 0.9
    assert model.parameter_hash() == before, "the model itself stays as it is"
    np.testing.assert_array_equal(model.embed(x), vectors)
    names = {n for n, _ in fitted.network.named_parameters()}
    assert names == {n for n, _ in model.network.named_parameters()}, "adapters are in the weights in the end"
    moved = {n for n, p in fitted.network.named_parameters() if not torch.equal(p, model.network.get_parameter(n))}
    assert moved and all(part in fitted.chosen["adapted"] for part in {n.split(".")[-2] for n in moved})


def test_a_fast_path_that_reads_past_a_layer_gets_no_adapter(make: Any) -> None:
    tokens = make("esm-rotary").tokens

    class Past(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(20, 8)
            self.blocks = nn.ModuleList([nn.ModuleDict({"used": nn.Linear(8, 8), "past": nn.Linear(8, 8)})])

        def forward(self, input_ids: Tensor) -> tuple[Tensor]:
            states = self.table(input_ids)
            for block in self.blocks:
                states = block["used"](states) + nn.functional.linear(states, block["past"].weight)  # type: ignore[index]
            return (states,)

    fitted = from_network(Past(), tokens, name="past").fit(TRAIN, VALID, n_classes=2, seed=0, train="lora", **SHORT)
    assert fitted.chosen["adapted"] == ["used"]


class Torch(nn.Module):
    """Torch's own encoder, whose projections are one parameter and which has a fast path in eval mode."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(20, 16)
        layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, input_ids: Tensor) -> tuple[Tensor]:
        return (self.encoder(self.table(input_ids)),)


@pytest.mark.parametrize("kind", ADAPTED)
def test_torchs_own_encoder_is_adapted_and_merged(kind: str, make: Any) -> None:
    torch.manual_seed(0)
    model = from_network(Torch(), make("esm-rotary").tokens, name="torch")
    fitted = model.fit(TRAIN, VALID, n_classes=2, seed=0, train=kind, lr=3e-2, epochs=12, batch_size=8)
    assert {"linear1", "linear2"} | ({"in_proj", "out_proj"} if kind == "lora" else set()) == set(
        fitted.chosen["adapted"]
    )
    assert type(fitted.network.encoder.layers[0].self_attn) is nn.MultiheadAttention
    assert fitted.predict(VALID.inputs)[VALID.targets == 1, 1].mean() > fitted.predict(VALID.inputs)[:, 1].mean()


@pytest.mark.parametrize("batch_first", [True, False])
def test_attention_with_projections_computes_the_same(batch_first: bool) -> None:
    torch.manual_seed(0)
    whole = nn.ModuleList([nn.MultiheadAttention(16, 2, batch_first=batch_first, bias=b) for b in (True, False)]).eval()
    x, y, z = (torch.randn(3, 5, 16) if batch_first else torch.randn(5, 3, 16) for _ in range(3))
    inputs = [(x, x, x), (x, y, y), (x, y, z)]
    hidden = torch.zeros(3, 5, dtype=torch.bool)
    hidden[1, 3:] = True
    causal = torch.ones(5, 5, dtype=torch.bool).triu(1)
    masks: list[dict[str, Any]] = [
        {},
        {"key_padding_mask": hidden, "need_weights": False},
        {"attn_mask": causal, "is_causal": True, "need_weights": False},
        {"attn_mask": torch.randn(6, 5, 5), "key_padding_mask": hidden.float() * -3, "average_attn_weights": False},
    ]

    def outputs() -> list[Any]:
        found = [attention(*given, **mask) for attention in whole for given in inputs for mask in masks]
        one = x[0] if batch_first else x[:, 0]
        return found + [attention(one, one, one, key_padding_mask=hidden[1]) for attention in whole]

    before, names = outputs(), [n for n, _ in whole.named_parameters()]
    undo = with_projections(whole)
    assert all(type(m) is Projected for m in whole)
    for expected, found in zip(before, outputs(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    undo()
    assert all(type(m) is nn.MultiheadAttention for m in whole)
    assert sorted(n for n, _ in whole.named_parameters()) == sorted(names)
    for expected, found in zip(before, outputs(), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_an_adapter_of_torchs_own_attention_is_added_once_and_has_dropout() -> None:
    pytest.importorskip("peft")
    torch.manual_seed(0)
    network = nn.ModuleList([nn.MultiheadAttention(16, 2, batch_first=True) for _ in range(2)])
    attention, before = network[0], copy.deepcopy(network[0])
    x = torch.randn(3, 5, 16)
    settings = {"rank": 4, "alpha": 8.0, "dropout": 0.5}
    what = trainable("lora", network, settings, lambda: [m(x, x, x) for m in network], name="own", headed=False)
    assert set(what.adapted) == {"in_proj", "out_proj"}
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.requires_grad:
                parameter.normal_()
        for stated, layer in ((before.in_proj_weight, attention.in_proj), (before.out_proj.weight, attention.out_proj)):
            added = layer.lora_B["default"].weight @ layer.lora_A["default"].weight
            stated += 8.0 / 4 * added
    network.train()
    one, two = (attention(x, x, x)[0] for _ in range(2))
    assert not torch.allclose(one, two), "no two passes of training see the same inputs"
    network.eval()
    expected = before(x, x, x)[0]
    torch.testing.assert_close(attention(x, x, x)[0], expected, rtol=1e-4, atol=1e-4)
    what.merge()
    assert type(network[0]) is nn.MultiheadAttention
    torch.testing.assert_close(network[0](x, x, x)[0], expected, rtol=1e-4, atol=1e-4)


def test_lora_has_a_version_of_its_own() -> None:
    assert versions_of(MODES.get("fine_tune"), {"train": "lora"}) == {"mode": "2", "train": "2"}
    assert versions_of(MODES.get("fine_tune"), {"train": "full"}) == {"mode": "2"}


@pytest.mark.parametrize("kind", ADAPTED)
def test_nothing_to_adapt_is_told_with_the_modules_seen(kind: str, make: Any) -> None:
    class Convolutional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(20, 8)
            self.conv = nn.Conv1d(8, 8, 3, padding=1)

        def forward(self, input_ids: Tensor) -> tuple[Tensor]:
            return (self.conv(self.table(input_ids).transpose(1, 2)).transpose(1, 2),)

    model = from_network(Convolutional(), make("esm-rotary").tokens, name="conv")
    with pytest.raises(ConfigError, match=rf"train = '{kind}': conv has no linear layers.*its modules are Conv1d, Emb"):
        model.fit(TRAIN, VALID, n_classes=2, seed=0, train=kind)
    with pytest.raises(ConfigError, match=r"layer_decay = 0.5: conv has no repeated blocks"):
        model.fit(TRAIN, VALID, n_classes=2, seed=0, layer_decay=0.5)


def test_without_peft_the_command_that_installs_it_is_told(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(
        MissingExtra, match=r'train = \'lora\' needs the package peft: `pip install "baserate\[tune\]"`'
    ):
        make("esm-rotary").fit(TRAIN, VALID, n_classes=2, seed=0, train="lora")


def test_biases_alone(make: Any) -> None:
    model = make("esm-rotary")
    fitted = model.fit(TRAIN, VALID, n_classes=2, seed=0, train="bitfit", lr=1e-2, **SHORT)
    moved = {n for n, p in fitted.network.named_parameters() if not torch.equal(p, model.network.get_parameter(n))}
    assert moved and all(name.endswith("bias") for name in moved)
    with pytest.raises(ConfigError, match=r"train = 'bitfit': .* has no biases; its modules are Embedding"):
        make("llama").fit(TRAIN, VALID, n_classes=2, seed=0, train="bitfit")


def test_the_head_alone_is_trained_on_states_computed_once(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = make("esm-rotary")
    rows: list[int] = []
    forward = model.forward
    monkeypatch.setattr(
        model, "forward", lambda net, ids, **more: (rows.append(len(ids)), forward(net, ids, **more))[1]
    )
    fitted = model.fit(TRAIN, VALID, n_classes=2, seed=0, train="head", lr=3e-2, epochs=30, patience=30, batch_size=8)
    assert sum(rows) <= len(TRAIN) + len(VALID) + 2, "each sequence runs once, in all epochs"
    for name, value in fitted.network.named_parameters():
        assert torch.equal(value, model.network.get_parameter(name))
    n_head = sum(p.numel() for p in fitted.head.parameters())
    assert fitted.chosen["trained_parameters"] == n_head
    # The head takes the states as they are: what it learnt on standardised ones is in it.
    states = torch.from_numpy(model.embed(VALID.inputs.sequences))
    with torch.no_grad():
        expected = fitted.head(states).softmax(-1).numpy()
    np.testing.assert_allclose(fitted.predict(VALID.inputs), expected, atol=1e-5)
    assert fitted.history[-1]["train_loss"] < 0.8 * fitted.history[0]["train_loss"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("task", "variants"),
    [("three classes", False), ("labels", False), ("measurements", False), ("measurement", True), ("bases", False)],
)
def test_every_kind_serves_every_task(kind: str, task: str, variants: bool, make: Any) -> None:
    split = split_of(task, variants=variants)
    n_classes = {"three classes": 3, "labels": 3, "bases": 2}.get(task, 0)
    seen: list[FloatArray] = []

    def score(scores: FloatArray) -> float:
        seen.append(scores)
        return -float(len(seen))  # the first epoch is the best

    fitted = make("esm-rotary").fit(
        split.train, split.valid, n_classes=n_classes, seed=0, train=kind, valid_score=score, **SHORT
    )
    width = n_classes or (1 if split.train.targets.ndim == 1 else split.train.targets.shape[1])
    scores = fitted.predict(split.valid.inputs)
    assert scores.shape == seen[0].shape == (len(split.valid), width)
    assert fitted.chosen["epoch"] == 1 and len(fitted.history) == 2
    np.testing.assert_allclose(scores, seen[0], rtol=1e-4, atol=1e-5)
    if task in ("three classes", "bases"):
        np.testing.assert_allclose(scores.sum(1), 1, atol=1e-6)


def test_settings_exist_where_they_apply() -> None:
    assert training_values({})["lr"] == 5e-4 and "rank" not in training_values({})
    assert training_values({"train": "lora"})["rank"] == 8 and "layer_decay" not in training_values({"train": "lora"})
    with pytest.raises(ConfigError, match=r"settings of fit with train = 'head': unknown key 'rank'"):
        training_values({"train": "head", "rank": 4})
    with pytest.raises(ConfigError, match=r"train = 'lorra': expected .*; did you mean 'lora'"):
        training_values({"train": "lorra"})


def test_learning_rates_decay_from_the_last_block_to_the_embeddings(make: Any) -> None:
    network = make("esm-rotary").backbone()
    rates = decayed_rates(network, 0.5, name="net")
    by_depth = {
        "embeddings.word_embeddings.weight": 0.125,
        "encoder.layer.0.attention.self.query.weight": 0.25,
        "encoder.layer.1.output.dense.bias": 0.5,
        "encoder.emb_layer_norm_after.weight": 1.0,
    }
    assert {name: rates[name] for name in by_depth} == by_depth
    assert set(decayed_rates(network, 1.0, name="net").values()) == {1.0}


def test_class_weights_are_for_classes(make: Any) -> None:
    split = split_of("measurement")
    with pytest.raises(NotApplicable, match="class_weights = 'balanced': the task has measurements"):
        make("esm-rotary").fit(split.train, split.valid, n_classes=0, seed=0, class_weights="balanced")


def test_adapters_are_drawn_from_the_seed_alone(make: Any) -> None:
    scores = []
    for noise in (1, 2):
        torch.manual_seed(noise)
        before = torch.get_rng_state()
        scores.append(make("esm-rotary").fit(TRAIN, VALID, n_classes=2, seed=4, train="lora", **SHORT))
        assert torch.equal(before, torch.get_rng_state())
    one, two = (fitted.predict(VALID.inputs) for fitted in scores)
    np.testing.assert_array_equal(one, two)


def test_a_state_that_is_constant_but_for_rounding_is_not_made_large() -> None:
    x = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
    x[:, 1] = 100 + 1e-5 * x[:, 1]
    head = nn.Linear(2, 1)
    fitted: Any = SimpleNamespace(all_states=lambda units: x, head=head)
    units: Any = SimpleNamespace(examples=lambda index: index)
    states, _, fold = finetuning._frozen(fitted, (units, units))
    seen = states(np.arange(40))
    assert 0.9 < float(seen[:, 0].std()) < 1.1 and float(seen[:, 1].std()) < 1e-3
    expected = head(seen)
    fold()
    torch.testing.assert_close(head(x), expected, rtol=1e-3, atol=1e-3)
