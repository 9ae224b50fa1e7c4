//! The agent's memory, descriptors and messages, and processes that are traced.

use crate::arena::{Arena, has_bubblewrap, has_python};
use crate::support::server::isolations;

/// What the programs share: system calls by number (x86-64 and arm64 differ in `ptrace` only by
/// name, which the C library has).
const CALLS: &str = r"
import ctypes, os, sys, time
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
ATTACH, SEIZE, DETACH = 16, 0x4206, 17
PIDFD_OPEN, PIDFD_GETFD = 434, 438
mark = sys.argv[1]
def attacked(text=''):
    open('attacked.new', 'w').write(text)
    os.rename('attacked.new', 'attacked')
def find(label):
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try: args = open(f'/proc/{pid}/cmdline').read().split('\0')
        except OSError: continue
        if mark in args and label in args: return int(pid)
";

/// Tries to take over the agent: it is pid 1, or the parent of what it starts.
const TAKE_OVER: &str = r"
got = []
def attempt(what, work):
    try: result = work()
    except OSError: return
    if result != -1: got.append(what)
for fd in range(3, 64):
    attempt(f'inherited fd {fd}', lambda: os.fstat(fd))
for pid in {1, os.getppid()}:
    attempt(f'read memory {pid}', lambda: os.open(f'/proc/{pid}/mem', os.O_RDONLY))
    attempt(f'write memory {pid}', lambda: os.open(f'/proc/{pid}/mem', os.O_RDWR))
    pidfd = libc.syscall(PIDFD_OPEN, pid, 0)
    for fd in range(64):
        attempt(f'open fd {pid} {fd}', lambda: os.open(f'/proc/{pid}/fd/{fd}', os.O_RDWR))
        attempt(f'link fd {pid} {fd}', lambda: os.readlink(f'/proc/{pid}/fd/{fd}'))
        if pidfd >= 0:
            attempt(f'pidfd_getfd {pid} {fd}', lambda: libc.syscall(PIDFD_GETFD, pidfd, fd, 0))
    for how in (SEIZE, ATTACH):
        attempt(f'ptrace {how} {pid}', lambda: libc.ptrace(how, pid, None, None))
attacked('\n'.join(got))
time.sleep(1000)
";

#[tokio::test]
async fn nobody_takes_over_the_agent() {
    if !has_python() || !has_bubblewrap() {
        return;
    }
    let arena = Arena::start("bubblewrap").await;
    arena.attack_in_python(&format!("{CALLS}{TAKE_OVER}")).await;
    assert_eq!(arena.results(), ["", ""]);
    arena.hostiles_answer().await;
    arena.finish().await;
}

/// Traces a process, lets it exit, and does not reap it: its parent cannot see the exit until then
/// (ptrace(2), "Death under ptrace").
const HIDE_AN_EXIT: &str = r"
while not (victim := find('victim')): time.sleep(0.01)
assert libc.ptrace(SEIZE, victim, None, None) == 0
open('go', 'w')
while open(f'/proc/{victim}/stat').read().rsplit(') ')[1][0] != 'Z': time.sleep(0.01)
attacked()
time.sleep(1000)
";

#[tokio::test]
async fn a_leader_exits_while_it_is_traced() {
    if !has_python() {
        return;
    }
    for isolation in isolations() {
        let arena = Arena::start(isolation).await;
        for hostile in &arena.hostiles {
            // Yama lets a process be traced by others than its parent only where it says so.
            let wait = "import ctypes, os, sys, time\nctypes.CDLL(None).prctl(0x59616d61, -1)\n\
                while not os.path.exists('go'): time.sleep(0.01)\n";
            let mut body = hostile.mark.script(wait);
            body["command"] = crate::arena::PYTHON.into();
            body["args"].as_array_mut().unwrap().push("victim".into());
            hostile.sandbox.start(body).await;
        }
        arena.attack_in_python(&format!("{CALLS}{HIDE_AN_EXIT}")).await;
        arena.hostiles_answer().await;
        arena.finish().await;
    }
}

/// Makes its parent, the agent, its tracer, which never lets it go on.
const TRACE_ME: &str = r"
if os.fork() == 0:
    time.sleep(0.1)
    attacked()
    time.sleep(1000)
libc.ptrace(0, 0, None, None)
os.kill(os.getpid(), 19)
";

#[tokio::test]
async fn a_leader_makes_the_agent_its_tracer() {
    if !has_python() {
        return;
    }
    for isolation in isolations() {
        let arena = Arena::start(isolation).await;
        arena.attack_in_python(&format!("{CALLS}{TRACE_ME}")).await;
        arena.hostiles_answer().await;
        arena.finish().await;
    }
}
