"""Golden predictions: what each versioned thing gives for small made inputs, kept with the version that it declares.

`python tests/golden.py --write` writes what is missing, new cases of a version too, and removes versions that are no
more; it refuses where predictions moved under the same version. `--anew` writes all of them, for when the inputs or the
packages below change.
"""

from __future__ import annotations

import argparse
import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from golden_inputs import KINDS, MODEL_IN, MODEL_WITH, SIZES, Native, places, split_of, split_rules, task_of, tokens
from threadpoolctl import threadpool_info

from baserate import splits
from baserate.errors import BaserateError, MissingExtra
from baserate.modes import MODES, mode_settings, versions_of
from baserate.modes.job import Job
from baserate.networks.settings import KIND_VERSIONS, NETWORK
from baserate.networks.settings import KINDS as TRAININGS
from baserate.plan import TRAIN_FRACTION
from baserate.probes.probe import PROBES
from baserate.registry import MODELS, load_model, with_params
from baserate.settings import defaults
from baserate.splits.subsets import draw_shots
from baserate.transforms import TRANSFORMS, fit_transform, transform_version
from baserate.types import FloatArray, ModelCard
from baserate.zero_shot import RULES, Rule, score

FOLDER = Path(__file__).with_suffix("")
Cases = dict[str, Any]
"""What is kept of one version of one thing: predictions, or a text, by case."""

AVX2 = {"Haswell", "Zen"}
"""The names of OpenBLAS's kernels for processors that have AVX2 and no AVX-512."""
EXACT, ROUNDED, PROBED = 1e-6, 1e-4, 1e-3
"""Relative tolerances, by the largest value of a case. Between machines what counts and sums in float64 differs by the
order of sums alone. Networks and trees compute in float32, and a linear model is fitted until it changes little, which
was seen to move by 2e-5 with other instructions of the processor; on states of a network, by 2e-4."""


def rules(name: str) -> tuple[str, Cases]:
    """Return the version of a zero-shot rule, and scores of each kind of input, model and choice of its settings."""
    rule = RULES.get(name)
    needs = [(f" by {need}" if " or " in n else "", need) for n in rule.needs for need in n.split(" or ")]
    wanted = {"variants": ("variants", "pairs"), "sequences": ("two classes", "pairs"), "prompts": ("prompts",)}
    out: Cases = {}
    for by, need in needs:
        for kind in wanted[rule.sees]:
            split = split_of("measurement", variants=True) if kind == "variants" else split_of(kind)
            for changed in ({}, *_choices(rule)):
                told = ", ".join(f"{key}={value}" for key, value in changed.items())
                with _refused(out, case := f"{kind}{by}" + (f", {told}" if told else "")):
                    n_bases = 3 if rule.sees == "prompts" else 0
                    model = MODEL_WITH[need]()
                    out[case] = score(model, split.test.inputs, name, train=split.train, n_bases=n_bases, **changed)
    return f"version {rule.version}", out


def _choices(rule: Rule) -> Iterator[dict[str, Any]]:
    """Yield each other choice of each setting of a rule, one at a time."""
    values = {"layer": (1,), "temperature": (0.7,), "one_pass": (True,), "overlap": ()}  # overlap has no effect alone
    for key, setting in rule.settings.items():
        for value in setting.choices or values[key]:
            if value != setting.default:
                yield {key: value}


@contextmanager
def _refused(out: Cases, case: str) -> Iterator[None]:
    """Record that a case is refused, where it is; a thing that comes to serve it has moved, too."""
    try:
        yield
    except BaserateError:
        out[case] = "refused"


