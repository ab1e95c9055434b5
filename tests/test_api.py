"""The public API: the same records as the command line's, objects of the user's own, tasks from data frames."""

from __future__ import annotations

import json
import linecache
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from torch import nn

import baserate as br
from baserate.cards.objects import card_of
from baserate.cli import cli
from baserate.inhouse import FunctionModel
from baserate.networks.checkpoint import from_network
from baserate.networks.token_tables import nucleotide_tokens
from baserate.records import Record, write_record
from baserate.registry import load_model
from baserate.types import Examples

CHANGES = {"seconds", "peak_memory_mb", "environment", "digest"}
"""What differs between two records of one cell."""


def letters(sequences: list[str]) -> list[list[float]]:
    return [[s.count(b) / len(s) for b in "ACGT"] for s in sequences]


def pipeline(alpha: float = 1.0) -> Any:
    return make_pipeline(
        CountVectorizer(analyzer="char", ngram_range=(3, 3), lowercase=False), MultinomialNB(alpha=alpha)
    )


class Network(nn.Module):
    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.embedding = nn.Embedding(8, width)
        self.convolution = nn.Conv1d(width, width, 7, padding=3)
        self.head = nn.Linear(width, 8)

    def forward(self, input_ids: Any, output_hidden_states: bool = False) -> Any:
        embedded = self.embedding(input_ids)
        states = self.convolution(embedded.mT).mT.relu()
        return SimpleNamespace(last_hidden_state=states, hidden_states=(embedded, states), logits=self.head(states))


TOKENS = nucleotide_tokens({"A": 0, "C": 1, "G": 2, "T": 3, "N": 4}, pad=5, mask=6)


def network(seed: int = 0) -> Network:
    torch.manual_seed(seed)
    return Network()


class Fitter:
    def fit(self, train: Examples, valid: Examples, *, n_classes: int, seed: int) -> Any:
        share = np.bincount(train.targets, minlength=n_classes) / len(train)
        return SimpleNamespace(predict=lambda inputs: np.tile(share, (len(inputs), 1)))


def content(folder: Path) -> dict[str, Any]:
    return {k: v for k, v in json.loads((folder / "record.json").read_text()).items() if k not in CHANGES}


def once(task: Any, model: Any, mode: str = "", **options: Any) -> Record:
    options = {"seeds": [0], "audit": False, "cache": False, **options}
    return br.evaluate(task, model, mode, **options)


# The command line's results and the library's


