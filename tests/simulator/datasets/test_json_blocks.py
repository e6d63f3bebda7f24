"""Lines of JSON are decoded together only where that gives what each line gives alone."""

from __future__ import annotations

from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from simulator.datasets.json_lines import JsonLines

LAYOUT = JsonLines(title="any", user="u", item="i", time="t")
LINES = [
    '{"u":1,"i":"a","t":5}',
    '{"u":2,"i":{},"t":6}',
    '{"u":3}',
    "",
    " ",
    "{",
    "}",
    '{"u":',
    '1}{"u":4}',
    "[1]",
    "x",
]
LINES += ['{"u":5}{"u":6}', ' {"u":7}', '{"u":"{\\n}"}', '{"u":{}', ',"i":1}']


@settings(max_examples=60)
@given(st.lists(st.sampled_from(LINES), max_size=6), st.booleans())
@example(['{"u":', '1}{"u":4}'], True)
@example(['{"u":{}', ',"i":1}', '{"u":5}{"u":6}'], False)
def test_a_block_is_what_its_lines_are(lines: list[str], ended: bool) -> None:
    block = ("\n".join(lines) + "\n" * ended).encode()
    decoder = LAYOUT._decoder()
    together = LAYOUT._block(block, 4, decoder)
    assert together.equals(LAYOUT._decoded(block.split(b"\n"), 4, decoder))


def test_whole_files_are_read_in_blocks(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text('{"u":1,"i":"a","t":5}\n{"u":2,"i":"b","t":6}\n')
    (frame,) = LAYOUT.chunks(path, [])
    assert frame.rows() == [(1, "a", 5, 1), (2, "b", 6, 2)]
