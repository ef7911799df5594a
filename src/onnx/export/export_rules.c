/* Nodes that are not exported by their operator's own form: a choice by `training` becomes its value
 * in evaluation, so that dropout is nothing; x W + b becomes Gemm, a sum over a size ReduceMean, a
 * choice between bounds Clip. */
#include <string.h>

#include "onnx/export/export.h"

/* ---- Built-in operators, and their attributes, by name ---- */

static bool is(const wg_node *x, const char *name)
{
    if (x->kind != WG__OP || strcmp(x->op->name, name) != 0) return false;
    for (const wg_op *const *op = wg_ops; *op; op++)
        if (*op == x->op) return true;
    return false;
}

/* Finds an attribute of x's operator. Callers name only attributes that the operator has. */
static const void *attr(const wg_node *x, const char *name)
{
    const wg_field *f = x->op->fields;
    while (strcmp(f->name, name) != 0) f++;
    return (const char *)x->attr + f->offset;
}
static bool flag(const wg_node *x, const char *name) { return *(const int *)attr(x, name) != 0; }

/* ---- What is chosen by training: its value in evaluation; and x expanded to its own shape: x ---- */

bool wg__export_chooses(const wg_node *x) { return is(x, "where") && is(x->x[0], "training"); }

wg_node *wg__export_same(wg_node *x)
{
    for (;;) {
        wg_node *rest = NULL;
        if (is(x, "expand")) rest = x->x[0]; /* to its own shape */
        if (wg__export_chooses(x)) rest = x->x[2];
        if (!rest || !wg__shape_equal(rest->shape, x->shape)) return x;
        x = rest;
    }
}

/* Exports a choice whose value in evaluation is smaller than the result: that value, expanded. */
static bool expand_choice(const wg_node *y, struct wg__export_rule *r)
{
    wg_onnx_form f = {.y = y};
    if (!wg__export_chooses(y)) return false;
    wg_onnx_say(&f, "Expand(x,");
    wg_onnx_say_dims(&f, y->shape->rank, y->shape->dim);
    wg_onnx_say(&f, ")");
    *r = (struct wg__export_rule){
        .kind = "expand", .form = r->text, .n = 1, .turned = -1, .x = {wg__export_same(y->x[2])}};
    memcpy(r->text, f.text, sizeof r->text); /* eight dimensions are shorter */
    return true;
}

/* ---- x W + b, W a stored matrix: Gemm ---- */

static bool is_stored(const wg_node *x) { return x->kind == WG__PARAM || x->kind == WG__CONST; }

/* Tells whether Gemm can add c to the matrix y: c is repeated only, and is no computed matrix. */
static bool is_bias(const wg_node *c, const wg_node *y)
{
    bool fits = c->shape->rank <= 2 && (is_stored(c) || c->shape->rank < 2);
    for (int i = 1; fits && i <= c->shape->rank; i++) {
        int64_t d = c->shape->dim[c->shape->rank - i];
        fits = d == 1 || d == y->shape->dim[2 - i];
    }
    return fits;
}

static bool gemm(const struct wg__export *e, const wg_node *y, struct wg__export_rule *r)
{
    for (int side = 0; is(y, "add") && side < 2; side++) {
        wg_node *p = wg__export_same(y->x[side]), *b = wg__export_same(y->x[!side]);
        if (!is(p, "matmul") || e->of[p->id].uses != 1 || !wg__shape_equal(p->shape, y->shape)) continue;
        wg_node *x = wg__export_same(p->x[0]), *w = wg__export_same(p->x[1]);
        bool     turn = !flag(p, "tb");
        if (x->shape->rank != 2 || w->shape->rank != 2 || !is_stored(w) || !is_bias(b, y)) continue;
        *r = (struct wg__export_rule){.kind = "gemm", .form = r->text, .n = 3, .turned = turn ? 1 : -1, .x = {x, w, b}};
        bool turned = turn && e->of[w->id].turned == e->of[w->id].inputs;
        snprintf(r->text, sizeof r->text, "Gemm{alpha=1.0,beta=1.0,transA=%d,transB=%d}", flag(p, "ta"),
                 turned || !turn);
        return true;
    }
    return false;
}

/* ---- sum / size: ReduceMean ---- */

/* Tells whether `size` is the number of elements of x along the axes in `in`. False for no axes: an
 * empty list of axes means all axes there. */
static bool is_count_of(const wg_node *size, const wg_node *x, const bool in[WG_MAX_RANK])
{
    double n = 1;
    bool   some = false, known = true;
    for (int i = 0; i < x->shape->rank; i++) {
        if (!in[i]) continue;
        some = true;
        known = known && wg_dim_known(x->shape->dim[i]);
        n *= (double)x->shape->dim[i];
    }
    if (!some) return false; /* there no axes are all axes */
    if (is(size, "size")) {
        const wg_axes *a = attr(size, "axes");
        bool           same = wg__shape_equal(size->x[0]->shape, x->shape), of[WG_MAX_RANK] = {0};
        for (int i = 0; same && i < a->n; i++) of[a->axis[i] < 0 ? a->axis[i] + x->shape->rank : a->axis[i]] = true;
        for (int i = 0; same && i < x->shape->rank; i++) same = (a->n < 0 || of[i]) == in[i];
        return same;
    }
    if (size->kind != WG__CONST || size->shape->rank != 0 || !known) return false;
    return n > 0 && wg__load((wg_dtype)size->dtype, size->data, 0) == n;
}

