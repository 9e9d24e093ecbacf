"use strict";
(() => {
  const one = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const narrow = matchMedia("(max-width: 640px)");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const cells = JSON.parse(one("#cells")?.textContent ?? "[]");
  let pinned = null;

  function make(tag, text, className) {
    const made = document.createElement(tag);
    made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  // Charts name their colours as variables of the style sheet; the theme sets these.
  function plotOf(chart) {
    const style = getComputedStyle(document.documentElement);
    const coloured = (_, value) => {
      const [, name, opacity] = /^var\((.*)\)(.*)$/.exec(value) ?? [];
      return name ? style.getPropertyValue(name).trim() + opacity : value;
    };
    return JSON.parse(one("script", chart.parentElement).textContent, coloured);
  }

  function draw(chart) {
    const plot = plotOf(chart);
    const size = narrow.matches ? "narrow" : "wide";
    const layout = { ...plot.layout, ...plot.sizes[size], annotations: plot.labels?.[size] ?? [], uirevision: size };
    // On a small screen, dragging scrolls the page.
    if (narrow.matches) layout.dragmode = false;
    if (chart.id === "chart-plane") ring(plot.data);
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

  function ring(traces) {
    const mark = traces.at(-1);
    for (const trace of traces) {
      const place = trace.customdata?.indexOf(pinned) ?? -1;
      if (place >= 0) [mark.x, mark.y] = [[trace.x[place]], [trace.y[place]]];
    }
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

  // Choosers: a list shows one panel of its group; all lists of a group show the same choice.
  function choose(group, value) {
    for (const list of all(`select[data-chooser="${group}"]`)) list.value = value;
    for (const panel of all(`[data-panel="${group}"]`)) panel.hidden = panel.dataset.value !== value;
    drawVisible();
    if (group === "prompt") {
      pin(pinned);
      all(".pair").forEach(comparePair);
    }
  }

  function setUpChoosers() {
    for (const list of all("select[data-chooser]")) {
      list.addEventListener("change", () => choose(list.dataset.chooser, list.value));
    }
    for (const group of new Set(all("select[data-chooser]").map((list) => list.dataset.chooser))) {
      choose(group, one(`select[data-chooser="${group}"]`).value);
    }
    for (const button of all("[data-step]")) {
      button.addEventListener("click", () => {
        const list = one('select[data-chooser="prompt"]');
        const count = list.options.length;
        choose("prompt", list.options[(list.selectedIndex + Number(button.dataset.step) + count) % count].value);
      });
    }
  }

  // Each picture is embedded once; this makes the copies.
  function copyOf(shot) {
    const copy = shot.cloneNode(true);
    const image = one("img", copy);
    image.removeAttribute("id");
    copy.tabIndex = 0;
    return copy;
  }

  function shotsOf(cell, count) {
    const sheets = all('[data-panel="prompt"]');
    const chosen = sheets.findIndex((sheet) => !sheet.hidden);
    const inOrder = [...sheets.slice(chosen), ...sheets.slice(0, Math.max(chosen, 0))];
    const shots = inOrder.map((sheet) => one(`[data-cell="${CSS.escape(cell)}"] .shot`, sheet));
    return shots.filter(Boolean).slice(0, count).map(copyOf);
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

  // The plane: pointing at a cell shows it; clicking it or choosing it from the list pins it.
  function pin(place) {
    const cell = cells[place];
    if (!cell) return;
    pinned = place;
    one("#pinned").replaceChildren(...describe(cell, cell.facts, 5));
    one("#cell-choice").value = String(place);
    if (one("#chart-plane")) draw(one("#chart-plane"));
  }

  function point(place, event) {
    const card = one("#card");
    const cell = cells[place];
    card.replaceChildren(...describe(cell, cell.facts.slice(0, cell.lead), 5));
    card.hidden = false;
    const right = event.clientX + 24;
    const left = event.clientX - 24 - card.offsetWidth;
    card.style.left = `${left < 8 || event.clientX < innerWidth / 3 ? right : left}px`;
    card.style.top = `${Math.max(8, Math.min(event.clientY - 40, innerHeight - card.offsetHeight - 8))}px`;
  }

  function setUpPlane() {
    const list = one("#cell-choice");
    if (!list) return;
    pin(Number(list.value));
    list.addEventListener("change", () => pin(Number(list.value)));
  }

  function listenToPlane(chart) {
    const placeOf = (event) => event.points.find((found) => found.customdata !== undefined)?.customdata;
    chart.on("plotly_hover", (event) => {
      if (!narrow.matches && placeOf(event) !== undefined) point(placeOf(event), event.event);
    });
    chart.on("plotly_unhover", () => { one("#card").hidden = true; });
    chart.on("plotly_click", (event) => { if (placeOf(event) !== undefined) pin(placeOf(event)); });
    chart.on("plotly_restyle", () => labelsFollow(chart));
  }

  // Compare two cells of a matrix in words, with their images of the chosen prompt.
  function comparePair(box) {
    const fields = plotOf(one(`#chart-${box.dataset.pair}`)).data[0].customdata;
    const [a, b] = ["a", "b"].map((side) => one(`[data-side="${side}"]`, box));
    const [difference, low, high, , corrected] = fields[a.value][b.value];
    const shown = (value) => value.toFixed(Number(box.dataset.places)).replace("-", "−");
    const names = `${a.selectedOptions[0].text} minus ${b.selectedOptions[0].text}`;
    let text = a.value === b.value ? "Choose two different cells." : `${names}: the run stores no test.`;
    if (difference !== null) text = `${names}: ${shown(difference)}`;
    if (corrected !== null) {
      const p = corrected < 0.0001 ? "p < 0.0001" : `p = ${corrected.toFixed(corrected < 0.01 ? 4 : 2)}`;
      text += `, 95% interval ${shown(low)} to ${shown(high)}, corrected ${p}: ${corrected < 0.05 ? "settled" : "not settled"}.`;
    }
    one("[data-result]", box).textContent = text;
    const folders = JSON.parse(box.dataset.cells);
    one(".pair-shots", box).replaceChildren(...[a, b].flatMap((list) => shotsOf(folders[list.value], 1)));
  }

  function setUpPairs() {
    for (const box of all(".pair")) {
      for (const list of all("select", box)) list.addEventListener("change", () => comparePair(box));
      comparePair(box);
    }
  }

  function listenToMatrix(chart) {
    const box = one(`[data-pair="${chart.id.replace("chart-", "")}"]`);
    chart.on("plotly_click", (event) => {
      const places = event.points[0].pointNumber;
      all("select", box).forEach((list, side) => { list.value = String(places[side]); });
      comparePair(box);
    });
  }

  const listeners = { plane: listenToPlane, matrix: listenToMatrix };

  // The viewer: a click enlarges, arrow keys move to the neighbours, Escape closes, as in every dialog.
  const viewer = one("#viewer");
  let current = null;

  function neighbour(shot, move) {
    const group = shot.closest("[data-shots]");
    const row = shot.closest("tr");
    if (!row) {
      const shots = all(".shot", group);
      return shots[shots.indexOf(shot) + { left: -1, right: 1, up: -1, down: 1 }[move]];
    }
    const step = { left: [0, -1], right: [0, 1], up: [-1, 0], down: [1, 0] }[move];
    const rows = all("tbody tr", group);
    let [y, x] = [rows.indexOf(row), shot.closest("td").cellIndex];
    for (;;) {
      [y, x] = [y + step[0], x + step[1]];
      const field = rows[y]?.cells[x];
      if (!field) return undefined;
      if (one(".shot", field)) return one(".shot", field);
    }
  }

  function show(shot) {
    current = shot;
    const image = one("#viewer-image");
    image.src = one("img", shot).src;
    image.alt = one("img", shot).alt;
    image.className = shot.classList.contains("pixelated") ? "pixelated" : "";
    one("#viewer-name").textContent = shot.dataset.name;
    one("#viewer-prompt").textContent = shot.dataset.prompt;
    one("#viewer-note").textContent = shot.dataset.note;
    one("#viewer-original").href = shot.dataset.original;
    for (const button of all("[data-move]", viewer)) button.disabled = !neighbour(shot, button.dataset.move);
    if (!viewer.open) viewer.showModal();
  }

  function setUpViewer() {
    for (const copy of all("img[data-same]")) copy.src = document.getElementById(copy.dataset.same).src;
    document.addEventListener("click", (event) => {
      const shot = event.target.closest(".shot");
      if (shot) show(shot);
      const move = event.target.closest("[data-move]")?.dataset.move;
      if (move && neighbour(current, move)) show(neighbour(current, move));
      if (event.target === viewer || event.target.closest("[data-close]")) viewer.close();
    });
    document.addEventListener("keydown", (event) => {
      const move = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down" }[event.key];
      const shot = viewer.open ? current : event.target.closest?.(".shot");
      if (!move || !shot) return;
      event.preventDefault();
      const next = neighbour(shot, move);
      if (next) viewer.open ? show(next) : next.focus();
    });
    viewer.addEventListener("close", () => current?.focus());
  }

  document.documentElement.classList.add("scripted");
  setUpViewer();
  setUpChoosers();
  setUpPlane();
  setUpPairs();
  for (const query of [dark, narrow]) query.addEventListener("change", drawVisible);
})();
