"""The page's interactive charts as plotly figures in plain JSON, without colours of their own.

Colours are names of the style sheet's variables, which the page's script puts in: one figure for both themes.
"""

from __future__ import annotations

from reports.charts._parts import Chart
from reports.charts.matrix import matrix_chart
from reports.charts.plane import plane_chart
from reports.charts.scales import scales_chart

__all__ = ["Chart", "matrix_chart", "plane_chart", "scales_chart"]
