/* What is planned of a loop before it runs on CUDA: how its elements are found, how its work is cut,
 * and the arguments of its kernel. */
#include <string.h>

#include "cuda/loop/cuda_loop.h"

enum {
    BLOCKS = 1024,    /* long reductions are cut so that there are about so many blocks */
    ROW_LEAST = 4096, /* elements of a chunk of a row, at least and at most */
    ROW_MOST = 65536,
    COLUMN_LEAST = 8, /* rows that a thread goes down in a chunk, at least and at most */
    COLUMN_MOST = 64,
    COLUMN_ONCE = 16, /* so many are not worth a second kernel */
    ENOUGH = 128      /* blocks for a device */
};

static int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t ceil_div(int64_t a, int64_t b) { return a / b + (a % b != 0); }
/* Returns the least power of two that is not less than n, up to `most`. */
static int power_of_two(int64_t n, int most)
{
    int p = 1;
    while (p < n && p < most) p *= 2;
    return p;
}

int wg__cuda_row(const char *op)
{
    static const char *const name[] = {
#define ROW(name) #name,
#include "cpu/each_row.h"
#undef ROW
        "cast"};
    if (!strcmp(op, "expand")) return WG__CUDA_copy;
    for (int i = 0; i < WG__CUDA_ROWS; i++)
        if (!strcmp(op, name[i])) return i;
    return -1;
}

/* ---- Operands ---- */

int wg__cuda_form(const struct wg__cuda_loop *l, const struct wg__cuda_operand *x)
{
    int64_t step = 1;
    bool    dense = true, one = true;
    for (int a = l->rank - 1; a >= 0; step *= l->dim[a--]) {
        dense = dense && x->stride[a] == step;
        one = one && x->stride[a] == 0;
    }
    return dense ? WG__CUDA_DENSE : one ? WG__CUDA_ONE : WG__CUDA_STRIDED;
}

static bool aligned(const void *p, int dtype)
{
    size_t size = wg_dtype_size((wg_dtype)dtype);
    return (uintptr_t)p % (size < 4 ? 4 * size : 16) == 0;
}

/* Tells whether an operand's groups of four start at multiples of four if the domain's groups do. */
static bool operand_vector(const struct wg__cuda_loop *l, const struct wg__cuda_operand *x)
{
    int form = wg__cuda_form(l, x), last = l->rank - 1;
    if (form == WG__CUDA_ONE) return true;
    if (form == WG__CUDA_DENSE) return aligned(x->data, x->dtype);
    if (l->dim[last] % 4) return false;
    if (x->stride[last] != 1) return true;
    for (int a = 0; a < last; a++)
        if (x->stride[a] % 4) return false;
    return aligned(x->data, x->dtype);
}

static bool is_vector(const struct wg__cuda_loop *l)
{
    if (l->tail >= 0 && (l->inner == 1 ? l->reduced : l->inner) % 4) return false;
    for (int i = 0; i < l->inputs; i++)
        if (!operand_vector(l, &l->in[i])) return false;
    for (int o = 0; o < l->outputs; o++)
        if (!aligned(l->out[o].data, l->out[o].dtype)) return false;
    return true;
}

/* ---- Tails ---- */

/* Returns the lanes of a team: a warp or less where a few groups for each lane will do. */
static int team_lanes(int64_t reduced)
{
    return reduced > 1024 ? WG_LOOP_BLOCK : power_of_two(ceil_div(reduced, 4), 32);
}

static void cut_rows(struct wg_loop_args *a)
{
    a->across = team_lanes(a->reduced);
    a->chunk = ceil_div(ceil_div(a->reduced * a->outer, BLOCKS), 1024) * 1024;
    a->chunk = min(max(a->chunk, ROW_LEAST), ROW_MOST);
}

/* Returns the width of a tile in groups. Tiles are narrower, down to one line of memory, where there would be few
 * blocks. */
static int tile_width(const struct wg_loop_args *a)
{
    int across = power_of_two(ceil_div(a->inner, 4), 32);
    for (; across > 8; across /= 2) {
        int64_t tiles = ceil_div(a->inner, 4 * across) * a->outer, rows = WG_LOOP_BLOCK / across;
        if (tiles * ceil_div(a->reduced, COLUMN_LEAST * rows) >= ENOUGH) break;
    }
    return across;
}

