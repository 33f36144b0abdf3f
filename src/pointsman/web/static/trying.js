// Trying a prompt: sample values that are kept for each prompt, as the editor keeps them, and
// how long the models have been thinking.
"use strict";

(() => {
  const form = document.getElementById("trying");
  if (!form) return;
  const key = `pointsman:samples:${form.dataset.draft}`;
  let known = {};
  try { known = JSON.parse(localStorage.getItem(key) ?? "{}") ?? {}; } catch { /* none are kept */ }
  for (const field of form.querySelectorAll("[data-sample]")) {
    if (!field.value && known[field.dataset.sample]) field.value = known[field.dataset.sample];
  }
  form.addEventListener("input", (event) => {
    if (!event.target.matches("[data-sample]")) return;
    known[event.target.dataset.sample] = event.target.value;
    try { localStorage.setItem(key, JSON.stringify(known)); } catch { /* there is no room */ }
  });
  form.addEventListener("submit", (event) => {
    if (event.submitter?.value !== "run") return;
    const began = Date.now(), words = document.getElementById("asking");
    words.textContent = "Asking…";
    setInterval(() => {
      words.textContent = `Asking, for ${Math.round((Date.now() - began) / 1000)} s…`;
    }, 1000);
  });
})();
