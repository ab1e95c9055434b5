from __future__ import annotations

from pathlib import Path

import pytest

from baserate.cards.find import find, find_model, find_models, find_tasks
from baserate.cards.listing import listing
from baserate.cards.suite import load_suite
from baserate.cards.task import task_card
from baserate.errors import BaserateError, ConfigError, DuplicateName, UnknownName
from baserate.modes import mode_settings
from baserate.registry import TASKS, get_model
from baserate.splits import load_split

from .checkpoints import LAYOUTS, build


def test_toml_card_gives_the_task_that_it_declares(toy_card: Path) -> None:
    task = task_card(toy_card)
    split = load_split(task)
    assert (len(split.train), len(split.valid), len(split.test)) == (140, 40, 60)
    assert task.metrics[0] == "mcc"
    assert split.fingerprint == load_split(task_card(toy_card)).fingerprint


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('kind = "classification"', 'kind = "clasification"', "kind = 'clasification'; expected 'classification'"),
        ('kind = "classification"', "", "key 'kind' is missing"),
        ('classes = ["plain", "motif"]', "", "a classification task needs classes"),
        ('classes = ["plain", "motif"]', 'classes = ["plain", "other"]', "'motif'"),
        ("description", "descriptoin", "unknown key 'descriptoin'; did you mean 'description'?"),
        ('sequence = "seq"', 'sequences = "seq"', "[source]: unknown key 'sequences'; did you mean 'sequence'?"),
        ('sequence = "seq"', 'sequence = "sqe"', "'seq'"),
        ('table = "toy.csv"', 'table = "tyo.csv"', "tyo.csv: no such file"),
        ('table = "toy.csv"', "", "[source] needs one of table = ..."),
        ('rule = "predefined"', 'rule = "predifined"', "[split] rule = 'predifined'; did you mean 'predefined'?"),
        ('column = "part"', 'colum = "part"', "[split]: unknown key 'colum'; did you mean 'column'?"),
        ('column = "part"', 'column = "prat"', "'part'"),
        ("[split]", "[split", "not TOML"),
        ('kind = "classification"', "kind = [1]", "kind = [1]; expected text in quotes"),
        ('kind = "classification"', 'kind = "classification"\nversion = "1"', "version = '1'; expected a whole number"),
        ('name = "toy_motif"', 'name = "../toy"', "name = '../toy'; expected letters, digits"),
        ('species = ["none"]', 'species = "none"', "species = 'none'; expected a list, such as ['none']"),
    ],
)
def test_mistakes_in_a_card_are_one_clear_line(tmp_path: Path, toy_card: Path, old: str, new: str, said: str) -> None:
    (tmp_path / "toy.csv").write_bytes((toy_card.parent / "toy.csv").read_bytes())
    card = tmp_path / "toy.toml"
    card.write_text(toy_card.read_text().replace(old, new))
    with pytest.raises(BaserateError) as error:
        load_split(task_card(card))
    assert said in str(error.value) and "\n" not in str(error.value)


def test_names_globs_and_parameters() -> None:
    assert [t.name for t in find_tasks(["yeast_coding.small", "yeast_cod*[!l]"])] == [
        "yeast_coding.small",
        "yeast_coding",
    ]
    assert {c.name for c in find_models([])} >= {
        "constant",
        "length",
        "gc_content",
        "kmer_logreg",
        "kmer_xgboost",
        "cnn",
    }
    assert find_model("kmer_logreg(max_k=4)").params["max_k"] == 4
    for bad in ("kmer_logreg(4)", "kmer_logreg(max_k=four)", "kmer_logreg(max_k=)"):
        with pytest.raises(ConfigError, match=r"expected name\(key=value"):
            find_model(bad)
    with pytest.raises(ConfigError, match=r"^'nothing\*' matches none of \d+ tasks; `baserate list tasks` shows all$"):
        find_tasks(["nothing*"])
    with pytest.raises(ConfigError, match=r"^'geu\.\*' matches none of \d+ tasks; did you mean 'gue\.\*'"):
        find_tasks(["geu.*"])
    with pytest.raises(
        ConfigError, match=r"^Unknown task 'qqqqq'\. There are \d+\. `baserate list tasks` shows all\.$"
    ):
        find_tasks(["qqqqq"])
    with pytest.raises(UnknownName, match=r"Unknown task or model 'kmer_logrge'\. Did you mean 'kmer_logreg'"):
        find("kmer_logrge")


