"""Models that are broken on purpose fail the check that is about it and no other; sound ones pass all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from torch import Tensor, nn

from baserate import checks
from baserate.cards.checkpoint import checkpoint_card
from baserate.cards.task import task_card
from baserate.checks import faults, results, run_checks
from baserate.checks.loaded import LoadedModel
from baserate.checks.weights import (
    check_likelihood_knows_dna,
    check_repeats_are_predicted,
    check_weights_are_not_random,
)
from baserate.errors import CheckFailed, MissingExtra
from baserate.inhouse import FunctionModel
from baserate.leaderboard import build_leaderboard, write_leaderboard
from baserate.networks.checkpoint import from_network
from baserate.networks.hub import Location
from baserate.networks.language_model import LanguageModel
from baserate.networks.settings import NETWORK
from baserate.networks.token_tables import NucleotideTokens, Vocabulary
from baserate.plan import Protocol, plan
from baserate.records import read_records
from baserate.registry import get_model, load_model
from baserate.run import Grid
from baserate.types import Examples, FloatArray, Inputs, ModelCard, StrArray, Task

from .checkpoints import LAYOUTS, build

LANGUAGE_MODEL = {"zero_shot": {"rule": "masked_llr"}, "linear_probe": {"layer": -1}, "fine_tune": {}}


def card(load: Callable[[], Any], modes: Any = None, **fields: Any) -> ModelCard:
    fields.setdefault("settings", {} if isinstance(load, type) else NETWORK)  # a function here makes a network
    return ModelCard("m", load, modes or {"linear_probe": {}}, {}, "d", revision=lambda: "r", **fields)


def statuses(subject: ModelCard) -> dict[str, tuple[str, str]]:
    return {r.check: (r.status, r.detail) for r in run_checks(subject)}


def failed(subject: ModelCard) -> set[str]:
    return {check for check, (status, _) in statuses(subject).items() if status == "failed"}


class Bases(nn.Module):
    """A masked model of single bases: a base's neighbours and the mean of the sequence decide what is predicted."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.embedding = nn.Embedding(8, 8)
            self.near = nn.Conv1d(8, 8, 3, padding=1)
            self.head = nn.Linear(8, 8)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Any:
        real = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        return self.given(input_ids, real[:, :, None].float())

    def given(self, ids: Tensor, real: Tensor) -> Any:
        x = self.embedding(ids) * real
        x = x + self.near(x.transpose(1, 2)).transpose(1, 2) + self.mean(x, real)
        x = self.mix(x)
        return SimpleNamespace(last_hidden_state=x, logits=self.head(x))

    def mean(self, x: Tensor, real: Tensor) -> Tensor:
        return x.sum(1, keepdim=True) / real.sum(1, keepdim=True)

    def mix(self, x: Tensor) -> Tensor:
        return x


class PaddingCounts(Bases):
    def mean(self, x: Tensor, real: Tensor) -> Tensor:
        return x.mean(1, keepdim=True)


class CannotBeTold(PaddingCounts):
    def forward(self, input_ids: Tensor) -> Any:  # type: ignore[override]
        return self.given(input_ids, torch.ones_like(input_ids)[:, :, None].float())


class BatchStatistics(Bases):
    def mix(self, x: Tensor) -> Tensor:
        return x - x.mean(0, keepdim=True)


class AlwaysDrops(Bases):
    def mix(self, x: Tensor) -> Tensor:
        return nn.functional.dropout(x, 0.1, training=True)


class PlaceCounts(Bases):
    def mix(self, x: Tensor) -> Tensor:
        return x + 0.01 * torch.arange(len(x))[:, None, None] * torch.arange(8)


class FailsBeyond(Bases):
    def mix(self, x: Tensor) -> Tensor:
        return x if x.shape[1] <= 150 else torch.full_like(x, torch.nan)


