"""Saved models in MLflow's registry: a version for every fine-tuned network, linked to the run of its cell."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..records import Record, record_folder
from ..results import in_words
from .cells import short_task

_FOLDER = "model"
"""Where the files of a model lie among a run's artifacts."""


def register(client: Any, run: str, record: Record, models: Path) -> bool:
    """Return whether the model that `--save-models` wrote for a record was registered now; not one that is already.

    Its files become artifacts of the run, and `baserate run --model` takes the folder that MLflow downloads.
    """
    folder = record_folder(models, record.spec)
    if not folder.is_dir() or client.search_model_versions(f"run_id = '{run}'"):
        return False
    name = registered_name(record)
    if not client.search_registered_models(f"name = '{name}'"):
        client.create_registered_model(name, description=str(record.model.get("description", "")))
    client.log_artifacts(run, str(folder), _FOLDER)
    source = f"{client.get_run(run).info.artifact_uri}/{_FOLDER}"
    tags = {"task": record.spec.task, "model": record.spec.model, "baserate.run": record.hash}
    client.create_model_version(name, source, run, tags=tags, description=in_words(record.spec.settings)[:4000])
    return True


def registered_name(record: Record) -> str:
    """Return the name of the registered model, the same for all settings of a network on a task."""
    # MLflow allows no slash or colon, and a quote would end the text that it is searched by.
    return re.sub(r"[^\w.+=() -]+", "_", f"{record.spec.model} on {short_task(record)}")[:200]
