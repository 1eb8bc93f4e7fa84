// chart.js: small charts of a history: blocks behind the target, blocks not finalized, errors.

const SVG = "http://www.w3.org/2000/svg";
const POINTS = 60;
const ERROR = -2;

function shape(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    element.setAttribute(name, value);
  }
  return element;
}

// Points of a line; it is broken where nothing is known.
function trace(points, x, y) {
  let path = "";
  let pen = false;
  points.forEach((value, i) => {
    if (value < 0) {
      pen = false;
      return;
    }
    path += `${pen ? "L" : "M"}${x(i)} ${y(value)}`;
    // A point of its own is drawn as a dot.
    if (!pen && !(points[i + 1] >= 0)) {
      path += "h0.1";
    }
    pen = true;
  });
  return path;
}

// The same, filled down to the floor.
function area(points, x, y, floor) {
  let path = "";
  for (let i = 0; i < points.length; i++) {
    if (points[i] < 0) {
      continue;
    }
    const from = i;
    let edge = "";
    for (; i < points.length && points[i] >= 0; i++) {
      edge += `L${x(i)} ${y(points[i])}`;
    }
    path += `M${x(from)} ${floor}${edge}L${x(i - 1)} ${floor}Z`;
  }
  return path;
}

// Puts a chart of [lag, gap] into an svg element.
export function draw(svg, history, width, height) {
  const [lag, gap] = history || [[], []];
  const top = Math.max(4, ...lag, ...gap);
  const first = POINTS - gap.length;
  const step = width / (POINTS - 1);
  const x = (i) => Math.round((first + i) * step * 10) / 10;
  const y = (value) => Math.round((height - 2 - (value / top) * (height - 4)) * 10) / 10;
  const parts = [shape("line", { x1: 0, x2: width, y1: height - 1, y2: height - 1, class: "floor" })];
  for (let i = 0; i < gap.length; i++) {
    const from = i;
    while (gap[i] === ERROR) {
      i++;
    }
    if (i > from) { // errors in a row are one block
      const left = Math.max(0, x(from) - step / 2);
      const right = Math.min(width, x(i - 1) + step / 2);
      parts.push(shape("rect", { x: left, y: 1, width: right - left, height: height - 2, class: "miss" }));
    }
  }
  parts.push(shape("path", { d: area(gap, x, y, height - 1), class: "fill" }));
  parts.push(shape("path", { d: trace(gap, x, y), class: "gap" }));
  if (lag.some((value) => value > 0)) {
    parts.push(shape("path", { d: trace(lag, x, y), class: "lag" }));
  }
  svg.replaceChildren(...parts);
}

export function chart(className, width, height) {
  const svg = shape("svg", {
    viewBox: `0 0 ${width} ${height}`, class: `chart ${className}`, preserveAspectRatio: "none",
    "aria-hidden": "true",
  });
  return svg;
}
