// The page works without this; with it, answers come while one types.

import { localise } from "./moments.js";
import { number } from "./rules.js";
import { fromFragment, keep, kept, toFragment } from "./state.js";
import { tabs } from "./tabs.js";

const $ = (id) => document.getElementById(id);
const [form, fixture, event, config, result, told] = ["form", "fixture", "event", "config", "result", "told"].map($);
const BODY_MAX_BYTES = 1024 * 1024;
// The rules that everybody begins with.
const served = config.value;

// ── The views ──

let chosen = "panel-slack";
let unseen = 0;
let wanted = null;

const view = tabs({
  box: $("result-card"),
  list: $("views"),
  label: "Views",
  onChoose: (id) => {
    if (id === "view-inbox") count(0);
  },
});

function tabsOfResult() {
  const box = result.querySelector(".tabs");
  if (!box) return;
  const list = document.createElement("div");
  tabs({ box, list, label: "Views of the result", chosen, onChoose: (id) => (chosen = id) });
  box.prepend(list);
}

// What has come into the inbox while nobody looked.
function count(number) {
  unseen = number;
  const tab = $("tab-view-inbox");
  tab.textContent = "Inbox";
  if (number === 0) return;
  const badge = document.createElement("span");
  badge.className = "count";
  badge.textContent = `${number} new`;
  tab.append(" ", badge);
}

// Shows an entry of the inbox, now or when it comes.
function show(id) {
  view("view-inbox");
  wanted = id;
  const entry = $(id);
  if (!entry) return;
  wanted = null;
  entry.scrollIntoView({ block: "nearest" });
  entry.classList.remove("changed");
  requestAnimationFrame(() => entry.classList.add("changed"));
}

// ── Questions: one at a time for each address, the newest counts ──

const running = {};

async function ask(path, body) {
  running[path]?.abort();
  const abort = (running[path] = new AbortController());
  if (new Blob([body]).size > BODY_MAX_BYTES) throw new Error("too large: the page takes at most 1 MB at once");
  const answer = await fetch(path, { method: "POST", body, signal: abort.signal });
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.error);
  return said;
}

function problem(what, error) {
  const box = document.createElement("div");
  box.className = "problem";
  box.setAttribute("role", "alert");
  box.append(`${what}: ${error.message}`);
  return box;
}

const fields = () => Object.fromEntries(new FormData(form));

// How often an answer that took too long is asked for once more.
const TRIES = 5;
let tries = 0;

function preview() {
  keep({ ...fields(), served });
  tries = TRIES;
  // What was to be asked a moment later is asked now.
  previewLater.cancel();
  answerLater.cancel();
  return answer();
}

async function answer() {
  result.setAttribute("aria-busy", "true");
  try {
    result.innerHTML = (await ask("/api/preview", JSON.stringify(fields()))).html;
    tabsOfResult();
    for (const copy of result.querySelectorAll(".copy")) copy.hidden = false;
    localise(result);
  } catch (error) {
    if (error.name === "AbortError") return;
    result.replaceChildren(problem("No answer", error));
  }
  result.removeAttribute("aria-busy");
  if (result.querySelector("[data-busy]") && tries-- > 0) answerLater();
}

async function send() {
  $("send").disabled = true;
  told.textContent = "Sending…";
  try {
    told.innerHTML = (await ask("/api/send", JSON.stringify(fields()))).html;
  } catch (error) {
    if (error.name !== "AbortError") told.replaceChildren(problem("Not sent", error));
  }
  $("send").disabled = false;
}

async function check() {
  number();
  try {
    const { problems, html } = await ask("/api/check", config.value);
    $("problems").innerHTML = html;
    number(new Set(problems.map((problem) => problem.line)));
  } catch (error) {
    if (error.name !== "AbortError") $("problems").replaceChildren(problem("No answer", error));
  }
}

function later(wait, what) {
  let timer;
  const cancel = () => clearTimeout(timer);
  const start = () => {
    cancel();
    timer = setTimeout(what, wait);
  };
  return Object.assign(start, { cancel });
}

// ── The library ──

const groups = [...fixture.querySelectorAll("optgroup")].map((group) => [group, [...group.children]]);
// The rules that came with an event of the library, which the next one's may take the place of.
let lent = served;

// Shows the events that say each of these words somewhere, and the one that is chosen.
function search() {
  const words = $("search").value.toLowerCase().split(/\s+/);
  const fits = (option) => {
    const text = `${option.value} ${option.textContent} ${option.dataset.about} ${option.dataset.words}`.toLowerCase();
    return option.selected || words.every((word) => text.includes(word));
  };
  // Safari shows what is hidden in a list.
  for (const [group, options] of groups) {
    const found = options.filter(fits);
    group.replaceChildren(...found);
    if (found.length > 0) fixture.append(group);
    else group.remove();
  }
}

function describe() {
  $("about").textContent = fixture.selectedOptions[0]?.dataset.about ?? "";
}

async function read(path) {
  const answer = await fetch(`/fixtures/${path}`);
  if (!answer.ok) throw new Error(`the library does not hold ${path}`);
  return answer.text();
}

