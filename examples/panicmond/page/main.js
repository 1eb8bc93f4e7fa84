// main.js: asks the daemon every few seconds and shows what it says.

import { count, make, setText, short, span } from "./format.js";
import { Rows, STATES } from "./rows.js";
import { Grid } from "./grid.js";

const EVERY = 3000; // ms between two questions
const HIDDEN = 30000; // when nobody looks
const PATIENCE = 15000; // until an answer counts as lost

const $ = (id) => document.getElementById(id);
const rows = new Rows();
const look = { state: "", text: "", sort: "state", down: false, open: "" };
const fresh = new Map(); // the round of a row that its history was asked for
let last = null; // the last answer
let misses = 0;
let timer = 0;
let nextAt = 0;

// ---- what is looked at stands in the address, so that it can be passed on ----

function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  look.state = STATES.includes(given.get("state")) ? given.get("state") : "";
  look.text = given.get("filter") || "";
  look.sort = given.get("sort") || "state";
  look.down = given.get("down") === "1";
  look.open = given.get("open") || "";
  $("filter").value = look.text;
}

function writeAddress() {
  const given = new URLSearchParams();
  for (const [name, value, normal] of [["state", look.state, ""], ["filter", look.text, ""],
    ["sort", look.sort, "state"], ["down", look.down ? "1" : "0", "0"],
    ["open", look.open, ""]]) {
    if (value !== normal) {
      given.set(name, value);
    }
  }
  const text = String(given);
  history.replaceState(null, "", text ? `#${text}` : location.pathname);
}

// ---- figures ----

const figures = [
  ["Monitored", (a) => count(Math.max(a.monitorables, rows.all.size)), (a, c) => (c.ok && c.ok === Math.max(a.monitorables, rows.all.size) ? "all well" : `${count(c.ok)} OK`)],
  ["Rounds / s", (a) => count(a.roundsPerSecond), (a) => `${short(a.figures.rounds || 0)} so far`],
  ["Errors now", (a, c) => count(c.error + c.stale), (a) => `${short(a.figures.errors || 0)} rounds so far`, (a, c) => (c.error + c.stale ? "bad" : "")],
  ["Confirmed", (a) => short(a.figures.messages_confirmed || 0), (a) => (a.broker ? "by the broker" : "messages")],
  ["Waiting", (a) => short(a.figures.messages_waiting || 0), () => "messages", (a) => (a.figures.messages_waiting > 1000 ? "warn" : "")],
  ["Dropped", (a) => short(a.figures.messages_dropped || 0), () => "messages", (a) => (a.figures.messages_dropped ? "warn" : "")],
  ["Uptime", (a) => span(a.uptime + Date.now() - a.at), () => "since the start"],
];

function showFigures(counts) {
  if (!$("figures").children.length) {
    for (const [name] of figures) {
      const card = make("div");
      card.append(make("dt", "", name), make("dd"), make("dd", "muted"));
      $("figures").append(card);
    }
  }
  figures.forEach(([, value, note, tone], i) => {
    const [, big, small] = $("figures").children[i].children;
    setText(big, value(last, counts));
    setText(small, note(last, counts));
    $("figures").children[i].dataset.tone = tone ? tone(last, counts) : "";
  });
}

// ---- states ----

const words = { "": "All", ok: "OK", error: "Error", stale: "Stale", syncing: "Syncing", waiting: "Waiting" };

function showChips(counts) {
  if (!$("chips").children.length) {
    for (const state of ["", ...STATES]) {
      const chip = make("button", "chip", words[state]);
      chip.type = "button";
      chip.dataset.state = state;
      chip.append(make("b"));
      chip.addEventListener("click", () => {
        look.state = look.state === state ? "" : state;
        changed();
      });
      $("chips").append(chip);
    }
  }
  for (const chip of $("chips").children) {
    const state = chip.dataset.state;
    setText(chip.lastChild, count(state ? counts[state] : rows.all.size));
    chip.setAttribute("aria-pressed", look.state === state);
    chip.classList.toggle("none", state !== "" && !counts[state] && look.state !== state);
  }
}

// ---- nothing to show ----

function showEmpty(shown) {
  const box = $("empty");
  box.hidden = shown > 0;
  const kind = shown > 0 ? "" : rows.all.size ? "filter" : last.broker ? "broker" : "file";
  if (box.dataset.kind === kind) {
    return;
  }
  box.dataset.kind = kind;
  box.replaceChildren();
  if (kind === "filter") {
    const all = make("button", "", "Show all");
    all.type = "button";
    all.addEventListener("click", () => {
      Object.assign(look, { state: "", text: "" });
      $("filter").value = "";
      changed();
    });
    box.append(make("h2", "", "Nothing matches"), make("p", "muted", "No monitorable has this state and this text."), all);
  } else if (kind) {
    box.append(make("h2", "", "Nothing to monitor yet"));
    box.append(make("p", "muted", kind === "broker"
      ? "panicmond waits for configs from the broker: exchange config, routing key"
      : "Name a node on the command line:"));
    box.append(make("code", "", kind === "broker" ? "chains.substrate.CHAIN.nodes_config" : "panicmond --node ws://127.0.0.1:9944"));
    box.append(make("p", "muted", "or put nodes into the file of -c and have it read again by SIGHUP:"));
    box.append(make("pre", "", '{"configs": {"chains.substrate.polkadot.nodes_config": {\n  "node-1": {"node_id": "node-1", "ws_url": "ws://10.0.0.5:9944"}}}}'));
  }
}

