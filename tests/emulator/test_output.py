"""What a function prints becomes lines: in any pieces, of any length, finished or not."""

from __future__ import annotations

import asyncio
import itertools
import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from emulator_support import function
from fnroll.emulator.api import LogLine
from fnroll.emulator.output import MAX_LOG, Journal, LineSplitter, Output


@given(text=st.text(st.sampled_from("ab\n\r\u00e4 "), max_size=60), cuts=st.lists(st.integers(0, 100), max_size=6))
def test_lines_do_not_depend_on_the_pieces(text: str, cuts: list[int]) -> None:
    data = text.encode()
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    splitter = LineSplitter()
    found = [line for start, end in itertools.pairwise(places) for line in splitter.feed(data[start:end])]
    found += splitter.flush()
    assert found == (text.split("\n")[:-1] if text.endswith("\n") or not text else text.split("\n"))
    assert splitter.flush() == []


@given(data=st.binary(max_size=80), limit=st.integers(1, 9))
def test_a_long_line_is_cut_and_nothing_is_lost(data: bytes, limit: int) -> None:
    data = data.translate(bytes(range(128)) * 2)
    splitter = LineSplitter(limit)
    found = splitter.feed(data) + splitter.flush()
    assert all(len(line) <= limit for line in found)
    assert "".join(found) == data.replace(b"\n", b"").decode()


def test_bytes_that_are_no_text_are_replaced() -> None:
    assert LineSplitter().feed(b"a\xff\n") == ["a\ufffd"]


def test_a_drain_reads_what_was_printed_without_waiting_and_ends() -> None:
    async def main() -> tuple[list[str], list[str]]:
        ours, theirs = os.pipe()
        os.set_blocking(ours, False)
        lines: list[str] = []
        output = Output(ours, lines.append)
        output.drain()
        os.write(theirs, b"one\ntw")
        output.drain()
        first = list(lines)
        os.write(theirs, b"o\n")
        os.close(theirs)
        output.drain()
        output.drain()
        output.close()
        os.close(ours)
        return first, lines

    first, lines = asyncio.run(main())
    assert first == ["one", "tw"]
    assert lines == ["one", "tw", "o"]


def test_a_journal_hands_on_every_line_and_keeps_those_of_the_invocation(tmp_path: Path) -> None:
    seen: list[LogLine] = []
    arn = function(tmp_path).arn
    journal = Journal(function(tmp_path), "stream", seen.append, lambda: 1.5)
    journal.write("INIT_START", keep=False)
    journal.write("loading")
    journal.begin("id")
    journal.write("hällo")
    assert journal.take() == "loading\nhällo\n".encode()
    assert journal.take() == b""
    assert seen == [
        LogLine("hello", "$LATEST", "stream", None, 1500, "INIT_START", arn, "/aws/lambda/hello"),
        LogLine("hello", "$LATEST", "stream", None, 1500, "loading", arn, "/aws/lambda/hello"),
        LogLine("hello", "$LATEST", "stream", "id", 1500, "hällo", arn, "/aws/lambda/hello"),
    ]


def test_of_an_endless_log_the_end_is_kept(tmp_path: Path) -> None:
    journal = Journal(function(tmp_path), "stream", None, lambda: 0)
    for number in range(20):
        journal.write(f"{number:02}" + "x" * (1 << 20))
    kept = journal.take()
    assert len(kept) <= MAX_LOG
    assert kept.rsplit(b"\n", 2)[1].startswith(b"19")
