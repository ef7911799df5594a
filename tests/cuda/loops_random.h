/* loops_random.h - loops of every kind, drawn at random, with their operands. */
#ifndef WENGERT_TEST_LOOPS_RANDOM_H
#define WENGERT_TEST_LOOPS_RANDOM_H

struct sample {
    wg__loop      cpu;
    wg__loop_room room;
    wg__cuda_loop gpu;
    double        a[WG__CUDA_STEPS];
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
    int n = s.gpu.inputs + s.gpu.registers + s.gpu.outputs, first = below(n);
    for (int i = 0; i < n; i++)
        if (s.type[(first + i) % n] == t) return (first + i) % n;
    return -1;
}

static bool random_step(sample &s, int i, int y)
{
    const row &r = rows[below(ROWS)];
    int        n = s.gpu.inputs + s.gpu.registers + s.gpu.outputs, slot = below(n), t = s.type[slot];
    if (t < 0 || !(r.dtypes & WG_BIT(t)) || (s.exact && !exact(r))) return false;
    int            x[3] = {slot, slot_of(s, t), slot_of(s, t)}, to = r.test ? WG_BOOL : t;
    wg__cuda_step &g = s.gpu.step[i];
    wg__step      &c = s.room.step[i];
    if (r.arity == 3 && (x[0] = slot_of(s, WG_BOOL)) < 0) return false;
    if (!strcmp(r.name, "cast")) to = below(WG_DTYPES);
    s.a[i] = 0.1 * below(20) - 1;
    g.op = r.name;
    g.a = r.parameter ? s.a[i] : 0;
    g.n = c.n = (uint8_t)r.arity;
    g.y = c.y = (uint8_t)y;
    for (int k = 0; k < 3; k++) g.x[k] = c.x[k] = (uint8_t)x[k];
    g.from = (uint8_t)t;
    g.to = (uint8_t)to;
    wg_dtype types[3] = {(wg_dtype)s.type[x[0]], (wg_dtype)t, (wg_dtype)t};
    c.block = op_of(r.name)->block(r.arity, types, (wg_dtype)to);
    c.attr = &s.a[i];
    s.type[y] = to;
    return c.block != NULL;
}

static void random_tail(sample &s, const wg_shape &domain)
{
    int n = s.gpu.inputs + s.gpu.registers + s.gpu.outputs, from = below(domain.rank + 1);
    int to = from + below(domain.rank + 1 - from), t;
    do s.gpu.tail_slot = below(n);
    while ((t = s.type[s.gpu.tail_slot]) < 0 || t > WG_I64);
    s.gpu.tail = below(4);
    s.gpu.tail_dtype = t;
    s.gpu.outer = s.gpu.reduced = s.gpu.inner = 1;
    for (int d = 0; d < domain.rank; d++)
        (d < from ? s.gpu.outer : d <= to ? s.gpu.reduced : s.gpu.inner) *= domain.dim[d];
}

/* The domain and strides as the CPU merges them. */
static void share_domain(sample &s, const wg_shape &domain, const wg_shape *shape)
{
    const wg_shape *shapes[WG__CUDA_INPUTS];
    for (int i = 0; i < s.gpu.inputs; i++) shapes[i] = &shape[i];
    wg__loop_domain(&s.cpu, &domain, shapes, false);
    s.gpu.rank = s.cpu.rank;
    memcpy(s.gpu.dim, s.cpu.dim, sizeof s.gpu.dim);
    for (int i = 0; i < s.gpu.inputs; i++) memcpy(s.gpu.in[i].stride, s.room.in[i].stride, sizeof s.gpu.in[i].stride);
}

static void random_loop(sample &s, bool is_exact)
{
    bool     tail = below(2);
    wg_shape domain = random_domain(tail), shape[WG__CUDA_INPUTS];
    memset(&s.cpu, 0, sizeof s.cpu);
    memset(&s.gpu, 0, sizeof s.gpu);
    wg__loop_use(&s.cpu, &s.room);
    s.exact = is_exact;
    s.gpu.inputs = s.cpu.inputs = 1 + below(below(3) ? 4 : 16);
    s.gpu.steps = s.cpu.steps = (tail && below(4) == 0 ? 0 : 1 + below(below(2) ? 6 : 32));
    int most = s.gpu.steps < WG__CUDA_OUTPUTS ? s.gpu.steps : WG__CUDA_OUTPUTS, outputs = most ? 1 + below(most) : 0;
    s.gpu.outputs = s.cpu.outputs = outputs;
    s.gpu.registers = s.cpu.registers = s.gpu.steps - outputs;
    for (int &t : s.type) t = -1;
    for (int i = 0; i < s.gpu.inputs; i++) {
        int t = i == 0 ? below(4) : below(WG_DTYPES);
        if (below(2)) t = WG_F32;
        s.type[i] = s.gpu.in[i].dtype = (uint8_t)t;
        shape[i] = random_operand(domain);
        s.room.in[i].size = wg_dtype_size((wg_dtype)t);
        s.in[i].assign(size_of(shape[i], t), 0);
        fill(s.in[i], t, tail);
    }
    share_domain(s, domain, shape);
    for (int i = 0, r = 0, o = 0; i < s.gpu.steps; i++) {
        bool output = o < outputs && (r == s.gpu.registers || below(2));
        int  y = s.gpu.inputs + (output ? s.gpu.registers + o : r);
        while (!random_step(s, i, y)) continue;
        (output ? o : r)++;
        if (output) s.gpu.out[o - 1].dtype = s.gpu.step[i].to;
        if (output) s.room.out[o - 1].size = wg_dtype_size((wg_dtype)s.gpu.step[i].to);
    }
    s.gpu.tail = s.cpu.tail = -1;
    if (tail) random_tail(s, domain);
    s.cpu.tail = s.gpu.tail;
    s.cpu.tail_slot = s.gpu.tail_slot;
    s.cpu.tail_dtype = (wg_dtype)s.gpu.tail_dtype;
    s.cpu.outer = s.gpu.outer;
    s.cpu.reduced = s.gpu.reduced;
    s.cpu.inner = s.gpu.inner;
}

#endif
