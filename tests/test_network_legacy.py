"""Code of a checkpoint's own, written for transformers 4, is built and loaded as it was meant, and leaves no trace."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from baserate.errors import DataError
from baserate.networks.checkpoint import open_checkpoint
from baserate.networks.hub import Access, code_digest, locate
from baserate.networks.language_model import LanguageModel
from baserate.types import strings

CODE = """
import torch
from torch import nn
from transformers import BertConfig, PreTrainedModel
from transformers.modeling_outputs import MaskedLMOutput
from transformers.modeling_utils import find_pruneable_heads_and_indices
from transformers.pytorch_utils import prune_linear_layer


class OldModel(PreTrainedModel):
    config_class = BertConfig
    base_model_prefix = "bert"
    _tied_weights_keys = ["decoder.weight"]

    def __init__(self, config):
        super().__init__(config)
        assert not config.torchscript and not config.pruned_heads and not config.is_decoder
        self.words = nn.Embedding(config.vocab_size, config.hidden_size)
        self.decoder = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.register_buffer("scale", torch.linspace(1, 2, config.hidden_size), persistent=False)
        self.shift = torch.arange(config.hidden_size) / 7
        self.init_weights()

    def _init_weights(self, module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            module.weight.data.normal_(std=0.02)

    def get_input_embeddings(self):
        return self.words

    def get_output_embeddings(self):
        return self.decoder

    def tie_weights(self):
        pass

    def forward(self, input_ids, attention_mask=None):
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        scores = self.get_extended_attention_mask(mask, input_ids.shape)
        assert self.get_head_mask(None, 3) == [None, None, None]
        states = self.words(input_ids) * self.scale + self.shift
        weights = (torch.zeros_like(scores).expand(-1, -1, input_ids.shape[1], -1) + scores).softmax(-1)[:, 0]
        states = states + weights @ states
        return MaskedLMOutput(logits=self.decoder(states), hidden_states=(states,))
"""
WIDTH, WORDS = 6, ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"ACGTN"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint whose code was written for transformers 4, with weights that no initialisation gives."""
    folder = tmp_path_factory.mktemp("old") / "old_model"
    folder.mkdir()
    (folder / "modeling_old.py").write_text(CODE)
    config = {
        "model_type": "bert",
        "architectures": ["OldModelForMaskedLM"],
        "auto_map": {"AutoModelForMaskedLM": "modeling_old.OldModel"},
        "vocab_size": len(WORDS),
        "hidden_size": WIDTH,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    names = {"unk_token": "<unk>", "pad_token": "<pad>", "mask_token": "<mask>", "cls_token": "<cls>"}
    (folder / "vocab.txt").write_text("\n".join([*names.values(), *"ACGTN"]))
    tokenizer = {"tokenizer_class": "EsmTokenizer", **names, "eos_token": None}
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    generator = torch.Generator().manual_seed(1)
    weights = {f"{name}.weight": torch.randn(len(WORDS), WIDTH, generator=generator) for name in ("words", "decoder")}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def opened(folder: Path, **options: bool) -> LanguageModel:
    location = locate(str(folder))
    assert location is not None
    return open_checkpoint(location, Access(trusted=(f"{folder}@{code_digest(folder)}",)), **options)


def test_tables_computed_when_built_and_stored_weights_survive(folder: Path) -> None:
    """Version 5 alone would leave the buffer and the plain tensor uninitialised, or fail."""
    model = opened(folder)
    words = load_file(folder / "model.safetensors")["words.weight"]
    table = words * torch.linspace(1, 2, WIDTH) + torch.arange(WIDTH) / 7
    ids = torch.from_numpy(model.tokens.encode(["ACGTT"])[0].ids)
    states = table[ids] + table[ids].mean(0)
    dna = [i for i, word in enumerate(ids.tolist()) if word in model.tokens.vocabulary.dna]
    np.testing.assert_allclose(model.embed(strings(["ACGTT"]))[0], states[dna].mean(0), rtol=1e-5)


def test_padding_is_masked_by_the_method_that_was_taken_away(folder: Path) -> None:
    """A sequence embeds alike alone and beside a longer one."""
    model = opened(folder)
    alone = model.embed(strings(["ACG"]))
    np.testing.assert_allclose(model.embed(strings(["ACG", "TTTTTTTTT"]))[:1], alone, rtol=1e-5)


def test_a_random_twin_differs_by_seed(folder: Path) -> None:
    """The same code without weights."""
    twin = opened(folder, random_weights=True)
    assert len({twin.parameter_hash(), twin.redrawn(1).parameter_hash(), opened(folder).parameter_hash()}) == 3


def test_no_trace_is_left(folder: Path) -> None:
    """A plain BERT loaded afterwards is that of transformers, and transformers itself is as before."""
    import transformers
    from transformers import BertConfig, PreTrainedModel, modeling_utils

    def state() -> list[object]:
        names = ("__init__", "get_init_context", "_move_missing_keys_from_meta_to_device")
        patched: list[object] = [PreTrainedModel.__dict__.get(name) for name in names]
        return [*patched, hasattr(modeling_utils, "find_pruneable_heads_and_indices")]

    before = state()
    opened(folder)
    assert state() == before
    network = transformers.AutoModelForMaskedLM.from_config(
        BertConfig(vocab_size=9, hidden_size=4, num_hidden_layers=1, num_attention_heads=1, intermediate_size=4)
    )
    assert type(network) is transformers.BertForMaskedLM


def test_code_that_spoils_its_own_weights_is_refused(folder: Path, tmp_path: Path) -> None:
    """The file is compared with what was loaded."""
    other = tmp_path / "spoilt_model"
    other.mkdir()
    for file in folder.iterdir():
        if file.is_file():
            (other / file.name).write_bytes(file.read_bytes())
    spoilt = CODE.replace(
        "    def tie_weights(self):\n        pass", "    def tie_weights(self):\n        self.words.weight.data.mul_(2)"
    )
    assert spoilt != CODE
    (other / "modeling_old.py").write_text(spoilt)
    with pytest.raises(DataError, match=r"its own code loaded words\.weight with other values than the file has"):
        opened(other)
