# Becomes the server, with what a shell may leave to it: descriptors, and a session keyring with a key. Before
# that, starts a program of the same user, which holds what attempts look for and can be asked to make attempts
# itself. It ends with the connection to its socket.
import ctypes, json, os, pty, socket, subprocess, sys, threading

# The arguments are a mark, by which this program is found among the machine's, and the server with its own.
targets = json.loads(os.environ.pop("TARGETS"))
program = sys.argv[2:]
secret = targets["secret"].encode()
libc = ctypes.CDLL(None, use_errno=True)
X86 = os.uname().machine == "x86_64"
ADD_KEY, KEYCTL, SHMGET, SHMAT, MQ_OPEN = (248, 250, 29, 30, 240) if X86 else (217, 219, 194, 196, 180)
JOIN_SESSION, SESSION = 1, -3
libc.syscall.restype = ctypes.c_long
libc.syscall(KEYCTL, JOIN_SESSION, None)
libc.syscall(ADD_KEY, b"user", targets["key"].encode(), secret, len(secret), SESSION)


def serve():
    os.setsid()
    directory = targets["directory"]
    listeners = []

    def listen(family, address, kind=socket.SOCK_STREAM):
        listener = socket.socket(family, kind)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        if kind == socket.SOCK_STREAM:
            listener.listen()
        listeners.append(listener)
        return listener

    def answer(listener):
        while True:
            connection, _ = listener.accept()
            try:
                connection.recv(1)
                connection.sendall(secret)
            except OSError:
                pass
            connection.close()

    def answer_datagrams(listener):
        while True:
            _, address = listener.recvfrom(64)
            if address:
                listener.sendto(secret, address)

    streams = [listen(socket.AF_INET, ("0.0.0.0", 0))]
    port = streams[0].getsockname()[1]
    if socket.has_ipv6:
        try:
            streams.append(listen(socket.AF_INET6, ("::", port)))
        except OSError:
            pass
    streams.append(listen(socket.AF_UNIX, f"{directory}/socket"))
    streams.append(listen(socket.AF_UNIX, "\0" + targets["abstract"]))
    datagrams = [listen(socket.AF_INET, ("127.0.0.1", 0), socket.SOCK_DGRAM)]
    datagrams.append(listen(socket.AF_UNIX, f"{directory}/datagrams", socket.SOCK_DGRAM))
    for listener in streams:
        threading.Thread(target=answer, args=(listener,), daemon=True).start()
    for listener in datagrams:
        threading.Thread(target=answer_datagrams, args=(listener,), daemon=True).start()
    segment = libc.syscall(SHMGET, targets["segment"], 4096, 0o1600)
    address = libc.syscall(SHMAT, segment, None, 0)
    ctypes.memmove(ctypes.c_void_p(address), secret, len(secret))
    libc.syscall(MQ_OPEN, targets["queue"].encode(), os.O_RDWR | os.O_CREAT, 0o600, None)
    with open(targets["shared_memory"], "wb") as file:
        file.write(secret)
    ours, theirs = pty.openpty()
    found = {
        "port": port,
        "udp_port": datagrams[0].getsockname()[1],
        "socket": f"{directory}/socket",
        "datagrams": f"{directory}/datagrams",
        "terminal": os.ttyname(theirs),
        "terminal_device": os.fstat(theirs).st_rdev,
        "host_name": socket.gethostname(),
    }
    control = listen(socket.AF_UNIX, f"{directory}/control")
    control.settimeout(60)
    try:
        connection, _ = control.accept()
        connection.settimeout(None)
        stream = connection.makefile("rw")
        stream.write(json.dumps(found) + "\n")
        stream.flush()
        # A request is the path of a program, and what TARGETS is for it.
        for request in stream:
            path, given = json.loads(request)
            done = subprocess.run(
                [sys.executable, "-I", path], env={**os.environ, "TARGETS": given}, cwd=directory,
                stdout=subprocess.PIPE, close_fds=False, text=True,
            )
            stream.write(json.dumps(done.stdout) + "\n")
            stream.flush()
    finally:
        libc.shmctl(segment, 0, None)
        libc.mq_unlink(b"/" + targets["queue"].encode())
        os.unlink(targets["shared_memory"])
        os._exit(0)


os.dup2(os.open("/", os.O_RDONLY), 9, inheritable=True)
os.dup2(os.open(targets["file"], os.O_RDWR), 8, inheritable=True)
if os.fork() == 0:
    # The server would take a child for something that a sandbox has left.
    if os.fork() != 0:
        os._exit(0)
    # The test waits for the end of the server's output.
    null = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1):
        os.dup2(null, fd)
    try:
        serve()
    finally:
        os._exit(1)
os.wait()
os.execv(program[0], program)