def probes(name: str) -> tuple[str, Cases]:
    """Return the version of a probe, and what it predicts for each kind of target from drawn features."""
    probe = PROBES.get(name)
    out: Cases = {}
    for kind, n_classes in (("two classes", 2), ("three classes", 3), ("labels", 3), ("measurement", 0)):
        split = split_of(kind)
        rng = np.random.default_rng(len(kind))
        train, valid, test = (rng.normal(size=(n, 6)).astype(np.float32) * 2 + 1 for n in SIZES.values())
        if probe.tokens:
            train, valid, test = (tokens(rng, n) for n in SIZES.values())
        with in_float64():
            fitted = probe.fit(
                *(train, split.train.targets, valid, split.valid.targets),
                n_classes=n_classes,
                seed=0,
                **defaults(probe.settings),
            )
        out[kind] = np.column_stack([fitted.predict(test), np.full(len(test), fitted.valid_loss)])
    return f"version {probe.version}", out


def modes(name: str) -> tuple[str, Cases]:
    """Return the versions of a mode and of its rule or probe, and its scores of each kind of task by a tiny network."""
    mode = MODES.get(name)
    own: Mapping[str, Any] = {"epochs": 2, "batch_size": 16} if "epochs" in NETWORK.get(name, {}) else {}
    card = ModelCard("tiny", lambda: None, {name: own}, {}, "d", lambda: "r", settings=NETWORK)
    out: Cases = {}
    versions: dict[str, str] = {}
    for kind, variants in (("two classes", False), ("measurement", True), ("bases", False), ("pairs", False)):
        task = task_of(kind, variants=variants)
        for rule in ("native", "masked_llr") if name == "zero_shot" and (variants or kind == "pairs") else ("",):
            case = f"{kind}{', variants' * variants}{f', {rule}' if rule else ''}"
            with _refused(out, case):
                mode.check(task, card)
                settings = mode_settings(name, card, task, {mode.part: rule} if rule else {})
                model = Native() if rule == "native" else MODEL_IN.get(name, MODEL_WITH["embed"])()
                job = Job(task, card, model, split_of(kind, variants=variants), settings, (0, 1), TRAIN_FRACTION)
                out[case] = mode.run(job)
                found = versions_of(mode, settings)
                versions |= {f"{k} {settings[k]}" if k in settings else k: v for k, v in found.items()}
    versions.pop("mode")
    parts = "".join(f", {part} version {version}" for part, version in sorted(versions.items()))
    return f"version {mode.version}{parts}", out


def trainings(name: str) -> tuple[str, Cases]:
    """Return the version of a kind of training, and what a tiny network that was trained so predicts."""
    card = ModelCard("tiny", lambda: None, {"fine_tune": {"epochs": 2}}, {}, "d", lambda: "r", settings=NETWORK)
    out: Cases = {}
    for kind, variants in (("two classes", False), ("measurement", True)):
        task = task_of(kind, variants=variants)
        settings = mode_settings("fine_tune", card, task, {"train": name})
        split = split_of(kind, variants=variants)
        out[kind] = MODES.get("fine_tune").run(
            Job(task, card, MODEL_WITH["masked_llr"](), split, settings, (0,), TRAIN_FRACTION)
        )
    return f"version {KIND_VERSIONS.get(name, 1)}", out


PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    "cnn": {"strand_augmentation": True},
    "kmer_logreg": {"gapped": 2, "canonical": True, "positional": 2},
    "nearest_train": {"k": 4, "neighbours": 3},
    "markov": {"order": 2},
    "pwm": {"window": 10},
    "maxentscan": {"reach": 3},
}
"""Parameters of baselines that are tried beside the defaults, on the first kind of task."""


def baselines(name: str) -> tuple[str, Cases]:
    """Return the version of a baseline, and what it predicts in each of its modes for each kind of task."""
    card = MODELS.get(name)
    kinds = [(kind, False) for kind in KINDS if kind != "bases"]
    kinds += [(kind, True) for kind in ("two classes", "measurement")]
    out: Cases = {}
    for params in ({}, PARAMETERS.get(name)):
        if params is None:
            continue
        model = load_model(with_params(card, **params))
        told = "".join(f", {key}={value}" for key, value in params.items())
        for mode in card.modes:
            served = [(k, v) for k, v in kinds if card.variants is None or card.variants == (v or k == "pairs")]
            for kind, variants in served:
                if MODES.get(mode).refuses(task_of(kind, variants=variants)):
                    continue
                case = f"{mode}: {kind}{', variants' * variants}{told}"
                with _refused(out, case):
                    out[case] = _of_baseline(model, card, mode, kind, variants)
    return card.revision(), out


