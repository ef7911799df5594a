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

/* Which models may share a run. */
static const struct {
    const char *name;
    void (*make)(const char *path);
    bool batched;
} kinds[] = {
    {"pair", model_pair, true},        {"embedding", model_embedding, true}, {"mean", model_mean, true},
    {"fixed", model_fixed, false},     {"product", model_product, false},    {"mixing", model_mixing, false},
    {"centred", model_centred, false}, {"gram", model_gram, false},          {"doubled", model_doubled, false},
};

Test(serve_model, is_batched_where_no_row_sees_another)
{
    char        *folder = models_folder();
    struct heard h = {.text = "not batched: a row changes with the rows beside it in output y"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct wg__model_options o = model_options();
        o.log = hear;
        o.log_context = &h;
        kinds[i].make(in_folder(folder, "m.onnx"));
        struct wg__version *v = load(in_folder(folder, "m.onnx"), &o);
        cr_assert_eq(v->batched, kinds[i].batched, "%s", kinds[i].name);
        unload(v);
    }
    cr_assert_eq(atomic_load(&h.times), 2, "of mixing and centred; of the others shapes tell");
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
