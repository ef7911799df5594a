/* Bundle adjustment: the sparse Jacobian of the residuals.
 *
 * A camera has a rotation r (Rodrigues' vector), a centre C, a focal length f, a principal point and two coefficients
 * of radial distortion.  Observation i of a point X by it, with weight w, has the residuals w (p - m) and 1 - w^2,
 * where m was measured and p is the projection.  Each residual depends on one camera, one point and one weight: so all
 * rows of the Jacobian come from one vector-Jacobian product for each of the residual's two coordinates, over all
 * observations at once. */
#include <stdlib.h>

#include "adbench.h"

enum { CAMERA = 11, POINT = 3 };

static wg_node *columns(wg_node *x, int64_t from, int64_t to) { return wg_slice(x, 1, from, to, 1); }

/* Gives the index of an observation's camera or point: 0, 1, .. n - 1, and from the start again. */
static wg_node *around(wg_graph *g, int64_t count, int64_t n)
{
    int64_t *at = malloc((size_t)count * sizeof *at);
    for (int64_t i = 0; at && i < count; i++) at[i] = i % n;
    wg_node *index = at ? wg_const(g, WG_I64, WG_SHAPE(count), at) : NULL;
    free(at);
    return index;
}

/* Repeats one row. */
static wg_node *repeat(wg_graph *g, const char *name, const double *row, int64_t rows, int64_t width)
{
    double *all = malloc((size_t)(rows * width) * sizeof *all);
    for (int64_t i = 0; all && i < rows * width; i++) all[i] = row[i % width];
    wg_node *x = all ? adbench_param(g, name, WG_SHAPE(rows, width), all) : NULL;
    free(all);
    return x;
}

static wg_node *cross(wg_node *a, wg_node *b)
{
    wg_node *x[3], *y[3], *z[3];
    for (int i = 0; i < 3; i++) {
        x[i] = columns(a, i, i + 1);
        y[i] = columns(b, i, i + 1);
    }
    for (int i = 0; i < 3; i++) {
        int j = (i + 1) % 3, k = (i + 2) % 3;
        z[i] = wg_sub(wg_mul(x[j], y[k]), wg_mul(x[k], y[j]));
    }
    return wg_concat(3, z, 1);
}

static wg_node *dot(wg_node *a, wg_node *b) { return wg_sum(wg_mul(a, b), WG_AXES(1), 1); }

/* Turns x [n,3] by Rodrigues' vectors r [n,3]. */
static wg_node *rotate(wg_node *r, wg_node *x)
{
    wg_node *angle = wg_sqrt(dot(r, r)), *axis = wg_div(r, angle), *c = wg_cos(angle), *s = wg_sin(angle);
    wg_node *along = wg_mul(dot(axis, x), wg_one_minus(c));
    return wg_add(wg_add(wg_mul(x, c), wg_mul(cross(axis, x), s)), wg_mul(axis, along));
}

static wg_node *project(wg_node *camera, wg_node *x)
{
    wg_node *seen = rotate(columns(camera, 0, 3), wg_sub(x, columns(camera, 3, 6)));
    wg_node *flat = wg_div(columns(seen, 0, 2), columns(seen, 2, 3)), *r2 = dot(flat, flat);
    wg_node *k1 = columns(camera, 9, 10), *k2 = columns(camera, 10, 11);
    wg_node *distortion = wg_shift(wg_add(wg_mul(k1, r2), wg_mul(k2, wg_square(r2))), 1);
    return wg_add(wg_mul(wg_mul(flat, distortion), columns(camera, 6, 7)), columns(camera, 7, 9));
}

int adbench_ba(wg_graph *g, struct adbench_numbers *f, struct adbench_problem *p)
{
    int64_t n = adbench_count(f), m = n ? adbench_count(f) : 0, count = m ? adbench_count(f) : 0;
    double *camera = count ? adbench_take(f, CAMERA) : NULL, *point = camera ? adbench_take(f, POINT) : NULL;
    double *weight = point ? adbench_take(f, 1) : NULL, *measured = weight ? adbench_take(f, 2) : NULL;
    if (!measured) return -1;
    wg_node *cameras = repeat(g, "cameras", camera, n, CAMERA), *points = repeat(g, "points", point, m, POINT);
    wg_node *w = repeat(g, "weights", weight, count, 1), *seen = repeat(g, "measured", measured, count, 2);
    wg_node *of[3] = {wg_gather(cameras, around(g, count, n), 0), wg_gather(points, around(g, count, m), 0), w};
    wg_node *error = wg_mul(wg_sub(project(of[0], of[1]), seen), w), *rest = wg_one_minus(wg_square(w));
    p->value = wg_add(wg_sum(wg_square(error), WG_ALL_AXES, 0), wg_sum(wg_square(rest), WG_ALL_AXES, 0));
    for (int k = 0; k < 2; k++)
        if (wg_grad(wg_sum(columns(error, k, k + 1), WG_ALL_AXES, 0), 3, of, p->d + 3 * k)) return -1;
    p->n = 7;
    return wg_grad(wg_sum(rest, WG_ALL_AXES, 0), 1, &w, p->d + 6);
}
