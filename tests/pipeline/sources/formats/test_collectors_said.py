"""What an exporter says of a record beside its counters: that it was dropped, that nothing answered, what is odd."""

import json

import pytest

from tests.pipeline.sources.formats.test_collectors import CLIENT, GOFLOW2, IPFIXCOL, SERVER
from tests.pipeline.sources.lines import only, read


@pytest.mark.parametrize(("status", "dropped"), [(64, 0), (127, 0), (128, 1), (191, 1), (192, 0)])
def test_the_first_two_bits_of_the_forwarding_status_say_what_was_dropped(status: int, dropped: int) -> None:
    """RFC 7270: 01 is forwarded, 10 dropped, 11 consumed; the other six bits say why."""
    account = read("goflow2", json.dumps(GOFLOW2 | {"forwarding_status": status})).account
    assert (account.flows, account.warnings["blocked"]) == (1 - dropped, dropped)


def test_of_a_record_that_is_set_aside_nothing_else_is_said() -> None:
    odd = GOFLOW2 | {"packets": 1_000, "bytes": 5}
    account = read("goflow2", json.dumps(odd | {"src_port": 70_000}), json.dumps(odd)).account
    assert dict(account.quarantined) == {"bad_port": 1}
    assert dict(account.warnings) == {"impossible_packet_size": 1}


def test_an_asa_knows_the_ends_of_a_connection_that_nothing_answered() -> None:
    """Its source is who began, so that 0 is what came back, and no sign of a record of one direction."""
    ends = {"iana:sourceIPv4Address": CLIENT, "iana:destinationIPv4Address": SERVER}
    octets = {"iana:initiatorOctets": 420, "iana:responderOctets": 0, "iana:octetDeltaCount": None}
    row = only(read("ipfix_json", json.dumps(IPFIXCOL | ends | octets | {"iana:firewallEvent": 2})))
    assert (row["src_ip"], row["ip_bytes_in"], row["ip_bytes_out"], row["orientation"]) == (CLIENT, 0, 420, "native")
