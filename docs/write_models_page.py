"""The page on models, docs/models.md, written from what the families say of themselves.

python docs/write_models_page.py
"""

from __future__ import annotations

from pathlib import Path

from baserate.networks.families import FAMILIES, Checkpoint, Family
from baserate.types import Exposure

_HEADS = {
    "masked": "masked",
    "causal": "next token",
    "classifier": "classifier",
    "none": "none (embeddings)",
}

_INTRODUCTION = """\
# Published models

Any checkpoint of the Hugging Face hub, or a folder in its layout, is a model by its name:

    baserate run --task yeast_coding.small --model InstaDeepAI/nucleotide-transformer-500m-human-ref
    baserate run --task yeast_coding.small --model ./my_checkpoint --random-weights
    baserate check zhihan1996/DNA_bert_6

Whatever follows the conventions of transformers needs nothing else; this page lists the checkpoints of which more is
known, and what is done where a family does not follow them. It is written from the same declarations that the loader
reads (`models/*.py`), and a test compares the two. Our own model is described in [baserate_mlm.md](baserate_mlm.md),
functions, estimators and models in other environments in [inhouse.md](inhouse.md).

- **Revision**: `NAME@REVISION` takes a branch, a tag or a commit. The record holds the commit, or for a folder the
  digest of its files.
- **Local folder**: `config.json`, the tokenizer's files and `model.safetensors`. Name what it is a copy of, as in
  `--model PoetschLab/GROVER=./folder`: its family, pretraining and the like are then those listed here. Unnamed, it
  is what `_name_or_path` in its `config.json` names, if that is listed here; but `hf download` keeps the published
  file, which need not name it, and transformers 5 writes no such key. Failing that, the family alone is
  recognised where the column "recognised by" below says content: there `config.json` holds something that only this
  family has. Any other folder is read by the conventions of transformers, and its pretraining is not known
  until [its card](#a-checkpoint-of-your-own) says it.
- **Other weights in a folder**: an adapter (LoRA and its like) is not applied, so a folder with one is refused with the
  command that merges it. So are a second set of safetensors and files called heads, deltas, lora or ema: nothing would
  read them. All files that may hold weights are in the digest.
- **Code of its own**: some checkpoints bring Python code that would run on your machine. It runs only if you name the
  model and the revision that you have read, a commit, or for a folder the digest that the refusal shows:
  `--trust-remote-code zhihan1996/DNABERT-2-117M@COMMIT`. The record says so. Code that a checkpoint takes from
  another repository is pinned by no revision of its own and refused: copy the `.py` files beside `config.json`, and
  take the other repository's name out of `auto_map` there and in `tokenizer_config.json`.
- **Pickles**: weights are read from safetensors. Where there are none, `--allow-pickle` reads `pytorch_model.bin`, of
  tensors alone. An index must name files beside it: the digest of the folder, which the record has, covers no others.
- **Offline**: files are taken from the cache that `HF_HOME` names; with `HF_HUB_OFFLINE=1` nothing else is tried. To
  fill it: `hf download NAME --revision COMMIT`. A gated model needs `hf auth login`.
- **Speed**: `NAME(precision='bf16')` or `'fp32'`; by itself a model runs in bfloat16 where the device is faster with it
  (CUDA, CPUs with AMX), and the record says which it was. `NAME(compiled=True)` compiles the network first, which pays
  on long runs alone. What a model gives is kept by sequence: `baserate cache`.
- **Random twin**: `--random-weights` adds the same network without its training, its weights drawn anew for each
  seed. Rows carry the digest of all parameters, which proves that the two differ.
- **Longer than the context**: by default a longer sequence is cut to its middle, or on the side that `truncation`
  names, and the row says of how many that is so and what share of all bases is left out. `--set window=chunk` reads it
  whole, in chunks that share `overlap` bases (by default a quarter of a chunk), in linear probes, fine-tuning and the
  rules `likelihood` and `centroid`. Each token counts in one chunk, where it is most central or, for a causal
  likelihood, where most stands before it: means are over all tokens alike, and a sequence that fits gives what it gives
  without chunks. `last` is the last token's state, `cls` the mean over chunks. All chunks of an example are trained on
  in one step, which takes the memory. `max_length` makes chunks shorter than the context. The window of a variant is
  cut about the variant where its middle does not hold it. Other rules for variants, tasks of bases and `as_is` read one
  window and refuse chunks.
- **Trained head**: a checkpoint with a classification head is evaluated as it is, in the mode `as_is`.
- **transformers**: 4.57 and 5 both work. Code of a checkpoint's own was mostly written for 4: what it misses in 5 is
  put back while it loads, and afterwards every parameter is compared with the file.

Parameters, context and pretraining are what the authors state, or counted where the number is exact; empty where we
know no source. **Tested** says what was run, and nothing else was: most published weights have never been through
this code. `baserate check NAME` puts a checkpoint through the tests that ours passes.

## A checkpoint of your own

    baserate new model ./my_checkpoint

writes `baserate.toml` beside `config.json`, which is read wherever the folder is a model. Architecture, parameters,
tokenizer, vocabulary and context are counted: no weights are loaded, no code of the folder runs and no pickle is read.
What no file tells is left as comments, above all what the model saw in pretraining. Without it the exposure of every
row is unknown (○); with it, test examples are compared with the corpora ([exposure.md](exposure.md)):

```toml
licence = "in-house"
citation = "in-house"

[[pretraining]]
corpus = "human genome but chr8"
species = "Homo sapiens"
assembly = "GRCh38"
held_out = ["chr8"]
```

[cards.md](cards.md#a-checkpoint) has every key. A mistake is one line that names the key; so is a value that the
checkpoint contradicts (parameters, vocabulary, architecture, a context that does not fit). The file is no part of the
folder's revision: results stay valid when it changes, and the next `baserate run` writes what the model saw into the
records that are there. Corpora of the published checkpoint that a folder comes from count as well, whatever the file
says, and a folder that `baserate pretrain` wrote has its own in the card. Of a model on the hub the file is not read.

## Published checkpoints
"""


