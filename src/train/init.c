/* Initialisers: what a parameter holds before the first step. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "base/system/arithmetic.h"
#include "cpu/cpu.h"
#include "train/train_impl.h"

static const char *const names[] = {
#define X(NAME, name, formula) name,
    WG_INIT_MAP(X)
#undef X
};

const char *wg_init_name(int kind) { return kind >= 0 && kind < WG_INITS ? names[kind] : NULL; }

int wg_init_find(const char *name)
{
    for (int i = 0; name && i < WG_INITS; i++)
        if (strcmp(names[i], name) == 0) return i;
    return -1;
}

/* Where to draw and what: numbers come from (seed, stream, run 0). */
struct draw {
    uint64_t seed, stream;
    wg_node *p;
    int64_t  count;
    double   a, b, gain, fan_in, fan_out;
};

static uint64_t stream_of(const char *name) { return XXH3_64bits(name, strlen(name)); }

/* Checks that the parameter's dtype holds numbers of up to `most`; else an error. */
static int check_reach(const struct draw *d, double most)
{
    if (wg__is_finite_as((wg_dtype)d->p->dtype, most)) return WG_OK;
    return wg__fail(d->p->g, WG_EARG, "init: %s: numbers of up to %g are beyond %s", d->p->name, most,
                    wg_dtype_name((wg_dtype)d->p->dtype));
}

static void draw_uniform(const struct draw *d, double lo, double hi)
{
    uint64_t host = wg__arithmetic_enter();
    wg__kernels()->uniform[d->p->dtype == WG_F64](d->seed, d->stream, 0, 0, d->count, lo, hi, d->p->data);
    wg__arithmetic_leave(host);
}

static void draw_normal(const struct draw *d, wg_dtype t, double mean, double sd, void *y)
{
    uint64_t host = wg__arithmetic_enter();
    wg__kernels()->normal[t == WG_F64](d->seed, d->stream, 0, 0, d->count, mean, sd, y);
    wg__arithmetic_leave(host);
}

static int uniform(const struct draw *d, double lo, double hi)
{
    int status = check_reach(d, fmax(fabs(lo), fabs(hi)));
    if (!status) draw_uniform(d, lo, hi);
    return status;
}

static int normal(const struct draw *d, double mean, double sd)
{
    int status = check_reach(d, fabs(mean) + WG__NORMAL_MOST * sd);
    if (!status) draw_normal(d, (wg_dtype)d->p->dtype, mean, sd, d->p->data);
    return status;
}

static int fill_constant(const struct draw *d, double value)
{
    int status = check_reach(d, fabs(value));
    for (int64_t i = 0; i < d->count && !status; i++) wg__store((wg_dtype)d->p->dtype, d->p->data, i, value);
    return status;
}

/* ---- Orthogonal ---- */

static double dot(int64_t n, const double *x, const double *y)
{
    double s = 0;
    for (int64_t i = 0; i < n; i++) s += x[i] * y[i];
    return s;
}

/* Makes n rows of m <= numbers orthonormal in place: Gram-Schmidt, each row
 * twice, which leaves them orthogonal to rounding (Giraud et al. 2005).  R's
 * diagonal comes out positive, so that the result is uniform over all such
 * matrices (Mezzadri 2007). */
static bool orthonormalise(int64_t n, int64_t m, double *q)
{
    for (int64_t i = 0; i < n; i++) {
        double *v = q + i * m;
        for (int pass = 0; pass < 2; pass++)
            for (int64_t j = 0; j < i; j++) {
                const double *u = q + j * m;
                double        r = dot(m, u, v);
                for (int64_t k = 0; k < m; k++) v[k] -= r * u[k];
            }
        double length = sqrt(dot(m, v, v));
        if (!(length > 0)) return false;
        for (int64_t k = 0; k < m; k++) v[k] /= length;
    }
    return true;
}

static int orthogonal(const struct draw *d)
{
    wg_graph *g = d->p->g;
    int64_t   cols = d->p->shape->dim[d->p->shape->rank - 1], rows = cols ? d->count / cols : 0;
    bool      tall = rows >= cols;
    int64_t   n = tall ? cols : rows, m = tall ? rows : cols; /* n vectors of m numbers */
    int       status = check_reach(d, d->gain);
    if (status) return status;
    if (!d->count) return WG_OK;
    double *q = (uint64_t)d->count > SIZE_MAX / sizeof *q ? NULL : malloc((size_t)d->count * sizeof *q);
    if (!q) return wg__fail_nomem(g);
    draw_normal(d, WG_F64, 0, 1, q);
    bool full = orthonormalise(n, m, q);
    for (int64_t i = 0; full && i < rows; i++)
        for (int64_t j = 0; j < cols; j++)
            wg__store((wg_dtype)d->p->dtype, d->p->data, i * cols + j, d->gain * (tall ? q[j * m + i] : q[i * m + j]));
    free(q);
    return full ? WG_OK : wg__fail(g, WG_EINTERNAL, "init: %s: the normal matrix has no full rank", d->p->name);
}

/* ---- The kinds ---- */

static void fans(const wg_shape *s, double *in, double *out)
{
    double others = 1;
    for (int i = 0; i + 2 < s->rank; i++) others *= (double)s->dim[i];
    *out = s->rank ? (double)s->dim[s->rank - 1] * others : 1;
    *in = s->rank > 1 ? (double)s->dim[s->rank - 2] * others : *out;
}

