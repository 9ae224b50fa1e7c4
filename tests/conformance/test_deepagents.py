"""LangChain's standard tests of sandboxes for Deep Agents, by the backend that uses the official Python client."""

import pytest
from langchain_deepagents_tensorlake import TensorlakeSandbox
from langchain_tests.integration_tests import SandboxIntegrationTests
from tensorlake.sandbox import Sandbox

# The versions of these packages that are the newest contradict each other, whatever the server.
ABSOLUTE = "deepagents 0.7 finds files by absolute paths; langchain-tests 1.1 expects paths relative to the directory"
FILES = "deepagents 0.7 finds files only; langchain-tests 1.1 expects directories, too"
NEWLINE = "deepagents 0.7 keeps the newline at the end of a page; langchain-tests 1.1 expects a page without it"
FAILING = {
    "test_glob": ABSOLUTE,
    "test_glob_basic_pattern": ABSOLUTE,
    "test_glob_hidden_files_explicitly": ABSOLUTE,
    "test_glob_with_character_class": ABSOLUTE,
    "test_glob_with_question_mark": ABSOLUTE,
    "test_glob_with_directories": FILES,
    "test_aread_large_text_payload_paginated_roundtrip": NEWLINE,
    "test_awrite_aread_adownload_large_text_with_escaped_content": NEWLINE,
    "test_write_read_download_large_text_with_escaped_content": NEWLINE,
}


class TestDeepAgents(SandboxIntegrationTests):
    @pytest.fixture(scope="class")
    def sandbox(self):
        made = Sandbox.create()
        yield TensorlakeSandbox(made)
        made.terminate()

    @pytest.fixture(autouse=True)
    def known(self, request):
        """Expects the failures above. A test that passes nevertheless has failed."""
        if reason := FAILING.get(request.node.name):
            request.node.add_marker(pytest.mark.xfail(reason=reason, strict=True))