@pytest.fixture(scope="module")
def both(toy_card: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the results of one grid, by the command line and by the library."""
    by_line, by_call = tmp_path_factory.mktemp("line"), tmp_path_factory.mktemp("call")
    models, settings = ["gc_content", "onehot_linear", "baserate_mlm"], {"layer": [0, -1]}
    line = ["--task", str(toy_card), "--mode", "from_scratch", "--mode", "linear_probe", "--set", "layer=[0,-1]"]
    line += [word for name in models for word in ("--model", name)] + ["--seeds", "0,1", "--tracking-uri", "none", "-q"]
    assert cli.main(["run", *line, "--results", str(by_line)], standalone_mode=False) == 0
    modes = ["from_scratch", "linear_probe"]
    br.run(toy_card, models, modes, settings=settings, seeds=[0, 1], results=by_call)
    cli.main(["leaderboard", str(by_call), "-q"], standalone_mode=False)
    return by_line, by_call


def test_records_of_both_ways_are_equal(both: tuple[Path, Path]) -> None:
    by_line, by_call = ({f.parent.relative_to(r): f.parent for f in r.glob("*/*/record.json")} for r in both)
    assert len(by_line) == 3 and by_line.keys() == by_call.keys()
    for name, folder in by_line.items():
        assert content(folder) == content(by_call[name])
        predictions = [(where[name] / "predictions.parquet").read_bytes() for where in (by_line, by_call)]
        assert predictions[0] == predictions[1]


def test_leaderboards_of_both_ways_are_equal_but_for_the_time(both: tuple[Path, Path]) -> None:
    tables = [pd.read_csv(folder / "leaderboard.csv").drop(columns="seconds") for folder in both]
    pd.testing.assert_frame_equal(*tables)


def test_a_leaderboard_of_records_in_memory_is_that_of_a_folder(both: tuple[Path, Path], toy_card: Path) -> None:
    options: dict[str, Any] = {"settings": {"layer": [0, -1]}, "seeds": [0, 1], "results": None}
    models, modes = ["gc_content", "onehot_linear", "baserate_mlm"], ["from_scratch", "linear_probe"]
    records = br.run(toy_card, models, modes, **options)
    assert "<table" in br.leaderboard(records[1:])._repr_html_()  # what it draws is not taken for another's
    apart = ["seconds", "earlier_looks"]  # looks are counted in a folder
    here, there = (br.leaderboard(results).to_frame().drop(columns=apart) for results in (records, both[0]))
    pd.testing.assert_frame_equal(here, there)


def test_each_way_makes_anew_what_other_versions_made(toy_card: Path, tmp_path: Path) -> None:
    def made_long_ago(record: Record) -> None:
        packages = {**record.environment["packages"], "torch": "1.0.0"}
        old = replace(record, environment={**record.environment, "packages": packages})
        write_record(tmp_path, old, record.predictions)

    def torch_of_the_record() -> str:
        (record,) = br.read_records(tmp_path)
        return record.made_with["torch"]

    options: dict[str, Any] = {"seeds": [0], "results": tmp_path, "audit": False}
    (record,) = br.run(toy_card, "gc_content", "from_scratch", **options)
    line = ["run", "--task", str(toy_card), "--model", "gc_content", "--mode", "from_scratch", "--seeds", "0", "-q"]
    line += ["--results", str(tmp_path), "--no-audit", "--tracking-uri", "none"]
    made_long_ago(record)
    br.run(toy_card, "gc_content", "from_scratch", **options)
    assert torch_of_the_record() == "1.0.0"
    br.run(toy_card, "gc_content", "from_scratch", **options, fresh_versions=True)
    assert torch_of_the_record() == record.made_with["torch"]
    made_long_ago(record)
    assert cli.main([*line, "--fresh-versions"], standalone_mode=False) == 0
    assert torch_of_the_record() == record.made_with["torch"]


def test_each_way_reads_what_the_other_has_done(both: tuple[Path, Path], toy_card: Path) -> None:
    files = sorted(both[0].glob("*/*/record.json"))
    before = [file.stat().st_mtime_ns for file in files]
    records = br.run(toy_card, ["gc_content", "onehot_linear"], "from_scratch", seeds=[0, 1], results=both[0])
    assert [r.spec.model for r in records] == ["gc_content", "onehot_linear"]
    assert [file.stat().st_mtime_ns for file in files] == before


# evaluate


def test_a_record_in_memory_and_one_on_disk_say_the_same(toy_card: Path, tmp_path: Path) -> None:
    here = once(toy_card, "gc_content", "from_scratch")
    there = once(str(toy_card), "gc_content", "from_scratch", results=tmp_path)
    assert here.path is None and there.path is not None
    assert here.spec == there.spec and here.estimates == there.estimates
    pd.testing.assert_frame_equal(here.predictions.to_frame(), there.predictions.to_frame())
    again = once(toy_card, "gc_content", "from_scratch", results=tmp_path)
    assert again.seconds == there.seconds and again.digest == there.digest
    assert "gc_content" in here._repr_html_() and "mcc" in here._repr_html_()


def test_predictions_and_splits_are_frames(toy_card: Path) -> None:
    frame = once(toy_card, "gc_content", "from_scratch", seeds=[0, 1]).predictions.to_frame()
    test = br.load_split(toy_card).test.to_frame()
    assert frame.shape[0] == 2 * len(test) and list(frame["id"][: len(test)]) == list(test["id"])
    assert {"id", "target", "cluster", "part", "gc", "seed", "score_0", "score_1"} == {*frame.columns}
    assert {"id", "sequence", "target", "group", "cluster", "part"} == {*test.columns}


def test_cards_are_frames() -> None:
    assert "yeast_coding@1" in set(br.tasks()["name"])
    models = br.models().set_index("name")
    assert models.loc["cnn", "baseline"] and not models.loc["baserate_mlm", "baseline"]


# Objects of the user's own


def test_a_function_that_embeds(toy_card: Path) -> None:
    record = once(toy_card, letters)
    assert (record.spec.model, record.spec.mode) == ("letters", "linear_probe")
    assert once(toy_card, lambda x: letters(x), name="mine").spec.model == "mine"
    assert once(toy_card, lambda x: letters(x)).spec.model == "lambda"


def test_functions_of_several_kinds(toy_card: Path) -> None:
    card = card_of(FunctionModel(embed=letters, log_likelihood=lambda x: [-len(s) for s in x]), name="f")
    assert set(card.modes) == {"linear_probe", "zero_shot"}
    assert once(toy_card, FunctionModel(predict=lambda x: [[0.4, 0.6]] * len(x), name="p"), "as_is").spec.model == "p"


def test_an_estimator_that_is_to_be_fitted_and_one_that_was(toy_card: Path) -> None:
    record = once(toy_card, pipeline(), name="nb")
    assert (record.spec.model, record.spec.mode) == ("nb", "from_scratch")
    split = br.load_split(toy_card)
    fitted = pipeline().fit(list(split.train.inputs.sequences), split.train.targets)
    record = once(toy_card, fitted)
    assert (record.spec.model, record.spec.mode) == ("Pipeline", "as_is")


@pytest.mark.parametrize("mode", ["linear_probe", "fine_tune"])
def test_a_network_with_its_tokenizer(toy_card: Path, mode: str) -> None:
    settings = {"epochs": 1} if mode == "fine_tune" else {}
    record = once(toy_card, (network(), TOKENS), mode, settings=settings)
    assert record.spec.model == "Network" and record.parameter_hash
    assert record.model["parameters"] == sum(p.numel() for p in network().parameters())
    assert "max_length" in record.spec.settings


def test_a_network_with_a_head_is_scored_without_labels() -> None:
    card = card_of(from_network(network(), TOKENS, name="mine", head="masked"))
    assert card.name == "mine" and card.modes["zero_shot"] == {"rule": "masked_llr"}
    assert card.settings["linear_probe"]["layer"].default == -1


def test_an_object_with_fit(toy_card: Path) -> None:
    record = once(toy_card, Fitter())
    assert (record.spec.model, record.spec.mode) == ("Fitter", "from_scratch")


def test_objects_and_names_go_together_in_a_grid(toy_card: Path) -> None:
    options: dict[str, Any] = {"seeds": [0], "audit": False, "results": None}
    records = br.run(
        toy_card, ["gc_content", pipeline(), (network(), TOKENS)], ["from_scratch", "linear_probe"], **options
    )
    assert [r.spec.model for r in records] == ["gc_content", "Pipeline", "Network"]
    one = br.run(toy_card, (network(), TOKENS), "linear_probe", **options)
    assert [r.spec.model for r in one] == ["Network"]
    named = br.run(toy_card, {"weak": pipeline(9.0), "strong": pipeline(0.1)}, **options)
    assert [r.spec.model for r in named] == ["weak", "strong"]


# Whether an object is the same as last time


def revision(model: Any, **options: Any) -> str:
    card = card_of(model, **options)
    assert card.revision() == card.revision() and load_model(card) is not None
    return card.revision()


@pytest.mark.parametrize("model", [letters, lambda x: letters(x), Fitter(), FunctionModel(embed=letters)])
def test_what_cannot_be_told_from_its_like_is_new_each_time(model: Any) -> None:
    assert revision(model).startswith("unversioned:") and revision(model) != revision(model)
    assert revision(model, revision="1") == "1"


def test_a_fitted_estimator_is_new_each_time() -> None:
    fitted = pipeline().fit(["ACGT", "TTTT"], [0, 1])
    assert revision(fitted) != revision(fitted)


def test_an_estimator_is_known_by_its_parameters() -> None:
    assert revision(pipeline()) == revision(pipeline()) != revision(pipeline(0.5))
    assert revision(make_pipeline(CountVectorizer(analyzer=letters), Ridge())).startswith("unversioned:")
    long = [np.arange(5000.0), np.arange(5000.0)]
    long[1][2500] = -1
    assert len({revision(LogisticRegression(class_weight=values)) for values in long}) == 2


def test_a_network_is_known_by_its_weights_its_code_and_its_tokens() -> None:
    other = nucleotide_tokens({"A": 1, "C": 0, "G": 2, "T": 3, "N": 4}, pad=5, mask=6)
    assert revision((network(), TOKENS)) == revision((network(), TOKENS))
    assert len({revision(pair) for pair in [(network(), TOKENS), (network(1), TOKENS), (network(), other)]}) == 3


def test_a_network_is_known_by_its_code_where_that_can_be_read() -> None:
    def typed(activation: str, file: str) -> Any:
        """Return a network of a class that was typed in a notebook's cell."""
        code = f"class Typed(Network):\n    def forward(self, input_ids):\n        return self.head(x).{activation}()\n"
        linecache.cache["<cell>"] = (len(code), None, code.splitlines(keepends=True), "<cell>")
        kinds: dict[str, Any] = {"Network": Network, "__name__": "__main__"}
        exec(compile(code, file, "exec"), kinds)
        torch.manual_seed(0)
        return kinds["Typed"]()

    first, same, changed = (revision((typed(name, "<cell>"), TOKENS)) for name in ("relu", "relu", "gelu"))
    assert first == same != changed and first != revision((network(), TOKENS))
    assert revision((typed("relu", "<nowhere>"), TOKENS)).startswith("unversioned:")


def test_only_what_is_known_is_taken_for_done(toy_card: Path, tmp_path: Path) -> None:
    for model, folders in [(pipeline(), 1), ((network(), TOKENS), 1), (letters, 2)]:
        mode = "linear_probe" if isinstance(model, tuple) else ""
        results = tmp_path / type(model).__name__
        paths = {once(toy_card, model, mode, results=results).path for _ in range(2)}
        assert len(paths) == folders
    assert len({once(toy_card, letters, revision="1", results=tmp_path).path for _ in range(2)}) == 1


# Tasks from data frames


def frame(n: int = 160) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    rows = []
    for i in range(n):
        sequence = "".join(rng.choice(list("ACGT"), 40))
        part = "train" if i < 100 else "valid" if i < 130 else "test"
        rows.append(
            (f"TATAAA{sequence}" if i % 2 else sequence, ("plain", "motif")[i % 2], i % 7 + 0.5, f"g{i // 2}", part)
        )
    return pd.DataFrame(rows, columns=["sequence", "label", "activity", "gene", "part"])


PARTS = {"rule": "predefined", "column": "part"}


def test_a_classification_from_a_data_frame(tmp_path: Path) -> None:
    task = br.frame_task(frame(), "mine", split=PARTS, source={"group": "gene"}, description="Mine.")
    split = br.load_split(task)
    assert task.classes == ("motif", "plain") and [len(e) for _, e in split] == [100, 30, 30]
    record = once(task, pipeline(), results=tmp_path)
    assert record.spec.task == "mine@1" and record.task["description"] == "Mine."
    assert once(
        br.frame_task(frame(), "mine", split=PARTS, source={"group": "gene"}), pipeline(), results=tmp_path
    ).path
    assert len([*tmp_path.glob("*/*/record.json")]) == 1


def test_a_regression_from_a_data_frame() -> None:
    task = br.frame_task(frame(), "mine", kind="regression", source={"target": "activity"}, split=PARTS)
    assert task.metrics[0] == "spearman"
    assert once(task, "gc_content", "from_scratch").estimates[0].n == 30


def test_a_data_frame_is_split_by_homology_unless_it_says_otherwise() -> None:
    assert "homology" in br.frame_task(frame(), "mine").split_rule


@pytest.mark.parametrize(
    ("change", "options", "said"),
    [
        ({}, {"source": {"sequence": "seqence"}}, "sequence: no column 'seqence'; did you mean 'sequence'?"),
        ({}, {"source": {"target": "y"}}, "target: no column 'y'; its columns are sequence, label, activity"),
        ({}, {"split": {"rule": "predefined", "column": "prt"}}, "strata: no column 'prt'; did you mean 'part'?"),
        ({}, {"split": {"rule": "by_homolgy"}}, "by_homology"),
        ({}, {"kind": "clasification"}, "kind = 'clasification'; expected 'classification'"),
        ({}, {"metrcs": ["mcc"]}, "unknown key 'metrcs'; did you mean 'metrics'?"),
        ({}, {"metrics": ["mc"]}, "metrics: "),
        ({"sequence": "AC!T"}, {}, "column 'sequence': '!' at position 2 is not an IUPAC DNA letter"),
        ({"label": None}, {}, "classes"),
        ({}, {"kind": "regression"}, "'label' is 'plain', expected a number"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_data_frame_is_one_line(change: dict[str, Any], options: dict[str, Any], said: str) -> None:
    with pytest.raises(br.BaserateError) as error:
        br.load_split(br.frame_task(frame().assign(**change), "mine", **options))
    assert said in str(error.value) and "\n" not in str(error.value) and "mine" in str(error.value)


# Mistakes


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: br.evaluate("yeast_codin", "cnn"), "Unknown task 'yeast_codin'. Did you mean 'yeast_coding'"),
        (lambda: br.evaluate("yeast_coding", "ccn"), "Unknown model 'ccn'. Did you mean 'cnn'?"),
        (lambda: br.evaluate(3, "cnn"), "a task is a name, a file or a Task, not a int"),
        (lambda: br.load_split(3), "a task is a name, a file or a Task, not a int"),
        (lambda: br.run(frame(), "cnn"), "not a DataFrame; frame_task makes one from a data frame"),
        (lambda: br.run([Path("none.toml")], "cnn"), "none.toml"),
        (lambda: br.run("yeast_coding", Path("none.py")), "none.py: No such file"),
        (lambda: br.run(), "name either a suite or one or more tasks"),
        (lambda: br.run("yeast_coding", "cnn", "probe"), "Unknown mode 'probe'"),
        (lambda: br.run("yeast_coding", "cnn", "zero_shot"), "no model named here has mode zero_shot"),
        (lambda: br.run("yeast_coding", executor="clustr"), "Unknown executor 'clustr'"),
        (lambda: br.run("yeast_coding", "cnn", settings={"epoch": 1}), "settings: unknown key 'epoch'"),
        (lambda: br.evaluate("yeast_coding", "baserate_mlm"), "name one, as in mode='zero_shot'"),
        (lambda: br.evaluate("yeast_coding", "cnn", "zero_shot"), "model 'cnn' has no mode 'zero_shot'"),
        (lambda: br.evaluate("yeast_coding", "cnn", seeds=[0, 0]), "seeds = (0, 0); expected each seed once"),
        (lambda: br.evaluate("yeast_coding", "cnn", seeds=[-1]), "seeds = (-1,); expected whole numbers from 0"),
        (lambda: br.evaluate("yeast_coding", "cnn", limit=-1), "limit = -1; expected the number of examples per part"),
        (lambda: br.evaluate("yeast_coding", 3), "the model is a int, which has no method that a mode can use; "),
        (lambda: br.evaluate("yeast_coding", network()), "the network Network without its tokenizer; expected"),
        (lambda: br.evaluate("yeast_coding", LogisticRegression), "the class LogisticRegression itself"),
        (lambda: br.evaluate("yeast_coding", (TOKENS, network())), "expected a pair (network, tokenizer); the first"),
        (lambda: br.leaderboard("nowhere"), "nowhere: no such folder"),
        (lambda: br.frame_task({"sequence": []}, "mine"), "got a dict, expected a pandas DataFrame"),  # type: ignore[arg-type]
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(call: Callable[[], object], said: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(br.BaserateError) as error:
        call()
    assert said in str(error.value) and "\n" not in str(error.value)


def test_a_cell_that_fails_raises_from_evaluate_and_is_a_record_of_run(toy_card: Path) -> None:
    def broken(sequences: list[str]) -> Any:
        raise RuntimeError("out of\nluck")

    with pytest.raises(br.BaserateError, match=r"toy_motif · broken · linear_probe: .*luck"):
        once(toy_card, broken)
    (record,) = br.run(toy_card, broken, seeds=[0], audit=False, results=None)
    assert record.status == "failed" and "luck" in record.error and "luck" in record._repr_html_()


# The package


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_importing_costs_nothing() -> None:
    code = "import sys, time; t = time.perf_counter(); import baserate; t = time.perf_counter() - t\n"
    code += "assert not {'numpy', 'pandas', 'torch', 'click'} & {*sys.modules}\nprint(t)"
    assert min(float(python(code)) for _ in range(3)) < 0.1


def test_public_names_are_the_functions_though_modules_share_them() -> None:
    code = "import baserate, baserate.run, baserate.evaluate, baserate.tasks, baserate.models, baserate.leaderboard\n"
    code += "from baserate import run, tasks\n"
    code += "print(*(callable(getattr(baserate, n)) for n in ('run', 'evaluate', 'tasks', 'models', 'leaderboard')))\n"
    code += "from baserate.run import Grid; from baserate.leaderboard import Leaderboard; print(callable(run))"
    assert python(code).split() == ["True"] * 6


def test_public_names_resolve() -> None:
    assert set(br.__all__) <= set(dir(br)) and all(callable(getattr(br, name)) for name in br.__all__)
    assert br.__version__ and not hasattr(br, "nothing")
