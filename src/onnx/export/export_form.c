/* A form becomes ONNX nodes, operands before users. */
#include <string.h>

#include "onnx/export/export.h"
#include "onnx/proto/proto.h"

int wg__export_bad(struct wg__export *e, const wg_node *y, const char *format, ...)
{
    char    head[200], why[280];
    va_list ap;
    if (e->g->status == WG_ENOMEM) return WG_ENOMEM; /* that is the cause */
    va_start(ap, format);
    vsnprintf(why, sizeof why, format, ap);
    va_end(ap);
    wg__fail(e->g, WG_EARG, "onnx_export: %s %s: %s", wg_node_kind(y), wg__node_str(y, head, sizeof head), why);
    return WG_EARG;
}

/* ---- What the standard says of an operator's dtypes ----
 *
 * u8 and bool are no numbers for most of its arithmetic, or not in every
 * runtime: i32 holds them.  WRAPPED: modulo 256, since a cast of what u8 does
 * not hold is left open.  What is not here gives the dtype of its first
 * input and takes any that we have. */
enum result { FIRST, WRAPPED, SECOND, THIRD, BOOL, I64, TO };
static const struct fact {
    const char *op;
    unsigned    widen; /* dtypes that go in as i32, and come back from it */
    enum result gives;
} facts[] = {
#define BYTES (WG_DTYPE_BIT(WG_U8) | WG_DTYPE_BIT(WG_BOOL))
    {"Add", BYTES, WRAPPED},
    {"Sub", BYTES, WRAPPED},
    {"Mul", BYTES, WRAPPED},
    {"Div", BYTES, FIRST},
    {"Min", BYTES, FIRST},
    {"Max", BYTES, FIRST},
    {"Less", BYTES, BOOL},
    {"LessOrEqual", BYTES, BOOL},
    {"Greater", BYTES, BOOL},
    {"GreaterOrEqual", BYTES, BOOL},
    {"Equal", WG_DTYPE_BIT(WG_U8), BOOL},
    {"ScatterElements", BYTES, FIRST},
    {"Pad", WG_DTYPE_BIT(WG_BOOL), FIRST},
    {"ReduceMax", BYTES, FIRST},
    {"ArgMax", WG_DTYPE_BIT(WG_BOOL), I64},
    {"TopK", BYTES, FIRST},
    {"IsNaN", 0, BOOL},
    {"Shape", 0, I64},
    {"Where", 0, SECOND},
    {"OneHot", 0, THIRD},
    {"Cast", 0, TO},
    {"RandomUniform", 0, TO},
    {"RandomUniformLike", 0, TO},
    {"RandomNormal", 0, TO},
    {"RandomNormalLike", 0, TO},
#undef BYTES
};

static const struct fact *fact_of(struct wg__form_text op)
{
    static const struct fact other = {"", 0, FIRST};
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
        if (wg__form_is(op, facts[i].op)) return &facts[i];
    return &other;
}

/* ---- One form on its way ---- */

struct emit {
    struct wg__export    *e;
    const wg_node        *y;
    int                   n;
    const struct wg__val *x;   /* [n] operands */
    wg_dtype              t;   /* of numbers and of "x" */
    const char           *to;  /* name of the result */
    const wg_node        *all; /* whose further results the outermost node gives too, or NULL */
    struct wg__form       f;
    struct wg__val        val[WG__FORM_ITEMS]; /* of calls that are made */
    int                   status;
};

static struct wg__val fail(struct emit *c, const char *why)
{
    if (!c->status) c->status = wg__export_bad(c->e, c->y, "the form \"%.60s\": %s", c->f.text, why);
    return (struct wg__val){"", WG_F32};
}

static struct wg__val number(struct emit *c, const struct wg__form_item *i)
{
    wg_dtype t = i->dtype == WG_DTYPES ? c->t : i->dtype;
    union {
        double  align;
        int64_t whole;
    } v = {0};
    if (i->number.symbol) return fail(c, "a symbolic dimension is no number");
    if (t == WG_I64 && i->number.is_whole) v.whole = i->number.whole;
    else wg__store(t, &v, 0, i->number.real);
    return wg__constant(c->e, t, &(wg_shape){0}, &v);
}

