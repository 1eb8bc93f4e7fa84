// grid.js: the table. Only the rows in sight are in the document, so ten thousand cost no more than
// thirty; what is above and below is two empty rows of the right height.

import { count, make, NONE, setText, span } from "./format.js";
import { chart, draw } from "./chart.js";
import { Details } from "./details.js";

const SPARE = 8; // rows beyond the window, so that scrolling finds them there

const labels = { ok: "OK", error: "Error", stale: "Stale", syncing: "Syncing", waiting: "Waiting" };

function badges(cell, row) {
  const wanted = [];
  if (row.validator) {
    if (row.disabled) {
      wanted.push(["disabled", "bad"]);
    }
    if (row.slashed > 0) {
      wanted.push(["slashed", "bad"]);
    }
    wanted.length = Math.min(wanted.length, 1); // the details say all
    wanted.push(row.active ? ["active", "good"] : row.elected ? ["elected", "good"] : ["validator", "val"]);
  } else if (row.kind !== "node") {
    wanted.push([row.kind, ""]);
  }
  const key = wanted.map(([text]) => text).join();
  if (cell.dataset.key !== key) {
    cell.dataset.key = key;
    cell.replaceChildren(...wanted.map(([text, tone]) => make("span", `badge ${tone}`, text)));
  }
}

const columns = [
  { key: "state", label: "State", sort: true },
  { key: "name", label: "Name", sort: true },
  { key: "chain", label: "Chain", sort: true, fill: (cell, row) => setText(cell, row.chain || NONE) },
  { key: "best", label: "Best", number: true, sort: true, fill: (cell, row) => setText(cell, count(row.best)) },
  { key: "finalized", label: "Finalized", number: true, sort: true, fill: (cell, row) => setText(cell, count(row.finalized)) },
  { key: "lag", label: "Behind", number: true, sort: true, help: "Blocks behind the height its peers have", fill: lagCell },
  { key: "trend", label: "Trend", help: "The last 60 rounds: blocks not finalized yet, blocks behind its peers, errors" },
  { key: "peers", label: "Peers", number: true, sort: true, fill: (cell, row) => setText(cell, count(row.peers)) },
  { key: "era", label: "Era", number: true, sort: true, fill: (cell, row) => setText(cell, count(row.era)) },
  { key: "role", label: "Role", sort: true, fill: badges },
  { key: "age", label: "Age", number: true, sort: true, help: "Time since its last round", fill: (cell, row) => setText(cell, row.age === null ? NONE : span(row.age)) },
];

function lagCell(cell, row) {
  setText(cell, count(row.lag));
  cell.dataset.tone = row.lag > 20 ? "bad" : row.lag > 5 ? "warn" : "";
}

export class Grid {
  constructor({ onSort, onOpen }) {
    this.table = document.getElementById("grid");
    this.heads = document.getElementById("heads");
    this.body = document.getElementById("body");
    this.above = make("tr", "space");
    this.below = make("tr", "space");
    this.above.setAttribute("aria-hidden", "true");
    this.below.setAttribute("aria-hidden", "true");
    this.pool = new Map(); // the rows in the document, by number
    this.rows = [];
    this.histories = new Map();
    this.details = null;
    this.onOpen = onOpen;
    this.makeHeads(onSort);
    this.body.append(this.above, this.below);
    this.body.addEventListener("click", (event) => this.click(event));
    this.body.addEventListener("keydown", (event) => this.key(event));
    let asked = false;
    const later = () => {
      if (!asked) {
        asked = true;
        requestAnimationFrame(() => {
          asked = false;
          this.render();
        });
      }
    };
    addEventListener("scroll", later, { passive: true });
    addEventListener("resize", later);
  }

  makeHeads(onSort) {
    for (const column of columns) {
      const th = make("th", `c-${column.key}${column.number ? " number" : ""}`);
      th.scope = "col";
      if (column.help) {
        th.title = column.help;
      }
      if (column.sort) {
        const button = make("button", "", column.label);
        button.type = "button";
        button.addEventListener("click", () => onSort(column.key));
        th.append(button);
      } else {
        th.textContent = column.label;
      }
      column.th = th;
      this.heads.append(th);
    }
  }

  mark(sort, down) {
    for (const column of columns.filter((each) => each.sort)) {
      column.th.setAttribute("aria-sort", column.key !== sort ? "none" : down ? "descending" : "ascending");
    }
  }

  show(rows, now) {
    this.rows = rows;
    this.now = now;
    this.table.setAttribute("aria-rowcount", rows.length + 1);
    this.table.hidden = rows.length === 0;
    this.render();
  }

  // ---- what is in sight ----

  rowHeight() {
    return parseFloat(getComputedStyle(this.table).getPropertyValue("--row")) || 44;
  }

  // Columns that the width of the window leaves.
  visible() {
    return columns.filter((column) => column.th.offsetParent !== null).length;
  }

  // The place of the row that is open; -1: it is not shown.
  openPlace() {
    return this.details ? this.rows.findIndex((row) => row.number === this.details.number) : -1;
  }

