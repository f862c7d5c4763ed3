"""Model artefacts in an S3-compatible store: MLflow writes them there, and we notice the same."""

import httpx
import pytest

from mlflow_process import mlflow_server
from ringside.adapters.registry import Registry
from ringside.core.titles import Title
from ringside.errors import ModelRefusedError, RegistryUnavailableError
from s3_process import BUCKET, KEY, list_keys, s3_server
from serving_builders import fit_model

pytestmark = pytest.mark.integration

TITLE = Title("BTC/USDT", 1)


@pytest.fixture
def store_url(tmp_path):
    """An S3 server with one empty bucket."""
    with s3_server(tmp_path) as url:
        yield url


@pytest.fixture
def mlflow_url(store_url, tmp_path):
    """MLflow whose artefacts are in the bucket, told as docker-compose.yaml tells it."""
    keys = tmp_path / "credentials"
    keys.write_text(KEY)
    told = {
        "MLFLOW_S3_ENDPOINT_URL": store_url,
        "AWS_SHARED_CREDENTIALS_FILE": str(keys),
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    with mlflow_server(tmp_path, f"s3://{BUCKET}/ringside", environment=told) as url:
        yield url


def test_a_version_is_kept_in_the_bucket_and_verified_from_it(store_url, mlflow_url, tmp_path):
    manifest, files = fit_model(TITLE, "xgboost")
    with Registry(mlflow_url) as registry:
        made = registry.register(manifest, files, metrics={})
        keys = list_keys(store_url)
        folder = registry.download(TITLE.model_name, made.version, tmp_path / "models")
        assert {key.rsplit("/", 1)[-1] for key in keys} == {*files, "manifest.json"}
        assert all(key.startswith("ringside/") for key in keys)
        assert {path.name: path.read_bytes() for path in folder.iterdir()}.items() >= files.items()

        model = next(key for key in keys if not key.endswith("manifest.json"))
        address = f"{store_url}/{BUCKET}/{model}"
        signed = {"Authorization": "AWS test:test"}  # an unsigned write is refused
        altered = httpx.put(address, content=b"other trees", headers=signed, trust_env=False)
        altered.raise_for_status()
        with pytest.raises(ModelRefusedError, match="checksum"):
            registry.download(TITLE.model_name, made.version, tmp_path / "elsewhere")


def test_a_bucket_that_is_not_there_fails_the_registration(store_url, mlflow_url):
    httpx.delete(f"{store_url}/{BUCKET}", trust_env=False)
    manifest, files = fit_model(TITLE, "persistence")
    with Registry(mlflow_url) as registry:
        with pytest.raises(RegistryUnavailableError, match="MLflow"):
            registry.register(manifest, files, metrics={})
        assert registry.find_fit(TITLE.model_name, manifest.fit) is None
