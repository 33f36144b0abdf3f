// What pages for finding and looking back do beyond reading. They work without it.
"use strict";

(() => {
  // A search as you type has an address that can be shared: without what was left empty.
  document.addEventListener("htmx:configRequest", (event) => {
    if (!event.target.closest("[data-tidy]")) return;
    const given = event.detail.parameters;
    for (const name of Object.keys(given)) if (given[name] === "") delete given[name];
  });

  // The slider of the time machine sets the field beside it, in the time zone of the page.
  const show = () => {
    for (const slider of document.querySelectorAll("[data-slides][hidden]")) slider.hidden = false;
  };
  show();
  document.addEventListener("htmx:afterSettle", show);
  document.addEventListener("input", (event) => {
    const slider = event.target.closest("input[type=range][data-zone]");
    if (!slider) return;
    const at = new Date(Number(slider.value) * 1000);
    const text = at.toLocaleString("sv-SE", { timeZone: slider.dataset.zone, hour12: false });
    slider.form.elements[slider.dataset.field].value = text.replace(" ", "T");
  });
})();
