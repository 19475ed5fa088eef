// The map: points on a canvas, a lasso, and what lies under the pointer.
const COLOURS = ["#c2512f", "#3b7ca8", "#66963a", "#a9821a", "#8a5fa8", "#23958a", "#cc6f98", "#83705a", "#5668d8", "#d98538"];
const GREY = "#93a0aa";
const atlas = (() => {
  const canvas = document.getElementById("map");
  if (!canvas) return null;
  const plane = canvas.parentElement;
  const pen = canvas.getContext("2d");
  const tip = plane.querySelector(".tip");
  const select = document.getElementById("colour");
  const lasso = document.getElementById("lasso");
  let view = { left: 0, top: 0, span: 1 };
  let side = 0;
  let trail = null;
  let bins = new Map();
  const across = (at) => ((data.x[at] / NONE - view.left) / view.span) * side;
  const down = (at) => (1 - (data.y[at] / NONE - view.top) / view.span) * side;

  const common = (column, names) => {
    const counts = new Map();
    for (const code of column) if (code !== NONE) counts.set(code, (counts.get(code) || 0) + 1);
    const order = [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a)).slice(0, COLOURS.length);
    const colour = new Map(order.map((code, place) => [code, COLOURS[place]]));
    return [(at) => colour.get(column[at]) || GREY, order.map((code) => [names[code], colour.get(code), code])];
  };
  const colouring = () => {
    const by = select.value;
    if (by === "kind") {
      const shades = data.kinds.map((kind) => (kind.colour < 0 ? GREY : COLOURS[kind.colour % COLOURS.length]));
      return [(at) => shades[data.kind[at]], data.kinds.map((kind, code) => [kind.title, shades[code], code])];
    }
    if (by === "suspicion") {
      const steps = ["#5d87a8", "#8f97a0", "#c08a6a", "#c96a44", "#c2412a"];
      const step = (at) => Math.min(4, Math.floor((data.suspicion[at] / NONE) * 5));
      return [(at) => steps[step(at)], steps.map((colour, place) => [`${place / 5} to ${(place + 1) / 5}`, colour, -1])];
    }
    return common(data[by], by === "group" ? data.groups : data.classes);
  };

  function draw() {
    side = plane.clientWidth;
    const sharp = Math.min(window.devicePixelRatio || 1, 2);
    canvas.width = canvas.height = Math.round(side * sharp);
    pen.setTransform(sharp, 0, 0, sharp, 0, 0);
    pen.clearRect(0, 0, side, side);
    bins = new Map();
    const [colour] = colouring();
    const size = data.count > 20000 ? 1.6 : data.count > 3000 ? 2.4 : 3.6;
    for (const front of [0, 1]) {
      pen.globalAlpha = front ? 0.95 : 0.22;
      for (let at = data.count - 1; at >= 0; at -= 1) {
        if (choice.passes[at] !== front || !(data.flags[at] & PLACED)) continue;
        const [x, y] = [across(at), down(at)];
        if (x < 0 || y < 0 || x > side || y > side) continue;
        const wide = front && data.flags[at] & FLAGGED ? size * 1.7 : size;
        pen.fillStyle = colour(at);
        pen.fillRect(x - wide / 2, y - wide / 2, wide, wide);
        const bin = (x >> 4) * 4096 + (y >> 4);
        if (!bins.has(bin)) bins.set(bin, []);
        bins.get(bin).push(at);
      }
    }
    pen.globalAlpha = 1;
    if (trail && trail.length > 1) {
      pen.strokeStyle = getComputedStyle(document.body).color;
      pen.lineWidth = 1.5;
      pen.setLineDash([4, 3]);
      pen.beginPath();
      trail.forEach(([x, y]) => pen.lineTo(x, y));
      pen.closePath();
      pen.stroke();
      pen.setLineDash([]);
    }
  }
  function legend() {
    const list = document.getElementById("legend");
    const name = select.value;
    list.replaceChildren(...colouring()[1].map(([words, colour, code]) => {
      const item = makeOne("li");
      const swatch = makeOne("i");
      swatch.style.background = colour;
      if (code < 0 || !filters.elements[name]) {
        item.append(swatch, words);
        return item;
      }
      const button = makeOne("button");
      button.type = "button";
      button.append(swatch, makeOne("bdi", "", words));
      button.addEventListener("click", () => filterBy({ scope: "all", [name]: wish(name) === String(code) ? "" : String(code) }));
      item.append(button);
      return item;
    }));
  }
  function under(x, y) {
    let [best, least] = [-1, 144];
    for (let column = (x >> 4) - 1; column <= (x >> 4) + 1; column += 1) {
      for (let row = (y >> 4) - 1; row <= (y >> 4) + 1; row += 1) {
        for (const at of bins.get(column * 4096 + row) || []) {
          const far = (across(at) - x) ** 2 + (down(at) - y) ** 2 + (choice.passes[at] ? 0 : 60);
          if (far < least) [best, least] = [at, far];
        }
      }
    }
    return best;
  }
  function hover(x, y) {
    const at = under(x, y);
    tip.hidden = at < 0;
    canvas.style.cursor = at < 0 ? "crosshair" : "pointer";
    if (at < 0) return;
    tip.replaceChildren(...described(at));
    const left = Math.max(4, Math.min(x + 14, side - tip.offsetWidth - 4));
    tip.style.left = `${left}px`;
    tip.style.top = `${y + 18 + tip.offsetHeight > side ? Math.max(4, y - tip.offsetHeight - 12) : y + 18}px`;
  }
  function inside(x, y) {
    let within = false;
    for (let one = 0, other = trail.length - 1; one < trail.length; other = one, one += 1) {
      const [ax, ay] = trail[one];
      const [bx, by] = trail[other];
      if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) within = !within;
    }
    return within;
  }
  function pick() {
    const picked = new Uint8Array(data.count);
    for (let at = 0; at < data.count; at += 1) if (data.flags[at] & PLACED && inside(across(at), down(at))) picked[at] = 1;
    choice.picked = picked;
    trail = null;
    press(false);
    choose();
  }
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const press = (on) => {
    lasso.setAttribute("aria-pressed", String(on));
    canvas.style.touchAction = on ? "none" : "pan-y";
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse" ? event.button !== 0 : lasso.getAttribute("aria-pressed") !== "true") return;
    trail = [place(event)];
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!trail) return hover(...place(event));
    // A browser hands over quick movements of several frames at once.
    for (const [x, y] of event.getCoalescedEvents().map(place).concat([place(event)])) {
      const [lastX, lastY] = trail[trail.length - 1];
      if (Math.abs(x - lastX) + Math.abs(y - lastY) >= 4) trail.push([x, y]);
    }
    tip.hidden = true;
    return window.requestAnimationFrame(draw);
  });
  canvas.addEventListener("pointerup", (event) => {
    if (trail && trail.length > 3) return pick();
    trail = null;
    const at = under(...place(event));
    return at >= 0 ? viewer.open(at) : undefined;
  });
  canvas.addEventListener("pointercancel", () => { trail = null; draw(); });
  canvas.addEventListener("pointerleave", () => { tip.hidden = true; });
  lasso.addEventListener("click", () => press(lasso.getAttribute("aria-pressed") !== "true"));
  select.addEventListener("change", () => { legend(); draw(); });
  document.getElementById("whole").addEventListener("click", () => { view = { left: 0, top: 0, span: 1 }; draw(); });
  document.getElementById("closer").addEventListener("click", () => {
    const placed = [...choice.shown].filter((at) => data.flags[at] & PLACED);
    if (!placed.length) return;
    let [left, right, top, bottom] = [1, 0, 1, 0];
    for (const at of placed) {
      const [x, y] = [data.x[at] / NONE, data.y[at] / NONE];
      [left, right, top, bottom] = [Math.min(left, x), Math.max(right, x), Math.min(top, y), Math.max(bottom, y)];
    }
    const span = Math.max(right - left, bottom - top, 0.01) * 1.1;
    view = { left: (left + right - span) / 2, top: (top + bottom - span) / 2, span };
    draw();
  });
  choice.watchers.push(draw);
  new ResizeObserver(() => { if (plane.clientWidth !== side) draw(); }).observe(plane);
  return { legend };
})();
