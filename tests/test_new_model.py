"""`baserate new model`: what it counts of a checkpoint folder, how the card is read, and that records follow it."""

from __future__ import annotations

import json
import pickle
import shutil
import tomllib
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("transformers")

from click.testing import CliRunner

from baserate.cards.checkpoint import checkpoint_card
from baserate.cards.find import find, find_model
from baserate.cards.model_file import MODEL_FILE, ModelFile
from baserate.cards.task import task_card
from baserate.cli import cli
from baserate.dna.taxa import misspelt
from baserate.errors import BaserateError, ConfigError, DataError
from baserate.evaluate import Worker
from baserate.networks.counted import counted
from baserate.networks.families import GENERIC, identify
from baserate.networks.hub import Location, folder_digest, read_config
from baserate.new_model import new_model
from baserate.plan import Protocol, plan
from baserate.registry import TASKS
from baserate.run import run_cell
from baserate.types import Exposure

from .checkpoints import LAYOUTS, build, opened

SHIPPED = Path(__file__).parent.parent / "models" / "checkpoints" / "baserate_mlm"
CORPUS = '[[pretraining]]\ncorpus = "genome"\nspecies = "Homo sapiens"\n'


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A masked model of 3-mers, 70 tokens long."""
    return build(tmp_path_factory.mktemp("built") / "mine", LAYOUTS["esm-absolute"])


@pytest.fixture
def mine(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "mine"))


def with_card(folder: Path, text: str) -> Path:
    (folder / MODEL_FILE).write_text(text)
    return folder


@pytest.mark.parametrize("name", LAYOUTS)
def test_what_is_counted_is_what_the_loaded_network_has(name: str, tmp_path: Path) -> None:
    folder = build(tmp_path / "m", LAYOUTS[name])
    facts = tomllib.loads(new_model(str(folder)).text)
    model = opened(folder)
    assert facts["parameters"] == sum(p.numel() for p in model.network.parameters())
    assert facts["vocabulary"] == model.tokens.vocabulary.size
    fits = model.context
    assert facts.get("context") == fits
    words = {"nucleotide": "single bases", "kmer": "3-mers side by side", "overlapping_kmer": "overlapping 3-mers"}
    assert facts["tokenizer"] == words.get(model.tokens.kind, "subwords")
    assert facts["architecture"] == json.loads((folder / "config.json").read_text())["architectures"][0]
    card = find_model(str(folder))
    assert card.parameters == facts["parameters"] and card.context == fits and not card.pretraining


def test_the_digest_of_the_folder_stays_and_what_it_saw_is_on_the_card(mine: Path) -> None:
    before, card = folder_digest(mine), find_model(str(mine))
    made = new_model(str(mine))
    assert made.path == mine / MODEL_FILE and made.fill_in == ("description", "licence", "citation", "pretraining")
    saw = '[[pretraining]]\ncorpus = "human"\nspecies = "human"\nassembly = "GRCh38"\nheld_out = ["chr8"]\n'
    with_card(mine, f'licence = "in-house"\ncitation = "A 2026"\ndescription = "Ours."\n{made.text}{saw}')
    after = find_model(str(mine))
    assert folder_digest(mine) == before and after.revision() == card.revision()
    assert after.pretraining == (Exposure("human", "human", "GRCh38", ("*",), held_out=("chr8",)),)
    assert (after.licence, after.citation, after.description) == ("in-house", "A 2026", "Ours.")
    assert "3-mers side by side (" in after.tokenizer
    twin = checkpoint_card(Location(str(mine), mine, ""), random_weights=True)
    assert twin.pretraining == () and twin.parameters == after.parameters
    assert pickle.loads(pickle.dumps(after)).pretraining == after.pretraining


def test_a_card_is_written_once_whole_or_not_at_all(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = new_model(str(mine)).text
    with pytest.raises(ConfigError, match=r"baserate\.toml exists already; .*--force"):
        new_model(str(mine))
    with_card(mine, "broken [")
    assert new_model(str(mine), force=True).text == text == (mine / MODEL_FILE).read_text()
    names = sorted(f.name for f in mine.iterdir())
    (mine / MODEL_FILE).unlink()

    def full(path: Path, text: str, **_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(ConfigError, match=r"baserate\.toml: cannot be written \(No space left on device\)"):
        new_model(str(mine))
    assert sorted(f.name for f in mine.iterdir()) == [n for n in names if n != MODEL_FILE]


def test_every_line_of_a_new_card_can_be_filled_in(mine: Path) -> None:
    """With the #s removed the text is TOML, and each value that nobody filled in is refused."""
    lines = new_model(str(mine)).text.splitlines()
    lines = [
        line.removeprefix("# ") if (line.startswith(("# [", "# ")) and "=" in line) or line.startswith("# [[") else line
        for line in lines
    ]
    with_card(mine, "\n".join(lines))
    with pytest.raises(ConfigError, match=r"\[\[pretraining\]\] 1: corpus = '\.\.\.' is still to fill in"):
        find_model(str(mine))
    filled = "\n".join(lines).replace('species = "..."', 'species = "Zea mays"').replace("...", "x")
    card = find_model(str(with_card(mine, filled)))
    assert card.pretraining == (Exposure("x", "Zea mays", "x", ("*",), "train", ("x",)),) and card.licence == "x"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("license = 'x'", "unknown key 'license'; did you mean 'licence'?"),
        ("licence = 3", ": licence = 3; expected text in quotes"),
        ("licence = '...'", "licence = '...' is still to fill in"),
        ("parameters = 12", "parameters = 12; the weights have {parameters}; correct it"),
        ("parameters = 0", "parameters = 0; expected a number above 0"),
        ("parameters = true", "parameters = True; expected a whole number"),
        ("vocabulary = 999", "vocabulary = 999; config.json has vocab_size = {vocabulary}"),
        ("context = 211", "context = 211 bp; at most 70 tokens fit, which spell 210 bp"),
        ("architecture = 'EsmForMaskedML'", "architecture = 'EsmForMaskedML'; config.json has 'EsmForMaskedLM'"),
        ("pretraining = 'human'", "pretraining = 'human'; expected a table [[pretraining]] for each corpus"),
        ("[[pretraining]]\ncorpus = 'x'", "[[pretraining]] 1: key 'species' is missing"),
        (CORPUS + "region = ['*']", "[[pretraining]] 1: unknown key 'region'; did you mean 'regions'?"),
        (CORPUS + "regions = 'chr1'", "[[pretraining]] 1 regions = 'chr1'; expected a list of text in quotes"),
        (CORPUS + "regions = []", "regions = []; expected a list"),
        (CORPUS + "regions = ['chr1:5M-6M']", "regions: 'chr1:5M-6M'; expected a contig, a glob"),
        (CORPUS + "held_out = ['chr1:9-9']", "held_out: 'chr1:9-9'; expected a contig"),
        (CORPUS + "level = 'test'", "level = 'test'; expected 'train' or 'homologous'"),
        (CORPUS.replace("sapiens", "sapeins"), "species = 'Homo sapeins'; did you mean 'Homo sapiens'?"),
        ("licence = ", "not TOML"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_card_is_one_line_with_file_and_key(mine: Path, text: str, message: str) -> None:
    card = new_model(str(mine))
    known = dict(card.counted)
    vocabulary = f"{json.loads((mine / 'config.json').read_text())['vocab_size']:,}"
    with pytest.raises(BaserateError) as error:
        find_model(str(with_card(mine, text)))
    assert message.format(parameters=known["parameters"], vocabulary=vocabulary) in str(error.value)
    assert str(error.value).startswith(f"{mine / MODEL_FILE}: ") and "\n" not in str(error.value)


def test_names_of_species_that_are_almost_right() -> None:
    """A known or an unlike species passes; a slip of the keyboard in a built-in task's species does not."""
    species = {s for task in TASKS.all().values() for s in task.species}
    assert not [s for s in species if misspelt(s)]
    for name in (
        "Solanum lycopersicoides",
        "Mus spretus",
        "moose",
        "mammals",
        "human",
        "Oryza glaberrima",
        "850 species",
        "rat",
    ):
        assert not misspelt(name), name
    two_words = [s for s in species if s.count(" ") == 1 and s[0].isupper()]
    for name in two_words:
        assert misspelt(name[:-3] + name[-2] + name[-3] + name[-1]) == name or name[-2] == name[-3], name
        assert misspelt(name[:2] + name[3:]) == name


def test_a_folder_that_is_no_checkpoint(mine: Path, tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    weights.mkdir()
    shutil.copy(mine / "model.safetensors", weights)
    for look in (new_model, find_model):
        with pytest.raises(ConfigError, match=r"has weights \(model\.safetensors\) but no config\.json, .*copy config"):
            look(str(weights))
    with pytest.raises(ConfigError, match=r"/mien: no such folder; did you mean '.*/mine'\?$"):
        new_model(str(tmp_path / "mien"))
    with pytest.raises(ConfigError, match=r"is a file; name the folder of the checkpoint"):
        new_model(str(mine / "config.json"))
    with pytest.raises(ConfigError, match=r"no such folder; of a model on the hub, .*: hf download org/tiny --local"):
        new_model("org/tiny")
    for odd in ("", "a\0b", "x" * 5000):
        with pytest.raises(ConfigError, match="no such folder"):
            new_model(odd)
    cut = mine / "model.safetensors"
    cut.write_bytes(cut.read_bytes()[:100])
    with pytest.raises(DataError, match=r"model\.safetensors: not a readable safetensors file"):
        new_model(str(mine))
    assert not (mine / MODEL_FILE).exists() and not (weights / MODEL_FILE).exists()


def test_nothing_of_the_folder_runs_and_no_pickle_is_read(mine: Path) -> None:
    """Of a model with code of its own and pickled weights the architecture alone is counted."""
    (mine / "model.safetensors").unlink()
    (mine / "pytorch_model.bin").write_bytes(b"no pickle")
    (mine / "code.py").write_text("raise SystemExit('ran')")
    config = json.loads((mine / "config.json").read_text())
    mapped = {"AutoConfig": "code.C", "AutoModelForMaskedLM": "code.M"}
    (mine / "config.json").write_text(json.dumps(config | {"model_type": "own", "auto_map": mapped}))
    made = new_model(str(mine))
    assert dict(made.counted) == {"architecture": "EsmForMaskedLM"}


def test_shards_are_counted_and_quantised_weights_are_not(mine: Path) -> None:
    whole = opened(mine)
    n = sum(p.numel() for p in whole.network.parameters())
    (mine / "model.safetensors").unlink()
    whole.network.save_pretrained(mine, max_shard_size="4KB")
    assert len(list(mine.glob("model-*.safetensors"))) > 1
    content, _ = read_config(Location(str(mine), mine, ""))
    assert counted(mine, content, GENERIC, where="m").parameters == n
    assert counted(mine, {**content, "quantization_config": {"bits": 4}}, GENERIC, where="m").parameters is None
    next(mine.glob("model-*.safetensors")).unlink()
    with pytest.raises(DataError, match=r"model-.*\.safetensors: cannot be read"):
        new_model(str(mine))


def test_corpora_of_a_model_trained_here_and_of_the_one_it_comes_from(mine: Path, tmp_path: Path) -> None:
    trained = Path(shutil.copytree(SHIPPED, tmp_path / "trained"))
    made = new_model(str(trained))
    corpora = find_model(str(trained)).pretraining
    assert len(corpora) == 7 and corpora[0].regions == ("chr1:0-200000000",) and "pretraining" not in made.fill_in
    config = json.loads((mine / "config.json").read_text())
    listed = "InstaDeepAI/nucleotide-transformer-500m-human-ref"
    (mine / "config.json").write_text(json.dumps(config | {"_name_or_path": listed}))
    assert f"comes from {listed}, so it saw" in new_model(str(mine)).text
    published = identify(listed, {})[1]
    assert published is not None
    ours = find_model(str(with_card(mine, CORPUS + 'regions = ["chr1"]')))
    assert ours.pretraining == (*published.pretraining, Exposure("genome", "Homo sapiens", "", ("chr1",)))


def test_a_card_written_after_the_run_reaches_the_record(mine: Path, toy_card: Path, tmp_path: Path) -> None:
    """The scores stay, to the digit; what the model saw is now known."""
    task = replace(task_card(toy_card), species=("Zea mays",))
    results = tmp_path / "results"

    def run() -> tuple[str, dict[str, str], list[float]]:
        cell = plan([task], [find_model(str(mine))], ["linear_probe"], {"penalties": [1.0]})[0]
        worker = Worker(Protocol(seeds=(0,)), audited=False, checked=False)
        result = run_cell(cell, worker, results)
        assert result.record is not None, result.reason
        record = result.record
        assert record.hash == cell_hash.setdefault("hash", record.hash) and len(list(results.rglob("record.json"))) == 1
        return result.status, dict(record.exposure), record.predictions.scores.ravel().tolist()

    cell_hash: dict[str, str] = {}
    status, exposure, scores = run()
    assert status == "done" and exposure["status"] == "unknown"
    new_model(str(mine))
    assert run() == ("done_before", exposure, scores)
    with_card(mine, CORPUS.replace("Homo sapiens", "maize"))
    again = run()
    assert again[0] == "done_before" and again[1]["status"] == "exposed" and again[2] == scores
    with_card(mine, CORPUS)
    assert run()[1]["status"] == "clean"


def test_from_the_command_line(mine: Path) -> None:
    run = CliRunner()
    done = run.invoke(cli, ["new", "model", str(mine)])
    assert done.exit_code == 0 and done.stdout.endswith(f"baserate show {mine}\nbaserate check {mine}\n")
    assert "3-mers side by side" in done.stdout and "To fill in: description, licence, citation, pretr" in done.stdout
    assert run.invoke(cli, ["new", "model", str(mine), "--force", "--quiet"]).stdout.count("\n") == 2
    with pytest.raises(ConfigError, match=f"is the card of a checkpoint; name its folder, {mine}$"):
        find(str(mine / MODEL_FILE))
    shown = run.invoke(cli, ["show", str(mine), "--json"])
    assert json.loads(shown.stdout)["tokenizer"].startswith("3-mers side by side")
    assert "baserate new model ./my_checkpoint" in run.invoke(cli, ["new", "model", "--help"]).output


def test_a_tokenizer_with_more_ids_than_the_network_has(mine: Path) -> None:
    """Its vocabulary is left out, rather than written and then refused."""
    content = json.loads((mine / "config.json").read_text())
    assert content["vocab_size"] > 60
    (mine / "config.json").write_text(json.dumps(content | {"vocab_size": 60}))
    made = new_model(str(mine))
    assert "vocabulary" not in dict(made.counted) and dict(made.counted)["tokenizer"] == "3-mers side by side"


VALUES = (
    '1', '-1', '2.5', 'true', '"x"', '"..."', '""', '[]', '["a"]', '[1]', '{a=1}', '1979-05-27', 'inf',
    '1e400', '[["a"]]', '99999999999999999999999', r'"\u0000"', '["chr1:5"]', '["chr1:,-,"]', '"train"',
    '"Homo sapiens"', '["*"]', '[""]',
    r'"a\nb"',
)  # fmt: skip


def test_whatever_a_card_holds_it_is_read_or_refused_in_one_line(mine: Path) -> None:
    rng = np.random.default_rng(0)
    keys, corpus = [f.name for f in fields(ModelFile)], [f.name for f in fields(Exposure)]
    read = 0
    for _ in range(200):
        lines = [f"{key} = {rng.choice(VALUES)}" for key in rng.choice(keys, int(rng.integers(4)), replace=False)]
        for _ in range(int(rng.integers(3))):
            own = {key: str(rng.choice(VALUES)) for key in rng.choice(corpus, 2, replace=False)}
            given = {"corpus": '"x"', "species": '"Zea mays"', **own}
            lines += ["[[pretraining]]", *(f"{key} = {value}" for key, value in given.items())]
        try:
            find_model(str(with_card(mine, "\n".join(lines))))
            read += 1
        except BaserateError as error:
            assert str(error).startswith(f"{mine / MODEL_FILE}: ") and "\n" not in str(error)
    assert 10 < read < 150
