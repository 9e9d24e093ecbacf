// Two cells in words, and their images of the chosen prompt under a slider.
function comparePair(box) {
  const folders = JSON.parse(box.dataset.cells);
  const lists = ["cell", "against"].map((what) => one(`[data-chooser="${what}"]`, box));
  const [row, column] = lists.map((list) => folders.indexOf(list.value));
  const [difference, low, high, , corrected] = plotOf(one(`#chart-${box.dataset.pair}`)).data[0].customdata[row][column];
  const shown = (value) => value.toFixed(Number(box.dataset.places)).replace("-", "−");
  const names = lists.map((list) => list.selectedOptions[0].text);
  let text = row === column ? "Choose two different cells." : `${names.join(" minus ")}: the run stores no test.`;
  if (difference !== null) text = `${names.join(" minus ")}: ${shown(difference)}`;
  if (corrected !== null) {
    const p = corrected < 0.0001 ? "p < 0.0001" : `p = ${corrected.toFixed(corrected < 0.01 ? 4 : 2)}`;
    text += `, 95% interval ${shown(low)} to ${shown(high)}, corrected ${p}: ${corrected < 0.05 ? "settled" : "not settled"}.`;
  }
  one("[data-result]", box).textContent = text;
  const shots = lists.flatMap((list) => shotsOf(list.value, 1));
  one(".pair-shots", box).replaceChildren(...shots);
  rove(one(".pair-shots", box));
  slide(one(".slider", box), shots, names);
}

function slide(slider, shots, names) {
  slider.hidden = shots.length !== 2;
  if (slider.hidden) return;
  const layers = shots.map((shot) => {
    const image = one("img", shot).cloneNode();
    image.className = shot.classList.contains("pixelated") ? "pixelated" : "";
    return image;
  });
  one(".layers", slider).replaceChildren(...layers);
  all("span", slider).forEach((label, side) => { label.textContent = names[side]; });
  cut(slider);
}

function cut(slider) {
  slider.style.setProperty("--cut", `${one("input", slider).value}%`);
}

function setUpPairs() {
  for (const slider of all(".slider")) one("input", slider).addEventListener("input", () => cut(slider));
}

// One text for each pair would double the page's numbers, so they are composed here.
function nameFields(plot) {
  const text = plot.names.map((row) => plot.names.map((column) => `<b>${row}</b><br>minus <b>${column}</b>`));
  for (const trace of plot.data) trace.text = text;
}

function listenToMatrix(chart) {
  const folders = JSON.parse(one(`[data-pair="${chart.id.replace("chart-", "")}"]`).dataset.cells);
  chart.on("plotly_click", (event) => {
    const [row, column] = event.points[0].pointNumber;
    choose({ cell: folders[row], against: folders[column] });
    writeAddress();
  });
}
