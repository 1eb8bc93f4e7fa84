"""Draws CPU per round and memory per monitorable over N as SVGs, both axes logarithmic."""
import math
import os

COLOURS = {"PANIC": "#000000", "processes": "#b03a2e", "threads-own": "#ca6f1e", "threads-shared": "#b7950b",
           "rounds": "#7d3c98", "queue": "#2471a3", "events": "#1e8449", "floor": "#566573"}
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 420, 70, 150, 40, 50


def decades(low, high):
    return range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)


def draw(rows, kind, column, title, path):
    lines = {}
    for row in rows:
        if row["kind"] == kind and row.get("scheme", "ws") == "ws" and float(row.get(column) or 0) > 0:
            lines.setdefault(row["approach"], []).append((int(row["n"]), float(row[column])))
    points = [p for line in lines.values() for p in line]
    if not points:
        return
    xs = decades(1, max(max(p[0] for p in points), 10))
    ys = decades(min(p[1] for p in points), max(p[1] for p in points) * 1.01)

    def x(n):
        return LEFT + (math.log10(n) - xs[0]) / (xs[-1] - xs[0]) * (WIDTH - LEFT - RIGHT)

    def y(v):
        return HEIGHT - BOTTOM - (math.log10(v) - ys[0]) / (ys[-1] - ys[0]) * (HEIGHT - TOP - BOTTOM)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
           'font-family="sans-serif" font-size="12">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
           f'<text x="{LEFT}" y="22" font-size="15">{title}</text>']
    for d in xs:
        out.append(f'<line x1="{x(10 ** d):.1f}" x2="{x(10 ** d):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" '
                   'stroke="#ddd"/>')
        out.append(f'<text x="{x(10 ** d):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">'
                   f'{10 ** d:,}</text>')
    for d in ys:
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(10 ** d):.1f}" y2="{y(10 ** d):.1f}" '
                   'stroke="#ddd"/>')
        out.append(f'<text x="{LEFT - 8}" y="{y(10 ** d) + 4:.1f}" text-anchor="end">{10 ** d:,g}</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 10}" text-anchor="middle">'
               'monitorables</text>')
    ends = sorted(((sorted(line)[-1], name) for name, line in lines.items()), key=lambda e: -e[0][1])
    label = TOP
    for _, name in ends:
        line = sorted(lines[name])
        colour = COLOURS.get(name, "black")
        out.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="' +
                   " ".join(f"{x(n):.1f},{y(v):.1f}" for n, v in line) + '"/>')
        out += [f'<circle cx="{x(n):.1f}" cy="{y(v):.1f}" r="3" fill="{colour}"/>' for n, v in line]
        out.append(f'<text x="{WIDTH - RIGHT + 12}" y="{label + 12}" fill="{colour}">{name}</text>')
        label += 20
    out.append("</svg>")
    with open(path, "w") as f:
        f.write("\n".join(out) + "\n")


def possible(rows):
    return any(row["kind"] == "node" and row.get("cpu_us_per_round") for row in rows)


def draw_all(rows, folder):
    draw(rows, "node", "cpu_us_per_round", "CPU per round, microseconds",
         os.path.join(folder, "cpu.svg"))
    draw(rows, "node", "pss_kib_each", "Memory per monitorable (PSS), KiB",
         os.path.join(folder, "memory.svg"))
    draw(rows, "validator", "cpu_us_per_round", "CPU per round of a validator, microseconds",
         os.path.join(folder, "cpu-validators.svg"))
