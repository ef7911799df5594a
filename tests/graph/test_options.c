/* Options of programs that were compiled with other headers: what a shorter struct does not have is 0, and a longer one
 * is refused by the call that got it. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <wengert/data.h>
#include <wengert/graph_op.h>
#include <wengert/onnx.h>
#include <wengert/train.h>

static wg_graph *g;
static wg_node  *x;
static wg_error  e;

static void start(void)
{
    g = wg_graph_new();
    x = wg_param(g, "x", WG_F32, WG_SHAPE(2, 3));
    e = (wg_error){0};
}
static void stop(void) { wg_graph_free(g); }
TestSuite(options, .init = start, .fini = stop, .timeout = 60);

/* ---- Every call that takes options, with a struct_size of its own; what it gives: a message, "" if it was content
 * ---- */

static const char *message(bool good)
{
    const char *text = wg_status(g) ? wg_message(g) : e.message;
    cr_expect_eq(good, !*text, "a status without a message, or the reverse: %s", text);
    return text;
}

static const char *compile(size_t size)
{
    return message(wg_compile(g, 1, &x, &(wg_options){.struct_size = size}) != NULL);
}
static const char *minimize(size_t size)
{
    wg_node *loss = wg_sum(wg_square(x), WG_ALL_AXES, 0);
    return message(wg_minimize(loss, &(wg_solver){.struct_size = size}) != NULL);
}
static const char *minimize_groups(size_t size)
{
    wg_node             *loss = wg_sum(wg_square(x), WG_ALL_AXES, 0);
    const wg_param_group all = {.pattern = "*", .solver = {.struct_size = size}};
    return message(wg_minimize_groups(loss, 1, &all) != NULL);
}
static const char *dense(size_t size)
{
    return message(wg_dense_with(x, 2, "fc", &(wg_dense_options){.struct_size = size}) != NULL);
}
static const char *save(size_t size)
{
    char path[] = "/tmp/wg-options-XXXXXX";
    cr_assert(mkdtemp(path));
    char file[64];
    snprintf(file, sizeof file, "%s/x", path);
    int status = wg_checkpoint_save(g, NULL, file, &(wg_save_options){.struct_size = size}, &e);
    remove(file);
    remove(path);
    return message(status == WG_OK);
}
static const char *load(size_t size)
{
    char path[] = "/tmp/wg-options-XXXXXX";
    cr_assert(mkdtemp(path));
    char file[64];
    snprintf(file, sizeof file, "%s/x", path);
    cr_assert_eq(wg_checkpoint_save(g, NULL, file, NULL, &e), WG_OK);
    int status = wg_checkpoint_load(g, NULL, file, &(wg_load_options){.struct_size = size}, NULL, &e);
    remove(file);
    remove(path);
    return message(status == WG_OK);
}
static const char *csv(size_t size)
{
    wg_csv out;
    int    status = wg_csv_parse("1,2\n", 4, &(wg_csv_options){.struct_size = size}, &out, &e);
    wg_csv_free(&out);
    return message(status == WG_OK);
}
static const char *batches(size_t size)
{
    wg_array         a = {0};
    const wg_column  column = {.array = &a};
    wg_batch_options o = {.n = 1, .column = &column, .size = 1};
    o.struct_size = size;
    cr_assert_eq(wg_array_new(&a, WG_F32, WG_SHAPE(2, 2)), WG_OK);
    wg_batches *b = wg_batches_new(&o, &e);
    wg_batches_free(b);
    wg_array_free(&a);
    return message(b != NULL);
}
static const char *onnx_export(size_t size)
{
    char path[] = "/tmp/wg-options-XXXXXX";
    cr_assert(mkdtemp(path));
    char file[64];
    snprintf(file, sizeof file, "%s/x.onnx", path);
    wg_node *y = wg_relu(x);
    int      status = wg_onnx_export(g, 1, &y, file, &(wg_onnx_export_options){.struct_size = size});
    remove(file);
    remove(path);
    return message(status == WG_OK);
}
/* No model: what is looked at first decides which of two complaints comes. */
static const char *onnx_import(size_t size)
{
    static char text[400];
    wg_onnx    *m = wg_onnx_parse("\x08\x07\x3a\x00", 4); /* an IR version and a graph without anything */
    wg_onnx_import(m, g, &(wg_onnx_import_options){.struct_size = size});
    snprintf(text, sizeof text, "%s", wg_onnx_message(m));
    wg_onnx_free(m);
    return strstr(text, "struct_size") ? text : "";
}

static const struct call {
    const char *name;
    const char *(*call)(size_t size);
    size_t size; /* of the struct */
} calls[] = {
    {"compile", compile, sizeof(wg_options)},
    {"minimize", minimize, sizeof(wg_solver)},
    {"minimize_groups", minimize_groups, sizeof(wg_solver)},
    {"dense", dense, sizeof(wg_dense_options)},
    {"checkpoint_save", save, sizeof(wg_save_options)},
    {"checkpoint_load", load, sizeof(wg_load_options)},
    {"memory", csv, sizeof(wg_csv_options)},
    {"batches", batches, sizeof(wg_batch_options)},
    {"onnx_export", onnx_export, sizeof(wg_onnx_export_options)},
    {"onnx_import", onnx_import, sizeof(wg_onnx_import_options)},
};

