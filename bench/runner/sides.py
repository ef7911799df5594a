"""The sides of a comparison: processes that answer one line for one command (peers/peer_common.py, support/common.c) and
take turns, a short chunk each, so that whatever else the machine does falls on all of them."""
import json
import os
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(HERE)


class Absent(Exception):
    pass


def environment(threads):
    """OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE may hold BLAS below what the CPU offers."""
    e = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "WG_THREADS")}
    return {**e, "OMP_NUM_THREADS": str(threads), "PYTHONDONTWRITEBYTECODE": "1"}


def cpus(threads):
    """CPUs of different cores, where the machine says which share one."""
    by_core = {}
    for c in sorted(os.sched_getaffinity(0)):
        path = "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list" % c
        core = open(path).read().strip() if os.path.exists(path) else str(c)
        by_core.setdefault(core, []).append(c)
    first = [c[0] for c in by_core.values()]
    return set((first + [c for core in by_core.values() for c in core[1:]])[:threads])


class Side:
    """A process that answers commands."""

    def __init__(self, command, threads, env=None):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        cwd=ROOT, env={**environment(threads), **(env or {})},
                                        preexec_fn=lambda: os.sched_setaffinity(0, cpus(threads)))
        hello = self.read()
        if "absent" in hello:
            self.close()
            raise Absent(hello["absent"])
        self.name, self.info = hello["name"], hello.get("info", "")

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("bench: %s ended with status %s" % (self.process.args, self.process.wait()))
        return json.loads(line)

    def ask(self, *words):
        print(*words, file=self.process.stdin, flush=True)
        return self.read()

    def open(self, work):
        self.work = self.ask("open", work)

    def go(self, warm, steps):
        """Seconds a step."""
        answer = self.ask("go", warm, steps)
        self.allocations = answer.get("allocations")
        return answer["seconds"] / steps

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def ours(args, program, threads, env=None):
    path = os.path.join(args.build, "bench", program)
    if not os.path.exists(path):
        raise SystemExit("bench: no %s: make bench builds it" % path)
    command = [path, "--serve", "--threads", str(threads)]
    return Side(command + (["--data", args.data] if program == "bench_train" else []), threads, env)


def peers(args, threads, names=("peer_torch.py", "peer_jax.py")):
    """The peers that can be imported.  A name may have a word behind it, which the script gets instead of the folder."""
    deps = os.path.join(args.build, "bench-deps")
    own = os.path.join(deps, "bin", "python3")
    env = {"PYTHONPATH": deps} if os.path.isdir(deps) and not os.path.exists(own) else {}
    found = []
    for name in names:
        script, *more = name.split()
        try:
            python = own if os.path.exists(own) else sys.executable
            command = [python, os.path.join(HERE, "peers", script), str(threads), *(more or [args.data])]
            found.append(Side(command, threads, env))
        except Absent as e:
            print("peer absent: %s (%s)" % (name, e))
    return found


def alternate(sides, rounds, seconds, least=10):
    """rates[i][r]: steps a second of side i in round r.  The same number of steps, `least` or more, on every side."""
    probe = [s.go(2 * least, 4 * least) for s in sides]
    steps = max(least, int(seconds / max(probe)))
    rates = [[] for _ in sides]
    for r in range(rounds):
        for i in range(len(sides)):
            i = (i + r) % len(sides)
            time.sleep(0.005)  # threads that spin after a chunk of another side come to rest
            rates[i].append(1 / sides[i].go(max(min(2, least), steps // 20), steps))
    return rates


def compare(rates, names):
    """Median rates, the better peer and the median ratio, round by round, to it."""
    median = [statistics.median(r) for r in rates]
    result = {"rates": dict(zip(names, median)), "quartiles": {}, "ratio": None}
    for name, r in zip(names, rates):
        result["quartiles"][name] = statistics.quantiles(r, n=4)[::2]
    if len(median) > 1:
        best = max(range(1, len(median)), key=lambda i: median[i])
        result["best_peer"] = names[best]
        result["ratio"] = statistics.median(a / b for a, b in zip(rates[0], rates[best]))
    return result


class Calibration:
    """The FMA loop in the guise of a side: a fixed, short chunk whatever is asked."""

    def __init__(self, limit, steps):
        self.limit, self.steps, self.rates = limit, steps, []

    def go(self, warm, steps):
        self.rates.append(self.limit.work["per_step"] / self.limit.go(0, self.steps))
        return 1e-9
