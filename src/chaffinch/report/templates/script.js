// Comfort only: the page says the same without it.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const value = (row, at) => row.cells[at].textContent.trim().replace(/[,%<>]/g, "");
  [...table.tHead.rows[0].cells].forEach((head, at) => {
    if (head.classList.contains("plain")) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") !== "descending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const compare = (a, b) => {
        const [one, two] = [value(a, at), value(b, at)];
        const gap = parseFloat(one) - parseFloat(two);
        const order = Number.isNaN(gap) ? one.localeCompare(two) : gap;
        return down ? -order : order;
      };
      body.append(...[...body.rows].sort(compare));
    });
  });
}
