// What the reader does: filters, and clicks in other parts of the page that set them.
(() => {
  document.documentElement.classList.add("js");
  const count = document.getElementById("count");
  const at = new Map();
  for (let place = 0; place < data.count; place += 1) if (viewer.cards.has(data.ids[place])) at.set(data.ids[place], place);
  choice.watchers.push(() => {
    const shown = choice.shown.length.toLocaleString("en");
    count.textContent = `${shown} of ${data.total.toLocaleString("en")}${choice.picked ? ", drawn around" : ""}`;
    // Cards of samples that are not flagged stay: they are there to show where the line lies.
    const usual = wish("scope") === "flagged" && !choice.picked && wish("words") === "" && parseFloat(wish("least")) === 0
      && ["kind", "given", "suggested", "group"].every((name) => wish(name) === "");
    for (const [name, card] of viewer.cards) card.hidden = !usual && at.has(name) && !choice.passes[at.get(name)];
  });
  let wait = 0;
  filters.addEventListener("input", (event) => {
    window.clearTimeout(wait);
    wait = window.setTimeout(choose, event.target.name === "words" && data.count > 20000 ? 150 : 0);
  });
  filters.addEventListener("submit", (event) => event.preventDefault());
  const clear = () => {
    choice.picked = null;
    filters.reset();
    choose();
  };
  document.getElementById("clear").addEventListener("click", clear);
  for (const cell of document.querySelectorAll("[data-filter]")) {
    const button = makeOne("button", "drill");
    button.type = "button";
    button.append(...cell.childNodes);
    button.title = "List these samples";
    cell.append(button);
    button.addEventListener("click", () => {
      choice.picked = null;
      filters.reset();
      filterBy(JSON.parse(cell.dataset.filter));
      document.getElementById("explore").scrollIntoView();
      document.getElementById("list").focus({ preventScroll: true });
    });
  }
  for (const [name, card] of viewer.cards) {
    const picture = card.querySelector("img");
    if (!picture || !at.has(name)) continue;
    const button = makeOne("button", "larger");
    button.type = "button";
    button.title = "Look closer";
    picture.replaceWith(button);
    button.append(picture);
    button.addEventListener("click", () => viewer.open(at.get(name)));
  }
  choose();
  if (atlas) atlas.legend();
})();
