document.documentElement.classList.add("scripted");
setUpViewer();
setUpTables();
setUpPairs();
setUpSelection();
// Paper shows what the screen folds.
addEventListener("beforeprint", () => all("details").forEach((part) => (part.open = true)));
for (const query of [dark, narrow]) query.addEventListener("change", drawVisible);
