from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baserate import checks
from baserate.capabilities import CausalModel, Classifier, Embedder, NextBaseModel, VariantScorer
from baserate.cards.find import find_model
from baserate.cards.task import task_card
from baserate.checks import run_checks
from baserate.errors import BaserateError, ConfigError, DataError, NotApplicable
from baserate.inhouse import FUNCTIONS, FunctionModel, card_from_file, model_from_file
from baserate.modes.per_base import embed_sites
from baserate.plan import Protocol, plan
from baserate.records import read_records
from baserate.registry import load_model, with_params
from baserate.run import Grid
from baserate.types import Inputs, ModelCard, strings

X = strings(["ACGTACGT", "gggg", "TTTTTA", "ACGTACGT", "CCCCC"])
VARIANTS = Inputs(strings(["ACGT", "ACGT", "GGGG"]), strings(["ACTT", "ACT", "GGGG"]), np.array([2, 3, 0]))


def composition(sequences: Sequence[str]) -> list[list[float]]:
    return [[s.count(base) / len(s) for base in "ACGT"] for s in sequences]


def test_the_model_has_the_methods_of_the_functions_given_and_no_others() -> None:
    model = FunctionModel(embed=composition, next_base_log_probs=lambda s: [[np.log(0.25)] * 4] * len(s))
    assert {name for name in FUNCTIONS if hasattr(model, name)} == {"embed", "next_base_log_probs"}
    assert isinstance(model, Embedder) and isinstance(model, NextBaseModel)
    assert not isinstance(model, CausalModel | VariantScorer | Classifier)


@pytest.mark.parametrize("chunk", [1, 2, 64])
def test_results_do_not_depend_on_the_chunk_and_equal_sequences_are_computed_once(chunk: int) -> None:
    seen: list[list[str]] = []

    def embed(sequences: list[str]) -> Any:
        seen.append(sequences)
        return composition(sequences)

    vectors = FunctionModel(embed=embed, chunk=chunk).embed(X)  # type: ignore[attr-defined]
    assert vectors.dtype == np.float32
    np.testing.assert_array_equal(vectors, np.array(composition([s.upper() for s in X]), np.float32))
    assert [s for part in seen for s in part] == ["ACGTACGT", "GGGG", "TTTTTA", "CCCCC"]
    assert max(map(len, seen)) <= chunk


@pytest.mark.parametrize(
    ("name", "returned", "message"),
    [
        ("embed", [1.0, 2.0], r"mine.py: embed\(\) gave shape \(2,\) for n = 2 examples; expected \(n, d\)"),
        ("embed", [[1.0, 2.0]], r"gave shape \(1, 2\) for n = 2"),
        ("embed", [[], []], r"gave shape \(2, 0\) for n = 2"),
        ("embed", [[1.0], [2.0, 3.0]], r"embed\(\) gave a list, not an array of numbers"),
        ("embed", [["a"], ["b"]], r"embed\(\) gave a list, not an array of numbers: its type is <U1"),
        ("embed", None, r"gave a NoneType, not an array"),
        ("embed", [[1.0], [float("nan")]], r"embed\(\) gave nan for example 2; expected finite"),
        ("embed", [[1.0], [1e300]], r"embed\(\) gave inf for example 2"),
        ("log_likelihood", [[1.0], [2.0]], r"gave shape \(2, 1\) for n = 2 examples; expected \(n,\)"),
        ("log_likelihood", [0.0, float("nan")], r"log_likelihood\(\) gave nan for example 2"),
        ("next_base_log_probs", [[0.0] * 3] * 2, r"gave shape \(2, 3\) .* expected \(n, 4\)"),
        ("next_base_log_probs", [[-1.0] * 4] * 2, r"probabilities of A, C, G and T that sum to 1\.472 for example 0"),
    ],
)
def test_what_a_function_returns_is_checked(name: str, returned: Any, message: str) -> None:
    """Rows are those of the caller: of 'A', 'A', 'C' the third is the second that the function sees."""
    model = FunctionModel(**{name: lambda sequences: returned}, name="mine.py")
    with pytest.raises(DataError, match=message):
        getattr(model, name)(strings(["A", "a", "C"]))


def test_a_width_that_changes_between_chunks_is_an_error() -> None:
    model: Any = FunctionModel(embed=lambda sequences: [[0.0] * len(sequences[0])], chunk=1)
    with pytest.raises(DataError, match=r"shape \(1, 5\) for n = 1 examples; expected \(n, d\), as wide as the first"):
        model.embed(strings(["ACGT", "ACGTA"]))


