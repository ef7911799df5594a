/* A tensor and its parts along an axis, copied one into the others: concat and split. */
#include "ops/ops_impl.h"

/* Rows of the joined tensor are taken as many at a time as stay in the first-level cache, so that it is gone over once
 * however many and narrow the parts are. */
enum { ROWS_BYTES = 16384 };

struct work {
    char            *joined;
    const wg_tensor *part;
    int              n, axis;
    bool             join;
    int64_t          row, inner; /* bytes of a row, and of one index of the axis */
};

static void copy_part(const struct work *w, int64_t begin, int64_t end, int64_t at, const wg_tensor *part)
{
    int64_t width = part->shape.dim[w->axis] * w->inner;
    if (width == 0) return;
    char *joined = w->joined + begin * w->row + at, *own = (char *)part->data + begin * width;
    if (w->join) wg__copy_strided(joined, w->row, own, width, end - begin, (size_t)width);
    else wg__copy_strided(own, width, joined, w->row, end - begin, (size_t)width);
}

static void copy_some_rows(void *context, int64_t begin, int64_t end)
{
    const struct work *w = context;
    int64_t            most = w->row < ROWS_BYTES ? ROWS_BYTES / w->row : 1;
    for (int64_t i = begin, next; i < end; i = next) {
        int64_t at = 0;
        next = end - i < most ? end : i + most;
        for (int k = 0; k < w->n; k++) {
            copy_part(w, i, next, at, &w->part[k]);
            at += w->part[k].shape.dim[w->axis] * w->inner;
        }
        WG__INVARIANT(at == w->row); /* the parts are the whole */
    }
}

/* Copies parts that lie one after the other, each on all threads. */
static void copy_one_row(const wg_call *c, const struct work *w)
{
    char *at = w->joined;
    for (int k = 0; k < w->n; k++) {
        int64_t bytes = w->part[k].shape.dim[w->axis] * w->inner;
        char   *own = w->part[k].data;
        wg__copy_rows(c, 1, bytes, w->join ? at : own, bytes, w->join ? own : at, bytes);
        at += bytes;
    }
}

static void copy_parts(const wg_call *c, const wg_tensor *joined, int n, const wg_tensor *part, int axis, bool join)
{
    struct wg__split p = wg__split_at(&joined->shape, axis, axis + 1);
    struct work      w = {.joined = joined->data, .part = part, .n = n, .axis = axis, .join = join};
    w.inner = p.inner * (int64_t)wg_dtype_size(joined->dtype);
    w.row = p.n * w.inner;
    if (p.outer == 0 || w.row == 0) return;
    if (p.outer == 1) copy_one_row(c, &w);
    else wg_parallel(c, p.outer, wg__grain(p.n * p.inner), copy_some_rows, &w);
}

void wg__join_parts(const wg_call *c, const wg_tensor *joined, int n, const wg_tensor *part, int axis)
{
    copy_parts(c, joined, n, part, axis, true);
}

void wg__cut_parts(const wg_call *c, const wg_tensor *joined, int n, const wg_tensor *part, int axis)
{
    copy_parts(c, joined, n, part, axis, false);
}
