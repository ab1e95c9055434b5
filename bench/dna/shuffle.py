"""Shuffles of a sequence: of its letters, and one that keeps the number of every dinucleotide."""

from __future__ import annotations

import itertools

import numpy as np


def shuffle_letters(sequence: str, rng: np.random.Generator) -> str:
    """Return the letters of the sequence in an order drawn uniformly."""
    letters = np.frombuffer(sequence.encode("ascii"), np.uint8)
    return rng.permutation(letters).tobytes().decode("ascii")


def shuffle_dinucleotides(sequence: str, rng: np.random.Generator) -> str:
    """Return a sequence drawn uniformly among those with the same dinucleotides in the same numbers.

    Such sequences are the Eulerian walks over the letters, a step for each dinucleotide, from the first letter to the
    last (Altschul & Erickson 1985, Mol Biol Evol 2:526): draw for every letter but the last one the step by which it
    is left for the last time, until these steps lead from everywhere to the last letter; draw the order of all other
    steps; walk. First and last letter stay.
    """
    if len(sequence) < 3:
        return sequence
    steps: dict[str, list[str]] = {}
    for letter, following in itertools.pairwise(sequence):
        steps.setdefault(letter, []).append(following)
    end = sequence[-1]
    while True:
        last = {letter: int(rng.integers(len(steps[letter]))) for letter in sorted(steps) if letter != end}
        if all(_reaches(letter, end, {a: steps[a][i] for a, i in last.items()}) for letter in last):
            break
    for letter, choices in steps.items():
        final = [choices.pop(last[letter])] if letter in last else []
        steps[letter] = [choices[i] for i in rng.permutation(len(choices)).tolist()] + final
    following_of = {letter: iter(choices) for letter, choices in steps.items()}
    letter = sequence[0]
    walk = [letter]
    for _ in range(len(sequence) - 1):
        letter = next(following_of[letter])
        walk.append(letter)
    return "".join(walk)


def _reaches(letter: str, end: str, leave: dict[str, str]) -> bool:
    """Whether following `leave` from `letter` comes to `end`."""
    for _ in range(len(leave)):
        letter = leave[letter]
        if letter == end:
            return True
    return False
