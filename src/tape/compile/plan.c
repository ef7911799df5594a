/* Memory planning: lifetimes, then a place for each value in one buffer.
 *
 * Inputs come first and keep their places, since they are set once and read by every run. Then the instructions are
 * walked in order: a value takes the memory of an operand that ends here (in place), or the best fitting free piece, or
 * new memory at the end; after the instruction, the memory of the values that it was the last to read is free. */
#include <stdlib.h>
#include <string.h>

#include "tape/tape_impl.h"

struct piece {
    int64_t offset, size;
};
struct pool {
    struct piece *piece; /* [n] free, by offset, none touching another */
    int           n, cap;
    int64_t       end; /* of the buffer so far */
};

enum { SEARCH = 256 /* pieces that are tried before new memory is taken */ };

static int64_t take_piece(struct pool *p, int64_t size)
{
    int best = -1;
    for (int i = p->n - 1, looked = 0; i >= 0 && looked < SEARCH; i--, looked++)
        if (p->piece[i].size >= size && (best < 0 || p->piece[i].size < p->piece[best].size)) best = i;
    if (best < 0) {
        struct piece *last = p->n ? &p->piece[p->n - 1] : NULL;
        int64_t       at = last && last->offset + last->size == p->end ? last->offset : p->end;
        if (at < p->end) p->n--; /* grow the free piece at the end */
        p->end = at + size;
        return at;
    }
    int64_t at = p->piece[best].offset;
    p->piece[best].offset += size;
    p->piece[best].size -= size;
    if (!p->piece[best].size) {
        memmove(&p->piece[best], &p->piece[best + 1], (size_t)(p->n - best - 1) * sizeof *p->piece);
        p->n--;
    }
    return at;
}

static int free_piece(struct pool *p, int64_t offset, int64_t size)
{
    if (p->n == p->cap) {
        int   cap = p->cap ? 2 * p->cap : 64;
        void *q = realloc(p->piece, (size_t)cap * sizeof *p->piece);
        if (!q) return WG_ENOMEM;
        p->piece = q;
        p->cap = cap;
    }
    int lo = 0, hi = p->n;
    while (lo < hi) {
        int mid = (lo + hi) / 2;
        if (p->piece[mid].offset < offset) lo = mid + 1;
        else hi = mid;
    }
    WG__INVARIANT(lo == 0 || p->piece[lo - 1].offset + p->piece[lo - 1].size <= offset);
    WG__INVARIANT(lo == p->n || offset + size <= p->piece[lo].offset);
    bool left = lo > 0 && p->piece[lo - 1].offset + p->piece[lo - 1].size == offset;
    bool right = lo < p->n && offset + size == p->piece[lo].offset;
    if (left && right) {
        p->piece[lo - 1].size += size + p->piece[lo].size;
        memmove(&p->piece[lo], &p->piece[lo + 1], (size_t)(p->n - lo - 1) * sizeof *p->piece);
        p->n--;
    } else if (left) p->piece[lo - 1].size += size;
    else if (right) p->piece[lo] = (struct piece){offset, size + p->piece[lo].size};
    else {
        memmove(&p->piece[lo + 1], &p->piece[lo], (size_t)(p->n - lo) * sizeof *p->piece);
        p->piece[lo] = (struct piece){offset, size};
        p->n++;
    }
    return WG_OK;
}

/* Checks the bytes of all values against max_bytes. One value has at most PTRDIFF_MAX / 2 bytes, so adding one to a sum
 * that was checked does not overflow. */
int wg__check_bytes(wg_tape *t, int64_t bytes)
{
    int64_t most = t->options.max_bytes ? t->options.max_bytes : PTRDIFF_MAX / 2;
    if (bytes <= most) return WG_OK;
    if (!t->options.max_bytes) return wg__fail(t->user, WG_ESHAPE, "compile: the values do not fit in memory");
    return wg__fail(t->user, WG_EARG, "compile: the values need more than the %lld bytes that max_bytes allows",
                    (long long)most);
}

/* Sets first and last of every root; a kept value lives beyond the last instruction. */
static void find_lifetimes(wg_tape *t)
{
    for (int i = 0; i < t->n_instr; i++) {
        const struct wg__instr *p = &t->instr[i];
        for (int k = 0; k < p->n_out; k++) {
            struct wg__value *v = &t->value[p->out[k]];
            v->first = i;
            if (v->last < i) v->last = i;
        }
        for (int k = 0; k < p->n_in; k++) t->value[t->value[p->in[k]].root].last = i;
    }
    for (int i = 0; i < t->n_order; i++) {
        const wg_node          *x = t->order[i];
        const struct wg__value *v = &t->value[x->id];
        if (v->keep) t->value[v->root].last = t->n_instr;
    }
    for (int c = 0; c < t->n_copy; c++)
        if (!t->copy[c].in_place) t->value[t->value[t->copy[c].from].root].last = t->n_instr;
}

