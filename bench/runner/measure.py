"""What is measured."""
import json
import os
import statistics
import subprocess
import tempfile

from runner.sides import ROOT, Calibration, alternate, compare, environment, ours, peers

WORKS = [((784, 128, 10), 64, "sgd", 0.1), ((784, 128, 10), 64, "adam", 0.001), ((784, 500, 10), 100, "sgd", 0.1),
         ((784, 512, 512, 10), 128, "sgd", 0.1), ((784, 512, 512, 10), 128, "adam", 0.001)]
MEMORY = (WORKS[1], WORKS[4])
MODELS = (("784-128-10", "small.onnx"), ("784-512-512-10", "mlp.onnx"))  # of bench_models
BATCHES = (1, 8, 32, 256)
ADBENCH = [("GMM " + s, "gmm", "gmm/gmm_%s.txt" % s) for s in ("d2_K200", "d10_K25", "d20_K50", "d64_K50")] + \
          [("LSTM " + s, "lstm", "lstm/lstm_%s.txt" % s) for s in ("l2_c1024", "l4_c1024")] + \
          [("BA 1", "ba", "ba/ba1_n49_m7776_p31843.txt")]
# M, K, N and how the operands lie, of C[M,N] = A[M,K] B[K,N]: the layers of a net and their gradients, squares, rows of
# 4 KiB, few rows, narrow heads.
PRODUCTS = ("64 784 128 nn", "128 784 512 nn", "128 512 512 nn", "784 128 512 tn", "128 512 784 nt", "256 256 256 nn",
            "512 512 512 nn", "1024 1024 1024 nn", "4096 784 512 nn", "8 512 512 nn", "4 1536 128 nt", "1 784 512 nn",
            "1 784 512 nt", "1 2048 2048 nn", "1 2048 2048 nt", "128 512 10 nn", "128 512 10 nt", "512 128 10 tn")
LIMITS = (("fma", "FMA f32", "GFLOP/s"), ("copy 262144", "memcpy, 256 KiB", "GB/s"),
          ("update 262144", "y += a x, 256 KiB", "GB/s"), ("copy 4194304", "memcpy, 4 MiB", "GB/s"),
          ("update 4194304", "y += a x, 4 MiB", "GB/s"), ("copy 67108864", "memcpy, 64 MiB", "GB/s"),
          ("update 67108864", "y += a x, 64 MiB", "GB/s"))


def flops(layers):
    """Of one image in training: forward, dW and dX, but no dX of the first layer."""
    pairs = [a * b for a, b in zip(layers, layers[1:])]
    return 2 * (3 * sum(pairs) - pairs[0])


def words(work):
    layers, batch, solver, rate = work
    return "mlp %s %d %s %g" % (",".join(map(str, layers)), batch, solver, rate)


def title(work):
    layers, batch, solver, _ = work
    return "%s, batch %d, %s" % ("-".join(map(str, layers)), batch, {"sgd": "SGD", "adam": "Adam"}[solver])


def train(args, threads):
    sides = [ours(args, "bench_train", threads)] + peers(args, threads)
    limit = ours(args, "bench_limits", threads)
    limit.open("fma")
    rows = []
    for work in WORKS:
        for s in sides:
            s.open(words(work))
        fma_steps = max(1, int(0.01 * 1e11 / limit.work["per_step"]))
        fma = Calibration(limit, fma_steps)
        rates = alternate(sides + [fma], args.rounds, args.chunk)
        row = compare([[r * work[1] for r in rate] for rate in rates[:-1]], [s.name for s in sides])
        peak = statistics.median(fma.rates)
        row.update(work=title(work), threads=threads, fma=peak, flops=flops(work[0]),
                   ways={s.name: s.work["way"] for s in sides}, losses={s.name: s.ask("loss")["loss"] for s in sides},
                   share=row["rates"][sides[0].name] * flops(work[0]) / peak, allocations=sides[0].allocations,
                   instructions=sides[0].work["instructions"])
        rows.append(row)
        print("  %s: %s" % (row["work"], ", ".join("%s %.0f" % r for r in row["rates"].items())), flush=True)
    for s in sides + [limit]:
        s.close()
    return rows


def scalar(args):
    sides = [ours(args, "bench_scalar", 1)] + peers(args, 1)
    with_io = ours(args, "bench_scalar", 1)
    for s in sides:
        s.open("scalar")
    with_io.open("scalar-io")
    rates = alternate(sides + [with_io], args.rounds, args.chunk / 3)
    row = compare(rates[:-1], [s.name for s in sides])
    row.update(with_io=statistics.median(rates[-1]), allocations=max(sides[0].allocations, with_io.allocations),
               ways={s.name: s.work["way"] for s in sides}, losses={s.name: s.ask("loss")["loss"] for s in sides})
    for s in sides + [with_io]:
        s.close()
    return row


def unknown(args):
    """This library with OpenBLAS's kernels for SSE3, which it takes for a CPU that it does not know, and with its own
    choice: on one thread."""
    sides = [ours(args, "bench_train", 1), ours(args, "bench_train", 1, {"OPENBLAS_CORETYPE": "Prescott"})]
    rows = []
    for work in WORKS:
        for s in sides:
            s.open(words(work))
        rates = alternate(sides, args.rounds, args.chunk)
        rows.append({"work": title(work), "rates": [statistics.median(r) * work[1] for r in rates],
                     "ratio": statistics.median(b / a for a, b in zip(*rates))})
        print("  %s: %.2f" % (rows[-1]["work"], rows[-1]["ratio"]), flush=True)
    for s in sides:
        s.close()
    return rows


