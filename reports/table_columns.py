"""The columns of a run's tables that reports read."""

from __future__ import annotations

__all__ = [
    "BEST",
    "BEST_SCALES",
    "CATEGORIES",
    "CATEGORY_COMPARISONS",
    "CFG_CURVES",
    "COMPARISONS",
    "CURVES",
    "DOMINANCE",
    "EFFECTIVE",
    "FLAGGED",
    "LATER",
    "LEDGER",
    "PROTOCOLS",
    "RECIPES",
    "RECIPE_COMPARISONS",
    "REGIONS",
    "VARIANCE",
]

#: The columns that reports read, with their pandas types; a table may have more.
COMPARISONS = dict.fromkeys(["protocol", "a", "b", "note"], "str") | dict.fromkeys(
    ["difference", "standard_error", "low", "high", "p_value", "p_holm", "detectable", "n"], "float64"
)
_NEEDED = dict.fromkeys(["needed", "needed_low", "needed_high"], "float64")
BEST = {"protocol": "str", "cell": "str", "p_best": "float64", "n": "float64"} | _NEEDED
CURVES = (
    dict.fromkeys(["protocol", "a", "b", "note"], "str")
    | dict.fromkeys(
        ["difference", "standard_error", "low", "high", "p_value", "p_holm", "scales", "n"], "float64"
    )
    | _NEEDED
)
#: Columns that tables of earlier versions lack.
LATER = {"needed_low", "needed_high"}
BEST_SCALES = dict.fromkeys(["protocol", "curve", "note"], "str") | dict.fromkeys(
    ["scale", "low", "high", "value", "standard_error", "scales", "n"], "float64"
)
REGIONS = dict.fromkeys(["cell", "x_protocol", "y_protocol"], "str") | dict.fromkeys(
    ["x", "y", "xx", "xy", "yy", "radius"], "float64"
)
DOMINANCE = {"a": "str", "b": "str", "probability": "float64"}
PROTOCOLS = dict.fromkeys(
    ["protocol", "version", "agrees_with", "resize", "quantisation", "extractor", "dimension", "notes"], "str"
)
CATEGORIES = dict.fromkeys(["cell", "protocol", "by", "category", "note"], "str") | dict.fromkeys(
    ["value", "standard_error", "low", "high", "n"], "float64"
)
CATEGORY_COMPARISONS = dict.fromkeys(["protocol", "by", "category", "a", "b"], "str") | dict.fromkeys(
    ["difference", "low", "high", "p_holm", "n"], "float64"
)
VARIANCE = dict.fromkeys(["cell", "protocol"], "str") | dict.fromkeys(
    ["prompts", "images", "share_prompts", "share_noise"], "float64"
)
VARIANCE |= dict.fromkeys(
    ["standard_error", "with_same_prompts", "with_twice_prompts", "with_twice_images"], "float64"
)
RECIPES = dict.fromkeys(["recipe", "protocol", "note"], "str")
RECIPES |= dict.fromkeys(["guidance_scale", "value", "standard_error", "low", "high"], "float64")
RECIPES |= dict.fromkeys(["of_checkpoints", "of_images", "checkpoints"], "float64")
RECIPE_COMPARISONS = dict.fromkeys(["protocol", "a", "b"], "str") | dict.fromkeys(
    ["difference", "low", "high", "p_holm"], "float64"
)
_MOVES = [f"{part}_{axis}" for part in ("gain", "along", "off") for axis in ("x", "y", "xx", "xy", "yy")]
LEDGER = dict.fromkeys(
    ["cell", "cfg_curve", "control", "matched", "x_protocol", "y_protocol", "note"], "str"
) | dict.fromkeys([*_MOVES, "x", "y", "difference_xx", "difference_xy", "difference_yy"], "float64")
LEDGER |= dict.fromkeys(["effective_scale", "effective_scale_error", "p_value", "p_holm", "n"], "float64")
LEDGER |= dict.fromkeys(["curve_scale", "curve_scale_low", "curve_scale_high"], "float64")
EFFECTIVE = {"cell": "str", "call": "int64", "scale": "float64", "standard_error": "float64"}
CFG_CURVES = dict.fromkeys(["cfg_curve", "cell"], "str") | dict.fromkeys(
    ["guidance_scale", "x", "y"], "float64"
)
FLAGGED = dict.fromkeys(["cell", "image", "flags", "like"], "str")
