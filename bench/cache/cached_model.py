"""A model whose outputs for each sequence are cached on disk, for every task, mode and rule."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..digests import digest
from ..types import FloatArray, IntArray, StrArray, strings
from .outputs import cached, cached_all, in_chunks

Rows = NDArray[Any]


class CachedModel:
    """`model`, with the methods that return one row per sequence answered from `folder` where possible.

    `key` is all that decides what the model computes: its weights, parameters and precision. Every other call, such as
    `fit`, goes to the model itself, and there is no method that the model lacks.
    """

    def __init__(self, model: Any, folder: Path, key: Mapping[str, Any]) -> None:
        self._model = model
        self._folder = folder
        self._key = key

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._model, name)
        methods: dict[str, Callable[..., Any]] = {
            "embed": self._embed,
            "embed_all": self._embed_all,
            "embed_sites": self._embed_sites,
            "masked_llr": self._masked_llr,
        }
        if name in methods:
            return functools.wraps(method)(functools.partial(methods[name]))
        if name in ("log_likelihood", "pseudo_log_likelihood", "next_base_log_probs"):

            @functools.wraps(method)  # callers read the model's signature
            def each(sequences: StrArray, **settings: Any) -> FloatArray:
                return self._each(name, sequences, settings)

            return each
        return method

    def _key_of(self, method: str, settings: Mapping[str, Any]) -> dict[str, Any]:
        return {**self._key, "method": method, "settings": dict(settings)}

    def _each(self, method: str, sequences: StrArray, settings: Mapping[str, Any]) -> FloatArray:
        call = getattr(self._model, method)
        compute = in_chunks(lambda part: np.asarray(call(strings(part), **settings)))
        return cached(self._folder, self._key_of(method, settings), list(sequences), compute)

    def _embed(self, sequences: StrArray, **settings: Any) -> NDArray[np.float32]:
        compute = in_chunks(lambda part: self._model.embed(strings(part), **settings))
        return cached(self._folder, self._key_of("embed", settings), list(sequences), compute)

    def _embed_all(
        self, sequences: StrArray, requests: Sequence[tuple[float, str]], **settings: Any
    ) -> list[NDArray[np.float32]]:
        # The keys are those of `embed`, so that one layer of several is found again.
        keys = [self._key_of("embed", {"layer": la, "pooling": po, **settings}) for la, po in requests]
        compute = in_chunks(lambda part: self._model.embed_all(strings(part), requests, **settings))
        return cached_all(self._folder, keys, list(sequences), compute)

    def _embed_sites(self, sequences: StrArray, sites: IntArray, **settings: Any) -> NDArray[np.float32]:
        # A long sequence with many sites is not written out for each.
        digests: dict[str, str] = {}
        by_digest: dict[str, str] = {}
        items = []
        for sequence, at in zip(sequences, sites, strict=True):
            name = digests.get(sequence) or digests.setdefault(sequence, digest(sequence))
            by_digest[name] = sequence
            items.append(f"{name}@{at}")

        def compute(part: list[str]) -> Rows:
            pairs = [item.rpartition("@") for item in part]
            at = np.array([int(pair[2]) for pair in pairs], np.int64)
            rows: Rows = self._model.embed_sites(strings([by_digest[pair[0]] for pair in pairs]), at, **settings)
            return rows

        return cached(self._folder, self._key_of("embed_sites", settings), items, in_chunks(compute))

    def _masked_llr(self, references: StrArray, alternates: StrArray) -> FloatArray:
        def compute(part: list[str]) -> Rows:
            pairs = [item.partition(">") for item in part]
            ref, alt = (strings([pair[side] for pair in pairs]) for side in (0, 2))
            return np.asarray(self._model.masked_llr(ref, alt))

        items = [f"{r}>{a}" for r, a in zip(references, alternates, strict=True)]
        return cached(self._folder, self._key_of("masked_llr", {}), items, in_chunks(compute))
