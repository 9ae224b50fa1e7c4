# Files of the host, of its user, of the server and of another sandbox; shared memory; terminals.
SECRET = TARGETS["secret"]
several("reading", {
    "file-of-the-user": TARGETS["file"],
    "file-of-the-neighbour": TARGETS["neighbour_file"],
    "file-by-the-agent-s-root": f"/proc/{AGENT}/root{TARGETS['file']}",
    "file-in-shared-memory": TARGETS["shared_memory"],
})(lambda path: reads(path, SECRET))
several("reading", {"shadow": "/etc/shadow", "gshadow": "/etc/gshadow"})(reads)
several("listing", {
    "directory-of-the-user": TARGETS["directory"],
    "directory-of-the-server": TARGETS["server_directory"],
    "directory-of-the-neighbour": os.path.dirname(TARGETS["neighbour_file"]),
    "private-keys": "/etc/ssl/private",
    "home-of-root": "/root",
})(lambda path: bool(os.listdir(path)))
several("writing", {
    "write-a-file": TARGETS["file"],
    "write-a-neighbour-s-file": TARGETS["neighbour_file"],
    "write-passwd": "/etc/passwd",
    "write-a-program": "/usr/bin/env",
    "write-the-resolver": "/etc/resolv.conf",
})(lambda path: opens(path, os.O_WRONLY))


def creates(directory):
    path = f"{directory}/made-{os.getpid()}"
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    os.unlink(path)
    return True


several("writing", {
    "make-a-file": TARGETS["directory"],
    "make-a-neighbour-s-file": os.path.dirname(TARGETS["neighbour_file"]),
    "make-a-program": "/usr/local/bin",
    "make-a-setting": "/etc",
    "make-at-the-root": "/",
})(creates)
several("writing", {"truncate": lambda path: os.truncate(path, os.stat(path).st_size), "rename": lambda path: os.rename(path, path + "-") or os.rename(path + "-", path)})(
    lambda change: change(TARGETS["file"]) is None
)


@attempt("writing")
def hard_link():
    name = f"linked-{os.getpid()}"
    os.link(TARGETS["file"], name)
    os.unlink(name)
    return True


@attempt("reading")
def symbolic_link():
    name = f"symbolic-{os.getpid()}"
    os.symlink(TARGETS["file"], name)
    try:
        return reads(name, SECRET)
    finally:
        os.unlink(name)


def set_times(path):
    before = os.stat(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


several("attributes", {
    "see-attributes": os.stat,
    "set-mode": lambda path: os.chmod(path, stat.S_IMODE(os.stat(path).st_mode)),
    "set-times": set_times,
    "set-attribute": lambda path: os.setxattr(path, "user.escape", b"x"),
})(lambda change: bool(change(TARGETS["file"]) or True))

SHMGET, SHMAT, MQ_OPEN = (29, 30, 240) if X86 else (194, 196, 180)


@attempt("ipc")
def system_v_memory():
    segment = call(SHMGET, TARGETS["segment"], 0, 0)
    address = call(SHMAT, segment, 0, 0o10000)
    return ctypes.string_at(address, len(SECRET)) == SECRET.encode()


@attempt("ipc")
def message_queue():
    return call(MQ_OPEN, ctypes.c_char_p(TARGETS["queue"].encode()), os.O_RDONLY, 0, 0) >= 0


@attempt("terminals")
def terminal_of_the_user():
    # In a view of its own the same name can be another terminal.
    path = TARGETS["terminal"]
    return os.stat(path).st_rdev == TARGETS["terminal_device"] and opens(path, os.O_RDWR)


@attempt("terminals")
def console():
    return any_of([lambda path=path: opens(path, os.O_RDWR) for path in ["/dev/console", "/dev/tty0", "/dev/tty1", "/dev/ttyS0"]])


IOCTL = 16 if X86 else 29


def types(request):
    import fcntl, pty

    child, ours = pty.fork()
    if child == 0:
        character = ctypes.create_string_buffer(b"\x02x")
        try:
            call(IOCTL, 0, request, ctypes.byref(character))
            os._exit(0)
        except OSError as error:
            os._exit(1 if error.errno in DENIALS else 0)
    _, status = os.waitpid(child, 0)
    return status == 0


TIOCSTI, TIOCLINUX = 0x5412, 0x541C
several("terminals", {"type": TIOCSTI, "type-with-more-bits": TIOCSTI | 1 << 32, "paste": TIOCLINUX})(types)
