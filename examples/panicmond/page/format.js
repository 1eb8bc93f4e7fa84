// format.js: how numbers and times are told, and making elements.

const grouped = new Intl.NumberFormat("en", { useGrouping: true, maximumFractionDigits: 1 });

export const NONE = "–";

export function count(value) {
  return value === null || value === undefined ? NONE : grouped.format(value);
}

// 12,345,678 as 12.3M, where there is little room.
export function short(value) {
  for (const [unit, size] of [["G", 1e9], ["M", 1e6], ["k", 1e4]]) {
    if (value >= size) {
      return `${grouped.format(value / (unit === "k" ? 1e3 : size))}${unit}`;
    }
  }
  return grouped.format(value);
}

export function span(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 100) {
    return `${s}s`;
  }
  if (s < 6000) {
    return `${Math.floor(s / 60)}m`;
  }
  return s < 172800 ? `${Math.floor(s / 3600)}h` : `${Math.floor(s / 86400)}d`;
}

export function moment(ms) {
  return ms ? new Date(ms).toLocaleString() : "never";
}

export function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) {
    element.className = className;
  }
  if (text !== undefined) {
    element.textContent = text;
  }
  return element;
}

export function setText(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}
