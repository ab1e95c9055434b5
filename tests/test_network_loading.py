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

from baserate.cards.checkpoint import checkpoint_card
from baserate.errors import BaserateError, ConfigError, DataError, NotApplicable
from baserate.networks.checkpoint import from_network
from baserate.networks.hub import Access, Location, read_config
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
    with pytest.raises(
        ConfigError, match=r"its weights are pickles, which can run code .* or allow them .--allow-pickle"
    ):
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
    "misnamed": (
        lambda f: change(f, lambda w: w.update({"x.model.norm.weight": w.pop("model.norm.weight")})),
        "1 missing keys, such as model.norm.weight",
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


def adapted(folder: Path, **config: Any) -> Path:
    """Put an adapter, as peft saves it, beside the weights of a checkpoint."""
    lora = {f"base_model.model.model.layers.0.self_attn.q_proj.lora_{x}.weight": torch.ones(4, 4) for x in "AB"}
    save_file(lora, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    about = {"peft_type": "LORA", "base_model_name_or_path": "org/base", **config}
    (folder / "adapter_config.json").write_text(json.dumps(about))
    return folder


@pytest.mark.parametrize("random_weights", [False, True])
def test_an_adapter_is_refused_with_the_command_that_merges_it(random_weights: bool, tmp_path: Path) -> None:
    folder = adapted(build(tmp_path / "x", LAYOUTS["mistral"]))
    command = "from transformers import AutoModelForCausalLM as M.*M.from_pretrained.'org/base'.*merge_and_unload"
    for open_it in (lambda: opened(folder, random_weights=random_weights), lambda: card(folder, random_weights)):
        with pytest.raises(ConfigError, match=rf"has an adapter .adapter_config.json., which would not .*{command}"):
            open_it()
    (folder / "config.json").unlink()
    with pytest.raises(ConfigError, match=r"has an adapter .*AutoModelForMaskedLM"):
        card(folder, random_weights)
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"has an adapter .*merge it with the library that wrote it"):
        card(folder, random_weights)


def card(folder: Path, random_weights: bool = False) -> Any:
    return checkpoint_card(Location(str(folder), folder, ""), random_weights=random_weights)


@pytest.mark.parametrize(
    "name",
    ["lora.safetensors", "model-00001-of-00002.safetensors", "heads.pt", "weights_delta.bin", "v_head.bin", "ema.ckpt"],
)
def test_weights_that_nothing_would_read_are_refused_and_change_the_revision(name: str, tmp_path: Path) -> None:
    folder = build(tmp_path / "x", LAYOUTS["mistral"])
    before = card(folder).revision()
    (folder / name).write_bytes(b"x" * 9)
    assert read_config(Location(str(folder), folder, ""))[1] != before
    with pytest.raises(ConfigError, match=rf"{name} has weights that would not be read; put its weights into .* move"):
        card(folder)


def test_the_state_of_a_training_run_and_other_precisions_are_no_second_weights(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = build(tmp_path / "x", LAYOUTS["mistral"])
    before = card(folder).revision()
    for name in ("training_args.bin", "rng_state_0.pth", "scheduler.bin", "model.fp16.safetensors"):
        (folder / name).write_bytes(b"x" * 9)
    assert card(folder).name == "x"
    (folder / "model.fp16.safetensors").unlink()
    assert card(folder).revision() == before, "what is no weights is not in the revision"
    assert not caplog.records
    (folder / "pytorch_model.bin").write_bytes(b"x" * 9)
    assert card(folder).revision() != before
    assert "weights are read from model.safetensors, not from pytorch_model.bin beside it" in caplog.text
    index = {"weight_map": {"a": "model-00001-of-00001.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ConfigError, match=r"has model.safetensors and the weights that model\.safetensors\.index"):
        card(folder)


@pytest.mark.parametrize(
    ("prefix", "advice"),
    [
        ("module.", "save model.module.state_dict()"),
        ("_orig_mod.", "save model._orig_mod.state_dict()"),
        ("base_model.model.", "save model.merge_and_unload()"),
        ("net.", "save them without it"),
    ],
)
def test_a_prefix_of_all_weights_is_named(prefix: str, advice: str, tmp_path: Path) -> None:
    folder = build(tmp_path / "x", LAYOUTS["mistral"])
    weights = load_file(folder / "model.safetensors")
    renamed = {prefix + name: value for name, value in weights.items()}
    save_file(renamed, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(DataError) as caught:
        opened(folder)
    said = f"the names of its weights have the prefix {prefix!r}, so that they fit no network: "
    assert said in str(caught.value) and str(caught.value).endswith(advice) and "\n" not in str(caught.value)


@pytest.mark.parametrize(("layout", "name"), [("mistral", "MistralForCausalLM"), ("esm-rotary", "EsmForMaskedLM")])
def test_a_configuration_without_architectures_is_named(layout: str, name: str, tmp_path: Path) -> None:
    folder = build(tmp_path / "x", LAYOUTS[layout])
    expected = opened(folder).parameter_hash()
    content = json.loads((folder / "config.json").read_text())
    del content["architectures"]
    (folder / "config.json").write_text(json.dumps(content))
    with pytest.raises(DataError) as caught:
        opened(folder)
    assert 'config.json has no "architectures", so that weights of a head' in str(caught.value)
    assert f'add "architectures": ["{name}"]' in str(caught.value)
    (folder / "config.json").write_text(json.dumps({**content, "architectures": [name]}))
    assert opened(folder).parameter_hash() == expected


def test_an_encoder_with_a_decoder_is_refused(tmp_path: Path) -> None:
    folder = build(tmp_path / "x", LAYOUTS["bert-bpe"])
    config = transformers.T5Config(vocab_size=60, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    transformers.T5ForConditionalGeneration(config).save_pretrained(folder)
    with pytest.raises(ConfigError, match="an encoder-decoder"):
        opened(folder)
