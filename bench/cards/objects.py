"""Cards of what a script or a notebook holds already: an estimator, functions, a network with its tokenizer."""

from __future__ import annotations

import functools
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..digests import digest
from ..errors import ConfigError
from ..inhouse import FUNCTIONS, EstimatorModel, FunctionModel
from ..inhouse.files import rule_for
from ..networks.families import GENERIC, Head, head_of
from ..networks.settings import NETWORK
from ..registry import fixed_revision
from ..types import ModelCard
from .checkpoint import modes_of


@dataclass(frozen=True)
class Given:
    """Loads the model that it holds."""

    model: Any

    def __call__(self) -> Any:
        """Return the model."""
        return self.model


def card_of(model: Any, *, name: str = "", revision: str = "", head: Head | None = None) -> ModelCard:
    """Return the card of an object of the user's, whose modes are what the object can do.

    It is a scikit-learn estimator on raw sequences; a pair of a network and its tokenizer (`head` 'masked', 'causal' or
    'none' where its config does not tell); a function `embed(list of str) -> (n, d)`; or any object with methods that
    are capabilities, such as a FunctionModel. A network is known by the digest of its parameters and an estimator by
    its parameters; of anything else nobody can tell whether it is the same as last time, so that results are reused
    only under a `revision` of yours. Raises ConfigError for an object that can do nothing.
    """
    if _is_estimator(model):
        made = EstimatorModel(model)
        fitted = hasattr(made, "predict")
        modes: dict[str, Mapping[str, Any]] = {"as_is": {}} if fitted else {"from_scratch": {}}
        known = revision or ("" if fitted else _parameters(model))
        return _card(made, name or type(model).__name__, modes, known)
    if isinstance(model, tuple) and len(model) == 2:
        return _network(*model, name=name, revision=revision, head=head)
    if callable(model) and not any(hasattr(model, method) for method in (*FUNCTIONS, "fit")):
        own_name = name or getattr(model, "__name__", "model")
        return _card(FunctionModel(embed=model, name=own_name), own_name, {"linear_probe": {}}, revision)
    modes = _modes(model)
    if not modes:
        raise ConfigError(
            f"{type(model).__name__} can do nothing that a mode needs: give a scikit-learn estimator, a function that "
            f"embeds, (network, tokenizer), or an object with one of {', '.join((*FUNCTIONS, 'fit'))}"
        )
    return _card(model, name or getattr(model, "name", "") or type(model).__name__, modes, revision)


def _network(network: Any, tokenizer: Any, *, name: str, revision: str, head: Head | None) -> ModelCard:
    from torch import nn

    from ..networks.checkpoint import from_network

    if not isinstance(network, nn.Module):
        raise ConfigError(
            f"a pair is a network and its tokenizer; the first is a {type(network).__name__}, no nn.Module"
        )
    config = getattr(network, "config", None)
    told = head or (head_of(config.to_dict(), GENERIC) if config is not None and hasattr(config, "to_dict") else "none")
    own_name = name or type(network).__name__
    model = from_network(network, tokenizer, name=own_name, head=told)
    modes = modes_of(told, random_weights=False)
    known = revision or f"parameters:{model.parameter_hash()}"
    card = _card(model, own_name, modes, known)
    return ModelCard(**{**vars(card), "settings": NETWORK, "parameters": sum(p.numel() for p in network.parameters())})


def _modes(model: Any) -> dict[str, Mapping[str, Any]]:
    modes: dict[str, Mapping[str, Any]] = {}
    methods = [method for method in FUNCTIONS if hasattr(model, method)]
    if rule := rule_for(methods):
        modes["zero_shot"] = {"rule": rule}
    if "predict" in methods:
        modes["as_is"] = {}
    if "embed" in methods:
        modes["linear_probe"] = {}
    if hasattr(model, "fit"):
        modes["from_scratch"] = {}
    return modes


def _card(model: Any, name: str, modes: Mapping[str, Mapping[str, Any]], revision: str) -> ModelCard:
    return ModelCard(
        name=name,
        load=Given(model),
        modes=modes,
        params={},
        description=f"{type(model).__name__}, from a script",
        revision=functools.partial(fixed_revision, revision or f"unversioned:{uuid.uuid4().hex[:16]}"),
    )


def _is_estimator(model: Any) -> bool:
    return hasattr(model, "get_params") and hasattr(model, "fit") and not isinstance(model, type)


def _parameters(model: Any) -> str:
    """Return a revision from the class and the parameters; '' where one of them is known by its address alone."""
    text = f"{type(model).__module__}.{type(model).__qualname__}{sorted(model.get_params(deep=True).items())!r}"
    return "" if " at 0x" in text else f"estimator:{digest(text)}"
