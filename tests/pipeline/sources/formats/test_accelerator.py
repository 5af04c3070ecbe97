"""Flow logs of AWS Global Accelerator: directions, versions of the layout, names in the first line, what is ignored."""

import pytest

from pipeline.sources.registry import detect
from tests.pipeline.sources.lines import ends, only, read

ID = "ad530208-6600-4e87-9706-1f89a7e36abc"
NAMES = (
    "version aws_account_id accelerator_id client_ip client_port gip gip_port endpoint_ip endpoint_port protocol "
    "ip_address_type packets bytes start_time end_time action log_status globalaccelerator_source_ip "
    "globalaccelerator_source_port endpoint_region globalaccelerator_region direction vpc_id"
)


def line(
    way: str, sent: object, action: str = "ACCEPT", status: str = "OK", more: str = " vpc-0f24e33eec64ec958"
) -> str:
    return (
        f"2.0 123456789012 {ID} 198.51.100.7 50001 192.0.2.10 993 10.9.0.25 993 TCP IPV4 5 {sent} 1795132800 "
        f"1795132810 {action} {status} - 0 eu-west-1 LHR50-1 {way}{more}"
    )


@pytest.mark.parametrize("more", ["", " vpc-0f24e33eec64ec958", " -", " vpc-0f24e33eec64ec958 -"])
@pytest.mark.parametrize(
    "header", [[], [NAMES], [NAMES.replace("_", "").replace("packets bytes", "numpackets numbytes")]]
)
def test_either_direction_is_the_clients(more: str, header: list[str]) -> None:
    for way, received, sent in (("EGRESS", 5900, None), ("INGRESS", None, 5900)):
        lines = [*header, line(way, 5900, more=more)]
        assert detect("\n".join([*lines, ""]).encode(), "auto", "x") == "vpc_accelerator"
        row = only(read("vpc_accelerator", *lines))
        assert ends(row) == ("198.51.100.7", 50001, "10.9.0.25", 993)
        assert (row["ip_bytes_in"], row["ip_bytes_out"], row["dest_translated_ip"]) == (received, sent, "192.0.2.10")
        assert (row["start_time"].isoformat(), row["duration"]) == ("2026-11-20T00:00:00+00:00", 10_000_000)
        assert (row["accounting"], row["dvc"], row["transport"]) == ("delta", ID, "tcp")


def test_what_carried_nothing_is_ignored_by_name() -> None:
    parsed = read(
        "vpc_accelerator", line("INGRESS", 60, "REJECT"), line("-", "-", "-", "NODATA"), line("-", "-", "-", "SKIPDATA")
    )
    assert (parsed.rows.height, parsed.account.ignored) == (0, 3)
    assert parsed.account.warnings == {"blocked": 1, "no_data": 1, "lost_data": 1}
    assert read("vpc_accelerator", "one two").account.quarantined == {"too_few_fields": 1}
