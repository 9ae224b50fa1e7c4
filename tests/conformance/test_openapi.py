"""The description of the API and the server agree."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import requests
import yaml

ROOT = Path(os.environ["SHORELINE_ROOT"])
HERE = Path(__file__).parent
DOCUMENT = ROOT / "docs" / "openapi.yaml"


@pytest.fixture(scope="module")
def document():
    return yaml.safe_load(DOCUMENT.read_text())


def test_it_has_every_route_and_no_other(document, url, key):
    table = (ROOT / "crates" / "protocol" / "src" / "route.rs").read_text()
    routes = {(method.lower(), path) for method, path in re.findall(r'= (\w+) "(/[^"]+)"[,;]', table)}
    methods = ("get", "post", "put", "patch", "delete")
    described = {(method, path) for path, item in document["paths"].items() for method in item if method in methods}
    assert described <= routes
    # What only other servers have is refused in words.
    for method, path in sorted(routes - described):
        place = url + re.sub(r"{\w+}", "x", path)
        answer = requests.request(method, place, headers={"Authorization": f"Bearer {key}"}, timeout=60)
        assert (answer.status_code, answer.json()["code"]) == (501, "UNSUPPORTED"), (method, path, answer.text)


def test_it_has_every_code_and_no_other(document):
    table = (ROOT / "docs" / "errors.md").read_text().split("## What the local server answers")[1]
    assert document["components"]["schemas"]["Code"]["enum"] == re.findall(r"^\| `([A-Z_]+)`", table, re.MULTILINE)


def test_the_server_does_what_it_says(url, key, tmp_path):
    """Every operation with valid and with invalid requests, alone and one after the other."""
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {key}"

    def post(path, body):
        answer = session.post(url + path, json=body)
        answer.raise_for_status()
        return answer.json()

    sandbox = post("/sandboxes", {})["sandbox_id"]
    session.headers["X-Tensorlake-Sandbox-Id"] = sandbox
    ended = [
        post("/api/v1/processes", {"command": "sh", "args": ["-c", script]})["pid"]
        for script in ("echo out; echo err >&2", "kill -9 $$")
    ]
    restart = {"policy": "always", "initial_backoff_ms": 10, "max_backoff_ms": 10}
    post("/api/v1/processes", {"command": "cat", "stdin_mode": "pipe", "name": "kept", "restart": restart})
    terminal = post("/api/v1/pty", {"command": "cat"})["session_id"]
    # Where it is started it finds its settings and what they name.
    (tmp_path / "ended").write_text("".join(f'"{pid}"\n' for pid in ended))
    (tmp_path / "sessions").write_text(f'"{terminal}"\n')
    shutil.copy(HERE / "schemathesis.toml", tmp_path)
    run = [Path(sys.executable).parent / "schemathesis", "run", "--url", url, "--no-color", DOCUMENT]
    environment = {**os.environ, "SANDBOX": sandbox, "PYTHONPATH": str(HERE)}
    assert subprocess.run(run, env=environment, cwd=tmp_path).returncode == 0
    session.get(f"{url}/api/v1/health").raise_for_status()
