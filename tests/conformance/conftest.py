"""One local server for all tests here, which the official client finds by its environment variables."""

import json
import os
import subprocess

import pytest

server = None


def pytest_configure():
    global server
    program = [os.environ["SHORELINE_LOCAL"], "--port", "0", "--json", "--until-stdin-closes"]
    server = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    ready = json.loads(server.stdout.readline())
    # The client reads them when it is imported.
    os.environ["TENSORLAKE_API_URL"] = ready["url"]
    os.environ["TENSORLAKE_API_KEY"] = ready["apiKey"]


def pytest_unconfigure():
    server.stdin.close()
    server.wait()


def pytest_terminal_summary(terminalreporter):
    """In a form that a script can read; a test that did not run is none that passed."""
    count = {kind: len(terminalreporter.stats.get(kind, [])) for kind in ("passed", "failed", "error", "skipped")}
    terminalreporter.write_line("counted: " + ", ".join(f"{number} {kind}" for kind, number in count.items()))


@pytest.fixture(scope="session")
def url():
    return os.environ["TENSORLAKE_API_URL"]


@pytest.fixture(scope="session")
def key():
    return os.environ["TENSORLAKE_API_KEY"]
