/* Elementwise operators, each alone: the rows of unary.def and binary.def,
 * not, where and cast.
 *
 * One kernel for each dtype, and the row is its argument: what matters is the
 * memory, which is read and written in groups of four elements. */
#include "cuda/step.h"

struct alone {
    int           row, n, to;
    double        a;
    wg_loop_forms forms;
};

/* The functions of a dtype, for a template. */
#define X(T_, id)                                                                                                  \
    struct rows_##T_ {                                                                                             \
        typedef T_            T;                                                                                   \
        static DEVICE_FN void apply(int row, f64 a, const T *x, const T *y, T *z) { apply_##T_(row, a, x, y, z); } \
        static DEVICE_FN void test(int row, const T *x, const T *y, b8 *z) { test_##T_(row, x, y, z); }            \
        static DEVICE_FN void cast(int to, const T *x, void *z) { cast_##T_(to, x, z); }                           \
    };
CUDA_DTYPES(X)
#undef X

/* y in the dtype of the operands */
template <class Rows> struct same_dtype {
    typedef typename Rows::T T;
    const alone             &s;

    DEVICE_FN void body(const wg_loop_args &a, i64 f, int n)
    {
        group<T> x = fetch<T>(a, s.forms, 0, f, n), y = s.n > 1 ? fetch<T>(a, s.forms, 1, f, n) : x, z = x;
        Rows::apply(s.row, s.a, x.v, y.v, z.v);
        store(a.out[0], f, n, a.vector, z);
    }
};

/* y in bool */
template <class Rows> struct to_bool {
    typedef typename Rows::T T;
    const alone             &s;

    DEVICE_FN void body(const wg_loop_args &a, i64 f, int n)
    {
        group<T>  x = fetch<T>(a, s.forms, 0, f, n), y = s.n > 1 ? fetch<T>(a, s.forms, 1, f, n) : x;
        group<b8> z = {};
        Rows::test(s.row, x.v, y.v, z.v);
        store(a.out[0], f, n, a.vector, z);
    }
};

template <class Rows> struct choose {
    typedef typename Rows::T T;
    const alone             &s;

    DEVICE_FN void body(const wg_loop_args &a, i64 f, int n)
    {
        group<b8> c = fetch<b8>(a, s.forms, 0, f, n);
        group<T>  x = fetch<T>(a, s.forms, 1, f, n), y = fetch<T>(a, s.forms, 2, f, n);
        UNROLL
        for (int j = 0; j < 4; j++) x.v[j] = c.v[j] ? x.v[j] : y.v[j];
        store(a.out[0], f, n, a.vector, x);
    }
};

template <class Rows> struct convert {
    typedef typename Rows::T T;
    const alone             &s;

    template <class To> DEVICE_FN void to(const wg_loop_args &a, i64 f, int n, const group<T> &x)
    {
        group<To> y = {};
        Rows::cast(s.to, x.v, y.v);
        store(a.out[0], f, n, a.vector, y);
    }
    DEVICE_FN void body(const wg_loop_args &a, i64 f, int n)
    {
        group<T> x = fetch<T>(a, s.forms, 0, f, n);
        switch (s.to) {
#define X(T_, id) \
    case id: to<T_>(a, f, n, x); return;
            CUDA_DTYPES(X)
#undef X
        }
    }
};

template <class Loop>
static __global__ void __launch_bounds__(WG_LOOP_BLOCK, 4)
    run_alone(const __grid_constant__ wg_loop_args a, const __grid_constant__ alone s)
{
    Loop loop = {s};
    each_group(a, loop);
}

/* ---- Launching ---- */

typedef void kernel(const wg_loop_args a, const alone s);

enum kind { SAME, TO_BOOL, CHOOSE, CONVERT, KINDS };
static kernel *const kernels[WG_DTYPES][KINDS] = {
#define X(T_, id)                                                                                   \
    {run_alone<same_dtype<rows_##T_>>, run_alone<to_bool<rows_##T_>>, run_alone<choose<rows_##T_>>, \
     run_alone<convert<rows_##T_>>},
    CUDA_DTYPES(X)
#undef X
};

static enum kind kind_of(int row)
{
    if (row == WG__CUDA_where) return CHOOSE;
    if (row == WG__CUDA_cast) return CONVERT;
    return row >= WG__CUDA_TESTS && row <= WG__CUDA_not ? TO_BOOL : SAME;
}

static cudaError_t launch(const struct wg__cuda_launch *at, int row, double a)
{
    const wg_call       *c = at->call;
    struct wg__cuda_loop l;
    struct wg__cuda_plan p;
    wg__cuda_loop_of_call(c, &l);
    wg__cuda_plan(&l, at, &p);
    if (!p.grid) return cudaSuccess;
    alone s = {row, c->n, c->y->dtype, a, {l.rank, {}}};
    for (int i = 0; i < c->n; i++) s.forms.form[i] = (unsigned char)wg__cuda_form(&l, &l.in[i]);
    kernel *k = kernels[c->x[c->n - 1].dtype][kind_of(row)];
    WG_LAUNCH(k, p.grid, WG_LOOP_BLOCK, 0, at->stream)(p.args, s);
    return cudaGetLastError();
}

#define LAUNCH(row, a) \
    static cudaError_t launch_##row(const struct wg__cuda_launch *at) { return launch(at, WG__CUDA_##row, a); }
#define U(row, ...) LAUNCH(row, 0)
#define UA(row, ...) LAUNCH(row, *(const double *)at->call->attr)
#include "ops/unary.def"
#undef U
#undef UA
#define B(row, ...) LAUNCH(row, 0)
#define C(row, ...) LAUNCH(row, 0)
#define L(row, ...) LAUNCH(row, 0)
#include "ops/binary.def"
#undef B
#undef C
#undef L
LAUNCH(not, 0)
LAUNCH(where, 0)
LAUNCH(cast, 0)

extern "C" const struct wg__cuda_op wg__cuda_elementwise_ops[] = {
#define ROW(row) {#row, launch_##row, NULL},
#define U(row, ...) ROW(row)
#define UA(row, ...) ROW(row)
#include "ops/unary.def"
#undef U
#undef UA
#define B(row, ...) ROW(row)
#define C(row, ...) ROW(row)
#define L(row, ...) ROW(row)
#include "ops/binary.def"
#undef B
#undef C
#undef L
    ROW(not ) ROW(where) ROW(cast){NULL, NULL, NULL}};
