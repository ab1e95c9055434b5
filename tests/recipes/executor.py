"""An executor, which says where cells run: here each in a process of its own, as it would be in a cluster's job."""

import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

import baserate as br

JOB = """
import pickle, sys
from pathlib import Path
prepare, cell = pickle.loads(Path(sys.argv[1]).read_bytes())
Path(sys.argv[2]).write_bytes(pickle.dumps(prepare()(cell)))
"""


@br.executor("a_process_each")
def a_process_each(cells, prepare, *, workers, started):
    """Yield the result of each cell; `prepare()`, called where the cell runs, returns the function that runs it."""
    for cell in cells:
        started(cell)
        with tempfile.TemporaryDirectory() as folder:
            given, result = Path(folder, "given"), Path(folder, "result")
            given.write_bytes(pickle.dumps((prepare, cell)))
            subprocess.run([sys.executable, "-c", JOB, given, result], check=True)
            yield pickle.loads(result.read_bytes())
