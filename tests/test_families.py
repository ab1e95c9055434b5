"""Cards of published checkpoints, which family a configuration is of, and what each family does where it differs."""

from __future__ import annotations

import copy
import importlib
import importlib.util
import json
import os
import runpy
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers.modeling_outputs import CausalLMOutput

from baserate.dna.sequence import reverse_complement
from baserate.errors import ConfigError, MissingExtra
from baserate.models import caduceus, dnabert, dnabert2, evo, generator, hyenadna, nucleotide_transformer
from baserate.networks.checkpoint import from_network, open_checkpoint
from baserate.networks.families import FAMILIES, GENERIC, head_of, needs_code, published, recognise
from baserate.networks.hub import Access, locate
from baserate.networks.language_model import LanguageModel
from baserate.networks.token_tables import NucleotideTokens, Vocabulary
from baserate.networks.tokens import read_tokens
from baserate.types import strings

ROOT = Path(__file__).parent.parent
MODELS = Path(os.environ.get("BASERATE_SHARED_MODELS", ROOT.resolve().parent / "shared" / "models"))
LISTED = [(f, c) for f in FAMILIES.all().values() for c in f.checkpoints]

_BERT = {"model_type": "bert", "hidden_size": 768, "max_position_embeddings": 512}
_NT = {"hidden_size": 512, "vocab_size": 4107, "position_embedding_type": "rotary", "add_bias_fnn": False}
_CADUCEUS = {"model_type": "caduceus", "d_model": 256, "vocab_size": 16, "fused_add_norm": True}
CONFIGS: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "DNABERT-3": ({**_BERT, "vocab_size": 69, "rnn": "lstm", "split": 10}, "dnabert"),
    "DNABERT-6": ({**_BERT, "vocab_size": 4101, "auto_map": {"AutoModel": "dnabert_layer.DNABertModel"}}, "dnabert"),
    "DNABERT-2": (
        {**_BERT, "vocab_size": 4096, "alibi_starting_size": 512, "auto_map": {"AutoModel": "bert_layers.BertModel"}},
        "dnabert2",
    ),
    "DNABERT-2 of late": ({"vocab_size": 4096, "alibi_starting_size": 512}, "dnabert2"),
    "GENA-LM": ({**_BERT, "vocab_size": 32000, "pre_layer_norm": True, "last_layer_norm": False}, "gena_lm"),
    "GENA-LM BigBird": ({"model_type": "big_bird", "vocab_size": 32000}, "gena_lm_bigbird"),
    "NT v1": (
        {"model_type": "esm", "vocab_size": 4105, "position_embedding_type": "absolute", "token_dropout": True},
        "nucleotide_transformer",
    ),
    "NT v2": (
        {**_NT, "auto_map": {"AutoModelForMaskedLM": "modeling_esm.EsmForMaskedLM"}},
        "nucleotide_transformer_v2",
    ),
    "NT v2 with model_type": (
        {**_NT, "model_type": "esm", "auto_map": {"AutoModelForMaskedLM": "modeling_esm.EsmForMaskedLM"}},
        "nucleotide_transformer_v2",
    ),
    "AgroNT with code of its own": (
        {
            "model_type": "esm",
            "vocab_size": 4105,
            "position_embedding_type": "absolute",
            "auto_map": {"AutoModelForMaskedLM": "modeling_esm.EsmForMaskedLM"},
        },
        "nucleotide_transformer",
    ),
    "proteins with code of their own": (
        {"model_type": "esm", "vocab_size": 33, "auto_map": {"AutoModelForMaskedLM": "modeling_esm.EsmForMaskedLM"}},
        "generic",
    ),
    "NT v3": ({"architectures": ["NTv3PreTrained"], "num_downsamples": 7}, "nucleotide_transformer_v3"),
    "HyenaDNA": ({"model_type": "hyenadna", "d_model": 128, "vocab_size": 12}, "hyenadna"),
    "Caduceus-Ph": ({**_CADUCEUS, "rcps": False}, "caduceus_ph"),
    "Caduceus-PS": ({**_CADUCEUS, "rcps": True, "complement_map": {"7": 10}}, "caduceus_ps"),
    "GENERator": ({"model_type": "llama", "vocab_size": 4128, "num_key_value_heads": 4}, "generator"),
    "GENERanno": ({"model_type": "generanno", "vocab_size": 64}, "generanno"),
    "Evo 1": ({"model_type": "stripedhyena", "vocab_size": 512, "max_seqlen": 8192}, "evo1"),
    "Evo 2": ({"model_type": "evo2"}, "evo2"),
    "GPN": ({"model_type": "ConvNet", "vocab_size": 7}, "gpn"),
    "Omni-DNA": ({"model_type": "hf_olmo"}, "omni_dna"),
    "METAGENE-1": (
        {"model_type": "llama", "vocab_size": 1024, "hidden_size": 4096, "max_position_embeddings": 512},
        "metagene",
    ),
    "a small Llama": ({"model_type": "llama", "vocab_size": 1024}, "generic"),
    "Mistral-DNA": ({"model_type": "mixtral", "vocab_size": 4096}, "generic"),
    "GenomeOcean": ({"model_type": "mistral", "vocab_size": 4096}, "generic"),
    "ModernBERT-DNA": ({"model_type": "modernbert"}, "generic"),
    "BERT of words": ({**_BERT, "vocab_size": 30522}, "generic"),
    "ESM of proteins": ({"model_type": "esm", "vocab_size": 33}, "generic"),
    "ours": ({"model_type": "esm", "vocab_size": 10}, "generic"),
}


