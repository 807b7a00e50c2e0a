"""The addresses of this machine's interfaces, without any program or library for it."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

# linux/netlink.h, rtnetlink.h, if_addr.h
_GET_ADDRESSES, _NEW_ADDRESS, _ERROR, _DONE = 22, 20, 2, 3
_REQUEST_DUMP = 0x301
_ADDRESS, _LOCAL, _FLAGS = 1, 2, 8
_TEMPORARY, _DUPLICATE, _DEPRECATED, _TENTATIVE = 0x01, 0x08, 0x20, 0x40

#: Seconds that the kernel gets to answer; it takes microseconds.
_PATIENCE = 1.0

#: How the interfaces of containers and virtual machines on this host begin: nobody outside reaches their addresses.
_INTERNAL = ("docker", "br-", "veth", "virbr", "vnet", "cni", "flannel", "lxcbr", "lxdbr", "podman", "cali", "tunl", "kube-", "vboxnet")


@dataclass(frozen=True, slots=True)
class InterfaceAddress:
    """One address: canonical text, and the interface that has it (empty when that is not known).

    Attributes:
        lasting: clients may rely on it; False for IPv6 privacy addresses and addresses on their way out.
        prefix: bits of its network; None when they are not known.
    """

    text: str
    interface: str
    lasting: bool = True
    prefix: int | None = None

    @property
    def internal(self) -> bool:
        """Whether only containers and virtual machines on this host use the interface."""
        return self.interface.startswith(_INTERNAL)


def interface_addresses() -> tuple[InterfaceAddress, ...]:
    """Return the routable addresses of this machine, neither loopback nor link-local; where the system does not list them, the chief ones."""
    try:
        found = list(_of_kernel())
    except (OSError, AttributeError, struct.error):
        # Not Linux, or a sandbox that shuts this door.
        found = list(_by_route())
    kept: dict[str, InterfaceAddress] = {}
    for each in found:
        number = ipaddress.ip_address(each.text)
        if not (number.is_loopback or number.is_link_local or number.is_unspecified or number.is_multicast):
            kept.setdefault(each.text, each)
    return tuple(kept.values())


def own_ranges() -> tuple[str, ...]:
    """Return every address of this machine as `address/prefix`, loopback too: what the server means by `samehost` and `samenet`."""
    try:
        found = list(_of_kernel())
    except (OSError, AttributeError, struct.error):
        found = [InterfaceAddress("127.0.0.1", "", prefix=8), InterfaceAddress("::1", "", prefix=128), *_by_route()]
    whole = {each.text: each for each in found}
    return tuple(f"{text}/{(128 if ':' in text else 32) if each.prefix is None else each.prefix}" for text, each in whole.items())


def _of_kernel() -> Iterator[InterfaceAddress]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        kernel.settimeout(_PATIENCE)
        kernel.bind((0, 0))
        # Header: length, type, flags, sequence, port; then the address family (any), padded.
        kernel.send(struct.pack("=IHHII", 24, _GET_ADDRESSES, _REQUEST_DUMP, 1, 0) + bytes(8))
        while True:
            data = kernel.recv(65536)
            while data:
                length, kind = struct.unpack_from("=IH", data)
                if kind == _DONE:
                    return
                if kind == _ERROR or length < 16:
                    raise OSError("the kernel does not tell its addresses")
                if kind == _NEW_ADDRESS:
                    address = _address(data[16:length])
                    if address is not None:
                        yield address
                data = data[(length + 3) & ~3 :]


def _address(message: bytes) -> InterfaceAddress | None:
    family, prefix, flags, _, index = struct.unpack_from("=BBBBI", message)
    attributes: dict[int, bytes] = {}
    rest = message[8:]
    while len(rest) >= 4:
        length, kind = struct.unpack_from("=HH", rest)
        if length < 4:
            break
        attributes[kind] = rest[4:length]
        rest = rest[(length + 3) & ~3 :]
    packed = attributes.get(_LOCAL, attributes.get(_ADDRESS))
    if packed is None or len(packed) not in {4, 16}:
        return None
    if _FLAGS in attributes:
        flags = int.from_bytes(attributes[_FLAGS][:4], "little" if struct.pack("=H", 1)[0] else "big")
    # For IPv4 the first bit means a second address on the same interface, which is as good as the first.
    passing = _DEPRECATED | _TENTATIVE | _DUPLICATE | (_TEMPORARY if family == socket.AF_INET6 else 0)
    name = ""
    with contextlib.suppress(OSError):
        name = socket.if_indextoname(index)
    return InterfaceAddress(str(ipaddress.ip_address(packed)), name, lasting=not flags & passing, prefix=prefix)


def _by_route() -> Iterator[InterfaceAddress]:
    """Yield the address that this machine would use towards the outside; choosing a route sends nothing."""
    for family, elsewhere in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((elsewhere, 9))
                yield InterfaceAddress(str(probe.getsockname()[0]).partition("%")[0], "")
        except OSError:
            continue
