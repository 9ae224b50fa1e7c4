# Namespaces, mounts, keys, and what else the kernel can be asked for.
def numbers(x86, arm):
    return x86 if X86 else arm


NEW = {
    "user": 0x10000000,
    "mount": 0x20000,
    "pid": 0x20000000,
    "network": 0x40000000,
    "ipc": 0x08000000,
    "uts": 0x04000000,
    "cgroup": 0x02000000,
    "time": 0x80,
}
UNSHARE, CLONE, CLONE3, SETNS = numbers((272, 56, 435, 308), (97, 220, 435, 268))


def unshares(flags):
    call(UNSHARE, flags)
    return True


several("namespaces", {f"unshare-{name}": flag for name, flag in NEW.items()})(unshares)


def clones(flags):
    child = call(CLONE, flags | signal.SIGCHLD, 0, 0, 0, 0)
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return True


several("namespaces", {f"clone-{name}": NEW[name] for name in ["user", "mount", "pid", "network"]})(clones)


@attempt("namespaces")
def clone3_user():
    arguments = (ctypes.c_uint64 * 11)(NEW["user"], 0, 0, 0, signal.SIGCHLD)
    child = call(CLONE3, ctypes.byref(arguments), ctypes.sizeof(arguments))
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return True


several("namespaces", {f"enter-{name}": name for name in ["mnt", "net", "pid", "user", "uts"]})(
    lambda name: reaches(SETNS, os.open(f"/proc/self/ns/{name}", os.O_RDONLY), 0)
)

MOUNT, UMOUNT, PIVOT, CHROOT, HANDLE = numbers((165, 166, 155, 161, 304), (40, 39, 41, 51, 265))


def mounts(source, target, kind, flags):
    libc.mount.argtypes = [ctypes.c_char_p] * 3 + [ctypes.c_ulong, ctypes.c_char_p]
    if libc.mount(source, target, kind, flags, None) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    # What succeeds on the host must not stay.
    if flags & 32 == 0:
        libc.umount2(target, 2)
    return True


HERE = os.path.abspath(os.path.dirname(__file__)).encode()
several("mounts", {
    "mount-tmpfs": (b"none", HERE, b"tmpfs", 0),
    "mount-proc": (b"none", HERE, b"proc", 0),
    "mount-cgroup": (b"none", HERE, b"cgroup2", 0),
    "bind": (b"/", HERE, None, 4096),
})(lambda arguments: mounts(*arguments))
several("mounts", {"remount-usr": b"/usr", "remount-proc-sys": b"/proc/sys"})(
    lambda path: reaches(MOUNT, 0, ctypes.c_char_p(path), 0, 32 | 4096 | 1 << 40, 0)
)
NO_PATH = ctypes.c_char_p(b"/nowhere/at/all")
several("mounts", {
    "unmount": (UMOUNT, NO_PATH, 0),
    "pivot-root": (PIVOT, NO_PATH, NO_PATH),
    "chroot": (CHROOT, NO_PATH),
    "open-tree": (428, -100, NO_PATH, 1),
    "move-mount": (429, -100, NO_PATH, -100, NO_PATH, 0),
    "fsopen": (430, NO_PATH, 0),
    "fspick": (433, -100, NO_PATH, 0),
    "mount-attributes": (442, -100, NO_PATH, 0, 0, 0),
    "file-by-handle": (HANDLE, -100, 0, 0),
})(lambda arguments: reaches(*arguments))

ADD_KEY, REQUEST_KEY, KEYCTL = numbers((248, 249, 250), (217, 218, 219))
SESSION = -3


@attempt("keys")
def session_keyring():
    # KEYCTL_SEARCH, KEYCTL_READ
    key = call(KEYCTL, 10, SESSION, ctypes.c_char_p(b"user"), ctypes.c_char_p(TARGETS["key"].encode()), 0)
    buffer = ctypes.create_string_buffer(64)
    call(KEYCTL, 11, key, buffer, 64)
    return TARGETS["secret"].encode() in buffer.raw


