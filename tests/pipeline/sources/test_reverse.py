"""Lost answers are told from files that have both directions, over blocks and whatever type a block's ports have."""

import polars as pl
import pytest

from pipeline.sources.reverse import WARNING, Reverse

ACK, BOTH = pl.col("ack"), pl.col("both")


def block(*records: tuple[int | None, int | None, bool | None, bool | None], back: int = 0) -> pl.DataFrame:
    """Records of one client and server (source port, destination port, ack, both), and so many reverse ones."""
    rows = [("10.0.0.1", sp, "192.0.2.10", dp, ack, both) for sp, dp, ack, both in records]
    rows += [(d, dp, s, sp, ack, both) for s, sp, d, dp, ack, both in rows[:back]]
    names = ("src", "src_port", "dest", "dest_port", "ack", "both")
    frame = pl.DataFrame(rows, schema=list(names), orient="row", infer_schema_length=None)
    return frame.with_columns(pl.col("ack", "both").cast(pl.Boolean))


def clients(count: int, ack: bool | None = True, both: bool | None = False) -> list[tuple[int, int, bool, bool]]:
    return [(40_000 + n, 993, ack, both) for n in range(count)]  # type: ignore[misc]


@pytest.mark.parametrize(
    ("records", "told"),
    [
        (block(*clients(4)), {}),
        (block(*clients(5)), {WARNING: 5}),
        (block(*clients(5), (50_000, 50_001, True, False)), {WARNING: 5}),
        (block(*clients(5, ack=None)), {}),
        (block(*clients(5, both=None)), {WARNING: 5}),
        (block(*clients(8, both=True)), {}),
        (block(*clients(99), back=1), {}),
        (block(*clients(210), back=1), {WARNING: 210}),
        (block(*((993, 40_000 + n, True, False) for n in range(9))), {}),
    ],
    ids=["few", "enough", "no service", "unanswered", "one way", "two ways", "a pair", "a pair by chance", "servers"],
)
def test_clients_records_are_told_where_hardly_one_answered_session_has_its_reverse(
    records: pl.DataFrame, told: dict[str, int]
) -> None:
    assert Reverse().look(records, ACK, BOTH) == told


def test_blocks_add_up_and_no_record_is_told_twice() -> None:
    seen = Reverse()
    assert seen.look(block(*clients(4)), ACK, BOTH) == {}
    again = Reverse(**seen.state())
    assert again.look(block(*clients(4)), ACK, BOTH) == {WARNING: 8}
    assert again.look(block(*clients(3)), ACK, BOTH) == {WARNING: 3}


def test_a_file_that_has_shown_enough_pairs_is_asked_no_more() -> None:
    seen = Reverse()
    seen.look(block(*clients(500), back=500), ACK, BOTH)
    assert seen.settled
    assert seen.look(block(*clients(9)), ACK, BOTH) == {}
    assert seen.answered == 1_000


@pytest.mark.parametrize("typed", [["src_port"], ["dest_port"], ["src_port", "dest_port"]])
def test_ports_of_one_end_may_be_text_where_those_of_the_other_are_numbers(typed: list[str]) -> None:
    records = block(*clients(6), back=6).with_columns(pl.col(typed).cast(pl.String))
    seen = Reverse()
    assert seen.look(records, ACK, BOTH) == {}
    assert (seen.answered, seen.pairs) == (12, 12)
