"""What models say of themselves in MLflow."""

from model_builders import make_fitted
from ringside.core.model_notes import render_note, render_title_note


def test_note_tells_title_span_and_the_figures_that_are_known():
    manifest, _ = make_fitted("xgboost", symbol="BTC/USDT", horizon=6)
    note = render_note(manifest, {"oos_skill_persistence": 0.0213, "oos_rows": 1344.0, "x": 1.0})
    assert note.startswith("**xgboost** for BTC/USDT, 6 hours ahead, as of ")
    assert f"Fitted on {manifest.train_rows:,} hours" in note
    assert "| skill against persistence | +2.13% |\n| hours out of sample | 1,344 |" in note
    assert "| x |" not in note


def test_note_without_figures_has_no_table():
    manifest, _ = make_fitted("persistence", symbol="BTC/USDT", horizon=1)
    assert "|" not in render_note(manifest, {})
    assert "**BTC/USDT, 1 hour ahead**" in render_title_note(manifest)
