// What pages do beyond reading: keys, copying, themes, kept drafts, and news from the journal.
// Pages work without it. Nothing here runs what somebody wrote: texts are set as text.
"use strict";

(() => {
  const body = document.body;
  const project = () => body.dataset.project;
  const cookie = (name, value) => {
    document.cookie = `${name}=${encodeURIComponent(value)}; path=/; max-age=31536000; samesite=lax`;
  };

  // The viewer's time zone, so that the server can say "yesterday 14:05".
  try {
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    if (zone && !document.cookie.includes(`pointsman_zone=${encodeURIComponent(zone)}`)) {
      cookie("pointsman_zone", zone);
    }
  } catch { /* then times are told in UTC */ }

  // Light and dark
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-theme-switch]");
    if (!button) return;
    const root = document.documentElement;
    const dark = root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    cookie("pointsman_theme", root.dataset.theme);
  });

  // Copying
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    if (!await copied(button.dataset.copy)) return;
    const said = button.textContent;
    button.textContent = "copied";
    setTimeout(() => { button.textContent = said; }, 1500);
  });

  async function copied(text) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch { // browsers keep the clipboard from pages that come without TLS
      const field = document.createElement("textarea");
      field.value = text;
      field.className = "hidden";
      body.append(field);
      field.select();
      const done = document.execCommand("copy");
      field.remove();
      return done;
    }
  }

  // A form is sent once, however often it is clicked.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post") return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "yes";
    setTimeout(() => { delete form.dataset.sent; }, 5000);
  });
  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  });

  // Drafts: what is typed into fields with data-keep outlives a closed page or a lost session.
  const place = (field) => `pointsman:${location.pathname}${location.search}:${field.dataset.keep}`;
  const restore = () => {
    for (const field of document.querySelectorAll("[data-keep]")) {
      const kept = localStorage.getItem(place(field));
      if (kept !== null && !field.value) field.value = kept;
    }
  };
  document.addEventListener("input", (event) => {
    const field = event.target.closest("[data-keep]");
    if (field) localStorage.setItem(place(field), field.value);
  });
  // What was sent is forgotten when the next page says that it was done, and only then.
  const SENT = "pointsman:sent";
  document.addEventListener("submit", (event) => {
    const form = event.target;
    const kept = [...form.querySelectorAll("[data-keep]")].map(place);
    if (form.dataset.forget) kept.push(form.dataset.forget);
    if (kept.length) sessionStorage.setItem(SENT, JSON.stringify(kept));
  });
  const sent = sessionStorage.getItem(SENT);
  if (sent && document.querySelector("main > .note[role=status]")) {
    for (const name of JSON.parse(sent)) localStorage.removeItem(name);
    sessionStorage.removeItem(SENT);
  }
  restore();

  // Keys
  const rooms = { c: "catalogue", i: "inbox", h: "history", g: "graph", s: "settings", p: "changes" };
  let went = false;
  let row = -1;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.closest("input, textarea, select, [contenteditable]");
    if (event.key === "Escape") { if (typing) event.target.blur(); return; }
    if (typing) return;
    if (went) {
      went = false;
      const room = rooms[event.key];
      if (room && project()) location.href = `/projects/${encodeURIComponent(project())}/${room}`;
      return;
    }
    if (event.key === "g") { went = true; setTimeout(() => { went = false; }, 1200); return; }
    if (event.key === "?") { help(); return; }
    if (event.key === "j" || event.key === "k") { walk(event.key === "j" ? 1 : -1); return; }
    if (event.key === "Enter" && row >= 0) {
      const link = rows()[row]?.querySelector("a");
      if (link && document.activeElement === body) link.click();
      return;
    }
    const target = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (!target) return;
    event.preventDefault();
    if (target.matches("input, textarea, select")) target.focus(); else target.click();
  });
  const rows = () => [...document.querySelectorAll(".list tbody tr")];
  function walk(step) {
    const all = rows();
    if (!all.length) return;
    all[row]?.removeAttribute("aria-selected");
    row = Math.max(0, Math.min(all.length - 1, row + step));
    all[row].setAttribute("aria-selected", "true");
    all[row].scrollIntoView({ block: "nearest" });
  }
  const KEYS = [
    ["/", "search"], ["g c", "catalogue"], ["g i", "inbox"], ["g p", "changes"], ["g h", "history"],
    ["g g", "graph"], ["g s", "settings"], ["j k", "down and up a list, Enter opens"],
    ["n", "new prompt"], ["e", "edit"], ["p", "promote"], ["r", "roll back production"], ["?", "this list"],
  ];
  function help() {
    const old = document.getElementById("keys");
    if (old) { old.close(); return; }
    const dialog = document.createElement("dialog");
    dialog.id = "keys";
    dialog.setAttribute("aria-labelledby", "keys-title");
    const title = document.createElement("h2");
    title.id = "keys-title";
    title.textContent = "Keys";
    const table = document.createElement("table");
    for (const [key, what] of KEYS) {
      const line = table.insertRow();
      const shown = line.insertCell().appendChild(document.createElement("kbd"));
      shown.textContent = key;
      line.insertCell().textContent = what;
    }
    dialog.append(title, table);
    dialog.addEventListener("close", () => dialog.remove());
    body.append(dialog);
    dialog.showModal();
  }

  // News: an entry of the journal that is about what this page shows. A page on which nothing
  // is being typed shows it at once; another one says that there is something.
  const watched = () => [...document.querySelectorAll("[data-live]")].map((one) => one.dataset.live);
  if (project() && watched().length && window.EventSource) {
    const source = new EventSource(
      `/projects/${encodeURIComponent(project())}/live?after=${body.dataset.seq}`,
    );
    addEventListener("pagehide", () => source.close());
    let waiting = 0;
    const concerns = (said) =>
      watched().some((one) => one === "*" || one === `${said.kind}:${said.name}` || said.type?.startsWith(one));
    const tell = (event) => {
      let said = {};
      try { said = JSON.parse(event.data); } catch { return; }
      if (!concerns(said)) return;
      clearTimeout(waiting);
      waiting = setTimeout(refresh, 150);
    };
    for (const name of ["entry", "message"]) source.addEventListener(name, tell);
    source.addEventListener("resync", () => refresh());
  }
  const busy = () =>
    [...document.querySelectorAll("form[method=post] textarea, form[method=post] input:not([type=hidden])")]
      .some((field) => field.value !== field.defaultValue || field === document.activeElement)
    || Boolean(document.activeElement?.closest("form[role=search]"));
  async function refresh() {
    if (busy()) {
      const news = document.getElementById("news");
      news.hidden = false;
      news.querySelector("a").href = location.href;
      return;
    }
    const answer = await fetch(location.href, { headers: { accept: "text/html" } });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const content = fresh.getElementById("content");
    if (!content || busy()) return;
    document.getElementById("content").replaceWith(document.adoptNode(content));
    body.dataset.seq = fresh.body.dataset.seq;
    if (window.htmx) window.htmx.process(document.getElementById("content"));
  }
})();
