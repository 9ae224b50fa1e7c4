# Attempts to get out of a sandbox. Each is a function that returns whether it got something that is not the
# sandbox's own; an OSError means that it was denied. Each runs in a process of its own and is reported as one line:
# claim, name, `got`, `held` or `broken`, detail. TARGETS is what there is to get, made by the test on the host.
import ctypes, errno, glob, json, os, platform, signal, socket, stat, struct, sys, time, traceback

TARGETS = json.loads(os.environ["TARGETS"])
# Process 1 of its namespace, or the parent of what the sandbox starts.
AGENT = os.getppid()
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
X86 = platform.machine() == "x86_64"
attempts = []
# How long an attempt may take.
TIMEOUT = 20


def attempt(claim):
    """Registers an attempt, which is named after its function, for a claim of the test's table."""

    def register(function):
        attempts.append((claim, function.__name__.replace("_", "-"), function))
        return function

    return register


def several(claim, cases):
    """Registers one attempt for each name in `cases`, whose value is its argument."""

    def register(function):
        for name, case in cases.items():
            attempts.append((claim, name, lambda case=case: function(case)))
        return function

    return register


def call(number, *args):
    """A system call by number; an OSError where it fails."""
    arguments = [ctypes.c_long(a) if isinstance(a, int) else a for a in args]
    result = libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


DENIALS = (errno.EPERM, errno.EACCES, errno.ENOSYS)


def reaches(number, *args):
    """Whether the kernel looks at the arguments of a system call, which are wrong, instead of denying it."""
    try:
        call(number, *args)
    except OSError as error:
        if error.errno in DENIALS:
            raise
    return True


def opens(path, flags=os.O_RDONLY):
    os.close(os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY))
    return True


def reads(path, wanted=None):
    with open(path, "rb") as file:
        found = file.read(1 << 16)
    return wanted is None or wanted.encode() in found


def any_of(works):
    """Whether one of them succeeds. Each is tried, also after an OSError."""
    last = None
    for work in works:
        try:
            if work():
                return True
        except OSError as error:
            last = error
    if last:
        raise last
    return False


def run(function):
    """The outcome of an attempt, made in a child process."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ours)
        signal.alarm(TIMEOUT)
        try:
            said = "got" if function() else "held\tnothing was found"
        except OSError as error:
            said = f"held\t{error}"
        except BaseException:
            said = "broken\t" + traceback.format_exc().replace("\n", " | ")
        os.write(theirs, said.encode())
        os._exit(0)
    os.close(theirs)
    said = b""
    while part := os.read(ours, 65536):
        said += part
    os.close(ours)
    _, status = os.waitpid(child, 0)
    if said:
        return said.decode()
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGSYS:
        return "held\tkilled by the filter"
    return f"broken\tended with {status}"


def main():
    for claim, name, function in attempts:
        print(f"{claim}\t{name}\t{run(function)}", flush=True)
