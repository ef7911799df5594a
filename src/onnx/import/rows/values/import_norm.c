/* Normalisations, dropout and the pools over a whole plane.  With E and V the
 * mean and the population variance over some axes, all but the last four are
 *
 *   y = (x - E) / sqrt(V + epsilon) scale + bias
 *
 *   BatchNormalization         over the batch and the plane, or given
 *   InstanceNormalization      over the plane
 *   LayerNormalization         over the axes from `axis` on
 *   GroupNormalization         over the plane and a group of channels
 *   MeanVarianceNormalization  y = (x - E) / (sqrt V + 1e-9)
 *   LpNormalization            y = x / (sum |x|^p)^(1/p) along an axis, 0 where that is 0
 *   LRN                        y = x / (bias + alpha/size sum x^2)^beta, the sum over `size` channels around
 *   GlobalAveragePool, -MaxPool */
#include "onnx/import/import.h"

static int rank(const wg_node *x) { return wg_node_shape(x)->rank; }

static bool is_wanted(const struct wg__in *c, int i) { return i < c->n_out && *c->node->out[i] != 0; }

static double epsilon(const struct wg__in *c) { return wg__attr_real(c, "epsilon", (double)1e-5F); }

/* Lists the axes first..end-1. */
static wg_axes axes_from(int first, int end)
{
    wg_axes a = {0};
    for (int i = first; i < end; i++) a.axis[a.n++] = i;
    return a;
}

/* ---- Mean and variance ---- */

struct moments {
    wg_node *mean, *var, *off; /* off: x - mean */
};

static struct moments moments(wg_node *x, wg_axes axes)
{
    wg_node *mean = wg_moments(x, axes, 1);
    return (struct moments){.mean = mean, .var = wg_result(mean, 1), .off = wg_sub(x, mean)};
}

static wg_node *inverse_root(wg_node *var, double eps) { return wg_rsqrt(wg_shift(var, eps)); }

static wg_node *standardise(wg_node *x, wg_axes axes, double eps)
{
    struct moments m = moments(x, axes);
    wg_node       *r = inverse_root(m.var, eps);
    return wg_mul(m.off, r);
}

static wg_node *scaled(wg_node *x, wg_node *scale, wg_node *bias) { return wg_add(wg_mul(x, scale), bias); }

/* s, with 1 in place of 0: a divisor whose quotient and slope are 0 where x is. */
static wg_node *one_for_zero(wg_node *s)
{
    wg_node *zero = wg_lit(s, 0), *one = wg_lit(s, 1);
    return wg_where(wg_equal(s, zero), one, s);
}

/* ---- Channels ---- */

/* Returns the number of channels of x, the size of axis 1. A vector is a batch of one channel. */
static int64_t channels(const wg_node *x) { return rank(x) == 1 ? 1 : wg_node_shape(x)->dim[1]; }

/* Returns input 0, which must have an axis of channels. NULL on failure, with a complaint unless the
 * input itself failed. */
static wg_node *with_channels(struct wg__in *c)
{
    wg_node *x = wg__in_node(c, 0);
    if (!x || rank(x) >= 2) return x;
    wg__malformed(c, "x has rank %d and no axis of channels", rank(x));
    return NULL;
}

/* Returns input i, which must have one number for each of n channels, in a shape that broadcasts
 * beside x: [n, 1, ..]. NULL on failure, with a complaint unless the input itself failed. */
static wg_node *per_channel(struct wg__in *c, int i, const char *what, wg_node *x, int64_t n)
{
    char     text[96], number[48];
    wg_node *v = wg__in_node(c, i);
    if (!v) return NULL;
    if (rank(v) != 1 || wg_node_shape(v)->dim[0] != n) {
        wg__malformed(c, "%s is %s, not [%s]", what, wg__shape_str(c->g, wg_node_shape(v), text, sizeof text),
                      wg_dim_name(c->g, n, number, sizeof number));
        return NULL;
    }
    wg_shape s = {.rank = rank(x) > 1 ? rank(x) - 1 : 1, .dim = {n}};
    for (int k = 1; k < s.rank; k++) s.dim[k] = 1;
    return wg_cast(wg_reshape(v, s), wg_node_dtype(x));
}

