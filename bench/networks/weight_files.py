"""Which files of a checkpoint folder hold weights, and which of them nothing would read."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from .families import GENERIC, Head, head_of

log = logging.getLogger(__name__)

STORED = ("*.safetensors", "*.bin", "*.pt", "*.pth", "*.ckpt")
"""Files that may hold tensors which a network is made of."""

AUTO: Mapping[Head, str] = {
    "masked": "AutoModelForMaskedLM",
    "causal": "AutoModelForCausalLM",
    "classifier": "AutoModelForSequenceClassification",
    "none": "AutoModel",
}
"""The class of transformers that builds a network with each head."""

_ADAPTER = ("adapter_config.json", "adapter_model.safetensors", "adapter_model.bin", "pytorch_adapter.bin")
_OF_TASK: Mapping[str, Head] = {"CAUSAL_LM": "causal", "SEQ_CLS": "classifier"}
_OF_TRAINING = re.compile(r"(training_args|optimizer|scheduler|scaler|rng_state|random_states)[\w-]*\.(bin|pt|pth)")
_PART = re.compile(
    r"(^|[._-])(adapters?|lora|ia3|deltas?|diff|heads?|prefix|prompts?|probe|ema)([._-]|$)", re.IGNORECASE
)
_SAME = re.compile(r"model\.(fp32|fp16|bf16)(-\d+-of-\d+)?\.safetensors")
"""The same weights in another precision, by the names that transformers gives them."""


def weight_files(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder that may hold weights; the state of a training run is none."""
    for pattern in STORED:
        yield from (file for file in folder.glob(pattern) if not _OF_TRAINING.fullmatch(file.name))


def check_all_is_read(folder: Path, content: Mapping[str, Any], where: str) -> None:
    """Raise ConfigError, with the way out, where a folder has weights that loading it by `content` would pass over.

    These are adapters, a second set of weights, and files that by their name are a part of a network. The pickle that
    often stands for the same weights beside them is logged.
    """
    check_no_adapter(folder, content, where)
    index = folder / "model.safetensors.index.json"
    single = str(content.get("transformers_weights") or "model.safetensors")
    shards = _shards(index)
    if any(Path(shard).name != shard for shard in shards):
        return  # refused with its own reason when the index is read
    if shards and (folder / single).exists() and single not in shards:
        raise ConfigError(f"{where}: has {single} and the weights that {index.name} names; move one of them away")
    read = {single, *shards} if shards or (folder / single).exists() else set()
    for file in sorted(weight_files(folder)):
        second = bool(read) and file.suffix == ".safetensors" and not _SAME.fullmatch(file.name)
        if file.name not in read and (second or _PART.search(file.name.removesuffix(file.suffix))):
            advice = "put its weights into the model's own and save that, or move it away"
            raise ConfigError(f"{where}: {file.name} has weights that would not be read; {advice}")
    pickles = sorted(file.name for file in folder.glob("pytorch_model*.bin")) if read else []
    if pickles:
        log.warning("%s: weights are read from %s, not from %s beside it", where, sorted(read)[0], pickles[0])


def check_no_adapter(folder: Path, content: Mapping[str, Any], where: str) -> None:
    """Raise ConfigError, with the command that merges it, where a folder has an adapter: it is not applied here.

    Where peft is installed transformers would apply it, so that one folder would be two models.
    """
    found = next((name for name in _ADAPTER if (folder / name).exists()), "")
    if not found:
        return
    adapter = _object(folder / "adapter_config.json")
    base = adapter.get("base_model_name_or_path") or "BASE"
    head = head_of(content, GENERIC) if content.get("architectures") else _OF_TASK.get(str(adapter.get("task_type")))
    auto = AUTO[head or "masked"]
    merged = f"P.from_pretrained(M.from_pretrained('{base}'), '{folder}').merge_and_unload()"
    saved = f"{merged}.save_pretrained('{folder}-merged')"
    merge = f'python -c "from transformers import {auto} as M; from peft import PeftModel as P; {saved}"'
    other = "merge it with the library that wrote it"
    how = f"merge it, copy the tokenizer's files and name the new folder: {merge}" if "peft_type" in adapter else other
    raise ConfigError(f"{where}: has an adapter ({found}), which would not be applied; {how}")


def _shards(index: Path) -> set[str]:
    names = _object(index).get("weight_map")
    return {str(name) for name in names.values()} if isinstance(names, dict) else set()


def _object(file: Path) -> Mapping[str, Any]:
    """Return a JSON object, {} where the file is none; what needs it is refused where it is read."""
    try:
        value = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
