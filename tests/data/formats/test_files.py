from __future__ import annotations

import gzip
import json
import tracemalloc
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
import zstandard

from tunelift.core.errors import UserError
from tunelift.data.formats import iterate_rows, read_file
from tunelift.data.formats.files import split_name

ROWS = [{"text": "good, really"}, {"text": "很好"}]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS).encode()
PACK = {".gz": gzip.compress, ".zst": zstandard.ZstdCompressor().compress}


def fields(path):
    return [row.fields for row in read_file(path).rows]


@pytest.mark.parametrize("packing", PACK)
def test_compressed_files_are_read_as_what_they_hold(tmp_path, packing):
    path = tmp_path / f"a.JSONL{packing.upper()}"
    path.write_bytes(PACK[packing](LINES))
    assert fields(path) == ROWS
    path.write_bytes(PACK[packing](LINES) + PACK[packing](LINES))
    assert fields(path) == ROWS * 2
    table = tmp_path / f"a.parquet{packing}"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), tmp_path / "a.parquet")
    table.write_bytes(PACK[packing]((tmp_path / "a.parquet").read_bytes()))
    assert fields(table) == ROWS


@pytest.mark.parametrize("packing", PACK)
def test_every_cut_is_noticed(tmp_path, packing):
    packed = PACK[packing](LINES)
    path = tmp_path / f"a.jsonl{packing}"
    for length in range(1, len(packed)):
        path.write_bytes(packed[:length])
        with pytest.raises(UserError, match="is not a whole"):
            read_file(path)


@pytest.mark.parametrize("packing", PACK)
def test_a_file_that_unpacks_to_too_much_is_refused(tmp_path, packing):
    path = tmp_path / f"a.jsonl{packing}"
    path.write_bytes(PACK[packing](b" " * 2**20) * 101)
    with pytest.raises(UserError, match="unpacks to more than 100 MiB"):
        read_file(path)


def test_a_file_of_much_that_is_not_packed_tightly_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("tunelift.data.formats.files.ALWAYS_ALLOWED", 10)
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(LINES * 50))
    assert len(fields(path)) == 100
    monkeypatch.setattr("tunelift.data.formats.files.LARGEST_RATIO", 2)
    with pytest.raises(UserError, match="over 2 times its size"):
        read_file(path)


def test_rows_come_one_by_one_in_flat_memory(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    line = json.dumps({"text": "x" * 1000}) + "\n"
    path.write_bytes(gzip.compress((line * 5_000).encode(), 1))
    tracemalloc.start()
    assert sum(1 for _ in iterate_rows(path)) == 5_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * 2**20


def test_rows_in_front_of_a_malformed_one_are_given_before_the_error(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n3\n4,5\n6\n")
    rows = iterate_rows(path)
    assert next(rows).fields == {"a": "1", "b": "2"}
    with pytest.raises(UserError, match=r"a.csv:3: .* 1 more row has the same problem \(5\)"):
        next(rows)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("train.jsonl", ("train", ".jsonl", "")),
        ("train.a.JSON.GZ", ("train.a", ".json", ".gz")),
        ("train.gz", ("train", "", ".gz")),
        (".jsonl", (".jsonl", "", "")),
    ],
)
def test_names(name, parts):
    assert split_name(Path(name)) == parts


def test_a_sharp_sign_in_the_name_of_a_file_is_part_of_it(tmp_path):
    path = tmp_path / "c#.jsonl"
    path.write_bytes(LINES)
    assert fields(path) == ROWS
