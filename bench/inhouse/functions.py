"""Plain functions as a model: each is a capability, called with lists of str, and what it returns is checked."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError, DataError, NotApplicable
from ..progress import activity
from ..types import FloatArray, Inputs, IntArray, Strings, strings

Function = Callable[..., Any]

CHUNK = 64
"""How many examples a function gets at a time; what it returns must not depend on it."""


class FunctionModel:
    """A model whose capabilities are the functions given; it has no other methods.

    A function takes lists of str, upper-case DNA, and returns an array, a tensor or nested lists for n of them:
    `embed(sequences)` and `embed_sites(sequences, positions)` (n, d); `log_likelihood(sequences)` and
    `pseudo_log_likelihood(sequences)` (n,), nats; `next_base_log_probs(sequences)` (n, 4), nats, ACGT;
    `masked_llr(references, alternates)` and `score_variants(references, alternates)` (n,), ALT over REF, NaN where it
    has none; `predict(sequences)` (n, classes) probabilities, of classes or of labels, or (n,) or (n, outputs) values.
    `score_variants` also gets `positions`, and `predict` `alternates`, where they have that parameter.
    Further parameters are settings of the mode, such as `layer` of `embed`.

    Equal examples are computed once, `chunk` at a time. Raises DataError where a function returns another shape or a
    value that is not finite, and ConfigError for a setting that it does not take.
    """

    def __init__(
        self,
        *,
        embed: Function | None = None,
        embed_sites: Function | None = None,
        log_likelihood: Function | None = None,
        pseudo_log_likelihood: Function | None = None,
        next_base_log_probs: Function | None = None,
        masked_llr: Function | None = None,
        score_variants: Function | None = None,
        predict: Function | None = None,
        chunk: int = CHUNK,
        name: str = "",
    ) -> None:
        arguments = {
            "embed": embed,
            "embed_sites": embed_sites,
            "log_likelihood": log_likelihood,
            "pseudo_log_likelihood": pseudo_log_likelihood,
            "next_base_log_probs": next_base_log_probs,
            "masked_llr": masked_llr,
            "score_variants": score_variants,
            "predict": predict,
        }
        self.name = name
        if chunk < 1:
            raise ConfigError(f"chunk = {chunk}; expected 1 or more")
        functions = {key: function for key, function in arguments.items() if function is not None}
        if not functions:
            raise ConfigError(f"{name or 'FunctionModel'}: give one of {', '.join(FUNCTIONS)}")
        # A mode looks at which methods are there, so each is set only where its function was given.
        for key, function in functions.items():
            if not callable(function):
                raise ConfigError(f"{name or 'FunctionModel'}: {key} is a {type(function).__name__}, not a function")
            setattr(self, key, partial(_METHODS[key], _Call(key, function, _signature(function), name, chunk)))


@dataclass(frozen=True)
class _Expected:
    """The array that a function must return for n examples; `width` None is any, and `missing` allows NaN."""

    shape: str
    dimensions: tuple[int, ...] = (1,)
    width: int | None = None
    missing: bool = False
    dtype: type = np.float64


_NUMBERS = _Expected("(n,)")
_SCORES = _Expected("(n,), NaN where there is no score", missing=True)
_BASES = _Expected("(n, 4)", (2,), 4)
_VECTORS = _Expected("(n, d)", (2,), dtype=np.float32)
_OUTPUTS = _Expected("(n, classes) or (n,)", (1, 2))


@dataclass(frozen=True, eq=False)
class _Call:
    """A function with all that is needed to call it in chunks and to report what is wrong with its result."""

    name: str
    function: Function
    signature: inspect.Signature
    where: str
    chunk: int

    def __str__(self) -> str:
        return f"{self.where}: {self.name}()" if self.where else f"{self.name}()"

    def takes(self, parameter: str) -> bool:
        """Return whether the function has this parameter."""
        return parameter in self.signature.parameters

    def run(
        self,
        expected: _Expected,
        columns: Sequence[Sequence[Any]],
        *,
        keywords: Mapping[str, Sequence[Any]] = MappingProxyType({}),
        settings: Mapping[str, Any] = MappingProxyType({}),
    ) -> NDArray[Any]:
        """Return the function's result for the rows of `columns` (positional) and of `keywords` (by keyword)."""
        try:
            self.signature.bind(*columns, **keywords, **settings)
        except TypeError as error:
            raise ConfigError(f"{self}: {error}; its signature is {self.name}{self.signature}") from None
        first: dict[tuple[Any, ...], int] = {}
        rows = zip(*columns, *keywords.values(), strict=True)
        which = np.array([first.setdefault(row, len(first)) for row in rows], np.int64)
        unique, origin = list(first), np.unique(which, return_index=True)[1]
        advance = activity(f"{self.name} of {self.where or 'a function'}", len(unique))
        done: list[NDArray[Any]] = []
        for at in range(0, len(unique), self.chunk):
            part = [list(column) for column in zip(*unique[at : at + self.chunk], strict=True)]
            part_keywords = dict(zip(keywords, part[len(columns) :], strict=True))
            returned = self.function(*part[: len(columns)], **part_keywords, **settings)
            if done and done[0].ndim == 2:
                expected = replace(expected, width=done[0].shape[1])
            done.append(self._checked(returned, origin[at : at + self.chunk], expected))
            advance(len(done[-1]))
        if not done:
            return np.zeros((0,) if expected.dimensions == (1,) else (0, expected.width or 0), expected.dtype)
        return np.concatenate(done)[which]

    def _checked(self, returned: Any, rows: NDArray[np.int64], expected: _Expected) -> NDArray[Any]:
        try:
            values = as_floats(returned)
        except (TypeError, ValueError) as error:
            raise DataError(f"{self} gave a {type(returned).__name__}, not an array of numbers: {error}") from error
        n, shape = len(rows), values.shape
        if values.ndim == 1 and expected.dimensions == (1, 2):
            values = values[:, None]
        width = values.shape[1] if values.ndim == 2 else 1
        if len(shape) not in expected.dimensions or shape[0] != n or width != (expected.width or max(width, 1)):
            width_text = f", as wide as the first ({expected.width})" if expected.width else ""
            raise DataError(f"{self} gave shape {shape} for n = {n} examples; expected {expected.shape}{width_text}")
        with np.errstate(over="ignore"):
            values = values.astype(expected.dtype)
        wrong = np.isinf(values) if expected.missing else ~np.isfinite(values)
        if wrong.any():
            row = int(rows[np.argwhere(wrong)[0][0]])
            raise DataError(f"{self} gave {values[wrong][0]} for example {row}; expected finite numbers")
        return values