def _of_baseline(model: Any, card: ModelCard, mode: str, kind: str, variants: bool) -> FloatArray:
    """Return what it predicts. The mode is left out, so that a fault in it is not told as one of each baseline."""
    task, split = task_of(kind, variants=variants), split_of(kind, variants=variants)
    if mode == "zero_shot":
        if hasattr(model, "learn"):
            model.learn(split.train.inputs)
        rule = mode_settings(mode, card, task)["rule"]
        n_bases = 3 if kind == "prompts" else 0
        return score(model, split.test.inputs, rule, train=split.train, n_bases=n_bases)
    with in_float64():  # in float32 the rounding of a processor decides when training stops
        fitted = model.fit(split.train, split.valid, n_classes=len(task.classes), seed=0)
        return np.asarray(fitted.predict(split.test.inputs), np.float64)


@contextmanager
def in_float64() -> Iterator[None]:
    """Let torch make networks of float64."""
    import torch

    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def splitting(name: str) -> tuple[str, Cases]:
    """Return the version of a class of split rule, and the part of each example by some rules: r, v, s, or - for none.

    Few-shot learning has beside it the rows that two seeds draw.
    """
    letters = {"train": "r", "valid": "v", "test": "s", "": "-"}
    out: Cases = {}
    for rule in split_rules()[name]:
        with _refused(out, repr(rule)):
            out[repr(rule)] = "".join(letters[part] for part in rule(places()))
    if name == "few_shot":
        for seed in (0, 1):
            out[f"rows of seed {seed}"] = " ".join(map(str, draw_shots(places(), 3, seed)))
    return f"version {getattr(splits, name).version}", out


def transforms(name: str) -> tuple[str, Cases]:
    """Return the version of a transform, what it makes of the measurements of valid, and of predictions."""
    out: Cases = {}
    for kind in ("measurement", "measurements"):
        train, valid = (np.abs(e.targets) for e in (split_of(kind).train, split_of(kind).valid))
        fitted = fit_transform(name, train)
        outputs = 1 if train.ndim == 1 else train.shape[1]
        out[f"{kind}, learnt"] = fitted.apply(valid)
        out[f"{kind}, predicted"] = fitted.undo(np.linspace(-0.3, 1.4, 18 * outputs).reshape(-1, outputs))
    return f"version {transform_version(name).partition(' ')[2]}", out


def split_names() -> list[str]:
    """Return the names of the classes of split rules, known by the version that each declares."""
    return sorted(name for name, value in vars(splits).items() if inspect.isclass(value) and hasattr(value, "version"))


THINGS: Mapping[str, tuple[Callable[[str], tuple[str, Cases]], Callable[[], list[str]]]] = {
    "zero-shot rule": (rules, lambda: sorted(RULES.all())),
    "probe": (probes, lambda: sorted(PROBES.all())),
    "mode": (modes, lambda: sorted(MODES.all())),
    "kind of training": (trainings, lambda: sorted(TRAININGS)),
    "baseline": (baselines, lambda: sorted(name for name, card in MODELS.all().items() if card.baseline)),
    "split rule": (splitting, split_names),
    "transform": (transforms, lambda: sorted(TRANSFORMS)),
}
"""By kind of thing: what gives version and predictions of one by name, and the names that there are."""


def tolerance(kind: str, name: str) -> float:
    """Return the relative tolerance of a thing's predictions."""
    if name == "linear_probe":
        return PROBED
    fitted = kind == "baseline" and "from_scratch" in MODELS.get(name).modes
    return ROUNDED if fitted or kind in ("zero-shot rule", "mode", "kind of training", "probe") else EXACT


