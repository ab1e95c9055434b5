"""The page on fine-tuning, docs/fine_tuning.md: its tables are written from the settings that runs are checked by.

python docs/write_fine_tuning_page.py
"""

from __future__ import annotations

from pathlib import Path

from baserate.modes import MODES
from baserate.networks.settings import KINDS, TRAINING
from baserate.plan import BUDGETS, SEEDS, TRAIN_FRACTION
from baserate.settings import Settings

_INTRODUCTION = """\
# Fine-tuning

    baserate run --task human_splice_sites --model baserate_mlm --mode fine_tune --set train=lora --random-weights

trains a copy of the network, or a part of it, under a new linear head, for every seed, and its twin with random weights
in the same way. Every choice is made on valid; test examples are scored once by each seed's chosen model. All settings,
the course of each training and what was chosen stand in the record: `record.choices[0].history` has a row for each
epoch, `.chosen` the epoch, the number of trained parameters and their share.
"""

_AFTER_KINDS = """\
Adapters (`pip install "baserate[tune]"`) are those of peft. They are put on the linear layers of the repeated blocks,
which are found by looking at the network: separate and fused projections of attention (`query`, `Wqkv`, `c_attn`,
`query_key_value`), feed-forward layers, `in_proj` of state-space models. Embeddings, heads and layers whose weights the
network reads past the layer get none; the projections of `nn.MultiheadAttention` are layers while LoRA trains. A
network without such layers is refused, with the modules that it has. In the end adapters are in the weights.
`record.choices[0].chosen["adapted"]` names the layers, and the row of a leaderboard says what was trained:
`net · fine_tune (train lora, 0.52 % of the weights)`.

With `train=head` each sequence passes the network once; the head is trained on its states, standardised.
"""

_TASKS = """\
## What the head learns

| task | the head reads | loss |
|---|---|---|
| classification | the pooled states of a sequence | cross-entropy |
| multilabel | the same | the mean of the labels' cross-entropies |
| regression, one measurement or several | the same | squared error of standardised measurements, after the task's `transform` |
| any of these on variants | the pooled states of ALT minus those of REF, by one network | as above |
| bases and bins | the state of the base, or the mean over the bin | cross-entropy; a step has `batch_size` windows with all of their sites |
| paired, generation | refused: nothing is learnt from such a task | |

`class_weights=balanced` is for classes and labels, and refused for measurements.

## How it is trained

AdamW (only matrices decay), linear warm-up, cosine decay to 0, gradients clipped to norm 1. The score of an epoch is the
task's primary metric on valid, on the measured scale. The best epoch's weights are restored; training ends after
`patience` epochs in which neither the metric nor the loss on valid was better than before (`stop_on=loss`: the loss
alone). `layer_decay` lowers the learning rate of each block by that factor, from the last to the embeddings.

- **Memory.** A step is over `batch_size` examples however many fit: they pass in parts of like length, whose gradients
  are summed. Where memory runs out the parts are halved and the step is taken again, over the same examples; a flag of
  the record says so. `checkpointing=true` computes states anew on the way back.
- **Devices.** `--device cpu`, `cuda` or `cuda:1` (`BASERATE_DEVICE`); by default a GPU if there is one. bf16 autocast is
  on where the device is faster with it (`'MODEL(precision="fp32")'` turns it off); weights and optimiser are in fp32.
- **Several GPUs.** `--workers N` runs N cells at once, each on a GPU of its own as far as there are so many. One training
  is on one GPU: neither its batches nor its layers are spread over several, by `accelerate` or otherwise, since what is
  hidden by dropout, and so the result, would then depend on their number. What does not fit on one in training may do so
  with `train=lora` or `head`, `checkpointing=true` or a shorter `max_length`; the batch need not fit at once.
- **A killed run** goes on after the last whole epoch when the same command runs again, with the same result to the bit.
  The state lies in the cache (`baserate cache`), the latest of each training alone, and goes with the result or the
  error of its cell. Of trainings that are over at most 1 GiB waits for the others of the cell; what nobody goes on with
  is removed after two weeks. Where a state would leave less than 1 GiB of the disk free it is not written, with a
  warning; the training goes on.
- **The same seed** on the same machine gives the same bits, whatever ran before in the process.

## Keeping the network

    baserate run --task mine.toml --model ./net --mode fine_tune --save-models ./saved
    baserate run --task mine.toml --model ./saved/mine@1/net.fine_tune.1a2b3c4d/seed-0 --mode as_is

`--save-models` writes each seed's network in the layout of Hugging Face, so that transformers opens it, with the head in
`baserate_head.json` beside the weights. Named as a model it gives the same predictions: it reads long sequences as in
training (`max_length`, `window` and `overlap` stand in the record of `as_is`, and take no other value) and computes in
the same precision unless another is named. A cell that was done before without it is run again. Networks that do not
come from a folder or the hub cannot be saved, which is an error before training; where writing fails afterwards, the
scores stay and a flag says so.
"""  # noqa: E501

_FAIR = """\
## What a fair comparison needs

- The same budget for every row, baselines too.
- Choices on valid only. A list of learning rates as separate rows, of which the best test score is quoted, is a choice
  on test; `--budget` makes the same trials and chooses on valid.
- The twin (`--random-weights`): what the architecture learns without pretraining.
- The best baseline at the same budget, `cnn` among them.
- Several seeds, {seeds} by default: each trains on its own {share:.0%} of the training clusters, so that the spread is
  that of training anew.
- What was trained, by the row's name, and the context: sequences that were cut are counted in the record.
"""


def fine_tuning_page() -> str:
    """Return the page as Markdown."""
    mode = MODES.get("fine_tune")
    parts = [_INTRODUCTION, f"## Settings (version {mode.version} of the mode)", "", *_table(TRAINING), ""]
    parts += ["## What is trained", ""]
    for kind, table in KINDS.items():
        parts += [f"`train={kind}`" + (" (the default)" if kind == TRAINING["train"].default else ""), ""]
        parts += [*_table(table), ""]
    names = ", ".join(f"`{name}` ({n})" for name, n in BUDGETS.items())
    parts += [_AFTER_KINDS, _TASKS, "## Budgets", ""]
    parts += [
        f"`--budget N` makes N trials, by name {names}. Trial 0 has the defaults; the others are drawn in advance, the",
        "same for every network, from the ranges in the column *tried* (Sobol, seeded). They are trained on the first",
        "seed's examples, and the best on valid is trained for every seed. What `--set` fixes is not tried. More in",
        "[A fair comparison](fair.md).",
        "",
    ]
    parts += [_FAIR.format(share=TRAIN_FRACTION, seeds=len(SEEDS))]
    return "\n".join(parts).rstrip() + "\n"


def _table(settings: Settings) -> list[str]:
    lines = ["| setting | default | tried within a budget | what it does |", "|---|---|---|---|"]
    for name, setting in settings.items():
        default = "none" if setting.default is None else f"`{setting.default!r}`"
        lines.append(f"| `{name}` | {default} | {setting.search or ''} | {setting.about} |")
    return lines


if __name__ == "__main__":
    Path(__file__).with_name("fine_tuning.md").write_text(fine_tuning_page(), encoding="utf-8")
