"""PyTorch's side of bench/cuda/tapes.c: the same net, batches and Adam, one work a line on stdin.

    train WAY BATCH     eager, compile or graphs, with -fp32 or -tf32, and -fed for batches from host memory

The answer is the work, images/s, first and last loss; or the work and "absent: why"."""
import sys
import time

try:
    import torch
    if not torch.cuda.is_available():
        raise ImportError("torch sees no CUDA device")
except ImportError as e:
    print("absent: %s" % e, flush=True)
    sys.exit(0)

QUICK = "--quick" in sys.argv
SECONDS = 0.2
BATCHES = 8
DEVICE = torch.device("cuda", 0)


def network():
    torch.manual_seed(1)
    parts = [torch.nn.Linear(784, 512), torch.nn.ReLU(), torch.nn.Linear(512, 512), torch.nn.ReLU(),
             torch.nn.Linear(512, 10)]
    return torch.nn.Sequential(*parts).to(DEVICE)


class Work:
    """A net in training; run(i) does a step with batch i, of the host's batches if it is fed."""

    def __init__(self, way, batch):
        kind, precision, *fed = way.split("-")
        self.tf32 = {"fp32": False, "tf32": True}[precision]
        self.batch, self.fed = batch, bool(fed)
        self.image = torch.rand(BATCHES, batch, 784).pin_memory()
        self.digit = (torch.arange(BATCHES * batch) * 7 % 10).reshape(BATCHES, batch).pin_memory()
        self.x, self.y = self.image[0].to(DEVICE), self.digit[0].to(DEVICE)
        self.net = network()
        self.adam = torch.optim.Adam(self.net.parameters(), lr=1e-3, fused=True, capturable=kind == "graphs")
        self.criterion = torch.nn.CrossEntropyLoss()
        self.choose_precision()
        self.step = {"eager": self.eager, "compile": self.compiled, "graphs": self.captured}[kind]()
        self.first = self.run(1)

    def choose_precision(self):
        torch.backends.cuda.matmul.allow_tf32 = self.tf32

    def eager(self):
        def step():
            self.adam.zero_grad(set_to_none=True)
            loss = self.criterion(self.net(self.x), self.y)
            loss.backward()
            self.adam.step()
            return loss
        return step

    def compiled(self):
        forward = torch.compile(lambda x, y: self.criterion(self.net(x), y))
        update = torch.compile(self.adam.step)

        def step():
            self.adam.zero_grad(set_to_none=True)
            loss = forward(self.x, self.y)
            loss.backward()
            update()
            return loss
        return step

    def captured(self):
        """The whole step as one CUDA graph, as PyTorch's documentation does it."""
        one = self.eager()
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                one()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        self.adam.zero_grad(set_to_none=True)
        with torch.cuda.graph(graph):
            loss = one()

        def step():
            graph.replay()
            return loss
        return step

    def run(self, steps):
        """So many steps; the loss of the last one."""
        for i in range(steps):
            if self.fed:
                self.x.copy_(self.image[i % BATCHES], non_blocking=True)
                self.y.copy_(self.digit[i % BATCHES], non_blocking=True)
            loss = self.step()
        return loss.item()

    def time(self, steps):
        torch.cuda.synchronize()
        start = time.perf_counter()
        self.last = self.run(steps)
        torch.cuda.synchronize()
        return time.perf_counter() - start

    def rate(self):
        """Images a second: 3 n steps less n steps, by 2 n."""
        self.choose_precision()
        self.run(3)
        steps = 1
        while not QUICK and self.time(steps) < SECONDS / 4:
            steps *= 2
        one, three = self.time(steps), self.time(3 * steps)
        return 2 * steps * self.batch / (three - one) if three > one else 3 * steps * self.batch / three


works = {}
for line in sys.stdin:
    line = line.strip()
    try:
        if line not in works:
            name, way, batch = line.split()
            works[line] = Work(way, int(batch))
        work = works[line]
        print("%s %.9g %.6g %.6g" % (line, work.rate(), work.first, work.last), flush=True)
    except Exception as e:  # one way that fails must not take the others with it
        print("%s absent: %s" % (line, str(e).split("\n")[0][:120]), flush=True)