def every() -> list[tuple[str, str]]:
    """Return the kind and the name of each thing that must have golden predictions."""
    return [(kind, name) for kind, (_, names) in THINGS.items() for name in names()]


def stored(kind: str) -> dict[str, Cases]:
    """Return the golden predictions of a kind by 'name version'; none where there is no file yet."""
    file = FOLDER / f"{kind.replace(' ', '_')}.json"
    found: dict[str, Cases] = json.loads(file.read_text()) if file.exists() else {}
    return found


def expected_here(kind: str, key: str) -> Cases | None:
    """Return the golden predictions of a thing as this processor makes them, None where there are none.

    Where classes can be told apart without a fault, a linear model stops at another place, up to 1.5e-3 away, with the
    kernels of OpenBLAS for processors without AVX-512, which `avx2.json` has; all others are the same to the tolerance.
    """
    cases = stored(kind).get(key)
    kernels = {str(pool.get("architecture")) for pool in threadpool_info()}
    if cases is None or not kernels & AVX2:
        return cases
    of_avx2: dict[str, Cases] = json.loads((FOLDER / "avx2.json").read_text())
    return cases | of_avx2.get(f"{kind} {key}", {})


def compare(expected: Cases, found: Cases, tolerance: float) -> list[str]:
    """Return the cases whose predictions differ, or are there on one side alone."""
    return [
        case
        for case in sorted({*expected, *found})
        if case not in expected or case not in found or not _same(expected[case], found[case], tolerance)
    ]


def _same(expected: Any, found: Any, tolerance: float) -> bool:
    if isinstance(expected, str) or isinstance(found, str):
        return bool(isinstance(expected, str) and isinstance(found, str) and expected == found)
    one, two = (np.array(v, np.float64) for v in (expected, found))
    if one.shape != two.shape or (np.isnan(one) != np.isnan(two)).any():
        return False
    largest = np.nanmax(np.abs(one), initial=0.0)
    return bool(np.allclose(one, two, rtol=tolerance, atol=tolerance * largest, equal_nan=True))


def _json(value: Any) -> Any:
    """Return JSON of a case, numbers to ten significant digits and null for what is not a number."""
    if isinstance(value, str):
        return value
    if np.ndim(value):
        return [_json(v) for v in value]
    return None if np.isnan(value) else float(f"{value:.10g}")


def write(*, anew: bool) -> list[str]:
    """Write what is missing, or all, and return lines on what moved and could not be written."""
    refused = []
    for kind, (make, names) in THINGS.items():
        before, after = stored(kind), {}
        for name in names():
            try:
                version, found = make(name)
            except MissingExtra as error:
                print(f"{kind} {name!r} is left as it is: {error}")
                after |= {key: cases for key, cases in before.items() if key.partition(" ")[0] == name}
                continue
            key = f"{name} {version}"
            known = {} if anew else before.get(key, {})
            moved = [case for case in compare(known, found, tolerance(kind, name)) if case in known]
            refused += [f"the predictions of {kind} {name!r} moved ({moved[0]}): raise its version"] if moved else []
            after[key] = {case: _json(value) for case, value in found.items()} | known
        lines = [
            f"{json.dumps(key)}: {{\n"
            + ",\n".join(f" {json.dumps(case)}: {json.dumps(value)}" for case, value in sorted(cases.items()))
            + "\n}"
            for key, cases in sorted(after.items())
        ]
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / f"{kind.replace(' ', '_')}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    return refused


def main() -> None:
    """Write golden predictions; see the top of this file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the versions that are missing")
    parser.add_argument("--anew", action="store_true", help="write all versions, whatever moved")
    asked = parser.parse_args()
    if not (asked.write or asked.anew):
        parser.error("expected --write or --anew")
    if refused := write(anew=asked.anew):
        raise SystemExit("\n".join(refused))


if __name__ == "__main__":
    main()
