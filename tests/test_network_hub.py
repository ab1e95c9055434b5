"""Models of the hub: from the cache without a network, and from a server that answers as the hub does.

The server is on this machine and speaks to the real client; nothing of ours or of the client is replaced.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("transformers")

import torch
from huggingface_hub import constants, file_download, utils
from huggingface_hub.utils import _http
from safetensors.torch import load_file

from baserate.cards.checkpoint import checkpoint_card
from baserate.errors import ConfigError, DataError
from baserate.networks.checkpoint import open_checkpoint
from baserate.networks.hub import Access, Location, check_trust, locate, read_config
from baserate.networks.language_model import LanguageModel

from .checkpoints import LAYOUTS, build, dna

COMMIT, OLDER = "c" * 40, "b" * 40
REFUSALS = {
    "org/gated": (403, "GatedRepo", "Access to model org/gated is restricted"),
    "org/gone": (401, "RepoNotFound", "Repository not found"),
    "org/broken": (500, "", "Internal Server Error"),
    "org/slow": (429, "", "Too many requests"),
}


@dataclass
class Hub:
    """A server that answers as the hub does, with the files of one repository; `asked` is what it was asked for."""

    folder: Path
    asked: list[str] = field(default_factory=list)

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Return the status, the headers and the body for a path."""
        path = path.partition("?")[0]
        self.asked.append(path)
        parts = path.removeprefix("/api/models").strip("/").split("/")
        name, rest = "/".join(parts[:2]), parts[2:]
        if name in REFUSALS:
            status, code, message = REFUSALS[name]
            return status, {"X-Error-Code": code, "X-Error-Message": message}, b"{}"
        if name != "org/tiny":
            return 404, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}, b"{}"
        revision = rest[1] if len(rest) > 1 else "main"
        if revision not in ("main", COMMIT, "v1"):
            message = f"Invalid rev id: {revision}"
            return 404, {"X-Error-Code": "RevisionNotFound", "X-Error-Message": message}, b"{}"
        files = sorted(file.name for file in self.folder.iterdir())
        if path.startswith("/api/"):
            if rest[:1] == ["tree"]:
                sizes = {name: (self.folder / name).stat().st_size for name in files}
                tree = [{"type": "file", "path": name, "size": sizes[name], "oid": "0"} for name in files]
                return 200, {}, json.dumps(tree).encode()
            info = {"id": name, "sha": COMMIT, "siblings": [{"rfilename": file} for file in files]}
            return 200, {}, json.dumps({**info, "tags": [], "private": False, "downloads": 0, "likes": 0}).encode()
        if rest[2] not in files:
            headers = {"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found", "X-Repo-Commit": COMMIT}
            return 404, headers, b""
        body = (self.folder / rest[2]).read_bytes()
        return 200, {"X-Repo-Commit": COMMIT, "ETag": f'"{hashlib.sha256(body).hexdigest()}"'}, body


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Return a hub with the model org/tiny, to which the client is pointed, with an empty cache."""
    served = Hub(build(tmp_path / "served", LAYOUTS["esm-rotary"]))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = served.answer(self.path)
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    point_client(monkeypatch, tmp_path / "cache", f"http://127.0.0.1:{server.server_port}")
    yield served
    server.shutdown()
    thread.join()
    server.server_close()


def point_client(monkeypatch: pytest.MonkeyPatch, cache: Path, endpoint: str, *, offline: bool = False) -> None:
    """Set what the client reads from HF_HOME, HF_ENDPOINT and HF_HUB_OFFLINE when it is imported."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    template = "/{repo_id}/resolve/{revision}/{filename}"
    for module in (constants, file_download):
        if hasattr(module, "HUGGINGFACE_CO_URL_TEMPLATE"):
            monkeypatch.setattr(module, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + template)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    # It tries again after 1, 2, 4, ... seconds.
    monkeypatch.setattr(_http, "time", SimpleNamespace(**{**vars(time), "sleep": lambda seconds: None}))
    close_session()


def close_session() -> None:
    """Close the client's session, which keeps the proxies and the offline mode that it was opened with."""
    for name in ("close_session", "reset_sessions"):
        getattr(utils, name, lambda: None)()


@pytest.fixture(autouse=True)
def _own_session() -> Iterator[None]:
    yield
    close_session()


def cached(home: Path, folder: Path) -> Path:
    """Lay the files of a checkpoint out as the hub's client does in its cache, and return the cache."""
    place = home / "hub" / "models--org--tiny"
    for commit in (COMMIT, OLDER):
        (place / "snapshots" / commit).mkdir(parents=True)
    for file in folder.iterdir():
        blob = place / "blobs" / hashlib.sha256(file.read_bytes()).hexdigest()
        blob.parent.mkdir(exist_ok=True)
        shutil.copy(file, blob)
        for commit in (COMMIT, OLDER):
            (place / "snapshots" / commit / file.name).symlink_to(Path("..") / ".." / "blobs" / blob.name)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text(COMMIT)
    (place / "refs" / "v0").write_text(OLDER)
    return home / "hub"


