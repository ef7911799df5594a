/* gemm_impl.h - one piece of a matrix product c = op(a) op(b) of T, included by the kernel of each dtype with T, DTYPE
 * and F64 defined.
 *
 * c is made in tiles that stay in registers while k runs to its end, so each element is one chain of multiply-adds in
 * the order of k: its bits depend on neither the tile nor the piece that it lies in, and are those of every level that
 * has multiply-adds.  op(b) is copied into panels as wide as a tile, which are read front to back by every row of
 * tiles; so are the rows of op(a) that a row of tiles reads.  (Goto & van de Geijn 2008 describe the scheme.)  Few rows
 * are made without copies (few_rows.h), and products that are narrow, or that read a transposed b once, are made as dot
 * products (dots.h), whose bits are others: the shape alone decides which. */
#ifndef WENGERT_CPU_GEMM_IMPL_H
#define WENGERT_CPU_GEMM_IMPL_H

#include "cpu/kernels/kernel_impl.h"

#if defined(__FMA__) || defined(__ARM_FEATURE_FMA) /* without them OpenBLAS is the quicker one */
#include "cpu/gemm/dots.h"
#include "cpu/gemm/few_rows.h"

/* Makes the block's share of c, rows of tiles from left to right: op(a)'s rows stay in the first-level cache.  Panels
 * are `deep` rows deep, of which the block's begin at `from`.  fill: panels again, where the first row of tiles fills
 * those of full width from a b that is not transposed; else NULL. */
static void run_block(const struct block *x, const T *panels, int64_t deep, int64_t from, T *fill)
{
    const struct wg__gemm *g = x->g;
    const T               *a = g->a, *b = g->b;
    T                     *c = g->c, *copied = (T *)(void *)wg__workspace()->rows;
    int64_t                rows, row = g->ta ? 1 : g->k, step = g->ta ? g->m : 1;
    bool                   copies = x->j1 - x->j0 > WIDTH && x->p1 - x->p0 <= DEPTH;
    struct tile            t = {.row = copies && !g->ta ? A_ROW : row,
                                .step = copies && g->ta ? ROWS : step,
                                .panel = deep * WIDTH,
                                .k = x->p1 - x->p0,
                                .c_row = g->n,
                                .more = x->p0 > 0};
    for (int64_t i = x->i0; i < x->i1; i += rows) {
        rows = cut_rows(x->i1 - i, ROWS);
        if (copies) copy_rows(x, i, rows, copied);
        t.a = copies ? copied : a + i * row + x->p0 * step;
        for (int64_t j = x->j0; j < x->j1; j += t.cols) {
            int wide = find_wide(rows, x->j1 - j);
            t.cols = (int)(x->j1 - j < wide * LANES ? x->j1 - j : wide * LANES);
            t.b_row = find_width(count_columns(x, j));
            t.b = panels + (j - x->j0) * deep + from * t.b_row;
            t.c = c + i * g->n + j;
            if (fill && i == x->i0 && t.cols == WIDTH) {
                t.fill = fill + (j - x->j0) * deep;
                t.b = b + x->p0 * g->n + j;
                t.b_row = g->n;
                tile_fresh(&t);
            } else tiles[rows][wide](&t);
        }
    }
}

/* Counts the columns of panels of DEPTH rows that lie side by side. */
static int64_t count_beside(void)
{
    return (int64_t)(wg__workspace()->panel_bytes / (DEPTH * WIDTH * sizeof(T))) * WIDTH;
}

/* Cuts k into steps of nearly the same length, at most `most` each. */
static int64_t cut_depth(int64_t k, int64_t most)
{
    int64_t steps = (k - 1) / most + 1, depth = (k - 1) / steps + 1;
    return depth + 3 < most ? (depth + 3) / 4 * 4 : most;
}

