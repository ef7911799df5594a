/* mean, var = the mean of x over a set of axes, and the mean of (x - mean)^2, in one pass over x.
 *
 *   dx = (dmean + 2 (x - mean) dvar) / n
 *
 * Numbers are added up in double, a few at a time about their own mean, and the parts put together as in Chan, Golub &
 * LeVeque 1979, so that nothing cancels.  Of no elements both are NaN. */
#include <math.h>

#include "ops/ops_impl.h"

static const wg_field fields[] = {
    WG_FIELD(struct wg__reduce_attr, axes, AXES), WG_FIELD(struct wg__reduce_attr, keep, FLAG), {0}};

static int infer(wg_infer *c)
{
    const struct wg__reduce_attr *a = c->attr;
    bool                          in[WG_MAX_RANK];
    int                           status = wg__axis_set(c, &a->axes, c->x[0].rank, in);
    if (status) return status;
    c->y[0] = c->y[1] = wg__shape_reduced(&c->x[0], in, a->keep);
    return WG_OK;
}

/* The mean of n elements, and the sum of their squared distances from that mean. */
struct moments {
    double n, mean, square;
};

static struct moments join_moments(struct moments a, struct moments b)
{
    double n = a.n + b.n, apart = b.mean - a.mean;
    if (b.n == 0) return a;
    if (a.n == 0) return b;
    double mean = isfinite(apart) ? a.mean + apart * (b.n / n) : a.mean * (a.n / n) + b.mean * (b.n / n);
    return (struct moments){n, mean, a.square + b.square + apart * apart * (a.n * b.n / n)};
}

#define AT(t, x, i) ((t) == WG_F32 ? (double)((const float *)(x))[i] : ((const double *)(x))[i])

/* Computes the moments of n elements, `step` apart: few enough to stay in the first-level cache. */
static inline __attribute__((always_inline)) struct moments compute_few(wg_dtype t, const void *x, int64_t at,
                                                                        int64_t step, int64_t n)
{
    double sum[4] = {0}, square[4] = {0};
    for (int64_t i = 0; i < n; i++) sum[i % 4] += AT(t, x, at + i * step);
    double mean = (sum[0] + sum[1] + (sum[2] + sum[3])) / (double)n;
    if (!isfinite(mean)) { /* an infinite element, or a sum that overflows */
        mean = 0;
        for (int64_t i = 0; i < n; i++) mean += AT(t, x, at + i * step) / (double)n;
    }
    for (int64_t i = 0; i < n; i++) {
        double away = AT(t, x, at + i * step) - mean;
        square[i % 4] += away * away;
    }
    return (struct moments){(double)n, mean, square[0] + square[1] + (square[2] + square[3])};
}

/* Computes the moments of elements begin..end-1 of the reduced axes, from x[at] on. */
static struct moments compute_part(wg_dtype t, const void *x, const struct wg__walk_axes *go, int64_t at, int64_t begin,
                                   int64_t end)
{
    enum { MOST = 1024 };
    struct moments sum = {0};
    int64_t        fast = go->rank ? go->dim[go->rank - 1] : 1, step = go->rank ? go->step[go->rank - 1] : 0, n;
    for (int64_t i = begin; i < end; i += n) {
        int64_t from = at + wg__walk_at(go, i);
        n = fast - i % fast < end - i ? fast - i % fast : end - i;
        if (n > MOST) n = MOST;
        struct moments few =
            t == WG_F32 ? compute_few(WG_F32, x, from, step, n) : compute_few(WG_F64, x, from, step, n);
        sum = join_moments(sum, few);
    }
    return sum;
}

/* Computes the moments of `cols` neighbouring columns from x[at] on, row by row (Welford 1962). */
static inline __attribute__((always_inline)) void compute_columns(wg_dtype t, const void *x,
                                                                  const struct wg__walk_axes *go, int64_t at,
                                                                  int64_t cols, double *mean, double *square)
{
    int64_t fast = go->rank ? go->dim[go->rank - 1] : 1, step = go->rank ? go->step[go->rank - 1] : 0;
    for (int64_t j = 0; j < cols; j++) mean[j] = square[j] = 0;
    for (int64_t i = 0; i < go->n; i += fast) {
        int64_t row = at + wg__walk_at(go, i);
        for (int64_t k = 0; k < fast; k++, row += step) {
            double each = 1 / (double)(i + k + 1);
            for (int64_t j = 0; j < cols; j++) {
                double v = AT(t, x, row + j), away = v - mean[j];
                mean[j] += away * each;
                square[j] += away * (v - mean[j]);
            }
        }
    }
}

enum { FEW = 256, PIECE = 1 << 16 };

struct work {
    const wg_call  *c;
    struct wg__walk w;
    int64_t         run;    /* results whose columns are neighbours; 1: results are made one by one, in pieces */
    int64_t         pieces; /* of one result */
    struct moments *part;   /* [results * pieces] */
};

static void store_result(const struct work *w, int64_t o, double mean, double square)
{
    double n = (double)w->w.go.n;
    wg__store(w->c->y[0].dtype, w->c->y[0].data, o, n > 0 ? mean : (double)NAN);
    wg__store(w->c->y[1].dtype, w->c->y[1].data, o, n > 0 ? square / n : (double)NAN);
}