@pytest.mark.parametrize(("config", "name"), CONFIGS.values(), ids=CONFIGS)
def test_a_configuration_is_of_one_family_at_most(config: Mapping[str, Any], name: str) -> None:
    matching = [f.name for f in FAMILIES.all().values() if f.matches and f.matches(config)]
    assert (matching or ["generic"]) == [name]
    assert recognise(config).name == name


def test_every_family_that_differs_recognises_a_local_copy() -> None:
    """But for those whose copies another family, or none, serves as well."""
    served = {"dnabert_s", "plant_caduceus", "modern_gena", "carbon"}
    different = {f.name for f in FAMILIES.all().values() if f.remote_code or f.requires or f.tokens or f.tokenizer}
    assert different - served == {name for _, name in CONFIGS.values()} - {"generic", "gena_lm_bigbird", "metagene"}


def test_published_checkpoints_are_found_by_id_whatever_the_case() -> None:
    assert not FAMILIES.broken
    ids = [checkpoint.id.lower() for _, checkpoint in LISTED]
    assert len(set(ids)) == len(ids) > 100
    for family, checkpoint in LISTED:
        assert published(checkpoint.id) == published(checkpoint.id.upper()) == (family, checkpoint)
        assert locate(checkpoint.id) is not None
        assert checkpoint.tokenizer, checkpoint.id
        if family.head is not None:
            assert checkpoint.head == family.head, checkpoint.id
    assert published("acme/unheard_of") is None


def test_held_out_chromosomes_of_gena_lm() -> None:
    """Those of the first models differ from those of all `-t2t` models (the authors' README)."""
    for family, checkpoint in LISTED:
        if family.name.startswith("gena_lm"):
            held_out = checkpoint.pretraining[0].held_out
            assert held_out == (("chr7", "chr10") if "t2t" in checkpoint.id else ("chr22", "chrY")), checkpoint.id


def test_what_the_authors_say_of_agront() -> None:
    """1,024 tokens, of which one is not DNA."""
    found = published("InstaDeepAI/agro-nucleotide-transformer-1b")
    assert found is not None
    assert found[0] is nucleotide_transformer.V1
    assert (found[1].context, found[1].licence) == (6_138, "CC-BY-NC-SA-4.0")


def test_a_revision_known_to_be_right_is_the_default() -> None:
    """The main revision of Evo 1 has projections permuted."""
    found = {name: locate(f"togethercomputer/evo-1-8k-base{name}") for name in ("", "@main")}
    assert [location.revision if location else None for location in found.values()] == ["1.1_fix", "main"]


def test_the_page_on_models_is_what_the_families_say() -> None:
    page = (ROOT / "docs" / "models.md").read_text()
    written = runpy.run_path(str(ROOT / "docs" / "write_models_page.py"))["models_page"]()
    assert page == written, "run: python docs/write_models_page.py"
    for family in FAMILIES.all().values():
        by = "content" if family.matches else "name"
        assert (
            not family.checkpoints or f"| [{family.name}](#{family.name}) | {len(family.checkpoints)} | {by} |" in page
        )
    assert all(
        f"`{checkpoint.id}`" in page and f"**Tested**: {family.tested}." in page for family, checkpoint in LISTED
    )


PACKAGES = [(f, module, command) for f in FAMILIES.all().values() for module, command in f.requires.items()]