Test(options, a_struct_of_this_library_is_taken)
{
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        for (int said = 0; said < 2; said++) {
            const char *text = calls[i].call(said ? calls[i].size : 0);
            cr_expect_str_eq(text, "", "%s: %s", calls[i].name, text);
            stop();
            start();
        }
}

Test(options, a_longer_struct_is_refused_by_the_call)
{
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        const char *text = calls[i].call(calls[i].size + 8);
        char        size[40];
        snprintf(size, sizeof size, "struct_size of %zu", calls[i].size + 8);
        cr_expect(strstr(text, size) && strstr(text, calls[i].name), "%s: %s", calls[i].name, text);
        stop();
        start();
        text = calls[i].call(3);
        cr_expect(strstr(text, "struct_size of 3"), "%s: %s", calls[i].name, text);
        stop();
        start();
    }
}

/* ---- A shorter struct: what lies behind it is not read ---- */

Test(options, what_a_shorter_struct_does_not_have_is_zero)
{
    wg_solver s = {.struct_size = offsetof(wg_solver, clip_value), .kind = WG_SOLVER_SGD, .rate = 0.5};
    memset((char *)&s + s.struct_size, 0x7f, sizeof s - s.struct_size);
    wg_node *loss = wg_sum(wg_square(x), WG_ALL_AXES, 0), *step = wg_minimize(loss, &s);
    cr_assert(step, "%s", wg_message(g));
    wg_tape    *t = wg_compile(g, 1, &step, NULL);
    const float before[6] = {1, 2, 3, 4, 5, 6};
    float       after[6];
    cr_assert(t, "%s", wg_message(g));
    cr_assert_eq(wg_param_set(x, before), WG_OK);
    cr_assert_eq(wg_run(t), WG_OK);
    cr_assert_eq(wg_param_get(x, after), WG_OK);
    for (int i = 0; i < 6; i++) cr_expect_eq(after[i], 0, "1 - 0.5 * 2 = 0 of each, not %g", (double)after[i]);
}

Test(options, a_schedule_is_read_by_its_size)
{
    wg_schedule s = {.struct_size = sizeof s, .kind = WG_RATE_CONSTANT, .rate = 0.25};
    cr_expect_eq(wg_schedule_at(&s, 3), 0.25);
    s.struct_size = 0;
    cr_expect_eq(wg_schedule_at(&s, 3), 0.25);
    s.struct_size = sizeof s + 8;
    cr_expect(isnan(wg_schedule_at(&s, 3)));
    wg_schedule warm = {.kind = WG_RATE_WARMUP, .rate = 1, .steps = 2, .next = &s};
    cr_expect(isnan(wg_schedule_at(&warm, 3)), "of a chain each");
}

Test(options, the_macro_says_the_size)
{
    const wg_options *o = WG_OPTIONS(wg_options, .threads = 1);
    cr_expect_eq(o->struct_size, sizeof *o);
    cr_expect_eq(o->threads, 1);
    cr_expect(wg_compile(g, 1, &x, o), "%s", wg_message(g));
}

/* ---- Tables of functions ---- */

static int infer(wg_infer *c) { return wg_infer_same(c); }
static int cpu(wg_call *c)
{
    memcpy(c->y->data, c->x->data, (size_t)wg_count(&c->y->shape) * wg_dtype_size(c->y->dtype));
    return WG_OK;
}
static wg_node *apply(wg_layer *l, wg_node *const y[], void *data)
{
    (void)l;
    (void)data;
    return y[0];
}

Test(options, tables_of_other_headers_are_refused)
{
    wg_op op = {.struct_size = sizeof op, .name = "same", .doc = "y = x", .arity = 1, .infer = infer, .cpu = cpu};
    cr_expect(wg_apply(&op, 1, &x, NULL), "%s", wg_message(g));
    op.struct_size += 8;
    cr_expect_null(wg_apply(&op, 1, &x, NULL));
    cr_expect(strstr(wg_message(g), "same") && strstr(wg_message(g), "struct_size"), "%s", wg_message(g));
    wg_clear_error(g);
    wg_layer_kind kind = {.struct_size = sizeof kind, .name = "same", .apply = apply};
    cr_expect(wg_layer_new(g, &kind, NULL, NULL), "%s", wg_message(g));
    kind.struct_size -= 8;
    cr_expect_null(wg_layer_new(g, &kind, NULL, NULL));
    cr_expect(strstr(wg_message(g), "same") && strstr(wg_message(g), "struct_size"), "%s", wg_message(g));
}
