"""The official Python client, as it is, on the local server."""

import asyncio
import re
import subprocess
import threading
import time
import urllib.request
import warnings

import pytest
from tensorlake.sandbox import (
    CLEAR_NETWORK_POLICY,
    AsyncSandbox,
    CommandExitReason,
    OutputMode,
    ProcessStatus,
    RemoteAPIError,
    RestartPolicy,
    Sandbox,
    SandboxClient,
    SandboxNotFoundError,
    SandboxStatus,
    StdinMode,
)


@pytest.fixture(scope="module")
def sandbox():
    made = Sandbox.create()
    yield made
    made.terminate()


def numbers(count):
    return [str(number + 1) for number in range(count)]


def refused(status, code, call, *args, **options):
    with pytest.raises(RemoteAPIError) as caught:
        call(*args, **options)
    assert (caught.value.status_code, caught.value.code) == (status, code)


def client():
    with warnings.catch_warnings():
        # Its documentation still shows this class.
        warnings.simplefilter("ignore", DeprecationWarning)
        return SandboxClient()


def test_hello():
    with client().create_and_connect() as sandbox:
        result = sandbox.run("python", ["-c", "print('Hello from sandbox!')"])
        assert result.stdout == "Hello from sandbox!"
        assert result.exit_code == 0
        assert result.reason == CommandExitReason.EXITED


def test_a_run_with_a_timeout_a_directory_and_variables(sandbox):
    sandbox.write_file("/workspace/main.py", b"import os; print(os.environ['MODE'], os.environ['DEBUG'])")
    result = sandbox.run(
        "python",
        ["main.py"],
        env={"MODE": "prod", "DEBUG": "0"},
        working_dir="/workspace",
        timeout=10,
    )
    assert (result.exit_code, result.stdout) == (0, "prod 0")


def test_a_failing_run():
    with client().create_and_connect() as sandbox:
        result = sandbox.run("python", ["-c", "import nonexistent_module"])
        assert result.exit_code == 1
        assert "No module named 'nonexistent_module'" in result.stderr


STEPS = """import time
for i in range(5):
    print(f"Step {i+1}/5")
    time.sleep(1)"""


def test_five_steps_arrive_one_by_one():
    with client().create_and_connect() as sandbox:
        proc = sandbox.start_process("python", ["-c", STEPS])
        seen = [(event, time.time()) for event in sandbox.follow_output(proc.pid)]
    assert [event.line for event, _ in seen] == [f"Step {number}/5" for number in numbers(5)]
    assert all(event.stream == "stdout" and abs(event.timestamp.timestamp() - at) < 60 for event, at in seen)
    # When the server read them. This client delivers them when the stream has ended.
    assert (seen[4][0].timestamp - seen[0][0].timestamp).total_seconds() > 3


def test_exits(sandbox):
    both = sandbox.run("sh", ["-c", "echo out; echo err >&2; exit 3"])
    assert (both.exit_code, both.stdout, both.stderr) == (3, "out", "err")
    signaled = sandbox.run("sh", ["-c", "kill -TERM $$"])
    assert (signaled.exit_code, signaled.reason) == (-15, CommandExitReason.SIGNALED)
    limited = sandbox.run("sh", ["-c", "echo begun; sleep 1000"], timeout=2)
    assert (limited.exit_code, limited.reason) == (-9, CommandExitReason.TIMED_OUT)
    assert limited.stdout == "begun"


def test_what_cannot_be_run_is_refused(sandbox):
    refused(404, "EXECUTABLE_NOT_FOUND", sandbox.run, "no-such-command")
    refused(400, "WORKING_DIR_NOT_FOUND", sandbox.start_process, "true", working_dir="/no/such")
    refused(400, "USER_NOT_FOUND", sandbox.start_process, "true", user="nobody-here")


