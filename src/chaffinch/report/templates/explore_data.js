"use strict";
// The columns of the samples, and which of these the filters let through. Everything from the data
// goes into the page as text.
const data = (() => {
  const told = JSON.parse(document.getElementById("data").textContent);
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const words = (text) => new Uint16Array(bytes(text).buffer);
  for (const name of ["x", "y", "suspicion", "given", "suggested", "group"]) told[name] = words(told[name]);
  for (const name of ["kind", "flags"]) told[name] = bytes(told[name]);
  return told;
})();
const NONE = 65535;
const [FLAGGED, ASIDE, NEWLY, CLEARED, PLACED] = [1, 2, 4, 8, 16];
const SCOPES = { flagged: FLAGGED, aside: ASIDE, newly: NEWLY, cleared: CLEARED };
const named = (codes, names) => (at) => (codes[at] === NONE || codes.length === 0 ? "" : names[codes[at]]);
const givenOf = named(data.given, data.classes);
const suggestedOf = named(data.suggested, data.classes);
const groupOf = named(data.group, data.groups);
const kindOf = (at) => data.kinds[data.kind[at]];
const suspicionOf = (at) => (data.suspicion[at] / NONE).toFixed(3);
const textOf = (at) => (at < data.listed ? data.text[at] : "");
const whyOf = (at) => (at < data.listed ? data.why[at] : "");

const choice = { picked: null, shown: new Int32Array(0), passes: new Uint8Array(data.count), watchers: [] };
const filters = document.getElementById("filters");
const wish = (name) => (filters.elements[name] ? filters.elements[name].value : "");
function choose() {
  const scope = SCOPES[wish("scope")] || 0;
  const least = Math.round(parseFloat(wish("least")) * NONE);
  const wanted = wish("words").trim().toLowerCase();
  const codes = ["kind", "given", "suggested", "group"].filter((name) => wish(name) !== "");
  const asked = codes.map((name) => [data[name], parseInt(wish(name), 10)]);
  const found = [];
  for (let at = 0; at < data.count; at += 1) {
    const passes =
      (!scope || data.flags[at] & scope) &&
      data.suspicion[at] >= least &&
      (!choice.picked || choice.picked[at]) &&
      asked.every(([column, code]) => column[at] === code) &&
      (!wanted ||
        [data.ids[at], givenOf(at), suggestedOf(at), kindOf(at).title, textOf(at), whyOf(at)]
          .join("\n").toLowerCase().includes(wanted));
    choice.passes[at] = passes ? 1 : 0;
    if (passes) found.push(at);
  }
  choice.shown = Int32Array.from(found);
  for (const watcher of choice.watchers) watcher();
}
function filterBy(wishes) {
  for (const [name, value] of Object.entries(wishes)) if (filters.elements[name]) filters.elements[name].value = value;
  choose();
}
function makeOne(tag, name, text) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text !== undefined) made.textContent = text;
  return made;
}
