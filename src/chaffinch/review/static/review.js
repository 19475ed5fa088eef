"use strict";
// Letters press the button or link that carries them; the server does the rest.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const field = event.target.closest("input:not([type=checkbox]), select, textarea");
  if (field) {
    if (event.key === "Escape") field.blur();
    return;
  }
  const help = document.getElementById("help");
  if (event.key === "?") {
    event.preventDefault();
    if (help.open) help.close();
    else help.showModal();
    return;
  }
  if (help.open) return;
  const key = event.key.toLowerCase();
  const focus = { l: "classes", c: "reason" }[key];
  const goal = focus
    ? document.getElementById(focus)
    : [...document.querySelectorAll("[data-key]")].find((one) => one.dataset.key === key);
  if (!goal) return;
  event.preventDefault();
  if (focus) goal.focus();
  else goal.click();
});

// In the field of the reason, Enter must not press the first button.
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.id === "reason") {
    event.preventDefault();
    event.target.blur();
  }
});

// A menu under the cursor would swallow the next letter.
document.addEventListener("htmx:afterSwap", () => document.activeElement?.closest("select")?.blur());

const complain = (text) => {
  const message = document.getElementById("message");
  if (message) message.textContent = text;
};
document.addEventListener("htmx:responseError", (event) => complain(event.detail.xhr.responseText));
document.addEventListener("htmx:sendError", () => complain("Not recorded: the server does not answer."));

// Groups: how many are chosen, and choosing all or none.
const boxes = () => [...document.querySelectorAll("#several input[type=checkbox]")];
const counted = () => {
  const chosen = document.getElementById("chosen");
  if (chosen) chosen.textContent = boxes().filter((box) => box.checked).length;
};
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-choose]");
  if (!button) return;
  for (const box of boxes()) box.checked = button.dataset.choose === "all";
  counted();
});
document.addEventListener("change", counted);
