"""What is refused when a checkpoint is opened: pickles, and files that are damaged or do not fit together."""

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
from baserate.networks.checkpoint import from_network
from baserate.networks.hub import Access
from baserate.types import strings

from .checkpoints import LAYOUTS, build, dna, opened

MIXED = strings([*dna(5, (4, 30), seed=1), "ACGTNNACG", "GATTACA"])


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


def ran(folder: Path) -> Path:
    """Return the file that a payload in `folder` makes when it runs."""
    return folder.with_name("ran")


class Payload:
    """What runs a command when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.file}",)


def test_a_pickle_that_would_run_a_command_is_refused_even_so(tmp_path: Path) -> None:
    folder = pickled(build(tmp_path / "bert", LAYOUTS["esm-rotary"]))
    weights = torch.load(folder / "pytorch_model.bin", weights_only=True)
    torch.save({**weights, "extra": Payload(ran(folder))}, folder / "pytorch_model.bin")
    with pytest.raises(DataError, match="its pickle has more than tensors in it, which could run") as caught:
        opened(folder, Access(allow_pickle=True))
    assert "\n" not in str(caught.value) and not ran(folder).exists()


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
    "config": (lambda f: (f / "config.json").unlink(), "but no config.json, which says of what network"),
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
    with pytest.raises(DataError, match="its tokenizer has ids up to 59, but its embedding only 40 rows"):
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
    with pytest.raises(NotApplicable, match="mine: needs a causal head, but has no head"):
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


@pytest.mark.parametrize(("layout", "head"), [("bert-bpe", "none"), ("mistral", "none"), ("bert-bpe", "pretraining")])
def test_checkpoints_without_a_head_or_with_more_than_one_open(layout: str, head: Any, tmp_path: Path) -> None:
    folder = build(tmp_path / "x", LAYOUTS[layout], head=head)
    model = opened(folder)
    assert model.head == ("none" if head == "none" else "masked")
    ids = model.tokens.encode(["GATTACA"])[0].ids
    with torch.no_grad():
        states = transformers.AutoModel.from_pretrained(folder).eval()(torch.from_numpy(ids)[None]).last_hidden_state
    np.testing.assert_allclose(model.embed(strings(["GATTACA"])), states[:, 1:-1].mean(1).numpy(), atol=1e-5)
    if head == "none":
        with pytest.raises(NotApplicable, match="needs a masked head, but has no head"):
            model.pseudo_log_likelihood(strings(["GATTACA"]))


def test_weights_of_half_precision_are_widened(tmp_path: Path) -> None:
    folder = build(tmp_path / "x", LAYOUTS["mistral"])
    expected = opened(folder).embed(MIXED)
    change(folder, lambda w: w.update({name: value.bfloat16() for name, value in w.items()}))
    content = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**content, "dtype": "bfloat16", "torch_dtype": "bfloat16"}))
    model = opened(folder)
    assert {p.dtype for p in model.network.parameters()} == {torch.float32}
    np.testing.assert_allclose(model.embed(MIXED), expected, rtol=0.1, atol=0.05)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", None])
@pytest.mark.parametrize("layout", ["llama", "esm-rotary"])
def test_random_weights_are_as_precise_as_trained_ones(layout: str, dtype: str | None, tmp_path: Path) -> None:
    folder = build(tmp_path / "x", LAYOUTS[layout])
    expected = opened(folder, random_weights=True, init_seed=1).parameter_hash()
    content = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**content, "dtype": dtype, "torch_dtype": dtype}))
    model, twin = opened(folder), opened(folder, random_weights=True, init_seed=1)
    for network in (model.network, twin.network, twin.redrawn(2).network):
        assert {p.dtype for p in network.parameters()} == {torch.float32}
        assert network.config.dtype == torch.float32
    assert twin.parameter_hash() == expected  # drawn in single precision too


def test_weights_in_many_files_are_read_and_a_missing_one_is_told(tmp_path: Path) -> None:
    folder = build(tmp_path / "x", LAYOUTS["mistral"])
    expected = opened(folder).parameter_hash()
    network = transformers.MistralForCausalLM.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    network.save_pretrained(folder, max_shard_size="5KB")
    shards = sorted(folder.glob("model-*.safetensors"))
    assert len(shards) > 1 and opened(folder).parameter_hash() == expected
    shards[-1].unlink()
    with pytest.raises(DataError, match="its weights cannot be loaded") as caught:
        opened(folder)
    assert "\n" not in str(caught.value)


def test_an_encoder_with_a_decoder_is_refused(tmp_path: Path) -> None:
    folder = build(tmp_path / "x", LAYOUTS["bert-bpe"])
    config = transformers.T5Config(vocab_size=60, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    transformers.T5ForConditionalGeneration(config).save_pretrained(folder)
    with pytest.raises(ConfigError, match="an encoder-decoder"):
        opened(folder)