def test_processes(sandbox):
    proc = sandbox.start_process("sleep", ["1000"])
    assert proc.status == ProcessStatus.RUNNING
    assert proc.pid in [other.pid for other in sandbox.list_processes()]
    assert sandbox.send_signal(proc.pid, 15).success
    assert list(sandbox.follow_output(proc.pid)) == []
    ended = sandbox.get_process(proc.pid)
    assert (ended.status, ended.signal, ended.exit_code) == (ProcessStatus.SIGNALED, 15, None)
    refused(409, "PROCESS_NOT_RUNNING", sandbox.send_signal, proc.pid, 15)
    refused(409, "PROCESS_NOT_RUNNING", sandbox.kill_process, proc.pid)
    refused(404, "NOT_FOUND", sandbox.get_process, 4_000_000)
    info = sandbox.daemon_info()
    assert info.total_processes > info.running_processes
    assert sandbox.health().healthy


def test_standard_input(sandbox):
    proc = sandbox.start_process("sort", stdin_mode=StdinMode.PIPE)
    assert proc.stdin_writable
    sandbox.write_stdin(proc.pid, b"b\nc\n")
    sandbox.write_stdin(proc.pid, b"a\n")
    sandbox.close_stdin(proc.pid)
    assert [event.line for event in sandbox.follow_stdout(proc.pid)] == ["a", "b", "c"]
    refused(400, "STDIN_NOT_WRITABLE", sandbox.write_stdin, proc.pid, b"late")


def test_captured_output(sandbox):
    # Two pipes have no common order: each line is written when the server has the one before.
    script = "echo one; read on; echo two >&2; read on; echo three"
    proc = sandbox.start_process("sh", ["-c", script], stdin_mode=StdinMode.PIPE)
    for count in (1, 2):
        while len(sandbox.get_output(proc.pid).lines) < count:
            time.sleep(0.02)
        sandbox.write_stdin(proc.pid, b"on\n")
    tagged = [(event.stream, event.line) for event in sandbox.follow_output(proc.pid)]
    assert tagged == [("stdout", "one"), ("stderr", "two"), ("stdout", "three")]
    assert [event.line for event in sandbox.follow_stderr(proc.pid)] == ["two"]
    assert sandbox.get_stdout(proc.pid).lines == ["one", "three"]
    assert sandbox.get_stderr(proc.pid).lines == ["two"]
    assert sandbox.get_output(proc.pid).lines == ["one", "two", "three"]
    silent = sandbox.start_process("echo", ["unheard"], stdout_mode=OutputMode.DISCARD)
    assert list(sandbox.follow_output(silent.pid)) == []


def test_a_long_output(sandbox):
    count = 50_000
    assert sandbox.run("seq", [str(count)]).stdout.split("\n") == numbers(count)
    proc = sandbox.start_process("seq", [str(count)])
    assert [event.line for event in sandbox.follow_output(proc.pid)] == numbers(count)
    assert sandbox.get_output(proc.pid).lines == numbers(count)


def test_a_managed_process(sandbox):
    proc = sandbox.start_process("sleep", ["1000"], name="worker 1", restart={"policy": "always"})
    assert (proc.managed.name, proc.managed.status) == ("worker 1", "running")
    second = sandbox.restart_process("worker 1")
    assert second.pid != proc.pid
    assert sandbox.get_process("worker 1").pid == second.pid
    refused(409, "NAME_TAKEN", sandbox.start_process, "true", name="worker 1")
    sandbox.kill_process("worker 1")
    list(sandbox.follow_output(second.pid))
    assert sandbox.get_process(second.pid).status == ProcessStatus.SIGNALED


def until(wanted, look):
    """What `look` gives once it is `wanted`."""
    end = time.monotonic() + 60
    while not wanted(seen := look()):
        assert time.monotonic() < end, seen
        time.sleep(0.02)
    return seen