def test_an_empty_sequence_is_refused_by_row_but_may_have_a_next_base() -> None:
    model: Any = FunctionModel(embed=composition, next_base_log_probs=lambda s: np.log([[0.25] * 4] * len(s)))
    with pytest.raises(DataError, match="sequence 1 is empty"):
        model.embed(strings(["A", ""]))
    assert model.next_base_log_probs(strings(["A", ""])).shape == (2, 4)
    assert model.next_base_log_probs(strings([])).shape == (0, 4)


def test_settings_reach_the_functions_that_take_them() -> None:
    def embed(sequences: list[str], *, layer: int = 0) -> Any:
        return [[float(layer)]] * len(sequences)

    model: Any = FunctionModel(embed=embed, pseudo_log_likelihood=lambda s: [-1.0] * len(s), name="mine.py")
    assert model.embed(X, layer=3).tolist() == [[3.0]] * 5
    with pytest.raises(ConfigError, match=r"mine.py: embed\(\): .*'pooling'; its signature is embed\(sequences"):
        model.embed(X, pooling="mean")
    assert model.pseudo_log_likelihood(X).tolist() == [-1.0] * 5
    with pytest.raises(ConfigError, match="one_pass"):
        model.pseudo_log_likelihood(X, one_pass=True)


def test_variants_reach_score_variants_and_predict() -> None:
    def score(references: list[str], alternates: list[str], positions: list[int]) -> Any:
        pairs = zip(references, alternates, positions, strict=True)
        return [float(p) if len(r) == len(a) else float("nan") for r, a, p in pairs]

    model: Any = FunctionModel(score_variants=score, predict=lambda s, alternates=None: [len(a) for a in alternates])
    np.testing.assert_array_equal(model.score_variants(VARIANTS), [2, np.nan, 0])
    assert model.predict(VARIANTS).tolist() == [[4.0], [3.0], [4.0]]
    with pytest.raises(NotApplicable, match="no alternate sequences"):
        model.score_variants(Inputs(X))
    with pytest.raises(NotApplicable, match="takes positions"):
        model.score_variants(Inputs(X, X))
    alone: Any = FunctionModel(predict=composition, masked_llr=lambda r, a: [float("inf")] * len(r))
    np.testing.assert_allclose(alone.predict(Inputs(X)), composition([s.upper() for s in X]))
    with pytest.raises(NotApplicable, match="needs a parameter `alternates`"):
        alone.predict(VARIANTS)
    with pytest.raises(DataError, match=r"masked_llr\(\) gave inf for example 0"):
        alone.masked_llr(VARIANTS.sequences, VARIANTS.alternates)


def test_tensors_are_taken_as_they_come() -> None:
    torch = pytest.importorskip("torch")

    def embed(sequences: list[str]) -> Any:
        return torch.tensor(composition(sequences), requires_grad=True).bfloat16()

    vectors = FunctionModel(embed=embed).embed(X)  # type: ignore[attr-defined]
    np.testing.assert_allclose(vectors, composition([s.upper() for s in X]), atol=1e-2)


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(ConfigError, match="give one of embed, embed_sites, log_likelihood"):
        FunctionModel()
    with pytest.raises(ConfigError, match="embed is a list, not a function"):
        FunctionModel(embed=[[1.0]])  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="chunk = 0"):
        FunctionModel(embed=composition, chunk=0)


FILE = '''"""GC content and length.

More words.
"""
from collections import Counter
{extra}

def embed(sequences):
    return [[(Counter(s)["G"] + Counter(s)["C"]) / len(s), len(s) / 1000] for s in sequences]
'''


@pytest.fixture
def gc_file(tmp_path: Path) -> Path:
    path = tmp_path / "gc.py"
    path.write_text(FILE.format(extra=""))
    return path


def test_card_is_read_without_running_the_file(tmp_path: Path) -> None:
    path = tmp_path / "m.py"
    functions = {
        "def embed(x): ...": {"linear_probe": {}},
        "log_likelihood = len": {"zero_shot": {"rule": "causal_delta"}},
        "def pseudo_log_likelihood(x): ...\ndef log_likelihood(x): ...": {"zero_shot": {"rule": "pll"}},
        "def masked_llr(r, a): ...\nembed: object = 3": {"zero_shot": {"rule": "masked_llr"}, "linear_probe": {}},
        "def next_base_log_probs(x): ...": {"zero_shot": {"rule": "right_end"}},
        "def score_variants(r, a): ...\ndef predict(x): ...": {"zero_shot": {"rule": "native"}, "as_is": {}},
    }
    for source, modes in functions.items():
        path.write_text(f"raise RuntimeError('ran')\n{source}\n")
        card = card_from_file(path)
        assert card and card.modes == modes and card.name == "m"
    with pytest.raises(ConfigError, match=r"m.py:1: RuntimeError: ran"):
        card.load()