async function load() {
  describe();
  if (!fixture.value) return;
  const { value: path, dataset } = fixture.selectedOptions[0];
  const [text, own] = await Promise.all([read(path), dataset.config ? read(dataset.config) : served]);
  // Meanwhile another one may have been chosen.
  if (fixture.value !== path) return;
  event.value = text;
  if (config.value === lent || !config.value.trim()) {
    config.value = lent = own;
    check();
  } else if (dataset.config) {
    offer(own);
  }
  preview();
}

// The event has rules of its own, and so has whoever sits here.
function offer(own) {
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "link", textContent: "Use its rules" });
  button.addEventListener("click", () => {
    config.value = lent = own;
    button.remove();
    check();
    preview();
  });
  $("about").append(" ", button);
}

// ── What happens when ──

const checkLater = later(150, check);
const previewLater = later(300, preview);
const answerLater = later(1000, answer);

form.addEventListener("input", (input) => {
  if (input.target === $("search")) return search();
  told.replaceChildren();
  if (input.target === event) {
    fixture.value = "";
    describe();
  }
  if (input.target === config) checkLater();
  if (input.target !== fixture) previewLater();
});

// They stand beside the message, outside of the form that they belong to.
for (const id of ["rendering", "pace"]) $(id).addEventListener("input", preview);
fixture.addEventListener("change", load);

document.addEventListener("submit", (submit) => {
  const { target, submitter } = submit;
  if (target.matches(".press")) {
    submit.preventDefault();
    press(target);
  } else if (target === form) {
    submit.preventDefault();
    submitter?.id === "send" ? send() : preview();
  }
});

async function press(target) {
  const button = target.querySelector("button");
  button.disabled = true;
  try {
    told.innerHTML = (await ask("/api/press", new URLSearchParams(new FormData(target)).toString())).html;
  } catch (error) {
    if (error.name !== "AbortError") told.replaceChildren(problem("The button", error));
  }
  button.disabled = false;
}

document.addEventListener("click", (click) => {
  const link = click.target.closest("a.view, .copy, .off a");
  if (!link) return;
  click.preventDefault();
  if (link.matches(".view")) show(link.hash.slice(1));
  else if (link.matches(".copy")) copy($(link.dataset.copy).textContent, link);
  else {
    $("rules-card").open = true;
    $("problems").scrollIntoView({ block: "center" });
    config.focus({ preventScroll: true });
  }
});

async function copy(text, button) {
  const { textContent: label } = button;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "The browser did not let it copy";
  }
  setTimeout(() => (button.textContent = label), 2000);
}

$("copy-link").addEventListener("click", async () => {
  const state = fields();
  // What the library holds need not be in the link.
  if (state.fixture) delete state.event;
  copy(location.origin + location.pathname + (await toFragment(state)), $("copy-link"));
});

$("now-reset").addEventListener("click", () => {
  $("at").value = "";
  preview();
});

// ── The inbox ──

const inbox = $("inbox");
const stream = new EventSource("/inbox");
stream.addEventListener("open", () => ($("live").textContent = "live"));
stream.addEventListener("error", () => ($("live").textContent = "not connected"));
stream.addEventListener("message", (message) => {
  const box = document.createElement("div");
  box.innerHTML = JSON.parse(message.data);
  localise(box);
  for (const entry of [...box.children]) {
    place(entry);
    if (entry.id === wanted) show(wanted);
  }
  if ($("view-inbox").hidden) count(unseen + 1);
  while (inbox.children.length > 200) inbox.lastElementChild.remove();
});

// What has changed takes its own place; what somebody has opened stays open.
function place(entry) {
  const known = $(entry.id);
  if (!known) return inbox.prepend(entry);
  for (const open of known.querySelectorAll("details[open][id]")) {
    for (const same of entry.querySelectorAll("details[id]")) same.open ||= same.id === open.id;
  }
  entry.classList.add("changed");
  known.replaceWith(entry);
}

// ── The beginning ──

// Puts a state into the form.
async function restore(state) {
  for (const field of form.elements) if (field.name && field.name in state) field.value = state[field.name];
  // Rules that the program was started with since are newer.
  if ("served" in state && state.served !== served) config.value = served;
  if (state.fixture && !("event" in state)) event.value = await read(state.fixture);
  lent = config.value === served ? served : null;
  describe();
  check();
  preview();
}

async function begin() {
  const linked = await fromFragment(location.hash);
  // A reload is to find what stands in the form by then.
  if (linked) history.replaceState(null, "", location.pathname);
  const state = linked ?? (form.dataset.own === undefined ? kept() : null);
  if (state) await restore(state).catch((error) => told.replaceChildren(problem("The link", error)));
}

addEventListener("hashchange", async () => {
  if (await fromFragment(location.hash)) begin();
});

// On a phone the result comes first, and the inputs are folded.
const narrow = matchMedia("(max-width: 60rem)");
const fold = () => document.querySelectorAll(".fold").forEach((details) => (details.open = !narrow.matches));
narrow.addEventListener("change", fold);
fold();

for (const id of ["load", "show"]) $(id).hidden = true;
for (const id of ["now-reset", "search", "copy-link"]) $(id).hidden = false;
for (const button of result.querySelectorAll(".copy")) button.hidden = false;
$("zone").value ||= Intl.DateTimeFormat().resolvedOptions().timeZone;
localise(document);
tabsOfResult();
describe();
check();
if (location.hash === "#view-inbox") view("view-inbox");
begin();
