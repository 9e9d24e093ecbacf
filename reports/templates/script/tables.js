// Tables marked data-sortable: a click on a heading sorts the rows, a field above finds rows by their words.
const numberIn = (text) => {
  const found = /[-+]?\d[\d,]*\.?\d*(e[-+]?\d+)?/i.exec(text.replaceAll("−", "-"));
  return found ? Number(found[0].replaceAll(",", "")) : NaN;
};

function sortBy(table, column, button) {
  const heading = button.closest("th");
  const down = heading.getAttribute("aria-sort") === "ascending";
  for (const other of all("th[aria-sort]", table)) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", down ? "descending" : "ascending");
  const key = (row) => row.cells[column].textContent.trim();
  const rows = all("tbody tr", table);
  const numeric = column > 0 && rows.some((row) => !Number.isNaN(numberIn(key(row))));
  const order = (a, b) => {
    if (!numeric) return key(a).localeCompare(key(b), undefined, { numeric: true });
    const [x, y] = [numberIn(key(a)), numberIn(key(b))];
    return Number.isNaN(x) - Number.isNaN(y) || x - y;
  };
  rows.sort((a, b) => (down ? order(b, a) : order(a, b)));
  one("tbody", table).append(...rows);
}

function setUpTables() {
  for (const table of all("table[data-sortable]")) {
    all("thead th", table).forEach((heading, column) => {
      const button = make("button", heading.textContent, "sort");
      button.type = "button";
      button.addEventListener("click", () => sortBy(table, column, button));
      heading.replaceChildren(button);
    });
    const rows = all("tbody tr", table);
    if (rows.length < 8) continue;
    const label = make("label", "Find rows ", "chooser");
    const field = document.createElement("input");
    field.type = "search";
    field.addEventListener("input", () => {
      const words = field.value.toLowerCase().split(/\s+/);
      for (const row of rows) row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
    });
    label.append(field);
    table.closest(".scroll").before(label);
  }
}