static void run_columns(void *context, int64_t begin, int64_t end)
{
    const struct work *w = context;
    const wg_tensor   *x = w->c->x;
    double             mean[FEW], square[FEW];
    for (int64_t o = begin, cols; o < end; o += cols) {
        cols = w->run - o % w->run < end - o ? w->run - o % w->run : end - o;
        if (cols > FEW) cols = FEW;
        int64_t at = wg__walk_at(&w->w.stay, o);
        if (x->dtype == WG_F32) compute_columns(WG_F32, x->data, &w->w.go, at, cols, mean, square);
        else compute_columns(WG_F64, x->data, &w->w.go, at, cols, mean, square);
        for (int64_t j = 0; j < cols; j++) {
            struct moments m = {(double)w->w.go.n, mean[j], square[j]};
            if (!isfinite(m.mean)) m = compute_part(x->dtype, x->data, &w->w.go, at + j, 0, w->w.go.n);
            store_result(w, o + j, m.mean, m.square);
        }
    }
}

static void run_pieces(void *context, int64_t begin, int64_t end)
{
    const struct work *w = context;
    for (int64_t i = begin; i < end; i++) {
        int64_t from = i % w->pieces * PIECE, to = from + PIECE < w->w.go.n ? from + PIECE : w->w.go.n;
        w->part[i] =
            compute_part(w->c->x->dtype, w->c->x->data, &w->w.go, wg__walk_at(&w->w.stay, i / w->pieces), from, to);
    }
}

static struct work plan(const wg_call *c)
{
    const struct wg__reduce_attr *a = c->attr;
    struct work                   w = {.c = c, .run = 1};
    bool                          in[WG_MAX_RANK];
    wg__axis_set(&(wg_infer){0}, &a->axes, c->x[0].shape.rank, in);
    wg__walk_of(&c->x[0].shape, in, &w.w);
    w.run = wg__walk_run(&w.w);
    w.pieces = w.w.go.n > PIECE ? (w.w.go.n + PIECE - 1) / PIECE : 1;
    return w;
}

static size_t scratch(const wg_call *c)
{
    struct work w = plan(c);
    return w.run > 1 ? 0 : (size_t)(w.w.stay.n * w.pieces) * sizeof *w.part;
}

static int cpu(wg_call *c)
{
    struct work w = plan(c);
    w.part = c->scratch;
    if (w.run > 1) {
        wg_parallel(c, w.w.stay.n, 64, run_columns, &w);
        return WG_OK;
    }
    wg_parallel(c, w.w.stay.n * w.pieces, wg__grain(w.w.go.n / w.pieces), run_pieces, &w);
    for (int64_t o = 0; o < w.w.stay.n; o++) {
        struct moments sum = {0};
        for (int64_t k = 0; k < w.pieces; k++) sum = join_moments(sum, w.part[o * w.pieces + k]);
        store_result(&w, o, sum.mean, sum.square);
    }
    return WG_OK;
}

static void grad(wg_adjoint *v)
{
    const struct wg__reduce_attr *a = v->attr;
    wg_node                      *x = v->x[0], *sum = NULL;
    bool                          in[WG_MAX_RANK];
    if (!wg__axes_in(x, "moments", &a->axes, in)) return;
    wg_shape kept = wg__shape_reduced(x->shape, in, 1);
    if (v->g[0]) sum = wg_expand(wg_reshape(v->g[0], kept), *x->shape);
    if (v->g[1]) {
        wg_node *away = wg_sub(x, wg_reshape(v->y, kept));
        wg_node *slope = wg_mul(wg_scale(away, 2), wg_reshape(v->g[1], kept));
        sum = sum ? wg_add(sum, slope) : slope;
    }
    wg_node *n = wg_size(x, a->axes);
    v->dx[0] = wg_div(sum, n);
}

static double flops(const wg_call *c) { return 4.0 * (double)wg_count(&c->x[0].shape); }

static int say_mean(wg_onnx_form *f, const wg_axes *axes, int keep, const char *of)
{
    return wg__say_reduced(f, "ReduceMean", axes, keep, 18, of);
}

static int onnx(wg_onnx_form *f)
{
    const struct wg__reduce_attr *a = f->attr;
    if (a->axes.n == 0) return wg_onnx_say(f, f->result ? "Sub(x,x)" : "x");
    if (!f->result) return say_mean(f, &a->axes, a->keep, "x");
    wg_onnx_form mean = {.y = f->y, .opset = f->opset}, square = mean;
    if (say_mean(&mean, &a->axes, 1, "x")) return WG_EARG;
    if (wg_onnx_say(&square, "Mul(Sub(x,%s),Sub(x,%s))", mean.text, mean.text)) return WG_EARG;
    return say_mean(f, &a->axes, a->keep, square.text);
}

static int rows(wg_stack *s)
{
    const struct wg__reduce_attr *a = s->attr;
    return wg__rows_over_axes_all(s, &a->axes, a->keep);
}

const wg_op wg_op_moments = {.name = "moments",
                             .onnx = "ReduceMean",
                             .doc = "mean, var = the mean of x over axes, and of (x - mean)^2",
                             .arity = 1,
                             .results = 2,
                             .dtypes = WG_DTYPE_REALS,
                             .attr_size = sizeof(struct wg__reduce_attr),
                             .fields = fields,
                             .infer = infer,
                             .cpu = cpu,
                             .grad = grad,
                             .scratch = scratch,
                             .flops = flops,
                             .to_onnx = onnx,
                             .rows = rows};

wg_node *wg_moments(wg_node *x, wg_axes axes, int keep)
{
    bool in[WG_MAX_RANK];
    if (!x || !wg__axes_in(x, "moments", &axes, in)) return NULL;
    return wg_apply(&wg_op_moments, 1, &x, &(struct wg__reduce_attr){wg__axes_list(x->shape->rank, in), !!keep});
}
