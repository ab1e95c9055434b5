"""The blocks of docs/python.md, run in order as they stand there."""

from __future__ import annotations

import linecache
import re
from pathlib import Path
from typing import Any

import pytest

import baserate as br
from baserate.registry import Registry

PAGE = (Path(__file__).parent.parent / "docs" / "python.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.S)


def test_blocks_run_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "notebook"}
    with Registry.temporarily():
        for i, block in enumerate(BLOCKS):
            file = f"<block {i + 1} of docs/python.md>"
            linecache.cache[file] = (len(block), None, block.splitlines(keepends=True), file)
            exec(compile(block, file, "exec"), names)
    assert (tmp_path / "results").is_dir()


def test_the_page_names_what_is_public() -> None:
    named = set(re.findall(r"\bbr\.(\w+)", PAGE))
    assert named - {"BaserateError"} <= set(br.__all__)
    assert set(br.__all__) - named <= {"get_model", "get_task"}