def models_page() -> str:
    """Return the page as Markdown: how to run a model, then each family with its checkpoints."""
    families = [f for f in sorted(FAMILIES.all().values(), key=lambda f: f.name) if f.checkpoints]
    index = ["| family | checkpoints | recognised by | own code | needs | run |", "|---|---|---|---|---|---|"]
    index += [
        f"| [{f.name}](#{f.name}) | {len(f.checkpoints)} | {'content' if f.matches else 'name'} | "
        f"{'yes' if f.remote_code else ''} | "
        f"{', '.join(f'`{module}`' for module in f.requires)} | {'no' if _untested(f) else 'see below'} |"
        for f in families
    ]
    return "\n".join([_INTRODUCTION, *index, "", *(_section(f) for f in families)])


def _untested(family: Family) -> bool:
    return family.tested.startswith("not run")


def _section(family: Family) -> str:
    lines = [f"## {family.name}", "", f"{family.description}.", ""]
    lines += [
        "| checkpoint | parameters | context, bp | tokens | head | pretraining | licence |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [_row(checkpoint) for checkpoint in family.checkpoints]
    lines += [""]
    if family.quirks:
        lines += [family.quirks, ""]
    if family.requires:
        lines += [
            "Install: " + "; ".join(f"`{command}`" for command in dict.fromkeys(family.requires.values())) + ".",
            "",
        ]
    lines += [f"**Tested**: {family.tested}.", ""]
    citations = list(dict.fromkeys(c.citation for c in family.checkpoints if c.citation))
    return "\n".join([*lines, *([f"{'; '.join(citations)}.", ""] if citations else [])])


def _row(checkpoint: Checkpoint) -> str:
    cells = (
        f"`{checkpoint.id}`" + (f" at `{checkpoint.revision}`" if checkpoint.revision else ""),
        _short(checkpoint.parameters),
        f"{checkpoint.context:,}" if checkpoint.context else "",
        checkpoint.tokenizer,
        _HEADS[checkpoint.head],
        "; ".join(map(_seen, checkpoint.pretraining)),
        checkpoint.licence,
    )
    return f"| {' | '.join(cells)} |"


def _short(parameters: int | None) -> str:
    if parameters is None:
        return ""
    unit, letter = (1e9, "B") if parameters >= 1e9 else (1e6, "M")
    return f"{parameters / unit:.3g} {letter}"


def _seen(exposure: Exposure) -> str:
    # The species is said where the corpus does not say it.
    species = "" if exposure.species in exposure.corpus else exposure.species
    about = ", ".join(part for part in (species, exposure.assembly) if part)
    held_out = f"; held out: {', '.join(exposure.held_out)}" if exposure.held_out else ""
    return f"{exposure.corpus} ({about}{held_out})" if about or held_out else exposure.corpus


if __name__ == "__main__":
    Path(__file__).with_name("models.md").write_text(models_page())