/* ---- BatchNormalization ---- */

/* Lists all axes but the channels', of n axes; for a vector that is axis 0. */
static wg_axes all_but_channels(int n)
{
    wg_axes a = axes_from(2, n);
    a.axis[a.n++] = 0;
    return a;
}

/* Tells whether the statistics are those of the batch. Until opset 6 an attribute says so, until 13 a
 * second output, from 14 an attribute again. */
static bool is_training(const struct wg__in *c)
{
    if (c->opset < 7) return wg__attr_int(c, "is_test", 0) == 0;
    if (c->opset >= 14) return wg__attr_int(c, "training_mode", 0) != 0;
    for (int i = 1; i < c->n_out; i++)
        if (is_wanted(c, i)) return true;
    return false;
}

struct batch_norm {
    wg_node *x, *scale, *bias, *mean, *var;
};

static bool batch_norm_inputs(struct wg__in *c, struct batch_norm *b)
{
    int64_t n = channels(b->x);
    b->scale = per_channel(c, 1, "scale", b->x, n);
    b->bias = b->scale ? per_channel(c, 2, "B", b->x, n) : NULL;
    b->mean = b->bias ? per_channel(c, 3, "mean", b->x, n) : NULL;
    b->var = b->mean ? per_channel(c, 4, "var", b->x, n) : NULL;
    return b->var != NULL;
}

/* momentum old + (1 - momentum) now */
static wg_node *running(wg_node *old, wg_node *now, double momentum)
{
    wg_node *kept = wg_scale(old, momentum), *added = wg_scale(now, 1 - momentum);
    return wg_add(kept, added);
}

/* Makes outputs 1 to 4, running mean and variance and those of the batch, as vectors of the inputs' dtypes. */
static int batch_norm_statistics(struct wg__in *c, const struct batch_norm *b, const struct moments *m)
{
    double   momentum = wg__attr_real(c, "momentum", (double)0.9F);
    wg_node *mean = wg_reshape(m->mean, *wg_node_shape(b->mean)), *var = wg_reshape(m->var, *wg_node_shape(b->var));
    wg_node *next_mean = running(b->mean, mean, momentum), *next_var = running(b->var, var, momentum);
    wg_node *out[] = {next_mean, next_var, mean, var};
    for (int i = 0; i < 4; i++) {
        wg_dtype t = wg_node_dtype(wg__in_node(c, 3 + i % 2));
        if (!is_wanted(c, 1 + i)) continue;
        int status = wg__out_node(c, 1 + i, wg_cast(wg_reshape(out[i], WG_SHAPE(WG_DIM_AUTO)), t));
        if (status) return status;
    }
    return WG_OK;
}

static int batch_norm(struct wg__in *c)
{
    struct batch_norm b = {.x = wg__in_node(c, 0)};
    if (!b.x) return wg__out_node(c, 0, NULL);
    if (rank(b.x) == 0) return wg__malformed(c, "x is a scalar");
    if (!wg__attr_int(c, "spatial", 1)) return wg__unsupported(c, "statistics of each place alone (spatial = 0)");
    if (!batch_norm_inputs(c, &b)) return wg__out_node(c, 0, NULL);
    bool           now = is_training(c);
    struct moments m = now ? moments(b.x, all_but_channels(rank(b.x))) : (struct moments){.mean = b.mean, .var = b.var};
    if (!now) m.off = wg_sub(b.x, b.mean);
    wg_node *slope = wg_mul(inverse_root(m.var, epsilon(c)), b.scale);
    int      status = wg__out_node(c, 0, scaled(m.off, slope, b.bias));
    return status || !now ? status : batch_norm_statistics(c, &b, &m);
}

/* ---- Norms of one example ---- */

static int instance_norm(struct wg__in *c)
{
    wg_node *x = with_channels(c);
    if (!x) return wg__out_node(c, 0, NULL);
    wg_node *scale = per_channel(c, 1, "scale", x, channels(x));
    wg_node *bias = scale ? per_channel(c, 2, "B", x, channels(x)) : NULL;
    if (!bias) return wg__out_node(c, 0, NULL);
    return wg__out_node(c, 0, scaled(standardise(x, axes_from(2, rank(x)), epsilon(c)), scale, bias));
}

