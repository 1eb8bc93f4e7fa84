"""What was aimed at, held against the rows."""

# PANIC 1.3.1, one process per monitor: N, CPU in us of a round, PSS of the tree in MB.
PANIC = [(1, 44000, 79), (10, 47000, 202), (100, 52000, 1430)]
PANIC_ROWS = [{"approach": "PANIC", "kind": "node", "scheme": "ws", "n": n, "cpu_us_per_round": cpu,
               "pss_kib_each": round(mb * 1e6 / 1024 / n, 1),
               "note": f"measured earlier: {mb:,} MB in all, {cpu / 1000:.0f} ms"}
              for n, cpu, mb in PANIC]
PERIOD_S = 10


def find(rows, approach, n, kind="node", scheme="ws"):
    """A row that was measured, or None."""
    for row in rows:
        if (row["approach"], row["n"], row["kind"], row["scheme"]) == (approach, n, kind, scheme):
            return row if row.get("cpu_us_per_round") else None
    return None


def number(row, key):
    value = row.get(key, "") if row else ""
    return None if value == "" else float(value)


def at_most(name, row, key, limit, unit):
    value = number(row, key)
    if value is None:
        return (name, f"{limit:,} {unit}".strip(), "not measured", None)
    return (name, f"{limit:,} {unit}".strip(), f"{value:,.10g} {unit}".strip(), value <= limit)


def tenth_of_a_core(rows):
    row = find(rows, "events", 10000)
    cpu, lag = number(row, "cpu_us_per_round"), number(row, "lag_p99_ms")
    name, aim = "`events`, 10,000: use of a core, lag p99", "10 %, 100 ms"
    if cpu is None or lag is None:
        return (name, aim, "not measured", None)
    share = cpu * 10000 / PERIOD_S / 1e4
    return (name, aim, f"{share:.1f} %, {lag:.0f} ms", share < 10 and lag < 100)


def flat(rows):
    few, many = (number(find(rows, "events", n), "cpu_us_per_round") for n in (100, 10000))
    name, aim = "`events`, cost of a round at 10,000 to that at 100", "1.5"
    if few is None or many is None:
        return (name, aim, "not measured", None)
    return (name, aim, f"{many / few:.2f}", many <= 1.5 * few)


def threads_hold(rows):
    row = find(rows, "threads-shared", 5000)
    name, aim = "`threads`, 5,000 with the shared publisher: late rounds", "under 1 %"
    if row is None:
        return (name, aim, "not measured", None)
    late = float(row["late"]) / max(float(row["rounds"]), 1) * 100
    return (name, aim, f"{late:.1f} %, {int(row['threads']):,} threads", late < 1)


def against_panic(rows, approach):
    row = find(rows, approach, 100)
    _, cpu, mb = PANIC[-1]
    name, aim = f"`{approach}`, 100: memory and CPU to PANIC's", "1/100, 1/100"
    if row is None:
        return (name, aim, "not measured", None)
    memory = mb * 1e6 / (float(row["pss_kib_each"]) * 1024 * 100)
    faster = cpu / float(row["cpu_us_per_round"])
    return (name, aim, f"1/{memory:.0f}, 1/{faster:.0f}", memory >= 100 and faster >= 100)


def lines(rows):
    made = [
        at_most("`events`, CPU to the floor at 1,000", find(rows, "events", 1000), "floor_ratio", 3,
                ""),
        at_most("`events`, CPU to the floor at 10,000", find(rows, "events", 10000), "floor_ratio", 2,
                ""),
        at_most("`events`, memory at 10,000 (resident)", find(rows, "events", 10000), "rss_kib_each",
                16, "KiB"),
    ]
    for n in (1000, 10000):
        made.append(at_most(f"`events` by `wss://`, memory at {n:,} (resident)",
                            find(rows, "events", n, scheme="wss"), "rss_kib_each", 64, "KiB"))
    made += [tenth_of_a_core(rows), flat(rows)]
    for n in (1000, 5000):
        made.append(at_most(f"`threads`, shared publisher, memory at {n:,} (PSS)",
                            find(rows, "threads-shared", n), "pss_kib_each", 96, "KiB"))
    made += [
        at_most("`threads`, own connections, memory at 1,000 (PSS)", find(rows, "threads-own", 1000),
                "pss_kib_each", 320, "KiB"),
        threads_hold(rows),
        at_most("`events`, stop of 10,000, end of the process included", find(rows, "events", 10000),
                "stop_s", 2, "s"),
        at_most("`events`, first round of all of 10,000 (a period and the ramp)",
                find(rows, "events", 10000), "first_rounds_s", PERIOD_S + 5, "s"),
    ]
    return made + [against_panic(rows, approach)
                   for approach in ("events", "queue", "threads-shared", "threads-own", "rounds")]


def section(rows):
    text = "## Against what was aimed at\n| | at most | measured | held |\n|---|---|---|---|\n"
    for name, aim, measured, held in lines(rows):
        text += f"| {name} | {aim} | {measured} | {'' if held is None else 'yes' if held else 'no'} |\n"
    return text + "\n"


def cheapest(rows, n):
    found = [r for r in rows if r["n"] == n and r["kind"] == "node" and r["scheme"] == "ws" and
             r["approach"] not in ("floor", "PANIC") and r.get("cpu_us_per_round")]
    return min(found, key=lambda r: r["cpu_us_per_round"])["approach"] if len(found) > 1 else None


def default(rows):
    winners = [(n, cheapest(rows, n)) for n in (1, 10, 100, 1000, 5000, 10000)]
    told = ", ".join(f"`{name}` at {n:,}" for n, name in winners if name)
    text = """## The default
`events`: it has six threads and one connection to the broker whatever the number of nodes, the
fewest wake-ups in our process and in the broker from a thousand nodes on, and the least memory.
`threads` stays for monitors that block, `queue` for those who want to bound how many rounds are
under way at once, and `rounds` for comparison.
"""
    return text + (f"The least CPU of a round was that of {told}.\n" if told else "")
