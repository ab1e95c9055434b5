"""What embeddings hold: each measure against a known value, and the command from a task to its table and picture."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from baserate.cards.find import find_task
from baserate.cli import cli
from baserate.describe import KMERS, MEASURES, describe, measures
from baserate.describe.description import mean_over
from baserate.describe.plot import plot_descriptions
from baserate.dna.sequence import reverse_complement
from baserate.errors import BaserateError, ConfigError, NotApplicable
from baserate.splits import load_split
from baserate.types import ModelCard, StrArray

RNG = np.random.default_rng(0)


def test_effective_rank_counts_equal_directions() -> None:
    assert measures.rankme(np.eye(7)) == pytest.approx(7)
    assert measures.rankme(np.outer(RNG.normal(size=50), RNG.normal(size=6))) == pytest.approx(1, abs=1e-9)
    two = np.zeros((40, 5))
    two[:20, 0], two[20:, 1] = 1, 1
    assert measures.rankme(two) == pytest.approx(2)


def test_isoscore_is_that_of_its_authors() -> None:
    x = RNG.normal(size=(400, 6)) * [5, 3, 1, 1, 0.5, 0.1]
    variances = np.linalg.eigvalsh(np.cov(x.T, bias=True))
    d = x.shape[1]
    scaled = np.sqrt(d) * variances / np.linalg.norm(variances)  # algorithm 1 of Rudman et al.
    defect = np.linalg.norm(scaled - 1) / np.sqrt(2 * (d - np.sqrt(d)))
    share = (d - defect**2 * (d - np.sqrt(d))) ** 2 / d**2
    assert measures.isoscore(x) == pytest.approx((d * share - 1) / (d - 1))
    assert measures.isoscore(RNG.normal(size=(20_000, 4))) > 0.99
    assert measures.isoscore(np.outer(np.arange(9.0), [1, 2])) == pytest.approx(0, abs=1e-9)


def test_mean_cosine_is_that_of_all_pairs() -> None:
    x = RNG.normal(size=(30, 4)) + 1
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    assert measures.mean_cosine(x) == pytest.approx((unit @ unit.T)[~np.eye(30, dtype=bool)].mean())


def test_cka_is_one_for_a_rotation_and_nothing_for_unlike_clouds() -> None:
    x = RNG.normal(size=(60, 40))
    rotation = np.linalg.qr(RNG.normal(size=(40, 40)))[0]
    assert measures.cka(x, 3 * x @ rotation + 5) == pytest.approx(1)
    unlike = [measures.cka(RNG.normal(size=(60, 200)), RNG.normal(size=(60, 200))) for _ in range(20)]
    assert abs(np.mean(unlike)) < 0.03, "with more dimensions than examples the biased one is near 1"
    assert np.isnan(measures.cka(x, np.ones((60, 1))))


def test_neighbours_of_the_same_unit_do_not_count() -> None:
    classes = np.repeat([0, 1], 60)
    units = np.arange(120) // 6
    own = np.eye(20)[units]  # each unit is a point of its own: its windows are alike, and tell nothing of others
    shares, chance = measures.purity(own + RNG.normal(size=own.shape) * 1e-6, classes, units)
    assert abs(shares.mean() - chance.mean()) < 0.15
    assert chance == pytest.approx(np.full(120, 54 / 114))
    by_class = np.eye(2)[classes] + RNG.normal(size=(120, 2)) * 0.01
    assert measures.purity(by_class, classes, units)[0].min() == 1
    assert np.isnan(measures.purity(by_class, classes, np.arange(120) // 115)[0]).any()


def test_classes_that_lie_apart_are_found() -> None:
    classes = np.repeat([0, 1, 2], 30)
    unit = measures.directions(np.eye(3)[classes] + RNG.normal(size=(90, 3)) * 0.01)
    assert measures.cluster_agreement(unit, classes) == 1
    assert measures.silhouette(unit, classes) > 0.9
    mixed = measures.directions(RNG.normal(size=(90, 3)))
    assert abs(measures.cluster_agreement(mixed, classes)) < 0.1 and abs(measures.silhouette(mixed, classes)) < 0.1


class Sees:
    """A model whose embedding has a direction for the motif, and reads both strands alike or one."""

    def __init__(self, both: bool, same: bool = False) -> None:
        self.both, self.same = both, same

    def embed(self, sequences: StrArray) -> Any:
        if self.same:
            return np.ones((len(sequences), 3), np.float32)
        rows = []
        for s in sequences:
            strands = [s, reverse_complement(s)] if self.both else [s]
            rows.append(sum(np.array([8.0 * ("TATAAA" in x), x.count("A"), x.count("C")]) for x in strands))
        return np.array(rows, np.float32)


def card(name: str, *, both: bool = False, same: bool = False, mode: str = "linear_probe") -> ModelCard:
    return ModelCard(name, lambda: Sees(both, same), {mode: {}}, {}, "d", revision=lambda: name)


def test_a_model_is_described_beside_kmers(toy_card: Path, tmp_path: Path) -> None:
    one, both = card("one"), card("both", both=True)
    kmers, by_one, by_both = found = describe(toy_card, [one, both], cache=False)
    assert [d.model for d in found] == [KMERS, "one", "both"]
    assert kmers.measure("cka_kmers").value == pytest.approx(1) and kmers.dimensions == 256
    assert by_both.measure("strand_cosine").value == pytest.approx(1)
    turned, purity = by_one.measure("strand_cosine"), by_one.measure("neighbour_purity")
    assert turned.value is not None and turned.value < 0.9
    assert turned.low is not None and turned.high is not None and turned.low < turned.value < turned.high
    assert purity.value is not None and purity.value > 0.8
    assert (kmers.measure("neighbour_purity").value or 0) < purity.value
    assert by_one.measure("cka_length").reason == "all examples have the same length"
    assert by_one.n == len(load_split(find_task(str(toy_card))).test) and by_one.n == turned.n
    assert [e.metric for e in by_one.measures] == list(MEASURES)
    plot_descriptions(found, tmp_path / "a.svg")
    assert "motif" in (tmp_path / "a.svg").read_text()
    again = describe(toy_card, [one, both], cache=False)
    assert again == found, "the same examples and weights give the same numbers"


def test_equal_embeddings_have_no_measures_but_say_why(toy_card: Path) -> None:
    collapsed = describe(toy_card, [card("same", same=True)], cache=False)[1]
    assert collapsed.measure("rankme").value == pytest.approx(1) and collapsed.measure(
        "mean_cosine"
    ).value == pytest.approx(1)
    rest = [e for e in collapsed.measures if e.metric not in ("rankme", "mean_cosine")]
    assert {e.value for e in rest} == {None} and all(e.reason for e in rest)


def test_a_perfect_mean_is_not_certain(toy_card: Path) -> None:
    test = load_split(find_task(str(toy_card))).test
    e = mean_over("m", np.ones(len(test)), test, span=(0.0, 1.0))
    assert e.value == 1 and e.low is not None and e.low < 1


def test_variants_have_no_other_strand_and_no_classes() -> None:
    (kmers,) = describe("wt1_exon5_splicing.small", limit=60)
    assert kmers.measure("strand_cosine").reason == "not measured for variants"
    assert kmers.measure("silhouette").reason == "a regression task has no classes"
    assert kmers.labels is None and kmers.n == 60


def test_what_cannot_be_described_is_refused(toy_card: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="'fits' has no mode linear_probe, so no embeddings: from_scratch"):
        describe(toy_card, [card("fits", mode="from_scratch")])
    with pytest.raises(NotApplicable, match="human_splice_per_base is on single bases"):
        describe("human_splice_per_base", [])
    with pytest.raises(NotApplicable, match="12 test examples; expected 20 or more"):
        describe(toy_card, limit=12)
    with pytest.raises(NotApplicable, match="test examples at once; expected at most 50, as by limit = 50"):
        monkeypatch.setattr(sys.modules["baserate.describe"], "_MOST", 50)
        describe(toy_card, limit=0)
    with pytest.raises(ConfigError, match="limit = -1"):
        describe(toy_card, limit=-1)
    with pytest.raises(ConfigError, match="'attention' reads tokens"):
        describe(toy_card, ["baserate_mlm"], settings={"probe": "attention"})
    with pytest.raises(BaserateError, match="yeast_coding"):
        describe("yeast_codin")


def test_the_command_reads_what_a_probe_left_in_the_cache(toy_card: Path, tmp_path: Path) -> None:
    task = find_task(str(toy_card))
    shown = CliRunner().invoke(cli, ["describe", "--task", str(toy_card), "--out", str(tmp_path / "out")])
    assert shown.exit_code == 0 and "neighbour purity" in shown.stdout and "4-mers" in shown.stdout
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"description.json", "embeddings.png"}
    (written,) = json.loads((tmp_path / "out" / "description.json").read_text())
    assert written["task"] == task.id and written["n"] == 60
    assert [m["metric"] for m in written["measures"]] == list(MEASURES)
    (tmp_path / "file").touch()
    nowhere = CliRunner().invoke(cli, ["describe", "--task", str(toy_card), "--out", str(tmp_path / "file")])
    assert isinstance(nowhere.exception, BaserateError) and "choose another folder" in str(nowhere.exception)
    as_json = CliRunner().invoke(cli, ["describe", "--task", str(toy_card), "--json"])
    assert json.loads(as_json.stdout) == [written]


def test_layers_stand_side_by_side_and_come_from_the_cache(
    toy_card: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BASERATE_CACHE", str(tmp_path))
    models, settings = ["baserate_mlm"], {"layer": [0, -1]}
    first = describe(toy_card, models, settings=settings, random_weights=True, limit=30)
    assert [(d.model, d.settings.get("layer")) for d in first[1:]] == [
        ("baserate_mlm", 0),
        ("baserate_mlm", -1),
        ("baserate_mlm_random", 0),
        ("baserate_mlm_random", -1),
    ]
    monkeypatch.setattr(
        "baserate.networks.language_model.LanguageModel.embed_all", lambda *a, **k: pytest.fail("computed again")
    )
    assert describe(toy_card, models, settings=settings, limit=30) == first[:3]
