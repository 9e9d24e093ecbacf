document.documentElement.classList.add("scripted");
setUpViewer();
setUpTables();
setUpPairs();
setUpSelection();
for (const query of [dark, narrow]) query.addEventListener("change", drawVisible);