def tokens(bases: str = "ACGT") -> NucleotideTokens:
    ids = np.arange(2, 2 + len(bases))
    table = np.full(256, 7)
    for i, base in zip(ids, bases, strict=True):
        table[[ord(base), ord(base.lower())]] = i
    first = np.array(["ACGT".index(b) for b in bases])
    vocabulary = Vocabulary(8, ids, first, np.ones(len(ids), np.int64), pad=0, mask=1)
    return NucleotideTokens(vocabulary, np.array([], np.int64), np.array([], np.int64), table)


def network(build: Callable[[int], nn.Module] = Bases, seed: int = 0, **options: Any) -> LanguageModel:
    options = {"device": "cpu", "precision": "fp32", "context": 100, **options}
    return from_network(build(seed), options.pop("tokens", tokens()), name="m", head="masked", **options)


def test_a_sound_network_fails_nothing() -> None:
    found = statuses(card(network, LANGUAGE_MODEL))
    assert {s for s, _ in found.values()} == {"passed", "skipped"}, found
    assert found["alone_is_as_in_a_padded_batch"] == (
        "passed",
        "The output for a sequence is the same alone and in a batch with longer and shorter ones.",
    )
    assert found["vocabulary_spells_dna"] == ("passed", "4 tokens spell DNA (nucleotide).")
    assert {check for check, (s, _) in found.items() if s == "skipped"} == {
        "twin_is_drawn_anew",
        "weights_are_not_random",
        "repeats_are_predicted",
    }


@pytest.mark.parametrize(
    ("build", "check", "said"),
    [
        (PaddingCounts, "alone_is_as_in_a_padded_batch", "embed: alone and beside sequences of other lengths"),
        (BatchStatistics, "batch_size_does_not_matter", "embed: 5 at a time and 1 at a time: they differ by"),
        (PlaceCounts, "order_does_not_matter", "embed: in another order: they differ by"),
        (AlwaysDrops, "same_call_twice_is_equal", "embed: two calls with the same sequences: they differ by"),
    ],
)
def test_a_broken_network_fails_the_check_about_it(build: Any, check: str, said: str) -> None:
    found = statuses(card(lambda: network(build), LANGUAGE_MODEL))
    assert {c for c, (s, _) in found.items() if s == "failed"} == {check}
    assert said in found[check][1]


def test_what_a_failure_makes_moot_is_not_tried() -> None:
    found = statuses(card(lambda: network(AlwaysDrops), LANGUAGE_MODEL))
    assert found["letters"] == ("skipped", "not run, because this check failed: same call twice is equal")
    found = statuses(card(object, LANGUAGE_MODEL))
    assert found["loads"][0] == "failed" and {s for s, _ in list(found.values())[1:]} == {"skipped"}


def test_a_network_that_cannot_be_told_of_padding_is_batched_by_length() -> None:
    found = statuses(card(lambda: network(CannotBeTold), LANGUAGE_MODEL))
    assert {s for s, _ in found.values()} == {"passed", "skipped"}, found
    assert "Sequences are batched by equal length" in found["alone_is_as_in_a_padded_batch"][1]


def test_loads_that_differ_are_told() -> None:
    seeds = iter(range(100))
    assert failed(card(lambda: network(seed=next(seeds)), LANGUAGE_MODEL)) == {"two_loads_are_equal"}


def test_a_vocabulary_without_a_base_is_told() -> None:
    found = statuses(card(lambda: network(tokens=tokens("ACG")), {"linear_probe": {}}))
    assert found["vocabulary_spells_dna"] == ("failed", "3 tokens spell words of 1 bases, expected 4")
    assert {s for c, (s, _) in found.items() if c != "vocabulary_spells_dna"} <= {"passed", "skipped"}, found


def test_a_network_that_fails_beyond_its_context_is_told() -> None:
    model = card(lambda: network(FailsBeyond, context=None), LANGUAGE_MODEL, context=150)
    assert failed(model) == {"long_sequence_is_handled"}