/* Takes `in`, the set of axes of a sum's result, to the set of the operand's axes that are in it or
 * summed over. */
static void sum_axes(const wg_node *sum, bool in[WG_MAX_RANK])
{
    const wg_axes *a = attr(sum, "axes");
    int            rank = sum->x[0]->shape->rank, k = 0;
    bool           mine[WG_MAX_RANK] = {0}, all[WG_MAX_RANK] = {0};
    for (int i = 0; i < a->n; i++) mine[a->axis[i] < 0 ? a->axis[i] + rank : a->axis[i]] = true;
    for (int i = 0; i < rank; i++) {
        bool reduced = a->n < 0 || mine[i];
        if (flag(sum, "keep")) all[i] = reduced || in[i];
        else all[i] = reduced || in[k++];
    }
    memcpy(in, all, sizeof all);
}

static void mean_form(const wg_node *x, const bool in[WG_MAX_RANK], bool keep, char *text, size_t n)
{
    char   axes[64] = "";
    size_t k = 0;
    for (int i = 0; i < x->shape->rank; i++)
        if (in[i]) wg__append(axes, sizeof axes, &k, "%s%d", k ? "," : "", i);
    snprintf(text, n, "18:ReduceMean{keepdims=%d}(x,[%s]); ReduceMean{axes=[%s],keepdims=%d}", keep, axes, axes, keep);
}

/* Exports sum / size as ReduceMean. A sum along several runs of axes is a sum of sums. */
static bool mean(const wg_node *y, struct wg__export_rule *r)
{
    bool in[WG_MAX_RANK] = {0};
    if (!is(y, "div") || !(WG_DTYPE_BIT(y->dtype) & WG_DTYPE_REALS)) return false;
    wg_node *sum = wg__export_same(y->x[0]), *size = wg__export_same(y->x[1]), *x = sum;
    while (is(x, "sum") && flag(x, "keep") == flag(sum, "keep")) {
        sum_axes(x, in);
        x = wg__export_same(x->x[0]);
        if (!is_count_of(size, x, in)) continue;
        *r = (struct wg__export_rule){.kind = "mean", .form = r->text, .n = 1, .turned = -1, .x = {x}};
        mean_form(x, in, flag(sum, "keep"), r->text, sizeof r->text);
        return true;
    }
    return false;
}

/* ---- x < a ? a : x > b ? b : x, or min(max(x, a), b), of two numbers: Clip ---- */

static bool number(const wg_node *x, double *v)
{
    if (x->kind != WG__CONST || x->shape->rank != 0) return false;
    *v = wg__load((wg_dtype)x->dtype, x->data, 0);
    return true;
}

/* Finds x, c and the third operand, which is returned, in y = (x `comparison` c) ? c : third operand.
 * NULL: y is no such node. */
static wg_node *chosen_by(const wg_node *y, const char *comparison, wg_node **x, double *c)
{
    double         bound;
    const wg_node *test = is(y, "where") ? wg__export_same(y->x[0]) : NULL;
    if (!test || !is(test, comparison) || !number(y->x[1], c) || !number(test->x[1], &bound) || bound != *c)
        return NULL;
    *x = wg__export_same(test->x[0]);
    return wg__export_same(y->x[2]);
}

/* Finds x in a node that computes min(max(x, least), most). NULL: y is no such node. */
static wg_node *find_clipped(const wg_node *y, double *least, double *most)
{
    wg_node *x, *again, *inner = chosen_by(y, "less", &x, least), *last;
    if (inner) {
        last = chosen_by(inner, "greater", &again, most);
        return last == x && again == x ? x : NULL;
    }
    if (!is(y, "minimum") || !number(y->x[1], most)) return NULL;
    inner = wg__export_same(y->x[0]);
    return is(inner, "maximum") && number(inner->x[1], least) ? wg__export_same(inner->x[0]) : NULL;
}

/* Exports min(max(x, a), b) as Clip. Before opset 11 the bounds are attributes, which are f32;
 * runtimes know opset 11 for f32 only. */
static bool clip(const struct wg__export *e, const wg_node *y, struct wg__export_rule *r)
{
    double       least, most;
    wg_onnx_form f = {.opset = e->opset};
    bool         exact = y->dtype == WG_F32 || (y->dtype == WG_F64 && e->opset >= 12);
    wg_node     *x = exact ? find_clipped(y, &least, &most) : NULL;
    if (!x || !(least <= most)) return false;
    wg_onnx_say(&f, e->opset >= 11 ? "Clip(x," : "Clip{min=");
    wg_onnx_say_real(&f, least);
    wg_onnx_say(&f, e->opset >= 11 ? "," : ",max=");
    wg_onnx_say_real(&f, most);
    wg_onnx_say(&f, e->opset >= 11 ? ")" : "}(x)");
    *r = (struct wg__export_rule){.kind = "clip", .form = r->text, .n = 1, .turned = -1, .x = {x}};
    memcpy(r->text, f.text, sizeof r->text); /* two numbers are shorter */
    return true;
}

bool wg__export_rule(const struct wg__export *e, const wg_node *y, struct wg__export_rule *r)
{
    return gemm(e, y, r) || mean(y, r) || clip(e, y, r) || expand_choice(y, r);
}
