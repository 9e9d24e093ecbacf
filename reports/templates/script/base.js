// Small helpers that the other parts share.
const one = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const narrow = matchMedia("(max-width: 640px)");
const dark = matchMedia("(prefers-color-scheme: dark)");
const cells = JSON.parse(one("#cells")?.textContent ?? "[]");

function make(tag, text, className) {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}

function link(href, text) {
  const made = make("a", text);
  made.href = href;
  return made;
}
