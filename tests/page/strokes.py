"""A digit's pixels as the strokes of a pen."""
import gzip

SIDE = 28
AROUND = [(0, -1), (1, -1), (1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1)]  # clockwise from above


def read_idx(path):
    with gzip.open(path) as f:
        data = f.read()
    rank = data[3]
    return data[4 + 4 * rank:]


def inked(pixels):
    return {(i % SIDE, i // SIDE) for i, v in enumerate(pixels) if v > 100}


def thin(ink):
    """The lines in the middle of the ink (Zhang & Suen 1984)."""
    ink = set(ink)
    changed = True
    while changed:
        changed = False
        for step in (0, 1):
            gone = set()
            for x, y in ink:
                p = [(x + dx, y + dy) in ink for dx, dy in AROUND]
                rises = sum(not p[i] and p[(i + 1) % 8] for i in range(8))
                up, right, below, left = p[0], p[2], p[4], p[6]
                a = up and right and below if step == 0 else up and right and left
                b = right and below and left if step == 0 else up and below and left
                if 2 <= sum(p) <= 6 and rises == 1 and not a and not b:
                    gone.add((x, y))
            ink -= gone
            changed = changed or bool(gone)
    return ink


def inner_rows(ink):
    """Where ink is thicker than a pen: runs of pixels with ink on all four sides."""
    inner = {(x, y) for x, y in ink if {(x - 1, y), (x + 1, y), (x, y - 1), (x, y + 1)} <= ink}
    for x, y in sorted(inner, key=lambda p: p[::-1]):
        if (x - 1, y) not in inner:
            end = x
            while (end + 1, y) in inner:
                end += 1
            yield [(x, y), (end, y)]


def strokes(pixels):
    """Lists of points in 0..1: the thin lines, each pair of neighbours once, then what is thick."""
    ink = thin(inked(pixels))
    pairs = {frozenset((p, (p[0] + dx, p[1] + dy))) for p in ink for dx, dy in AROUND if (p[0] + dx, p[1] + dy) in ink}
    drawn, lines = set(), []
    ends = sorted(ink, key=lambda p: (sum(frozenset((p, (p[0] + dx, p[1] + dy))) in pairs for dx, dy in AROUND), p))
    for start in ends:
        while True:
            line = [start]
            while True:
                x, y = line[-1]
                steps = [(x + dx, y + dy) for dx, dy in AROUND]
                steps = [q for q in steps if frozenset((line[-1], q)) in pairs - drawn]
                if not steps:
                    break
                drawn.add(frozenset((line[-1], steps[0])))
                line.append(steps[0])
            if len(line) == 1 and any(start in l for l in lines):
                break
            lines.append(line)
            if len(line) == 1:
                break
    lines += inner_rows(inked(pixels))
    return [[((x + 0.5) / SIDE, (y + 0.5) / SIDE) for x, y in line] for line in lines]
