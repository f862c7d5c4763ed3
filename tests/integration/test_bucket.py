"""The bucket's part of a backup and of the start, on a local S3 server."""

import hashlib
import io
import sys
import tarfile

import httpx
import pytest

from ringside_containers import archive, bucket
from s3_process import BUCKET, KEY, list_keys, s3_server

pytestmark = pytest.mark.integration

SIGNED = {"Authorization": "AWS test:test"}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with s3_server(tmp_path_factory.mktemp("s3")) as url:
        yield url


@pytest.fixture
def models(store, tmp_path, monkeypatch):
    """A bucket with two objects of ours and one of somebody else, told as MLflow is told."""
    (tmp_path / "credentials").write_text(KEY)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", store)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("MLFLOW_ARTIFACTS_DESTINATION", f"s3://{BUCKET}/ringside")
    put(store, "ringside/1/m/a.ubj", b"trees")
    put(store, "ringside/1/m/manifest.json", b"{}")
    put(store, "theirs", b"x")
    return store


def put(store, key, content):
    url = f"{store}/{BUCKET}/{key}"
    httpx.put(url, content=content, headers=SIGNED, trust_env=False).raise_for_status()


def get(store, key):
    return httpx.get(f"{store}/{BUCKET}/{key}", headers=SIGNED, trust_env=False).content


def run(monkeypatch, *words, given=b""):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written))
    status = bucket.main(list(words))
    sys.stdout.flush()
    return status, written.getvalue()


def test_objects_come_back_from_a_tar_and_nothing_else_is_touched(models, monkeypatch):
    status, packed = run(monkeypatch, "pack")
    assert status == 0
    assert archive.describe_files(io.BytesIO(packed)) == {
        "1/m/a.ubj": hashlib.sha256(b"trees").hexdigest(),
        "1/m/manifest.json": hashlib.sha256(b"{}").hexdigest(),
    }
    put(models, "ringside/1/m/a.ubj", b"weeds")
    put(models, "ringside/2/later", b"y")

    assert run(monkeypatch, "unpack", given=packed)[0] == 0
    assert get(models, "ringside/1/m/a.ubj") == b"weeds"
    seen = archive.describe_files(io.BytesIO(run(monkeypatch, "pack", "--new")[1]))
    assert seen == archive.describe_files(io.BytesIO(packed))

    assert run(monkeypatch, "change-over")[0] == 0
    assert get(models, "ringside/1/m/a.ubj") == b"trees"
    expected = {"ringside/1/m/a.ubj", "ringside/1/m/manifest.json", "ringside/2/later", "theirs"}
    assert set(list_keys(models)) == expected


def test_a_tar_of_a_volume_goes_into_the_bucket(models, monkeypatch):
    tarred = io.BytesIO()
    with tarfile.open(fileobj=tarred, mode="w") as bundle:
        member = tarfile.TarInfo("./3/m/b.ubj")
        member.size = 4
        bundle.addfile(member, io.BytesIO(b"oaks"))

    for verb, given in (("unpack", tarred.getvalue()), ("change-over", b"")):
        assert run(monkeypatch, verb, given=given)[0] == 0

    assert get(models, "ringside/3/m/b.ubj") == b"oaks"


def test_a_store_that_can_be_used_is_left_as_it_was(models, monkeypatch):
    before = list_keys(models)

    assert run(monkeypatch, "check") == (0, b"")
    assert list_keys(models) == before


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("MLFLOW_ARTIFACTS_DESTINATION", "s3://nowhere/x", "NoSuchBucket"),
        ("MLFLOW_ARTIFACTS_DESTINATION", "/var/lib/mlflow", "name a bucket, as s3://bucket"),
        ("MLFLOW_S3_ENDPOINT_URL", "http://127.0.0.1:9", "Could not connect"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/nowhere", "Unable to locate credentials"),
    ],
)
def test_what_is_wrong_with_the_store_is_named(models, monkeypatch, capsys, name, value, expected):
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv(name, value)

    assert bucket.main(["check"]) == 1
    assert expected in capsys.readouterr().err