def as_floats(returned: Any) -> FloatArray:
    """Return an array, tensor or nested list as float64. Raises TypeError or ValueError unless it is of numbers."""
    if hasattr(returned, "detach"):  # a torch tensor, on any device, of any precision, in or out of a graph
        returned = returned.detach().cpu().double()
    values = np.asarray(returned)
    if values.dtype.kind not in "fiub":
        raise TypeError(f"its type is {values.dtype}")
    return values.astype(np.float64)


def upper_case(sequences: Strings, where: object) -> list[str]:
    """Return the sequences in upper case. Raises DataError naming the row of an empty one."""
    out = [str(s).upper() for s in sequences]
    if "" in out:
        raise DataError(f"{where}: sequence {out.index('')} is empty")
    return out


def _embed(call: _Call, sequences: Strings, **settings: Any) -> NDArray[np.float32]:
    return call.run(_VECTORS, [upper_case(sequences, call)], settings=settings)


def _embed_sites(call: _Call, sequences: Strings, sites: IntArray, **settings: Any) -> NDArray[np.float32]:
    distinct = list(dict.fromkeys(sequences))  # a long sequence with many sites is not written out for each
    upper = dict(zip(distinct, upper_case(strings(distinct), call), strict=True))
    return call.run(_VECTORS, [[upper[s] for s in sequences], sites.tolist()], settings=settings)


def _likelihood(call: _Call, sequences: Strings) -> FloatArray:
    return call.run(_NUMBERS, [upper_case(sequences, call)])


def _pseudo_likelihood(call: _Call, sequences: Strings, *, one_pass: bool = False) -> FloatArray:
    settings = {"one_pass": one_pass} if one_pass or call.takes("one_pass") else {}
    return call.run(_NUMBERS, [upper_case(sequences, call)], settings=settings)


def _next_base(call: _Call, sequences: Strings) -> FloatArray:
    # The base to predict may be the first of a window, so a sequence may be empty here.
    log_probs = call.run(_BASES, [[str(s).upper() for s in sequences]])
    total = np.exp(log_probs).sum(axis=1)
    wrong = np.flatnonzero(np.abs(total - 1) > 1e-3)
    if len(wrong):
        raise DataError(
            f"{call} gave probabilities of A, C, G and T that sum to {total[wrong[0]]:.4g} for example {wrong[0]}, "
            "not to 1"
        )
    return log_probs


def _masked_llr(call: _Call, references: Strings, alternates: Strings) -> FloatArray:
    return call.run(_SCORES, [upper_case(references, call), upper_case(alternates, call)])


def _score_variants(call: _Call, inputs: Inputs) -> FloatArray:
    if inputs.alternates is None:
        raise NotApplicable(f"{call} scores variants or pairs; these inputs have no alternate sequences")
    keywords: dict[str, Any] = {}
    if call.takes("positions"):
        if inputs.positions is None:
            raise NotApplicable(f"{call} takes positions; these inputs have none")
        keywords["positions"] = inputs.positions.tolist()
    columns = [upper_case(inputs.sequences, call), upper_case(inputs.alternates, call)]
    return call.run(_SCORES, columns, keywords=keywords)


def _predict(call: _Call, inputs: Inputs) -> FloatArray:
    keywords: dict[str, Any] = {}
    if inputs.alternates is not None:
        if not call.takes("alternates"):
            raise NotApplicable(f"{call} takes only sequences; for variants it needs a parameter `alternates`")
        keywords["alternates"] = upper_case(inputs.alternates, call)
    values = call.run(_OUTPUTS, [upper_case(inputs.sequences, call)], keywords=keywords)
    return values


def _signature(function: Function) -> inspect.Signature:
    try:
        return inspect.signature(function)
    except ValueError:  # some functions written in C have none
        return inspect.Signature([inspect.Parameter("columns", inspect.Parameter.VAR_POSITIONAL)])


_METHODS: Mapping[str, Function] = {
    "embed": _embed,
    "embed_sites": _embed_sites,
    "log_likelihood": _likelihood,
    "pseudo_log_likelihood": _pseudo_likelihood,
    "next_base_log_probs": _next_base,
    "masked_llr": _masked_llr,
    "score_variants": _score_variants,
    "predict": _predict,
}
FUNCTIONS = tuple(_METHODS)
"""The functions that make a model, by name."""
