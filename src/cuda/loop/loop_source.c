/* The CUDA source of a loop's own kernel.
 *
 * First come loop_args.h and loop_device.h as they are, then the rows that the
 * loop has, in the words of src/ops, then its steps one after the other.
 * Values are groups of four elements: x<i> of input i, v<s> of step s. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda/loop/cuda_loop.h"
#include "cuda/loop/loop_device.h" /* empty; here so that make sees the dependence */

/* clang-format off */
__asm__(".pushsection .rodata\n"
        ".global wg__cuda_text_begin, wg__cuda_text_end\n"
        ".hidden wg__cuda_text_begin, wg__cuda_text_end\n"
        "wg__cuda_text_begin:\n"
        ".incbin \"src/cuda/loop/loop_args.h\"\n"
        ".incbin \"src/cuda/loop/loop_device.h\"\n"
        "wg__cuda_text_end:\n"
        ".byte 0\n"
        ".popsection\n");
/* clang-format on */
extern const char wg__cuda_text_begin[], wg__cuda_text_end[];

/* ---- Tables ---- */

static const char *const types[WG_DTYPES] = {
#define X(name, dtype) [dtype] = #name,
    WG__CUDA_DTYPES(X)
#undef X
};

/* Parameters, result and expression of each row; where, not, copy and cast are written out. */
static const struct row {
    const char *parameters, *result, *text;
} rows[WG__CUDA_ROWS] = {
#define U(row, f, ...) [WG__CUDA_##row] = {"WIDE x", "T", #f},
#define UA(row, f, ...) [WG__CUDA_##row] = {"WIDE x, T a", "T", #f},
#include "ops/unary.def"
#undef U
#undef UA
#define B(row, f, ...) [WG__CUDA_##row] = {"WIDE x, WIDE y", "T", #f},
#define C(row, f, ...) [WG__CUDA_##row] = {"WIDE x, WIDE y", "b8", #f},
#define L(row, f, ...) [WG__CUDA_##row] = {"WIDE x, WIDE y", "b8", #f},
#include "ops/binary.def"
#undef B
#undef C
#undef L
};
static const char *const names[WG__CUDA_ROWS] = {
#define ROW(name) #name,
#include "cpu/each_row.h"
#undef ROW
    "cast"};

static const struct {
    enum wg__cuda_row fold;
    const char       *start; /* after it comes the dtype's name, if it ends in '_' */
} tails[] = {[WG__SUM] = {WG__CUDA_add, "0"},
             [WG__PROD] = {WG__CUDA_mul, "1"},
             [WG__MAX] = {WG__CUDA_maximum, "least_"},
             [WG__MIN] = {WG__CUDA_minimum, "most_"}};

/* ---- Text ---- */

struct text {
    char                       *s;
    size_t                      n, cap;
    bool                        failed;
    const struct wg__cuda_loop *l;
    char                        value[WG__CUDA_INPUTS + WG__CUDA_STEPS + WG__CUDA_OUTPUTS][16]; /* of each slot */
};

static bool reserve(struct text *t, size_t more)
{
    if (t->failed || t->n + more < t->cap) return !t->failed;
    size_t cap = 2 * t->cap + more + 4096;
    char  *s = realloc(t->s, cap);
    t->failed = !s;
    if (s) t->s = s;
    if (s) t->cap = cap;
    return s;
}

static void say(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct text *t, const char *format, ...)
{
    va_list a, again;
    va_start(a, format);
    va_copy(again, a);
    int n = vsnprintf(NULL, 0, format, a);
    if (n >= 0 && reserve(t, (size_t)n + 1)) t->n += (size_t)vsnprintf(t->s + t->n, (size_t)n + 1, format, again);
    va_end(again);
    va_end(a);
}

static void say_text(struct text *t, const char *s, size_t n)
{
    if (!reserve(t, n + 1)) return;
    memcpy(t->s + t->n, s, n);
    t->s[t->n += n] = '\0';
}

/* ---- Rows ---- */

static void say_row(struct text *t, int row, const char *type)
{
    const struct row *r = &rows[row];
    say(t, "DEVICE %s row_%s_%s(%s) { return (%s)(%s); }\n", r->result, names[row], type, r->parameters, r->result,
        r->text);
}

