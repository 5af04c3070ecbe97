"""Totals of real logs (skipped without NILOMETER_SAMPLES), and of small inputs that broke other readers."""

import datetime as dt
import re

import pytest

from pipeline.insight.identify import identify
from tests.real_files import GOLDEN, SAMPLES, needs_samples

NOW = dt.datetime(2026, 11, 25, tzinfo=dt.UTC)
FOLDERS = (
    "zeek_tsv|zeek_json|suricata_eve|ecs|ocsf|azure_nsg|azure_vnet|gcp_vpc|checkpoint|fortinet|cisco_asa"
    "|nfdump_csv|nfdump_json|argus_csv"
)
_ROW = re.compile(rf"\| `((?:(?:{FOLDERS})/|paloalto/sc4s)[^`]+)` \| (\d+) \| (\d+) \| (\d+) \| (\S+) \| (\S+) \|")


CORRECTED = {
    # The list gives the bytes of one-way records apart; here each is a flow with one side known.
    "suricata_eve/otel-aws-nfw-netflow.json": (1, 0, 45_000),
    "suricata_eve/aws-nfw-netflow-doc.json": (1, 0, 60),
    "ocsf/opensearch-sa-4001.json": (1, 0, 50),
    # The list gives beginnings and denied tuples as rows.
    "azure_nsg/msdocs-nsg-v1.json": (0, 0, 0),
    "azure_nsg/msdocs-nsg-v2.json": (3, 21_128, 25_533),
    "azure_nsg/msdocs-nsg-v2-tuples.txt": (1, 4_637_952, 618_048),
    "azure_vnet/msdocs-vnet-v4.json": (5, 43_292, 4_528),
    # The list does not count these.
    "checkpoint/sc4s-fw-logexporter.log": (1, 76, 76),
    # The list counts denied sessions as rows, a record delivered twice twice, and times as if in UTC or of the log.
    "fortinet/fortios-syslog-traffic.log": (9, 1_335_921, 7_844_052),
    "fortinet/sc4s-traffic-sniffer.log": (1, 40, 0),
    "paloalto/sc4s-traffic-syslog.log": (3, 19_617, 26_016),
    # The list counts lines; connections that are built have no bytes yet.
    "cisco_asa/logstash-patterns-302013.log": (0, 0, 0),
    # The list counts records and gives the bytes between two ports of no service apart; here records of both directions
    # are one flow, and all are counted.
    "nfdump_csv/gen171-mail.csv": (23, 232_816, 47_999),
    "nfdump_csv/gen171-mail-tz-newyork.csv": (23, 232_816, 47_999),
    "nfdump_csv/gen171-mail-long.txt": (23, 232_816, 47_999),
    "nfdump_csv/gen171-mail-biflow.csv": (20, 232_816, 45_466 + 2_533),
    "nfdump_json/gen171-mail.json": (23, 232_816, 47_999),
    # Its server-to-client counters are lost: `no_reverse_counters` says so.
    "nfdump_json/gen171-mail-biflow.json": (20, 0, 45_373 + 2_626),
    # One session without a known beginning (<?>) whose source has port 443: argus put 453 and 198 bytes the other way.
    "argus_csv/gen-mail.binetflow": (20, 238_527 - 198 + 453, 55_158 - 453 + 198),
    "argus_csv/gen-mail-dbytes.csv": (20, 238_527 - 198 + 453, 55_158 - 453 + 198),
    # Seven status records of one session.
    "argus_csv/gen-pop3-status5s.csv": (1, 170_799, 12_663),
    # ARP and LLDP are no flows; records of one session are stretches of it; no direction, only totals.
    "argus_csv/vast-argus-m57.csv.gz": (536, 0, 0),
}


def rows() -> list[tuple[str, ...]]:
    listed = SAMPLES / "SOURCES.md"
    return [m.groups() for m in map(_ROW.match, listed.read_text().splitlines()) if m] if listed.exists() else []


@needs_samples
@pytest.mark.parametrize("row", rows(), ids=lambda r: r[0])
def test_a_real_log_gives_its_known_totals(row: tuple[str, ...]) -> None:
    name, listed, bytes_in, bytes_out, first, last = row
    flows = CORRECTED.get(name, (int(listed), int(bytes_in), int(bytes_out)))
    found = identify(SAMPLES / name, NOW).as_dict()
    assert (found["flows"], found["bytes_in"], found["bytes_out"]) == flows
    assert found["lines"] == (found["flows"] + found["comments"] + found["ignored"] + sum(found["rejected"].values()))
    if first == "-":
        assert found["untimed"] == (0 if name in CORRECTED or listed == "0" else int(listed))
    elif name not in CORRECTED:
        assert (found["first"][:23], found["last"][:23]) == (first[:23], last[:23])


CASES = {
    "zeek-unset-and-empty.log": (2, 5900),
    "zeek-second-header-new-schema.log": (2, 13700),
    "zeek-extra-field.log": (2, 7400),
    "zeek-huge-resp-bytes.log": (2, 98983),
    "zeek-json-ts-three-forms.json": (3, 9900),
    "ndjson-key-first-seen-late.json": (160, 10000),
    "ndjson-garbage-line.json": (2, 5000),
    "ndjson-truncated-tail.json": (1, 1000),
    "empty-file.log": (0, 0),
    "header-only.log": (0, 0),
    "flow-spans-midnight.log": (1, 90000),
    "negative-duration-future-out-of-order.log": (2, 7400),
    "gz-multi-member.log.gz": (2, 7400),
    "corelight-conn-long-plus-conn.log": (1, 104000),
    "suricata-flow-and-netflow.json": (1, 6040),
    "ocsf-4001-three-shapes.json": (2, 7400),
    "splunk-rest-result-wrapper.json": (2, 7400),
    "bom-crlf-splunk.csv": (2, 7400),
    "azure-nsg-b-c-e.json": (1, 5960),
    "gcp-src-dest-reporters.json": (1, 5000),
    "fortigate-interim-and-close.log": (1, 95000),
    "panw-bytes-order.log": (1, 5900),
    "asa-302014-inbound-outbound.log": (3, 0),
    "nfdump-16-csv-summary.csv": (1, 5900),
    "silk-rwcut-padded.txt": (1, 5900),
    "nfdump-long-scaled.txt": (2, 64_000_000_000),
    "nfdump-json-array.json": (1, 5900),
    "argus-status-arp-unknown-start.csv": (3, 7400),
    "vpc-nodata-skipdata.log": (1, 5900),
    "vpc-repeated-header.log": (2, 7400),
    "vpc-both-sides-of-the-same-flow.log": (1, 5900),
}


@pytest.mark.parametrize("name", CASES)
def test_an_input_that_broke_other_readers_is_read_right(name: str) -> None:
    found = identify(GOLDEN / name, NOW).as_dict()
    assert (found["flows"], found["bytes_in"]) == CASES[name]
