"""How MLflow shows the cells of all suites: a saved view with the columns and charts by which people compare them."""

from __future__ import annotations

import json
from typing import Any

KEY = "baserate"
"""What the address of MLflow's page ends with for this view."""
_TAG = f"mlflow.sharedViewState.{KEY}"
_KIND = "mlflow.experimentKind"
_COLUMNS = {
    "attributes": ("Duration",),
    "metrics": ("gain", "primary", "primary_low", "primary_high", "system/seconds"),
    "params": ("task",),
    "tags": ("kind", "regime", "exposure", "audit", "family", "budget"),
}
_SCORES = "scores"
"""The section of charts that is open."""


def save_view(client: Any, experiment: str) -> None:
    """Save the view with the experiment, unless it has one: it may have been changed there."""
    tags = client.get_experiment(experiment).tags
    for name, value in ((_TAG, json.dumps(_state())), (_KIND, "custom_model_development")):
        if name not in tags:
            client.set_experiment_tag(experiment, name, value)


def address(server: str, experiment: str) -> str:
    """Return the address of the view on a server of MLflow."""
    return f"{server.rstrip('/')}/#/experiments/{experiment}/runs?viewStateShareKey={KEY}"


def _state() -> dict[str, Any]:
    """Return what MLflow's page saves of a view: cells without their suites, the largest gains first."""
    return {
        "searchFilter": "tags.kind != 'suite'",
        "orderByKey": "metrics.`gain`",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": [f"{of}.`{name}`" for of, names in _COLUMNS.items() for name in names],
        "viewMaximized": False,
        "runListHidden": False,
        "isAccordionReordered": True,
        "runsExpanded": {},
        "runsPinned": [],
        "runsHidden": [],
        "runsHiddenMode": "SHOWALL",
        "runsVisibilityMap": {},
        "compareRunCharts": [
            _chart("BAR", "gain", metricKey="gain"),
            _chart("BAR", "primary", metricKey="primary"),
            _chart("SCATTER", "cost", xaxis=_axis("system/seconds"), yaxis=_axis("primary")),
        ],
        "compareRunSections": [
            _section(_SCORES, "Scores and costs", is_open=True),
            *(_section(name, name, is_open=False) for name in ("Model metrics", "System metrics", "seeds")),
        ],
        "autoRefreshEnabled": True,
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "groupBy": None,
    }


def _chart(kind: str, name: str, **more: Any) -> dict[str, Any]:
    of = {"uuid": f"{KEY}-{name}", "type": kind, "runsCountToCompare": 100, "metricSectionId": _SCORES}
    return {**of, "deleted": False, "isGenerated": False, **more}


def _axis(metric: str) -> dict[str, Any]:
    return {"key": metric, "type": "METRIC", "dataAccessKey": None}


def _section(id: str, name: str, *, is_open: bool) -> dict[str, Any]:
    of = {"uuid": id, "name": name, "display": is_open, "isReordered": True}
    return {**of, "deleted": False, "isGenerated": id != _SCORES}
