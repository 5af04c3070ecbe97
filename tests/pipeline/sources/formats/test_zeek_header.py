"""Headers of a conn.log, and logs that left theirs behind: which columns there are, what parts and pads them."""

from collections import Counter

import pytest

from tests.oracle.zeek import CLIENT, FIELDS, SERVER, conn, header, rows, tsv
from tests.pipeline.sources.formats.test_zeek_tsv import block, one, read, reader, received


def test_a_record_is_read_with_cim_names() -> None:
    row = one(tsv(conn(service="imap,ssl", resp_pkts="3")))
    assert {k: row[k] for k in ("src_ip", "src_port", "dest_ip", "dest_port", "transport", "app")} == {
        **{"src_ip": CLIENT, "src_port": 50_000, "dest_ip": SERVER, "dest_port": 993},
        **{"transport": "tcp", "app": "imap,ssl"},
    }
    assert (row["ip_bytes_in"], row["ip_bytes_out"]) == (220, 90)
    assert (row["payload_bytes_in"], row["payload_bytes_out"]) == (100, 10)
    assert (row["packets_in"], row["packets_out"], row["duration"]) == (3, 2, 1_500_000)
    assert row["start_time"].isoformat() == "2026-10-01T12:00:00+00:00"
    assert (row["action"], row["accounting"], row["orientation"]) == ("allowed", "final", "native")


@pytest.mark.parametrize("fields", [tuple(reversed(FIELDS)), (*FIELDS[9:], *FIELDS[:9]), (*FIELDS, "new_field")])
def test_fields_may_come_in_any_order(fields: tuple[str, ...]) -> None:
    record = {**conn(), "new_field": "x\\x09y"}
    assert one(tsv(record, fields=fields)) == one(tsv(conn()))


def test_fields_under_other_names_are_the_same_fields() -> None:
    scoped = ["id_orig_h" if f == "id.orig_h" else "id_resp_h" if f == "id.resp_h" else f for f in FIELDS]
    text = header(scoped) + rows([conn()])
    assert received(read(text.encode())) == [220]


def test_a_second_header_with_another_schema_reads_what_follows() -> None:
    other = ("id.resp_h", "id.orig_h", "resp_ip_bytes", "ts", "community_id")
    text = tsv(conn()) + tsv({**conn(resp_ip_bytes="7"), "community_id": "1:x"}, fields=other) + tsv(conn())
    assert received(read(text)) == [220, 7, 220]


def test_rotated_files_joined_together_count_their_headers_as_comments() -> None:
    account = read(tsv(conn(), end="#close\t2026-10-01-13-00-00\n") + tsv(conn(uid="C2"))).account
    assert (account.flows, account.comments, account.lines) == (2, 11, 13)


def test_another_log_type_in_the_same_file_is_ignored_not_read() -> None:
    account = read(tsv(conn(), path="dns") + b"\n" + tsv(conn())).account
    assert (account.flows, account.ignored, account.quarantined) == (1, 1, Counter())


@pytest.mark.parametrize("path", ["mail_conn", "conn_2026-11-02", "conn.log", "/data/logs/conn", "conn-local"])
def test_conn_records_of_a_filter_are_read_whatever_the_site_calls_them(path: str) -> None:
    assert received(read(tsv(conn(), path=path))) == [220]


def test_sums_of_several_connections_are_not_read() -> None:
    account = read(tsv(conn(), path="conn_agg")).account
    assert (account.flows, account.ignored) == (0, 1)


@pytest.mark.parametrize("padding", ["\t\t\t", " ", "\0"])
def test_what_a_spreadsheet_pads_header_lines_with_is_no_part_of_them(padding: str) -> None:
    text = "".join(line + padding * line.startswith("#") + "\n" for line in tsv(conn()).decode().splitlines())
    assert received(read(text.encode())) == [220]


PATHS = [("conn", "final"), ("conn_long", "cumulative"), ("open_conn", "cumulative")]


@pytest.mark.parametrize(("path", "accounting"), PATHS)
def test_interim_logs_are_cumulative(path: str, accounting: str) -> None:
    assert one(tsv(conn(), path=path))["accounting"] == accounting


def test_interim_records_in_a_mixed_log_are_cumulative() -> None:
    fields = (*FIELDS, "_path")
    parsed = read(tsv({**conn(), "_path": "conn_long"}, {**conn(), "_path": "conn"}, fields=fields))
    assert parsed.rows.sort("source_line")["accounting"].to_list() == ["cumulative", "final"]


@pytest.mark.parametrize("separator", [",", "|", "\x01", ";"])
def test_other_separators_are_taken_from_the_header(separator: str) -> None:
    text = header(separator=separator) + rows([conn()], separator=separator)
    assert received(read(text.encode())) == [220]


def test_a_separator_line_with_a_tab_before_its_value_is_read() -> None:
    assert received(read(tsv(conn()).replace(b"#separator \\x09", b"#separator\t\\x09"))) == [220]


