"""The log of a pretraining in MLflow."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict

from ..tracking import check_store, experiment_id, quiet_mlflow, refusal
from .config import PretrainConfig

log = logging.getLogger(__name__)

EXPERIMENT = "baserate-pretrain"


class Mirror:
    """A copy of the log in MLflow; where a server fails, there is one warning and the run goes on."""

    def __init__(self, uri: str, config: PretrainConfig, step: int) -> None:
        self._uri = uri
        self._run = ""
        self._dead = False
        self._send(lambda: self._begin(config, step))

    def log(self, row: Mapping[str, float]) -> None:
        """Send one row of the log in one batch."""
        self._send(lambda: self._log(row))

    def close(self) -> None:
        """Mark the MLflow run as finished."""
        self._send(lambda: self._client.set_terminated(self._run))

    def _begin(self, config: PretrainConfig, step: int) -> None:
        from mlflow import MlflowClient
        from mlflow.entities import Param

        check_store(self._uri)
        self._client = MlflowClient(tracking_uri=self._uri)
        experiment = experiment_id(self._client, self._uri, EXPERIMENT)
        run = self._client.create_run(experiment, run_name=f"pretrain from step {step}")
        params = asdict(config.model) | asdict(config.tokens) | asdict(config.training)
        self._client.log_batch(run.info.run_id, params=[Param(k, str(v)) for k, v in params.items()])
        self._run = run.info.run_id

    def _log(self, row: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(key, float(value), now, int(row["step"])) for key, value in row.items() if key != "step"]
        self._client.log_batch(self._run, metrics=metrics)

    def _send(self, action: Callable[[], None]) -> None:
        if self._dead:
            return
        try:
            with quiet_mlflow():
                action()
        except Exception as error:  # noqa: BLE001 - the mirror never costs the run
            log.warning("%s; the rest of this run is not copied", refusal(error, self._uri))
            self._dead = True