/* Computes start, start + step, .. before stop. */
static struct wg__val range(struct emit *c, const struct wg__form_number *v)
{
    int64_t start = v[0].whole, stop = v[1].whole, step = v[2].whole;
    int64_t width, n = 0;
    bool fits = step > 0 ? !__builtin_sub_overflow(stop, start, &width) : !__builtin_sub_overflow(start, stop, &width);
    if (fits && width > 0) n = (int64_t)(((uint64_t)width - 1) / (step > 0 ? (uint64_t)step : -(uint64_t)step) + 1);
    if (!fits || n >= INT32_MAX) return fail(c, "a range of too many numbers");
    int64_t *all = wg__data_alloc((size_t)n * sizeof *all);
    if (!all) return wg__export_short(c->e), (struct wg__val){"", WG_I64};
    for (int64_t i = 0; i < n; i++) all[i] = start + i * step;
    struct wg__val y = wg__constant_ints(c->e, (int)n, all);
    wg__data_free(all);
    return y;
}

static struct wg__val vector(struct emit *c, const struct wg__form_item *i)
{
    struct wg__val y = {"", WG_I64};
    if (i->n < 0) return range(c, &c->f.number[i->first]);
    if (!wg__dims_value(c->e, c->y, i->n, &c->f.number[i->first], &y) && !c->status) c->status = wg_status(c->e->g);
    return y;
}

/* ---- Nodes ---- */

static void attribute(struct emit *c, const struct wg__form_item *i)
{
    enum { NAME = 1, F = 2, I = 3, S = 4, FLOATS = 7, INTS = 8, TYPE = 20 };
    enum { FLOAT_TYPE = 1, INT_TYPE = 2, STRING_TYPE = 3, FLOATS_TYPE = 6, INTS_TYPE = 7 };
    struct wg__text              *p = &c->e->nodes;
    const struct wg__form_number *v = &c->f.number[i->first];
    size_t                        attr = wg__pb_open(p, 5);
    int                           type = INT_TYPE;
    wg__pb_bytes(p, NAME, i->name.at, (size_t)i->name.n);
    switch (i->kind) {
    case WG__FORM_DTYPE: wg__pb_int(p, I, wg__onnx_dtype_out(i->dtype == WG_DTYPES ? c->t : i->dtype)); break;
    case WG__FORM_TEXT:
        wg__pb_bytes(p, S, i->text.at, (size_t)i->text.n);
        type = STRING_TYPE;
        break;
    case WG__FORM_INTS:
        for (int k = 0; k < i->n; k++) {
            if (v[k].symbol) fail(c, "an attribute holds a symbolic dimension");
            wg__pb_int(p, INTS, v[k].whole);
        }
        type = INTS_TYPE;
        break;
    case WG__FORM_REALS:
        for (int k = 0; k < i->n; k++) wg__pb_float(p, FLOATS, (float)v[k].real);
        type = FLOATS_TYPE;
        break;
    default:
        if (i->number.is_whole) wg__pb_int(p, I, i->number.whole);
        else {
            wg__pb_float(p, F, (float)i->number.real);
            type = FLOAT_TYPE;
        }
    }
    wg__pb_int(p, TYPE, type);
    wg__pb_close(p, attr);
}

/* Begins a node; its attributes follow, then wg__pb_close, which takes what is returned. */
static size_t open_node(struct wg__export *e, struct wg__form_text op, int n, const struct wg__val in[], const char *to,
                        const wg_node *all)
{
    struct wg__text *p = &e->nodes;
    size_t           node = wg__pb_open(p, 1);
    while (n && !*in[n - 1].name) n--; /* inputs left out at the end */
    for (int i = 0; i < n; i++) wg__pb_text(p, 1, in[i].name);
    wg__pb_text(p, 2, to);
    for (int k = 1; all && k < all->m; k++) wg__pb_text(p, 2, e->of[wg__result(all, k)->id].name);
    wg__pb_text(p, 3, to);
    wg__pb_bytes(p, 4, op.at, (size_t)op.n);
    return node;
}

