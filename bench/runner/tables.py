"""What is printed, and written into docs/performance.md."""
import os
import platform

from runner.measure import LIMITS
from runner.sides import ROOT

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"


def table(head, rows):
    rows = [[str(c) for c in r] for r in rows]
    width = [max(len(r[i]) for r in [head] + rows) for i in range(len(head))]
    pad = lambda i, c: c.rjust(width[i]) if i else c.ljust(width[i])
    line = lambda r: "| " + " | ".join(pad(i, c) for i, c in enumerate(r)) + " |"
    rule = "|" + "|".join("-" * (w + 2) if i == 0 else "-" * (w + 1) + ":" for i, w in enumerate(width)) + "|"
    return "\n".join([line(head), rule] + [line(r) for r in rows])


def peer_names(rows):
    return [n for n in rows[0] if n != "Wengert"]


def thousands(rate):
    return "%.1fk" % (rate / 1e3)


def text_train(rows):
    names = peer_names([r["rates"] for r in rows])
    head = ["training, images/s", "threads", "Wengert", *names, "ratio to the better", "share of FMA limit"]
    body = []
    for r in rows:
        cells = ["%s (%s)" % (thousands(r["rates"][n]), r["ways"][n]) for n in names]
        body.append([r["work"], r["threads"], thousands(r["rates"]["Wengert"]), *cells,
                     "%.2f" % r["ratio"] if r["ratio"] else "peer absent", "%.0f %%" % (100 * r["share"])])
    losses = [[r["work"], r["threads"], *("%.4f" % r["losses"][n] for n in ["Wengert", *names]), r["allocations"]]
              for r in rows]
    return (table(head, body) + "\n\nLoss over the first 5000 images after those steps, and calls of malloc in the "
            "last chunk here:\n\n" + table(["loss", "threads", "Wengert", *names, "mallocs"], losses))


def text_scalar(r):
    names = peer_names([r["rates"]])
    us = lambda rate: "%.3f" % (1e6 / rate)
    head = ["z = tanh(a b + a)^2, both gradients, us a run", "Wengert", "with set and get", *names,
            "ratio to the better", "mallocs"]
    return table(head, [["one thread", us(r["rates"]["Wengert"]), us(r["with_io"]),
                         *("%s (%s)" % (us(r["rates"][n]), r["ways"][n]) for n in names),
                         "%.1f" % r["ratio"] if r["ratio"] else "peer absent", r["allocations"]]])


def text_unknown(rows):
    head = ["training on one thread, images/s", "OpenBLAS's own choice", "OPENBLAS_CORETYPE=Prescott", "ratio"]
    return table(head, [[r["work"], *map(thousands, r["rates"]), "%.2f" % r["ratio"]] for r in rows])


def text_infer(rows):
    names = peer_names([r["rates"] for r in rows])
    head = ["forward pass of an ONNX file, us", "batch", "Wengert", *names, "ratio", "first output", "mallocs"]
    same = lambda r: "%.6f" % r["losses"]["Wengert"][0] if all(
        abs(v[0] - r["losses"]["Wengert"][0]) < 1e-5 for v in r["losses"].values()) else "DIFFERS"
    return table(head, [[r["work"], r["batch"], "%.1f" % (1e6 / r["rates"]["Wengert"]),
                         *("%.1f (%s)" % (1e6 / r["rates"][n], r["ways"][n]) for n in names),
                         "%.2f" % r["ratio"] if r["ratio"] else "peer absent", same(r), r["allocations"]]
                        for r in rows])


def text_adbench(rows):
    if not rows:
        return "ADBench: no data."
    names = peer_names([r["rates"] for r in rows])
    head = ["ADBench, value and derivatives, ms", "Wengert", *names, "ratio to the best", "value", "instructions"]
    same = lambda r: "%.6g" % r["losses"]["Wengert"][0] if all(
        abs(a - b) <= 1e-9 * abs(b) for v in r["losses"].values() for a, b in zip(v, r["losses"]["Wengert"])) \
        else "DIFFERS"
    return table(head, [[r["work"], *("%.2f" % (1e3 / r["rates"][n]) for n in ["Wengert", *names]),
                         "%.2f" % r["ratio"] if r["ratio"] else "peer absent", same(r), r["instructions"]]
                        for r in rows])


def text_products(rows):
    names = peer_names([r["rates"] for r in rows])
    head = ["product M K N, order, GFLOP/s", "dtype", "Wengert", *names, "ratio", "share of FMA limit",
            "B against a copy"]
    rate = lambda r, n: "%.1f" % (1e-9 * r["rates"][n] * r["flops"])
    percent = lambda x: "" if x is None else "%.0f %%" % (100 * x)
    return table(head, [[r["shape"], r["dtype"], *(rate(r, n) for n in ["Wengert", *names]),
                         "%.2f" % r["ratio"] if r["ratio"] else "peer absent", percent(r["share"]), percent(r["bytes"])]
                        for r in rows])


def text_compile(rows):
    head = ["chain of h = tanh(h + x), nodes", "build s", "gradient s", "compile s", "ns a node", "run s",
            "instructions", "peak RSS MiB"]
    return table(head, [[r["nodes"], *("%.4f" % r[k] for k in ("build", "grad", "compile")), "%.0f" % r["ns_per_node"],
                         "%.4f" % r["run"], r["instructions"], "%.0f" % (r["kib"] / 1024)] for r in rows])


def text_memory(rows):
    names = list(rows[0]["kib"])
    head = ["memory", "planned KiB", "sum of all values KiB", *("%s, peak RSS MiB" % n for n in names)]
    return table(head, [[r["work"], "%.0f" % (r["planned"] / 1024), "%.0f" % (r["values"] / 1024),
                         *("%.0f" % (r["kib"][n] / 1024) for n in names)] for r in rows])


def text_limits(by_threads):
    way = next(iter(by_threads.values()))["way"]
    head = ["limits of the machine (%s)" % way, *("%s thread%s" % (t, "s" * (t > 1)) for t in by_threads)]
    return table(head, [["%s, %s" % (name, unit), *("%.0f" % (r[work] / 1e9) for r in by_threads.values())]
                        for work, name, unit in LIMITS])


def cpu_model():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.processor() or platform.machine()


def text(result):
    texts = {"train": text_train, "unknown": text_unknown, "products": text_products, "infer": text_infer,
             "adbench": text_adbench, "scalar": text_scalar, "compile": text_compile, "memory": text_memory,
             "limits": text_limits}
    machine = "%s, %d CPUs, %s, %s." % (result["cpu"], result["cpus"], platform.system(), result["date"])
    parts = [machine, "```\n%s\n```" % result["info"].strip()]
    for name, f in texts.items():
        if name in result:
            parts.append(f(result[name]))
    return "\n\n".join(parts)


def write_doc(body):
    path = os.path.join(ROOT, "docs", "performance.md")
    old = open(path).read()
    before, rest = old.split(BEGIN)
    open(path, "w").write(before + BEGIN + "\n" + body + "\n" + END + rest.split(END)[1])
