"""Sequences longer than the context: in chunks, against transformers run on each chunk, and what is cut is counted."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("transformers")

import torch
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

import baserate as br
from baserate.cards.find import find_task
from baserate.errors import ConfigError, DataError, NotApplicable
from baserate.modes import variants
from baserate.networks.chunks import Reading
from baserate.networks.language_model import LanguageModel
from baserate.plan import Cell, plan
from baserate.registry import get_model
from baserate.types import Examples, Inputs, Task, strings
from baserate.zero_shot import score

from .checkpoints import LAYOUTS, build, dna, opened

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script:DeprecationWarning")

LIMITED = [name for name in LAYOUTS if not name.startswith("mamba")]
CHUNK: dict[str, Any] = {"window": "chunk"}
SETTING = {"window": "chunk", "overlap": 7}
LONG = dna(3, (150, 400), seed=5)


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[LanguageModel, Path]]:
    """Return what builds the checkpoint of a layout, once, and opens it."""

    @functools.cache
    def made(name: str) -> tuple[LanguageModel, Path]:
        folder = build(tmp_path_factory.mktemp(name), LAYOUTS[name])
        return opened(folder), folder

    return made


def spans(length: int, bases: int, overlap: int) -> list[tuple[int, int]]:
    """Return the chunks of a sequence of single bases; the last ends with it and is as long as the others."""
    starts = [*range(0, length - bases, bases - overlap), length - bases]
    return [(start, start + bases) for start in starts]


def central(at: int, length: int, chunks: list[tuple[int, int]]) -> int:
    """Return the chunk in which a base has the most bases on its poorer side; an end of the sequence is none."""
    room = [
        min(at - a if a else length, b - 1 - at if b < length else length) if a <= at < b else -1 for a, b in chunks
    ]
    return max(range(len(chunks)), key=lambda c: (room[c], c))  # of two, the later


def test_a_chunked_vector_is_the_mean_over_bases_each_in_its_most_central_chunk(make: Any) -> None:
    model, folder = make("esm-rotary")
    network, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    for sequence in LONG:
        chunks = spans(len(sequence), model.context, 7)
        with torch.no_grad():
            states = [network(**tokenizer(sequence[a:b], return_tensors="pt")).last_hidden_state[0] for a, b in chunks]
        owners = [central(at, len(sequence), chunks) for at in range(len(sequence))]
        each = [states[c][1 + at - chunks[c][0]] for at, c in enumerate(owners)]  # after <cls>
        expected = {
            "mean": torch.stack(each).mean(0),
            "max": torch.stack(each).amax(0),
            "last": each[-1],
            "cls": torch.stack([s[0] for s in states]).mean(0),
        }
        for pooling, vector in expected.items():
            found = model.embed(strings([sequence]), pooling=pooling, window="chunk", overlap=7)[0]
            np.testing.assert_allclose(found, vector.numpy(), atol=1e-5)


def test_a_causal_likelihood_reads_each_base_once_with_the_most_before_it(make: Any) -> None:
    model, folder = make("gpt2")
    network, tokenizer = AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    bases = [tokenizer.convert_tokens_to_ids(base) for base in "ACGT"]
    for sequence in LONG:
        total, done = 0.0, 0
        for a, b in spans(len(sequence), model.context, 7):
            ids = tokenizer(sequence[a:b], return_tensors="pt").input_ids
            with torch.no_grad():
                log_probs = network(ids).logits[0][:, bases].double().log_softmax(-1)
            for at in range(max(a, done), b):
                total += float(log_probs[at - a, "ACGT".index(sequence[at])])  # `<s>` before shifts by one
            done = b
        found = model.log_likelihood(strings([sequence]), window="chunk", overlap=7)
        np.testing.assert_allclose(found, [total], rtol=1e-6)


def test_a_pseudo_likelihood_masks_each_base_once_in_its_most_central_chunk(make: Any) -> None:
    model, folder = make("esm-rotary")
    network, tokenizer = AutoModelForMaskedLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    bases = [tokenizer.convert_tokens_to_ids(base) for base in "ACGT"]
    sequence = LONG[0]
    chunks = spans(len(sequence), model.context, 7)
    owners = np.array([central(at, len(sequence), chunks) for at in range(len(sequence))])
    expected = {"masked": 0.0, "one pass": 0.0}
    for c, (a, b) in enumerate(chunks):
        ids = tokenizer(sequence[a:b], return_tensors="pt").input_ids
        at = torch.from_numpy(np.flatnonzero(owners == c) - a + 1)  # after <cls>
        rows = torch.arange(len(at))
        masked = ids.repeat(len(at), 1)
        masked[rows, at] = tokenizer.mask_token_id
        answers = torch.tensor(["ACGT".index(sequence[a + i - 1]) for i in at])
        with torch.no_grad():
            logits = {"masked": network(masked).logits[rows, at], "one pass": network(ids).logits[0, at]}
        for how, values in logits.items():
            expected[how] += float(values[:, bases].double().log_softmax(-1)[rows, answers].sum())
    for how, value in expected.items():
        found = model.pseudo_log_likelihood(strings([sequence]), one_pass=how == "one pass", window="chunk", overlap=7)
        np.testing.assert_allclose(found, [value], rtol=1e-5)


@pytest.mark.parametrize("name", LIMITED)
def test_every_token_counts_once_whatever_the_overlap(name: str, make: Any) -> None:
    model, _ = make(name)
    crowded = strings([*LONG, "ACGT" + "N" * 300 + "ACGT" * 20, "ANCN" * 60, "ACGTTGCA" * 4])
    whole = model.tokens.encode(list(crowded))
    causal = model.head == "causal"
    for overlap in (None, 0, model.context // 2):
        reading = Reading(window="chunk", overlap=overlap)
        rows = model.rows(list(crowded), reading, causal=causal)
        assert all(model.fits(e) for e in rows.encoded)
        for i, e in enumerate(whole):
            parts = [p for p, owner in zip(rows.encoded, rows.owners, strict=True) if owner == i]
            known = [np.isin(p.ids, model.tokens.vocabulary.dna) & (p.ends > p.starts) for p in parts]
            found = sorted(
                (int(s), int(t))
                for p, k in zip(parts, known, strict=True)
                for s, t in zip(p.starts[k], p.ends[k], strict=True)
            )
            here = np.isin(e.ids, model.tokens.vocabulary.dna) & (e.ends > e.starts)
            assert found == sorted(zip(e.starts[here].tolist(), e.ends[here].tolist(), strict=True))
            if len(parts) > 1:
                spelling = known if here.any() else [p.ends > p.starts for p in parts]
                assert rows.counts[rows.owners == i].tolist() == [int(k.sum()) for k in spelling]


@pytest.mark.parametrize("name", LIMITED)
def test_chunks_do_not_depend_on_the_batch_and_short_sequences_not_on_the_window(
    name: str, make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _ = make(name)
    short = dna(4, (10, model.context // 2), seed=2)
    x = strings([*LONG, *short, LONG[0]])
    likelihood = (
        model.log_likelihood
        if model.head == "causal"
        else functools.partial(model.pseudo_log_likelihood, one_pass=True)
    )
    alone = np.concatenate([model.embed(x[i : i + 1], **SETTING) for i in range(len(x))])
    values = np.concatenate([likelihood(x[i : i + 1], **SETTING) for i in range(len(x))])
    for budget in (1, 100, 10_000):
        monkeypatch.setattr(model, "budget", budget)
        np.testing.assert_allclose(model.embed(x[::-1], **SETTING)[::-1], alone, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(likelihood(x, **SETTING), values, rtol=1e-5)
    np.testing.assert_array_equal(model.embed(short, **SETTING), model.embed(short))
    np.testing.assert_array_equal(likelihood(short, **SETTING), likelihood(short))
    assert not np.allclose(model.embed(strings(LONG), **SETTING), model.embed(strings(LONG)), atol=1e-4)
    assert np.isfinite(values).all()


def test_a_portion_of_long_sequences_is_no_larger_than_memory(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from baserate.networks import chunks

    model, _ = make("esm-rotary")
    x = dna(9, (60, 300), seed=8)
    expected = model.embed(x, **SETTING), model.pseudo_log_likelihood(x, one_pass=True, **SETTING)
    monkeypatch.setattr(chunks, "_LETTERS", 350)
    assert len(list(chunks.portions(x, 4096, Reading(window="chunk")))) > 3
    np.testing.assert_allclose(model.embed(x, **SETTING), expected[0], atol=1e-5)
    np.testing.assert_allclose(model.pseudo_log_likelihood(x, one_pass=True, **SETTING), expected[1], rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"window": "chunks"}, "window = 'chunks': expected truncate or chunk; did you mean 'chunk'?"),
        ({"window": "chunk", "overlap": -1}, "overlap = -1: expected a whole number from 0"),
        (
            {"window": "chunk", "overlap": 68},
            "overlap = 68: expected at most 67, so that of the 68 bases of a chunk of",
        ),
        (
            {"window": "chunk", "overlap": 30, "max_length": 20},
            "overlap = 30: expected at most 19, so that of the 20 bases",
        ),
    ],
)
def test_chunks_that_cannot_be_are_refused(options: dict[str, Any], said: str, make: Any) -> None:
    model, _ = make("esm-rotary")
    with pytest.raises(ConfigError) as raised:
        model.embed(LONG, **options)
    assert said in str(raised.value)


def test_a_token_longer_than_a_chunk_is_refused(make: Any) -> None:
    model, _ = make("bert-bpe")
    assert model.tokens.vocabulary.lengths.max() > 2
    with pytest.raises(DataError, match=r"a token spells \d bases, too many for chunks of 2; raise max_length"):
        model.embed(LONG, max_length=2, window="chunk", overlap=0)


def ends(n: int, seed: int) -> Examples:
    """Return sequences of 150 bases, of which the first and the last 12 are the class; the middle is noise."""
    rng = np.random.default_rng(seed)
    middles, y = dna(n, 126, seed=seed), rng.integers(0, 2, n)
    text = strings(["AC"[k] * 12 + s + "AC"[k] * 12 for s, k in zip(middles, y, strict=True)])
    ids = strings([f"{seed}:{i}" for i in range(n)])
    return Examples(ids, Inputs(text), y, ids, ids)


def test_fine_tuning_on_chunks_learns_what_truncation_cuts_off(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = make("esm-rotary")
    train, valid, test = ends(64, 1), ends(16, 2), ends(40, 3)
    settings: dict[str, Any] = {"lr": 5e-3, "epochs": 6, "batch_size": 8, "patience": 6, "pooling": "max"}
    right = {}
    for window in ("truncate", "chunk"):
        fitted = model.fit(train, valid, n_classes=2, seed=0, window=window, **settings)
        scores = fitted.predict(test.inputs)
        right[window] = (scores.argmax(1) == test.targets).mean()
        monkeypatch.setattr(model, "budget", 1)
        np.testing.assert_allclose(fitted.predict(test.inputs), scores, atol=1e-5)
        monkeypatch.undo()
    assert right["chunk"] > 0.9 and right["truncate"] < 0.75
    again = model.fit(train, valid, n_classes=2, seed=0, window="chunk", **settings).predict(test.inputs)
    np.testing.assert_array_equal(again, scores)


def test_rules_read_long_sequences_in_chunks(make: Any) -> None:
    model, _ = make("gpt2")
    x = Inputs(LONG)
    per_base = [model.log_likelihood(LONG, **SETTING)[i] / len(s) for i, s in enumerate(LONG)]
    np.testing.assert_allclose(score(model, x, "likelihood", strands="forward", **SETTING), per_base, rtol=1e-9)
    assert not np.allclose(score(model, x, "likelihood", strands="forward"), per_base, rtol=1e-3)
    train = ends(12, 4)
    found = score(model, ends(20, 5).inputs, "centroid", train=train, pooling="max", **CHUNK)
    assert not np.allclose(found, score(model, ends(20, 5).inputs, "centroid", train=train, pooling="max"))
    pairs = Inputs(LONG, dna(3, (150, 400), seed=6))
    whole = score(model, pairs, "likelihood", strands="forward", **SETTING)
    assert pairs.alternates is not None
    alt = [model.log_likelihood(pairs.alternates, **SETTING)[i] / len(s) for i, s in enumerate(pairs.alternates)]
    np.testing.assert_allclose(whole, np.subtract(alt, per_base), rtol=1e-7)


def test_a_model_that_takes_no_window_is_refused() -> None:
    class Other:
        name = "other"

        def log_likelihood(self, sequences: Any) -> Any:
            return np.zeros(len(sequences))

    with pytest.raises(NotApplicable, match=r"window = 'chunk': other\.log_likelihood takes no window"):
        score(Other(), Inputs(LONG), "likelihood", **CHUNK)


def test_settings_without_effect_are_refused_with_the_reason() -> None:
    task, card = find_task("wt1_exon5_splicing"), get_model("baserate_mlm")
    with pytest.raises(ConfigError, match="overlap = 9 has no effect: only with window = 'chunk'"):
        plan([task], [card], ("linear_probe",), {"overlap": 9})
    with pytest.raises(ConfigError, match="truncation = 'left' has no effect: only with window = 'truncate'"):
        plan([task], [card], ("linear_probe",), {"truncation": "left", **CHUNK})
    with pytest.raises(ConfigError, match="no rule or mode of this run has it"):
        plan([task], [card], ("zero_shot",), {"rule": "masked_llr", **CHUNK})
    bases = replace(task, kind="classification", per_base=True, variants=False)
    with pytest.raises(ConfigError, match="a task of bases reads a window about each of them"):
        plan([bases], [card], ("linear_probe",), CHUNK)


def test_the_default_window_stands_in_no_record() -> None:
    """Records of before there were windows stay current, and one in chunks is another result."""
    task, card = find_task("wt1_exon5_splicing"), get_model("baserate_mlm")
    for mode, chosen in (("linear_probe", {}), ("fine_tune", {}), ("zero_shot", {"rule": "likelihood"})):
        settings = Cell(task, card, mode, chosen).resolved
        assert not {"window", "overlap"} & settings.keys()
        assert Cell(task, card, mode, {**chosen, "window": "truncate"}).resolved == settings
        chunked = Cell(task, card, mode, {**chosen, **CHUNK}).resolved
        expected = {**settings, **CHUNK, "overlap": None}
        expected.pop("truncation", None)
        assert chunked == expected


def task_of(parts: dict[str, Examples], **about: Any) -> Task:
    """Return a task of these parts."""
    inputs = [part.inputs for part in parts.values()]
    columns = [[getattr(i, name) for i in inputs] for name in ("sequences", "alternates", "positions")]
    joined = [None if column[0] is None else np.concatenate(column) for column in columns]
    ids = strings([f"{name}:{i}" for name, part in parts.items() for i in range(len(part))])
    examples = Examples(ids, Inputs(*joined), np.concatenate([p.targets for p in parts.values()]), ids, ids)
    rule = strings([str(i).partition(":")[0] for i in ids])
    return Task(
        "long", 1, "classification", ("accuracy",), lambda: examples, lambda e: rule,
        "d", "s", "c", "l", (), (), {}, ("A", "C"), **about,
    )  # fmt: skip


@pytest.mark.parametrize("mode", ["linear_probe", "fine_tune"])
def test_a_record_states_the_window_and_what_became_of_long_sequences(make: Any, tmp_path: Path, mode: str) -> None:
    _, folder = make("esm-rotary")
    task = task_of({"train": ends(40, 1), "valid": ends(12, 2), "test": ends(20, 3)})
    quick = {"epochs": 1} if mode == "fine_tune" else {}
    cut, whole = (
        br.evaluate(task, str(folder), mode, settings={**quick, **chosen}, seeds=(0,), audit=False, progress=False)
        for chosen in ({"max_length": 60}, {"max_length": 60, **SETTING})
    )
    assert "truncated 20 of 20: 60.0% of all bases left out" in cut.flags
    assert "read in chunks 20 of 20: 60 bases each, 7 of them or more in the next" in whole.flags
    assert "window" not in cut.spec.settings and whole.spec.settings.items() >= SETTING.items()
    assert cut.hash != whole.hash


def changes(n: int, seed: int, at: int) -> Examples:
    """Return variants at base `at` of 150, to A in one class and to C in the other."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    ref = [s[:at] + "G" + s[at + 1 :] for s in dna(n, 150, seed=seed)]
    alt = [s[:at] + "AC"[k] + s[at + 1 :] for s, k in zip(ref, y, strict=True)]
    ids = strings([f"{seed}:{i}" for i in range(n)])
    return Examples(ids, Inputs(strings(ref), strings(alt), np.full(n, at)), y, ids, ids)