/* Finds an operand whose memory output k of instruction i may take; -1 if there is none. */
static int find_in_place(const wg_tape *t, int i, int k)
{
    const struct wg__instr *p = &t->instr[i];
    const struct wg__value *y = &t->value[p->out[k]];
    for (int j = 0; j < p->n_in; j++) {
        int                     r = t->value[p->in[j]].root;
        const struct wg__value *x = &t->value[r];
        if (x->place != WG__BUFFER || x->last != i || x->first < 0 || r == p->out[k]) continue;
        bool taken = false;
        for (int o = 0; o < k; o++)
            taken |= t->value[p->out[o]].place == WG__BUFFER && t->value[p->out[o]].offset == x->offset;
        if (taken) continue;
        if (p->loop ? wg__loop_may_overwrite(t, p, k, r)
                    : j == 0 && (p->op->flags & WG_OP_IN_PLACE) && x->bytes == y->bytes && p->n_in == 1)
            return r;
    }
    return -1;
}

static void place_input(wg_tape *t, struct pool *p, const wg_node *x)
{
    struct wg__value *v = &t->value[x->id];
    v->place = WG__BUFFER;
    v->offset = p->end;
    p->end += wg__aligned(v->bytes);
}

static int place_output(wg_tape *t, struct pool *p, int i, int k)
{
    struct wg__value *v = &t->value[t->instr[i].out[k]];
    if (v->place == WG__SHARED) return WG_OK;
    int r = t->options.skip & WG_SKIP_REUSE ? -1 : find_in_place(t, i, k);
    v->place = WG__BUFFER;
    v->offset = r >= 0 ? t->value[r].offset : take_piece(p, wg__aligned(v->bytes));
    WG__INVARIANT(v->offset % 64 == 0 && v->offset + wg__aligned(v->bytes) <= p->end);
    return wg__check_bytes(t, p->end);
}

/* Places the outputs of instruction i. A product is an input of the loop that it heads, so it is placed before the
 * other outputs. */
static int place_outputs(wg_tape *t, struct pool *p, int i)
{
    const struct wg__instr *q = &t->instr[i];
    int                     status = WG_OK;
    for (int k = 0; k < q->n_out && !status; k++)
        if (q->out[k] == q->product) status = place_output(t, p, i, k);
    for (int k = 0; k < q->n_out && !status; k++)
        if (q->out[k] != q->product) status = place_output(t, p, i, k);
    return status;
}

static bool is_overwritten(const wg_tape *t, int i, const struct wg__value *x)
{
    const struct wg__instr *p = &t->instr[i];
    for (int k = 0; k < p->n_out; k++) {
        const struct wg__value *y = &t->value[p->out[k]];
        if (y != x && y->place == WG__BUFFER && y->bytes && y->offset == x->offset && y->last > i) return true;
    }
    return false;
}

static int free_after(wg_tape *t, struct pool *p, int i)
{
    const struct wg__instr *q = &t->instr[i];
    for (int k = 0; k < q->n_in + q->n_out; k++) { /* out follows in */
        struct wg__value *v = &t->value[t->value[q->in[k]].root];
        if (v->place != WG__BUFFER || v->last != i || v->first < 0 || v->freed) continue;
        v->freed = true;
        if (!v->bytes || is_overwritten(t, i, v)) continue;
        bool again = false; /* an output that dies at once in an operand's memory: one piece, given back once */
        for (int j = 0; j < k; j++) {
            const struct wg__value *w = &t->value[t->value[q->in[j]].root];
            again |= w != v && w->freed && w->place == WG__BUFFER && w->offset == v->offset && w->last == i && w->bytes;
        }
        if (!again && free_piece(p, v->offset, wg__aligned(v->bytes))) return wg__fail_nomem(t->user);
    }
    return WG_OK;
}

int wg__plan(wg_tape *t)
{
    struct pool p = {0};
    int         status = WG_OK;
    find_lifetimes(t);
    for (int i = 0; i < t->n_order && !status; i++) {
        if (t->order[i]->kind != WG__INPUT) continue;
        place_input(t, &p, t->order[i]);
        status = wg__check_bytes(t, p.end);
    }
    t->input_bytes = (size_t)p.end;
    for (int i = 0; i < t->n_instr && !status; i++) {
        status = place_outputs(t, &p, i);
        if (!status && !(t->options.skip & WG_SKIP_REUSE)) status = free_after(t, &p, i);
    }
    t->buffer_bytes = (size_t)p.end;
    free(p.piece);
    return status;
}
