"""Hugging Face checkpoints: what a vector, a log-probability and a fine-tuned score are, and what is refused."""

from __future__ import annotations

import copy
import json
import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from baserate.errors import ConfigError, DataError, NotApplicable
from baserate.hf import HuggingFaceModel
from baserate.pretrain import pretrain
from baserate.tokens import batches, window
from baserate.types import Examples, Inputs, StrArray, strings

TOML = """
[model]
hidden = 32
layers = 2
heads = 2
intermediate = 48
context = 130
[training]
steps = 20
batch = 4
crop = 60
lr = 5e-3
[[corpus]]
name = "toy"
fasta = "{fasta}"
include = ["a"]
weight = 1
species = "none"
assembly = "toy1"
"""


def dna(n: int, length: int | tuple[int, int], seed: int = 0) -> StrArray:
    """Return n random sequences of a length, or of lengths in a range."""
    rng = np.random.default_rng(seed)
    sizes = [length] * n if isinstance(length, int) else rng.integers(*length, size=n)
    return strings(["".join(rng.choice(list("ACGT"), size=k)) for k in sizes])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkpoint of a small network that was trained for a moment."""
    place = tmp_path_factory.mktemp("checkpoint")
    (place / "a.fa").write_text(">a\n" + dna(1, 50_000)[0] + "\n")
    (place / "a.toml").write_text(TOML.format(fasta=place / "a.fa"))
    return pretrain(place / "a.toml", place / "tiny", device="cpu")


@pytest.fixture(scope="module")
def model(folder: Path) -> HuggingFaceModel:
    """Return the checkpoint as a model."""
    return HuggingFaceModel(folder, device="cpu")


@pytest.fixture
def broken(folder: Path, tmp_path: Path) -> Path:
    """Return a copy of the checkpoint to spoil."""
    return Path(shutil.copytree(folder, tmp_path / "broken"))


@pytest.mark.parametrize("sequence", ["A", "ACGTN", "NNACGTTGCANN", "acgtn", "ACGTRYSWKMBDHV", dna(1, 200)[0]])
def test_the_table_equals_the_hugging_face_tokenizer(model: HuggingFaceModel, folder: Path, sequence: str) -> None:
    from transformers import AutoTokenizer

    # The tokenizer knows upper-case A, C, G, T and N: we read the case away and other ambiguous letters as N.
    known = "".join(letter if letter in "ACGTN" else "N" for letter in sequence.upper())
    expected = AutoTokenizer.from_pretrained(folder)(known)["input_ids"]
    assert model.tokens.encode(sequence).tolist() == expected


def test_a_vector_is_the_mean_over_known_bases_of_the_hugging_face_hidden_states(
    model: HuggingFaceModel, folder: Path
) -> None:
    from transformers import AutoModel, AutoTokenizer

    x = strings(["ACGTTGCA", "GATTACAGATTACANNNNACG", "TTTTT"])
    reference = AutoModel.from_pretrained(folder, attn_implementation="eager", add_pooling_layer=False).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    batch = tokenizer(list(x), padding=True, return_tensors="pt")
    with torch.no_grad():
        out = reference(**batch, output_hidden_states=True)
    for layer, states in ((-1, out.last_hidden_state), (0, out.hidden_states[0]), (1, out.hidden_states[1])):
        expected = np.stack(
            [states[i, [1 + j for j, base in enumerate(s) if base in "ACGT"]].mean(0).numpy() for i, s in enumerate(x)]
        )
        np.testing.assert_allclose(model.embed(x, layer=layer), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("budget", [1, 64, 300, 100_000])
def test_vectors_do_not_depend_on_the_batch_or_its_order(model: HuggingFaceModel, budget: int) -> None:
    x = dna(30, (5, 120), seed=1)
    alone = np.concatenate([model.embed(x[i : i + 1]) for i in range(len(x))])
    assert alone.dtype == np.float32 and alone.shape == (30, 32)
    np.testing.assert_allclose(model.embed(x, token_budget=budget), alone, atol=1e-5)
    np.testing.assert_allclose(model.embed(x[::-1], token_budget=budget)[::-1], alone, atol=1e-5)
    assert not np.allclose(alone[0], alone[1], atol=1e-3)


def test_a_sequence_that_occurs_twice_is_computed_once(
    model: HuggingFaceModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    before = model.network.base_model.forward

    def counted(*args: Any, **kwargs: Any) -> Any:
        seen.append(len(kwargs["input_ids"]))
        return before(*args, **kwargs)

    monkeypatch.setattr(model.network.base_model, "forward", counted)
    found = model.embed(strings(["ACGT", "GGGG", "ACGT", "ACGT"]))
    assert sum(seen) == 2
    np.testing.assert_array_equal(found[0], found[3])


def test_an_over_long_sequence_is_cut_about_its_centre_and_that_is_said(
    model: HuggingFaceModel, caplog: pytest.LogCaptureFixture
) -> None:
    assert model.context == 128
    (long,) = dna(1, 200, seed=2)
    with caplog.at_level(logging.WARNING):
        found = model.embed(strings([long, "ACGT"]))
    assert "1 of 2 sequences are longer than 128 bp; their centre is used" in caplog.text
    np.testing.assert_allclose(found[0], model.embed(strings([long[36:164]]))[0], atol=1e-6)
    np.testing.assert_allclose(
        model.embed(strings([long]), max_length=50), model.embed(strings([long[75:125]])), atol=1e-6
    )


def test_embedding_leaves_the_network_as_it_was(model: HuggingFaceModel) -> None:
    before = model.parameter_hash()
    model.network.train()
    state = torch.random.get_rng_state()
    model.embed(dna(3, 20))
    assert model.network.training
    model.network.eval()
    assert model.parameter_hash() == before
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("sequence", ["", "NNNN", "RYK"])
def test_a_sequence_without_a_base_is_refused_by_row(model: HuggingFaceModel, sequence: str) -> None:
    with pytest.raises(DataError, match="sequence 1 has no A, C, G or T"):
        model.embed(strings(["ACGT", sequence]))


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"pooling": "max"}, "pooling = 'max': expected 'mean'"), ({"layer": 9}, "hidden states 0 to 2")],
)
def test_a_setting_that_does_not_exist_is_refused(model: HuggingFaceModel, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        model.embed(strings(["ACGT"]), **settings)


def test_no_sequences_give_no_vectors(model: HuggingFaceModel) -> None:
    assert model.embed(strings([])).shape == (0, 32)


def test_masked_log_probs_are_those_of_the_hugging_face_model(model: HuggingFaceModel, folder: Path) -> None:
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    x = dna(4, (20, 60), seed=3)
    sites = [np.array([0, 5]), np.array([], np.int64), np.array([19]), np.array([3, 4, 5])]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    reference = AutoModelForMaskedLM.from_pretrained(folder, attn_implementation="eager").eval()
    found = model.masked_log_probs(x, sites)
    for sequence, at, log_probs in zip(x, sites, found, strict=True):
        letters = list(sequence)
        for i in at:
            letters[i] = "<mask>"
        with torch.no_grad():
            logits = reference(**tokenizer("".join(letters), return_tensors="pt")).logits[0, 1:-1, 4:8]
        np.testing.assert_allclose(log_probs, logits[at].log_softmax(-1).numpy(), atol=1e-5)
        np.testing.assert_allclose(np.exp(log_probs).sum(1), 1)


def test_sites_choose_the_context_of_an_over_long_sequence(model: HuggingFaceModel) -> None:
    (long,) = dna(1, 400, seed=4)
    (near_end,) = model.masked_log_probs(strings([long]), [np.array([390])])
    (inside,) = model.masked_log_probs(strings([long[272:]]), [np.array([390 - 272])])
    np.testing.assert_allclose(near_end, inside, atol=1e-6)
    with pytest.raises(DataError, match="sequence 0: its sites do not fit in a context of 128"):
        model.masked_log_probs(strings([long]), [np.array([0, 399])])
    with pytest.raises(DataError, match="sequence 0: a site lies outside its 400 bases"):
        model.masked_log_probs(strings([long]), [np.array([400])])


def test_the_twin_is_the_architecture_with_weights_of_its_own_seed(model: HuggingFaceModel, folder: Path) -> None:
    state = torch.random.get_rng_state()
    twins = [HuggingFaceModel(folder, random_weights=True, init_seed=seed, device="cpu") for seed in (0, 0, 1)]
    assert torch.equal(torch.random.get_rng_state(), state)
    hashes = [twin.parameter_hash() for twin in twins]
    assert hashes[0] == hashes[1]
    assert len({*hashes, model.parameter_hash()}) == 3
    shapes = [{name: p.shape for name, p in m.network.named_parameters()} for m in (model, twins[0])]
    assert shapes[0] == shapes[1]


def labelled(n: int, seed: int, *, part: str, variants: bool = False) -> Examples:
    """Return examples whose target is whether (or, for variants, how much) TATAAA stands in the middle."""
    rng = np.random.default_rng(seed)
    x = dna(n, 24, seed=seed)
    targets = np.arange(n) % 2
    planted = strings([s[:9] + "TATAAA" + s[15:] if t else s for s, t in zip(x, targets, strict=True)])
    inputs = Inputs(x, planted, np.full(n, 9)) if variants else Inputs(planted)
    ids = strings([f"{part}{i}" for i in range(n)])
    values = 5.0 + 3.0 * targets + 0.01 * rng.normal(size=n) if variants else targets
    return Examples(ids, inputs, values, ids, ids)


def test_fine_tuning_learns_a_motif_with_the_same_seed_alike_and_leaves_the_model_alone(
    model: HuggingFaceModel,
) -> None:
    parts = [labelled(n, seed, part=p) for p, n, seed in (("train", 400, 5), ("valid", 60, 6), ("test", 100, 7))]
    before = model.parameter_hash()
    settings = {"n_classes": 2, "lr": 3e-3, "epochs": 8, "batch_size": 16}
    runs = [model.fit(*parts[:2], seed=seed, **settings).predict(parts[2].inputs) for seed in (0, 0, 1)]
    assert model.parameter_hash() == before
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])
    np.testing.assert_allclose(runs[0].sum(1), 1)
    assert (runs[0].argmax(1) == parts[2].targets).mean() > 0.9


def test_a_prediction_does_not_depend_on_the_other_rows(model: HuggingFaceModel) -> None:
    parts = [labelled(n, seed, part=p) for p, n, seed in (("train", 40, 5), ("valid", 20, 6))]
    fitted = model.fit(*parts, n_classes=2, seed=0, epochs=1)
    x = Inputs(dna(9, (10, 100), seed=8))
    alone = np.concatenate([fitted.predict(x.take(slice(i, i + 1))) for i in range(len(x))])
    np.testing.assert_allclose(fitted.predict(x), alone, atol=1e-5)


def test_a_variant_is_predicted_from_alt_minus_ref_in_the_units_of_the_target(model: HuggingFaceModel) -> None:
    parts = [
        labelled(n, seed, part=p, variants=True)
        for p, n, seed in (("train", 160, 5), ("valid", 60, 6), ("test", 60, 7))
    ]
    fitted = model.fit(*parts[:2], n_classes=0, seed=0, lr=3e-3, epochs=8, batch_size=16)
    found = fitted.predict(parts[2].inputs)
    assert found.shape == (60, 1)
    assert np.corrcoef(found[:, 0], parts[2].targets)[0, 1] > 0.8
    assert found.mean() == pytest.approx(6.5, abs=1.0)
    # A variant that changes nothing is predicted from a vector of zeros, whatever its window.
    x = dna(5, 24, seed=9)
    np.testing.assert_allclose(np.ptp(fitted.predict(Inputs(x, x, np.zeros(5, np.int64)))), 0, atol=1e-6)


def test_the_twin_draws_new_weights_for_each_seed(folder: Path) -> None:
    twin = HuggingFaceModel(folder, random_weights=True, device="cpu")
    parts = [labelled(20, seed, part=p) for p, seed in (("train", 5), ("valid", 6))]
    x = Inputs(dna(4, 24))
    zero, one = (twin.fit(*parts, n_classes=2, seed=seed, epochs=1, lr=1e-9).predict(x) for seed in (0, 1))
    assert np.abs(zero - one).max() > 1e-3


def edit_json(path: Path, **changes: Any) -> None:
    """Change keys of a JSON file."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_directory_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no config\.json, so this is not a Hugging Face checkpoint"):
        HuggingFaceModel(tmp_path)


