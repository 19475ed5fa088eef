"use strict";
// Letters press the button or link that carries them; the server does the rest.
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const field = event.target.closest("input, select, textarea");
  if (field) {
    if (event.key === "Escape") field.blur();
    return;
  }
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
