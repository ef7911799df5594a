/* Laws of a version: what a loaded file says of itself, and which files load. */
#include "serve/models.h"

TestSuite(serve_model, .timeout = 60);

static struct wg__repository *repository;
static struct wg__version    *load(const char *path, const struct wg__model_options *o)
{
    repository = open_model(path, o);
    return hold(repository, "m");
}

static void unload(struct wg__version *v)
{
    wg__version_release(v);
    wg__repository_close(repository);
}

Test(serve_model, tells_names_shapes_and_texts)
{
    char                    *folder = models_folder();
    struct wg__model_options o = model_options();
    model_pair(in_folder(folder, "m.onnx"));
    struct wg__version *v = load(in_folder(folder, "m.onnx"), &o);
    cr_assert_str_eq(v->model, "m");
    cr_assert_eq(v->number, 1);
    cr_assert_eq(strlen(v->digest), 16);
    cr_assert(v->load_seconds > 0);
    cr_assert_eq(v->n_in, 2);
    cr_assert_eq(v->n_out, 3);
    cr_assert_str_eq(v->in[1].name, "b");
    cr_assert(v->in[1].dtype == WG_F32 && v->in[1].shape.rank == 2);
    cr_assert(v->in[1].shape.dim[0] == -1 && v->in[1].shape.dim[1] == 3);
    cr_assert_str_eq(v->out[1].name, "dot");
    cr_assert(v->out[1].shape.rank == 1 && v->out[1].shape.dim[0] == -1);
    cr_assert(v->out[2].dtype == WG_I64);
    cr_assert(v->batched);
    cr_assert_str_eq(v->doc, "a test");
    cr_assert_eq(v->n_meta, 2);
    cr_assert_str_eq(v->meta[0][0], "made.by");
    cr_assert_str_eq(v->meta[1][1], "0.5");
    unload(v);
    models_remove(folder);
}

Test(serve_model, equal_files_have_equal_digests)
{
    char                    *folder = models_folder(), first[17];
    struct wg__model_options o = model_options();
    model_scale(in_folder(folder, "m.onnx"), 2, 1);
    struct wg__version *v = load(in_folder(folder, "m.onnx"), &o);
    strcpy(first, v->digest);
    unload(v);
    model_scale(in_folder(folder, "m.onnx"), 2, 1);
    cr_assert_str_eq((v = load(in_folder(folder, "m.onnx"), &o))->digest, first);
    unload(v);
    model_scale(in_folder(folder, "m.onnx"), 2, 3);
    cr_assert_str_neq((v = load(in_folder(folder, "m.onnx"), &o))->digest, first);
    unload(v);
    models_remove(folder);
}

static wg_node *batch_of(wg_graph *g, int64_t n) { return wg_input(g, "x", WG_F32, WG_SHAPE(wg_dim(g, "batch"), n)); }

static void save_one(wg_graph *g, wg_node *y, const char *path) { model_save(g, WG_NODES(wg_named(y, "y")), path); }

/* x / max(1, max |x|) over the whole batch: values in [-1, 1] are what they were. */
static void model_peak(const char *path)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = batch_of(g, 4), *most = wg_max(wg_abs(x), WG_ALL_AXES, 0);
    save_one(g, wg_div(x, wg_maximum(most, wg_lit(x, 1))), path);
}

/* x + 0 * relu(sum - 1e6): one row acts on others where it is large, and only there. */
static void model_overflow(const char *path)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = batch_of(g, 4);
    save_one(g, wg_add(x, wg_relu(wg_shift(wg_sum(wg_square(x), WG_AXES(0), 1), -1e6))), path);
}

/* The first row has a part of its own where its numbers are large. */
static void model_first(const char *path)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = batch_of(g, 4), *first = wg_slice(x, 0, 0, 1, 1);
    save_one(g, wg_add(x, wg_relu(wg_shift(first, -100))), path);
}