def infer(args):
    """On one thread; inputs lie where they are read, on every side."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([os.path.join(args.build, "bench", "bench_models"), folder], check=True)
        sides = [ours(args, "bench_onnx", 1)] + peers(args, 1, ("peer_onnxruntime.py",))
        for net, file in MODELS:
            for batch in BATCHES:
                path = os.path.join(folder, file)
                sides[0].open("%s %d" % (path, batch))
                for s in sides[1:]:
                    s.open("onnx %s %d" % (path, batch))
                row = compare(alternate(sides, args.rounds, args.chunk / 3), [s.name for s in sides])
                row.update(work=net, batch=batch, ways={s.name: s.work["way"] for s in sides},
                           losses={s.name: s.ask("loss")["loss"] for s in sides}, allocations=sides[0].allocations)
                rows.append(row)
                print("  %s, batch %d: %s" % (net, batch, ", ".join("%s %.1f us" % (n, 1e6 / r)
                                                                    for n, r in row["rates"].items())), flush=True)
        for s in sides:
            s.close()
    return rows


def adbench(args):
    """Gradients and Jacobians in f64, on one thread; peers compile before the clock starts."""
    folder = os.path.abspath(args.adbench or os.path.join(ROOT, "..", "shared", "data", "adbench"))
    if not os.path.isdir(folder):
        print("adbench: no data; give the folder of ADBench's data with --adbench")
        return []
    rows, names = [], ("adbench_torch.py eager", "adbench_torch.py compiled", "adbench_jax.py jit")
    sides = [ours(args, "bench_adbench", 1)] + peers(args, 1, names)
    for title_, kind, file in ADBENCH:
        for s in sides:
            s.open("%s %s" % (kind, os.path.join(folder, file)))
        row = compare(alternate(sides, args.rounds, args.chunk, 1), [s.name for s in sides])
        row.update(work=title_, losses={s.name: s.ask("loss")["loss"] for s in sides},
                   instructions=sides[0].work["instructions"], allocations=sides[0].allocations)
        rows.append(row)
        print("  %s: %s" % (title_, ", ".join("%s %.2f ms" % (n, 1e3 / r) for n, r in row["rates"].items())), flush=True)
    for s in sides:
        s.close()
    return rows


def products(args):
    """On one thread.  The limit is the FMA loop; of one row of A also a copy as large as B, read and written."""
    sides = [ours(args, "bench_product", 1)] + peers(args, 1, ("peer_torch.py",))
    limit, copy, rows = ours(args, "bench_limits", 1), ours(args, "bench_limits", 1), []
    limit.open("fma")
    for shape in PRODUCTS:
        m, k, n = map(int, shape.split()[:3])
        for dtype, size in (("f32", 4), ("f64", 8)):
            for s in sides:
                s.open("%s %s" % (dtype, shape))
            b = k * n * size
            copy.open("copy %d" % b)
            bounds = [Calibration(limit, max(1, int(5e8 / limit.work["per_step"]))),
                      Calibration(copy, max(1, int(2e8 / copy.work["per_step"])))]
            rates = alternate(sides + bounds, args.rounds, args.chunk / 3)
            row = compare(rates[:len(sides)], [s.name for s in sides])
            own = row["rates"][sides[0].name]
            row.update(shape=shape, dtype=dtype, flops=2 * m * k * n, losses=[s.ask("loss")["loss"] for s in sides],
                       share=own * 2 * m * k * n / statistics.median(bounds[0].rates) * size / 4,
                       bytes=own * b / statistics.median(bounds[1].rates) if m == 1 else None)
            rows.append(row)
            times = ", ".join("%s %.1f us" % (name, 1e6 / r) for name, r in row["rates"].items())
            print("  %s %s: %s" % (dtype, shape, times), flush=True)
    for s in sides + [limit, copy]:
        s.close()
    return rows


def memory(args):
    """Every side is a fresh process, on one thread; the peers in a way that needs little memory."""
    rows = []
    for work in MEMORY:
        row = {"work": title(work), "kib": {}}
        for s in [ours(args, "bench_train", 1)] + peers(args, 1):
            s.open(words(work) + {"P": " default", "J": " jit_gather"}.get(s.name[0], ""))
            s.go(0, 100)
            row["kib"][s.name] = s.ask("rss")["kib"]
            row.update({k: s.work[k] for k in ("planned", "values") if k in s.work})
            s.close()
        rows.append(row)
    return rows


def compile_times(args):
    sizes = ["6000", "10000", "100000"] + ([] if args.quick else ["1000000"])
    out = subprocess.run([os.path.join(args.build, "bench", "bench_compile"), *sizes], cwd=ROOT, check=True,
                         stdout=subprocess.PIPE, text=True, env=environment(1)).stdout
    return [json.loads(line) for line in out.splitlines()]


def limits(args, threads):
    side, row = ours(args, "bench_limits", threads), {}
    for work, _, _ in LIMITS:
        side.open(work)
        row["way"] = side.work["way"]
        steps = max(1, int(2e8 / side.work["per_step"]))
        row[work] = statistics.median(side.work["per_step"] / side.go(1, steps) for _ in range(9))
    side.close()
    return row