  render() {
    const height = this.rowHeight();
    const open = this.openPlace();
    const extra = open >= 0 && this.details.row.isConnected ? this.details.row.offsetHeight : 0;
    const top = -this.body.getBoundingClientRect().top;
    const place = (y) => Math.floor((open >= 0 && y > (open + 1) * height ? Math.max((open + 1) * height, y - extra) : y) / height);
    const first = Math.max(0, Math.min(this.rows.length, place(top) - SPARE));
    const last = Math.min(this.rows.length, place(top + innerHeight) + SPARE + 1);
    const inSight = this.rows.slice(first, last);
    const focused = this.body.contains(document.activeElement) ? document.activeElement : null;

    const wanted = [this.above];
    const numbers = new Set();
    inSight.forEach((row, i) => {
      const tr = this.rowFor(row);
      this.fill(tr, row);
      tr.setAttribute("aria-rowindex", first + i + 2);
      wanted.push(tr);
      numbers.add(row.number);
      if (first + i === open) {
        this.details.update(row, this.histories.get(row.number), this.visible(), this.now);
        wanted.push(this.details.row);
      }
    });
    wanted.push(this.below);
    this.place(wanted);
    for (const number of this.pool.keys()) {
      if (!numbers.has(number)) {
        this.pool.delete(number);
      }
    }
    const openAbove = open >= 0 && open < first ? extra : 0;
    const openBelow = open >= last ? extra : 0;
    this.above.style.height = `${first * height + openAbove}px`;
    this.below.style.height = `${(this.rows.length - last) * height + openBelow}px`;
    if (focused && !focused.isConnected) {
      this.table.focus({ preventScroll: true });
    } else if (focused && document.activeElement !== focused) {
      focused.focus({ preventScroll: true });
    }
  }

  // Makes the body hold these rows and moves none that need not be.
  place(wanted) {
    const keep = new Set(wanted);
    for (const child of [...this.body.children]) {
      if (!keep.has(child)) {
        child.remove();
      }
    }
    let at = this.body.firstChild;
    for (const element of wanted) {
      if (element === at) {
        at = at.nextSibling;
      } else {
        this.body.insertBefore(element, at);
      }
    }
  }

  inSight() {
    return [...this.pool.keys()];
  }

  // ---- rows ----

  rowFor(row) {
    let tr = this.pool.get(row.number);
    if (!tr) {
      tr = this.makeRow(row.number);
      this.pool.set(row.number, tr);
    }
    return tr;
  }

  makeRow(number) {
    const tr = make("tr", "row");
    tr.dataset.number = number;
    tr.cellsBy = {};
    for (const column of columns) {
      const cell = make(column.key === "name" ? "th" : "td", `c-${column.key}${column.number ? " number" : ""}`);
      tr.cellsBy[column.key] = cell;
      tr.append(cell);
    }
    const { state, name, trend } = tr.cellsBy;
    tr.pill = make("span", "pill");
    state.append(tr.pill);
    name.scope = "row";
    tr.button = make("button", "name");
    tr.button.type = "button";
    tr.sub = make("span", "sub");
    name.append(tr.button, tr.sub);
    tr.chart = chart("small", 120, 26);
    trend.append(tr.chart);
    return tr;
  }

  fill(tr, row) {
    const opened = this.details !== null && this.details.number === row.number;
    if (tr.dataset.state !== row.state) {
      tr.dataset.state = row.state;
      tr.pill.textContent = labels[row.state];
    }
    setText(tr.button, row.name || row.id);
    tr.button.title = row.name || row.id;
    tr.button.setAttribute("aria-expanded", opened);
    if (opened) {
      tr.button.setAttribute("aria-controls", `details-${row.number}`);
    } else {
      tr.button.removeAttribute("aria-controls");
    }
    setText(tr.sub, row.error ? row.message : "");
    tr.classList.toggle("open", opened);
    for (const column of columns) {
      if (column.fill) {
        column.fill(tr.cellsBy[column.key], row);
      }
    }
    const history = this.histories.get(row.number);
    if (tr.drawn !== history) {
      tr.drawn = history;
      draw(tr.chart, history, 120, 26);
    }
  }

  // ---- opening, and walking through ----

  open(number) {
    this.details?.row.remove();
    this.details = number === null ? null : new Details(number);
  }

  toggle(number) {
    const opened = this.details !== null && this.details.number === number;
    this.open(opened ? null : number);
    this.onOpen(opened ? null : number);
    this.render();
    this.render(); // now that the height of the details is known
  }

  // Scrolls there when that place is out of sight.
  reveal(place) {
    const y = this.body.getBoundingClientRect().top + scrollY + place * this.rowHeight();
    if (y < scrollY + 60 || y > scrollY + innerHeight - 60) {
      scrollTo({ top: y - innerHeight / 2 });
      this.render();
    }
  }

  click(event) {
    const tr = event.target.closest("tr.row");
    if (tr && !String(getSelection())) {
      this.toggle(Number(tr.dataset.number));
    }
  }

  key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity }[event.key];
    const tr = event.target.closest("tr.row");
    if (!step || !tr) {
      return;
    }
    event.preventDefault();
    const place = this.rows.findIndex((row) => row.number === Number(tr.dataset.number));
    const to = Math.max(0, Math.min(this.rows.length - 1, place + step));
    this.reveal(to);
    this.pool.get(this.rows[to].number)?.button.focus({ preventScroll: true });
  }
}