// ---- all of it ----

const grid = new Grid({
  onSort(key) {
    look.down = look.sort === key ? !look.down : false;
    look.sort = key;
    changed();
  },
  onOpen(number) {
    look.open = rows.all.get(number)?.id || "";
    writeAddress();
    askHistories();
  },
});

function show() {
  if (!last) {
    return;
  }
  const counts = rows.judge();
  const view = rows.view(look);
  showFigures(counts);
  showChips(counts);
  showEmpty(view.length);
  grid.mark(look.sort, look.down);
  const given = look.open && grid.details === null ? view.findIndex((row) => row.id === look.open) : -1;
  if (given >= 0) {
    grid.open(view[given].number);
  }
  grid.show(view, rows.now());
  if (given >= 0) {
    grid.reveal(given);
  }
  setText($("version"), `version ${last.version}`);
  setText($("shown"), view.length === rows.all.size ? `${count(view.length)} shown` : `${count(view.length)} of ${count(rows.all.size)} shown`);
  const bad = counts.error + counts.stale;
  document.title = bad ? `(${bad}) panicmond` : "panicmond";
  const trouble = [last.live && `Not well: ${last.live}.`, last.ready && `Not ready: ${last.ready}.`,
    last.refused && "Some configs were refused; the log says which and why."].filter(Boolean);
  $("trouble").hidden = trouble.length === 0;
  setText($("trouble"), trouble.join(" "));
}

function changed() {
  writeAddress();
  show();
  askHistories();
}

// ---- asking ----

async function get(path) {
  const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
  if (!answer.ok) {
    throw new Error(`${path}: ${answer.status}`);
  }
  return answer.json();
}

// Histories of the rows in sight that have had a round since.
async function askHistories() {
  const wanted = grid.inSight().filter((number) => {
    const row = rows.all.get(number);
    return row && fresh.get(number) !== row.rounds;
  }).slice(0, 150);
  if (!wanted.length) {
    return;
  }
  for (const number of wanted) {
    fresh.set(number, rows.all.get(number).rounds);
  }
  try {
    const answer = await get(`/api/history.json?numbers=${wanted.join()}`);
    for (const [number, history] of Object.entries(answer)) {
      grid.histories.set(Number(number), history);
    }
    grid.render();
  } catch {
    wanted.forEach((number) => fresh.delete(number)); // asked again with the next round
  }
}

function pulse(state, text) {
  $("pulse").dataset.state = state;
  setText($("pulse").lastChild, text);
}

async function ask() {
  clearTimeout(timer);
  try {
    const answer = await get(`/api/status.json${rows.since ? `?since=${rows.since}` : ""}`);
    answer.at = Date.now();
    if (answer.full) {
      fresh.clear();
      grid.histories.clear();
    }
    rows.take(answer);
    last = answer;
    misses = 0;
    $("lost").hidden = true;
    document.body.classList.remove("old");
    pulse("live", "live");
    show();
    askHistories();
  } catch {
    misses++;
    pulse("lost", "offline");
  }
  const wait = misses ? Math.min(10000, 1000 * 2 ** (misses - 1)) : document.hidden ? HIDDEN : EVERY;
  nextAt = Date.now() + wait;
  timer = setTimeout(ask, wait);
  tellLoss();
}

function tellLoss() {
  if (misses < 2) {
    return; // one may go lost
  }
  $("lost").hidden = false;
  document.body.classList.add("old");
  const seconds = Math.max(0, Math.ceil((nextAt - Date.now()) / 1000));
  setText($("lost-text"), `${last ? "What is shown is old. " : ""}Trying again ${seconds ? `in ${seconds} s` : "now"}…`);
}

// ---- begin ----

readAddress();
$("filter").addEventListener("input", () => {
  look.text = $("filter").value;
  changed();
});
addEventListener("keydown", (event) => {
  if (event.key === "/" && !/^(INPUT|TEXTAREA)$/.test(document.activeElement.tagName)) {
    event.preventDefault();
    $("filter").focus();
  } else if (event.key === "Escape" && document.activeElement === $("filter")) {
    $("filter").value = look.text = "";
    changed();
  }
});
addEventListener("hashchange", () => {
  readAddress();
  show();
});
let scrolled = 0;
addEventListener("scroll", () => {
  clearTimeout(scrolled);
  scrolled = setTimeout(askHistories, 120);
}, { passive: true });
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) {
    ask();
  }
});
$("retry").addEventListener("click", ask);
setInterval(() => {
  show(); // ages grow
  tellLoss();
}, 1000);
ask();
