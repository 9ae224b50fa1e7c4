# Sockets of the host's programs, of other sandboxes, and of kinds that reach past a network of one's own.
def answers(family, address, kind=socket.SOCK_STREAM):
    """Whether a program of the host answers with the secret."""
    with socket.socket(family, kind) as connection:
        connection.settimeout(2)
        connection.connect(address)
        connection.send(b"?")
        return SECRET.encode() in connection.recv(64)


def connects(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as connection:
        connection.settimeout(2)
        connection.connect(address)
    return True


IPV4, IPV6, UNIX = socket.AF_INET, socket.AF_INET6, socket.AF_UNIX
several("unix", {"path-socket": TARGETS["socket"]})(lambda path: answers(UNIX, path))
several("abstract", {"abstract-socket": "\0" + TARGETS["abstract"]})(lambda name: answers(UNIX, name))


@attempt("unix")
def datagrams_from_a_pair():
    ours, theirs = socket.socketpair(UNIX, socket.SOCK_DGRAM)
    ours.connect(TARGETS["datagrams"])
    return ours.send(b"?") == 1


PORT = TARGETS["port"]
several("loopback", {
    "loopback-ipv4": (IPV4, ("127.0.0.1", PORT)),
    "loopback-other-address": (IPV4, ("127.1.2.3", PORT)),
    "loopback-ipv6": (IPV6, ("::1", PORT)),
    "loopback-mapped": (IPV6, ("::ffff:127.0.0.1", PORT)),
    "any-address": (IPV4, ("0.0.0.0", PORT)),
    "any-address-ipv6": (IPV6, ("::", PORT)),
})(lambda address: answers(*address))
several("loopback", {"loopback-udp": (IPV4, ("127.0.0.1", TARGETS["udp_port"]))})(
    lambda address: answers(*address, socket.SOCK_DGRAM)
)
several("loopback", {"port-of-the-server": TARGETS["server_port"], "port-of-the-neighbour": TARGETS["neighbour_port"]})(
    lambda port: connects(IPV4, ("127.0.0.1", port))
)


@attempt("host-addresses")
def addresses_of_the_host():
    return any_of([lambda address=address: answers(IPV4, (address, PORT)) for address in TARGETS["addresses"]])


@attempt("host-addresses")
def name_of_the_host():
    return answers(IPV4, (TARGETS["host_name"], PORT))


@attempt("host-addresses")
def gateway():
    # The first address of a user-mode network is often its host.
    with open("/proc/net/route") as routes:
        gateways = {int(line.split()[2], 16) for line in routes.readlines()[1:]} - {0}
    names = [socket.inet_ntoa(struct.pack("<I", gateway)) for gateway in gateways]
    return any_of([lambda name=name: answers(IPV4, (name, PORT)) for name in names])


several("socket-kinds", {
    "packet-socket": (17, socket.SOCK_RAW, 0),
    "virtual-machine-socket": (40, socket.SOCK_STREAM, 0),
    "kernel-crypto-socket": (38, socket.SOCK_SEQPACKET, 0),
    "key-socket": (15, socket.SOCK_RAW, 2),
    "bluetooth-socket": (31, socket.SOCK_RAW, 1),
    "audit-socket": (16, socket.SOCK_RAW, 9),
    "uevent-socket": (16, socket.SOCK_RAW, 15),
    "netfilter-socket": (16, socket.SOCK_RAW, 12),
    "raw-socket": (2, socket.SOCK_RAW, 1),
})(lambda arguments: socket.socket(*arguments).close() is None)
