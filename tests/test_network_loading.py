"""What runs and what is refused when a checkpoint is opened: its own code, pickles, files that do not fit together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("transformers")

import torch
import transformers
from safetensors.torch import load_file, save_file

from baserate.errors import BaserateError, ConfigError, DataError, NotApplicable
from baserate.networks.checkpoint import from_network, open_checkpoint
from baserate.networks.hub import Access, Location, code_digest
from baserate.networks.language_model import LanguageModel
from baserate.types import strings

from .checkpoints import LAYOUTS, TOKENIZERS, build, dna

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


def location(folder: Path) -> Location:
    """Return where a folder lies."""
    return Location(str(folder), folder, "")


def opened(folder: Path, access: Access | None = None, **options: Any) -> LanguageModel:
    """Return the checkpoint in `folder` as a model on the CPU."""
    return open_checkpoint(location(folder), access or Access(), device="cpu", precision="fp32", **options)


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
        with pytest.raises(ConfigError, match=r"layer = 0: odd returns its last layer .-1. alone"):
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
    from baserate.types import Examples, Inputs

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

    option = f"--trust-remote-code {folder}@{pinned}"
    for trusted in ((), ("other/model@" + pinned,)):
        message = refused(*trusted)
        assert message == f"{folder}: needs code of its own to run; read it, then allow it with {option}"
    assert f"name the revision that you have read: {option}" in refused(str(folder))
    assert f"its code now has the digest {pinned}; read what changed first" in refused(f"{folder}@0123456789abcdef")
    opened(folder, Access(trusted=("other/model@1", f"{folder}@{pinned}")))
    assert marker(folder).exists()
    marker(folder).unlink()
    with (folder / "modeling_odd.py").open("a") as code:
        code.write("# a change\n")
    assert f"@{pinned}: its code now has the digest {code_digest(folder)}; read what changed" in refused(
        f"{folder}@{pinned}"
    )


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


def pickled(folder: Path) -> Path:
    """Turn the weights of a checkpoint into a pickle."""
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    return folder


def test_pickles_are_read_only_where_that_is_allowed(tmp_path: Path) -> None:
    folder = build(tmp_path / "bert", LAYOUTS["esm-rotary"])
    safe = opened(folder)
    pickled(folder)
    with pytest.raises(ConfigError, match=r"its weights are pickles, which can run code .* or pass --allow-pickle"):
        opened(folder)
    model = opened(folder, Access(allow_pickle=True))
    assert model.parameter_hash() == safe.parameter_hash()


class Payload:
    """What runs a command when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.file}",)


def test_a_pickle_that_would_run_a_command_is_refused_even_so(tmp_path: Path) -> None:
    folder = pickled(build(tmp_path / "bert", LAYOUTS["esm-rotary"]))
    weights = torch.load(folder / "pytorch_model.bin", weights_only=True)
    torch.save({**weights, "extra": Payload(marker(folder))}, folder / "pytorch_model.bin")
    with pytest.raises(DataError, match="its pickle holds more than tensors, which could run") as caught:
        opened(folder, Access(allow_pickle=True))
    assert "\n" not in str(caught.value) and not marker(folder).exists()


def change(folder: Path, edit: Callable[[dict[str, torch.Tensor]], None]) -> None:
    """Edit the weights of a checkpoint."""
    weights = load_file(folder / "model.safetensors")
    edit(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def drop(weights: dict[str, torch.Tensor], name: str) -> None:
    del weights[name]


def widen(weights: dict[str, torch.Tensor]) -> None:
    weights["model.norm.weight"] = torch.ones(17)


SPOILED: dict[str, tuple[Callable[[Path], Any], str]] = {
    "missing": (
        lambda f: change(f, lambda w: drop(w, "model.norm.weight")),
        "1 missing keys, such as model.norm.weight",
    ),
    "unexpected": (
        lambda f: change(f, lambda w: w.update({"model.extra.weight": torch.ones(3)})),
        "1 unexpected keys, such as model.extra.weight",
    ),
    "mismatched": (lambda f: change(f, widen), "1 mismatched keys, such as model.norm.weight"),
    "head": (lambda f: change(f, lambda w: drop(w, "lm_head.weight")), "1 missing keys, such as lm_head.weight"),
    "truncated": (
        lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes()[:-100]),
        "its weights cannot be loaded",
    ),
    "garbage": (lambda f: (f / "model.safetensors").write_bytes(b"x" * 99), "its weights cannot be loaded"),
    "empty": (lambda f: (f / "model.safetensors").write_bytes(b""), "its weights cannot be loaded"),
    "weights": (lambda f: (f / "model.safetensors").unlink(), "no model.safetensors"),
    "config": (lambda f: (f / "config.json").unlink(), "no config.json, so this is not a Hugging Face checkpoint"),
    "json": (lambda f: (f / "config.json").write_text("{"), "config.json: not JSON"),
    "binary": (lambda f: (f / "config.json").write_bytes(b"\xff\xfe\x00"), "config.json: not JSON"),
    "list": (lambda f: (f / "config.json").write_text("[]"), "config.json: expected an object"),
    "type": (
        lambda f: (f / "config.json").write_text('{"model_type": "noodle"}'),
        "its configuration is not one that transformers knows",
    ),
    "no_type": (lambda f: (f / "config.json").write_text("{}"), "its configuration is not one that transformers knows"),
    "tokenizer": (
        lambda f: [(f / name).unlink() for name in ("tokenizer.json", "tokenizer_config.json")],
        "no tokenizer .tokenizer.json, or",
    ),
    "tokenizer_config": (
        lambda f: (
            (f / "tokenizer_config.json").write_text('{"tokenizer_class": "NoodleTokenizer"}')
            and (f / "tokenizer.json").unlink()
        ),
        "its tokenizer cannot be read",
    ),
    "tokenizer_json": (lambda f: (f / "tokenizer.json").write_text("{"), "its tokenizer cannot be read"),
}


