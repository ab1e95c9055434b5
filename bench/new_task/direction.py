"""Which variants are the more harmful, from the words of the field for classes, labels and measurements."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Sense = Literal["harmful", "harmless", "either", ""]
"""'either' is 'functional', or P for pathogenic: harmful beside what is harmless, and of no sense by itself."""

_HARMFUL = re.compile(
    r"(likely )?(pathogenic|deleterious|damaging|disruptive|harmful|causal|causative)|(probably|possibly) damaging|"
    r"pathogenic likely pathogenic|likely pathogenic pathogenic|disease( causing| associated)?|mutation|"
    r"((full |complete |partial )?loss|gain)( of function)?|lof|gof|lossoffunction|null|dead|lethal|inactivating|"
    r"(functionally )?abnormal|depleted|impaired|defective|disrupted|disrupting|effect|risk"
)
_HARMLESS = re.compile(
    r"(likely )?(benign|tolerated|neutral|harmless)|benign likely benign|likely benign benign|l?b|b lb|lb b|"
    r"(functionally )?normal|wt( like)?|wild ?type( like)?|common|control|background|matched|polymorphism|synonymous|"
    r"silent|none|no change"
)
_EITHER = re.compile(r"func(tional|tion)?|l?p|p lp|lp p|dm")
_NOT = re.compile(r"(not?|non|without) ?(?=\w)|un(?=damag|affect)")
_NAMES_HARM = re.compile(
    r"(is )?(pathogenic(ity)?|deleterious(ness)?|damag(ing|e)|harm(ful)?|lof|loss( of function)?|causal)"
)
_NAMES_NO_HARM = re.compile(r"(is )?(benign|tolerated|neutral)")
_MEASURES_FUNCTION = re.compile(r"(relative )?(fitness|growth|viability|survival|function(al)?)( score| rate)?")
_POSITIVE = ("1", "1.0", "true", "yes")


@dataclass(frozen=True)
class Direction:
    """The classes in order, and `deleterious` of the card with the reason; None where it cannot be known."""

    classes: tuple[str, ...]
    deleterious: bool | None
    reason: str


def direction_of(name: str, classes: Sequence[str], *, given: bool | None = None) -> Direction:
    """Return the direction of a target called `name`: two `classes`, or a measurement where there are none.

    Of two classes of which one is the more harmful, that one comes last. `given` is what the user says of the last
    class, or of higher values; where words tell which class is harmful, the order follows what is given.
    """
    harmful = _more_harmful(*map(sense, classes)) if len(classes) == 2 else None
    if given is not None:
        turned = harmful is not None and (harmful == 1) != given
        ordered = tuple(classes[::-1] if turned else classes)
        return Direction(ordered, given, "given by " + ("--deleterious" if given else "--not-deleterious"))
    if harmful is not None:
        ordered = (classes[1 - harmful], classes[harmful])
        return Direction(ordered, True, f"{ordered[1]!r} is the more harmful: zero-shot scores are REF over ALT")
    if len(classes) == 2 and classes[1].lower() not in _POSITIVE:
        return Direction(tuple(classes), None, "")
    words = _words(name)
    what = f"of {classes[1]!r}" if classes else "of higher values"
    if _NAMES_HARM.fullmatch(words):
        return Direction(
            tuple(classes), True, f"{name!r} {what} is the more harmful: zero-shot scores are REF over ALT"
        )
    if (_NAMES_NO_HARM if classes else _MEASURES_FUNCTION).fullmatch(words):
        return Direction(
            tuple(classes), False, f"{name!r} {what} is the less harmful: zero-shot scores are ALT over REF"
        )
    return Direction(tuple(classes), None, "")


def sense(label: str) -> Sense:
    """Return what the name of a class says of its variants, '' where it says nothing."""
    words = _words(label)
    if _HARMFUL.fullmatch(words):
        return "harmful"
    if _HARMLESS.fullmatch(words):
        return "harmless"
    if _EITHER.fullmatch(words):
        return "either"
    denied = _NOT.match(words)
    opposite: dict[Sense, Sense] = {"harmful": "harmless", "harmless": "harmful", "either": "", "": ""}
    return opposite[sense(words[denied.end() :])] if denied else ""


def _more_harmful(first: Sense, last: Sense) -> int | None:
    """Return which of two classes is the more harmful, 0 or 1; None where their words do not tell."""
    for i, (one, other) in enumerate(((first, last), (last, first))):
        if one == "harmful" and other != "harmful":
            return i
        if one == "either" and other == "harmless":
            return i
    return None


def _words(text: str) -> str:
    return re.sub(r"[\W_]+", " ", text).strip().lower()