/* Makes the piece from op(b) as wg__gemm_pack left it; panels begin at multiples of WIDTH, and so does the piece. */
static void run_packed(const struct wg__gemm *g, int64_t i0, int64_t i1, int64_t j0, int64_t j1)
{
    int64_t      depth = i1 - i0 <= ROWS ? g->k : cut_depth(g->k, DEPTH); /* one row of tiles reads every panel once */
    int64_t      beside = count_beside();
    const T     *packed = g->packed;
    struct block x = {.g = g, .i0 = i0, .i1 = i1};
    for (x.j0 = j0; x.j0 < j1; x.j0 = x.j1) {
        x.j1 = j1 - x.j0 < beside ? j1 : x.j0 + beside;
        for (x.p0 = 0; x.p0 < g->k; x.p0 = x.p1) {
            x.p1 = g->k - x.p0 < depth ? g->k : x.p0 + depth;
            run_block(&x, packed + x.j0 * g->k, g->k, x.p0, NULL);
        }
    }
}

/* Makes the piece from panels that it packs.  A whole first row of tiles packs them by the way, but reads b in narrow
 * pieces: MANY rows rather share a pass of its own. */
static void run_panels(const struct wg__gemm *g, int64_t i0, int64_t i1, int64_t j0, int64_t j1)
{
    enum { MANY = 256 };
    T           *panels = (T *)(void *)wg__workspace()->panels;
    int64_t      depth = cut_depth(g->k, DEPTH), beside = count_beside();
    bool         fresh = !g->tb && i1 - i0 >= 2 * ROWS && i1 - i0 < MANY;
    struct block x = {.g = g, .i0 = i0, .i1 = i1};
    for (x.j0 = j0; x.j0 < j1; x.j0 = x.j1) {
        x.j1 = j1 - x.j0 < beside ? j1 : x.j0 + beside;
        for (x.p0 = 0; x.p0 < g->k; x.p0 = x.p1) {
            x.p1 = g->k - x.p0 < depth ? g->k : x.p0 + depth;
            pack_block(&x, panels, fresh);
            run_block(&x, panels, x.p1 - x.p0, 0, fresh ? panels : NULL);
        }
    }
}

/* Gives a product of one column as one of one row: c and its transpose are the same memory, and so are an operand of
 * one row or column and its transpose. */
static struct wg__gemm normalise(const struct wg__gemm *g)
{
    struct wg__gemm r = *g;
    if (g->n == 1 && g->m > 1) {
        r.m = 1;
        r.n = g->m;
        r.a = g->b;
        r.b = g->a;
        r.tb = !g->ta;
    }
    if (r.m == 1) r.ta = false;
    return r;
}

void LEVEL(NAME(wg__gemm_pack))(const struct wg__gemm *g, void *packed);
void LEVEL(NAME(wg__gemm_pack))(const struct wg__gemm *g, void *packed)
{
    pack_block(&(struct block){.g = g, .j1 = g->n, .p1 = g->k}, packed, false);
}

void LEVEL(NAME(wg__gemm))(const struct wg__gemm *g, int64_t i0, int64_t i1, int64_t j0, int64_t j1);
void LEVEL(NAME(wg__gemm))(const struct wg__gemm *g, int64_t i0, int64_t i1, int64_t j0, int64_t j1)
{
    struct wg__gemm h = normalise(g);
    if (h.n != g->n) {
        j0 = i0;
        j1 = i1;
        i0 = 0;
        i1 = 1;
    }
    if (is_dots(&h)) run_as_dots(&h, i0, i1, j0, j1);
    else if (is_mirrored(&h)) run_mirrored(&h, i0, i1, j0, j1);
    else if (h.packed) run_packed(&h, i0, i1, j0, j1);
    else if (reads_in_place(&h, i1 - i0, j1 - j0)) run_in_place(&h, i0, i1, j0, j1);
    else run_panels(&h, i0, i1, j0, j1);
}
#else
typedef int no_own_product; /* a source holds something */
#endif

#endif