@pytest.mark.parametrize("fault", SPOILED)
def test_files_that_do_not_fit_together_are_refused_in_one_line(fault: str, tmp_path: Path) -> None:
    folder = build(tmp_path / "x", LAYOUTS["mistral"], tie_word_embeddings=False)
    spoil, fragment = SPOILED[fault]
    spoil(folder)
    with pytest.raises(BaserateError, match=fragment) as caught:
        opened(folder)
    assert "\n" not in str(caught.value) and str(folder) in str(caught.value) and len(str(caught.value)) < 500


def test_a_head_that_is_the_embedding_may_be_absent(tmp_path: Path) -> None:
    folder = build(tmp_path / "x", LAYOUTS["mistral"], tie_word_embeddings=True)
    assert "lm_head.weight" not in load_file(folder / "model.safetensors")
    assert np.isfinite(opened(folder).log_likelihood(dna(2, 20))).all()


def test_random_weights_need_no_file_of_weights(tmp_path: Path) -> None:
    folder = build(tmp_path / "x", LAYOUTS["esm-rotary"])
    (folder / "model.safetensors").unlink()
    one, other = (opened(folder, random_weights=True, init_seed=seed) for seed in (1, 2))
    assert one.parameter_hash() != other.parameter_hash()
    assert opened(folder, random_weights=True, init_seed=1).parameter_hash() == one.parameter_hash()


def test_what_happens_before_does_not_change_random_weights(tmp_path: Path) -> None:
    folder = build(tmp_path / "x", LAYOUTS["esm-rotary"])
    first = opened(folder, random_weights=True, init_seed=1).parameter_hash()
    torch.manual_seed(9)
    state = torch.get_rng_state()
    assert opened(folder, random_weights=True, init_seed=1).parameter_hash() == first
    assert torch.equal(torch.get_rng_state(), state)


def test_an_embedding_smaller_than_the_vocabulary_is_refused(tmp_path: Path) -> None:
    folder = build(tmp_path / "x", LAYOUTS["bert-bpe"], vocab_size=40)
    with pytest.raises(DataError, match="its tokenizer has ids up to 59, its embedding 40 rows"):
        opened(folder)


def test_a_padding_id_beyond_the_embedding_is_not_used(tmp_path: Path) -> None:
    # As published: Mistral-Codon says pad_token_id 69 with 69 tokens.
    folder = build(tmp_path / "x", LAYOUTS["mixtral"])
    expected = opened(folder).embed(MIXED)
    content = json.loads((folder / "config.json").read_text())
    content["pad_token_id"] = content["vocab_size"]
    (folder / "config.json").write_text(json.dumps(content))
    model = opened(folder)
    np.testing.assert_allclose(model.embed(MIXED), expected, atol=1e-6)
    assert opened(folder, random_weights=True).embed(MIXED).shape == expected.shape


def test_any_module_with_a_tokenizer_is_a_model(tmp_path: Path) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(build(tmp_path / "x", LAYOUTS["esm-rotary"]))

    class Plain(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = torch.nn.Embedding(10, 6)

        def forward(self, input_ids: torch.Tensor) -> tuple[torch.Tensor]:
            return (self.table(input_ids),)

    network = Plain()
    model = from_network(network, tokenizer, name="mine", device="cpu")
    assert model.context is None and model.equal_lengths
    np.testing.assert_allclose(model.embed(strings(["AANA"]))[0], network.table.weight[4].detach().numpy(), atol=1e-6)
    with pytest.raises(NotApplicable, match="mine: needs a causal head; it has no head"):
        model.log_likelihood(strings(["ACGT"]))


BARE = """
import sys
for name in ("pandas sklearn scipy mlflow pyarrow click rich numba matplotlib xgboost platformdirs datasets pyfaidx "
             "jinja2 anndata peft optuna").split():
    sys.modules[name] = None
from baserate.networks.checkpoint import open_checkpoint
from baserate.networks.hub import Access, locate
import numpy as np
model = open_checkpoint(locate(sys.argv[1]), Access(), device="cpu")
print(model.embed(np.array(["ACGTTGCA", "GATTACANNA"], dtype=object)).shape, len(model.parameter_hash()))
"""


def test_the_engine_runs_with_torch_transformers_and_numpy_alone() -> None:
    import baserate.networks

    shipped = Path(__file__).parent.parent / "models" / "checkpoints" / "baserate_mlm"
    root = Path(baserate.networks.__path__[0]).parent.parent
    environment = {**os.environ, "PYTHONPATH": str(root) if root.name != "main" else "", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", BARE, str(shipped)], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.split("\n")[0] == "(2, 128) 16"
