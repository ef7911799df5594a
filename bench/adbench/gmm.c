/* Gaussian mixture: the gradient of a log posterior.
 *
 * Each of K Gaussians in d dimensions has a weight alpha, a mean mu, and a lower triangular Q, the inverse of its
 * covariance's root: exp(q) on the diagonal, l below it.  With n points x,
 *
 *   value = -n d/2 log 2 pi + sum_i log sum_k exp(alpha_k + sum q_k - |Q_k (x_i - mu_k)|^2 / 2) - n log sum exp alpha
 *           + sum_k (gamma^2/2 (|exp q_k|^2 + |l_k|^2) - m sum q_k) - K C
 *
 * where the last line is the logarithm of a Wishart prior, and C its constant. */
#include <math.h>
#include <stdlib.h>

#include "adbench.h"

/* Returns the index that makes a d x d matrix of a row [exp q, l, 0]: l lies column by column. */
static wg_node *triangle(wg_graph *g, int64_t d)
{
    int64_t *at = malloc((size_t)(d * d) * sizeof *at), zero = d * (d + 1) / 2, next = d;
    for (int64_t i = 0; at && i < d * d; i++) at[i] = i / d == i % d ? i / d : zero;
    for (int64_t c = 0; at && c < d; c++)
        for (int64_t r = c + 1; r < d; r++) at[r * d + c] = next++;
    wg_node *index = at ? wg_const(g, WG_I64, WG_SHAPE(d * d), at) : NULL;
    free(at);
    return index;
}

/* Returns the logarithm of the multivariate gamma function of dimension p. */
static double log_gamma(double a, int64_t p)
{
    double v = 0.25 * (double)(p * (p - 1)) * log(M_PI);
    for (int64_t j = 1; j <= p; j++) v += lgamma(a + 0.5 * (double)(1 - j));
    return v;
}

static double wishart_constant(int64_t d, double gamma, double m)
{
    double n = (double)d + m + 1;
    return n * (double)d * (log(gamma) - 0.5 * log(2)) - log_gamma(0.5 * n, d);
}

static wg_node *build(wg_graph *g, int64_t d, int64_t k, int64_t n, wg_node *const p[3], const double *x, double gamma,
                      double m)
{
    wg_node *q = wg_slice(p[2], 1, 0, d, 1), *low = wg_slice(p[2], 1, d, WG_SLICE_END, 1), *diagonal = wg_exp(q);
    wg_node *zero = wg_fill(g, WG_F64, WG_SHAPE(k, 1), 0), *sum_q = wg_sum(q, WG_AXES(1), 0);
    wg_node *root =
        wg_reshape(wg_gather(wg_concat(WG_NODES(diagonal, low, zero), 1), triangle(g, d), 1), WG_SHAPE(k, d, d));
    /* Q (x - mu) = Q x - Q mu: one product for all points and Gaussians. */
    wg_node *points = wg_const(g, WG_F64, WG_SHAPE(n, d), x);
    wg_node *seen = wg_reshape(wg_matmul_t(points, wg_reshape(root, WG_SHAPE(k * d, d)), 0, 1), WG_SHAPE(n, k, d));
    wg_node *centre = wg_reshape(wg_matmul(root, wg_unsqueeze(p[1], -1)), WG_SHAPE(k, d));
    wg_node *far = wg_sum(wg_square(wg_sub(seen, centre)), WG_AXES(2), 0);
    wg_node *inside = wg_sub(wg_add(p[0], sum_q), wg_scale(far, 0.5));
    wg_node *fit = wg_sum(wg_logsumexp(inside, WG_AXES(1), 0), WG_ALL_AXES, 0);
    wg_node *norm = wg_scale(wg_logsumexp(p[0], WG_ALL_AXES, 0), (double)n);
    wg_node *size = wg_add(wg_sum(wg_square(diagonal), WG_ALL_AXES, 0), wg_sum(wg_square(low), WG_ALL_AXES, 0));
    wg_node *prior = wg_sub(wg_scale(size, 0.5 * gamma * gamma), wg_scale(wg_sum(sum_q, WG_ALL_AXES, 0), m));
    double   rest = -0.5 * (double)(n * d) * log(2 * M_PI) - (double)k * wishart_constant(d, gamma, m);
    return wg_shift(wg_add(wg_sub(fit, norm), prior), rest);
}

int adbench_gmm(wg_graph *g, struct adbench_numbers *f, struct adbench_problem *p)
{
    int64_t d = adbench_count(f), k = d ? adbench_count(f) : 0, n = k ? adbench_count(f) : 0;
    double *alpha = n ? adbench_take(f, k) : NULL, *mean = alpha ? adbench_take(f, k * d) : NULL;
    double *icf = mean ? adbench_take(f, k * d * (d + 1) / 2) : NULL, *x = icf ? adbench_take(f, n * d) : NULL;
    double *wishart = x ? adbench_take(f, 2) : NULL;
    if (!wishart) return -1;
    wg_node *leaf[3] = {adbench_param(g, "alpha", WG_SHAPE(k), alpha), adbench_param(g, "mean", WG_SHAPE(k, d), mean),
                        adbench_param(g, "icf", WG_SHAPE(k, d * (d + 1) / 2), icf)};
    p->value = build(g, d, k, n, leaf, x, wishart[0], wishart[1]);
    p->n = 3;
    return wg_grad(p->value, 3, leaf, p->d);
}