static void cut_columns(struct wg_loop_args *a)
{
    a->across = tile_width(a);
    int64_t rows = WG_LOOP_BLOCK / a->across, tiles = ceil_div(a->inner, 4 * a->across) * a->outer;
    if (a->reduced <= COLUMN_ONCE * rows) {
        a->chunk = max(a->reduced, 1);
        return;
    }
    a->chunk = ceil_div(ceil_div(a->reduced * tiles, BLOCKS), rows) * rows;
    a->chunk = min(max(a->chunk, COLUMN_LEAST * rows), COLUMN_MOST * rows);
}

static void cut_reduction(const struct wg__cuda_loop *l, struct wg_loop_args *a)
{
    a->outer = l->outer;
    a->reduced = l->reduced;
    a->inner = l->inner;
    (a->inner == 1 ? cut_rows : cut_columns)(a);
    a->chunks = max(1, ceil_div(a->reduced, a->chunk));
}

size_t wg__cuda_loop_scratch(const struct wg__cuda_loop *l)
{
    struct wg_loop_args a = {0};
    if (l->tail < 0 || l->outer * l->inner == 0) return 0;
    cut_reduction(l, &a);
    return a.chunks == 1 ? 0 : (size_t)(a.outer * a.chunks * a.inner) * sizeof(double);
}

/* ---- Arguments ---- */

static int64_t count_blocks(const struct wg__cuda_loop *l, const struct wg_loop_args *a)
{
    if (l->tail < 0) return ceil_div(ceil_div(a->count, 4), WG_LOOP_BLOCK);
    if (a->inner == 1) return ceil_div(a->outer * a->chunks, WG_LOOP_BLOCK / a->across);
    return a->outer * a->chunks * ceil_div(a->inner, 4 * a->across);
}

void wg__cuda_plan(const struct wg__cuda_loop *l, const struct wg__cuda_launch *at, struct wg__cuda_plan *p)
{
    struct wg_loop_args *a = &p->args;
    memset(p, 0, sizeof *p);
    a->stop = l->stops ? &at->fault->status : NULL;
    a->count = 1;
    for (int d = 0; d < l->rank; d++) a->count *= a->dim[d] = l->dim[d];
    for (int i = 0; i < l->inputs; i++) {
        a->in[i] = l->in[i].data;
        for (int d = 0; d < l->rank; d++) a->stride[i][d] = l->in[i].stride[d];
    }
    for (int o = 0; o < l->outputs; o++) a->out[o] = l->out[o].data;
    a->vector = is_vector(l);
    a->chunks = 1;
    if (l->tail >= 0) cut_reduction(l, a);
    a->tail_out = l->tail_out;
    a->part = at->scratch;
    /* Several times what fits at once, so that blocks of unequal speed even out. */
    p->grid = (unsigned)min(count_blocks(l, a), 32 * max(at->sms, 1));
}

void wg__cuda_plan_finish(const struct wg__cuda_loop *l, const struct wg__cuda_launch *at, struct wg__cuda_plan *p)
{
    struct wg_loop_args *a = &p->args;
    memset(p, 0, sizeof *p);
    if (!wg__cuda_loop_scratch(l)) return;
    cut_reduction(l, a);
    a->reduced = a->chunk = a->chunks;
    a->chunks = 1;
    /* Parts are few: teams for each result that are as large as there is work for. */
    if (a->inner > 1) a->across = (int)max(1, min(a->across, WG_LOOP_BLOCK / power_of_two(a->reduced, WG_LOOP_BLOCK)));
    else a->across = a->reduced > 128 ? WG_LOOP_BLOCK : team_lanes(a->reduced);
    a->in[0] = at->scratch;
    a->tail_out = l->tail_out;
    p->grid = (unsigned)min(count_blocks(l, a), 32 * max(at->sms, 1));
}

/* ---- Groups ---- */

void wg__cuda_deal(int n, const struct wg_loop_args *args, int sms, unsigned *first)
{
    int64_t all = 0, most = 32 * max(sms, 1);
    for (int k = 0; k < n; k++) all += ceil_div(args[k].count, 4 * WG_LOOP_BLOCK);
    first[0] = 0;
    for (int k = 0; k < n; k++) {
        int64_t own = ceil_div(args[k].count, 4 * WG_LOOP_BLOCK);
        if (all > most && own) own = max(1, (int64_t)((double)own / (double)all * (double)most));
        first[k + 1] = first[k] + (unsigned)own;
    }
}
