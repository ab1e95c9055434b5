"""How tasks name metrics: over all examples, or over strata."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..errors import ConfigError, UnknownName
from ..types import StrArray
from .metric import METRICS, Better, Metric, Span


@dataclass(frozen=True)
class Expression:
    """A metric over all examples or strata: `mcc`, `mcc:species=human`, `spearman:background=*`, `mcc:species=a-b`.

    `terms` is what follows `column=`: `*` for the mean over all values of the column, `a+b` for the mean over those
    listed, `a-b` for a difference of two such means. `*n` is the mean over all values weighted by how many examples
    each has, without those on whose targets the metric does not exist: `auprc:chrom=*n` is what TraitGym calls
    AUPRC_by_chrom_weighted_average. `one_value` says that `terms` is a value that has '+' or '-' in it.
    """

    metric: Metric
    column: str = ""
    terms: str = ""
    one_value: bool = False

    @property
    def text(self) -> str:
        """The expression as `parse` reads it."""
        return f"{self.metric.name}:{self.column}={self.terms}" if self.column else self.metric.name

    @property
    def weighted(self) -> bool:
        """Whether strata are weighted by how many examples they have."""
        return self.terms == "*n"

    @property
    def label(self) -> str:
        """The expression as a table's heading shows it."""
        if not self.column:
            return self.metric.label
        if self.terms == "*":
            return f"{self.metric.label}, mean over {self.column}"
        if self.weighted:
            return f"{self.metric.label}, mean over {self.column} by size"
        terms = self.terms if self.one_value else self.terms.replace("+", " + ").replace("-", " − ")
        return f"{self.metric.label}, {terms}"

    @property
    def better(self) -> Better:
        """Whether higher or lower is better; '' for a difference, which is neither."""
        return "" if self.is_difference else self.metric.better

    @property
    def span(self) -> Span | None:
        """The least and the largest value that there can be; None for a difference, or a metric without bounds."""
        return None if self.is_difference else self.metric.span

    @property
    def is_difference(self) -> bool:
        """Whether it is one mean minus another."""
        return "-" in self.terms and not self.one_value

    def sides(self, strata: Mapping[str, StrArray]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the strata whose mean is taken and those whose mean is subtracted; both empty for all examples.

        A value with '+' or '-' in it is recognised where `terms` is that value alone. Raises ConfigError for a column
        or a value that does not exist.
        """
        if not self.column:
            return (), ()
        if self.column not in strata:
            raise UnknownName("stratum column", self.column, strata, f"Metric {self.text!r} names it.")
        known = sorted(set(strata[self.column]))
        if self.terms in ("*", "*n"):
            return tuple(known), ()
        if self.terms in known:
            return (self.terms,), ()
        left, _, right = self.terms.partition("-")
        sides = tuple(tuple(side.split("+")) if side else () for side in (left, right))
        for value in (*sides[0], *sides[1]):
            if value not in known:
                raise UnknownName(f"value of {self.column!r}", value, known, f"Metric {self.text!r} names it.")
        return sides[0], sides[1]


def parse(text: str, strata: Iterable[str] | None = None) -> Expression:
    """Return the expression that `text`, NAME or NAME:COLUMN=TERMS, stands for.

    `strata` are names of columns, or columns, whose values then say what is one value and what is a difference. Raises
    ConfigError for an unknown metric, for a column that is not among `strata` where these are given, and for wrong
    syntax.
    """
    name, colon, rest = text.partition(":")
    metric = METRICS.get(name)
    if not colon:
        return Expression(metric)
    column, equals, terms = rest.partition("=")
    if not column or not equals or not all(v for side in terms.split("-") for v in side.split("+")):
        raise ConfigError(f"metric {text!r}: expected NAME:COLUMN=VALUE, with '*', '*n', 'a', 'a+b' or 'a-b' for VALUE")
    if strata is not None and column not in strata:
        raise UnknownName("stratum column", column, strata, f"Metric {text!r} names it.")
    one = isinstance(strata, Mapping) and ("-" in terms or "+" in terms) and bool((strata[column] == terms).any())
    return Expression(metric, column, terms, one)