@pytest.mark.parametrize(("family", "module", "command"), PACKAGES, ids=[f"{f.name}-{m}" for f, m, _ in PACKAGES])
def test_a_missing_package_is_said_with_the_command(
    family: Any, module: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is downloaded or run."""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == module else find("json"))
    config = next((c for c, name in CONFIGS.values() if name == family.name), None)
    if config is None:
        pytest.skip("a local copy is recognised as another family")
    (tmp_path / "config.json").write_text(json.dumps(config))
    location = locate(str(tmp_path))
    assert location is not None
    with pytest.raises(MissingExtra) as raised:
        open_checkpoint(location, Access())
    assert f"needs the package {module!r}: {command}" in str(raised.value)


class Head(nn.Module):
    """An embedding and a head, as a causal or masked network has them."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.lm_head = nn.Embedding(8, 3), nn.Linear(3, 8, bias=False)

    def get_input_embeddings(self) -> nn.Module:
        return self.table

    def get_output_embeddings(self) -> nn.Module:
        return self.lm_head


def test_a_head_that_the_file_lacks_is_the_embedding() -> None:
    for family in (hyenadna.HYENADNA, caduceus.PH, dnabert2.DNABERT2):
        network = Head()
        assert family.finish is not None
        assert family.finish(network, frozenset({"lm_head.weight", "other"})) == {"lm_head.weight"}
        assert network.lm_head.weight is network.table.weight
        assert len(list(network.parameters())) == 1


def test_a_head_that_the_file_has_stays() -> None:
    network = Head()
    before = network.lm_head.weight
    assert hyenadna.HYENADNA.finish is not None
    assert hyenadna.HYENADNA.finish(network, frozenset()) == frozenset()
    assert network.lm_head.weight is before


def test_halves_of_an_equivariant_network_give_either_strand_the_same_states() -> None:
    """With 2d channels that are equivariant as Caduceus-PS is: the reverse strand reverses places and channels."""
    rng = np.random.default_rng(0)
    table = {base: rng.normal(size=4) for base in "ACGT"}

    def network(sequence: str) -> Tensor:
        one = np.stack([table[base] for base in sequence]).cumsum(0)  # depends on the place, as a scan does
        other = np.stack([table[base] for base in reverse_complement(sequence)]).cumsum(0)
        return torch.from_numpy(np.concatenate([one, other[::-1, ::-1]], axis=1))[None]

    given, reverse = network("ACCGTTA"), network(reverse_complement("ACCGTTA"))
    torch.testing.assert_close(reverse, given.flip(1, 2))  # it is equivariant
    states = [caduceus.both_strands(states) for states in (given, reverse)]
    assert states[0].shape == (1, 7, 4)
    torch.testing.assert_close(states[0], states[1].flip(1))
    assert caduceus.PS.states is caduceus.PLANT.states is caduceus.both_strands
    assert caduceus.PH.states is None


def test_an_equivariant_head_is_tied_in_its_own_way() -> None:
    class OwnHead(nn.Module):
        def set_weight(self, weight: Tensor) -> None:
            self.given = weight

    network = Head()
    network.lm_head = OwnHead()  # type: ignore[assignment]
    assert caduceus.PS.finish is not None
    assert caduceus.PS.finish(network, frozenset({"lm_head.lm_head.weight"})) == {"lm_head.lm_head.weight"}
    assert network.lm_head.given is network.table.weight


def test_configurations_are_set_right_before_the_network_is_built() -> None:
    config = SimpleNamespace(fused_add_norm=True, max_seqlen=8192, use_cache=True)
    for family in (caduceus.PS, dnabert2.DNABERT2, evo.EVO1):
        assert family.configure is not None
        family.configure(config)
    assert config.fused_add_norm is False
    assert (config.pad_token_id, config.max_seq_len, config.use_cache) == (3, 8192, False)


def test_the_triton_kernel_of_dnabert2_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    code = ModuleType("bert_layers_stand_in")
    code.flash_attn_qkvpacked_func = print  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, code.__name__, code)
    network = type("Network", (Head,), {"__module__": code.__name__})()
    assert dnabert2.DNABERT2.finish is not None
    assert dnabert2.DNABERT2.finish(network, frozenset()) == frozenset()
    assert code.flash_attn_qkvpacked_func is None  # type: ignore[attr-defined]


