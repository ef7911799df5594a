#!/usr/bin/env python3
"""Writes src/serve/json/powers.def: tools/powers.py > src/serve/json/powers.def

Row k is floor(10^k 2^(127 - e)), e = floor(log2 10^k): the 128 leading bits of
10^k as two halves.  Shortest printing needs -292..324, reading -342..308."""
FIRST, LAST, COLUMNS = -342, 324, 2


def leading(k):
    if k < 0:
        d = 10**-k
        return 2**(127 + d.bit_length()) // d
    n = 10**k
    return n << 128 >> n.bit_length()


def row(k):
    return "{0x%016x, 0x%016x}," % divmod(leading(k), 2**64)


print("/* Made by tools/powers.py.  The 128 leading bits of 10^k, k from %d to %d. */" % (FIRST, LAST))
rows = [row(k) for k in range(FIRST, LAST + 1)]
for i in range(0, len(rows), COLUMNS):
    print(" ".join(rows[i:i + COLUMNS]))
