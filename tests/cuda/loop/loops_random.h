/* loops_random.h - loops of every kind, drawn at random, with their operands. */
#ifndef WENGERT_TEST_LOOPS_RANDOM_H
#define WENGERT_TEST_LOOPS_RANDOM_H

struct sample {
    wg__loop      cpu;
    wg__loop_room room;
    wg__cuda_loop gpu;
    double        a[WG__CUDA_STEPS];
    wg_dtype      cast[WG__CUDA_STEPS];
    bytes         in[WG__CUDA_INPUTS];
    bool          exact;
    int           type[WG__LOOP_SLOTS]; /* dtype of each slot, -1: not yet */
};
struct result {
    bytes out[WG__CUDA_OUTPUTS], tail;
};

static wg_shape random_domain(bool tail)
{
    static const int64_t dims[] = {1, 2, 3, 4, 5, 7, 8, 12, 16, 33, 64, 100, 0}, longs[] = {1500, 5000, 9000, 20000};
    int64_t              dim[4], count = 1;
    int                  rank = 1 + below(4), big = tail && below(3) == 0 ? below(rank) : -1;
    for (int d = 0; d < rank; d++) {
        dim[d] = d == big ? longs[below(4)] : dims[below(below(8) ? 12 : 13)];
        while (dim[d] > 1 && count * dim[d] > (big >= 0 ? 60000 : 8000)) dim[d] = (dim[d] + 1) / 2;
        count *= dim[d];
    }
    return wg_shape_make(rank, dim);
}

static wg_shape random_operand(const wg_shape &domain)
{
    int     kind = below(4), drop = kind == 1 ? below(domain.rank + 1) : 0;
    int64_t dim[WG_MAX_RANK];
    for (int d = drop; d < domain.rank; d++)
        dim[d - drop] = kind == 0 || (kind > 1 && d && below(2)) ? domain.dim[d] : kind == 1 ? domain.dim[d] : 1;
    return wg_shape_make(domain.rank - drop, dim);
}

/* A slot whose dtype is t; -1: none. */
static int slot_of(const sample &s, int t)
{
    int n = s.cpu.inputs + s.cpu.registers + s.cpu.outputs, first = below(n);
    for (int i = 0; i < n; i++)
        if (s.type[(first + i) % n] == t) return (first + i) % n;
    return -1;
}

static bool random_step(sample &s, int i, int y)
{
    const row &r = rows[below(ROWS)];
    int        n = s.cpu.inputs + s.cpu.registers + s.cpu.outputs, slot = below(n), t = s.type[slot];
    if (t < 0 || !(r.dtypes & WG_DTYPE_BIT(t)) || (s.exact && !exact(r))) return false;
    int       x[3] = {slot, slot_of(s, t), slot_of(s, t)}, to = r.test ? WG_BOOL : t;
    wg__step &c = s.room.step[i];
    if (r.arity == 3 && (x[0] = slot_of(s, WG_BOOL)) < 0) return false;
    if (!strcmp(r.name, "cast")) to = below(WG_DTYPES);
    s.a[i] = 0.1 * below(20) - 1;
    s.cast[i] = (wg_dtype)to;
    c = {};
    c.op = op_of(r.name);
    c.attr = c.op == op_of("cast") ? (const void *)&s.cast[i] : &s.a[i];
    c.n = (uint8_t)r.arity;
    c.y = (uint8_t)y;
    c.to = (uint8_t)to;
    for (int k = 0; k < 3; k++) c.x[k] = (uint8_t)x[k];
    for (int k = 0; k < 3; k++) c.from[k] = (uint8_t)s.type[x[k]];
    s.type[y] = to;
    return true;
}

static void random_tail(sample &s, const wg_shape &domain)
{
    int n = s.cpu.inputs + s.cpu.registers + s.cpu.outputs, from = below(domain.rank + 1);
    int to = from + below(domain.rank + 1 - from), t;
    do s.cpu.tail_slot = below(n);
    while ((t = s.type[s.cpu.tail_slot]) < 0 || t > WG_I64);
    s.cpu.tail = below(4);
    s.cpu.tail_dtype = (wg_dtype)t;
    s.cpu.outer = s.cpu.reduced = s.cpu.inner = 1;
    for (int d = 0; d < domain.rank; d++)
        (d < from ? s.cpu.outer : d <= to ? s.cpu.reduced : s.cpu.inner) *= domain.dim[d];
}

/* The steps: outputs and registers in any order, most of the registers more than once. */
static void random_steps(sample &s)
{
    int done = 0;
    for (int i = 0; i < s.cpu.steps; i++) {
        bool output = done < s.cpu.outputs && (s.cpu.steps - i == s.cpu.outputs - done || below(2));
        int  y = s.cpu.inputs + (output ? s.cpu.registers + done : below(s.cpu.registers));
        while (!random_step(s, i, y)) continue;
        if (output) s.room.out[done++].dtype = (wg_dtype)s.room.step[i].to;
    }
}

static void random_loop(sample &s, bool is_exact)
{
    bool            tail = below(2);
    wg_shape        domain = random_domain(tail), shape[WG__CUDA_INPUTS];
    const wg_shape *shapes[WG__CUDA_INPUTS];
    memset(&s.cpu, 0, sizeof s.cpu);
    wg__loop_use(&s.cpu, &s.room);
    s.exact = is_exact;
    s.cpu.inputs = 1 + below(below(3) ? 4 : 16);
    s.cpu.steps = (tail && below(4) == 0 ? 0 : 1 + below(below(2) ? 6 : 32));
    int most = s.cpu.steps < WG__CUDA_OUTPUTS ? s.cpu.steps : WG__CUDA_OUTPUTS;
    s.cpu.outputs = most ? 1 + below(most) : 0;
    s.cpu.registers = s.cpu.steps - s.cpu.outputs;
    if (s.cpu.registers > 1) s.cpu.registers -= below(s.cpu.registers);
    for (int &t : s.type) t = -1;
    for (int i = 0; i < s.cpu.inputs; i++) {
        int t = i == 0 ? below(4) : below(WG_DTYPES);
        if (below(2)) t = WG_F32;
        s.type[i] = t;
        s.room.in[i].dtype = (wg_dtype)t;
        shape[i] = random_operand(domain);
        shapes[i] = &shape[i];
        s.in[i].assign(size_of(shape[i], t), 0);
        fill(s.in[i], t, tail);
    }
    wg__loop_domain(&s.cpu, &domain, shapes, false);
    random_steps(s);
    s.cpu.tail = -1;
    if (tail) random_tail(s, domain);
    wg__cuda_translate(&s.cpu, &s.gpu);
}

#endif