def test_card_of_a_file(gc_file: Path) -> None:
    card = card_from_file(gc_file)
    assert card and card.description == "GC content and length." and card.params == {"python": "", "timeout": 600.0}
    results = list(run_checks(card))
    assert {r.status for r in results} == {"passed", "skipped"}, results
    np.testing.assert_allclose(load_model(card).embed(strings(["GC"])), [[1.0, 0.002]])


def test_revision_follows_the_file_and_the_files_it_names(gc_file: Path) -> None:
    def revision() -> str:
        card = card_from_file(gc_file)
        assert card
        return card.revision()

    first = revision()
    gc_file.write_text(FILE.format(extra="FILES = ['weights.bin']"))
    with pytest.raises(ConfigError, match=r"FILES names '.*weights.bin', which is not a file"):
        revision()
    weights = gc_file.with_name("weights.bin")
    weights.write_bytes(b"one")
    second = revision()
    weights.write_bytes(b"two")
    assert len({first, second, revision()}) == 3
    gc_file.write_text(FILE.format(extra="FILES: list[str] = ['weights.bin']"))
    third = revision()
    weights.write_bytes(b"three")
    assert revision() != third


@pytest.mark.parametrize(
    "source",
    [
        "FILES = sorted('ab')",
        "FILES = 'weights.bin'",
        "FILES = [1]",
        "FILES = []; FILES += ['weights.bin']",
        "FILES = OTHER = []",
        "FILES, OTHER = [], []",
        "if True: FILES = ['weights.bin']",
        "for FILES in []: pass",
        "from weights import names as FILES",
    ],
)
def test_files_that_cannot_be_read_off_the_text_are_refused(gc_file: Path, source: str) -> None:
    gc_file.write_text(FILE.format(extra=source))
    with pytest.raises(ConfigError, match=r"gc.py: FILES \(line 6\) must be a list of file names in quotes, assigned"):
        card_from_file(gc_file)
    gc_file.write_text(FILE.format(extra="def own():\n    FILES = sorted('ab')"))
    assert card_from_file(gc_file)


@pytest.mark.parametrize(
    "source",
    [
        "@model('x', modes={}, description='')\ndef load(): ...",
        "import baserate.registry as r\n@r.baseline('x')\ndef load(): ...\ndef embed(s): ...",
        "@task\ndef t(): ...",
    ],
)
def test_a_file_that_registers_its_content_is_left_to_the_registry(tmp_path: Path, source: str) -> None:
    (tmp_path / "m.py").write_text(source)
    assert card_from_file(tmp_path / "m.py") is None


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def embeds(s): ...", r"m.py: defines none of embed\(\), .*; did you mean embed\(\) by embeds\(\)\?"),
        ("from somewhere import embed", r"m.py: defines none of embed\(\), .*, and registers no model"),
        ("def embed(s:", r"m.py: .* \(line 1\)"),
    ],
)
def test_a_file_that_is_no_model_is_one_line(tmp_path: Path, source: str, message: str) -> None:
    (tmp_path / "m.py").write_text(source)
    for read in (card_from_file, model_from_file):
        with pytest.raises(ConfigError, match=message):
            read(tmp_path / "m.py")


def test_paths_that_are_no_python_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.py: No such file"):
        card_from_file(tmp_path / "none.py")
    with pytest.raises(ConfigError, match=r"expected a Python file"):
        card_from_file(tmp_path / "none.txt")


def test_an_error_of_ours_from_a_file_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text(
        "from baserate.errors import DataError\ndef embed(s): ...\nraise DataError('weights are old')"
    )
    with pytest.raises(BaserateError, match=r"m\.py:3: weights are old$"):
        model_from_file(tmp_path / "m.py")


@pytest.mark.parametrize(
    "source",
    [
        "import sys\nimport beside_a\ndef embed(s): return [[beside_a.VALUE]] * len(s)\n",
        "import beside_a\nfrom baserate.inhouse import FunctionModel\nfrom baserate.registry import model\n"
        "@model('imports_a_neighbour', modes={'linear_probe': {}}, description='d')\n"
        "def load(): return FunctionModel(embed=lambda s: [[beside_a.VALUE]] * len(s))\n",
    ],
)
def test_either_kind_of_file_imports_modules_beside_it(
    tmp_path: Path, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "beside_a", raising=False)
    (tmp_path / "beside_a.py").write_text("VALUE = 7.0\n")
    (tmp_path / "m.py").write_text(source)
    path = list(sys.path)
    assert load_model(find_model(str(tmp_path / "m.py"))).embed(strings(["A"])).tolist() == [[7.0]]
    assert sys.path == path


