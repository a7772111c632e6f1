from __future__ import annotations

import io
import json
import struct
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from tunelift.comparison.logs.archives import unpack
from tunelift.core.errors import UserError

REAL = Path(__file__).parent / "data" / "base.eval"
ENTRIES = {"header.json": "{}", "samples/a_epoch_1.json": '{"value": NaN}', "summaries.json": "[]"}


def archive(folder: Path, entries: dict[str, str], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(folder / "log.eval", "w", method) as made:
        for name, content in entries.items():
            made.writestr(name, content)
    return folder / "log.eval"


def zstd_entry(path: Path, name: str, packed: bytes, size: int, crc: int) -> None:
    """A zip archive whose one entry is compressed by zstd, put together after APPNOTE 6.3.10 (4.3.7, 4.3.12)."""
    encoded = name.encode()
    about = (20, 0, 93, 0, 33, crc, len(packed), size, len(encoded), 0)  # as in both headers; 33 is 1980-01-01
    local = struct.pack("<4s5H3I2H", b"PK\3\4", *about) + encoded + packed
    central = struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, *about, 0, 0, 0, 0, 0) + encoded
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, len(central), len(local), 0)
    path.write_bytes(local + central + end)


def test_a_real_log_is_unpacked() -> None:
    names, values = zip(*unpack(REAL), strict=True)
    with zipfile.ZipFile(REAL) as made:
        assert {entry.compress_type for entry in made.infolist()} == {93}  # which zipfile of Python 3.11 cannot read
        samples = [name for name in made.namelist() if name.startswith("samples/")]
    assert names == ("header.json", *samples)
    as_json = json.loads(REAL.with_suffix(".json").read_bytes())
    assert values[0]["results"] == as_json["results"]
    assert [value["scores"]["match"] for value in values[1:]] == [
        each["scores"]["match"] for each in as_json["samples"]
    ]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_header_and_samples_alone_are_unpacked(tmp_path: Path, method: int) -> None:
    path = archive(
        tmp_path, {**ENTRIES, "samples/x/y_epoch_12.json": "3", "samples/a_epoch_1/events/0.json": "no"}, method
    )
    assert [name for name, _ in unpack(path)] == ["header.json", "samples/a_epoch_1.json", "samples/x/y_epoch_12.json"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_what_was_written_again_counts_once(tmp_path: Path) -> None:
    path = archive(tmp_path, ENTRIES)
    with zipfile.ZipFile(path, "a") as made:
        made.writestr("samples/a_epoch_1.json", "7")
    assert list(unpack(path)) == [("header.json", {}), ("samples/a_epoch_1.json", 7)]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"a.txt": ""}, "is no log of Inspect - "),
        (
            {"_journal/start.json": "{}"},
            "is of an evaluation that is not finished - finish it first: inspect eval-retry",
        ),
        ({"header.json": "{"}, r"log\.eval:header\.json: is not JSON \("),
        ({"header.json": "[" * 100_000}, r"log\.eval:header\.json: is not JSON \(maximum recursion"),
        ({**ENTRIES, "samples/b_epoch_1.json": "\ufeff"}, r"samples/b_epoch_1\.json: is not JSON"),
    ],
)
def test_archives_that_are_no_logs(tmp_path: Path, entries: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        list(unpack(archive(tmp_path, entries)))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_unpack_without_a_limit_are_refused(tmp_path: Path, method: int) -> None:
    with pytest.raises(UserError, match=f"is compressed by method {method}, which Inspect does not use - "):
        list(unpack(archive(tmp_path, ENTRIES, method)))


def peak_of_refusal(path: Path) -> float:
    """The most memory in use until a file is refused as too large, in MiB."""
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match=r"unpacks to more than \d+ MiB, over 250 times its size"):
            list(unpack(path))
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


@pytest.fixture
def small_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tunelift.data.formats.files.ALWAYS_ALLOWED", 2**20)


@pytest.mark.usefixtures("small_limit")
@pytest.mark.parametrize("entries", [1, 100])
def test_what_unpacks_to_far_more_is_refused_early(tmp_path: Path, entries: int) -> None:
    """50 MiB in one sample, or in many of which none is too large: about a thousand times the archive."""
    text = '"' + "a" * (50 * 2**20 // entries) + '"'
    path = archive(tmp_path, {"header.json": "{}"} | {f"samples/{at}_epoch_1.json": text for at in range(entries)})
    assert peak_of_refusal(path) < 30


@pytest.mark.usefixtures("small_limit")
def test_what_an_archive_says_of_its_size_does_not_count(tmp_path: Path) -> None:
    path = archive(tmp_path, {"header.json": " " * 2**26})
    path.write_bytes(path.read_bytes().replace(struct.pack("<I", 2**26), struct.pack("<I", 10)))
    with pytest.raises(UserError, match="is not a whole zip archive"):  # as much as it says is not all of it
        list(unpack(path))


@pytest.mark.usefixtures("small_limit")
def test_zstd_is_unpacked_in_steps(tmp_path: Path) -> None:
    """512 MiB in 16 KiB that say they are ten bytes."""
    compressor = zstandard.ZstdCompressor().compressobj()
    packed = b"".join([*(compressor.compress(bytes(2**20)) for _ in range(2**9)), compressor.flush()])
    zstd_entry(tmp_path / "log.eval", "header.json", packed, 10, 0)
    assert peak_of_refusal(tmp_path / "log.eval") < 300


def test_a_damaged_entry_in_zstd(tmp_path: Path) -> None:
    packed = zstandard.compress(b"{}")
    path = tmp_path / "log.eval"
    zstd_entry(path, "header.json", packed, 2, zlib.crc32(b"{}"))
    assert list(unpack(path)) == [("header.json", {})]
    zstd_entry(path, "header.json", packed, 2, 0)
    with pytest.raises(
        UserError, match=r"is not a whole zip archive \(header.json is damaged\) - copy the log again, or"
    ):
        list(unpack(path))
    zstd_entry(path, "header.json", packed[:-1], 2, zlib.crc32(b"{}"))
    with pytest.raises(UserError, match=r"is not a whole zstd file"):
        list(unpack(path))


@settings(max_examples=60)
@given(data=st.data())
def test_any_damage_is_an_error_or_harmless(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    content = bytearray(REAL.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        # Two of three in the directory at the end, where everything else is found by.
        start = data.draw(st.sampled_from([0, len(content) - 2500, len(content) - 2500]))
        content[data.draw(st.integers(start, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.sampled_from([len(content), len(content) - 1, len(content) // 2]))]
    path = tmp_path_factory.getbasetemp() / "damaged.eval"
    path.write_bytes(content)
    intact = dict(unpack(REAL))
    try:
        found = dict(unpack(path))
    except UserError:
        return
    assert all(intact.get(name, value) == value for name, value in found.items())


def test_bytes_in_front_of_an_archive_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "log.eval"
    path.write_bytes(b"#!/bin/sh\n" + REAL.read_bytes())
    assert len(list(unpack(path))) == 13
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as made:
        assert made.infolist()[0].header_offset == 10
