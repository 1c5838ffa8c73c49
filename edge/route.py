"""By which interface the kernel sends to an address (Linux): asked of rtnetlink, where nothing goes out.

    request   nlmsghdr 16 | rtmsg 12 | RTA_DST [| RTA_SRC]
    answer    nlmsghdr 16 | rtmsg 12 | ... RTA_OIF ...          or NLMSG_ERROR

Linux, include/uapi/linux/netlink.h and rtnetlink.h. Elsewhere, and where a sandbox forbids AF_NETLINK, nobody
knows.
"""

import contextlib
import ipaddress
import socket
import struct
from collections.abc import Iterator

_GETROUTE, _NEWROUTE = 26, 24
_REQUEST = 1
_DST, _SRC, _OIF = 1, 2, 4
_HEADER, _ROUTE, _ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=BBBBBBBBI"), struct.Struct("=HH")
_TIMEOUT_S = 1.0


def interface_to(host: str, source: str = "") -> str | None:
    """Name the interface by which packets go to an address, from another where that is given.

    Both are numeric. None where the kernel does not tell, or has no way there.
    """
    answer = _asked(request(host, source))
    index = None if answer is None else interface_index(answer)
    if index is None:
        return None
    try:
        return socket.if_indextoname(index)
    except OSError:  # it went away meanwhile
        return None


def addresses_of(host: str, port: int) -> list[str]:
    """Look a host up, as whoever connects does; empty where it has no address now."""
    with contextlib.suppress(OSError, UnicodeError):
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return [str(address[4][0]) for address in found]
    return []


def request(host: str, source: str = "") -> bytes:
    """Write the question for a route. Raises ValueError for what is no numeric address."""
    target = ipaddress.ip_address(host.partition("%")[0])
    addresses = {_DST: target.packed}
    if source:
        addresses[_SRC] = ipaddress.ip_address(source.partition("%")[0]).packed
    family = socket.AF_INET if target.version == 4 else socket.AF_INET6
    bits = 8 * len(target.packed)
    body = _ROUTE.pack(family, bits, bits if source else 0, 0, 0, 0, 0, 0, 0)
    for kind, data in addresses.items():
        body += _ATTRIBUTE.pack(_ATTRIBUTE.size + len(data), kind) + data
    return _HEADER.pack(_HEADER.size + len(body), _GETROUTE, _REQUEST, 1, 0) + body


def interface_index(answer: bytes) -> int | None:
    """Read the interface's number from an answer; None where it is an error, or names none."""
    if len(answer) < _HEADER.size + _ROUTE.size:
        return None
    length, kind, _, _, _ = _HEADER.unpack_from(answer)
    if kind != _NEWROUTE or length > len(answer):
        return None
    found = dict(_attributes(answer[_HEADER.size + _ROUTE.size : length]))
    data = found.get(_OIF, b"")
    return int(struct.unpack("=I", data)[0]) if len(data) == 4 else None


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < _ATTRIBUTE.size:
            return
        yield kind, data[offset + _ATTRIBUTE.size : offset + length]
        offset += (length + 3) & ~3


def _asked(question: bytes) -> bytes | None:
    if not hasattr(socket, "AF_NETLINK"):
        return None
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
            kernel.settimeout(_TIMEOUT_S)
            kernel.send(question)
            return kernel.recv(8192)
    except OSError:
        return None