/* Makes a name for a node inside of a form: "h1/Sqrt". */
static const char *inner_name(struct emit *c, struct wg__form_text op)
{
    size_t n = strlen(c->to) + (size_t)op.n + 2;
    char  *text = wg__arena_alloc(&c->e->arena, n);
    if (!text) return wg__export_short(c->e), "";
    snprintf(text, n, "%s/%.*s", c->to, op.n, op.at);
    return wg__name(c->e, text);
}

static struct wg__val cast(struct emit *c, struct wg__val x, wg_dtype t, const char *to)
{
    static const struct wg__form_text op = {"Cast", 4}, name = {"to", 2};
    struct wg__val                    y = {to ? to : inner_name(c, op), t};
    size_t                            node = open_node(c->e, op, 1, &x, y.name, NULL);
    attribute(c, &(struct wg__form_item){.kind = WG__FORM_DTYPE, .name = name, .dtype = t});
    wg__pb_close(&c->e->nodes, node);
    return y;
}

static wg_dtype result_dtype(struct emit *c, enum result gives, int attr, int n, const struct wg__val in[])
{
    int k = gives == SECOND ? 1 : gives == THIRD ? 2 : 0;
    if (gives == BOOL) return WG_BOOL;
    if (gives == I64) return WG_I64;
    for (; gives == TO && attr >= 0; attr = c->f.item[attr].next)
        if (c->f.item[attr].kind == WG__FORM_DTYPE && c->f.item[attr].dtype != WG_DTYPES) return c->f.item[attr].dtype;
    if (gives == TO) return c->t;
    return k < n ? in[k].t : c->t;
}

static struct wg__val value(struct emit *c, int item, const char *to);

/* Lists the inputs of a call in order. Returns their number, or -1. */
static int list_inputs(struct emit *c, const struct wg__form_item *call, struct wg__val **in)
{
    int n = 0, most = 0;
    for (int i = call->args; i >= 0; i = c->f.item[i].next) most += c->f.item[i].kind == WG__FORM_ALL ? c->n : 1;
    if (!(*in = wg__arena_alloc(&c->e->arena, ((size_t)most + 1) * sizeof **in))) {
        wg__export_short(c->e);
        return -1;
    }
    for (int i = call->args; i >= 0; i = c->f.item[i].next)
        if (c->f.item[i].kind == WG__FORM_ALL)
            for (int k = 0; k < c->n; k++) (*in)[n++] = c->x[k];
        else (*in)[n++] = value(c, i, NULL);
    return n;
}

/* Computes x modulo 256 as 0..255, for x above -65536. */
static struct wg__val modulo(struct emit *c, struct wg__val x)
{
    static const char                 form[] = "Sub(Add(x,65536),Mul(Div(Add(x,65536),256),256))";
    static const struct wg__form_text op = {"Mod", 3};
    struct wg__val                    y = {inner_name(c, op), x.t};
    int                               status = wg__form_write(c->e, c->y, form, 1, &x, y.name, y.t);
    if (status) c->status = status;
    return y;
}

static struct wg__val call(struct emit *c, const struct wg__form_item *i, const char *to)
{
    struct wg__val    *in;
    const struct fact *fact = fact_of(i->name);
    int                n = list_inputs(c, i, &in);
    if (n < 0 || c->status) return (struct wg__val){"", c->t};
    wg_dtype was = n ? in[0].t : c->t;
    bool     widen = WG_DTYPE_BIT(was) & fact->widen, back = widen && fact->gives <= WRAPPED;
    for (int k = 0; widen && k < n; k++)
        if (WG_DTYPE_BIT(in[k].t) & fact->widen) in[k] = cast(c, in[k], WG_I32, NULL);
    struct wg__val y = {to && !back ? to : inner_name(c, i->name), result_dtype(c, fact->gives, i->attr, n, in)};
    size_t         node = open_node(c->e, i->name, n, in, y.name, to ? c->all : NULL);
    for (int a = i->attr; a >= 0; a = c->f.item[a].next) attribute(c, &c->f.item[a]);
    wg__pb_close(&c->e->nodes, node);
    if (back && fact->gives == WRAPPED) y = modulo(c, y);
    return back ? cast(c, y, was, to) : y;
}