/* Writes the rows of one dtype that the loop uses. */
static void say_rows(struct text *t, int dtype)
{
    const struct wg__cuda_loop *l = t->l;
    const char                 *type = types[dtype];
    bool                        need[WG__CUDA_ROWS] = {false}, any = false;
    for (int s = 0; s < l->steps; s++)
        if (l->step[s].from == dtype) need[wg__cuda_row(l->step[s].op)] = true;
    if (l->tail >= 0 && l->tail_dtype == dtype) need[tails[l->tail].fold] = true;
    for (int r = 0; r < WG__CUDA_ROWS; r++) any = any || (need[r] && rows[r].text);
    if (!any) return;
    say(t, "\n#define T %s\n#define WIDE wide_%s\n#define M(f) f##_%s\n", type, type, type);
    say(t, "#define R(c) ((T)(c))\n#define DIV(x, y) divide_%s((T)(x), (T)(y))\n", type);
    for (int r = 0; r < WG__CUDA_ROWS; r++)
        if (need[r] && rows[r].text) say_row(t, r, type);
    say(t, "#undef T\n#undef WIDE\n#undef M\n#undef R\n#undef DIV\n");
}

/* ---- Inputs ---- */

static bool strided(const struct wg__cuda_loop *l, int i) { return wg__cuda_form(l, &l->in[i]) == WG__CUDA_STRIDED; }

static void say_step_along(struct text *t, int i, int d, const char *along, const char *indent)
{
    int64_t stride = t->l->in[i].stride[d];
    if (stride == 1) say(t, "%sp%d += %s;\n", indent, i, along);
    else if (stride) say(t, "%sp%d += %s * a.stride[%d][%d];\n", indent, i, along, i, d);
}

/* p<i>: where element f of the domain is in each input that has strides. */
static void say_places(struct text *t, const char *f, const char *indent)
{
    const struct wg__cuda_loop *l = t->l;
    bool                        any = false, along[WG_MAX_RANK] = {false};
    for (int i = 0; i < l->inputs; i++) {
        if (!strided(l, i)) continue;
        any = true;
        say(t, "%si64 p%d = 0;\n", indent, i);
        for (int d = 0; d < l->rank; d++) along[d] = along[d] || l->in[i].stride[d];
    }
    if (any) say(t, "%si64 q = %s;\n", indent, f);
    for (int d = l->rank - 1; any && d >= 0; d--) {
        char c[16] = "q";
        if (d) snprintf(c, sizeof c, "c%d", d);
        if (d && along[d]) say(t, "%si64 c%d = split(q, a.dim[%d]);\n", indent, d, d);
        else if (d) say(t, "%ssplit(q, a.dim[%d]);\n", indent, d);
        for (int i = 0; i < l->inputs; i++)
            if (strided(l, i)) say_step_along(t, i, d, c, indent);
    }
}

static void say_load4(struct text *t, int i)
{
    const struct wg__cuda_loop *l = t->l;
    int                         last = l->rank - 1, form = wg__cuda_form(l, &l->in[i]);
    int64_t                     stride = l->in[i].stride[last];
    say(t, "            x%d = load4<%s>(a.in[%d], ", i, types[l->in[i].dtype], i);
    if (form == WG__CUDA_DENSE) say(t, "f);\n");
    else if (form == WG__CUDA_ONE) say(t, "0, 0);\n");
    else if (stride == 1) say(t, "p%d);\n", i);
    else if (stride == 0) say(t, "p%d, 0);\n", i);
    else say(t, "p%d, a.stride[%d][%d]);\n", i, i, last);
}

static void say_load1(struct text *t, int i)
{
    int form = wg__cuda_form(t->l, &t->l->in[i]);
    say(t, "                x%d.v[j] = load<%s>(a.in[%d], ", i, types[t->l->in[i].dtype], i);
    if (form == WG__CUDA_DENSE) say(t, "f + j);\n");
    else if (form == WG__CUDA_ONE) say(t, "0);\n");
    else say(t, "p%d);\n", i);
}

static void say_loads(struct text *t)
{
    const struct wg__cuda_loop *l = t->l;
    for (int i = 0; i < l->inputs; i++) say(t, "        group<%s> x%d = {};\n", types[l->in[i].dtype], i);
    say(t, "        if (a.vector && n == 4) {\n");
    say_places(t, "f", "            ");
    for (int i = 0; i < l->inputs; i++) say_load4(t, i);
    say(t, "        } else {\n            EACH if (j < n) {\n");
    say_places(t, "f + j", "                ");
    for (int i = 0; i < l->inputs; i++) say_load1(t, i);
    say(t, "            }\n        }\n");
}

/* ---- Steps ---- */

