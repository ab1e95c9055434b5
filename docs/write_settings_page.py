"""The page on settings, docs/settings.md, written from the tables that runs are checked and recorded by.

python docs/write_settings_page.py
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from baserate.modes import MODES
from baserate.networks.settings import EMBEDDING, KINDS, TRAINING
from baserate.probes.probe import PROBES
from baserate.registry import MODELS
from baserate.settings import Settings
from baserate.types import ModelCard
from baserate.zero_shot import RULES

_INTRODUCTION = """\
# Settings

What `--set NAME=VALUE`, a suite's `settings`, a card's `modes` and `br.run(settings=...)` can change, and what holds
where nobody does. Every setting of a run stands in its record with its value, defaults too, and two runs that differ in
one are two results. Only what runs did before there was a setting is in no record, such as `window` = `'truncate'`. A
mode, a zero-shot rule, a probe, a baseline and a split rule each have a version, which is raised whenever what they
compute changes and which is part of a result's identity too; moving or tidying code changes neither.

Where the table says "or several", a list of values, as in `--set 'layer=[1,2,-1]'`, is for `linear_probe` to choose
from on valid. Where it says what a budget tries, the trials of `--budget` draw values from there, unless you set one
yourself ([A fair comparison](fair.md)).
"""


def settings_page() -> str:
    """Return the page as Markdown."""
    parts = [_INTRODUCTION, "## Modes", ""]
    for name, mode in sorted(MODES.all().items()):
        parts += [f"### {name} (version {mode.version})", "", *_table(mode.settings), ""]
        if name == "linear_probe":
            parts += ["Of a network also:", "", *_table(EMBEDDING, chosen=True), ""]
        if name == "fine_tune":
            parts += ["Of a network also:", "", *_table(TRAINING), ""]
            for kind, table in KINDS.items():
                parts += [f"With `train = {kind!r}` also:", "", *_table(table), ""]
    parts += ["## Zero-shot rules", ""]
    for name, rule in sorted(RULES.all().items()):
        parts += [f"### {name} (version {rule.version})", "", rule.description, "", *_table(rule.settings), ""]
    parts += ["## Probes", ""]
    for name, probe in sorted(PROBES.all().items()):
        parts += [f"### {name} (version {probe.version})", "", probe.description, "", *_table(probe.settings), ""]
    own = (card for card in MODELS.all().values() if card.load.__module__.startswith("baserate."))
    searched = [card for card in own if card.search]
    if searched:
        parts += ["## Parameters of models and baselines that a budget tries", "", *_parameters(searched)]
    return "\n".join(parts).rstrip() + "\n"


def _parameters(cards: Sequence[ModelCard]) -> list[str]:
    lines = ["| model | parameter | default | a budget tries |", "|---|---|---|---|"]
    for card in sorted(cards, key=lambda card: card.name):
        for name, search in card.search.items():
            lines.append(f"| `{card.name}` | `{name}` | `{card.params[name]!r}` | {search} |")
    return lines


def _table(settings: Settings, *, chosen: bool = False) -> list[str]:
    if not settings:
        return ["No settings."]
    tried = any(setting.search for setting in settings.values())
    lines = ["| setting | default | what it may be | what it does |" + " a budget tries |" * tried]
    lines += ["|---" * (4 + tried) + "|"]
    for name, setting in settings.items():
        several = ", or several" if chosen and setting.several else ""
        default = "none" if setting.default is None else f"`{setting.default!r}`"
        search = f" {setting.search or ''} |" * tried
        only = "; only with `{}` = `{!r}`".format(*setting.beside) if setting.beside else ""
        lines.append(f"| `{name}` | {default} | {setting.expected}{several} | {setting.about}{only} |{search}")
    return lines


if __name__ == "__main__":
    Path(__file__).with_name("settings.md").write_text(settings_page(), encoding="utf-8")
