from __future__ import annotations

import contextlib
import itertools
import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click
import pytest
from rich.progress import Progress

from baserate.cards.find import find_models, find_tasks
from baserate.cli import cli
from baserate.cli.display import _Activities
from baserate.executors import executor
from baserate.executors.executor import R
from baserate.plan import Cell, plan
from baserate.records import read_records
from baserate.registry import Registry


def baserate(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "baserate"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=300)


COMMANDS = sorted(cli.commands)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name: str) -> None:
    command = cli.commands[name]
    assert f"baserate {name}" in (command.help or "")
    assert all(p.help or isinstance(p, click.Argument) or p.name == "results" for p in command.params)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_in_the_readme_or_docs(name: str) -> None:
    root = Path(__file__).parent.parent
    text = "".join(f.read_text() for f in (root / "README.md", *sorted((root / "docs").glob("*.md"))))
    assert f"baserate {name}" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rnu"], "no such command 'rnu'; did you mean 'run'?"),
        (["run"], "name either a suite or one or more tasks"),
        (["run", "--suite", "quickstrat"], "Unknown suite 'quickstrat'. Did you mean 'quickstart'?"),
        (["run", "--task", "yeast_codin"], "Unknown task 'yeast_codin'. Did you mean 'yeast_coding"),
        (["run", "--task", "yeast_coding", "--model", "ccn"], "Unknown model 'ccn'. Did you mean 'cnn'?"),
        (["run", "--task", "yeast_coding", "--mode", "probe"], "Unknown mode 'probe'. Did you mean 'linear_probe'?"),
        (["run", "--task", "yeast_coding", "--seeds", "0,x"], "--seeds '0,x': expected whole numbers such as 0,1,2"),
        (["run", "--task", "yeast_coding", "--seeds", "1,1"], "--seeds '1,1': seeds must differ"),
        (["run", "--task", "yeast_coding", "--seeds", "9" * 23], f"seed {'9' * 23}: expected a whole number from 0 to"),
        (["run", "--task", "yeast_coding", "--fail-on-leak", "--no-audit"], "--fail-on-leak needs the audit"),
        (
            ["run", "--task", "yeast_coding", "--isolate", "--executor", "serial"],
            "--isolate is the executor 'isolated'",
        ),
        (["run", "--task", "yeast_coding", "--results", "x" * 300], "cannot be a folder (File name too long)"),
        (["run", "--task", "yeast_coding", "--results", "~no-such-user/x"], "~no-such-user/x: there is no such home"),
        (["run", "--task", "yeast_coding", "--results", ""], "--results is empty; expected a folder"),
        (["run", "--task", "yeast_coding", "--model", "~no-such-user"], "~no-such-user: no such folder"),
        (["run", "--task", "yeast_coding", "--model", "x" * 5000], f"Unknown model '{'x' * 399}…{'x' * 38}'."),
        (
            ["run", "--task", "yeast_coding", "--executor", "seriel"],
            "Unknown executor 'seriel'. Did you mean 'serial'?",
        ),
        (["run", "--task", "yeast_coding", "--limit", "0"], "0 is not in the range x>=1"),
        (["run", "--task", "yeast_coding", "--model", "./none"], "./none: no such folder"),
        (["run", "--task", "mine.toml"], "mine.toml: No such file or directory"),
        (["leaderboard", "nowhere"], "nowhere: no such folder"),
        (["track", "nowhere"], "nowhere: no such folder"),
        (["leaderboard", "results", "--out", "s3://bucket/x"], "s3://bucket/x: expected a folder of this machine"),
        (["leaderboard", "~/nowhere-at-all"], f"{Path.home()}/nowhere-at-all: no such folder"),
        (["show", "nothing_like_it"], "Unknown task or model 'nothing_like_it'."),
        (["show", "caf\udce9.py"], r"caf\udce9.py: "),
        (["pretrain", "none.toml", "--out", "x"], "none.toml"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(arguments: list[str], said: str, tmp_path: Path) -> None:
    done = baserate(*arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stdout + done.stderr
    assert len(done.stderr) < 1500
    assert said in done.stderr and len(done.stderr.strip().splitlines()) == 1 and not done.stdout
    assert not list(tmp_path.iterdir()), "nothing half-written"


def test_run_resume_track_and_leaderboard_on_a_card(toy_card: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    common = ["run", "--task", toy_card, "--model", "kmer_logreg", "--model", "constant", "--mode", "from_scratch"]
    first = baserate(*common, "--results", results, "--seeds", "0,1")
    assert first.returncode == 0, first.stderr
    assert "2 cells done, 0 done before" in first.stdout and "copied 2 records to MLflow" in first.stdout
    assert "kmer_logreg" in first.stdout, "the leaderboard is printed"
    for name in ("leaderboard.md", "leaderboard.csv", "leaderboard.json", "leaderboard.png", "mlflow.db"):
        assert (results / name).stat().st_size > 0
    again = baserate(*common, "--results", results, "--seeds", "0,1", "--json")
    assert json.loads(again.stdout)["done_before"] == 2
    assert "all 2 records" in json.loads(again.stdout)["tracking"]
    tracked = baserate("track", results)
    assert tracked.returncode == 0 and "copied 0 records" in tracked.stdout and "it had 2 already" in tracked.stdout
    table = baserate("leaderboard", results, "--json", "--out", tmp_path / "out")
    assert table.returncode == 0 and "kmer_logreg" in json.dumps(json.loads(table.stdout))
    assert (tmp_path / "out" / "leaderboard.csv").exists()


def test_failed_cell_exits_1_with_its_reason_and_dead_server_does_not_matter(toy_card: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(
        "from baserate.registry import model\n"
        "@model('bad', modes={'from_scratch': {}}, description='d')\n"
        "def load():\n    import a_package_that_is_not_there\n"
    )
    done = baserate(
        "run", "--task", toy_card, "--model", tmp_path / "bad.py", "--model", "length", "--mode", "from_scratch",
        "--results", tmp_path / "r", "--tracking-uri", "http://127.0.0.1:9", "--seeds", "0",
    )  # fmt: skip
    assert done.returncode == 1
    assert "needs the package 'a_package_that_is_not_there': `pip install a_package_that_is_not_there`" in done.stderr
    assert "MLflow at http://127.0.0.1:9 cannot be used" in done.stderr and "copies later what is not" in done.stderr


@pytest.fixture(scope="module")
def leaky_card(toy_card: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a card like `toy_card` in which ten test rows are training rows of another gene."""
    folder = tmp_path_factory.mktemp("leaky")
    lines = (toy_card.parent / "toy.csv").read_text().splitlines()
    for i in range(10):
        mine, other = lines[200 + i].split(","), lines[2 + i].split(",")
        lines[200 + i] = ",".join([mine[0], *other[1:3], *mine[3:]])
    (folder / "toy.csv").write_text("\n".join(lines) + "\n")
    (folder / "toy.toml").write_text(toy_card.read_text())
    return folder / "toy.toml"


def test_a_leak_is_told_and_marked_and_refused_where_asked(leaky_card: Path, tmp_path: Path) -> None:
    common = ["run", "--task", leaky_card, "--model", "length", "--mode", "from_scratch", "--seeds", "0"]
    common += ["--tracking-uri", "none", "--results"]
    told = baserate(*common, tmp_path / "a")
    assert told.returncode == 0, told.stderr
    assert "! toy_motif@1: its audit fails: 10 of 60 test rows" in told.stderr
    assert "toy_motif@1 ‡" in told.stdout and "‡ toy_motif@1: FAIL: 10 of 60 test rows" in told.stdout
    refused = baserate(*common, tmp_path / "b", "--fail-on-leak")
    assert refused.returncode == 1 and not (tmp_path / "b").exists()
    assert "refused: toy_motif@1 leaks: FAIL: 10 of 60 test rows" in refused.stderr
    as_json = baserate(*common, tmp_path / "b", "--fail-on-leak", "--json")
    assert as_json.returncode == 1 and "FAIL: 10 of 60" in json.loads(as_json.stdout)["leaky"]["toy_motif@1"]
    unasked = baserate(*common, tmp_path / "c", "--no-audit")
    assert unasked.returncode == 0 and "audit" not in unasked.stderr
    (record,) = (tmp_path / "c").glob("*/*/record.json")
    assert json.loads(record.read_text())["audit"] == {}
    assert "| not audited |" in (tmp_path / "c" / "leaderboard.md").read_text()


def test_unwritable_results_end_in_one_line(toy_card: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = baserate("run", "--task", toy_card, "--model", "length", "--results", tmp_path / "file", "--quiet")
    assert done.returncode == 2 and "cannot write results in" in done.stderr
    assert "Traceback" not in done.stderr


def test_check_of_a_card_passes_and_of_a_leaky_one_fails(toy_card: Path, tmp_path: Path) -> None:
    good = baserate("check", toy_card)
    assert good.returncode == 0, good.stdout
    assert "no sequence in two parts" in good.stdout
    lines = (toy_card.parent / "toy.csv").read_text().splitlines()
    lines[200] = ",".join([*lines[200].split(",")[:1], lines[2].split(",")[1], *lines[200].split(",")[2:]])
    (tmp_path / "toy.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "toy.toml").write_text(toy_card.read_text())
    leaky = baserate("check", tmp_path / "toy.toml", "--json")
    failed = [r for r in json.loads(leaky.stdout) if r["status"] == "failed"]
    assert leaky.returncode == 1 and [r["check"] for r in failed] == ["no_sequence_in_two_parts"]
    assert "1 of 60 test inputs are also in train or valid" in failed[0]["detail"]


def examples() -> list[list[str]]:
    """Return the `baserate run` lines of the help that name what is registered, as arguments."""
    text = cli.commands["run"].help or ""
    lines = [shlex.split(line.strip()) for line in text.splitlines() if line.strip().startswith("baserate run --task")]
    return [line for line in lines if not any("/" in argument for argument in line)]


@pytest.mark.parametrize("line", examples(), ids=" ".join)
def test_examples_of_the_help_name_what_there_is(line: list[str]) -> None:
    options: dict[str, list[str]] = {"--task": [], "--model": [], "--mode": []}
    for option, value in itertools.pairwise(line):
        if option in options:
            options[option].append(value)
    tasks, cards = find_tasks(options["--task"]), find_models(options["--model"])
    assert plan(tasks, cards, options["--mode"])  # type: ignore[arg-type]


def test_what_a_model_prints_is_not_in_the_json(toy_card: Path, tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text(
        "print('hello')\n\n\ndef embed(s):\n    print('again')\n    return [[x.count('A')] for x in s]\n"
    )
    done = baserate(
        "run",
        "--task",
        toy_card,
        "--model",
        tmp_path / "loud.py",
        "--seeds",
        "0",
        "--json",
        "--results",
        tmp_path / "r",
        "--tracking-uri",
        "none",
    )
    assert json.loads(done.stdout)["done"] == 1 and "again" in done.stderr


def test_a_plugin_may_say_where_cells_run(toy_card: Path, tmp_path: Path) -> None:
    ran: list[str] = []
    with Registry.temporarily():

        @executor("counting")
        def counting(
            cells: Sequence[Cell],
            prepare: Callable[[], Callable[[Cell], R]],
            *,
            workers: int,
            started: Callable[[Cell], None],
        ) -> Iterator[R]:
            run_one = prepare()
            for cell in cells:
                ran.append(cell.card.name)
                yield run_one(cell)

        arguments = [
            "run",
            "--task",
            toy_card,
            "--model",
            "length",
            "--mode",
            "from_scratch",
            "--seeds",
            "0",
            "--quiet",
        ]
        arguments += ["--results", tmp_path / "r", "--tracking-uri", "none", "--executor", "counting"]
        with contextlib.suppress(SystemExit):
            cli.main(list(map(str, arguments)), standalone_mode=False)
    assert ran == ["length"] and len(read_records(tmp_path / "r")) == 1


def test_training_shows_seed_epoch_and_loss() -> None:
    """The bar of an activity says how things stand, and keeps what was said last where nothing new is."""
    with Progress(disable=True) as progress:
        advance = _Activities(progress)("training · seed 1", 20)
        (bar,) = progress.tasks
        assert bar.description == "  training · seed 1"
        advance(10, "epoch 3 · loss 0.412")
        advance(5)
        assert (bar.description, bar.completed) == ("  training · seed 1 · epoch 3 · loss 0.412", 15)


PLUGIN = """
from baserate.registry import baseline
from baserate.zero_shot.rule import rule


@rule("always_one", needs="embed", sees="sequences", description="d")
def always_one(model, inputs): ...


@baseline("of_a_plugin", modes={"from_scratch": {}}, description="registered by a file")
def load(): ...
"""


def test_a_plugin_file_registers_before_the_command_runs(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(PLUGIN)
    listed = baserate("--plugin", "mine.py", "list", "baselines", "--json", cwd=tmp_path)
    assert "of_a_plugin" in {row["name"] for row in json.loads(listed.stdout)["baselines"]}
    assert baserate("--plugin", "./mine.py", "--plugin", "mine.py", "show", "of_a_plugin", cwd=tmp_path).returncode == 0
    assert baserate("show", "of_a_plugin", cwd=tmp_path).returncode == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\nx.y\n", "mine.py:2: AttributeError: 'int' object has no attribute 'y'"),
        ("x = (\n", "mine.py:1: SyntaxError: '(' was never closed"),
        (PLUGIN.replace("of_a_plugin", "kmer_logreg"), "mine.py:10; rename one of them"),
        (
            PLUGIN.replace("load():", "load(k):"),
            "mine.py:10: parameter 'k' of model 'of_a_plugin' must be keyword-only",
        ),
        (None, "--plugin mine.py: no such file"),
    ],
)
def test_a_plugin_file_that_is_wrong_is_one_line(tmp_path: Path, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / "mine.py").write_text(text)
    failed = baserate("--plugin", "mine.py", "list", cwd=tmp_path)
    assert failed.returncode == 2 and said in failed.stderr and failed.stderr.count("\n") == 1, failed.stderr
