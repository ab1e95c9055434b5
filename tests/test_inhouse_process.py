from __future__ import annotations

import ast
import os
import re
import signal
import subprocess
import sys
import time
import venv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import baserate.inhouse
from baserate.cards.find import find_model
from baserate.errors import BaserateError, ConfigError
from baserate.inhouse import SubprocessModel, model_from_file
from baserate.registry import load_model
from baserate.types import Inputs, strings

WORKER = Path(baserate.inhouse.__file__).with_name("worker.py")

KMERS = """
import os, subprocess, sys
from itertools import product
from math import log

WORDS = ["".join(w) for w in product("ACGT", repeat=3)]


def embed(sequences, scale=1):
    return [[scale * s.count(word) / len(s) for word in WORDS] for s in sequences]


def log_likelihood(sequences):
    return [len(s) * log(0.25) for s in sequences]


def score_variants(references, alternates, positions):
    return [p if len(r) == len(a) else float("nan") for r, a, p in zip(references, alternates, positions)]


def predict(sequences):
    return [(s.count("G"), s.count("C")) for s in sequences]
"""

FAULTS = """
import os, signal, subprocess, sys, time


def log_likelihood(sequences):
    what = sequences[0]
    if what == "EXIT":
        print("about to leave", file=sys.stderr, flush=True)
        os._exit(3)
    if what == "QUIT":
        sys.exit("no more")
    if what == "SEGV":
        os.kill(os.getpid(), signal.SIGSEGV)
    if what == "SLEEP":
        child = subprocess.Popen(["sleep", "60"])
        print(child.pid, file=sys.stderr, flush=True)
        time.sleep(60)
    if what == "RAISE":
        raise ValueError("two\\nlines")
    if what == "RAGGED":
        return [[1.0], [2.0, 3.0]]
    if what == "TEXT":
        return ["a", "b"]
    if what == "SHAPE":
        return [1.0]
    if what == "STDIN":
        return [float(len(sys.stdin.read()))] * len(sequences)
    if what == "FORK":
        child = os.fork()
        if child == 0:
            time.sleep(60)
        print(child)
        os._exit(4)
    if what == "PRINT":
        print('{"error": "not the answer"}')
        os.write(1, b"more\\n")
        subprocess.run(["echo", "and more"])
    if what == "PID":
        return [float(os.getpid())]
    return [0.5] * len(sequences)
"""


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the interpreter of an environment that holds no package, so neither numpy nor baserate."""
    folder = tmp_path_factory.mktemp("env")
    venv.create(folder, with_pip=False, symlinks=True)
    return str(folder / "bin" / "python")


@pytest.fixture
def kmers(tmp_path: Path) -> Path:
    path = tmp_path / "kmers.py"
    path.write_text(KMERS)
    return path


@pytest.fixture
def faults(tmp_path: Path) -> Path:
    path = tmp_path / "faults.py"
    path.write_text(FAULTS)
    return path


def alive(pid: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pid: int, seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.02)
    return not alive(pid)


def pid_of(model: Any) -> int:
    return int(model.log_likelihood(strings(["PID"]))[0])


def test_another_environment_gives_what_this_one_does(kmers: Path, bare: str) -> None:
    missing = subprocess.run([bare, "-c", "import numpy"], capture_output=True)
    assert b"ModuleNotFoundError" in missing.stderr
    rng = np.random.default_rng(0)
    x = strings(["".join(rng.choice(list("ACGTN"), size=n)) for n in rng.integers(5, 400, size=150)])
    variants = Inputs(x[:3], strings([x[0], x[1][1:], x[2]]), np.array([3, 0, 2]))
    here: Any = model_from_file(kmers)
    for python in (bare, sys.executable):
        with SubprocessModel(python, kmers, timeout=20, chunk=64) as there:
            other: Any = there
            np.testing.assert_array_equal(here.embed(x), other.embed(x))
            np.testing.assert_array_equal(here.embed(x, scale=2), other.embed(x, scale=2))
            np.testing.assert_array_equal(here.log_likelihood(x), other.log_likelihood(x))
            np.testing.assert_array_equal(here.score_variants(variants), other.score_variants(variants))
            np.testing.assert_array_equal(here.predict(Inputs(x)), other.predict(Inputs(x)))
            for model in (here, other):
                with pytest.raises(ConfigError, match=r"'layer'; its signature is embed\(sequences, scale="):
                    model.embed(x, layer=3)


def test_a_card_carries_the_interpreter(kmers: Path, bare: str) -> None:
    card = find_model(f"{kmers}(python={bare!r}, timeout=20)")
    assert card.name == f"kmers(python={bare!r}, timeout=20)" and card.params == {"python": bare, "timeout": 20}
    model = load_model(card)
    assert isinstance(model, SubprocessModel)
    assert model.log_likelihood(strings(["AC"])).tolist() == pytest.approx([2 * np.log(0.25)])  # type: ignore[attr-defined]
    model.close()


def test_arrays_and_tensors_cross_the_pipe(tmp_path: Path) -> None:
    """In single precision where they are, in double otherwise, and not in the form of text."""
    (tmp_path / "m.py").write_text(
        "import numpy as np\n"
        "def embed(s): return [np.full(3, 0.1, np.float32) for _ in s]\n"
        "def log_likelihood(s): return -np.full(len(s), 0.1, '>f8')\n"
        "def predict(s):\n import torch\n return torch.full((len(s), 2), 0.5, requires_grad=True).bfloat16()\n"
    )
    with SubprocessModel(sys.executable, tmp_path / "m.py", timeout=60) as there:
        model: Any = there
        assert model.embed(strings(["A"] * 2)).tolist() == [[float(np.float32(0.1))] * 3] * 2
        assert model.log_likelihood(strings(["A"])).tolist() == [-0.1]
        assert model.predict(Inputs(strings(["A"]))).tolist() == [[0.5, 0.5]]


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("EXIT", r"faults.py in .*: the worker ended with exit code 3 during log_likelihood\(\); its .*about to leave"),
        ("QUIT", r"exit code 1 during log_likelihood\(\); its last line on stderr: no more"),
        ("SEGV", r"the worker was killed by SIGSEGV during log_likelihood\(\); it wrote nothing to stderr"),
        ("RAISE", r"faults.py in .*: log_likelihood\(\) raised ValueError: two lines \(line 19\)"),
        ("RAGGED", r"raised ValueError: its rows have different lengths"),
        ("TEXT", r"raised TypeError: must be real number, not str"),
        ("SHAPE", r"faults.py: log_likelihood\(\) gave shape \(1,\) for n = 2 examples"),
    ],
)
def test_a_fault_is_one_line_and_the_next_request_has_a_fresh_worker(
    faults: Path, bare: str, what: str, message: str
) -> None:
    with SubprocessModel(bare, faults, timeout=20) as there:
        model: Any = there
        for _ in range(2):
            with pytest.raises(BaserateError, match=message) as caught:
                model.log_likelihood(strings([what, "A"]))
            assert "\n" not in str(caught.value)
            assert model.log_likelihood(strings(["A", "C"])).tolist() == [0.5, 0.5]


def test_silence_ends_at_the_time_out_with_all_that_it_started(faults: Path, bare: str) -> None:
    with SubprocessModel(bare, faults, timeout=0.5) as there:
        model: Any = there
        worker, start = pid_of(model), time.monotonic()
        with pytest.raises(
            BaserateError, match=r"gave no answer within 0\.5 s and was stopped; its last line on stderr: \d+"
        ) as e:
            model.log_likelihood(strings(["SLEEP"]))
        assert time.monotonic() - start < 1.5
        assert gone(worker) and gone(int(str(e.value).split()[-1]))
        assert model.log_likelihood(strings(["A"])).tolist() == [0.5]


def test_a_crash_leaves_no_child_behind(faults: Path, bare: str) -> None:
    with SubprocessModel(bare, faults, timeout=20) as there:
        with pytest.raises(
            BaserateError, match=r"exit code 4 during log_likelihood\(\); its last line on stderr: \d+"
        ) as caught:
            there.log_likelihood(strings(["FORK"]))  # type: ignore[attr-defined]
        assert gone(int(str(caught.value).split()[-1]))


def test_a_worker_that_stops_reading_is_stopped_too(faults: Path, bare: str) -> None:
    """Writing more than a pipe holds blocks; the time-out covers that."""
    with SubprocessModel(bare, faults, timeout=0.5) as there:
        model: Any = there
        os.kill(pid_of(model), signal.SIGSTOP)
        with pytest.raises(BaserateError, match="no answer within"):
            model.log_likelihood(strings(["A" * 1_000_000]))


def test_prints_and_stdin_leave_the_answers_alone(faults: Path, bare: str) -> None:
    with SubprocessModel(bare, faults, timeout=20) as there:
        model: Any = there
        assert model.log_likelihood(strings(["PRINT", "A"])).tolist() == [0.5, 0.5]
        assert model.log_likelihood(strings(["STDIN"])).tolist() == [0.0]


def test_much_on_stderr_does_not_block(tmp_path: Path, bare: str) -> None:
    (tmp_path / "m.py").write_text("def log_likelihood(s):\n print('x' * 500_000)\n return [0.0] * len(s)\n")
    with SubprocessModel(bare, tmp_path / "m.py", timeout=20) as there:
        assert there.log_likelihood(strings(["A"])).tolist() == [0.0]  # type: ignore[attr-defined]


def test_a_worker_ends_with_close_with_the_object_and_with_the_process(faults: Path, bare: str) -> None:
    model: Any = SubprocessModel(bare, faults, timeout=20)
    first = pid_of(model)
    model.close()
    assert not alive(first)
    assert model.log_likelihood(strings(["A"])).tolist() == [0.5]  # a call after close starts it again
    second = pid_of(model)
    del model
    assert not alive(second)
    script = (
        "import os, sys; from baserate.inhouse import SubprocessModel; from baserate.types import strings\n"
        f"model = SubprocessModel({bare!r}, {str(faults)!r}, timeout=20)\n"
        "print(int(model.log_likelihood(strings(['PID']))[0]), flush=True)\n"
        "if sys.argv[1] == 'killed': os.kill(os.getpid(), 9)\n"
    )
    for how in ("ended", "killed"):
        done = subprocess.run([sys.executable, "-W", "error", "-c", script, how], capture_output=True, text=True)
        assert done.stderr == ""
        assert gone(int(done.stdout))


def test_an_interrupted_request_leaves_no_answer_for_the_next(faults: Path, bare: str) -> None:
    with SubprocessModel(bare, faults, timeout=20) as there:
        model: Any = there
        worker = pid_of(model)
        previous = signal.signal(signal.SIGALRM, signal.default_int_handler)
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        try:
            with pytest.raises(KeyboardInterrupt):
                model.log_likelihood(strings(["SLEEP"]))
        finally:
            signal.signal(signal.SIGALRM, previous)
        assert gone(worker)
        assert model.log_likelihood(strings(["A"])).tolist() == [0.5]


def test_the_other_environment_is_its_own(tmp_path: Path, bare: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither our search path nor the worker's own folder leads into it; the folder of the file does."""
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "secret_module.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "ours"))
    (tmp_path / "beside.py").write_text("VALUE = 7.0\n")
    file = tmp_path / "m.py"
    for module in ("secret_module", "process", "estimators", "numpy"):
        file.write_text(f"import {module}\ndef log_likelihood(s): ...\n")
        with pytest.raises(
            ConfigError, match=rf"m.py in .*: ModuleNotFoundError: No module named '{module}' \(line 1\)"
        ):
            SubprocessModel(bare, file, timeout=20)
    file.write_text("import beside\ndef log_likelihood(s): return [beside.VALUE] * len(s)\n")
    with SubprocessModel(bare, file, timeout=20) as there:
        assert there.log_likelihood(strings(["A"])).tolist() == [7.0]  # type: ignore[attr-defined]
    assert model_from_file(file).log_likelihood(strings(["A"])).tolist() == [7.0]  # type: ignore[attr-defined]