@pytest.mark.parametrize("value", ["", " ", " \\x09\\x09", " ab"])
def test_a_separator_that_is_no_one_character_is_a_tab(value: str) -> None:
    """A separator is one character in Zeek; cells are then parted as it parts them by itself."""
    assert received(read(tsv(conn()).replace(b"#separator \\x09", f"#separator{value}".encode()))) == [220]


def test_what_pads_a_header_s_lines_is_no_part_of_them() -> None:
    """Else the last column, that of the bytes, had another name."""
    fields = (*(f for f in FIELDS if f != "resp_ip_bytes"), "resp_ip_bytes")
    text = tsv(conn(), fields=fields).replace(b"resp_ip_bytes\n", b"resp_ip_bytes\0\0 \t\n")
    assert received(read(text)) == [220]


@pytest.mark.parametrize("mark", ["NULL", "?", "\\x2d\\x2d"])
@pytest.mark.parametrize("fields", [FIELDS, (*FIELDS[:-2], "tunnel_parents", "resp_ip_bytes")])
def test_other_marks_of_absence_are_taken_from_the_header(mark: str, fields: tuple[str, ...]) -> None:
    shown = mark.replace("\\x2d", "-")
    text = tsv(conn(duration=shown, resp_ip_bytes=shown, service=shown, uid="EMPTY"), fields=fields).decode()
    text = text.replace("#unset_field\t-", f"#unset_field\t{mark}\n#empty_field\tEMPTY")
    row = one(text.encode())
    assert (row["duration"], row["ip_bytes_in"], row["app"], row["uid"]) == (None, None, None, None)


def test_marks_of_absence_survive_a_pause() -> None:
    first, second = reader(), reader()
    text = tsv(conn()).decode().replace("#unset_field\t-", "#unset_field\tNULL").encode()
    first.read(block(text))
    second.resume(first.state())
    parsed = second.read(block(rows([conn(uid="NULL", resp_ip_bytes="5")]).encode(), 7))
    assert parsed.rows.select("source_line", "uid", "ip_bytes_in").rows() == [(7, None, 5)]


@pytest.mark.parametrize(
    "text", [b"#separator \\x09\n", b"#fields\tts\n", tsv(), tsv() + b"\n\n", tsv(end="#close\t2026\n")]
)
def test_a_log_without_data_has_only_comments(text: bytes) -> None:
    account = read(text).account
    assert (account.comments, account.flows, account.lines) == (text.count(b"\n"), 0, text.count(b"\n"))


def test_comments_and_blank_lines_amid_data_are_counted_and_keep_line_numbers() -> None:
    line = rows([conn()]).encode()
    parsed = read(tsv() + line + b"# note\n" + b"\n" + line + b"  \t\n" + line)
    assert parsed.rows["source_line"].to_list() == [6, 9, 11]
    assert parsed.account.comments == 5 + 3


def test_a_data_row_that_begins_with_a_hash_is_a_comment_and_its_escape_is_data() -> None:
    """Zeek escapes a leading # of data, so that a bare one is always a comment."""
    fields = ("uid", *(f for f in FIELDS if f != "uid"))
    parsed = read(tsv(conn(uid="#C1"), conn(uid="\\x23C1"), fields=fields))
    assert (parsed.rows["uid"].to_list(), parsed.account.comments) == (["#C1"], 6)


def test_windows_line_ends_are_no_part_of_values() -> None:
    fields = (*(f for f in FIELDS if f != "service"), "service")
    row = one(tsv(conn(service="smtp"), fields=fields).replace(b"\n", b"\r\n"))
    assert (row["app"], row["ip_bytes_in"]) == ("smtp", 220)


# Without a header


def test_without_a_header_time_and_addresses_are_told_by_shape() -> None:
    row = one(rows([conn()]).encode())
    assert (row["src_ip"], row["dest_ip"], row["ip_bytes_in"], row["uid"]) == (CLIENT, SERVER, None, None)


def test_without_a_header_a_third_address_is_nobody_s_end() -> None:
    """As of an exporter, or the far end of a tunnel, that zeek-cut was asked for too."""
    line = f"1790856000.5\tC1\t{CLIENT}\t50000\t{SERVER}\t993\ttcp\t203.0.113.7\n"
    row = one(line.encode())
    assert (row["src_ip"], row["dest_ip"]) == (CLIENT, SERVER)


@pytest.mark.parametrize("fields", [None, ("ts", "id.orig_h", "id.resp_h", "conn_state")])
def test_that_no_column_counts_bytes_is_told(fields: tuple[str, ...] | None) -> None:
    parsed = read(rows([conn(), conn()]).encode() if fields is None else tsv(conn(), conn(), fields=fields))
    assert (parsed.account.flows, dict(parsed.account.warnings)) == (2, {"no_byte_columns": 2})
    assert not read(tsv(conn(), conn())).account.warnings


def test_lines_before_the_first_one_with_a_shape_have_no_header() -> None:
    parsed = read(b"rubbish\nmore\trubbish\n" + rows([conn(), conn()]).encode())
    assert (parsed.account.flows, parsed.account.quarantined) == (2, {"no_header": 2})


def test_a_log_without_any_shape_is_quarantined_as_such() -> None:
    assert read(b"a\tb\n" * 3).account.quarantined == {"no_header": 3}
