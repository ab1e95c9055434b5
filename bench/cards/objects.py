"""Cards of objects in a script or notebook: an estimator, functions, a network with its tokenizer."""

from __future__ import annotations

import functools
import inspect
import sys
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..digests import digest
from ..errors import ConfigError
from ..inhouse import FUNCTIONS, EstimatorModel, FunctionModel
from ..inhouse.files import rule_for
from ..networks.families import GENERIC, head_of
from ..networks.settings import NETWORK
from ..registry import fixed_revision
from ..types import ModelCard
from .checkpoint import modes_of

if TYPE_CHECKING:
    from ..networks.language_model import LanguageModel

_RELEASED = ("baserate", "builtins", "sklearn", "torch", "transformers", "xgboost")
"""Packages whose classes stay the same while a user works on a model."""


@dataclass(frozen=True)
class LoadedObject:
    """The loader of a card whose model is in memory already."""

    model: Any

    def __call__(self) -> Any:
        """Return the model."""
        return self.model


def card_of(model: Any, *, name: str = "", revision: str = "") -> ModelCard:
    """Return the card of a model object, with the modes that the object supports.

    The object is a scikit-learn estimator on raw sequences; a pair (network, tokenizer), or what
    `networks.checkpoint.from_network` makes of them; a function `embed(list of str) -> (n, d)`; or any object with
    the methods of a capability, such as a FunctionModel. A network is identified by its parameters and code, an
    unfitted estimator by its parameters. Anything else cannot be recognised, so its results are reused only if you
    give a `revision`. Raises ConfigError for an object without a usable method.
    """
    if isinstance(model, tuple) and len(model) == 2:
        model = _language_model(*model, name=name)
    if getattr(model, "declared", None) is NETWORK:
        return _network_card(model, name, revision)
    if _is_estimator(model):
        estimator = EstimatorModel(model)
        fitted = hasattr(estimator, "predict")
        identity = revision or ("" if fitted else _estimator_revision(model))
        return _card(
            estimator, name or type(model).__name__, {"as_is": {}} if fitted else {"from_scratch": {}}, identity
        )
    if _is_function(model):
        function_name = name or getattr(model, "__name__", "").strip("<>") or "function"
        return _card(FunctionModel(embed=model, name=function_name), function_name, {"linear_probe": {}}, revision)
    if isinstance(model, type) or not (modes := _modes(model)):
        raise ConfigError(f"{_fault(model)}; expected {_EXPECTED}")
    return _card(model, name or getattr(model, "name", "") or type(model).__name__, modes, revision)


_EXPECTED = (
    "a name, a scikit-learn estimator, a function that embeds, (network, tokenizer), or an object with one of "
    + ", ".join((*FUNCTIONS, "fit"))
)


def _fault(model: Any) -> str:
    if isinstance(model, type):
        return f"the model is the class {model.__name__} itself, not an instance"
    if hasattr(model, "state_dict"):
        return f"the model is the network {type(model).__name__} without its tokenizer"
    return f"the model is a {type(model).__name__}, which has no method that a mode can use"


def _language_model(network: Any, tokenizer: Any, *, name: str) -> LanguageModel:
    from torch import nn

    from ..networks.checkpoint import from_network

    if not isinstance(network, nn.Module):
        raise ConfigError(f"expected a pair (network, tokenizer); the first is a {type(network).__name__}")
    config = getattr(network, "config", None)
    head = "none" if config is None or not hasattr(config, "to_dict") else head_of(config.to_dict(), GENERIC)
    return from_network(network, tokenizer, name=name or type(network).__name__, head=head)


def _network_card(model: LanguageModel, name: str, revision: str) -> ModelCard:
    modes = modes_of(model.head, random_weights=False)
    card = _card(model, name or model.name, modes, revision or _network_revision(model))
    return replace(card, settings=NETWORK, parameters=sum(p.numel() for p in model.network.parameters()))


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
        load=LoadedObject(model),
        modes=modes,
        params={},
        description=f"{type(model).__name__}, from a script",
        revision=functools.partial(fixed_revision, revision or f"unversioned:{uuid.uuid4().hex[:16]}"),
    )


def _is_estimator(model: Any) -> bool:
    return hasattr(model, "get_params") and hasattr(model, "fit") and not isinstance(model, type)


def _is_function(model: Any) -> bool:
    other = (*FUNCTIONS, "fit", "state_dict")
    return callable(model) and not isinstance(model, type) and not any(hasattr(model, method) for method in other)


def _estimator_revision(model: Any) -> str:
    """Return a revision from the classes and the parameters; '' where one of them has no stable repr."""
    parameters = model.get_params(deep=True)
    code = _code_of([model, *(value for value in parameters.values() if hasattr(value, "get_params"))])
    with np.printoptions(threshold=sys.maxsize):
        text = repr(sorted(parameters.items()))
    return "" if code is None or " at 0x" in text else f"estimator:{digest(code, text)}"


def _network_revision(model: LanguageModel) -> str:
    """Return a revision from the weights, the classes of the modules and the tokens; '' where the code is unknown."""
    import torch

    network = model.network
    code = _code_of(network.modules())
    if code is None:
        return ""
    buffers = [value.detach().cpu().reshape(-1).view(torch.uint8) for value in network.buffers() if value.numel()]
    tokens = [encoded.ids.tolist() for encoded in model.tokens.encode(["ACGTACGTTGCANNRYACGGGTTTTAAACCC", "N"])]
    state = (model.parameter_hash(), *(value.numpy().tobytes() for value in buffers))
    return (
        f"network:{digest(code, repr(network), repr(getattr(network, 'config', '')), model.head, repr(tokens), *state)}"
    )


def _code_of(objects: Iterable[Any]) -> str | None:
    """Return the names of the objects' classes and the source of user-defined ones, or None where that is missing."""
    kinds = {kind for value in objects for kind in type(value).__mro__}
    texts = []
    for kind in sorted(kinds, key=lambda kind: (kind.__module__, kind.__qualname__)):
        texts.append(f"{kind.__module__}.{kind.__qualname__}")
        if kind.__module__.partition(".")[0] in _RELEASED:
            continue
        # Method by method, since inspect cannot find the source of a whole class that was defined in a notebook.
        for name, value in sorted(vars(kind).items()):
            if isinstance(value, (bool, int, float, str)) and not name.startswith("__"):
                texts.append(f"{name} = {value!r}")
            elif inspect.isfunction(value):
                try:
                    texts.append(inspect.getsource(value))
                except OSError:
                    return None
    return "\n".join(texts)
