# The agent, the server, and other processes: descriptors, memory, signals, limits.
ATTACH, SEIZE = 16, 0x4206
PTRACE, VM_READ, GETFD, PIDFD_OPEN, PIDFD_SIGNAL = (101, 310, 438, 434, 424) if X86 else (117, 270, 438, 434, 424)
PRLIMIT = 302 if X86 else 261


def pids(text):
    """Other processes of the machine with this text among their arguments."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline") as file:
                if text in file.read() and int(pid) != os.getpid():
                    found.append(int(pid))
        except OSError:
            pass
    return found


def traces(pid):
    def trace(how):
        call(PTRACE, how, pid, 0, 0)
        return True

    return any_of([lambda: trace(SEIZE), lambda: trace(ATTACH)])


def reads_memory(pid):
    with open(f"/proc/{pid}/maps") as maps:
        start = int(maps.readline().split("-")[0], 16)
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        memory.seek(start)
        return len(memory.read(4)) == 4


def copies_memory(pid):
    buffer = ctypes.create_string_buffer(8)
    ours = (ctypes.c_uint64 * 2)(ctypes.addressof(buffer), 8)
    theirs = (ctypes.c_uint64 * 2)(0x1000, 8)
    try:
        call(VM_READ, pid, ctypes.byref(ours), 1, ctypes.byref(theirs), 1, 0)
    except OSError as error:
        # The address is wrong, which is looked at last.
        if error.errno != errno.EFAULT:
            raise
    return True


def takes_descriptor(pid):
    pidfd = call(PIDFD_OPEN, pid, 0)
    return any_of([lambda fd=fd: call(GETFD, pidfd, fd, 0) >= 0 for fd in range(16)])


def opens_descriptor(pid):
    paths = [f"/proc/{pid}/fd/{fd}" for fd in range(16)]
    return any_of([lambda path=path: opens(path) for path in paths])


def signals(pid):
    os.kill(pid, 0)
    return True


def signals_by_pidfd(pid):
    call(PIDFD_SIGNAL, call(PIDFD_OPEN, pid, 0), 0, 0, 0)
    return True


def sets_limit(pid):
    limit = (ctypes.c_uint64 * 2)()
    call(PRLIMIT, pid, 7, 0, ctypes.byref(limit))
    call(PRLIMIT, pid, 7, ctypes.byref(limit), 0)
    return True


def sets_priority(pid):
    os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, pid))
    return True


def sets_processors(pid):
    os.sched_setaffinity(pid, os.sched_getaffinity(pid))
    return True


def extra():
    found = set()
    for fd in range(3, 1024):
        try:
            os.fstat(fd)
            found.add(fd)
        except OSError:
            pass
    return found


# Before an attempt opens some for itself.
EXTRA = extra()


@attempt("descriptors")
def inherited_descriptors():
    return bool(EXTRA)


@attempt("descriptors")
def a_descriptor_that_leads_to_the_host():
    return any_of([lambda fd=fd: os.stat("etc/shadow", dir_fd=fd) is not None for fd in EXTRA])


IN_A_PROCESS = {
    "descriptors": opens_descriptor,
    "descriptors-by-pidfd": takes_descriptor,
    "memory": reads_memory,
    "memory-by-copy": copies_memory,
    "tracing": traces,
    "environment": lambda pid: reads(f"/proc/{pid}/environ"),
    "root-directory": lambda pid: bool(os.listdir(f"/proc/{pid}/root/")),
    "working-directory": lambda pid: bool(os.readlink(f"/proc/{pid}/cwd")),
    "namespaces": lambda pid: bool(os.readlink(f"/proc/{pid}/ns/mnt")),
}
several("agent", {f"agent-{name}": work for name, work in IN_A_PROCESS.items()})(lambda work: work(AGENT))


def of_each(text, work):
    return any_of([lambda pid=pid: work(pid) for pid in pids(text)])


SIGNALS = {"signal": signals, "signal-by-pidfd": signals_by_pidfd}
for who in ["server", "program", "neighbour"]:
    mark = TARGETS[f"{who}_mark"]
    cases = {f"{who}-{name}": work for name, work in IN_A_PROCESS.items()}
    several("processes", cases)(lambda work, mark=mark: of_each(mark, work))
    cases = {f"{who}-{name}": work for name, work in SIGNALS.items()}
    several("signals", cases)(lambda work, mark=mark: of_each(mark, work))
    several("limits", {f"{who}-limits": sets_limit})(lambda work, mark=mark: of_each(mark, work))
    cases = {f"{who}-priority": sets_priority, f"{who}-processors": sets_processors}
    several("scheduling", cases)(lambda work, mark=mark: of_each(mark, work))
    several("list", {f"{who}-arguments": mark})(lambda mark: bool(pids(mark)))


@attempt("privileges")
def capabilities():
    with open("/proc/self/status") as status:
        return any(int(line.split()[1], 16) for line in status if line.startswith(("CapEff", "CapPrm", "CapAmb")))


@attempt("privileges")
def set_uid_programs():
    with open("/proc/self/status") as status:
        return "NoNewPrivs:\t0\n" in status.readlines()


@attempt("privileges")
def what_root_owns():
    # Root's files have the overflow uid where root is not mapped.
    return os.stat("/proc/sys").st_uid == os.getuid()


several("privileges", {"another-user": os.setuid, "another-group": os.setgid})(lambda change: change(0) is None)


@attempt("privileges")
def other_groups():
    os.setgroups([0])
    return True
