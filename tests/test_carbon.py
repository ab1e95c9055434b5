"""Carbon's tasks on a few rows in the layout of their data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baserate.checks.task import check_card_is_complete, check_split_is_sound, check_truth_scores_best
from baserate.errors import DataError
from baserate.modes import MODES, mode_settings
from baserate.modes.job import Job
from baserate.registry import get_model, get_task, load_model
from baserate.splits import load_split
from baserate.types import Task


def write(file: Path, columns: dict[str, list[Any]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), file)


def dna(n: int, length: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice(list("ACGT"), length)) for _ in range(n)]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BASERATE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("BASERATE_CACHE", str(tmp_path / "cache"))
    return tmp_path


def checked(name: str) -> Task:
    task = get_task(name)
    for check in (check_card_is_complete, check_split_is_sound, check_truth_scores_best):
        check(task)
    return task


def test_recovery_gives_the_end_of_the_context_and_asks_for_thirty_bases(data: Path) -> None:
    contexts, labels = dna(3, 7000), dna(3, 48, 1)
    rows = {"sequence": contexts, "label": labels, "type": ["plant", "fungi", "plant"]}
    write(data / "GenerTeam/sequence-recovery/eukaryote/test.parquet", rows)
    test = load_split(checked("carbon.recovery_eukaryote")).test
    assert list(test.inputs.sequences) == [s[-6144:] for s in contexts]
    assert ["".join("ACGT"[b] for b in row) for row in test.targets] == [s[:30] for s in labels]
    assert list(test.strata["type"]) == ["plant", "fungi", "plant"]


def test_a_needle_is_retrieved_by_copying(data: Path) -> None:
    key, values = "ACGTTGCAGGTAACGTTGCAGGTA", dna(3, 24, 2)
    prompts = [f"{a}{key}{v}{b}{key}" for a, v, b in zip(dna(3, 500, 3), values, dna(3, 500, 4), strict=True)]
    rows = {"uid": ["a", "b", "c"], "prompt": prompts, "value": values, "value_len_bp": [24] * 3}
    write(data / "HuggingFaceBio/genome-niah/niah_4k/test-00000-of-00001.parquet", rows)
    task = checked("carbon.niah_4k")
    model = load_model(get_model("prompt_copy"))
    job = Job(task, get_model("prompt_copy"), model, load_split(task), {}, (0,), 1.0)
    settings = mode_settings("zero_shot", job.card, task)
    scores = MODES.get("zero_shot").run(Job(task, job.card, model, job.split, settings, (0,), 1.0))[0]
    np.testing.assert_array_equal(scores, job.split.test.targets)


def test_perturbed_sequences_are_the_alternates(data: Path) -> None:
    real, perturbed = dna(4, 200, 5), dna(4, 200, 6)
    for config in ("motif_human", "syn_human", "syn_mouse", "promoter_revcomp"):
        folder = data / "HuggingFaceBio/carbon_tasks" / config
        write(folder / "test-00000-of-00001.parquet", {"original_sequence": real, "sequence": perturbed})
    for name in ("triplet_expansion", "synonymous_human", "synonymous_mouse", "promoter_revcomp"):
        test = load_split(checked(f"carbon.{name}")).test
        assert (list(test.inputs.sequences), list(test.inputs.alternates or ())) == (real, perturbed)


def test_an_answer_of_another_length_is_told_by_row(data: Path) -> None:
    rows = {"prompt": dna(2, 60), "value": ["ACGT", "ACG"]}
    write(data / "HuggingFaceBio/genome-niah/niah_neardup_d1_8k/test.parquet", rows)
    with pytest.raises(DataError, match="row 2: 'value' has 3 bases where row 1 has 4"):
        load_split(get_task("carbon.niah_neardup_d1_8k"))