def test_python_file_of_a_user_may_be_named_more_than_once(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from baserate.registry import model\n"
        "@model('file_model', modes={'linear_probe': {}}, description='d')\ndef load(): ...\n"
    )
    assert find_model(str(file)) is find_model(str(file)) is find(str(file))
    with pytest.raises(ConfigError, match="expected one task in the file, found 0"):
        find_tasks([str(file)])
    (tmp_path / "bad.py").write_text("from baserate.registry import model\n1 / 0\n@model('x')\ndef load(): ...\n")
    with pytest.raises(ConfigError, match=r"bad\.py:2: ZeroDivisionError: division by zero"):
        find_model(str(tmp_path / "bad.py"))
    with pytest.raises(ConfigError, match=r"none\.py: No such file"):
        find_model(str(tmp_path / "none.py"))


EMBED = "def embed(s): return [[float(len(x))] for x in s]\n"


def test_a_file_does_not_take_the_name_of_what_is_registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("kmer_logreg.py", "a/m.py", "b/m.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(EMBED + f"# {name}\n")
    found = find_models(["./kmer_logreg.py", "kmer_logreg", "./kmer_logreg.py(python='/x')", "a/m.py", "b/m.py"])
    revisions = [card.revision().removeprefix("file:")[:8] for card in found]
    assert [card.name for card in found] == [
        "./kmer_logreg.py",
        "kmer_logreg",
        "./kmer_logreg.py(python='/x')",
        f"m@{revisions[3]}",
        f"m@{revisions[4]}",
    ]
    assert revisions[3] != revisions[4] and found[1] is get_model("kmer_logreg")
    assert [card.place for card in found[3:]] == [f"{tmp_path.name}/a/m", f"{tmp_path.name}/b/m"]


def test_a_registered_model_keeps_its_name_beside_another_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file may be named before another registers the name that it has."""
    monkeypatch.chdir(tmp_path)
    Path("comes_later.py").write_text(EMBED)
    Path("other.py").write_text(
        "from baserate.registry import model\n"
        "@model('comes_later', modes={'linear_probe': {}}, description='d')\ndef load(): ...\n"
    )
    plain, registered = find_models(["comes_later.py", "other.py"])
    assert plain.name == f"comes_later@{plain.revision().partition(':')[2][:8]}"
    assert registered.name == "comes_later"


def test_models_of_one_name_in_two_blocks_of_a_suite_are_two(
    tmp_path: Path, toy_card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "m.py").write_text(EMBED + f"# {name}\n")
        blocks.append(f"[[cells]]\ntasks = ['{toy_card}']\nmodels = ['{name}/m.py', 'constant']\n")
    (tmp_path / "s.toml").write_text("".join(blocks))
    names = [cell.card.name for cell in load_suite("s.toml").cells]
    assert len(set(names)) == 3 and sum(name.startswith("m@") for name in names) == 2


def test_two_tasks_of_one_name_are_refused_with_both_origins(
    tmp_path: Path, toy_card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = toy_card.read_text().replace("toy.csv", str(toy_card.with_name("toy.csv")))
    for name in ("a", "b"):
        Path(f"{name}.toml").write_text(text)
    refused = r"task 'toy_motif(\(shots=2\))?@1' is defined twice: a\.toml and b\.toml; rename one of them"
    for names in (["a.toml", "b.toml"], ["a.toml", "./a.toml", "b.toml"], ["a.toml(shots=2)", "b.toml(shots=2)"]):
        with pytest.raises(DuplicateName, match=refused):
            find_tasks(names)
    Path("s.toml").write_text(
        "".join(f"[[cells]]\ntasks = ['{name}.toml']\nmodels = ['constant']\n" for name in ("a", "b"))
    )
    with pytest.raises(DuplicateName, match=refused):
        load_suite("s.toml")
    Path("b.toml").write_text(text.replace("kind", "version = 2\nkind", 1))
    assert [t.id for t in find_tasks(["a.toml", "./a.toml", "b.toml"])] == ["toy_motif@1", "toy_motif@2"]
    assert len(load_suite("s.toml").cells) == 4


def test_a_task_named_twice_from_one_place_is_one() -> None:
    file = Path(TASKS.origin("wt1_exon5_splicing@1").rpartition(":")[0])
    names = ["wt1_exon5_splicing", "wt1_*", "wt1_exon5_splicing@1", str(file)]
    assert [t.name for t in find_tasks(names)] == ["wt1_exon5_splicing", "wt1_exon5_splicing.small"]
    gue = file.with_name("gue.toml")
    assert len(find_tasks(["gue.prom_*", f"{gue}:prom_*", "gue.prom_core_all"])) == len(find_tasks(["gue.prom_*"]))


def test_a_model_registered_by_two_files_is_refused_with_both(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.py").write_text(
            "from baserate.registry import model\n"
            "@model('twice_registered', modes={}, description='d')\ndef load(): ...\n"
        )
    with pytest.raises(DuplicateName, match=r"'twice_registered' is defined twice: .*a\.py:2 and .*b\.py:2; rename"):
        find_models([str(tmp_path / "a.py"), str(tmp_path / "b.py")])


def test_a_twin_never_takes_the_name_of_another_model(tmp_path: Path) -> None:
    build(tmp_path / "net", LAYOUTS["esm-rotary"])
    build(tmp_path / "net_random", LAYOUTS["esm-rotary"])
    cards = find_models([str(tmp_path / "net_random"), str(tmp_path / "net")], random_weights=True)
    assert len({card.name for card in cards}) == len(cards) == 4


def test_a_parameter_is_named_once(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text(EMBED)
    card = find_model(f"{tmp_path}/m.py(python='/x', timeout=2)")
    assert (card.name, card.params) == ("m(python='/x', timeout=2)", {"python": "/x", "timeout": 2})


@pytest.mark.parametrize("name", ["./m@1", "./ck[1]", "./ck (1)", "ck(1)", "./b(1)/ck@2", "./m@1/", "./a(k=1)"])
def test_a_folder_may_have_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """It is found, and then has no config.json."""
    monkeypatch.chdir(tmp_path)
    Path(name).mkdir(parents=True)
    for typed in (name, f"{name}(precision='auto')"):
        for look in (find_model, find, lambda text: find_models([text])):
            with pytest.raises(ConfigError, match=r"no config\.json"):
                look(typed)


@pytest.mark.parametrize("name", ["./m@1.py", "./d[1].py", "./b(1)/x.py", "./b (1)/d[2]@3.py"])
def test_a_file_may_have_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_text(EMBED)
    (card,) = find_models([name])
    assert card.name == Path(name).stem and find_model(name).name == card.name
    (card,) = find_models([f"{name}(python='/o(1)/python')"])
    assert card.name == f"{Path(name).stem}(python='/o(1)/python')" and card.params["python"] == "/o(1)/python"


def test_a_registered_name_goes_before_a_folder_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("kmer_logreg", "yeast_coding"):
        Path(name).mkdir()
    assert find_model("kmer_logreg") is get_model("kmer_logreg")
    assert [t.name for t in find_tasks(["yeast_coding"])] == ["yeast_coding"]
    for missing in ("my_checkpoint/", "./my_checkpoint", "./ck[2]", "./*"):
        for look in (find_model, find, lambda text: find_models([text])):
            with pytest.raises(ConfigError, match=r"no such folder|matches no folder of a checkpoint"):
                look(missing)


def test_folder_without_a_checkpoint_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no config\.json, so this is not a Hugging Face checkpoint directory"):
        find_model(str(tmp_path))
    with pytest.raises(ConfigError, match=r"none: no such folder"):
        find_model(str(tmp_path / "none"))


def test_built_in_suites_name_what_exists() -> None:
    quickstart, standard = load_suite("quickstart"), load_suite("standard")
    assert {c.task.name for c in quickstart.cells} <= {f"{c.task.name}.small" for c in standard.cells}
    models = [cell.card.name for cell in quickstart.cells]
    assert len(set(models)) == sum(a != b for a, b in zip(models, ["", *models], strict=False)), (
        "a model's cells together"
    )


def test_a_suite_declares_the_baseline_of_its_tasks_or_of_a_block(tmp_path: Path) -> None:
    blocks = [
        "[[cells]]\ntasks = ['yeast_coding']\nmodels = ['cnn', 'length']",
        "[[cells]]\ntasks = ['human_splice_sites']\nmodels = ['cnn', 'gc_content']\n"
        "baseline = 'gc_content:from_scratch'",
        "[[cells]]\ntasks = ['human_splice_sites']\nmodels = ['baserate_mlm']\nmodes = ['linear_probe']",
    ]
    for whole, yeast in (("", ""), ("baseline = 'cnn'\n", "cnn")):
        (tmp_path / "mine.toml").write_text(whole + "\n".join(blocks))
        found = {(c.task.name, c.baseline) for c in load_suite(str(tmp_path / "mine.toml")).cells}
        assert found == {("yeast_coding", yeast), ("human_splice_sites", "gc_content:from_scratch")}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[cells]]\ntasks = ['yeast_codng']", "Did you mean 'yeast_coding"),
        ("[[cells]]\ntasks = ['yeast_coding']\nmodes = ['probe']", "Unknown mode 'probe'. Did you mean 'linear_probe'"),
        ("[[cell]]", "unknown key 'cell'; did you mean 'cells'?"),
        ("seeds = [0]", "the suite has no cells"),
        ("baseline = 3\n[[cells]]\ntasks = ['yeast_coding']\nmodels = ['cnn']", "expected the name of one baseline"),
        (
            "[[cells]]\ntasks = ['yeast_coding']\nmodels = ['cnn', 'length']\nbaseline = 'cn'",
            "Unknown baseline 'cn'. Did you mean 'cnn'",
        ),
        ("baseline = 'cn'\n[[cells]]\ntasks = ['yeast_coding']\nmodels = ['cnn']", "Did you mean 'cnn'"),
        (
            "[[cells]]\ntasks = ['yeast_coding']\nmodels = ['cnn']\nbaseline = 'cnn'\n"
            "[[cells]]\ntasks = ['yeast_coding']\nmodels = ['length']\nbaseline = 'length'",
            "yeast_coding has two baselines, 'cnn' and 'length'",
        ),
    ],
)
def test_mistakes_in_a_suite_are_one_clear_line(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "s.toml").write_text(text)
    with pytest.raises(BaserateError) as error:
        load_suite(str(tmp_path / "s.toml"))
    assert said in str(error.value)


def test_listing_shows_every_kind_and_nothing_broken() -> None:
    found = listing()
    assert {"tasks", "models", "checkpoints", "baselines", "suites", "broken"} == set(found)
    assert found["broken"] == {}
    assert {row["name"] for row in found["suites"]} >= {"quickstart", "standard"}


def test_a_card_of_pairs_needs_no_label_and_is_scored_by_its_rule(tmp_path: Path) -> None:
    parts = ["train", "train", "valid", *["test"] * 6]
    pairs = [f"p{i},{'ACGT' * (5 + i)},{'TTGCA' * (4 + i)},{part}" for i, part in enumerate(parts)]
    rows = ["id,real,shuffled,part", *pairs]
    (tmp_path / "pairs.csv").write_text("\n".join(rows) + "\n")
    card = tmp_path / "pairs.toml"
    text = """
name = "pairs"
kind = "paired"
zero_shot = ["likelihood"]
[source]
table = "pairs.csv"
sequence = "real"
alternate = "shuffled"
id = "id"
group = "id"
strata = ["part"]
[split]
rule = "predefined"
column = "part"
"""
    card.write_text(text)
    task = task_card(card)
    assert (task.metrics, task.variants) == (("paired_accuracy",), False)
    test = load_split(task).test
    assert len(test) == 6 and test.inputs.alternates is not None and test.inputs.positions is None
    assert mode_settings("zero_shot", get_model("baserate_mlm"), task)["rule"] == "likelihood"
    for old, new, said in (
        ('zero_shot = ["likelihood"]', 'zero_shot = ["likelyhood"]', "Did you mean 'likelihood'"),
        ('alternate = "shuffled"', "", "a paired task needs alternate"),
    ):
        card.write_text(text.replace(old, new))
        with pytest.raises(ConfigError, match=said):
            load_split(task_card(card))


def test_a_benchmark_is_no_grid_and_says_how_it_is_run() -> None:
    with pytest.raises(UnknownName, match=r"'gue' is a benchmark: the tasks 'gue\.\*' are its own"):
        load_suite("gue")