def test_what_cannot_be_started_is_one_line(kmers: Path, bare: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="python = '/no/such/python': no such interpreter"):
        SubprocessModel("/no/such/python", kmers)
    bad: Any
    for bad in (0, -1, float("inf"), float("nan"), 1e300, "2"):
        with pytest.raises(ConfigError, match=rf"timeout = {re.escape(repr(bad))}; expected seconds, from above 0 to"):
            SubprocessModel(bare, kmers, timeout=bad)
    with pytest.raises(ConfigError, match=r"timeout = 0; expected seconds"):
        load_model(find_model(f"{kmers}(python={bare!r}, timeout=0)"))
    with pytest.raises(ConfigError, match=r"kmers.py: timeout = 2 limits a file run by another python=\.\.\."):
        load_model(find_model(f"{kmers}(timeout=2)"))
    with pytest.raises(ConfigError, match="with literal values"):
        find_model(f"{kmers}(python={bare!r}, timeout=1e999)")
    kmers.write_text("import time\ntime.sleep(60)\n" + KMERS)
    with pytest.raises(BaserateError, match=r"loading the file gave no answer within 0\.3 s"):
        SubprocessModel(bare, kmers, timeout=0.3)
    with pytest.raises(
        BaserateError, match=r"loading the file gave '\"\"\".*', which is not an answer; python must be"
    ) as e:
        SubprocessModel("/bin/cat", tmp_path / "kmers.py", timeout=20)
    assert "\n" not in str(e.value)
    not_python = tmp_path / "python"
    not_python.write_text("#!/bin/sh\necho this is no python >&2\nexit 5\n")
    not_python.chmod(0o755)
    with pytest.raises(
        BaserateError, match=r"exit code 5 during loading the file; its last line on stderr: this is no python"
    ):
        SubprocessModel(not_python, tmp_path / "kmers.py", timeout=20)


def test_the_worker_needs_python_3_8_and_its_standard_library_alone() -> None:
    tree = ast.parse(WORKER.read_text(), feature_version=(3, 8))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names
