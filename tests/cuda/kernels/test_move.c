/* Operators that move elements, and random numbers, on the device against the
 * CPU: bit for bit, aligned and not. */
#include "structured.h"

/* ---- The structs of attributes are those of src/ops ---- */

static const struct row {
    const wg_op  *op;
    const char   *name;
    wg_field_type type;
    size_t        offset, size;
} fields[] = {
#define ROW(op, s, member, type, name)                                                                             \
    {                                                                                                              \
        &wg_op_##op, name, WG_FIELD_##type, offsetof(struct wg__##s##_attr, member), sizeof(struct wg__##s##_attr) \
    }
    ROW(sum, reduce, axes, AXES, "axes"),
    ROW(sum, reduce, keep, FLAG, "keep"),
    ROW(prod, reduce, axes, AXES, "axes"),
    ROW(prod, reduce, keep, FLAG, "keep"),
    ROW(max, reduce, axes, AXES, "axes"),
    ROW(max, reduce, keep, FLAG, "keep"),
    ROW(min, reduce, axes, AXES, "axes"),
    ROW(min, reduce, keep, FLAG, "keep"),
    ROW(logsumexp, reduce, axes, AXES, "axes"),
    ROW(logsumexp, reduce, keep, FLAG, "keep"),
    ROW(max_with_index, reduce, axes, AXES, "axes"),
    ROW(max_with_index, reduce, keep, FLAG, "keep"),
    ROW(moments, reduce, axes, AXES, "axes"),
    ROW(moments, reduce, keep, FLAG, "keep"),
    ROW(top_k, top_k, axis, INT, "axis"),
    ROW(top_k, top_k, k, I64, "k"),
    ROW(top_k, top_k, smallest, FLAG, "smallest"),
    ROW(split, split, axis, INT, "axis"),
    ROW(split, split, size, LONGS, "size"),
    ROW(argmax, argmax, axis, INT, "axis"),
    ROW(argmax, argmax, keep, FLAG, "keep"),
    ROW(softmax, axis, axis, INT, "axis"),
    ROW(log_softmax, axis, axis, INT, "axis"),
    ROW(gather, axis, axis, INT, "axis"),
    ROW(concat, axis, axis, INT, "axis"),
    ROW(one_hot_index, one_hot_index, size, SHAPE, "size"),
    ROW(scatter_add, scatter_add, axis, INT, "axis"),
    ROW(scatter_add, scatter_add, to, SHAPE, "to"),
    ROW(transpose, transpose, perm, AXES, "perm"),
    ROW(slice, slice, axis, INT, "axis"),
    ROW(slice, slice, range, SHAPE, "range"),
    ROW(slice, slice, step, I64, "step"),
    ROW(pad, pad, before, SHAPE, "before"),
    ROW(pad, pad, stride, LIST, "stride"),
    ROW(pad, pad, to, SHAPE, "to"),
    ROW(pad, pad, value, REAL, "value"),
    ROW(size, size, axes, AXES, "axes"),
    ROW(iota, iota, shape, SHAPE, "shape"),
    ROW(uniform, random, shape, SHAPE, "shape"),
    ROW(uniform, random, dtype, DTYPE, "dtype"),
    ROW(uniform, random, stream, STREAM, "stream"),
    ROW(uniform, random, a, REAL, "lo"),
    ROW(uniform, random, b, REAL, "hi"),
    ROW(normal, random, shape, SHAPE, "shape"),
    ROW(normal, random, dtype, DTYPE, "dtype"),
    ROW(normal, random, stream, STREAM, "stream"),
    ROW(normal, random, a, REAL, "mean"),
    ROW(normal, random, b, REAL, "sd"),
    ROW(dropout_mask, random, shape, SHAPE, "shape"),
    ROW(dropout_mask, random, dtype, DTYPE, "dtype"),
    ROW(dropout_mask, random, stream, STREAM, "stream"),
    ROW(dropout_mask, random, a, REAL, "p"),
#undef ROW
};

static void attributes_agree(void)
{
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        const struct row *r = &fields[i];
        bool              found = false;
        for (const wg_field *f = r->op->fields; f->name; f++)
            found = found || (strcmp(f->name, r->name) == 0 && f->type == r->type && f->offset == r->offset);
        EXPECT(found, "%s of %s", r->name, r->op->name);
        EXPECT(r->op->attr_size == r->size, "size of %s", r->op->name);
    }
}

/* ---- One operand ---- */