/* Writes what step s computes for element j from the values x, y and z of its operands. */
static void say_function(struct text *t, const struct wg__cuda_step *s)
{
    const char *x = t->value[s->x[0]], *from = types[s->from];
    const char *y = s->n > 1 ? t->value[s->x[1]] : "", *z = s->n > 2 ? t->value[s->x[2]] : "";
    int         row = wg__cuda_row(s->op);
    uint64_t    bits;
    memcpy(&bits, &s->a, sizeof bits);
    if (row == WG__CUDA_where) say(t, "%s.v[j] ? %s.v[j] : %s.v[j]", x, y, z);
    else if (row == WG__CUDA_cast) say(t, "%s_to_%s(%s.v[j])", from, types[s->to], x);
    else if (row == WG__CUDA_copy) say(t, "%s.v[j]", x);
    else if (row == WG__CUDA_not) say(t, "!%s.v[j]", x);
    else if (s->n == 2) say(t, "row_%s_%s(%s.v[j], %s.v[j])", names[row], from, x, y);
    else if (!strcmp(rows[row].parameters, "WIDE x")) say(t, "row_%s_%s(%s.v[j])", names[row], from, x);
    else
        say(t, "row_%s_%s(%s.v[j], (%s)__longlong_as_double(0x%llxLL))", names[row], from, x, from,
            (unsigned long long)bits);
}

static void say_step(struct text *t, int i)
{
    const struct wg__cuda_loop *l = t->l;
    const struct wg__cuda_step *s = &l->step[i];
    int                         output = s->y - l->inputs - l->registers;
    say(t, "        group<%s> v%d;\n        EACH v%d.v[j] = ", types[s->to], i, i);
    say_function(t, s);
    say(t, ";\n");
    if (output >= 0) say(t, "        store(a.out[%d], f, n, a.vector, v%d);\n", output, i);
    snprintf(t->value[s->y], sizeof t->value[0], "v%d", i);
}

static void say_tail_types(struct text *t)
{
    const struct wg__cuda_loop *l = t->l;
    const char                 *type = types[l->tail_dtype], *start = tails[l->tail].start;
    say(t, "    typedef %s T, Out;\n    typedef %s Part;\n", type, l->tail_dtype == WG_F32 ? "f64" : type);
    if (strlen(start) > 1) say(t, "    DEVICE_FN T start() const { return %s%s(); }\n", start, type);
    else say(t, "    DEVICE_FN T start() const { return %s; }\n", start);
    say(t, "    DEVICE_FN T fold(T x, T y) const { return row_%s_%s(x, y); }\n", names[tails[l->tail].fold], type);
}

/* The arguments that are used become registers: all indices into them are numbers. */
static const char several[] =
    "\n"
    "extern \"C\" __global__ void __launch_bounds__(WG_LOOP_BLOCK) wg_loops(const wg_loop_args "
    "*args, const unsigned *first, int n)\n"
    "{\n"
    "    int           k = loop_of(first, n, blockIdx.x);\n"
    "    wg_loop_args  a = args[k];\n"
    "    wg_loop_steps loop;\n"
    "    some_groups(a, loop, blockIdx.x - first[k], first[k + 1] - first[k]);\n"
    "}\n";

static void say_kernel(struct text *t)
{
    const struct wg__cuda_loop *l = t->l;
    const char                 *run = l->tail < 0 ? "each_group" : l->inner == 1 ? "tail_rows" : "tail_columns";
    say(t, "\nstruct wg_loop_steps {\n");
    if (l->tail >= 0) say_tail_types(t);
    say(t, "    DEVICE_FN void body(const wg_loop_args &a, i64 f, int n%s) const\n    {\n",
        l->tail >= 0 ? ", T *v" : "");
    say(t, "        (void)f, (void)n;\n");
    say_loads(t);
    for (int s = 0; s < l->steps; s++) say_step(t, s);
    if (l->tail >= 0) say(t, "        EACH v[j] = %s.v[j];\n", t->value[l->tail_slot]);
    say(t, "    }\n};\n\n");
    say(t, "extern \"C\" __global__ void __launch_bounds__(WG_LOOP_BLOCK) wg_loop(const __grid_constant__ wg_loop_args "
           "a)\n");
    say(t, "{\n    wg_loop_steps loop;\n    %s(a, loop);\n}\n", run);
    if (l->tail < 0) say(t, "%s", several);
}

static bool has_known_rows(const struct wg__cuda_loop *l)
{
    for (int s = 0; s < l->steps; s++)
        if (wg__cuda_row(l->step[s].op) < 0) return false;
    return true;
}

char *wg__cuda_loop_source(const struct wg__cuda_loop *l)
{
    struct text t = {.l = l};
    if (!has_known_rows(l)) return NULL;
    for (int i = 0; i < l->inputs; i++) snprintf(t.value[i], sizeof t.value[i], "x%d", i);
    say_text(&t, wg__cuda_text_begin, (size_t)(wg__cuda_text_end - wg__cuda_text_begin));
    for (int d = 0; d < WG_DTYPES; d++) say_rows(&t, d);
    say_kernel(&t);
    if (!t.failed) return t.s;
    free(t.s);
    return NULL;
}
