"""Checkpoints with code of their own: what they give once they are trusted, and that nothing runs before."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("transformers")

import torch
from safetensors.torch import save_file

from baserate.errors import ConfigError
from baserate.networks.hub import Access, code_digest
from baserate.types import Examples, Inputs, strings

from .checkpoints import LAYOUTS, TOKENIZERS, build, dna, opened

MIXED = strings([*dna(5, (4, 30), seed=1), "ACGTNNACG", "GATTACA"])
CODE = """
from pathlib import Path

import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput, MaskedLMOutput

Path("{marker}").touch()
SEEN = []


class OddConfig(PretrainedConfig):
    model_type = "odd"

    def __init__(self, vocab_size=10, hidden_size=16, **kwargs):
        super().__init__(**kwargs)
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size


class Attention(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.Wqkv = nn.Linear(d, 3 * d)
        self.out = nn.Linear(d, d)
        self.norm = nn.LayerNorm(d)

    def forward(self, x, mask=None):
        q, k, v = self.Wqkv(x).chunk(3, -1)
        scores = q @ k.transpose(1, 2) / x.shape[-1] ** 0.5
        if mask is not None:
            scores = scores.masked_fill(mask[:, None] == 0, -torch.inf)
        return self.norm(x + self.out(scores.softmax(-1) @ v))


class OddPreTrained(PreTrainedModel):
    config_class = OddConfig
    base_model_prefix = "odd"

    def _init_weights(self, module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=0.5)


class OddModel(OddPreTrained):
    def __init__(self, config):
        super().__init__(config)
        self.table = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layer = Attention(config.hidden_size)
        self.post_init()

    def get_input_embeddings(self):
        return self.table

{encoder}


class OddForMaskedLM(OddPreTrained):
    def __init__(self, config):
        super().__init__(config)
        self.odd = OddModel(config)
        self.head = nn.Linear(config.hidden_size, config.vocab_size)
        self.post_init()

    def get_input_embeddings(self):
        return self.odd.table

{head}
"""
PLAIN = (
    """
    def forward(self, input_ids, attention_mask=None, output_hidden_states=False):
        first = self.table(input_ids)
        last = self.layer(first, attention_mask)
        return BaseModelOutput(last, (first, last) if output_hidden_states else None)
""",
    """
    def forward(self, input_ids, attention_mask=None, output_hidden_states=False):
        found = self.odd(input_ids, attention_mask, output_hidden_states)
        return MaskedLMOutput(logits=self.head(found[0]), hidden_states=found.hidden_states)
""",
)
TUPLES = (
    """
    def forward(self, input_ids, attention_mask=None, **kwargs):
        last = self.layer(self.table(input_ids), attention_mask)
        return last, last[:, 0]
""",
    """
    def forward(self, input_ids, attention_mask=None, **kwargs):
        found = self.odd(input_ids, attention_mask)
        return self.head(found[0]), found[0]
""",
)
NO_MASK = (
    """
    def forward(self, input_ids, output_hidden_states=False):
        SEEN.append(input_ids)
        first = self.table(input_ids)
        last = self.layer(first)
        return BaseModelOutput(last, (first, last) if output_hidden_states else None)
""",
    """
    def forward(self, input_ids, output_hidden_states=False):
        found = self.odd(input_ids)
        return MaskedLMOutput(logits=self.head(found[0]))
""",
)
AUTO = {"AutoConfig": "OddConfig", "AutoModel": "OddModel", "AutoModelForMaskedLM": "OddForMaskedLM"}


@pytest.fixture(autouse=True)
def _modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the copies that transformers makes of a checkpoint's code out of the user's home."""
    import transformers.dynamic_module_utils as dynamic

    monkeypatch.setattr(dynamic, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    for name in [name for name in sys.modules if name.split(".")[0] == "transformers_modules"]:
        monkeypatch.delitem(sys.modules, name)


def trusting(folder: Path) -> Access:
    """Return the access of one who has read the code in `folder`."""
    return Access(trusted=(f"{folder}@{code_digest(folder)}",))


def odd(folder: Path, parts: tuple[str, str] = PLAIN, auto: dict[str, str] = AUTO, **settings: Any) -> Path:
    """Write a checkpoint with code of its own, which leaves the file `ran` beside the folder when it runs."""
    folder.mkdir()
    TOKENIZERS["single"](folder)
    code = CODE.replace("{marker}", str(marker(folder))).replace("{encoder}", parts[0]).replace("{head}", parts[1])
    (folder / "modeling_odd.py").write_text(code)
    mapped = {key: f"modeling_odd.{name}" for key, name in auto.items()}
    config = {"model_type": "odd", "architectures": ["OddForMaskedLM"], "auto_map": mapped, **settings}
    (folder / "config.json").write_text(json.dumps({"vocab_size": 10, "hidden_size": 16, **config}))
    save_file(odd_weights(), folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def odd_weights() -> dict[str, torch.Tensor]:
    """Return weights of the network in CODE."""
    draw = torch.Generator().manual_seed(0)
    shapes = {
        "odd.table.weight": (10, 16),
        "odd.layer.Wqkv.weight": (48, 16),
        "odd.layer.Wqkv.bias": (48,),
        "odd.layer.out.weight": (16, 16),
        "odd.layer.out.bias": (16,),
        "odd.layer.norm.weight": (16,),
        "odd.layer.norm.bias": (16,),
        "head.weight": (10, 16),
        "head.bias": (10,),
    }
    return {name: torch.randn(shape, generator=draw) for name, shape in shapes.items()}


def odd_states(sequence: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the first and the last hidden states that the network in CODE gives, in plain algebra."""
    w = {name.removeprefix("odd."): value.double() for name, value in odd_weights().items()}
    ids = torch.tensor([0, *("ACGTN".index(base) + 4 for base in sequence), 2])
    first = w["table.weight"][ids]
    q, k, v = (first @ w["layer.Wqkv.weight"].T + w["layer.Wqkv.bias"]).split(16, dim=1)
    mixed = torch.softmax(q @ k.T / 4, 1) @ v
    last = first + mixed @ w["layer.out.weight"].T + w["layer.out.bias"]
    last = (last - last.mean(1, keepdim=True)) / (last.var(1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    return first, last * w["layer.norm.weight"] + w["layer.norm.bias"]


def marker(folder: Path) -> Path:
    """Return the file that the code in `folder` makes when it runs."""
    return folder.with_name("ran")


@pytest.mark.parametrize("parts", [PLAIN, TUPLES, NO_MASK], ids=["plain", "tuples", "no_mask"])
def test_a_network_in_its_own_code_gives_what_its_weights_say(parts: tuple[str, str], tmp_path: Path) -> None:
    folder = odd(tmp_path / "odd", parts)
    model = opened(folder, trusting(folder))
    assert model.head == "masked" and marker(folder).exists()
    known = [[1 + i for i, base in enumerate(s) if base != "N"] for s in MIXED]
    first, last = zip(*(odd_states(str(s)) for s in MIXED), strict=True)
    expected = np.stack([states[at].mean(0).numpy() for states, at in zip(last, known, strict=True)])
    np.testing.assert_allclose(model.embed(MIXED), expected, rtol=1e-4, atol=1e-5)
    if parts is TUPLES:
        with pytest.raises(ConfigError, match=r"layer = 0: odd returns only its last layer .-1."):
            model.embed(MIXED, layer=0)
    else:
        expected = np.stack([states[at].mean(0).numpy() for states, at in zip(first, known, strict=True)])
        np.testing.assert_allclose(model.embed(MIXED, layer=0), expected, rtol=1e-4, atol=1e-5)
    rows = model.masked_log_probs(MIXED, [np.array([2])] * len(MIXED))
    assert np.isfinite(rows).all()
    alone = [model.masked_log_probs(MIXED[i : i + 1], [np.array([2])])[0] for i in range(len(MIXED))]
    np.testing.assert_allclose(rows, alone, rtol=1e-4, atol=1e-5)


def test_a_network_without_an_attention_mask_never_sees_padding(tmp_path: Path) -> None:
    folder = odd(tmp_path / "odd", NO_MASK)
    model = opened(folder, trusting(folder))
    assert model.equal_lengths
    seen = sys.modules[type(model.network).__module__].SEEN
    model.embed(strings([*dna(6, 12, seed=2), *MIXED]))
    assert max(len(ids) for ids in seen) >= 6  # equal lengths still share a batch
    assert not any((ids == model.tokens.vocabulary.pad).any() for ids in seen)
    seen.clear()
    train = dna(6, (5, 9), seed=3)
    ids = strings(["a", "b", "c", "d", "e", "f"])
    examples = Examples(ids, Inputs(train), np.arange(6) % 2, groups=ids, clusters=ids)
    model.fit(examples, examples, n_classes=2, seed=0, epochs=1).predict(examples.inputs)
    assert seen and not any((ids == model.tokens.vocabulary.pad).any() for ids in seen)


@pytest.mark.parametrize("settings", [{}, {"model_type": "bert"}], ids=["own_config", "bert_config"])
def test_an_encoder_class_that_is_a_language_model_is_looked_into(settings: dict[str, Any], tmp_path: Path) -> None:
    # GENA-LM maps AutoModel alone, to a class with a head. With the configuration of a native architecture the
    # native class would be built for the head, and be another network.
    auto = {"AutoModel": "OddForMaskedLM"} | ({} if settings else {"AutoConfig": "OddConfig"})
    folder = odd(tmp_path / "odd", auto=auto, **settings)
    if settings:
        code = folder / "modeling_odd.py"
        code.write_text(
            code.read_text().replace("config_class = OddConfig", "from transformers import BertConfig as config_class")
        )
    model = opened(folder, trusting(folder))
    expected = np.stack(
        [odd_states(str(s))[1][[1 + i for i, b in enumerate(s) if b != "N"]].mean(0).numpy() for s in MIXED]
    )
    np.testing.assert_allclose(model.embed(MIXED), expected, rtol=1e-4, atol=1e-5)
    assert np.isfinite(model.masked_log_probs(MIXED[:2], [np.array([1])] * 2)).all()


def test_code_runs_only_where_the_model_and_its_revision_are_named(tmp_path: Path) -> None:
    folder = odd(tmp_path / "odd")
    pinned = code_digest(folder)

    def refused(*trusted: str) -> str:
        with pytest.raises(ConfigError) as caught:
            opened(folder, Access(trusted=trusted))
        assert not marker(folder).exists() and "\n" not in str(caught.value)
        return str(caught.value)

    trusted_name = f"{folder}@{pinned}"
    option = f"--trust-remote-code {trusted_name} (from Python: trust_remote_code=[{trusted_name!r}])"
    for trusted in ((), ("other/model@" + pinned,)):
        message = refused(*trusted)
        assert message == f"{folder}: needs its own code to run; read it, then allow it with {option}"
    assert f"name the one that you have read: {option}" in refused(str(folder))
    assert f"its code now has the digest {pinned}; read what changed first" in refused(f"{folder}@0123456789abcdef")
    opened(folder, Access(trusted=("other/model@1", f"{folder}@{pinned}")))
    assert marker(folder).exists()
    marker(folder).unlink()
    with (folder / "modeling_odd.py").open("a") as code:
        code.write("# a change\n")
    assert f"trusted at {pinned}, but its code now has the digest {code_digest(folder)}; read what changed" in refused(
        f"{folder}@{pinned}"
    )


def test_a_random_twin_runs_the_code_of_its_own_folder(tmp_path: Path) -> None:
    # Not that of the model which a saved configuration says it came from.
    folder = odd(tmp_path / "odd", _name_or_path="someone/else")
    with pytest.raises(ConfigError, match="needs its own code to run"):
        opened(folder, random_weights=True)
    twin = opened(folder, trusting(folder), random_weights=True)
    hashes = {twin.redrawn(seed).parameter_hash() for seed in (1, 2, 1)}
    assert len(hashes) == 2 and opened(folder, trusting(folder)).parameter_hash() not in hashes


def test_a_change_in_a_module_below_the_folder_is_a_change(tmp_path: Path) -> None:
    folder = odd(tmp_path / "odd")
    pinned = code_digest(folder)
    (folder / "parts").mkdir()
    (folder / "parts" / "more.py").write_text("")
    assert code_digest(folder) != pinned


def test_code_of_another_model_is_refused(tmp_path: Path) -> None:
    # `save_pretrained` writes auto_map so for a network whose code came from the hub: no revision pins that code.
    folder = odd(tmp_path / "odd")
    content = json.loads((folder / "config.json").read_text())
    content["auto_map"] = {key: f"someone/else--{name}" for key, name in content["auto_map"].items()}
    (folder / "config.json").write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=r"takes code from someone/else.*copy its .py files.*'someone/else--'"):
        opened(folder, trusting(folder))


def test_a_tokenizer_in_its_own_code_needs_trust_too(tmp_path: Path) -> None:
    folder = build(tmp_path / "bert", LAYOUTS["roberta"])
    vocabulary = (folder / "vocab.txt").read_text().split()
    (folder / "tokenization_odd.py").write_text(
        f"""
from pathlib import Path
from transformers import PreTrainedTokenizer

Path("{marker(folder)}").touch()
WORDS = {vocabulary}


class OddTokenizer(PreTrainedTokenizer):
    def __init__(self, **kwargs):
        kwargs |= dict(cls_token="<cls>", pad_token="<pad>", unk_token="<unk>", mask_token="<mask>")
        super().__init__(**kwargs)

    @property
    def vocab_size(self):
        return len(WORDS)

    def get_vocab(self):
        return {{word: i for i, word in enumerate(WORDS)}}

    def _tokenize(self, text, **kwargs):
        return list(text)

    def _convert_token_to_id(self, token):
        return WORDS.index(token) if token in WORDS else 3

    def _convert_id_to_token(self, index):
        return WORDS[index]

    def build_inputs_with_special_tokens(self, ids, more=None):
        return [0, *ids, 2]
"""
    )
    expected = opened(folder).embed(MIXED)
    config = {"tokenizer_class": "OddTokenizer", "auto_map": {"AutoTokenizer": ["tokenization_odd.OddTokenizer", None]}}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    with pytest.raises(ConfigError, match=f"allow it with --trust-remote-code {folder}@{code_digest(folder)}"):
        opened(folder)
    assert not marker(folder).exists()
    np.testing.assert_allclose(opened(folder, trusting(folder)).embed(MIXED), expected, atol=1e-6)
    assert marker(folder).exists()
