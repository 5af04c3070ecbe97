"""Structs as Athena writes them into cells: read where that is possible in one way, and left alone elsewhere."""

from typing import Any

import pytest

from pipeline.sources.registry import detect
from pipeline.sources.texts.struct_text import struct
from tests.pipeline.sources.lines import only, read


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{port=993, ip=192.0.2.25}", {"port": "993", "ip": "192.0.2.25"}),
        ("{a=null, b=x}", {"b": "x"}),
        ("{a={b={c=1}}, d=[x, y], e=[], f=[{g=1}, {g=2}]}", {"a": {"b": {"c": "1"}}, "d": ["x", "y"], "e": []}
         | {"f": [{"g": "1"}, {"g": "2"}]}),
        ("{a=one, two, b=3}", {"a": "one, two", "b": "3"}),
        ("{a=, b=1}", {"a": "", "b": "1"}),
        (" {a=b=c} ", {"a": "b=c"}),
    ],
)  # fmt: skip
def test_a_struct_has_its_values_by_name(text: str, found: dict[str, Any]) -> None:
    assert struct(text) == found


@pytest.mark.parametrize(
    "text",
    ["", "{}", "{a}", "[a, b]", "{a=1, a=2}", "{a=1", "a=1}", "{a=1}}", "{a={b=1}", "{a=x{y}, b=1}", "{a=1} x",
     "{a=1,b}x", "{a=" * 50 + "}" * 50],
)  # fmt: skip
def test_other_texts_are_none(text: str) -> None:
    assert struct(text) is None


def test_what_athena_exports_of_a_security_lake_is_read() -> None:
    header = '"time","start_time","end_time","src_endpoint","dst_endpoint","traffic","connection_info","class_uid"'
    line = (
        '"1795161660000","1795161600000","1795161660000","{port=993, svc_name=null, ip=10.9.0.25, '
        'intermediate_ips=[], vpc_uid=vpc-1}","{port=50001, ip=10.1.0.11}","{packets=5, bytes=5420}",'
        '"{protocol_num=6, tcp_flags=18, direction=Egress}","4001"'
    )
    assert detect(f"{header}\n{line}\n".encode(), "auto", "x") == "ocsf@csv:*"
    row = only(read("ocsf@csv:*", header, line))
    assert (row["src_ip"], row["src_port"], row["dest_ip"], row["dest_port"]) == ("10.1.0.11", 50_001, "10.9.0.25", 993)
    assert (row["other_bytes_in"], row["other_bytes_out"]) == (5_420, None)
