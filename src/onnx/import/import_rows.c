/* The operators that are understood. */
#include <string.h>

#include "onnx/import/import_impl.h"

static const struct wg__row *const lists[] = {
    wg__rows_elementwise, wg__rows_logic, wg__rows_shape, wg__rows_index,    wg__rows_reduce, wg__rows_product,
    wg__rows_softmax,     wg__rows_norm,  wg__rows_loss,  wg__rows_constant, wg__rows_random, wg__rows_branch};
enum { LISTS = sizeof lists / sizeof *lists };

const struct wg__row *wg__row_find(const char *op, int opset, int *later)
{
    const struct wg__row *best = NULL;
    *later = 0;
    for (int k = 0; k < LISTS; k++)
        for (const struct wg__row *r = lists[k]; r->op; r++) {
            if (strcmp(r->op, op) != 0) continue;
            if (r->since > opset) *later = *later && *later < r->since ? *later : r->since;
            else if (!best || r->since > best->since) best = r;
        }
    return best;
}

/* Tells whether no earlier row has the name: an operator counts once, by its first opset. */
static bool first_of_its_name(const struct wg__row *r)
{
    for (int k = 0; k < LISTS; k++)
        for (const struct wg__row *q = lists[k]; q->op; q++) {
            if (q == r) return true;
            if (strcmp(q->op, r->op) == 0) return false;
        }
    return true;
}

static int first_opset(const char *op)
{
    int first = INT32_MAX;
    for (int k = 0; k < LISTS; k++)
        for (const struct wg__row *r = lists[k]; r->op; r++)
            if (r->since < first && strcmp(r->op, op) == 0) first = r->since;
    return first;
}

int wg_onnx_operator(int i, const char **name, int *since)
{
    int n = 0;
    for (int k = 0; i >= 0 && k < LISTS; k++)
        for (const struct wg__row *r = lists[k]; r->op; r++) {
            if (!first_of_its_name(r) || n++ < i) continue;
            if (name) *name = r->op;
            if (since) *since = first_opset(r->op);
            return 1;
        }
    return 0;
}
