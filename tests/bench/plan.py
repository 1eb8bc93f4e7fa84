"""Which rows there are to be measured, in which order, and which are left out and why."""

APPROACHES = ["processes", "threads-own", "threads-shared", "rounds", "queue", "events", "floor"]
SIZES = [1, 10, 100, 1000, 5000, 10000]
# Up to this size the approaches are measured side by side, as their rounds are few and far between.
SIDE_BY_SIDE = 10
# Descriptors for each monitorable, of those that need more than a few.
DESCRIPTORS = {"threads-own": 7, "threads-shared": 3, "queue": 2.4, "events": 1, "floor": 1}
DESCRIPTORS_SPARE = 100
# The most monitorables that an approach is asked to hold for another reason, and the reason.
MOST = {
    "processes": (1000, "5,000 processes of 4 threads are 20,000, and 10 GiB"),
    "rounds": (5000, "10,000 would log in to the broker a thousand times a second, which takes it "
                     "more than both cores"),
}
# Validators are measured with fewer, as what differs between the executors does not depend on it.
VALIDATORS_MOST = {"processes": 100, "threads-own": 100, "rounds": 1000, "threads-shared": 1000,
                   "queue": 1000, "events": 10000, "floor": 10000}
TLS_SIZES = [1000, 10000]

# A quick run measures these alone: approach to sizes.
QUICK = {
    ("node", False): {"processes": [1, 100], "threads-own": [1, 100], "threads-shared": [1, 100, 1000],
                      "rounds": [1, 100], "queue": [1, 100, 1000], "events": [1, 100, 1000, 10000],
                      "floor": [1, 100, 1000, 10000]},
    ("validator", False): {"events": [100, 1000], "floor": [100, 1000]},
    ("node", True): {"events": [1000]},
}


class Wanted:
    def __init__(self, approach, kind, n, tls, window):
        self.approach, self.kind, self.n, self.tls, self.window = approach, kind, n, tls, window
        self.note = ""

    def __str__(self):
        return f"{self.approach} {self.n} {self.kind}{'s' if self.n > 1 else ''}" + \
            (" wss" if self.tls else "")


def defaults(options):
    # In the first period a monitorable goes over to its own phase: few rounds are of that time.
    settle, window, script = (options.period + 1, 20, 12)
    options.small_window = 60
    if options.quick:
        settle, window, script = (2, 8, 6)
        options.small_window = 20
    if options.smoke:
        settle, window, script = (0.3, 1.5, 1.5)
        options.period, options.small_window = 1, 2
        options.n = options.n or [2]
    options.settle = settle if options.settle is None else options.settle
    if options.window is not None:
        options.small_window = options.window
    options.window = window if options.window is None else options.window
    options.script_seconds = script
    # The default names every row; what was chosen by hand is measured as it was asked for.
    options.chosen = bool(options.n or options.approach or options.kind or options.tls)


def why_not(approach, kind, n, limit):
    """Why an approach cannot hold so many, or None."""
    if kind == "validator" and n > VALIDATORS_MOST[approach]:
        return ""
    needed = DESCRIPTORS.get(approach, 0) * n + DESCRIPTORS_SPARE
    if needed > limit:
        return f"not run: needs {needed:,.0f} descriptors of {limit:,}"
    if approach in MOST and n > MOST[approach][0]:
        return "not run: " + MOST[approach][1]
    return None


def wanted_sizes(options, approach, kind, tls):
    if options.n:
        return options.n
    if options.quick and not options.chosen:
        return QUICK.get((kind, tls), {}).get(approach, [])
    if options.quick:
        return [1, 100, 1000, 10000]
    if tls:
        return TLS_SIZES if approach == "events" else []
    return SIZES if kind == "node" or approach in ("events", "floor") else SIZES[:4]


def blocks(options):
    """(kind, tls), in the order of the table."""
    made = [(kind, False) for kind in options.kind or ["node", "validator"]]
    if options.smoke and not options.kind:
        return made + [("node", True)]
    if options.tls == "only":
        return [(kind, True) for kind, _ in made]
    if options.tls == "too" or (options.tls is None and not options.chosen):
        made.append(("node", True))
    return made


def make(options, limit):
    """Groups of rows to be measured side by side, and rows that are not."""
    groups = []
    skipped = []
    for kind, tls in blocks(options):
        approaches = options.approach or (["events"] if tls else APPROACHES)
        if options.smoke and kind == "validator":
            approaches = ["events", "floor"]
        small = {}
        single = []
        for approach in approaches:
            if tls and approach == "floor":
                continue
            for n in wanted_sizes(options, approach, kind, tls):
                reason = why_not(approach, kind, n, limit)
                if reason is None and n <= SIDE_BY_SIDE:
                    small.setdefault(n, []).append(
                        Wanted(approach, kind, n, tls, options.small_window))
                elif reason is None:
                    single.append([Wanted(approach, kind, n, tls, options.window)])
                elif reason and not options.quick:
                    skipped.append({"approach": approach, "kind": kind, "n": n,
                                    "scheme": "wss" if tls else "ws", "note": reason})
        groups += [small[n] for n in sorted(small)]
        groups += pair(sorted(single, key=lambda group: group[0].n))
    return groups, skipped


def pair(groups):
    """The floor is measured in the window of `events`, as the one is told by the other: whatever
    else the machine does falls on both."""
    floors = {group[0].n: group[0] for group in groups if group[0].approach == "floor"}
    paired = [group for group in groups if group[0].approach == "events" and group[0].n in floors]
    for group in paired:
        groups.remove([floors[group[0].n]])
        group.append(floors[group[0].n])
    return groups


def is_pair(group):
    return len(group) == 2 and group[0].n > SIDE_BY_SIDE


def seconds_of(group, options):
    """About how long a group takes."""
    n = max(wanted.n for wanted in group)
    processes = sum(wanted.n for wanted in group if wanted.approach == "processes")
    start = 1 + n / 2000 + processes * 0.06 + (n / 500 if group[0].tls else 0)
    script = any(wanted.approach == "floor" for wanted in group) * (options.script_seconds + 4)
    return (start + options.period * 1.1 + options.settle + max(w.window for w in group) + 1 +
            n / 5000 + script)
