// The plane: pointing at a cell shows it in a card; clicking it or choosing it from a list keeps it.
const placeOf = (cell) => cells.findIndex((one) => one.cell === cell);

// Draw the ellipses of the chosen cell and of the one pointed at, and a ring round the chosen one.
function mark(plot, pointed) {
  const place = placeOf(chosen.cell);
  const regions = plot.data.filter((trace) => trace.meta === "region");
  const ring = plot.data.at(-1);
  for (const trace of plot.data) {
    const at = trace.customdata?.indexOf(place) ?? -1;
    if (at >= 0) [ring.x, ring.y] = [[trace.x[at]], [trace.y[at]]];
  }
  [place, pointed].forEach((wanted, which) => {
    const curve = plot.data.find((trace) => trace.customdata?.includes(wanted));
    [regions[which].x, regions[which].y] = (curve && plot.regions[wanted]) ?? [[], []];
    if (!curve) return;
    regions[which].line.color = curve.line.color;
    regions[which].fillcolor = `${curve.line.color}28`;
  });
}

// Hide the labels of a hidden curve.
function labelsFollow(chart) {
  const hidden = new Set(chart.data.filter((trace) => trace.visible === "legendonly").map((trace) => trace.name));
  const changes = {};
  chart.layout.annotations.forEach((label, place) => {
    changes[`annotations[${place}].visible`] = !hidden.has(label.name);
  });
  Plotly.relayout(chart, changes);
}

function describe(cell, facts, samples) {
  const list = document.createElement("dl");
  for (const [word, text] of facts) list.append(make("dt", word), make("dd", text));
  const pictures = make("div", "", "samples");
  pictures.dataset.shots = "";
  const shots = shotsOf(cell.cell, samples);
  pictures.append(...shots);
  const prompt = shots.length ? make("p", `“${shots[0].dataset.prompt}”`, "muted") : make("p", "No images were kept.", "muted");
  return [make("p", cell.name, "cell-name"), pictures, prompt, list];
}

// The chosen cell beside the plot, with the ways to more of its images.
function showCell() {
  const cell = cells[placeOf(chosen.cell)];
  if (!cell || !one("#pinned")) return;
  const [name, pictures, prompt, list] = describe(cell, cell.facts, 5);
  const more = make("p", "", "more");
  if (one("#grid")) more.append(link("#grid", "This prompt in all cells"));
  if (one("#extremes")) more.append(link("#extremes", "Best and worst images of this cell"));
  one("#pinned").replaceChildren(name, pictures, prompt, more, list);
  rove(pictures);
}

function point(chart, place, event) {
  const card = one("#card");
  card.replaceChildren(...describe(cells[place], cells[place].facts.slice(0, cells[place].lead), 5));
  card.hidden = false;
  // Beside the chart if there is room; otherwise over its other half, away from the point.
  const box = chart.getBoundingClientRect();
  const beside = innerWidth - box.right > card.offsetWidth + 16;
  const across = event.clientX < (box.left + box.right) / 2 ? box.right - card.offsetWidth - 8 : box.left + 8;
  card.style.left = `${beside ? box.right + 12 : across}px`;
  card.style.top = `${Math.max(8, Math.min(event.clientY - 40, innerHeight - card.offsetHeight - 8))}px`;
}

function listenToPlane(chart) {
  const found = (event) => event.points.find((one) => one.customdata !== undefined)?.customdata;
  chart.on("plotly_hover", (event) => {
    const place = found(event);
    if (narrow.matches || place === undefined) return;
    point(chart, place, event.event);
    draw(chart, place);
  });
  chart.on("plotly_unhover", () => {
    one("#card").hidden = true;
    draw(chart);
  });
  chart.on("plotly_click", (event) => {
    if (found(event) === undefined) return;
    choose({ cell: cells[found(event)].cell });
    writeAddress();
  });
  chart.on("plotly_restyle", () => labelsFollow(chart));
}