def test_processes_are_listed_in_every_state():
    """One record that this client's model does not take would fail every listing."""
    with client().create_and_connect() as sandbox:
        sandbox.run("true")
        sandbox.run("sh", ["-c", "kill -9 $$"])
        sandbox.start_process("sleep", ["1000"], stdin_mode=StdinMode.PIPE)
        named = sandbox.start_process("sleep", ["1000"], name="named").managed
        # The policy of one that was started without a policy.
        policy = named.restart
        assert policy.policy == RestartPolicy.NEVER
        assert (policy.max_restarts, policy.initial_backoff_ms, policy.max_backoff_ms) == (None, 500, 30_000)
        assert (named.id, named.health_check, named.health_status) == ("named", None, "disabled")
        check = {"type": "tcp", "port": 1, "initial_delay_ms": 0, "interval_ms": 10, "failure_threshold": 1}
        checked = sandbox.start_process("sleep", ["1000"], health_check=check).managed
        assert (checked.name, checked.restart.policy, checked.health_check.port) == (None, RestartPolicy.NEVER, 1)
        failing = {"policy": "on_failure", "initial_backoff_ms": 600_000, "max_backoff_ms": 600_000}
        sandbox.start_process("false", name="failing", restart=failing)
        sandbox.start_process("sleep", ["1000"], name="stopped", restart={"policy": "always", "max_restarts": 3})
        sandbox.kill_process("stopped")

        def states():
            managed = [process.managed for process in sandbox.list_processes() if process.managed]
            return {(each.name, each.status, each.health_status) for each in managed}

        wanted = {
            ("named", "running", "disabled"),
            (None, "stopped", "unhealthy"),
            ("failing", "backing_off", "disabled"),
            ("stopped", "stopped", "disabled"),
        }
        until(lambda seen: seen == wanted, states)
        listed = {process.managed.name: process.managed for process in sandbox.list_processes() if process.managed}
        assert listed["failing"].last_exit.exit_code == 1 and listed["failing"].next_restart_at
        assert listed["stopped"].last_exit.signal == 9
        assert listed[None].last_error


def test_files(sandbox, tmp_path):
    content = bytes(number * 31 % 251 for number in range(3_000_001))
    sandbox.write_file("/tmp/deep/er/é +&%.bin", content)
    assert sandbox.read_file("/tmp/deep/er/é +&%.bin").value == content
    (tmp_path / "local").write_bytes(content)
    sandbox.upload_file(str(tmp_path / "local"), "/tmp/deep/uploaded")
    entries = sandbox.list_directory("/tmp/deep").entries
    assert [(entry.name, entry.is_dir, entry.size) for entry in entries] == [
        ("er", True, None),
        ("uploaded", False, len(content)),
    ]
    sandbox.delete_file("/tmp/deep/uploaded")
    refused(404, "NOT_FOUND", sandbox.read_file, "/tmp/deep/uploaded")
    refused(400, "IS_DIRECTORY", sandbox.read_file, "/tmp/deep")
    refused(403, "PATH_TRAVERSAL", sandbox.write_file, "/tmp/../x", content)


class Screen:
    """What a terminal has shown."""

    def __init__(self, pty):
        self.bytes = b""
        self.changed = threading.Condition()
        pty.on_data(self.show)

    def show(self, data):
        with self.changed:
            self.bytes += data
            self.changed.notify()

    def until(self, wanted):
        with self.changed:
            assert self.changed.wait_for(lambda: re.search(wanted, self.bytes), 60), self.bytes


def test_a_terminal(sandbox):
    # What it shows before somebody listens would be lost: it waits to be spoken to.
    pty = sandbox.create_pty("sh", env={"PS1": ""}, rows=30, cols=90)
    screen = Screen(pty)
    pty.resize(100, 40)
    pty.send_input("stty size; echo over\n")
    screen.until(rb"40 100\r\nover\r\n")
    pty.send_input("exit 7\n")
    assert pty.wait(60) == 7


def test_a_terminal_that_is_left_and_killed(sandbox):
    pty = sandbox.create_pty("sh", ["-c", "read line; echo here; exec sleep 1000"])
    screen = Screen(pty)
    pty.send_input("\n")
    screen.until(b"here")
    pty.disconnect()
    again = sandbox.connect_pty(pty.session_id, pty.token)
    again.kill()
    assert again.wait(60) == -1


def test_a_tunnel(sandbox):
    proc = sandbox.start_process("python3", ["-u", "-m", "http.server", "--bind", "127.0.0.1", "0"])
    while not (said := sandbox.get_output(proc.pid).lines):
        time.sleep(0.02)
    port = int(re.search(r"port (\d+)", said[0])[1])
    sandbox.write_file("/workspace/page", b"through")
    with sandbox.create_tunnel(port, local_port=0) as tunnel:
        address = tunnel.address
        address = address() if callable(address) else address
        with urllib.request.urlopen(f"http://127.0.0.1:{address.port}/page") as answer:
            assert answer.read() == b"through"
    sandbox.kill_process(proc.pid)