@pytest.mark.parametrize("at", [0, 11, 140, 149])
def test_a_window_with_its_variant_elsewhere_than_in_the_middle_is_cut_about_it(make: Any, at: int) -> None:
    _, folder = make("esm-rotary")
    task = task_of(
        {"train": changes(40, 1, at), "valid": changes(12, 2, at), "test": changes(20, 3, at)}, variants=True
    )
    record = br.evaluate(task, str(folder), "linear_probe", seeds=(0,), audit=False, progress=False)
    assert "cut about their variants, not in the middle: 20 of 20" in record.flags
    assert record.estimates[0].value == 1.0  # cut in the middle, REF and ALT would be the same


def test_a_window_about_its_variant_is_cut_as_ever() -> None:
    """What was right before is computed as before: only windows whose variant was cut off are moved."""
    for at, moved in ((40, True), (41, False), (75, False), (108, False), (109, True)):
        assert (len(variants.unread(changes(3, 1, at).inputs, 68, "both")) == 3) == moved
    assert not len(variants.unread(changes(3, 1, 5).inputs, 68, "right"))
    assert not len(variants.unread(changes(3, 1, 5).inputs, 150, "both"))
    inputs = changes(3, 1, 20).inputs
    found = variants.centred(inputs, np.array([0, 2]), 30)
    assert found.sequences[0] == inputs.sequences[0][5:35] and found.sequences[1] == inputs.sequences[1]
    assert found.alternates is not None and found.positions is not None
    assert [found.alternates[i][found.positions[i]] != "G" for i in range(3)] == [True] * 3


def test_the_bases_that_are_left_out_are_counted(make: Any) -> None:
    model, _ = make("esm-rotary")
    assert model.left_out(strings(["A" * 100, "A" * 68, "A" * 69])).tolist() == [32, 0, 1]
    assert model.left_out(strings(["A" * 100]), max_length=30).tolist() == [70]
    subwords, _ = make("bert-bpe")
    crowded = "ACGT" + "N" * 300 + "ACGT" * 20
    (kept,) = subwords.encode([crowded])
    assert subwords.left_out([crowded]).tolist() == [len(crowded) - kept.ends.max()]
    free, _ = make("mamba")
    assert free.left_out(LONG).tolist() == [0, 0, 0]
