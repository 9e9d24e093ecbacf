// What is chosen: a cell, the cell it is compared with, a prompt and a metric. Every list that asks for one of
// these follows, and so does the address, so that a link to the page opens it in the same state.
const chosen = {};
let section = "";

const has = (list, value) => [...list.options].some((option) => option.value === value);
const lists = (what) => all(`select[data-chooser="${CSS.escape(what)}"]`);
const offered = (what, value) => lists(what).some((list) => has(list, value));

function choose(changes) {
  for (const [what, value] of Object.entries(changes)) {
    if (!offered(what, value)) continue;
    chosen[what] = value;
    for (const list of lists(what)) if (has(list, value)) list.value = value;
    // A section without a panel of this value keeps its own.
    for (const home of new Set(all(`[data-panel="${what}"]`).map((panel) => panel.closest("section")))) {
      const panels = all(`[data-panel="${what}"]`, home);
      if (!panels.some((panel) => panel.dataset.value === value)) continue;
      for (const panel of panels) panel.hidden = panel.dataset.value !== value;
    }
  }
  showCell();
  all(".pair").forEach(comparePair);
  markGrid();
  drawVisible();
}

function writeAddress() {
  const state = new URLSearchParams(chosen).toString();
  history.replaceState(null, "", `#${[section, state].filter(Boolean).join("&")}`);
}

function readAddress() {
  const [first, ...rest] = location.hash.slice(1).split("&");
  if (first && !first.includes("=")) section = first;
  return Object.fromEntries(new URLSearchParams((first.includes("=") ? [first, ...rest] : rest).join("&")));
}

function goTo(name) {
  section = name;
  document.getElementById(name)?.scrollIntoView();
}

function setUpSelection() {
  for (const list of all("select[data-chooser]")) {
    const what = list.dataset.chooser;
    chosen[what] ??= list.value;
    list.addEventListener("change", () => {
      choose({ [what]: list.value });
      writeAddress();
    });
  }
  for (const button of all("[data-step]")) {
    button.addEventListener("click", () => {
      const list = one('select[data-chooser="prompt"]');
      const count = list.options.length;
      choose({ prompt: list.options[(list.selectedIndex + Number(button.dataset.step) + count) % count].value });
      writeAddress();
    });
  }
  one("#prompt-search")?.addEventListener("input", (event) => findPrompt(event.target.value));
  // Links between sections keep the selection in the address.
  document.addEventListener("click", (event) => {
    const target = event.target.closest('a[href^="#"]')?.getAttribute("href").slice(1);
    if (!target || !document.getElementById(target)?.matches("section")) return;
    event.preventDefault();
    goTo(target);
    writeAddress();
  });
  addEventListener("hashchange", () => {
    choose(readAddress());
    goTo(section);
  });
  const asked = Object.entries(readAddress()).filter(([what, value]) => offered(what, value));
  choose({ ...chosen, ...Object.fromEntries(asked) });
  if (section) goTo(section);
}

// Show the first prompt that holds all the words.
function findPrompt(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const options = [...one('select[data-chooser="prompt"]').options];
  const found = options.filter((option) => words.every((word) => option.text.toLowerCase().includes(word)));
  one("#prompt-found").textContent = words.length ? `${found.length} of ${options.length} prompts` : "";
  if (!words.length || !found.length) return;
  choose({ prompt: found[0].value });
  writeAddress();
}