def model_of(family: Any) -> LanguageModel:
    """Return an embedding and a head with single-nucleotide tokens, as a model of the family."""
    table = np.full(256, 7)
    table[[ord(base) for base in "ACGT"]] = range(4)
    none = np.empty(0, np.int64)
    vocabulary = Vocabulary(8, np.arange(4), np.arange(4), np.ones(4, np.int64), pad=6, mask=5)
    return from_network(Head(), NucleotideTokens(vocabulary, none, none, table), name="toy", family=family)


def test_the_frame_of_generator_ends_where_the_sequence_does() -> None:
    model = model_of(generator.GENERATOR)
    given = ["ACGTACGTTGCA", "TACGTACGTTGCA", "GGTTTACGTACGTTGCA", "ACG"]
    assert model.clipped(given) == ["ACGTACGTTGCA"] * 3 + ["ACG"]
    assert model.clipped(["T" * 5 + "ACGTAC" * 4], max_length=20, truncation="left") == ["ACGTAC" * 3]


def test_sequences_for_nucleotide_transformer_v3_are_filled_with_n() -> None:
    model = model_of(nucleotide_transformer.V3)
    short, fits, longer = model.clipped(["ACGT", "A" * 128, "C" * 129])
    assert short == "ACGT" + "N" * 124
    assert (fits, longer) == ("A" * 128, "C" * 129 + "N" * 127)
    assert model.equal_lengths


def test_a_base_is_its_byte_for_evo(tmp_path: Path) -> None:
    assert evo.EVO1.tokenizer is evo.EVO2.tokenizer is not None
    tokens = evo.EVO1.tokenizer(tmp_path)
    encoded = tokens.encode(["ACGTNacgt"])[0]
    assert bytes(encoded.ids.tolist()) == b"ACGTNACGT"
    assert tokens.vocabulary.dna.tolist() == [65, 67, 71, 84]
    assert tokens.bases_in(8192) == 8192


class Striped(nn.Module):
    """A network that keeps its hidden states to itself, as StripedHyena for transformers does."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Module()
        self.backbone.table, self.backbone.norm = nn.Embedding(512, 3), nn.LayerNorm(3)
        self.head = nn.Linear(3, 512)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> CausalLMOutput:
        """Return the logits alone."""
        return CausalLMOutput(logits=self.head(self.backbone.norm(self.backbone.table(input_ids))))


def test_states_of_evo_are_read_where_its_last_norm_gives_them(tmp_path: Path) -> None:
    network = Striped().eval()
    assert evo.EVO1.finish is not None
    assert evo.EVO1.finish(network, frozenset()) == frozenset()
    assert evo.EVO1.tokenizer is not None
    tokens = evo.EVO1.tokenizer(tmp_path)
    model = from_network(network, tokens, name="toy", head="causal", family=evo.EVO1)
    with torch.no_grad():
        ids = torch.tensor([list(b"ACGGT")])
        expected = network.backbone.norm(network.backbone.table(ids))[0].mean(0)
    np.testing.assert_allclose(model.embed(strings(["ACGGT"]))[0], expected, rtol=1e-5)
    # A copy, as fine-tuning makes one, reads its own states.
    other = copy.deepcopy(network)
    nn.init.zeros_(other.backbone.norm.weight)
    copied = from_network(other, tokens, name="copy", head="causal", family=evo.EVO1)
    np.testing.assert_allclose(copied.embed(strings(["ACGGT"])), np.zeros((1, 3)))
    assert np.isfinite(model.log_likelihood(strings(["ACGGT"]))).all()


def test_evo2_is_named_by_its_file_or_its_repository(tmp_path: Path) -> None:
    snapshot = tmp_path / "models--arcinstitute--evo2_1b_base" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    assert evo._name(snapshot) == "evo2_1b_base"
    (snapshot / "evo2_7b.pt").touch()
    assert evo._name(snapshot) == "evo2_7b"
    with pytest.raises(ConfigError, match=r"no \.pt file; expected one named after its model"):
        evo._name(tmp_path)


VORTEX = {
    "evo2/__init__.py": "",
    "evo2/utils.py": 'CONFIG_MAP = {"evo2_toy": "configs/toy.yml"}',
    "evo2/configs/toy.yml": "num_layers: 8\nmax_seqlen: 64\nhidden_size: 3\n",
    "vortex/__init__.py": "",
    "vortex/model/__init__.py": "",
    "vortex/model/utils.py": """
import torch
class dotdict(dict):
    __getattr__, __setattr__ = dict.get, dict.__setitem__
