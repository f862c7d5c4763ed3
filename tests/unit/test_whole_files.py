"""Files that readers find whole."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from ringside.adapters.whole_files import place_whole, write_whole


def test_many_writers_of_one_file_leave_one_whole_text_and_no_drafts(tmp_path):
    page = tmp_path / "new" / "page.html"
    texts = [letter * 100_000 for letter in "abcdefgh"]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda text: write_whole(page, text), texts * 20))
    assert page.read_text() in texts
    assert list(page.parent.iterdir()) == [page]


def test_a_draft_that_fails_leaves_the_old_file(tmp_path):
    page = tmp_path / "page.html"
    write_whole(page, "old")

    def fail_half_way(draft):
        draft.write_text("ne")
        raise OSError(28, "no space left on device")

    with pytest.raises(OSError, match="no space"):
        place_whole(page, fail_half_way)
    assert page.read_text() == "old"
    assert list(tmp_path.iterdir()) == [page]
