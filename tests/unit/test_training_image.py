"""The image of trainings is one that means the same tomorrow."""

import pytest
from pydantic import ValidationError

from ringside.settings import Settings

DIGEST = "sha256:" + "a" * 64


def make_settings(image):
    return Settings(database_url="postgresql+psycopg://x@h/d", training_image=image)


@pytest.mark.parametrize(
    "image",
    [
        "ringside-training:0.1.0",
        "registry.example.org:5000/ringside-training:0.1.0",
        f"registry.example.org/ringside-training@{DIGEST}",
        DIGEST,
        "0123456789ab",
    ],
)
def test_tag_digest_or_id_is_taken(image):
    assert make_settings(image).training_image == image


@pytest.mark.parametrize(
    "image",
    [
        "ringside-training:latest",
        "ringside-training",
        "ringside-training:",
        "registry.example.org:5000/ringside-training",
        "",
    ],
)
def test_image_that_may_be_another_tomorrow_is_refused(image):
    with pytest.raises(ValidationError, match="tag"):
        make_settings(image)
