"""K-mer counting against scikit-learn's CountVectorizer: the same sequences, equal counts, one thread, one process.

The ratio is of the best of a few repeats of each: what a page of memory costs varies much on a busy machine.

OMP_NUM_THREADS=1 python benchmarks/kmers.py [--sequences 100000] [--length 300] [--k 6] [--repeats 3]
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer

from baserate.dna.kmers import count_kmers
from baserate.types import strings


def main() -> int:
    """Print the times and their ratio as one line of JSON; exit 1 where counts differ or the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sequences", type=int, default=100_000)
    parser.add_argument("--length", type=int, default=300)
    parser.add_argument("--k", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--target", type=float, default=25.0)
    options = parser.parse_args()

    rng = np.random.default_rng(0)
    letters = np.frombuffer(b"ACGT", dtype=np.uint8)[rng.integers(0, 4, (options.sequences, options.length))]
    sequences = strings([row.tobytes().decode() for row in letters])

    start = time.process_time()
    count_kmers(sequences[:1], options.k)  # loads numba and its compiled code; said apart, as it is paid once a process
    load = time.process_time() - start

    ours, theirs = [], []
    for _ in range(options.repeats):
        start = time.process_time()
        counts = count_kmers(sequences, options.k)
        ours.append(time.process_time() - start)
    vocabulary = ["".join(kmer) for kmer in itertools.product("ACGT", repeat=options.k)]
    vectorizer = CountVectorizer(
        analyzer="char", lowercase=False, ngram_range=(options.k, options.k), vocabulary=vocabulary
    )
    for _ in range(options.repeats):
        start = time.process_time()
        reference = vectorizer.fit_transform(sequences)
        theirs.append(time.process_time() - start)

    equal = (counts != reference).nnz == 0
    ratio = min(theirs) / min(ours)
    print(
        json.dumps(
            {
                "benchmark": f"count_kmers k={options.k} {options.sequences} x {options.length} bp",
                "peer": "sklearn CountVectorizer(analyzer='char', lowercase=False)",
                "ours_cpu_s": [round(t, 3) for t in ours],
                "peer_cpu_s": [round(t, 3) for t in theirs],
                "load_cpu_s": round(load, 3),
                "equal_counts": equal,
                "ratio": round(ratio, 1),
                "target": options.target,
            }
        )
    )
    return 0 if equal and ratio >= options.target else 1


if __name__ == "__main__":
    sys.exit(main())