def test_weights_that_are_random_are_told() -> None:
    mlm, twin = get_model("baserate_mlm"), get_model("baserate_mlm_random")
    assert check_repeats_are_predicted(LoadedModel(mlm)).startswith(
        "0.902 nats per token of tandem repeats; chance has 1.39"
    )
    with pytest.raises(CheckFailed, match="the weights are the random ones of baserate_mlm_random"):
        check_weights_are_not_random(LoadedModel(replace(mlm, load=twin.load)))
    for seed in range(1, 6):
        other = replace(mlm, load=lambda seed=seed: load_model(twin).redrawn(seed))
        assert check_weights_are_not_random(LoadedModel(other))
        with pytest.raises(CheckFailed, match=r"tandem repeats; chance has 1.39, .* may be random"):
            check_repeats_are_predicted(LoadedModel(other))


@pytest.mark.parametrize("name", ["bert-overlapping", "bert-bpe", "esm-absolute", "llama", "gpt2", "gpt_neox", "mamba"])
def test_checkpoints_of_every_kind_of_token_fail_nothing_but_that_they_were_never_trained(
    name: str, tmp_path: Path
) -> None:
    folder = build(tmp_path / name, LAYOUTS[name])
    found = statuses(checkpoint_card(Location(str(folder), folder, "")))
    untrained = {"repeats_are_predicted", "likelihood_knows_dna"}  # the second where the weights are small, too
    assert {"repeats_are_predicted"} <= {c for c, (s, _) in found.items() if s == "failed"} <= untrained, found
    if LAYOUTS[name].head == "causal" and LAYOUTS[name].tokenizer != "bpe":
        assert "by 3 bases sum to 1)" in found["probabilities_sum_to_one"][1]


def test_a_twin_that_is_not_drawn_anew_is_told() -> None:
    model = card(lambda: network(redraw=lambda seed: Bases()), LANGUAGE_MODEL, twin_of="other")
    assert failed(model) == {"twin_is_drawn_anew"}


class Counts:
    """Counts of the bases, as a good embedder gives them."""

    letters = "ACGT"

    def embed(self, sequences: StrArray) -> Any:
        if "" in list(sequences):
            raise MissingExtra("sequence is empty")
        return np.array([[self.text(s).count(b) / len(s) for b in self.letters] for s in sequences], np.float32)

    def text(self, sequence: str) -> str:
        return sequence.upper()


class CaseCounts(Counts):
    def text(self, sequence: str) -> str:
        return sequence


class NoN(Counts):
    def embed(self, sequences: StrArray) -> Any:
        return super().embed(sequences) / np.array([["N" not in s] for s in sequences], np.float32)


class EmbedsNothing(Counts):
    def embed(self, sequences: StrArray) -> Any:
        return np.array([[s.upper().count(b) for b in "ACGT"] for s in sequences], np.float32)


class Unseeded(Counts):
    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)

    def fit(self, train: Examples, valid: Examples, *, n_classes: int, seed: int) -> Any:
        p = self.rng.random()
        return SimpleNamespace(predict=lambda inputs: np.tile([p, 1 - p], (len(inputs), 1)))


class Infinite:
    def score_variants(self, inputs: Inputs) -> FloatArray:
        return np.array([-np.inf if s.startswith("A") else 1.0 for s in inputs.sequences])


class Logits:
    def next_base_log_probs(self, sequences: StrArray) -> FloatArray:
        return np.array([[-1.0, -1.2, -1.1, -0.4 * s.upper().count("A") / len(s)] for s in sequences])


@pytest.mark.filterwarnings("ignore:(divide by zero|invalid value) encountered:RuntimeWarning")
@pytest.mark.parametrize(
    ("load", "modes", "check"),
    [
        (Counts, ["linear_probe"], None),
        (CaseCounts, ["linear_probe"], "letters"),
        (NoN, ["linear_probe"], "letters"),
        (EmbedsNothing, ["linear_probe"], "empty_sequence_is_refused"),
        (Unseeded, ["from_scratch"], "fit_is_reproducible"),
        (Infinite, ["zero_shot"], "variant_scores"),
        (Logits, ["linear_probe"], "loads"),
    ],
)
def test_models_without_a_network(load: Any, modes: Any, check: str | None) -> None:
    assert failed(card(load, {m: {} for m in modes})) == ({check} if check else set())