def test_a_sandbox_from_its_making_to_its_end():
    made = Sandbox.create(name="by-python", cpus=2, memory_mb=2048, timeout_secs=600, exposed_ports=[8080])
    info = made.info()
    assert (info.status, info.name, info.timeout_secs) == (SandboxStatus.RUNNING, "by-python", 600)
    assert (info.resources.cpus, info.resources.memory_mb, info.exposed_ports) == (2, 2048, [8080])
    assert made.sandbox_id in [other.sandbox_id for other in Sandbox.list()]
    made.update(name="by-python-2")
    connected = Sandbox.connect("by-python-2")
    assert Sandbox.get_or_create("by-python-2").sandbox_id == made.sandbox_id
    proc = connected.start_process("sleep", ["1000"])
    made.suspend(poll_interval=0.01)
    assert made.status == SandboxStatus.SUSPENDED
    made.resume(poll_interval=0.01)
    assert made.status == SandboxStatus.RUNNING
    assert connected.get_process(proc.pid).status == ProcessStatus.RUNNING
    refused(501, "UNSUPPORTED", made.checkpoint)
    made.terminate()
    refused(503, "SANDBOX_NOT_RUNNING", connected.run, "true")
    with pytest.raises(SandboxNotFoundError):
        Sandbox.connect("nobody")


def test_the_record_of_a_sandbox(key):
    made = Sandbox.create(allow_internet_access=False)
    closed = {"allow_internet_access": False, "allow_out": [], "deny_out": []}
    assert made.info().network_policy.model_dump() == closed
    made.update(network=CLEAR_NETWORK_POLICY)
    assert made.info().network_policy is None
    proc = made.start_process("python3", ["-u", "-m", "http.server", "--bind", "127.0.0.1", "0"])
    [line] = until(bool, lambda: made.get_output(proc.pid).lines)
    port = int(re.search(r"port (\d+)", line)[1])
    made.write_file("/workspace/page", b"through")
    made.update(exposed_ports=[port])
    address = made.info().url_for_port(port)
    assert f"//{port}-{made.sandbox_id}." in address
    # curl resolves names below `localhost`, which the system may not.
    curl = ["curl", "-s", "-H", f"Authorization: Bearer {key}", f"{address}/page"]
    assert subprocess.run(curl, stdout=subprocess.PIPE, check=True).stdout == b"through"
    for call in (made.get_logs, made.list_log_processes):
        refused(501, "UNSUPPORTED", call)
    made.terminate()
    [ended] = [info for info in Sandbox.list() if info.sandbox_id == made.sandbox_id]
    assert (ended.status, ended.url_for_port(port)) == (SandboxStatus.TERMINATED, None)


def test_by_every_address_that_this_client_takes_for_local(sandbox, url, key):
    local = url.replace("127.0.0.1", "localhost")
    assert Sandbox.connect(sandbox.sandbox_id, api_url=local).health().healthy
    for proxy in (url, local, f"{url}/s/{sandbox.sandbox_id}"):
        direct = Sandbox(sandbox.sandbox_id, proxy_url=proxy, api_key=key)
        assert direct.run("echo", ["direct"]).stdout == "direct"
        assert direct.create_pty("true").wait(60) == 0
    with pytest.raises(RemoteAPIError) as caught:
        Sandbox(sandbox.sandbox_id, proxy_url=url, api_key="wrong").run("true")
    assert caught.value.status_code == 401


def test_the_asynchronous_client():
    async def main():
        sandbox = await AsyncSandbox.create()
        result = await sandbox.run("sh", ["-c", "echo out; exit 3"])
        proc = await sandbox.start_process("seq", ["1000"])
        lines = [event.line for event in await sandbox.follow_output(proc.pid)]
        pty = await sandbox.create_pty("sh", ["-c", "exit 5"])
        code = await pty.wait()
        await sandbox.terminate()
        return result.exit_code, result.stdout, lines, code

    assert asyncio.run(main()) == (3, "out", numbers(1000), 5)
