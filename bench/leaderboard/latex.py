"""The leaderboard as LaTeX for a paper: booktabs and siunitx, numbers aligned, what may be the best in bold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .paper import Block, about, gain_lines, p_text, paper_blocks, settings_notes, short_names
from .table import Cell, Column, Table
from .trust import TAINTED
from .wording import better_of, folded, label_of, notes_of, number

_SPECIAL = {
    "[": "{[}",  # after a line's end it would open an argument of it, as a star would be one
    "]": "{]}",
    "*": "{*}",
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "%": r"\%",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "−": r"\textminus{}",
    "–": "--",
    "—": "---",
    "·": r"\textperiodcentered{}",
    "×": r"\texttimes{}",
    "±": r"\textpm{}",
    "≥": r"\ensuremath{\geq}",
    "≤": r"\ensuremath{\leq}",
    "→": r"\ensuremath{\rightarrow}",
    "’": "'",
    TAINTED: r"\textdaggerdbl{}",
}
_STATUS = {"failed": "failed", "not_applicable": "n/a", "missing": "--"}

HEAD = """\
% \\usepackage[T1]{fontenc}
% \\usepackage{textcomp}
% \\usepackage{booktabs}
% \\usepackage{siunitx}
"""


def to_latex(table: Table) -> str:
    """Return tables of scores, a block of tasks each, and one of gains with p-values; the head names the packages.

    The winner is first. A row has two lines, its score and the 95 % interval below. All scores of a task that are not
    told apart from the best are bold.
    """
    if not table.columns:
        return HEAD + "% There are no results yet.\n"
    names, notes = short_names(table), settings_notes(table.rows)
    parts = [HEAD]
    for block in paper_blocks(table):
        parts += [*_block(table, block, names, notes), ""]
    return "\n".join([*parts, *_gains(table, names)]).rstrip() + "\n"


def escaped(text: str) -> str:
    """Return the text so that LaTeX sets it as it is: on one line, with no command; what T1 lacks as its code point."""
    out: list[str] = []
    for c in " ".join(text.split()):
        plain = c if (c.isascii() or "\xa1" <= c <= "\xff") and c.isprintable() else f"{{[}}U+{ord(c):04X}{{]}}"
        out.append("{-}" if c == "-" and out[-1:] == ["-"] else _SPECIAL.get(c, plain))
    return "".join(out)


def _block(table: Table, block: Block, names: Mapping[str, str], notes: Sequence[str]) -> list[str]:
    what = f"{escaped(block.title)}: t" if block.title else "T"
    caption = f"{what}est-set scores with 95\\,\\% intervals. Bold: may be the best of its task, by paired tests."
    caption += r" $\diamond$: the best baseline." if any(c.best_baseline for c in block.columns) else ""
    columns = "S[table-format=-1.3, table-space-text-post={$\\,\\diamond$}]" * len(block.columns)
    lines = [
        "\\begin{table}",
        "\\centering\\small",
        "\\setlength{\\tabcolsep}{4pt}",
        "\\sisetup{detect-weight=true, mode=text}",
        f"\\caption{{{caption}}}",
    ]
    lines += [f"\\begin{{tabular}}{{l{columns}}}", "\\toprule"]
    lines += [" & ".join(["Model", *(f"{{{_stacked(names[c.name])}}}" for c in block.columns)]) + r" \\"]
    lines += [" & ".join(["", *(f"{{{_metric(c)}}}" for c in block.columns)]) + r" \\", "\\midrule"]
    for row in block.rows:
        note = f"\\textsuperscript{{{notes.index(row.detail) + 1}}}" if row.detail else ""
        cells = [table.cell(row, column) for column in block.columns]
        scores = [_score(cell, column) for cell, column in zip(cells, block.columns, strict=True)]
        lines += [" & ".join([_left(row.model, 26) + note, *scores]) + r" \\"]
        below = [f"{{\\scriptsize {escaped(about(row))}}}", *map(_interval, cells)]
        lines += [" & ".join(below) + r" \\[2pt]"]
    lines += ["\\bottomrule", "\\end{tabular}"]
    shown = dict.fromkeys(row.detail for row in block.rows if row.detail)
    lines += [f"\\par\\footnotesize \\textsuperscript{{{notes.index(d) + 1}}} {escaped(d)}" for d in shown]
    own = dict.fromkeys(n for row in block.rows for c in block.columns for n in table.cell(row, c).notes)
    lines += [f"\\par\\footnotesize {escaped(note)}" for note in own if note in notes_of(table)]
    ids = escaped(", ".join(c.name for c in block.columns))
    return [*lines, f"\\par\\footnotesize Tasks: {ids}.", "\\end{table}"]


def _stacked(name: str, width: int = 13, after: str = "") -> str:
    """Return a heading in lines of readable width."""
    return r"\shortstack{" + r"\\".join(escaped(line) for line in folded(name, width).split("\n")) + after + "}"


def _left(name: str, width: int) -> str:
    """Return a name at the left, in lines of at most `width` letters, so that the longest fits the page."""
    lines = [line[i : i + width] for line in folded(name, width).split("\n") for i in range(0, len(line), width)]
    return escaped(name) if len(lines) < 2 else r"\shortstack[l]{" + r"\\".join(map(escaped, lines)) + "}"


def _metric(column: Column) -> str:
    if not column.metrics:
        return "--"
    arrow = {"higher": r" $\uparrow$", "lower": r" $\downarrow$", "": ""}[better_of(column)]
    return _stacked(label_of(column), 16, arrow)


def _score(cell: Cell, column: Column) -> str:
    if cell.status != "done" or not cell.estimates:
        return f"{{{_STATUS.get(cell.status, '--')}}}"
    if cell.value is None:
        return "{undefined}"
    mark = r"{$\,\diamond$}" if cell.row == column.best_baseline else ""
    return (r"\bfseries " if cell.best else "") + number(cell.value).replace("−", "-") + mark


def _interval(cell: Cell) -> str:
    e = cell.estimates[0] if cell.estimates else None
    if e is None or e.low is None or e.high is None:
        return ""
    return f"{{\\scriptsize [{_plain(e.low)}, {_plain(e.high)}]}}"


def _plain(value: float, *, signed: bool = False) -> str:
    return number(value, signed=signed).replace("−", "$-$").replace("+", "$+$")


def _gains(table: Table, names: Mapping[str, str]) -> list[str]:
    found = gain_lines(table)
    if not found:
        return []
    lines = ["\\begin{table}", "\\centering\\footnotesize", "\\setlength{\\tabcolsep}{3pt}"]
    lines += ["\\caption{Gains over the best baseline of each task, paired on the same test examples, with two-sided"]
    lines += ["$p$ and $p$ adjusted by Holm's method for all gains in this table.}"]
    lines += ["\\begin{tabular}{@{}lS[table-format=-1.3, retain-explicit-plus=true]lrrl@{}}", "\\toprule"]
    lines += [r"Model & {Gain} & 95\,\% interval & $p$ & $p_\mathrm{adj}$ & \\", "\\midrule"]
    last = ""
    for line in found:
        gain, column = line.gain, line.column
        if column.name != last:
            lines += ["\\addlinespace"] * bool(last)
            over = f", over {column.best_baseline}" if column.best_baseline else ""
            lines += [rf"\multicolumn{{6}}{{@{{}}l}}{{{_left(names[column.name] + over, 70)}}} \\"]
        bounds = "--"
        if gain.low is not None and gain.high is not None:
            bounds = f"[{_plain(gain.low, signed=True)}, {_plain(gain.high, signed=True)}]"
        ps = [escaped(p_text(p)) or "--" for p in (gain.p, gain.p_adjusted)]
        value = number(gain.value, signed=True).replace("−", "-")
        name = rf"\quad {_left(line.row.name, 34)}"
        lines += [" & ".join([name, value, bounds, *ps, gain.verdict or "--"]) + r" \\"]
        last = column.name
    return [*lines, "\\bottomrule", "\\end{tabular}", "\\end{table}"]