def per_base(sequences: list[str], of: Callable[[Iterable[float]], Any]) -> list[float]:
    p = {"A": 0.3, "C": 0.2, "G": 0.2, "T": 0.3, "N": 1.0}
    return [float(of([np.log(p[b]) for b in s])) for s in sequences]


def test_likelihoods_that_do_not_sum_to_one_are_told() -> None:
    modes = {"zero_shot": {"rule": "causal_delta"}}
    summed = statuses(card(lambda: FunctionModel(log_likelihood=lambda x: per_base(x, np.sum)), modes))
    assert summed["probabilities_sum_to_one"] == (
        "passed",
        "Sums to one: log_likelihood (all continuations by 3 bases sum to 1).",
    )
    mean = statuses(card(lambda: FunctionModel(log_likelihood=lambda x: per_base(x, np.mean)), modes))
    assert {c for c, (s, _) in mean.items() if s == "failed"} == {"probabilities_sum_to_one"}
    assert (
        "expected 1 or less; is it a sum of log-probabilities over tokens, in nats?"
        in mean["probabilities_sum_to_one"][1]
    )
    right_end = {"zero_shot": {"rule": "right_end"}}
    assert failed(card(Logits, right_end)) == {"probabilities_sum_to_one"}


@pytest.mark.parametrize("method", ["log_likelihood", "pseudo_log_likelihood"])
def test_a_likelihood_that_knows_nothing_is_told_with_what_was_measured(method: str, tmp_path: Path) -> None:
    modes = {"zero_shot": {"rule": "causal_delta" if method == "log_likelihood" else "pll"}}

    def model(loss: Callable[[str], float]) -> ModelCard:
        return card(lambda: FunctionModel(**{method: lambda x: [-len(s) * loss(s) for s in x]}), modes)

    dead = model(lambda s: np.log(4) + 0.004 * s.count("CA") / len(s))
    assert "likelihood_knows_dna" in failed(dead)
    (fault,) = (f for f in faults(dead, tmp_path) if f.startswith("likelihood knows dna"))
    assert "(1.39 nats per base of tandem repeats, 1.39 of their bases shuffled, alike in every sequence" in fault
    assert "likelihood_knows_dna" not in failed(model(lambda s: 1.5 - s.count("CA") / len(s)))
    assert "likelihood_knows_dna" not in failed(replace(dead, twin_of="other")), "a twin knows nothing on purpose"


def test_a_dead_head_is_told_and_a_trained_one_is_not() -> None:
    mlm = get_model("baserate_mlm")
    assert check_likelihood_knows_dna(LoadedModel(mlm)).startswith("0.902 nats per token of tandem repeats, 1.41")
    model = load_model(mlm)
    forward = model.forward

    def level(*arguments: Any, **options: Any) -> Any:
        output, mask = forward(*arguments, **options)
        output.logits = torch.zeros_like(output.logits)
        return output, mask

    model.forward = level
    with pytest.raises(CheckFailed, match=r"1\.39 nats per token of tandem repeats, 1\.39 of .* knows nothing"):
        check_likelihood_knows_dna(LoadedModel(replace(mlm, load=lambda: model)))


