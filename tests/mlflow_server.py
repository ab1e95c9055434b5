"""A small server that speaks as much of MLflow's REST interface as a copy needs, and fails as servers do."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit


class Server:
    """The runs of one experiment; `silent_after` so many requests it answers no more, and `broken` it answers 500."""

    def __init__(self, artifacts: Path) -> None:
        self.artifacts = artifacts
        self.runs: dict[str, dict[str, Any]] = {}
        self.made = 0
        self.requests = 0
        self.silent_after = 10**9
        self.seconds = 0.0
        self.broken = False
        self.uri = ""

    @property
    def cells(self) -> list[dict[str, Any]]:
        """The runs that are whole copies of a record, and not deleted."""
        found = [r for r in self.runs.values() if r["info"]["lifecycle_stage"] == "active"]
        return [r for r in found if {"mlflow.parentRunId", "baserate.hash"} <= {t["key"] for t in r["data"]["tags"]}]

    def answer(self, path: str, ask: dict[str, Any]) -> dict[str, Any] | None:
        """Return what MLflow would answer to a request, None where it has no such thing."""
        if path.startswith("experiments/set"):
            return {}
        if path.startswith("experiments/"):
            return {"experiment": {"experiment_id": "1", "name": "baserate", "lifecycle_stage": "active"}}
        if path == "runs/search":
            return {"runs": list(self.runs.values())}
        if path == "runs/create":
            self.made += 1
            id = f"{self.made:032x}"
            info = {"run_id": id, "run_uuid": id, "experiment_id": "1", "status": "RUNNING", "start_time": 1}
            info |= {"artifact_uri": (self.artifacts / id).as_uri(), "lifecycle_stage": "active", "run_name": "run"}
            self.runs[id] = {"info": info, "data": {"tags": ask["tags"], "metrics": [], "params": []}}
            return {"run": self.runs[id]}
        run = self.runs.get(str(ask.get("run_id", "")))
        if run is None:
            return None
        if path == "runs/log-batch":
            for kind in ("metrics", "params", "tags"):
                run["data"][kind] += ask.get(kind, [])
        elif path == "runs/set-tag":
            run["data"]["tags"].append({"key": ask["key"], "value": ask["value"]})
        elif path == "runs/delete":
            run["info"]["lifecycle_stage"] = "deleted"
        elif path == "runs/update":
            run["info"]["end_time"] = ask.get("end_time", 0)
            return {"run_info": run["info"]}
        elif path == "runs/get":
            return {"run": run}
        return {}


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    """Answer at `server.uri` while the block runs."""
    end = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def answer(self, ask: dict[str, Any]) -> None:
            server.requests += 1
            if server.requests > server.silent_after:
                end.wait()
                return
            time.sleep(server.seconds)
            content = server.answer(urlsplit(self.path).path.partition("/mlflow/")[2], ask)
            self.send_response(500 if server.broken else 404 if content is None else 200)
            body = json.dumps(content or {}).encode()
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self.answer({k: v[0] for k, v in parse_qs(urlsplit(self.path).query).items()})

        def do_POST(self) -> None:
            self.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}"))

        do_PATCH = do_POST

        def log_message(self, *args: Any) -> None:
            """Print nothing."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    server.uri = f"http://127.0.0.1:{http.server_address[1]}"
    threading.Thread(target=http.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        end.set()
        http.shutdown()
        http.server_close()