/* Finds the dtype in which mean and variance are computed. */
static bool stash_dtype(struct wg__in *c, wg_dtype *t)
{
    int64_t code = wg__attr_int(c, "stash_type", WG__ONNX_F32);
    *t = wg__onnx_dtype_in(code);
    bool real = *t == WG_F32 || *t == WG_F64;
    if (!real) wg__unsupported(c, "stash_type %s", wg__onnx_dtype_name(code));
    return real;
}

/* x y or x + y; y may not make x wider. NULL on failure, with a complaint unless an operand itself failed. */
static wg_node *no_wider(struct wg__in *c, wg_node *x, wg_node *y, wg_node *z)
{
    char have[96], want[96];
    if (!z || wg__shape_equal(wg_node_shape(x), wg_node_shape(z))) return z;
    if (wg__shapes_may_equal(c->g, wg_node_shape(x), wg_node_shape(z))) return wg_reshape(z, *wg_node_shape(x));
    wg__malformed(c, "%s does not broadcast to %s", wg__shape_str(c->g, wg_node_shape(y), have, sizeof have),
                  wg__shape_str(c->g, wg_node_shape(x), want, sizeof want));
    return NULL;
}

static int layer_norm(struct wg__in *c)
{
    wg_dtype t;
    int      axis;
    wg_node *x = wg__in_node(c, 0), *scale = wg__in_node(c, 1), *bias = wg__in_node(c, 2);
    if (!x || !scale) return wg__out_node(c, 0, NULL);
    if (!stash_dtype(c, &t) || !wg__in_axis(c, wg__attr_int(c, "axis", -1), rank(x), &axis)) return WG_EARG;
    struct moments m = moments(wg_cast(x, t), axes_from(axis, rank(x)));
    wg_node       *r = inverse_root(m.var, epsilon(c));
    wg_node       *unit = wg_cast(wg_mul(m.off, r), wg_node_dtype(x));
    wg_node       *y = no_wider(c, x, scale, wg_mul(unit, scale));
    if (wg__in_has(c, 2)) y = no_wider(c, x, bias, wg_add(y, bias));
    if (!y) return wg__out_node(c, 0, NULL);
    int status = wg__out_node(c, 0, y);
    if (!status && is_wanted(c, 1)) status = wg__out_node(c, 1, m.mean);
    if (!status && is_wanted(c, 2)) status = wg__out_node(c, 2, r);
    return status;
}

/* x [n, c, ..] as [n, groups, c/groups, ..] */
static wg_node *in_groups(struct wg__in *c, wg_node *x, int64_t groups)
{
    wg_infer why = {.g = c->g};
    wg_shape s = {.rank = rank(x) + 1};
    int64_t  each;
    if (groups < 1) return wg__malformed(c, "num_groups is %lld", (long long)groups), NULL;
    if (s.rank > WG_MAX_RANK) return wg__unsupported(c, "x of rank %d", rank(x)), NULL;
    if (wg_dim_div(&why, channels(x), groups, &each)) return wg__malformed(c, "channels: %s", why.why), NULL;
    for (int i = 3; i < s.rank; i++) s.dim[i] = wg_node_shape(x)->dim[i - 1];
    s.dim[0] = wg_node_shape(x)->dim[0];
    s.dim[1] = groups;
    s.dim[2] = each;
    return wg_reshape(x, s);
}

/* Computes GroupNormalization. Scale and bias have one number for each group before opset 21, for each
 * channel from 21 on. */
static int group_norm(struct wg__in *c)
{
    wg_dtype t;
    int64_t  groups = wg__attr_int(c, "num_groups", 0);
    wg_node *x = with_channels(c), *parts = x ? in_groups(c, x, groups) : NULL;
    if (!parts) return wg__out_node(c, 0, NULL);
    if (!stash_dtype(c, &t)) return WG_EARG;
    bool     of_group = c->opset < 21;
    wg_node *beside = of_group ? parts : x;
    wg_node *scale = per_channel(c, 1, "scale", beside, channels(beside));
    wg_node *bias = scale ? per_channel(c, 2, "bias", beside, channels(beside)) : NULL;
    if (!bias) return wg__out_node(c, 0, NULL);
    wg_node *unit = standardise(wg_cast(parts, t), axes_from(2, rank(parts)), epsilon(c));
    wg_node *y = scaled(wg_reshape(wg_cast(unit, wg_node_dtype(x)), *wg_node_shape(beside)), scale, bias);
    return wg__out_node(c, 0, wg_reshape(y, *wg_node_shape(x)));
}

