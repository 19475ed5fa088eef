// The list, of which only the rows in sight are in the page, and the view of one sample.
const sprite = document.getElementById("sprite");
const ROW = 76;
function thumbnail(at, size) {
  const place = at < data.listed ? data.thumbnail[at] : -1;
  if (!sprite || place < 0) return null;
  const { side, across } = data.sprite;
  const canvas = makeOne("canvas", "thumbnail");
  canvas.width = canvas.height = side;
  canvas.style.width = canvas.style.height = `${size}px`;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `Sample ${data.ids[at]}, given label ${givenOf(at)}`);
  const paint = () => canvas.getContext("2d").drawImage(sprite, (place % across) * side, Math.floor(place / across) * side, side, side, 0, 0, side, side);
  if (sprite.complete) paint(); else sprite.addEventListener("load", paint, { once: true });
  return canvas;
}
function labelled(at) {
  const line = makeOne("span", "change");
  if (!data.labelled) {
    line.append(makeOne("b", "", kindOf(at).title));
    return line;
  }
  const given = makeOne("span", "given");
  given.append(makeOne("bdi", "", givenOf(at) || "–"));
  line.append(given);
  if (suggestedOf(at) && suggestedOf(at) !== givenOf(at)) {
    const suggested = makeOne("span", "suggested");
    suggested.append(makeOne("bdi", "", suggestedOf(at)));
    line.append(makeOne("span", "arrow", " → "), suggested);
  }
  return line;
}
function described(at) {
  const parts = [labelled(at), makeOne("span", "line", textOf(at) || whyOf(at) || data.ids[at])];
  const foot = makeOne("span", "line quiet", `${kindOf(at).title} · suspicion ${suspicionOf(at)}`);
  const picture = thumbnail(at, 56);
  const words = makeOne("span", "words");
  words.append(...parts, foot);
  return picture ? [picture, words] : [words];
}
(() => {
  const box = document.getElementById("list");
  const rows = box.querySelector("ol");
  let drawn = "";
  function draw() {
    const first = Math.max(0, Math.floor(box.scrollTop / ROW) - 4);
    const last = Math.min(choice.shown.length, first + Math.ceil(box.clientHeight / ROW) + 10);
    const key = `${first} ${last}`;
    if (key === drawn) return;
    drawn = key;
    const made = [];
    for (let place = first; place < last; place += 1) {
      const at = choice.shown[place];
      const item = makeOne("li");
      item.style.top = `${place * ROW}px`;
      item.setAttribute("aria-setsize", choice.shown.length);
      item.setAttribute("aria-posinset", place + 1);
      const button = makeOne("button");
      button.type = "button";
      button.dataset.at = at;
      button.append(...described(at));
      item.append(button);
      made.push(item);
    }
    rows.replaceChildren(...made);
  }
  choice.watchers.push(() => {
    rows.style.height = `${choice.shown.length * ROW}px`;
    box.scrollTop = 0;
    drawn = "";
    draw();
  });
  box.addEventListener("scroll", draw, { passive: true });
  new ResizeObserver(draw).observe(box);
  rows.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) viewer.open(parseInt(button.dataset.at, 10));
  });
})();
const viewer = (() => {
  const dialog = document.getElementById("viewer");
  const body = document.getElementById("sample");
  const cards = new Map([...document.querySelectorAll("[data-sample]")].map((card) => [card.dataset.sample, card]));
  let open = -1;
  function picture(at, card) {
    const own = card && card.querySelector("img");
    if (!own) return thumbnail(at, 224);
    const large = own.cloneNode(false);
    large.removeAttribute("loading");
    return large;
  }
  function show(at) {
    open = at;
    const card = cards.get(data.ids[at]);
    const parts = [];
    const seen = picture(at, card);
    if (seen) {
      const zoom = makeOne("button", "zoom");
      zoom.type = "button";
      zoom.setAttribute("aria-pressed", "false");
      zoom.title = "Larger or smaller";
      zoom.append(seen);
      zoom.addEventListener("click", () => zoom.setAttribute("aria-pressed", String(zoom.getAttribute("aria-pressed") !== "true")));
      parts.push(zoom);
    }
    parts.push(labelled(at));
    const whole = card && card.querySelector(".words details p, .words > p");
    const text = whole ? whole.textContent : textOf(at);
    if (text) {
      const words = makeOne("p", "whole", text);
      words.dir = "auto";
      parts.push(words);
    }
    if (whyOf(at)) parts.push(makeOne("p", "why", whyOf(at)));
    const course = card && card.querySelector(".course");
    if (course) parts.push(course.cloneNode(true));
    const facts = makeOne("dl", "particulars");
    const tell = (name, value) => {
      if (!value) return;
      const pair = makeOne("div");
      pair.append(makeOne("dt", "", name), makeOne("dd", "", value));
      facts.append(pair);
    };
    tell("Kind", kindOf(at).title);
    tell("Suspicion", suspicionOf(at));
    if (at < data.listed) {
      if (suggestedOf(at)) tell("Confidence", data.confidence[at]);
      tell("q", data.q[at]);
      tell("Where", data.place[at]);
    }
    tell(data.group_name, groupOf(at));
    tell("Id", data.ids[at]);
    parts.push(facts);
    body.replaceChildren(...parts);
    const place = choice.shown.indexOf(at);
    document.getElementById("rank").textContent = place < 0 ? "" : `${(place + 1).toLocaleString("en")} of ${choice.shown.length.toLocaleString("en")}`;
    document.getElementById("previous").disabled = place <= 0;
    document.getElementById("next").disabled = place < 0 || place + 1 >= choice.shown.length;
  }
  const step = (by) => {
    const next = choice.shown[choice.shown.indexOf(open) + by];
    if (choice.shown.includes(open) && next !== undefined) show(next);
  };
  document.getElementById("previous").addEventListener("click", () => step(-1));
  document.getElementById("next").addEventListener("click", () => step(1));
  document.getElementById("close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
  });
  return { cards, open: (at) => { show(at); if (!dialog.open) dialog.showModal(); } };
})();