@pytest.mark.parametrize("registers", [False, True])
def test_a_file_that_exits_is_one_line(tmp_path: Path, registers: bool) -> None:
    name = "exits_while_it_is_read"
    tail = f"@baserate.registry.model({name!r}, modes={{}}, description='d')\ndef load(): ...\n"
    (tmp_path / "m.py").write_text("import sys\ndef embed(s): ...\nsys.exit(3)\n" + tail * registers)
    with pytest.raises(ConfigError, match=r"m.py:3: called sys.exit\(3\)$"):
        load_model(find_model(str(tmp_path / "m.py")))


def test_a_model_that_exits_ends_neither_the_grid_nor_the_checks(
    tmp_path: Path, toy_card: Path, gc_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "leaves.py").write_text("import sys\ndef embed(s): sys.exit('out of\\nmemory')\n")
    cards = [find_model(str(tmp_path / "leaves.py")), find_model(str(gc_file))]
    failed = [r for r in run_checks(cards[0]) if r.status == "failed"]
    assert failed and {r.detail for r in failed} == {r"called sys.exit('out of\nmemory')"}
    examined: list[str] = []

    def exits(card: ModelCard, cache: Path | None) -> tuple[str, ...]:
        examined.append(card.name)
        sys.exit()

    monkeypatch.setattr(checks, "faults", exits)
    grid = Grid(tmp_path / "results", Protocol(seeds=(0,), limit=40))
    outcome = grid.run(plan([task_card(toy_card)], cards))
    assert outcome.done == 1 and examined == ["leaves", "gc"]
    (failed,) = outcome.failed
    assert failed.reason == r"called sys.exit('out of\nmemory')"
    assert all("checks not run: called sys.exit(None)" in r.flags for r in read_records(tmp_path / "results"))


def test_a_neighbour_is_the_one_beside_the_file(tmp_path: Path) -> None:
    """Of two modules of one name this process can hold one, and a model must not compute with the other's."""
    for folder, value in (("a", 1.0), ("b", 2.0)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "beside_b.py").write_text(f"VALUE = {value}\n")
        (tmp_path / folder / "m.py").write_text("import beside_b\ndef embed(s): return [[beside_b.VALUE]] * len(s)\n")
    first, second = (find_model(str(tmp_path / folder / "m.py")) for folder in "ab")
    for _ in range(2):
        assert load_model(first).embed(strings(["A"])).tolist() == [[1.0]]
    with pytest.raises(ConfigError, match=r"b/m.py: imports beside_b from beside it, but .*a/beside"):
        load_model(second)
    with load_model(with_params(second, python=sys.executable, timeout=60)) as model:
        assert model.embed(strings(["A"])).tolist() == [[2.0]]


@pytest.mark.parametrize("there", [False, True], ids=["here", "in another environment"])
def test_no_bytecode_is_left_beside_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    """A disk that fills cuts it short, and the next run could not read it."""
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    (tmp_path / "beside_no_bytecode.py").write_text("VALUE = 3.0\n")
    (tmp_path / "m.py").write_text("import beside_no_bytecode as b\ndef embed(s): return [[b.VALUE]] * len(s)\n")
    card = find_model(str(tmp_path / "m.py"))
    model: Any = load_model(with_params(card, python=sys.executable, timeout=60) if there else card)
    assert model.embed(strings(["A"])).tolist() == [[3.0]]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["beside_no_bytecode.py", "m.py"]
    assert not sys.dont_write_bytecode, "only while the file runs"


def test_a_neighbour_with_a_mistake_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "beside_c.py").write_text("VALUE = (\n")
    (tmp_path / "m.py").write_text("import beside_c\ndef embed(s): ...\n")
    card = find_model(str(tmp_path / "m.py"))
    for use in (card.revision, lambda: load_model(card)):
        with pytest.raises(ConfigError, match=r"m.py(:1)?: .*'\(' was never closed"):
            use()


def test_a_function_gives_the_states_of_bases(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "def embed(sequences): return [[s.count(b) for b in 'ACGT'] for s in sequences]\n"
        "def embed_sites(sequences, positions):\n"
        "    return [[s[p] == b for b in 'ACGT'] for s, p in zip(sequences, positions)]\n"
    )
    card = card_from_file(file)
    assert card is not None and card.modes == {"linear_probe": {}}
    inputs = Inputs(strings(["ACGT"] * 4), positions=np.array([3, 1, 2, 0]))
    assert embed_sites(card.load(), inputs).tolist() == np.eye(4)[[3, 1, 2, 0]].tolist()
    bins = Inputs(strings(["ACGT"] * 2), positions=np.array([0, 2]), span=2)
    assert embed_sites(card.load(), bins).tolist() == [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]]
    file.write_text("def embed_sites(sequences, positions): ...")
    with pytest.raises(ConfigError, match=r"mine.py: embed_sites\(\) by itself serves no mode; define embed\(\) too"):
        card_from_file(file)
