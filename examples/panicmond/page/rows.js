// rows.js: the monitorables as the page knows them: merged from answers, judged, filtered, sorted.

const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

// The worst first.
export const STATES = ["error", "stale", "syncing", "waiting", "ok"];

export class Rows {
  constructor() {
    this.all = new Map(); // by number
    this.since = "";
    this.stale = {};
    this.offset = 0; // of the daemon's clock to ours
  }

  // Takes an answer of /api/status.json in; gives the numbers that changed.
  take(answer) {
    const changed = [];
    if (answer.full) {
      this.all.clear();
    }
    this.since = answer.since;
    this.stale = answer.stale;
    this.offset = answer.now - Date.now();
    let named = answer.full;
    for (const values of answer.rows) {
      const row = {};
      answer.columns.forEach((column, i) => {
        row[column] = values[i];
      });
      const old = this.all.get(row.number);
      row.lag = distance(row.target, row.best);
      row.gap = distance(row.best, row.finalized);
      row.rank = old ? old.rank : 0;
      row.text = old && old.name === row.name && old.chain === row.chain && old.message === row.message
        ? old.text
        : `${row.name}\n${row.id}\n${row.chain}\n${row.kind}\n${row.message}`.toLowerCase();
      named = named || !old || old.name !== row.name;
      this.all.set(row.number, row);
      changed.push(row.number);
    }
    if (named) {
      this.rank();
    }
    return changed;
  }

  // Places in the order of names, so that sorting need not compare texts each time.
  rank() {
    [...this.all.values()]
      .sort((a, b) => collator.compare(a.name, b.name) || a.number - b.number)
      .forEach((row, i) => {
        row.rank = i;
      });
  }

  now() {
    return Date.now() + this.offset;
  }

  judge() {
    const now = this.now();
    const counts = { error: 0, stale: 0, syncing: 0, waiting: 0, ok: 0 };
    for (const row of this.all.values()) {
      row.age = row.heard ? Math.max(0, now - row.heard) : null;
      row.state = stateOf(row, this.stale);
      counts[row.state]++;
    }
    return counts;
  }

  // What is to be shown, in order. Judged before.
  view({ state, text, sort, down }) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    const shown = [...this.all.values()].filter(
      (row) => (!state || row.state === state) && words.every((word) => row.text.includes(word)));
    const value = values[sort] || values.state;
    const sign = down ? -1 : 1;
    for (const row of shown) {
      row.key = value(row);
    }
    return shown.sort((a, b) => byKey(a.key, b.key, sign) || a.rank - b.rank);
  }
}

function distance(to, from) {
  return to === null || from === null ? null : Math.max(0, to - from);
}

function stateOf(row, stale) {
  if (!row.rounds) {
    return "waiting";
  }
  if (row.age > stale[row.kind]) {
    return "stale";
  }
  if (row.error) {
    return "error";
  }
  return row.syncing ? "syncing" : "ok";
}

const values = {
  state: (row) => STATES.indexOf(row.state),
  name: (row) => row.rank,
  chain: (row) => row.chain,
  best: (row) => row.best,
  finalized: (row) => row.finalized,
  lag: (row) => row.lag,
  gap: (row) => row.gap,
  peers: (row) => row.peers,
  era: (row) => row.era,
  role: (row) => (row.validator ? (row.disabled ? 3 : row.active ? 2 : 1) : 0),
  age: (row) => row.age,
};

// What is not known comes last, whichever way it is sorted.
function byKey(a, b, sign) {
  if (a === b) {
    return 0;
  }
  if (a === null || a === undefined) {
    return 1;
  }
  if (b === null || b === undefined) {
    return -1;
  }
  return (typeof a === "string" ? collator.compare(a, b) : a - b) * sign;
}
