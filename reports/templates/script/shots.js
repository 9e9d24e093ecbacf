// Thumbnails: each is embedded once and copied. Tab enters a group and leaves it again; arrow keys move inside.
// A click enlarges; Escape closes, as in every dialog.
const viewer = one("#viewer");
let current = null;

function copyOf(shot) {
  const copy = shot.cloneNode(true);
  one("img", copy).removeAttribute("id");
  return copy;
}

function shotsOf(cell, count) {
  const sheets = all('[data-panel="prompt"]');
  const first = sheets.findIndex((sheet) => !sheet.hidden);
  const inOrder = [...sheets.slice(first), ...sheets.slice(0, Math.max(first, 0))];
  const shots = inOrder.map((sheet) => one(`[data-cell="${CSS.escape(cell)}"] .shot`, sheet));
  return shots.filter(Boolean).slice(0, count).map(copyOf);
}

function markGrid() {
  for (const field of all(".grid [data-cell]")) field.classList.toggle("chosen", field.dataset.cell === chosen.cell);
}

function rove(group, shot = one(".shot", group)) {
  for (const other of all(".shot", group)) other.tabIndex = other === shot ? 0 : -1;
}

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
  one("#viewer-original").href = shot.dataset.original || "#content";
  one("#viewer-original").hidden = !shot.dataset.original;
  for (const button of all("[data-move]", viewer)) button.disabled = !neighbour(shot, button.dataset.move);
  if (!viewer.open) viewer.showModal();
}

function setUpViewer() {
  for (const copy of all("img[data-same]")) copy.src = document.getElementById(copy.dataset.same).src;
  for (const group of all("[data-shots]")) rove(group);
  document.addEventListener("focusin", (event) => {
    const shot = event.target.closest(".shot");
    if (shot) rove(shot.closest("[data-shots]"), shot);
  });
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
