// Replace the live part of a page whenever the server sends a new one. Without this script, the
// pages refresh themselves every ten seconds.
"use strict";

const part = document.querySelector("[data-live]");
const state = document.getElementById("connection");

function replace(html) {
  const opened = [...part.querySelectorAll("details[open]")].map((each) => each.id);
  const focused = part.contains(document.activeElement) ? document.activeElement : null;
  const index = focused ? [...part.querySelectorAll("a, summary, [tabindex]")].indexOf(focused) : -1;
  const page = new DOMParser().parseFromString(html, "text/html");
  part.replaceChildren(...page.body.childNodes);
  for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
  if (index >= 0) part.querySelectorAll("a, summary, [tabindex]")[index]?.focus();
}

if (part && window.EventSource) {
  const source = new EventSource(part.dataset.live);
  source.addEventListener("open", () => { state.textContent = "Live."; });
  source.addEventListener("update", (event) => replace(event.data));
  source.addEventListener("error", () => { state.textContent = "The dashboard does not answer; trying again."; });
  window.addEventListener("pagehide", () => source.close());
}
