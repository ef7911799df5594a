/* Sizes that are known only when the net runs: Shape of an input that has the
 * symbol, and arithmetic on it. */
#include <string.h>

#include "onnx/export/export.h"

static bool dim_value(struct wg__export *e, const wg_node *y, int64_t d, struct wg__val *to);

/* Writes dimension d as a vector of one element, taken from the shape of an input. False if no input
 * has an axis of that dimension. */
static bool size_from_input(struct wg__export *e, const wg_node *y, int64_t d, const char *name, int *status)
{
    char form[64];
    for (int i = 0; i < e->n_input; i++) {
        const wg_node *x = e->input[i];
        for (int k = 0; k < x->shape->rank; k++) {
            if (x->shape->dim[k] != d) continue;
            snprintf(form, sizeof form, "Gather{axis=0}(Shape(x),[%d])", k);
            *status =
                wg__form_write(e, y, form, 1, &(struct wg__val){e->of[x->id].name, (wg_dtype)x->dtype}, name, WG_I64);
            return true;
        }
    }
    return false;
}

/* Counts the elements of x that are in a range: makes x zeros, slices them and takes the shape of what
 * is left. */
static int size_from_range(struct wg__export *e, const wg_node *y, int64_t d, const struct wg__val *x, const char *name)
{
    int64_t start, stop, step;
    char    form[160];
    if (e->opset < 10) return wg__export_bad(e, y, "a range of a symbolic size needs opset 10");
    wg__dim_range_of(e->g, d, &start, &stop, &step);
    snprintf(form, sizeof form, "Shape(Slice(Expand(0,x),[%lld],[%lld],[0],[%lld]))", (long long)start, (long long)stop,
             (long long)step);
    return wg__form_write(e, y, form, 1, x, name, WG_I64);
}

static const char *form_of(char op)
{
    switch (op) {
    case '+': return "Add";
    case '-': return "Sub";
    case '*': return "Mul";
    case '/': return "Div";
    default: return "Shape(Add(Expand(0,x),Expand(0,y)))"; /* what the two broadcast to */
    }
}

static int from_parts(struct wg__export *e, const wg_node *y, int64_t d, const char *text, const char *name)
{
    int64_t        a, b;
    struct wg__val part[2];
    char           op = wg__dim_split(e->g, d, &a, &b);
    if (!op) return wg__export_bad(e, y, "no input that the outputs need has the dimension \"%s\"", text);
    if (!dim_value(e, y, a, &part[0]) || !dim_value(e, y, b, &part[1])) return wg_status(e->g);
    if (op == ':') return size_from_range(e, y, d, &part[0], name);
    return wg__form_write(e, y, form_of(op), 2, part, name, WG_I64);
}

/* Gives dimension d as a vector of one element, which is made once and found by its name afterwards. */
static bool dim_value(struct wg__export *e, const wg_node *y, int64_t d, struct wg__val *to)
{
    char text[160], key[24], wanted[170];
    int  status = WG_OK;
    if (d >= 0) {
        *to = wg__constant_ints(e, 1, &d);
        return true;
    }
    snprintf(key, sizeof key, "%lld", (long long)d);
    *to = (struct wg__val){wg__names_find(&e->dims, key), WG_I64};
    if (to->name) return true;
    wg_dim_name(e->g, d, text, sizeof text);
    snprintf(wanted, sizeof wanted, "size/%s", text);
    to->name = wg__name(e, wanted);
    if (!size_from_input(e, y, d, to->name, &status)) status = from_parts(e, y, d, text, to->name);
    if (status) return false;
    wg__names_set(e, &e->dims, key, to->name);
    return true;
}

/* Makes a vector of pieces: numbers in a row are one piece, each symbol is a piece of its own. */
bool wg__dims_value(struct wg__export *e, const wg_node *y, int n, const struct wg__form_number *v, struct wg__val *to)
{
    struct wg__val *part = wg__arena_alloc(&e->arena, ((size_t)n + 1) * sizeof *part);
    int64_t        *known = wg__arena_alloc(&e->arena, ((size_t)n + 1) * sizeof *known);
    int             parts = 0, run = 0;
    if (!part || !known) return wg__fail_nomem(e->g), false;
    for (int i = 0; i <= n; i++) {
        bool symbol = i < n && v[i].symbol;
        if (i < n && !symbol) known[run++] = v[i].whole;
        else if (run) {
            part[parts++] = wg__constant_ints(e, run, known);
            run = 0;
        }
        if (symbol && !dim_value(e, y, v[i].whole, &part[parts++])) return false;
    }
    if (parts == 0) part[parts++] = wg__constant_ints(e, 0, NULL);
    if (parts == 1) {
        *to = part[0];
        return true;
    }
    *to = (struct wg__val){wg__name_numbered(e, "shape"), WG_I64};
    return wg__form_write(e, y, "Concat{axis=0}", parts, part, to->name, WG_I64) == WG_OK;
}