def test_weights_that_could_run_code_are_not_read(broken: Path) -> None:
    (broken / "model.safetensors").rename(broken / "pytorch_model.bin")
    with pytest.raises(ConfigError, match=r"no model\.safetensors; weights in other formats can run code"):
        HuggingFaceModel(broken)


def test_code_in_a_checkpoint_is_not_run(broken: Path, tmp_path: Path) -> None:
    (broken / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    edit_json(broken / "config.json", model_type="mine", auto_map={"AutoConfig": "mine.Config"})
    with pytest.raises(ConfigError, match="only architectures native to transformers"):
        HuggingFaceModel(broken)
    assert not (tmp_path / "ran").exists()


def test_truncated_weights_are_refused(broken: Path) -> None:
    weights = broken / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:2000])
    with pytest.raises(DataError, match=r"model\.safetensors: damaged"):
        HuggingFaceModel(broken)


@pytest.mark.parametrize(("layers", "said"), [(3, "missing keys"), (1, "unexpected keys")])
def test_weights_of_another_shape_are_refused_naming_the_keys(broken: Path, layers: int, said: str) -> None:
    edit_json(broken / "config.json", num_hidden_layers=layers)
    with pytest.raises(DataError, match=rf"{said}, such as esm\."):
        HuggingFaceModel(broken)


