// Charts are drawn when they come into view of their section, in the colours of the theme.
function plotOf(chart) {
  const style = getComputedStyle(document.documentElement);
  const coloured = (_, value) => {
    const [, name, opacity] = /^var\((.*)\)(.*)$/.exec(value) ?? [];
    return name ? style.getPropertyValue(name).trim() + opacity : value;
  };
  return JSON.parse(one("script", chart.parentElement).textContent, coloured);
}

function draw(chart, pointed) {
  const plot = plotOf(chart);
  const size = narrow.matches ? "narrow" : "wide";
  const layout = { ...plot.layout, ...plot.sizes[size], annotations: plot.labels?.[size] ?? plot.layout.annotations ?? [], uirevision: size };
  // On a small screen, dragging scrolls the page.
  if (narrow.matches) layout.dragmode = false;
  if (chart.dataset.kind === "plane") mark(plot, pointed);
  if (chart.dataset.kind === "matrix") nameFields(plot);
  // Without this, the box collapses when plotly draws in a new size.
  chart.style.height = `${layout.height}px`;
  Plotly.react(chart, plot.data, layout, { displayModeBar: false, responsive: true });
  if (!chart.dataset.listening) {
    chart.dataset.listening = "yes";
    listeners[chart.dataset.kind]?.(chart);
  }
}

function drawVisible() {
  for (const chart of all(".chart")) if (chart.offsetParent) draw(chart);
}

const listeners = { plane: listenToPlane, matrix: listenToMatrix };
