// What pages for finding and looking back do beyond reading. They work without it.
"use strict";

(() => {
  // A search as you type has an address that can be shared: without what was left empty.
  document.addEventListener("htmx:configRequest", (event) => {
    if (!event.target.closest("[data-tidy]")) return;
    const given = event.detail.parameters;
    for (const name of Object.keys(given)) if (given[name] === "") delete given[name];
  });
})();