/* Features in front and behind again, over a reshape that joins rows and features: attention has this. */
static void model_turned(const char *path)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = batch_of(g, 6), *w = wg_param(g, "w", WG_F32, WG_SHAPE(2, 2));
    wg_node  *cut = wg_reshape(x, WG_SHAPE(WG_DIM_AUTO, 3, 2)), *tall = wg_reshape(cut, WG_SHAPE(WG_DIM_AUTO, 2));
    wg_node  *h = wg_reshape(wg_matmul(tall, w), *wg_node_shape(cut)), *turned = wg_transpose(h, WG_AXES(1, 0, 2));
    wg_node  *s = wg_softmax(wg_matmul_t(h, h, 0, 1), -1), *mixed = wg_matmul(s, h);
    save_one(g, wg_add(mixed, wg_transpose(wg_tanh(turned), WG_AXES(1, 0, 2))), path);
}

/* How many rows there are is seen by each. */
static void model_counting(const char *path)
{
    wg_graph *g = wg_graph_new();
    wg_node  *x = batch_of(g, 4);
    save_one(g, wg_mul(x, wg_size(x, WG_AXES(0))), path);
}

/* Which models may share a run. */
static const struct {
    const char *name;
    void (*make)(const char *path);
    bool batched;
} kinds[] = {
    {"pair", model_pair, true},        {"embedding", model_embedding, true}, {"mean", model_mean, true},
    {"fixed", model_fixed, false},     {"product", model_product, false},    {"mixing", model_mixing, false},
    {"centred", model_centred, false}, {"gram", model_gram, false},          {"doubled", model_doubled, false},
    {"peak", model_peak, false},       {"overflow", model_overflow, false},  {"first", model_first, false},
    {"turned", model_turned, true},    {"counting", model_counting, false},
};

Test(serve_model, is_batched_where_no_row_sees_another)
{
    char        *folder = models_folder();
    struct heard h = {.text = "not batched: rows may meet in "};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct wg__model_options o = model_options();
        o.log = hear;
        o.log_context = &h;
        kinds[i].make(in_folder(folder, "m.onnx"));
        struct wg__version *v = load(in_folder(folder, "m.onnx"), &o);
        cr_assert_eq(v->batched, kinds[i].batched, "%s", kinds[i].name);
        unload(v);
    }
    cr_assert_eq(atomic_load(&h.times), 6, "of gram and doubled shapes tell, and the others have no batch");
    models_remove(folder);
}

/* The option speaks for a model whose proof fails, and against one whose proof holds; a trial still looks. */
Test(serve_model, an_option_says_what_the_graph_cannot)
{
    static const struct {
        const char *says;
        void (*make)(const char *path);
        bool batched;
    } table[] = {{"m=on", model_peak, true},
                 {"m=off", model_pair, false},
                 {"m=on", model_mixing, false},
                 {"m=on", model_fixed, false}};
    char *folder = models_folder();
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct wg__model_options o = model_options();
        o.n_batching = 1;
        o.batching = &table[i].says;
        table[i].make(in_folder(folder, "m.onnx"));
        struct wg__version *v = load(in_folder(folder, "m.onnx"), &o);
        cr_assert_eq(v->batched, table[i].batched, "%s, row %zu", table[i].says, i);
        unload(v);
    }
    static const char *const wrong[] = {"other=on", "m", "m=maybe", "=on"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct wg__model_options o = model_options();
        char                     spec[600];
        const char              *list = spec;
        wg_error                 e;
        snprintf(spec, sizeof spec, "m=%s", in_folder(folder, "m.onnx"));
        o.n_batching = 1;
        o.batching = &wrong[i];
        cr_assert_null(wg__repository_open(1, &list, &o, &e));
        cr_assert(e.status == WG_EARG && strstr(e.message, "batching: "), "%s", e.message);
    }
    models_remove(folder);
}

Test(serve_model, a_largest_batch_of_one_turns_batching_off)
{
    char                    *folder = models_folder();
    struct wg__model_options o = model_options();
    o.max_batch = 1;
    model_scale(in_folder(folder, "m.onnx"), 2, 1);
    struct wg__version *v = load(in_folder(folder, "m.onnx"), &o);
    cr_assert_not(v->batched);
    unload(v);
    models_remove(folder);
}

Test(serve_model, states_have_the_names_of_the_protocol)
{
    cr_assert_str_eq(wg__model_state_name(WG__AVAILABLE), "AVAILABLE");
    cr_assert_str_eq(wg__model_state_name(WG__END), "END");
    cr_assert_str_eq(wg__model_state_name((enum wg__model_state)99), "?");
}
