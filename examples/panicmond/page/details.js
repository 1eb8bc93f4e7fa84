// details.js: what a row unfolds to.

import { count, make, moment, NONE, span } from "./format.js";
import { chart, draw } from "./chart.js";

const yes = (value) => (value === null ? NONE : value ? "yes" : "no");

function facts(row, now) {
  const list = [
    ["Id", row.id],
    ["Chain", row.chainId && row.chainId !== row.chain ? `${row.chain} (${row.chainId})` : row.chain],
    ["Last sample", row.heard ? moment(row.heard) : NONE],
    ["Last good", row.good ? `${span(now - row.good)} ago` : "never"],
    [row.error ? "Errors for" : "Good for", row.since ? span(now - row.since) : NONE],
    ["Rounds", `${count(row.rounds)}, ${count(row.errors)} of them errors`],
  ];
  if (row.kind === "node") {
    list.push(
      ["Node", row.version || NONE], ["Runtime", row.runtime || NONE],
      ["Best / target", `${count(row.best)} / ${count(row.target)}`],
      ["Finalized", count(row.finalized)],
      ["Era / session", `${count(row.era)} / ${count(row.session)}`], ["Peers", count(row.peers)]);
  }
  if (row.validator) {
    list.push(["Active", yes(row.active)], ["Elected", yes(row.elected)],
      ["Disabled", yes(row.disabled)], ["Slashed", row.slashed < 1e15 ? count(row.slashed) : row.slashed.toExponential(3)]);
  }
  return list.filter(([, value]) => /[^–/ ]/.test(value));
}

export class Details {
  constructor(number) {
    this.number = number;
    this.row = make("tr", "details");
    this.cell = make("td");
    this.box = make("div", "box");
    this.message = make("p", "message");
    this.list = make("dl");
    this.chart = chart("wide", 600, 72);
    this.caption = make("p", "legend");
    for (const [className, text] of [["gap", "not finalized yet"], ["lag", "behind the target"], ["miss", "error"]]) {
      const item = make("span", className, text);
      item.prepend(make("i"));
      this.caption.append(item);
    }
    this.cell.append(this.box);
    this.row.append(this.cell);
    this.row.id = `details-${number}`;
    this.box.append(this.message, this.list);
  }

  update(row, history, columns, now) {
    this.cell.colSpan = columns;
    this.message.hidden = !row.message;
    this.message.textContent = row.error > 0 ? `${row.error}: ${row.message}` : row.message;
    const items = facts(row, now);
    if (this.list.children.length !== items.length) {
      this.list.replaceChildren(...items.map(([name]) => {
        const item = make("div");
        item.append(make("dt", "", name), make("dd"));
        return item;
      }));
    }
    items.forEach(([name, value], i) => {
      const [dt, dd] = this.list.children[i].children;
      dt.textContent = name;
      if (dd.textContent !== value) {
        dd.textContent = value; // left alone else, so that it can be marked and copied
      }
    });
    if (row.kind === "node" && !this.chart.parentNode) {
      this.box.append(this.chart, this.caption);
    }
    draw(this.chart, history, 600, 72);
  }
}