def test_checks_load_a_model_twice_and_faults_once_per_weights(tmp_path: Path) -> None:
    loads = []

    def load() -> Any:
        loads.append(1)
        return network(PaddingCounts)

    model = card(load, LANGUAGE_MODEL)
    assert faults(model, tmp_path) == ("alone is as in a padded batch",) and len(loads) == 2
    assert faults(model, tmp_path) == ("alone is as in a padded batch",) and len(loads) == 2
    faults(replace(model, revision=lambda: "other"), tmp_path)
    assert len(loads) == 4
    for file in (tmp_path / "checks").iterdir():
        file.write_text("{")
    assert faults(model, tmp_path) and len(loads) == 6, "a damaged file is written anew"
    kept = sorted((file.read_text() for file in (tmp_path / "checks").iterdir()), key=len)
    assert kept[0] == "{" and '"alone_is_as_in_a_padded_batch"' in kept[1]
    assert faults(model, None) and len(loads) == 8, "nothing is kept without a cache"
    list(run_checks(model, cache=tmp_path))
    assert len(loads) == 10, "`baserate check` runs them whatever is kept"


def test_other_versions_or_checks_are_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loads = []
    model = card(lambda: loads.append(1) or Counts())
    faults(model, tmp_path)
    before = len(loads)
    monkeypatch.setattr(results, "_sources_digest", lambda: "changed")
    faults(model, tmp_path)
    assert len(loads) == 2 * before
    monkeypatch.setattr(results, "environment", lambda: {"packages": {"torch": "9"}, "device": "cpu"})
    faults(model, tmp_path)
    assert len(loads) == 3 * before


def test_a_model_that_cannot_be_loaded_is_tried_again(tmp_path: Path) -> None:
    def load() -> Any:
        raise MissingExtra("install it")

    assert faults(card(load), tmp_path) == ("loads",)
    assert not (tmp_path / "checks").exists()


@pytest.fixture
def toy(toy_card: Path) -> Task:
    return task_card(toy_card)


def grid(toy: Task, cards: list[ModelCard], folder: Path) -> Any:
    run = Grid(folder, Protocol(seeds=(0,)), audited=False)
    run.run(plan([toy, replace(toy, name="again")], cards, ["linear_probe"]))
    return {(r.spec.task, r.spec.model): r.flags for r in read_records(folder)}


def test_failed_checks_taint_the_records_and_are_told_on_the_leaderboard(
    toy: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def faults_of(of: ModelCard, cache: Path | None) -> tuple[str, ...]:
        asked.append(of.name)
        if of.name == "unlucky":
            raise RuntimeError("no\nluck")
        return ("letters",) if of.name == "m" else ()

    monkeypatch.setattr(checks, "faults", faults_of)
    plain = card(Counts)
    cards = [plain, replace(plain, name="sound"), replace(plain, name="base", baseline=True)]
    cards += [replace(plain, name="unlucky"), replace(plain, name="foreign", remote_code="abc123")]
    flags = grid(toy, cards, tmp_path)
    assert asked == ["m", "sound", "unlucky", "foreign"], "each once, before its first cell, and no baseline"
    for task in ("toy_motif@1", "again@1"):
        told = {model: [f for f in found if f != "collapsed"] for (t, model), found in flags.items() if t == task}
        assert told == {
            "m": ["check failed: letters"],
            "sound": [],
            "base": [],
            "unlucky": ["checks not run: RuntimeError: no luck"],
            "foreign": ["remote code at abc123"],
        }
    write_leaderboard(build_leaderboard(tmp_path), tmp_path)
    page = (tmp_path / "leaderboard.md").read_text()
    assert "</sup> check failed: letters" in page and "</sup> remote code at abc123" in page
    grid(toy, cards, tmp_path)
    assert len(asked) == 4, "a model of which nothing has to run is not examined"


def test_results_that_cannot_be_cached_cost_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def load() -> FunctionModel:
        return FunctionModel(embed=lambda sequences: np.ones((len(sequences), 2)))

    card = ModelCard("fixed", load, {"linear_probe": {}}, {}, "d", revision=str)
    (tmp_path / "file").write_text("")
    assert faults(card, tmp_path / "file") == faults(card, None)
    assert "results of checks are not cached (Not a directory)" in caplog.text