/* x of the shape in each dtype, aligned and one element off. */
static void check_bits(const wg_op *op, wg_shape s, const void *attr)
{
    uint64_t seed = 1;
    char     what[96];
    for (int t = 0; t < WG_DTYPES; t++) {
        wg_tensor x = random_tensor((wg_dtype)t, s, 0, t == WG_BOOL ? 2 : 100, &seed);
        for (int shift = 0; shift < 2; shift++) {
            struct outcome o = run_both(op, 1, &x, attr, (struct run_how){.shift = shift});
            expect_bits(case_name(op, &x, what, sizeof what), &o);
            outcome_free(&o);
        }
        free(x.data);
    }
}

static void transpose(void)
{
    static const struct {
        wg_shape s;
        wg_axes  perm;
    } all[] = {
        {{2, {3, 5}}, {.n = -1}},
        {{2, {64, 96}}, {.n = 2, .axis = {1, 0}}},
        {{2, {33, 70}}, {.n = 2, .axis = {-1, -2}}},
        {{2, {4, 1000}}, {.n = -1}},
        {{3, {3, 40, 50}}, {.n = 3, .axis = {0, 2, 1}}},
        {{3, {30, 4, 50}}, {.n = 3, .axis = {1, 0, 2}}},
        {{3, {30, 4, 52}}, {.n = 3, .axis = {2, 1, 0}}},
        {{4, {2, 10, 9, 16}}, {.n = 4, .axis = {0, 2, 1, 3}}},
        {{4, {2, 3, 4, 35}}, {.n = 4, .axis = {0, 3, 1, 2}}},
        {{4, {2, 35, 4, 5}}, {.n = 4, .axis = {2, 3, 0, 1}}},
        {{8, {2, 3, 2, 3, 2, 3, 2, 3}}, {.n = -1}},
        {{8, {2, 9, 2, 1, 3, 2, 2, 9}}, {.n = 8, .axis = {7, 3, 2, 6, 0, 5, 4, 1}}},
        {{0, {0}}, {.n = 0}},
        {{3, {1, 7, 1}}, {.n = -1}},
        {{3, {4, 0, 3}}, {.n = -1}},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        check_bits(&wg_op_transpose, all[i].s, &(struct wg__transpose_attr){all[i].perm});
}

static void slice(void)
{
    static const struct {
        wg_shape              s;
        struct wg__slice_attr a;
    } all[] = {
        {{1, {10}}, {0, {2, {2, 5}}, 1}},
        {{1, {10}}, {0, {2, {1, 4}}, 2}},
        {{1, {10}}, {0, {2, {0, 10}}, -1}},
        {{1, {10}}, {0, {2, {1, 3}}, -4}},
        {{1, {10}}, {0, {2, {7, 1}}, -1000}},
        {{1, {10}}, {0, {2, {4, 0}}, 1}},
        {{3, {5, 9, 16}}, {1, {2, {2, 4}}, 2}},
        {{3, {5, 9, 16}}, {-2, {2, {0, 9}}, -1}},
        {{3, {5, 9, 16}}, {2, {2, {4, 8}}, 1}},
        {{3, {5, 9, 16}}, {2, {2, {3, 5}}, -2}},
        {{3, {5, 9, 16}}, {0, {2, {1, 2}}, 3}},
        {{3, {5, 9, 0}}, {0, {2, {1, 2}}, 3}},
        {{4, {3, 1, 100, 7}}, {2, {2, {1, 33}}, 3}},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) check_bits(&wg_op_slice, all[i].s, &all[i].a);
}

static void pad(void)
{
    static const struct {
        wg_shape            s;
        struct wg__pad_attr a;
    } all[] = {
        {{1, {5}}, {{1, {2}}, {1, {1}}, {1, {10}}, 1.5}},
        {{1, {5}}, {{1, {1}}, {1, {3}}, {1, {17}}, -1}},
        {{1, {0}}, {{1, {1}}, {1, {3}}, {1, {17}}, 7}},
        {{1, {1}}, {{1, {16}}, {1, {3000}}, {1, {17}}, 7}},
        {{2, {5, 16}}, {{2, {1, 0}}, {2, {1, 1}}, {2, {8, 16}}, 3e9}},
        {{2, {5, 16}}, {{2, {1, 4}}, {2, {2, 1}}, {2, {12, 32}}, 1000}},
        {{2, {5, 16}}, {{2, {0, 4}}, {2, {1, 2}}, {2, {5, 35}}, 0}},
        {{3, {5, 3, 4}}, {{3, {0, 2, 0}}, {3, {1, 1, 1}}, {3, {5, 9, 4}}, NAN}},
        {{3, {5, 3, 4}}, {{3, {2, 2, 1}}, {3, {2, 3, 4}}, {3, {11, 9, 20}}, -INFINITY}},
        {{0, {0}}, {{0, {0}}, {0, {0}}, {0, {0}}, 2}},
        {{2, {5, 0}}, {{2, {0, 0}}, {2, {1, 1}}, {2, {5, 0}}, 2}},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) check_bits(&wg_op_pad, all[i].s, &all[i].a);
}

static void expand(void)
{
    static const wg_shape pair[][2] = {
        {{0, {0}}, {3, {4, 5, 6}}},
        {{1, {6}}, {3, {4, 5, 6}}},
        {{3, {4, 1, 6}}, {3, {4, 5, 6}}},
        {{2, {5, 1}}, {3, {4, 5, 16}}},
        {{3, {4, 5, 6}}, {3, {4, 5, 6}}},
        {{1, {1}}, {2, {0, 3}}},
        {{4, {3, 1, 1, 16}}, {4, {3, 2, 7, 16}}},
        {{4, {1, 9, 1, 2}}, {5, {3, 2, 9, 5, 2}}},
    };
    for (size_t i = 0; i < sizeof pair / sizeof *pair; i++) check_bits(&wg_op_expand, pair[i][0], &pair[i][1]);
}

static void size(void)
{
    uint64_t seed = 1;
    for (int t = 0; t < WG_BOOL; t++)
        for (int n = -1; n < 3; n++) {
            struct wg__size_attr a = {{.n = n, .axis = {-1, 0}}};
            wg_tensor            x = random_tensor((wg_dtype)t, WG_SHAPE(17, 3, 19), 0, 2, &seed);
            struct outcome       o = run_both(&wg_op_size, 1, &x, &a, (struct run_how){0});
            expect_bits("size", &o);
            outcome_free(&o);
            free(x.data);
        }
}

static void iota(void)
{
    static const int64_t counts[] = {0, 1, 255, 257, 100003};
    for (int i = 0; i < 5; i++) {
        struct wg__iota_attr a = {WG_SHAPE(counts[i])};
        struct outcome       o = run_both(&wg_op_iota, 0, NULL, &a, (struct run_how){0});
        expect_bits("iota", &o);
        outcome_free(&o);
    }
}

static void check_concat(wg_dtype t, wg_shape s, int axis, int n, int shift)
{
    uint64_t             seed = 5;
    wg_tensor            x[MOST_OPERANDS] = {0};
    struct wg__axis_attr a = {axis};
    for (int i = 0; i < n; i++) {
        s.dim[axis < 0 ? axis + s.rank : axis] = i * 7 % 5 + (n < 4 ? 4 * i : 0);
        x[i] = random_tensor(t, s, 0, t == WG_BOOL ? 2 : 100, &seed);
    }
    struct outcome o = run_both(&wg_op_concat, n, x, &a, (struct run_how){.shift = shift});
    expect_bits("concat", &o);
    outcome_free(&o);
    for (int i = 0; i < n; i++) free(x[i].data);
}
static void concat(void)
{
    static const wg_shape shapes[] = {{1, {0}}, {3, {3, 5, 16}}, {2, {40, 3}}, {2, {0, 3}}};
    static const int      counts[] = {1, 2, 3, 16, 17, 39};
    for (int t = 0; t < WG_DTYPES; t++)
        for (int i = 0; i < 4; i++)
            for (int k = 0; k < 6; k++)
                for (int axis = -1; axis < shapes[i].rank; axis++)
                    check_concat((wg_dtype)t, shapes[i], axis, counts[k], k % 2);
}

/* ---- Indices ---- */

/* [outer, n, inner] and how many indices. */
static const int64_t cases[][4] = {
    {1, 10, 1, 5},    {1, 10, 4, 7},   {3, 6, 5, 4},      {2, 100, 128, 300}, {1, 70, 130, 4000}, {1, 3, 64, 5000},
    {1, 40, 3, 6000}, {2, 33, 4, 600}, {5, 4, 0, 3},      {0, 4, 3, 3},       {3, 4, 5, 0},       {1, 1, 1, 1},
    {400, 10, 1, 1},  {50, 7, 3, 200}, {1, 32, 16, 2048}, {1, 65, 4, 2049},   {1, 1000, 33, 90},
};
enum { CASES = sizeof cases / sizeof *cases };

static void one_hot_indexed(int k, wg_dtype t, int scatter, int shift, uint64_t *seed)
{
    const int64_t              *s = cases[k];
    wg_shape                    table = WG_SHAPE(s[0], s[1], s[2]), rows = WG_SHAPE(s[0], s[3], s[2]);
    wg_dtype                    dtype = k % 2 ? WG_I32 : WG_I64;
    double                      low = t == WG_U8 || t == WG_BOOL ? 0 : -50, high = t == WG_BOOL ? 2 : 50;
    wg_tensor                   x[2] = {random_tensor(t, scatter ? rows : table, low, high, seed),
                                        random_tensor(dtype, WG_SHAPE(s[3]), -(double)s[1], (double)s[1], seed)};
    struct wg__axis_attr        a = {k % 2 ? 1 : -2};
    struct wg__scatter_add_attr b = {a.axis, table};
    const wg_op                *op = scatter ? &wg_op_scatter_add : &wg_op_gather;
    struct outcome o = run_both(op, 2, x, scatter ? (void *)&b : (void *)&a, (struct run_how){.shift = shift});
    char           what[96];
    EXPECT(o.status == WG_OK && o.fault.status == 0, "an index is refused");
    expect_bits(case_name(op, x, what, sizeof what), &o); /* sums in the order of the list: the same bits */
    outcome_free(&o);
    free(x[0].data);
    free(x[1].data);
}
static void gather(void)
{
    uint64_t seed = 11;
    for (int t = 0; t < WG_DTYPES; t++)
        for (int k = 0; k < CASES; k++) one_hot_indexed(k, (wg_dtype)t, 0, (k + t) % 2, &seed);
}
static void scatter_add(void)
{
    uint64_t seed = 12;
    for (int t = 0; t < WG_BOOL; t++)
        for (int k = 0; k < CASES; k++) one_hot_indexed(k, (wg_dtype)t, 1, (k + t) % 2, &seed);
}

/* The first index out of range is told, even where nothing is to be moved. */
static void indices_out_of_range(void)
{
    for (int scatter = 0; scatter < 2; scatter++)
        for (int inner = 0; inner < 80; inner += 20)
            for (int m = 300; m < 4000; m += 3000) {
                wg_shape  table = WG_SHAPE(9, inner), rows = WG_SHAPE(m, inner);
                wg_tensor x[2] = {tensor_of(WG_F32, scatter ? rows : table), tensor_of(WG_I32, WG_SHAPE(m))};
                ((int32_t *)x[1].data)[m - 40] = -10;
                ((int32_t *)x[1].data)[m - 1] = 9;
                struct wg__scatter_add_attr b = {0, table};
                struct outcome              o =
                    run_both(scatter ? &wg_op_scatter_add : &wg_op_gather, 2, x, &b, (struct run_how){0});
                EXPECT(o.status == WG_EINDEX && o.fault.status == WG_EINDEX, "an index is taken");
                EXPECT(o.fault.index == -10 && o.fault.size == 9 && o.fault.instr == 7, "%lld of %lld",
                       (long long)o.fault.index, (long long)o.fault.size);
                outcome_free(&o);
                free(x[0].data);
                free(x[1].data);
            }
}

/* ---- Random numbers ---- */

static void check_draw(const wg_op *op, struct wg__random_attr a, int shift)
{
    struct run_how how = {.shift = shift, .seed = 0x123456789abcdef0, .run = (uint64_t)1 << 40 | 77};
    struct outcome o = run_both(op, 0, NULL, &a, how);
    double         e = unit_roundoff(a.dtype);
    if (op == &wg_op_normal) expect_near(op->name, &o, 8 * e, 8 * e * a.b);
    else expect_bits(op->name, &o);
    outcome_free(&o);
}
static void random_numbers(void)
{
    static const int64_t counts[] = {0, 1, 2, 3, 4, 5, 1023, 40001};
    for (int t = WG_F32; t <= WG_F64; t++)
        for (int i = 0; i < 8; i++)
            for (int shift = 0; shift < 2; shift++) {
                wg_shape s = WG_SHAPE(counts[i]);
                uint64_t stream = (uint64_t)i * 1000003;
                check_draw(&wg_op_uniform, (struct wg__random_attr){s, (wg_dtype)t, -3, 0.7, stream}, shift);
                check_draw(&wg_op_uniform, (struct wg__random_attr){s, (wg_dtype)t, 1, 1, stream}, shift);
                check_draw(&wg_op_uniform, (struct wg__random_attr){s, (wg_dtype)t, 1, 1.0000002, stream}, shift);
                check_draw(&wg_op_normal, (struct wg__random_attr){s, (wg_dtype)t, 0.5, 2, stream}, shift);
                check_draw(&wg_op_normal, (struct wg__random_attr){s, (wg_dtype)t, 0, 1, stream}, shift);
                check_draw(&wg_op_dropout_mask, (struct wg__random_attr){s, (wg_dtype)t, 0.3, 0, stream}, shift);
            }
}

#define TEST(name)  \
    {               \
#name, name \
    }
void test_moves(void)
{
    static const struct test tests[] = {
        TEST(attributes_agree),
        TEST(transpose),
        TEST(slice),
        TEST(pad),
        TEST(expand),
        TEST(size),
        TEST(iota),
        TEST(concat),
        TEST(gather),
        TEST(scatter_add),
        TEST(indices_out_of_range),
        TEST(random_numbers),
    };
    run_tests("moves", (int)(sizeof tests / sizeof *tests), tests);
}