static int mean_variance_norm(struct wg__in *c)
{
    struct wg__ints list = {.n = 3, .at = {0, 2, 3}};
    wg_axes         axes;
    wg_node        *x = wg__in_node(c, 0);
    if (!x) return wg__out_node(c, 0, NULL);
    if (wg__attr_has(c, "axes") && !wg__attr_ints(c, "axes", &list)) return WG_EARG;
    if (!wg__in_axes(c, &list, rank(x), &axes)) return WG_EARG;
    struct moments m = moments(x, axes);
    wg_node       *root = wg_shift(wg_sqrt(one_for_zero(m.var)), 1e-9);
    return wg__out_node(c, 0, wg_div(m.off, root));
}

static int lp_norm(struct wg__in *c)
{
    int64_t  p = wg__attr_int(c, "p", 2);
    int      axis;
    wg_node *x = wg__in_node(c, 0);
    if (!x) return wg__out_node(c, 0, NULL);
    if (p != 1 && p != 2) return wg__malformed(c, "p is %lld, not 1 or 2", (long long)p);
    if (!wg__in_axis(c, wg__attr_int(c, "axis", -1), rank(x), &axis)) return WG_EARG;
    wg_node *power = p == 1 ? wg_abs(x) : wg_square(x);
    wg_node *sum = one_for_zero(wg_sum(power, axes_from(axis, axis + 1), 1));
    return wg__out_node(c, 0, wg_div(x, p == 1 ? sum : wg_sqrt(sum)));
}

/* ---- LRN ---- */

/* y[:, i] = the sum of x[:, i - before .. i + after].  Sums of two places make
 * sums of four, and so on; those of the bits of the window's size make the
 * window, in as many steps as there are bits. */
static wg_node *window_sum(wg_node *x, int64_t before, int64_t after)
{
    if (!x) return NULL;
    int64_t  n = channels(x), size = before + 1 + after, done = 0, length = n + size - 1;
    wg_node *of_k = wg_pad(x, (int64_t[WG_MAX_RANK]){0, before}, (int64_t[WG_MAX_RANK]){0, after}, 0), *sum = NULL;
    for (int64_t k = 1; of_k; k *= 2) {
        wg_node *part = size & k ? wg_slice(of_k, 1, done, done + n, 1) : NULL;
        if (part) {
            sum = sum ? wg_add(sum, part) : part;
            done += k;
        }
        if (2 * k > size) return sum;
        length -= k;
        wg_node *low = wg_slice(of_k, 1, 0, length, 1), *high = wg_slice(of_k, 1, k, k + length, 1);
        of_k = wg_add(low, high);
    }
    return NULL;
}

static int lrn(struct wg__in *c)
{
    enum { MOST = 1024 };
    double   alpha = wg__attr_real(c, "alpha", (double)1e-4F), beta = wg__attr_real(c, "beta", 0.75);
    int64_t  size = wg__attr_int(c, "size", 0);
    wg_node *x = with_channels(c);
    if (!x) return wg__out_node(c, 0, NULL);
    if (size < 1) return wg__malformed(c, "size is %lld", (long long)size);
    if (size > MOST) return wg__unsupported(c, "size %lld, above %d", (long long)size, MOST);
    if (!wg_dim_known(channels(x))) return wg__unsupported(c, "a symbolic number of channels");
    wg_node *sum = window_sum(wg_square(x), (size - 1) / 2, size / 2);
    wg_node *base = wg_shift(wg_scale(sum, alpha / (double)size), wg__attr_real(c, "bias", 1));
    wg_node *power = wg_pow(base, wg_lit(base, beta));
    return wg__out_node(c, 0, wg_div(x, power));
}

