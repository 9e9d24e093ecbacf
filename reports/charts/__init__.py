"""The page's interactive charts: plotly figures as plain JSON.

A chart names its colours as variables of the style sheet. The page's script looks them up, so one chart
serves the light and the dark theme.
"""

from __future__ import annotations

from reports.charts._parts import Chart
from reports.charts.categories import categories_chart
from reports.charts.matrix import matrix_chart
from reports.charts.plane import plane_chart
from reports.charts.scales import scales_chart

__all__ = ["Chart", "categories_chart", "matrix_chart", "plane_chart", "scales_chart"]