def test_a_tokenizer_that_is_not_single_nucleotide_is_refused(broken: Path) -> None:
    (broken / "vocab.txt").write_text("<cls>\n<pad>\n<eos>\n<unk>\nAC\nGT\nA\nC\nN\n<mask>\n")
    with pytest.raises(ConfigError, match="does not give each of A, C, G, T one token"):
        HuggingFaceModel(broken)


def test_a_tokenizer_without_a_mask_cannot_score_masked_sites(model: HuggingFaceModel) -> None:
    unmasked = copy.copy(model)
    unmasked.tokens = copy.copy(model.tokens)
    object.__setattr__(unmasked.tokens, "mask", None)
    with pytest.raises(NotApplicable, match="has no mask token"):
        unmasked.masked_log_probs(strings(["ACGT"]), [np.array([1])])


def test_a_checkpoint_without_a_language_model_head_embeds_but_does_not_score(
    model: HuggingFaceModel, broken: Path
) -> None:
    model.network.base_model.save_pretrained(broken)
    headless = HuggingFaceModel(broken, device="cpu")
    x = dna(3, (10, 30))
    np.testing.assert_array_equal(headless.embed(x), model.embed(x))
    with pytest.raises(NotApplicable, match="no masked-language-model head"):
        headless.masked_log_probs(x, [np.array([1])] * 3)


def test_batches_hold_every_row_once_within_the_budget() -> None:
    lengths = np.random.default_rng(0).integers(1, 200, size=101)
    found = list(batches(lengths, 500))
    assert sorted(np.concatenate(found)) == list(range(101))
    assert all(len(b) * lengths[b].max() <= 500 for b in found)
    assert [b.tolist() for b in batches(np.array([900, 10]), 500)] == [[0], [1]]


@pytest.mark.parametrize(
    ("length", "keep", "around", "expected"),
    [(5, 9, None, (0, 5)), (10, 4, None, (3, 7)), (10, 4, 0.5, (0, 4)), (10, 4, 9.5, (6, 10)), (10, 4, 6.5, (4, 8))],
)
def test_a_window_is_as_central_as_it_can_be(
    length: int, keep: int, around: float | None, expected: tuple[int, int]
) -> None:
    assert window(length, keep, around=around) == slice(*expected)