def opened(name: str, access: Access | None = None) -> LanguageModel:
    """Return the model that a name on the command line means."""
    location = locate(name)
    assert location is not None
    return open_checkpoint(location, access or Access(), device="cpu", precision="fp32")


def test_names_lead_to_folders_and_to_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "org" / "tiny"
    folder.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert locate(str(folder)) == Location(str(folder), folder, "")
    assert locate("~/org/tiny") == Location("~/org/tiny", folder, "")
    assert locate(f"{folder}@abc") == Location(str(folder), folder, "abc")
    assert locate("org/tiny@v1") == Location("org/tiny", None, "v1")
    assert locate("InstaDeepAI/NT-v2_50m.x") == Location("InstaDeepAI/NT-v2_50m.x", None, "")
    for neither in ("tiny", "org/tiny/more", "/no/such/folder", "org/", "../x", "https://x/y", "", "@v1"):
        assert locate(neither) is None, neither
    monkeypatch.chdir(tmp_path)
    assert locate("org/tiny") == Location("org/tiny", Path("org/tiny"), "")  # a folder that is there goes first
    assert locate("./org/tiny").label == "tiny"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("name", "commit"), [("org/tiny", COMMIT), ("org/tiny@v0", OLDER), (f"org/tiny@{OLDER}", OLDER)]
)
def test_a_model_in_the_cache_needs_no_network(
    name: str, commit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = build(tmp_path / "x", LAYOUTS["esm-rotary"])
    point_client(monkeypatch, cached(tmp_path / "home", folder), "http://127.0.0.1:9", offline=True)
    model = opened(name)
    assert model.name == "org/tiny" and read_config(locate(name))[1] == commit  # type: ignore[arg-type]
    np.testing.assert_array_equal(model.embed(dna(3, 20)), opened(str(folder)).embed(dna(3, 20)))


def test_a_cache_named_by_the_environment_is_used(tmp_path: Path) -> None:
    cached(tmp_path / "home", build(tmp_path / "x", LAYOUTS["esm-rotary"]))
    code = (
        "from baserate.networks.hub import Access, locate; from baserate.networks.checkpoint import open_checkpoint\n"
        "for name in ('org/tiny', 'org/other'): print(open_checkpoint(locate(name), Access(), device='cpu').name)"
    )
    environment = {**os.environ, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.stdout == "org/tiny\n"
    assert "ConfigError: org/other: not here, and the hub is out of reach" in done.stderr


def refusal(name: str, access: Access | None = None) -> str:
    """Return the one line that says why a model cannot be opened."""
    with pytest.raises(ConfigError) as caught:
        opened(name, access)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
    return str(caught.value)


@pytest.mark.parametrize("offline", [True, False])
def test_what_is_not_in_the_cache_is_said_without_a_network(
    offline: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = cached(tmp_path / "home", build(tmp_path / "x", LAYOUTS["esm-rotary"]))
    point_client(monkeypatch, cache, "http://127.0.0.1:9", offline=offline)
    waited: list[float] = []
    monkeypatch.setattr(_http.time, "sleep", waited.append)
    expected = "not here, and the hub is out of reach ("
    assert refusal("org/absent").startswith(f"org/absent: {expected}")
    assert refusal("org/tiny@v9").startswith(f"org/tiny@v9: {expected}")
    for name in ("org/tiny", f"org/tiny@{COMMIT}"):
        assert opened(name).name == "org/tiny"
    assert not waited, "the hub is asked once"
    (cache / "models--org--tiny" / "snapshots" / COMMIT / "model.safetensors").unlink()
    assert "model.safetensors" in refusal("org/tiny")


def test_a_model_is_fetched_at_its_commit(hub: Hub, tmp_path: Path) -> None:
    (hub.folder / "run.py").write_text("")
    (hub.folder / "flax_model.msgpack").write_bytes(b"x")
    torch.save(load_file(hub.folder / "model.safetensors"), hub.folder / "pytorch_model.bin")
    for name in ("org/tiny", "org/tiny@v1", f"org/tiny@{COMMIT}"):
        model = opened(name, Access(allow_pickle=True))
        np.testing.assert_array_equal(model.embed(dna(3, 20)), opened(str(hub.folder)).embed(dna(3, 20)))
    snapshot = tmp_path / "cache" / "models--org--tiny" / "snapshots" / COMMIT
    assert {file.name for file in snapshot.iterdir()} == {
        "config.json",
        "model.safetensors",
        "tokenizer_config.json",
        "vocab.txt",
    }
    assert not [path for path in hub.asked if path.endswith((".bin", ".py", ".msgpack"))]


def test_pickles_of_the_hub_are_fetched_only_where_they_are_allowed(hub: Hub) -> None:
    weights = hub.folder / "model.safetensors"
    torch.save(load_file(weights), hub.folder / "pytorch_model.bin")
    expected = opened(str(hub.folder)).parameter_hash()
    weights.unlink()
    assert "no model.safetensors (pickles are read with --allow-pickle; from Python: allow_pickle=True)" in refusal(
        "org/tiny"
    )
    assert not [path for path in hub.asked if path.endswith(".bin")]
    assert opened("org/tiny", Access(allow_pickle=True)).parameter_hash() == expected


def test_code_of_the_hub_is_not_even_fetched_without_trust(hub: Hub, tmp_path: Path) -> None:
    content = json.loads((hub.folder / "config.json").read_text())
    content |= {"auto_map": {"AutoModelForMaskedLM": "modeling_odd.Odd"}, "model_type": "odd"}
    (hub.folder / "config.json").write_text(json.dumps(content))
    (hub.folder / "modeling_odd.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    option = f"--trust-remote-code org/tiny@{COMMIT} (from Python: trust_remote_code=['org/tiny@{COMMIT}'])"
    assert refusal("org/tiny").endswith(f"needs its own code to run; read it, then allow it with {option}")
    assert refusal("org/tiny", Access(trusted=("org/tiny",))).endswith(f"name the one that you have read: {option}")
    assert f"it is at commit {COMMIT}" in refusal("org/tiny", Access(trusted=(f"org/tiny@{OLDER}",)))
    assert "it is at commit" in refusal("org/tiny", Access(trusted=("org/tiny@main",)))
    assert not (tmp_path / "ran").exists()
    assert not [path for path in hub.asked if path.endswith((".py", ".safetensors"))]
    assert check_trust(locate("org/tiny"), COMMIT, Access(trusted=(f"org/tiny@{COMMIT}",))) == COMMIT  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("org/gated", "org/gated: gated; accept its terms on its page on the hub, then log in with `hf auth login`"),
        ("org/gone", "org/gone: no such model on the hub, or it is private (`hf auth login`)"),
        ("org/never", "org/never: no such model on the hub, or it is private (`hf auth login`)"),
        ("org/tiny@v9", "org/tiny@v9: no such revision on the hub"),
        ("org/broken", "org/broken: cannot be fetched from the hub (.*500"),
        ("org/slow", "org/slow: cannot be fetched from the hub (.*429"),
    ],
)
def test_what_the_hub_refuses_is_told_in_one_line(name: str, expected: str, hub: Hub) -> None:
    assert re.match(re.escape(expected).replace(r"\.\*", ".*"), refusal(name))


def test_a_repository_without_a_configuration_is_told(hub: Hub) -> None:
    (hub.folder / "config.json").unlink()
    assert refusal("org/tiny") == "org/tiny: has no config.json, so it is not a transformers checkpoint"


def test_a_folder_may_be_pinned_by_the_digest_of_its_files(tmp_path: Path) -> None:
    folder = build(tmp_path / "x", LAYOUTS["esm-rotary"])
    digest = read_config(Location(str(folder), folder, ""))[1]
    assert opened(f"{folder}@{digest}").name == "x"
    (folder / "README.md").write_text("words")  # decides nothing
    assert opened(f"{folder}@{digest}").name == "x"
    build(folder, LAYOUTS["esm-rotary"], seed=1)
    changed = read_config(Location(str(folder), folder, ""))[1]
    assert refusal(f"{folder}@{digest}") == f"{folder}: its files have the digest {changed}, not {digest}"


@pytest.mark.parametrize("shard", ["../outside.safetensors", "shards/one.safetensors", "/tmp/outside.safetensors"])
def test_an_index_that_leads_out_of_the_folder_is_refused(shard: str, tmp_path: Path) -> None:
    folder = build(tmp_path / "x", LAYOUTS["esm-rotary"])
    index: dict[str, dict[str, str]] = {"metadata": {}}
    index["weight_map"] = dict.fromkeys(load_file(folder / "model.safetensors"), shard)
    (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    for refused in (lambda: opened(str(folder)), lambda: checkpoint_card(Location(str(folder), folder, ""))):
        with pytest.raises(ConfigError, match=f"index.json: weight_map: names '{shard}'; expected a file beside it"):
            refused()
    index["weight_map"] = dict.fromkeys(index["weight_map"], "model-00001-of-00001.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert opened(str(folder)).name == "x"


def test_what_is_no_file_in_a_folder_is_refused_at_once(tmp_path: Path) -> None:
    folder = build(tmp_path / "x", LAYOUTS["esm-rotary"])
    (folder / "more.json").mkdir()
    assert opened(str(folder)).name == "x"
    os.mkfifo(folder / "pipe.json")
    with pytest.raises(DataError, match=r"pipe.json: cannot be read \(a pipe, not a file\)"):
        read_config(Location(str(folder), folder, ""))
    (folder / "pipe.json").unlink()
    (folder / "zeros.json").symlink_to("/dev/zero")
    with pytest.raises(DataError, match=r"zeros.json: cannot be read \(a device, not a file\)"):
        read_config(Location(str(folder), folder, ""))
