"""By which interface the kernel sends: what is asked of rtnetlink, and what its answer says."""

import socket
import struct
import sys

import pytest

from edge.route import addresses_of, interface_index, interface_to, request

IPV4 = bytes.fromhex(
    "24000000 1a00 0100 01000000 00000000"  # 36 bytes, RTM_GETROUTE, NLM_F_REQUEST
    "02 20 00 00 00 00 00 00 00000000"  # AF_INET, 32 bits of a destination
    "0800 0100 c0000201"  # RTA_DST 192.0.2.1
)
ANSWER = bytes.fromhex(
    "34000000 1800 0000 01000000 00000000 02 20 00 00 fe 00 00 01 00000000"
    "0800 0f00 fe000000"  # RTA_TABLE
    "0800 0100 c0000201"
    "0800 0400 07000000"  # RTA_OIF 7
)

little = pytest.mark.skipif(
    sys.byteorder != "little", reason="the bytes were written on a little-endian machine"
)


@little
def test_a_route_is_asked_for_by_its_destination() -> None:
    assert request("192.0.2.1") == IPV4


@little
def test_the_address_of_this_side_is_asked_for_where_it_is_known() -> None:
    asked = request("192.0.2.1", "192.0.2.7")
    assert asked[:4] == struct.pack("=I", 44)
    assert asked[16:20] == b"\x02\x20\x20\x00"
    assert asked[-8:] == bytes.fromhex("0800 0200 c0000207")


def test_an_address_of_ipv6_may_name_its_interface() -> None:
    assert request("fe80::1%eth0")[16] == socket.AF_INET6
    assert len(request("2001:db8::1")) == 16 + 12 + 20


@little
def test_an_answer_names_an_interface_by_its_number() -> None:
    assert interface_index(ANSWER) == 7


@little
@pytest.mark.parametrize("size", range(len(ANSWER)))
def test_an_answer_that_is_cut_off_names_none(size: int) -> None:
    assert interface_index(ANSWER[:size]) is None


def test_an_error_names_none() -> None:
    assert interface_index(struct.pack("=IHHIIi", 36, 2, 0, 1, 0, -101) + bytes(16)) is None


def test_what_is_no_numeric_address_is_refused() -> None:
    with pytest.raises(ValueError, match="broker"):
        request("broker.example")


@pytest.mark.skipif(not hasattr(socket, "AF_NETLINK"), reason="this is no Linux")
def test_this_machine_reaches_itself_by_its_loopback() -> None:
    assert interface_to("127.0.0.1") == "lo"
    assert interface_to("127.0.0.1", "127.0.0.1") == "lo"


def test_a_host_without_an_address_has_none() -> None:
    assert addresses_of("no-such-host.invalid", 1883) == []
    assert "127.0.0.1" in addresses_of("127.0.0.1", 1883)
