"""What a run and a version say of themselves in MLflow, in Markdown."""

from collections.abc import Mapping

from ringside.core.manifest import Manifest
from ringside.core.words import describe_title

_FIGURES = (
    ("oos_skill_persistence", "skill against persistence", "{:+.2%}"),
    ("oos_skill_persistence_ewma", "skill against persistence_ewma", "{:+.2%}"),
    ("oos_scaled_loss", "pinball loss, sigma", "{:.4f}"),
    ("oos_inside_50_frac", "outcomes inside the 50 % band", "{:.1%}"),
    ("oos_inside_90_frac", "outcomes inside the 90 % band", "{:.1%}"),
    ("oos_abs_error", "mean absolute error of the median, log return", "{:.5f}"),
    ("oos_seed_spread", "spread of the loss over seeds", "{:.5f}"),
    ("oos_rows", "hours out of sample", "{:,.0f}"),
)


def render_note(manifest: Manifest, metrics: Mapping[str, float]) -> str:
    """Tell what a model is, what it was fitted on and how it did out of sample."""
    title = describe_title(manifest.symbol, manifest.horizon).en
    lines = [
        f"**{manifest.contestant}** for {title}, as of {manifest.as_of:%Y-%m-%d %H:%M} UTC.",
        "",
        f"Fitted on {manifest.train_rows:,} hours from {manifest.train_start:%Y-%m-%d} to "
        f"{manifest.train_end:%Y-%m-%d}, {len(manifest.feature_names)} inputs, "
        f"seed {manifest.seed}.",
    ]
    known = [(words, form.format(metrics[key])) for key, words, form in _FIGURES if key in metrics]
    if known:
        lines += ["", "| Out of sample | |", "|---|---:|"]
        lines += [f"| {words} | {figure} |" for words, figure in known]
    if manifest.params:
        settings = ", ".join(f"{name} {value}" for name, value in sorted(manifest.params.items()))
        lines += ["", f"Hyper-parameters: {settings}."]
    return "\n".join(lines)


def render_title_note(manifest: Manifest) -> str:
    """Tell what a registered model stands for, and what its aliases mean."""
    title = describe_title(manifest.symbol, manifest.horizon).en
    return (
        f"The title **{title}**: every version is one fitted contestant that fights for it.\n\n"
        "`champion` is served, `previous-champion` is the way back, `challenger` is the newest "
        "xgboost in the ring; the aliases named after contestants forecast every hour."
    )