/* ---- Pools over the plane ---- */

static int global_pool(struct wg__in *c, wg_node *(*f)(wg_node *x, wg_axes axes, int keep))
{
    wg_node *x = with_channels(c);
    return x ? wg__out_node(c, 0, f(x, axes_from(2, rank(x)), 1)) : wg__out_node(c, 0, NULL);
}

static int global_average(struct wg__in *c) { return global_pool(c, wg_mean); }
static int global_max(struct wg__in *c) { return global_pool(c, wg_max); }

/* ---- Dropout ---- */

/* Makes output 1, the mask of the elements that stay, which has x's dtype before opset 10. */
static int out_mask(struct wg__in *c, wg_node *kept)
{
    wg_dtype t = wg_node_dtype(kept);
    wg_node *mask = wg_greater(kept, wg_lit(kept, 0));
    return wg__out_node(c, 1, c->opset < 10 ? wg_cast(mask, t) : mask);
}

/* Computes Dropout. If the mask is wanted, ones are dropped out and multiply x. */
static int dropout(struct wg__in *c, double ratio)
{
    wg_node *x = wg__in_node(c, 0);
    if (!x || !is_wanted(c, 1)) return wg__out_node(c, 0, wg_dropout(x, ratio));
    wg_node *kept = wg_dropout(wg_fill(c->g, wg_node_dtype(x), *wg_node_shape(x), 1), ratio);
    int      status = wg__out_node(c, 0, ratio == 0 ? x : wg_mul(x, kept));
    return status ? status : out_mask(c, kept);
}

/* Computes Dropout before opset 12. A file of these opsets is taken to be for inference, whatever is_test says. */
static int dropout_1(struct wg__in *c) { return dropout(c, c->options->dropout ? wg__attr_real(c, "ratio", 0.5) : 0); }

/* training_mode = true asks for dropout whatever the options are. */
static int dropout_12(struct wg__in *c)
{
    double ratio = 0.5, training = 0;
    if (wg__in_has(c, 2) && !wg__in_need_real(c, 2, "training_mode", &training)) return WG_EARG;
    if (!c->options->dropout && training == 0) return dropout(c, 0);
    if (wg__in_has(c, 1) && !wg__in_need_real(c, 1, "the ratio", &ratio)) return WG_EARG;
    return dropout(c, ratio);
}

const struct wg__row wg__rows_norm[] = {
    {"BatchNormalization", 1, "5", "consumed_inputs epsilon is_test momentum spatial", batch_norm, "12"},
    {"BatchNormalization", 6, "5", "epsilon is_test momentum spatial", batch_norm, "12"},
    {"BatchNormalization", 7, "5", "epsilon momentum spatial", batch_norm, "12"},
    {"BatchNormalization", 9, "5", "epsilon momentum", batch_norm, "12"},
    {"BatchNormalization", 14, "5", "epsilon momentum training_mode", batch_norm, "12"},
    {"InstanceNormalization", 1, "3", "consumed_inputs epsilon", instance_norm, "12"},
    {"InstanceNormalization", 6, "3", "epsilon", instance_norm, "12"},
    {"LayerNormalization", 17, "2-3", "axis epsilon stash_type", layer_norm, "12"},
    {"GroupNormalization", 18, "3", "epsilon num_groups", group_norm, "12"},
    {"GroupNormalization", 21, "3", "epsilon num_groups stash_type", group_norm, "12"},
    {"MeanVarianceNormalization", 9, "1", "axes", mean_variance_norm, NULL},
    {"LpNormalization", 1, "1", "axis p", lp_norm, NULL},
    {"LRN", 1, "1", "alpha beta bias size", lrn, NULL},
    {"GlobalAveragePool", 1, "1", "", global_average, NULL},
    {"GlobalMaxPool", 1, "1", "", global_max, NULL},
    {"Dropout", 1, "1", "consumed_inputs is_test ratio", dropout_1, NULL},
    {"Dropout", 6, "1", "is_test ratio", dropout_1, NULL},
    {"Dropout", 7, "1", "ratio", dropout_1, NULL},
    {"Dropout", 12, "1-3", "seed", dropout_12, "k12"},
    {0},
};