static int fill_in(enum wg_init_kind kind, const struct draw *d)
{
    double r;
    switch (kind) {
    case WG_INIT_ZEROS: return fill_constant(d, 0);
    case WG_INIT_ONES: return fill_constant(d, 1);
    case WG_INIT_CONSTANT: return fill_constant(d, d->a);
    case WG_INIT_UNIFORM: return uniform(d, d->a, d->b);
    case WG_INIT_NORMAL: return normal(d, d->a, d->b);
    case WG_INIT_GLOROT_UNIFORM: r = d->gain * sqrt(6 / (d->fan_in + d->fan_out)); return uniform(d, -r, r);
    case WG_INIT_GLOROT_NORMAL: return normal(d, 0, d->gain * sqrt(2 / (d->fan_in + d->fan_out)));
    case WG_INIT_HE_UNIFORM: r = d->gain * sqrt(3 / d->fan_in); return uniform(d, -r, r);
    case WG_INIT_HE_NORMAL: return normal(d, 0, d->gain / sqrt(d->fan_in));
    default: return orthogonal(d);
    }
}

/* The fields that a kind takes; the default kind is Glorot's or zeros, as the shape says, and takes what either does.
 */
enum { A = 1, B = 2, GAIN = 4, IN = 8, OUT = 16 };
static const unsigned takes[WG_INITS] = {
    [WG_INIT_DEFAULT] = GAIN | IN | OUT,
    [WG_INIT_CONSTANT] = A,
    [WG_INIT_UNIFORM] = A | B,
    [WG_INIT_NORMAL] = A | B,
    [WG_INIT_GLOROT_UNIFORM] = GAIN | IN | OUT,
    [WG_INIT_GLOROT_NORMAL] = GAIN | IN | OUT,
    [WG_INIT_HE_UNIFORM] = GAIN | IN,
    [WG_INIT_HE_NORMAL] = GAIN | IN,
    [WG_INIT_ORTHOGONAL] = GAIN,
};

/* Refuses a field that the kind has no use for. */
static int check_used(const wg_node *p, const wg_initializer *w, const char *name)
{
    const struct {
        const char *name;
        double      value;
    } field[] = {{"a", w->a}, {"b", w->b}, {"gain", w->gain}, {"fan_in", w->fan_in}, {"fan_out", w->fan_out}};
    for (unsigned i = 0; i < sizeof field / sizeof *field; i++)
        if (field[i].value != 0 && !(takes[w->kind] & 1u << i))
            return wg__fail(p->g, WG_EARG, "init: %s: %s has no use for %s, which is %g", p->name, name, field[i].name,
                            field[i].value);
    return WG_OK;
}

static int check(const wg_node *p, const wg_initializer *w)
{
    const char *name = wg_init_name((int)w->kind);
    wg_graph   *g = p->g;
    int         status;
    if (!name) return wg__fail(g, WG_EARG, "init: %s: %d is no kind of initialiser", p->name, (int)w->kind);
    if (!(WG_DTYPE_BIT(p->dtype) & WG_DTYPE_REALS))
        return wg__fail(g, WG_EDTYPE, "init: %s is %s, not f32 or f64", p->name, wg_dtype_name((wg_dtype)p->dtype));
    if (!isfinite(w->a) || !isfinite(w->b) || !isfinite(w->gain) || !isfinite(w->fan_in) || !isfinite(w->fan_out))
        return wg__fail(g, WG_EARG, "init: %s: %s has a number that is not finite", p->name, name);
    if ((status = check_used(p, w, name))) return status;
    if (w->gain < 0 || w->fan_in < 0 || w->fan_out < 0)
        return wg__fail(g, WG_EARG, "init: %s: %s has a negative gain or fan", p->name, name);
    if (w->kind == WG_INIT_UNIFORM && w->a > w->b)
        return wg__fail(g, WG_EARG, "init: %s: uniform from %g up to %g", p->name, w->a, w->b);
    if (w->kind == WG_INIT_NORMAL && w->b < 0)
        return wg__fail(g, WG_EARG, "init: %s: normal with standard deviation %g", p->name, w->b);
    if (w->kind == WG_INIT_ORTHOGONAL && p->shape->rank < 2)
        return wg__fail(g, WG_ESHAPE, "init: %s: orthogonal wants rank 2 or more, not %d", p->name, p->shape->rank);
    return WG_OK;
}

int wg_init(wg_node *p, const wg_initializer *init)
{
    wg_initializer w = init ? *init : (wg_initializer){0};
    char           text[160];
    if (!p) return wg__fail(NULL, WG_EARG, "init: the parameter is NULL");
    if (p->kind != WG__PARAM)
        return wg__fail(p->g, WG_EARG, "init: %s is no parameter", wg__node_label(p, text, sizeof text));
    int status = check(p, &w);
    if (status) return status;
    if (w.kind == WG_INIT_DEFAULT) w.kind = p->shape->rank >= 2 ? WG_INIT_GLOROT_UNIFORM : WG_INIT_ZEROS;
    bool        he = w.kind == WG_INIT_HE_UNIFORM || w.kind == WG_INIT_HE_NORMAL;
    struct draw d = {.seed = wg_seed(p->g),
                     .stream = stream_of(p->name),
                     .p = p,
                     .count = wg_count(p->shape),
                     .a = w.a,
                     .b = w.b,
                     .gain = w.gain > 0 ? w.gain
                             : he       ? sqrt(2)
                                        : 1};
    fans(p->shape, &d.fan_in, &d.fan_out);
    if (w.fan_in > 0) d.fan_in = w.fan_in;
    if (w.fan_out > 0) d.fan_out = w.fan_out;
    status = fill_in(w.kind, &d);
    if (!status) wg__param_written(p);
    return status;
}