@attempt("keys")
def request_key():
    return call(REQUEST_KEY, ctypes.c_char_p(b"user"), ctypes.c_char_p(TARGETS["key"].encode()), 0, SESSION) > 0


@attempt("keys")
def add_key():
    name = ctypes.c_char_p(b"new")
    return call(ADD_KEY, ctypes.c_char_p(b"user"), name, ctypes.c_char_p(b"x"), 1, -2) > 0


@attempt("key-list")
def descriptions_of_keys():
    return reads("/proc/keys", TARGETS["key"])


several("interfaces", {
    "bpf": numbers((321, 5, 0, 0), (280, 5, 0, 0)),
    "perf-events": numbers((298, 0, 0, 0, 0, 0), (241, 0, 0, 0, 0, 0)),
    "userfaultfd": numbers((323, 1 << 20), (282, 1 << 20)),
    "io-uring": (425, 1, 0),
    "kernel-log": numbers((103, 10, 0, 0), (116, 10, 0, 0)),
    "init-module": numbers((175, 0, 0, 0), (105, 0, 0, 0)),
    "load-module": numbers((313, -1, 0, 0), (273, -1, 0, 0)),
    "kexec": numbers((246, 0, 1 << 20, 0, 0), (104, 0, 1 << 20, 0, 0)),
    "reboot": numbers((169, 1, 2, 3, 0), (142, 1, 2, 3, 0)),
    "swap": numbers((167, NO_PATH, 0), (224, NO_PATH, 0)),
    "accounting": numbers((163, NO_PATH), (89, NO_PATH)),
    "clock": numbers((227, 1, 0), (112, 1, 0)),
    "host-name": numbers((170, 0, 1 << 20), (161, 0, 1 << 20)),
})(lambda arguments: reaches(*arguments))


@attempt("interfaces")
def other_architectures():
    if not X86:
        return False
    import mmap

    # mov eax, 20 (getpid of i386); int 0x80; ret
    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")
    address = ctypes.addressof(ctypes.c_char.from_buffer(code))
    return ctypes.CFUNCTYPE(ctypes.c_int)(address)() == os.getpid()


@attempt("interfaces")
def x32_calls():
    return call(0x40000000 | 39) == os.getpid() if X86 else False


def writable(directory):
    for folder, _, names in os.walk(directory):
        for name in names:
            yield lambda path=os.path.join(folder, name): opens(path, os.O_WRONLY)


@attempt("settings")
def kernel_settings():
    return any_of(writable("/proc/sys"))


several("settings", {
    "core-pattern": "/proc/sys/kernel/core_pattern",
    "sysrq": "/proc/sysrq-trigger",
    "kernel-messages": "/dev/kmsg",
    "interrupts": "/proc/irq/default_smp_affinity",
    "uevent-helper": "/sys/kernel/uevent_helper",
})(lambda path: opens(path, os.O_WRONLY))


@attempt("settings")
def control_groups():
    return any_of(writable("/sys/fs/cgroup"))


several("machine-memory", {"kcore": "/proc/kcore", "mem": "/dev/mem", "port": "/dev/port", "kernel-page-flags": "/proc/kpageflags"})(
    opens
)


def devices():
    """The machine's block devices, as they are named in /sys or usually are."""
    names = [os.path.basename(path) for path in glob.glob("/sys/class/block/*")]
    return {f"/dev/{name}" for name in names} | {"/dev/vda", "/dev/sda", "/dev/nvme0n1", "/dev/loop0"}


@attempt("devices")
def disks():
    return any_of([lambda path=path: opens(path) for path in devices()])


several("devices", {
    "new-block-device": (stat.S_IFBLK, os.makedev(7, 0)),
    "new-character-device": (stat.S_IFCHR, os.makedev(1, 1)),
})(lambda kind: os.mknod(f"device-{os.getpid()}", 0o600 | kind[0], kind[1]) is None)


@attempt("devices")
def device_mapper():
    return any_of([lambda path=path: opens(path, os.O_RDWR) for path in ["/dev/mapper/control", "/dev/loop-control", "/dev/fuse", "/dev/kvm"]])
