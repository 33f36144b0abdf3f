// The editor, alive: drafts that outlive a closed page, messages that can be moved, tags that
// are marked, and a look at the whole while somebody types. Without it every button posts the
// form. Nothing that somebody wrote becomes markup: it is set as text, or comes from the server
// in a page that has escaped it.
"use strict";

(() => {
  const form = document.querySelector("form[data-draft]");
  if (!form) return;
  const editor = form.id === "editor";
  const key = `pointsman:draft:${form.dataset.draft}`;
  const samplesKey = `pointsman:samples:${form.dataset.draft}`;
  const stored = (name) => {
    try { return JSON.parse(localStorage.getItem(name) ?? "null"); } catch { return null; }
  };
  const store = (name, value) => {
    try { localStorage.setItem(name, JSON.stringify(value)); return true; } catch { return false; }
  };

  // What is published needs no draft any more: pointsman.js forgets it once the note is there.
  if (!editor) {
    form.addEventListener("submit", (event) => {
      if (event.submitter?.value === "publish") form.dataset.forget = key;
    });
    return;
  }

  const entries = document.getElementById("entries");
  const fields = () => [...new FormData(form)].filter(([name]) => name !== "deed");
  const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
  const without = (pairs) => pairs.filter(([name]) => !["newest", "sample", "sample_of"].includes(name));

  // -- drafts

  const said = (time) => {
    const at = new Date(time), now = new Date();
    const clock = at.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
    const days = Math.round((new Date(now).setHours(0, 0, 0, 0) - new Date(at).setHours(0, 0, 0, 0)) / 864e5);
    if (days === 0) return `today ${clock}`;
    if (days === 1) return `yesterday ${clock}`;
    return `${at.getDate()} ${at.toLocaleDateString("en-GB", { month: "short" })} ${clock}`;
  };
  let held = false; // a draft of before waits for an answer, so it is not written over
  let wrote = false;
  const served = fields();
  const keep = () => {
    if (held) return;
    if (!form.dataset.typed && same(without(fields()), without(served))) {
      // Undone by hand; what another tab keeps is not this one's to forget.
      if (wrote) localStorage.removeItem(key);
      document.getElementById("saved").textContent = "";
      return;
    }
    const kept = wrote = store(key, { at: Date.now(), fields: fields() });
    document.getElementById("saved").textContent = kept
      ? `Draft kept ${said(Date.now())}`
      : "This browser has no room for a draft: publish, or copy what you wrote.";
  };
  let keeping = 0;
  const keepSoon = () => { clearTimeout(keeping); keeping = setTimeout(keep, 250); };
  addEventListener("pagehide", keep);
  addEventListener("visibilitychange", () => { if (document.hidden) keep(); });

  function restore(draft) {
    const sent = document.createElement("form");
    sent.method = "post";
    sent.hidden = true;
    for (const [name, value] of [...draft.fields, ["deed", "look"]]) {
      const field = sent.appendChild(document.createElement("textarea"));
      field.name = name;
      field.value = value;
    }
    document.body.append(sent);
    sent.submit();
  }
  const draft = stored(key);
  if (form.dataset.typed) keep();
  else if (draft?.fields && !same(without(draft.fields), without(served))) {
    held = true;
    const banner = document.getElementById("kept");
    const words = document.createElement("p");
    words.textContent = `There is a draft of yours from ${said(draft.at)}. `;
    for (const [label, deed] of [["Restore", () => restore(draft)], ["Discard", discard]]) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = `${label} the draft`;
      button.addEventListener("click", deed);
      words.append(button, " ");
    }
    banner.append(words);
    banner.hidden = false;
  }
  function discard() {
    localStorage.removeItem(key);
    held = false;
    document.getElementById("kept").hidden = true;
    keep();
  }

  // -- sample values, kept for each prompt

  function fillSamples() {
    const known = stored(samplesKey) ?? {};
    let filled = false;
    for (const field of form.querySelectorAll("[data-sample]")) {
      const value = known[field.dataset.sample];
      if (!field.value && value) { field.value = value; filled = true; }
    }
    return filled;
  }
  function keepSamples() {
    const known = stored(samplesKey) ?? {};
    for (const field of form.querySelectorAll("[data-sample]")) known[field.dataset.sample] = field.value;
    store(samplesKey, known);
  }

  // -- tags, marked on a layer behind the text

  const TAGS = {
    "curly": /\{\{>[^{}]*\}\}|\{\{\s*[\p{L}_][\p{L}\p{N}_.-]*\s*\}\}/gu,
    "f-string": /\{>[^{}]*\}|(?<!\{)\{\s*[\p{L}_][\p{L}\p{N}_]*\s*\}(?!\})/gu,
    "jinja2": /\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}/gsu,
  };
  function mark(field) {
    const layer = field.parentElement.querySelector(".layer") ?? addLayer(field);
    const text = field.value;
    const slot = field.closest(".entry, .pair")?.querySelector('[data-fault^="/template"] [data-line]');
    const wrong = slot && (field.name !== "content" || field.closest(".entry").contains(slot))
      ? offset(text, Number(slot.dataset.line), Number(slot.dataset.column)) : -1;
    const pieces = [];
    for (const found of text.matchAll(TAGS[form.elements.format?.value] ?? TAGS.curly)) {
      const kind = /^\{\{?>/.test(found[0]) ? "include" : /^\{[%#]/.test(found[0]) ? "logic" : "variable";
      pieces.push([found.index, found.index + found[0].length, `tag-${kind}`]);
    }
    if (wrong >= 0) {
      const [tag] = /^[{}%]*[^{}\n]{0,60}\}*/.exec(text.slice(wrong));
      pieces.push([wrong, Math.min(text.length, wrong + Math.max(1, tag.length)), "tag-wrong"]);
      pieces.sort((one, other) => one[0] - other[0]);
    }
    layer.textContent = "";
    let done = 0;
    for (const [start, end, kind] of pieces) {
      if (start < done) continue;
      layer.append(text.slice(done, start));
      const piece = layer.appendChild(document.createElement("mark"));
      piece.className = kind;
      piece.textContent = text.slice(start, end);
      done = end;
    }
    layer.append(`${text.slice(done)}\n`);
    layer.scrollTop = field.scrollTop;
  }
  function addLayer(field) {
    const layer = document.createElement("div");
    layer.className = "layer";
    layer.setAttribute("aria-hidden", "true");
    field.before(layer);
    field.addEventListener("scroll", () => { layer.scrollTop = field.scrollTop; });
    return layer;
  }
  function offset(text, line, column) {
    let start = 0;
    for (let count = 1; count < line; count += 1) start = text.indexOf("\n", start) + 1;
    return start + [...text.slice(start)].slice(0, column - 1).join("").length;
  }
  const markAll = () => form.querySelectorAll("textarea.template").forEach(mark);

  // -- a look at the whole: what is wrong, the variables, the preview

  let looked = 0;
  let looking = 0;
  const lookSoon = () => { clearTimeout(looking); looking = setTimeout(look, 350); };
  async function look() {
    const number = looked += 1;
    const body = new URLSearchParams([...fields(), ["deed", "look"]]);
    let answer;
    try { answer = await fetch(location.href, { method: "POST", body }); } catch { return; }
    if (number !== looked) return;
    if (answer.status === 401) { lost(); return; }
    if (!answer.ok) return;
    found();
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (number !== looked || !fresh.getElementById("editor")) return;
    for (const slot of form.querySelectorAll("[data-fault]")) {
      const other = fresh.querySelector(`[data-fault="${CSS.escape(slot.dataset.fault)}"]`);
      slot.replaceChildren(...(other ? adopted(other) : []));
    }
    replaceRows(fresh);
    document.getElementById("meanwhile").replaceChildren(...adopted(fresh.getElementById("meanwhile")));
    const samples = document.getElementById("samples");
    const names = (one) => [...one.querySelectorAll("[data-sample]")].map((field) => field.dataset.sample);
    if (!same(names(samples), names(fresh))) {
      samples.replaceChildren(...adopted(fresh.getElementById("samples")));
      if (fillSamples()) lookSoon();
    }
    document.getElementById("preview").replaceChildren(...adopted(fresh.getElementById("preview")));
    markAll();
  }
  const adopted = (node) => [...node.childNodes].map((one) => document.importNode(one, true));
  function replaceRows(fresh) {
    const list = document.getElementById("variables"), other = fresh.getElementById("variables");
    if (!list || !other) return;
    const rows = new Map([...list.children].map((row) => [row.dataset.variable, row]));
    const wanted = [...other.children].map((row) => {
      const mine = rows.get(row.dataset.variable);
      if (!mine) return document.importNode(row, true);
      const state = mine.querySelector(".state"), theirs = row.querySelector(".state");
      if (state && !theirs) state.remove();
      if (!state && theirs) mine.querySelector("code").after(" ", document.importNode(theirs, true));
      return mine;
    });
    for (const [name, row] of rows) if (!wanted.includes(row) && !row.contains(document.activeElement)) row.remove();
    wanted.forEach((row, place) => {
      if (list.children[place] !== row) list.insertBefore(row, list.children[place] ?? null);
    });
    document.getElementById("no-variables").hidden = wanted.length > 0;
    dress();
  }
  function lost() {
    keep();
    const banner = document.getElementById("kept");
    const words = document.createElement("p");
    words.textContent = "Your session has ended. What you write is kept here. ";
    const link = words.appendChild(document.createElement("a"));
    link.href = "/sign-in";
    link.target = "_blank";
    link.rel = "noopener";
    link.textContent = "Sign in in another tab";
    banner.replaceChildren(words);
    banner.hidden = false;
    banner.dataset.lost = "yes";
  }
  function found() {
    const banner = document.getElementById("kept");
    if (!banner.dataset.lost) return;
    delete banner.dataset.lost;
    banner.hidden = true;
  }

  // -- messages

  function renumber() {
    [...entries.children].forEach((one, place) => {
      const set = (selector, name, value) => one.querySelector(selector)?.setAttribute(name, value);
      set("select", "aria-label", `Role of message ${place + 1}`);
      set("[name=content]", "aria-label", `Text of message ${place + 1}`);
      set("[name=more]", "aria-label", `What else message ${place + 1} has, as JSON`);
      one.querySelector("[data-fault]").dataset.fault = `/template/${place}`;
      for (const [deed, label] of [["up", "Move message # up"], ["down", "Move message # down"], ["remove", "Remove message #"]]) {
        const button = one.querySelector(`button[value^="${deed}-"]`);
        button.value = `${deed}-${place}`;
        button.setAttribute("aria-label", label.replace("#", place + 1));
      }
    });
    changed();
  }
  function shift(one, step) {
    const other = step < 0 ? one.previousElementSibling : one.nextElementSibling;
    if (!other) return;
    if (step < 0) other.before(one); else other.after(one);
    renumber();
  }
  function add(role) {
    const one = document.getElementById("new-entry").content.firstElementChild.cloneNode(true);
    one.querySelector("select").value = role;
    entries.append(one);
    dress();
    renumber();
    one.querySelector("[name=content]").focus();
  }
  const ADDS = { "add-message": "user", "add-list": ":list", "add-include": ":include" };
  form.addEventListener("click", (event) => {
    const button = event.target.closest("button[name=deed]");
    if (!button) return;
    const one = button.closest(".entry");
    const [what] = button.value.split("-");
    if (entries && one && ["up", "down", "remove"].includes(what)) {
      event.preventDefault();
      if (what === "remove") { one.remove(); renumber(); }
      else { shift(one, what === "up" ? -1 : 1); one.querySelector(`button[value^="${what}-"]`).focus(); }
    } else if (entries && ADDS[button.value]) {
      event.preventDefault();
      add(ADDS[button.value]);
    } else if (button.value === "look") {
      event.preventDefault();
      look();
    }
  });
  form.addEventListener("keydown", (event) => {
    const one = event.target.closest?.(".entry");
    if (!one || !event.altKey || !["ArrowUp", "ArrowDown"].includes(event.key)) return;
    event.preventDefault();
    const field = document.activeElement;
    shift(one, event.key === "ArrowUp" ? -1 : 1);
    field.focus();
  });
  let dragged = null;
  entries?.addEventListener("dragstart", (event) => {
    const grip = event.target.closest?.(".grip");
    if (!grip) return;
    dragged = grip.closest(".entry");
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", "");
    dragged.classList.add("dragged");
  });
  entries?.addEventListener("dragover", (event) => {
    const over = event.target.closest?.(".entry");
    if (!dragged) return;
    event.preventDefault();
    if (!over || over === dragged) return;
    const box = over.getBoundingClientRect();
    if (event.clientY < box.top + box.height / 2) over.before(dragged); else over.after(dragged);
  });
  entries?.addEventListener("drop", (event) => { if (dragged) event.preventDefault(); });
  entries?.addEventListener("dragend", () => {
    dragged?.classList.remove("dragged");
    dragged = null;
    renumber();
  });

  // What is shown of a row depends on what was chosen in it.
  function dress() {
    for (const one of form.querySelectorAll(".entry")) one.dataset.role = one.querySelector("select").value;
    for (const one of form.querySelectorAll(".variable")) one.dataset.type = one.querySelector("[name=type]").value;
    for (const one of form.querySelectorAll(".variable")) one.dataset.need = one.querySelector("[name=need]").value;
  }
  function changed() {
    markAll();
    keepSoon();
    lookSoon();
  }
  form.addEventListener("input", (event) => {
    if (event.target.matches("[data-sample]")) keepSamples();
    if (event.target.matches("textarea.template")) mark(event.target);
    else { dress(); markAll(); }
    keepSoon();
    lookSoon();
  });
  // What is added by the server is added where somebody was looking.
  form.addEventListener("submit", (event) => {
    keep();
    const stays = /^(add|up|down|remove)-/.test(event.submitter?.value ?? "");
    if (stays) sessionStorage.setItem("pointsman:at", String(scrollY));
    else sessionStorage.removeItem("pointsman:at");
  });
  const at = sessionStorage.getItem("pointsman:at");
  sessionStorage.removeItem("pointsman:at");
  if (form.dataset.typed && at) scrollTo(0, Number(at));
  dress();
  if (fillSamples()) lookSoon();
  markAll();
})();
