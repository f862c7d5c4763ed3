"""The archive of a backup: what is counted, and that nothing altered or cut short is accepted."""

import contextlib
import gzip
import io
import tarfile

import pytest

from ringside_containers import archive, backup
from ringside_containers.archive import ArchiveError, Manifest, Part, Table

ROWS = [b"1\tBTC/USDT\n", b"2\tETH/USDT\n", b"2\tETH/USDT\n"]


def make_dump(rows=ROWS, *, end=b"\\.\n"):
    head = b"SET x = 1;\nCOPY public.candles (id, symbol) FROM stdin;\n"
    return head + b"".join(rows) + end + b"COPY public.empty (id) FROM stdin;\n\\.\n"


def make_tar(files):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as bundle:
        for name, content in files.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(content)
            bundle.addfile(member, io.BytesIO(content))
    stream.seek(0)
    return stream


def describe(content):
    return archive.describe_dump(content.splitlines(keepends=True))


def test_rows_are_counted_and_digested_whatever_their_order():
    tables = describe(make_dump())
    assert {name: table.rows for name, table in tables.items()} == {
        "public.candles": 3,
        "public.empty": 0,
    }
    assert describe(make_dump(ROWS[::-1])) == tables


@pytest.mark.parametrize("rows", [ROWS[:2], [*ROWS[:2], b"2\tETH/USDX\n"], [*ROWS, ROWS[0]]])
def test_a_lost_altered_or_doubled_row_shows(rows):
    assert describe(make_dump(rows))["public.candles"] != describe(make_dump())["public.candles"]


def test_a_dump_cut_in_a_table_is_refused():
    with pytest.raises(ArchiveError, match=r"middle of the table public\.candles"):
        describe(make_dump().split(b"\\.")[0])


@pytest.fixture
def made(tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    parts = {
        "ringside": archive.keep_part(
            io.BytesIO(make_dump()), folder, "ringside", is_database=True
        ),
        "artefacts": archive.keep_part(
            make_tar({"1/model.ubj": b"trees"}), folder, "artefacts", is_database=False
        ),
        "state": archive.keep_part(
            make_tar({"dockets/a.json.gz": b"{}"}), folder, "state", is_database=False
        ),
    }
    manifest = Manifest("2026-01-01T00:00:00+00:00", "0.1.0", parts)
    archive.write_archive(manifest, folder, tmp_path / "a.tar")
    return manifest, tmp_path / "a.tar"


def test_an_archive_gives_back_what_was_put_in(made, tmp_path):
    manifest, file = made
    assert archive.open_archive(file, tmp_path / "out") == manifest
    assert manifest.count() == "3 rows of 2 tables, 2 files, 1 of them dockets"
    assert b"".join(archive.read_chunks(tmp_path / "out" / "ringside.sql.gz")) == make_dump()
    assert [path.name for path in tmp_path.glob(".*partial")] == []


def repack(file, change):
    """Write the archive anew with its members changed."""
    with tarfile.open(file) as bundle:
        members = {m.name: bundle.extractfile(m).read() for m in bundle.getmembers()}
    change(members)
    with tarfile.open(file, "w") as bundle:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            bundle.addfile(member, io.BytesIO(content))


def alter_row(members):
    members["ringside.sql.gz"] = gzip.compress(make_dump(ROWS[:2]))


def cut(members):
    members["artefacts.tar.gz"] = members["artefacts.tar.gz"][:-12]


def lose(members):
    del members["artefacts.tar.gz"]


def age(members):
    members["manifest.json"] = members["manifest.json"].replace(b'"format": 1', b'"format": 9')


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (alter_row, r"altered.*public\.candles.*rows=3.*rows=2"),
        (cut, r"artefacts\.tar\.gz is damaged"),
        (lose, r"lacks its member artefacts\.tar\.gz"),
        (age, "no backup of Ringside.*another version"),
    ],
)
def test_a_damaged_archive_is_named_before_anything_is_touched(made, tmp_path, change, message):
    _, file = made
    repack(file, change)
    with pytest.raises(ArchiveError, match=message):
        archive.open_archive(file, tmp_path / "out")


def test_a_file_that_is_no_archive_is_refused(tmp_path):
    (tmp_path / "x.tar").write_bytes(b"not a tar")
    with pytest.raises(ArchiveError, match="no backup of Ringside"):
        archive.open_archive(tmp_path / "x.tar", tmp_path / "out")


def test_a_difference_names_the_first_table_or_file():
    kept = Part("a", "1", {"t": Table(2, "ff")}, {"x": "00"})
    assert kept.find_difference(Part("b", "2", {"t": Table(2, "ff")}, {"x": "00"})) == ""
    assert "1 of 2 differ, the first is t" in kept.find_difference(
        Part("a", "1", {"t": Table(1, "ff")}, {"x": "00"})
    )


@pytest.mark.parametrize("name", ["ringside.sql.gz", "artefacts.tar.gz"])
def test_a_flipped_byte_never_passes_and_never_ends_in_another_error(tmp_path, name):
    content = make_dump() if name.endswith(".sql.gz") else make_tar({"a": b"trees" * 200}).read()
    whole = gzip.compress(content)
    file = tmp_path / name
    file.write_bytes(whole)
    expected = archive.describe_part(file)

    for at in range(len(whole)):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        with contextlib.suppress(ArchiveError):
            assert archive.describe_part(file) != expected


def test_a_folder_that_is_not_there_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(backup.shutil, "which", lambda name: name)

    assert backup.main(["backup", "--file", str(tmp_path / "none" / "a.tar")]) == 1
    assert f"There is no folder {tmp_path / 'none'}" in capsys.readouterr().err
