"""Secrets of the composed platform: made once, kept, each part's own, damage named."""

import json

import pytest

from ringside_containers.secret_files import (
    ROLES,
    DamagedSecretsError,
    read_or_make,
    render_files,
)


def test_secrets_are_made_once_and_private(tmp_path):
    file = tmp_path / "credentials.json"
    first = read_or_make(file)

    assert read_or_make(file) == first
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(set(first.values())) == len(first) == 10


def test_a_secret_that_a_newer_version_needs_is_added_and_the_others_stay(tmp_path):
    file = tmp_path / "credentials.json"
    first = read_or_make(file)
    older = {name: text for name, text in first.items() if name != "ringside_serving"}
    file.write_text(json.dumps(older))

    assert {k: v for k, v in read_or_make(file).items() if k in older} == older


@pytest.mark.parametrize(
    "content",
    ["{", "[]", '{"airflow": ""}', '{"airflow": 7}', '{"airflow_fernet_key": "c2hvcnQgYnV0IG9r"}'],
)
def test_damaged_secrets_are_named_and_never_replaced(tmp_path, content):
    file = tmp_path / "credentials.json"
    file.write_text(content)

    with pytest.raises(DamagedSecretsError, match="damaged"):
        read_or_make(file)
    assert file.read_text() == content


def test_each_part_is_handed_only_its_own_password(tmp_path):
    content = read_or_make(tmp_path / "credentials.json")
    files = render_files(content)

    shown = {
        part: {role for role in ROLES if content[role] in "".join(texts.values())}
        for part, texts in files.items()
    }
    assert shown == {
        "postgres": set(ROLES),
        "mlflow": {"mlflow"},
        "airflow": {"airflow", "ringside", "ringside_training"},
        "serving": {"ringside_serving"},
    }
