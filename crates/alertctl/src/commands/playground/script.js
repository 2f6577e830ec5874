// The page works without this; with it, answers come while one types.
"use strict";

const $ = (id) => document.getElementById(id);
const [form, fixture, event, config, result] = ["form", "fixture", "event", "config", "result"].map($);
const BODY_MAX_BYTES = 1024 * 1024;

// ── Moments in the viewer's own time zone, in Slack's words ──

function localise(root) {
  for (const time of root.querySelectorAll("time[data-format]:not([data-done])")) {
    const date = new Date(time.dateTime);
    if (isNaN(date)) continue;
    time.title = time.textContent;
    time.textContent = time.dataset.format.replace(/\{(\w+)\}/g, (whole, token) => word(token, date) ?? whole);
    time.dataset.done = "";
  }
}

function word(token, date) {
  const say = (options) => date.toLocaleString("en-US", options);
  const days = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(date).setHours(0, 0, 0, 0)) / 86_400_000);
  const near = { "-1": "Tomorrow", 0: "Today", 1: "Yesterday" }[days];
  const long = () => say({ weekday: "long", month: "long", day: "numeric", year: "numeric" });
  const plain = () => say({ month: "long", day: "numeric", year: "numeric" });
  const short = () => say({ month: "short", day: "numeric", year: "numeric" });
  switch (token) {
    case "date_num": return `${date.getFullYear()}-${String(date.getMonth() + 1).padStart(2, "0")}-${String(date.getDate()).padStart(2, "0")}`;
    case "date": return plain();
    case "date_short": return short();
    case "date_long": return long();
    case "date_pretty": return near ?? plain();
    case "date_short_pretty": return near ?? short();
    case "date_long_pretty": return near ?? long();
    case "time": return say({ hour: "numeric", minute: "2-digit" });
    case "time_secs": return say({ hour: "numeric", minute: "2-digit", second: "2-digit" });
    case "weekday": return say({ weekday: "short" });
    case "zone": return say({ timeZoneName: "short" }).split(" ").pop();
  }
}

// ── Tabs: arrows move, as in every tab list ──

let chosen = "panel-slack";

function tabs(root) {
  const box = root.querySelector(".tabs");
  if (!box) return;
  const panels = [...box.querySelectorAll(".panel")];
  const list = document.createElement("div");
  list.className = "tablist";
  list.setAttribute("role", "tablist");
  list.setAttribute("aria-label", "Views of the result");
  const choose = (panel, focus) => {
    chosen = panel.id;
    for (const other of panels) {
      const tab = $(`tab-${other.id}`);
      other.hidden = other !== panel;
      tab.setAttribute("aria-selected", String(other === panel));
      tab.tabIndex = other === panel ? 0 : -1;
      if (focus && other === panel) tab.focus();
    }
  };
  panels.forEach((panel, index) => {
    const tab = document.createElement("button");
    Object.assign(tab, { type: "button", id: `tab-${panel.id}`, textContent: panel.dataset.tab });
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", panel.id);
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", tab.id);
    panel.querySelector("h3").classList.add("hidden");
    tab.addEventListener("click", () => choose(panel));
    tab.addEventListener("keydown", (press) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[press.key];
      const to = step ? index + step : { Home: 0, End: -1 }[press.key];
      if (to === undefined) return;
      press.preventDefault();
      choose(panels.at(to % panels.length), true);
    });
    list.append(tab);
  });
  box.prepend(list);
  choose(panels.find((panel) => panel.id === chosen) ?? panels[0]);
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

const fields = () => JSON.stringify(Object.fromEntries(new FormData(form)));

async function preview() {
  result.setAttribute("aria-busy", "true");
  try {
    result.innerHTML = (await ask("/api/preview", fields())).html;
    tabs(result);
    localise(result);
  } catch (error) {
    if (error.name === "AbortError") return;
    result.replaceChildren(problem("No answer", error));
  }
  result.removeAttribute("aria-busy");
}

async function send() {
  try {
    const told = document.createElement("div");
    told.innerHTML = (await ask("/api/send", fields())).html;
    result.querySelector(".sent")?.parentElement.remove();
    result.prepend(told);
  } catch (error) {
    if (error.name !== "AbortError") result.prepend(problem("Not sent", error));
  }
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
  return () => {
    clearTimeout(timer);
    timer = setTimeout(what, wait);
  };
}

// ── The configuration's line numbers ──

function number(wrong = new Set()) {
  const count = Math.max(config.value.split("\n").length, config.rows);
  $("gutter").replaceChildren(
    ...Array.from({ length: count }, (_, index) => {
      const line = document.createElement("span");
      line.textContent = `${index + 1}\n`;
      line.classList.toggle("wrong", wrong.has(index + 1));
      return line;
    }),
  );
  $("gutter").scrollTop = config.scrollTop;
}

config.addEventListener("scroll", () => ($("gutter").scrollTop = config.scrollTop));

$("problems").addEventListener("click", (click) => {
  const link = click.target.closest("a[data-line]");
  if (!link) return;
  click.preventDefault();
  const lines = config.value.split("\n");
  const before = lines.slice(0, link.dataset.line - 1).reduce((sum, line) => sum + line.length + 1, 0);
  const place = before + [...(lines[link.dataset.line - 1] ?? "")].slice(0, link.dataset.column - 1).join("").length;
  config.focus();
  config.setSelectionRange(place, before + (lines[link.dataset.line - 1]?.length ?? 0));
  config.scrollTop = (link.dataset.line - 4) * parseFloat(getComputedStyle(config).lineHeight);
});

// ── What happens when ──

const checkLater = later(150, check);
const previewLater = later(300, preview);

form.addEventListener("input", (input) => {
  if (input.target === event) fixture.value = "";
  if (input.target === config) checkLater();
  if (input.target !== fixture) previewLater();
});

// It stands beside the message, outside of the form that it belongs to.
$("rendering").addEventListener("input", preview);

fixture.addEventListener("change", async () => {
  if (!fixture.value) return;
  const [text, own] = await Promise.all([
    fetch(`/fixtures/${fixture.value}`),
    fetch(`/fixtures/${fixture.value.replace(/\.[^.]+\.json$/, ".config.yaml")}`),
  ]);
  if (text.ok) event.value = await text.text();
  if (own.ok) {
    config.value = await own.text();
    check();
  }
  preview();
});

form.addEventListener("submit", (submit) => {
  submit.preventDefault();
  submit.submitter?.id === "send" ? send() : preview();
});

$("now-reset").addEventListener("click", () => {
  $("at").value = "";
  preview();
});

const inbox = $("inbox");
const stream = new EventSource("/inbox");
stream.addEventListener("open", () => ($("live").textContent = "live"));
stream.addEventListener("error", () => ($("live").textContent = "not connected"));
stream.addEventListener("message", (message) => {
  const box = document.createElement("div");
  box.innerHTML = JSON.parse(message.data);
  localise(box);
  for (const entry of [...box.children]) place(entry);
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

$("load").hidden = true;
$("now-reset").hidden = false;
$("zone").value ||= Intl.DateTimeFormat().resolvedOptions().timeZone;
localise(document);
tabs(result);
check();