/* Finds the value of a call with the same text that was made before. False: there is none. */
static bool find_made(struct emit *c, int item, struct wg__val *y)
{
    struct wg__form_text t = c->f.item[item].text;
    for (int i = 0; i < c->f.n_item; i++) {
        struct wg__form_text u = c->f.item[i].text;
        if (!c->val[i].name || t.n != u.n || memcmp(t.at, u.at, (size_t)t.n) != 0) continue;
        *y = c->val[i];
        return true;
    }
    return false;
}

static struct wg__val value(struct emit *c, int item, const char *to)
{
    const struct wg__form_item *i = &c->f.item[item];
    struct wg__val              y;
    switch (i->kind) {
    case WG__FORM_NUMBER: return number(c, i);
    case WG__FORM_INTS: return vector(c, i);
    case WG__FORM_OPERAND: return i->operand < c->n ? c->x[i->operand] : fail(c, "it has no such operand");
    case WG__FORM_NONE: return (struct wg__val){"", WG_DTYPES};
    case WG__FORM_CALL:
        if (!to && find_made(c, item, &y)) return y;
        return c->val[item] = call(c, i, to);
    default: return fail(c, "a value expected");
    }
}

static int write_form(struct wg__export *e, const wg_node *y, const char *form, int n, const struct wg__val x[],
                      const char *to, wg_dtype t, const wg_node *all)
{
    static const struct wg__form_text identity = {"Identity", 8};
    struct emit                      *c = wg__data_alloc(sizeof *c);
    if (!c) return wg__fail_nomem(e->g);
    c->e = e;
    c->y = y;
    c->n = n;
    c->x = x;
    c->t = n ? x[0].t : t;
    c->to = to;
    c->all = all;
    c->status = wg__form_parse(&c->f, form, e->opset, n ? x[0].t : WG_DTYPES);
    if (c->status) wg__export_bad(e, y, "%s", c->f.why);
    else {
        struct wg__val v = value(c, c->f.root, to);
        if (c->f.item[c->f.root].kind != WG__FORM_CALL && !c->status)
            wg__pb_close(&e->nodes, open_node(e, identity, 1, &v, to, NULL));
    }
    int status = c->status;
    wg__data_free(c);
    if (!status && (e->short_of_memory || e->nodes.failed)) status = wg__fail_nomem(e->g);
    return status;
}

int wg__form_write(struct wg__export *e, const wg_node *y, const char *form, int n, const struct wg__val x[],
                   const char *to, wg_dtype t)
{
    return write_form(e, y, form, n, x, to, t, NULL);
}

int wg__form_write_op(struct wg__export *e, const wg_node *y, int result, const char *to, bool *all)
{
    wg_onnx_form    f = {.y = y, .attr = y->attr, .opset = e->opset, .result = result};
    struct wg__val *x = wg__arena_alloc(&e->arena, ((size_t)y->n + 1) * sizeof *x);
    const char     *form = y->op->onnx;
    if (!x) return wg__fail_nomem(e->g);
    for (int i = 0; i < y->n; i++) {
        const wg_node *from = wg__export_same(y->x[i]);
        x[i] = (struct wg__val){e->of[from->id].name, (wg_dtype)from->dtype};
    }
    if (y->op->to_onnx) {
        int status = y->op->to_onnx(&f);
        if (status || *f.why) return wg__export_bad(e, y, "%s", *f.why ? f.why : "it has no ONNX form");
        form = f.text;
    }
    if (!form || !*form) return wg__export_bad(e, y, "the operator has no ONNX form");
    *all = f.all;
    if (f.all) return write_form(e, y, form, y->n, x, e->of[y->id].name, (wg_dtype)y->dtype, y);
    const wg_node *r = wg__result(y, result);
    return write_form(e, y, form, y->n, x, to, (wg_dtype)r->dtype, NULL);
}