def load_checkpoint(network, path):
    network.load_state_dict(torch.load(path, weights_only=True))
""",
    "vortex/model/model.py": """
from torch import nn
class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.mlp = nn.ModuleDict({"l3": nn.Linear(width, width)})
class StripedHyena(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.table = nn.Embedding(512, config.hidden_size)
        self.blocks = nn.ModuleList([Block(config.hidden_size) for _ in range(config.num_layers)])
        self.head = nn.Linear(config.hidden_size, 512)
    def forward(self, ids):
        states = self.table(ids)
        for block in self.blocks:
            states = states + block.mlp["l3"](states).tanh()
        return self.head(states), None
""",
}


def test_evo2_is_built_by_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With stand-ins for the package and what it is made of: weights, states of the block, its random twin."""
    for name, text in VORTEX.items():
        (tmp_path / "packages" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "packages" / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path / "packages"))
    stand_ins = importlib.import_module("vortex.model.model"), importlib.import_module("vortex.model.utils")
    network = stand_ins[0].StripedHyena(stand_ins[1].dotdict(num_layers=8, hidden_size=3)).eval()
    folder = tmp_path / "toy"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "evo2"}))
    torch.save(network.state_dict(), folder / "evo2_toy.pt")
    location = locate(str(folder))
    assert location is not None
    model = open_checkpoint(location, Access(allow_pickle=True))
    with torch.no_grad():
        states, expected = network.table(torch.tensor([list(b"ACGGT")])), None
        for block in network.blocks:
            added = block.mlp["l3"](states)
            expected = added if block is network.blocks[7] else expected
            states = states + added.tanh()
        log_probs = network.head(states)[0][:, [65, 67, 71, 84]].double().log_softmax(-1)
    assert expected is not None
    np.testing.assert_allclose(model.embed(strings(["ACGGT"])), expected.mean(1), rtol=1e-5)
    of_next = sum(float(log_probs[i, base]) for i, base in enumerate([1, 2, 2, 3]))
    assert model.log_likelihood(strings(["ACGGT"]))[0] == pytest.approx(of_next, rel=1e-6)
    assert model.context == 64
    twin = open_checkpoint(location, Access(), random_weights=True)
    assert twin.random_weights
    assert len({m.parameter_hash() for m in (model, twin, twin.redrawn(1))}) == 3
    for name in [n for n in sys.modules if n.split(".")[0] in ("evo2", "vortex")]:
        monkeypatch.delitem(sys.modules, name)


def test_pickles_of_a_loader_of_its_own_need_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: True)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "evo2"}))
    location = locate(str(tmp_path))
    assert location is not None
    with pytest.raises(ConfigError, match="its weights are pickles"):
        open_checkpoint(location, Access())


def test_dnabert_reads_its_own_tokenizer_files() -> None:
    """Their configuration asks for lower case, with which every k-mer is unknown."""
    folder = MODELS / "tokenizers" / "dnabert6"
    if not folder.is_dir():
        pytest.skip(f"no tokenizers under {MODELS}; name their folder in BASERATE_SHARED_MODELS")
    assert json.loads((folder / "config.json").read_text())["vocab_size"] == 4101
    family = recognise(json.loads((folder / "config.json").read_text()))
    assert family is dnabert.DNABERT
    assert family.tokenizer is not None
    tokenizer = family.tokenizer(folder)
    tokens = read_tokens(tokenizer, where="dnabert", **family.tokens)
    (encoded,) = tokens.encode(["ACGTACGT"])
    assert tokenizer.convert_ids_to_tokens(encoded.ids.tolist()) == ["[CLS]", "ACGTAC", "CGTACG", "GTACGT", "[SEP]"]
    assert tokens.bases_in(512) == published("zhihan1996/DNA_bert_6")[1].context  # type: ignore[index]


def test_what_a_family_says_of_its_head_gives_way_to_a_classifier() -> None:
    config = {"model_type": "hyenadna", "architectures": ["HyenaDNAModel"]}
    assert head_of(config, hyenadna.HYENADNA) == "causal"
    assert (
        head_of({**config, "architectures": ["HyenaDNAForSequenceClassification"]}, hyenadna.HYENADNA) == "classifier"
    )
    assert head_of({"architectures": ["BertModel"]}, GENERIC) == "none"
    assert needs_code({}, hyenadna.HYENADNA)
    assert not needs_code({"auto_map": {"AutoModel": "dnabert_layer.X"}}, dnabert.DNABERT)
