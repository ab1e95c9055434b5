"""Generation tasks: sequence recovery of GENERator and Carbon, and Carbon's retrieval from long contexts.

The perturbations of the same benchmark are in carbon.toml. As published, generation is greedy by token; here it is
greedy by base, so that models of any tokenizer answer the same question.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from baserate.digests import digest
from baserate.dna.sequence import check_sequence
from baserate.registry import task
from baserate.sources.declared import code_key
from baserate.sources.hub import HubSet, content_key, find_hub, read_parts
from baserate.sources.tables import require_column
from baserate.sources.targets import parse_targets
from baserate.splits import by_group
from baserate.types import Examples, Inputs, Task, strings

RECOVERY, NIAH = "GenerTeam/sequence-recovery", "HuggingFaceBio/genome-niah"
CONTEXT, NEXT = 6144, 30
"""Bases of the prompt and of the answer in sequence recovery: the defaults of Carbon's script."""

KINGDOMS = ("eukaryote", "bacteria", "others")
CONTEXTS = {"4k": 4096, "8k": 8192, "16k": 16384, "32k": 32768, "64k": 65536, "128k": 131072}
"""Lengths of a haystack by name, in tokens of six bases."""

DISTRACTORS = {
    "": "no other key resembles the right one",
    "_neardup_d4": "eight keys differ from the right one in 4 bp",
    "_neardup_d2": "eight keys differ from the right one in 2 bp",
    "_neardup_d1": "eight keys differ from the right one in 1 bp",
}


@dataclass(frozen=True)
class Prompts:
    """The examples of one data set: `prompt` and `answer` name its columns; a prompt is the last `context` bases.

    The target is the first `answer_bases` bases of the answer, or all for 0. `stratum` is a column to report by.
    """

    dataset: HubSet
    prompt: str
    answer: str
    context: int = 0
    answer_bases: int = 0
    stratum: str = ""

    def __call__(self) -> Examples:
        """Return the prompts with the bases that follow. Raises DataError naming the row."""
        _, table, where = next(read_parts(self.dataset))
        columns = {name: table[name].to_pylist() for name in table.column_names}
        for name in filter(None, (self.prompt, self.answer, self.stratum)):
            require_column(columns, name, where)
        prompts = [
            check_sequence(text[-self.context :] if self.context else text, f"{where}: row {row}: {self.prompt!r}")
            for row, text in enumerate(columns[self.prompt], 1)
        ]
        answers = [text[: self.answer_bases] if self.answer_bases else text for text in columns[self.answer]]
        targets = parse_targets(answers, kind="generation", classes=(), reference=where, column=self.answer)
        groups = strings([digest(prompt) for prompt in prompts])
        return Examples(
            ids=strings(columns["row"]),
            inputs=Inputs(strings(prompts)),
            targets=targets.astype(np.int64),
            groups=groups,
            clusters=groups,
            strata={self.stratum: strings(columns[self.stratum])} if self.stratum else {},
        )

    def key(self) -> tuple[str, ...]:
        """Return what the examples depend on: the content of the files, and how they are read."""
        return content_key(find_hub(self.dataset)), repr(self), code_key(__file__)


def _declare(
    name: str, source: Prompts, metrics: tuple[str, ...], description: str, citation: str
) -> Callable[[], Task]:
    @task
    def build() -> Task:
        rule = by_group(test=1.0)
        return Task(
            name=f"carbon.{name}",
            version=1,
            kind="generation",
            metrics=metrics,
            source=source,
            split=rule,
            description=f"{description} Zero-shot only: a greedy generation, base by base.",
            split_rule="all examples are the test",
            citation=citation,
            licence="see the data set's card",
            species=("many species",),
            assembly=("not stated",),
            sizes={"train": 0, "valid": 0},
            published=metrics[0],
            origin=f"{source.dataset.repository} at {source.dataset.revision}",
            loaded="a few rows in its layout",
            unit="distinct sequence",
        )

    return build


RECOVERIES = [
    _declare(
        f"recovery_{name}",
        Prompts(
            HubSet(RECOVERY, files=(("test", f"{name}/test.parquet"),)), "sequence", "label", CONTEXT, NEXT, "type"
        ),
        ("recovery", "exact_match"),
        f"The next {NEXT} bp after up to {CONTEXT:,} bp, {name}.",
        "Wu et al. 2025, arXiv 2502.07272 (GENERator); huggingface/carbon, evaluation/sequence_recovery.py",
    )
    for name in KINGDOMS
]

RETRIEVALS = [
    _declare(
        f"niah{variant}_{size}",
        Prompts(HubSet(NIAH, config=(f"niah{variant}_{size}",), folders=(f"niah{variant}_{size}",)), "prompt", "value"),
        ("exact_match", "recovery"),
        f"Genome-NIAH: the value that stood behind a key in {6 * tokens:,} bp of genome, where the key ends the "
        f"prompt; {meaning}. Of the published metrics exact_match is gen_exact_match, and recovery gen_base_accuracy.",
        "huggingface/carbon, evaluation/genome_niah_eval.py",
    )
    for variant, meaning in DISTRACTORS.items()
    for size, tokens in CONTEXTS.items()
]
