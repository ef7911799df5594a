/* Laws of checkpoints. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <wengert/train.h>

#include "support/alloc.h"

static const char *temp(char *buf, size_t n, const char *what)
{
    snprintf(buf, n, "/tmp/wengert-%ld-%s.safetensors", (long)getpid(), what);
    return buf;
}

/* ---- A net with dropout, trained by Adam on shuffled batches ---- */

enum { ROWS = 24, BATCH = 6, IN = 5 };

struct net {
    wg_graph *g;
    wg_node  *index, *y, *loss, *step;
    wg_tape  *t;
};

static double noise(uint64_t i) { return (double)((i + 1) * 0x9E3779B97F4A7C15u >> 40) * 0x1p-24 - 0.5; }

static struct net net_new(uint64_t seed, enum wg_solver_kind kind)
{
    struct net n = {.g = wg_graph_new()};
    float      x[ROWS * IN], y[ROWS];
    for (int i = 0; i < ROWS * IN; i++) x[i] = (float)noise((uint64_t)i);
    for (int i = 0; i < ROWS; i++) y[i] = x[i * IN] * x[i * IN + 1] - x[i * IN + 2];
    wg_set_seed(n.g, seed);
    n.index = wg_input(n.g, "index", WG_I32, WG_SHAPE(BATCH));
    wg_node *rows = wg_gather(wg_const(n.g, WG_F32, WG_SHAPE(ROWS, IN), x), n.index, 0);
    wg_node *want = wg_gather(wg_const(n.g, WG_F32, WG_SHAPE(ROWS, 1), y), n.index, 0);
    wg_node *h = wg_dropout(wg_tanh(wg_dense(rows, 7, "fc1")), 0.3);
    n.y = wg_dense(h, 1, "fc2");
    n.loss = wg_mse(n.y, want);
    n.step = wg_minimize(n.loss, &(wg_solver){.kind = kind, .rate = 0.01});
    return n;
}

static void compile(struct net *n)
{
    n->t = wg_compile(n->g, WG_NODES(n->loss, n->step), NULL);
    cr_assert(n->t != NULL, "%s", wg_message(n->g));
}

/* Which rows come in run r: another order in each epoch, a function of r alone. */
static void train(struct net *n, int runs)
{
    for (int k = 0; k < runs; k++) {
        uint64_t r = wg_run_number(n->t), epoch = r / (ROWS / BATCH), at = r % (ROWS / BATCH) * BATCH;
        int32_t  index[BATCH];
        for (uint64_t i = 0; i < BATCH; i++) index[i] = (int32_t)(((at + i) * (epoch % 2 ? 5 : 7) + epoch) % ROWS);
        wg_set(n->t, n->index, index);
        cr_assert_eq(wg_run(n->t), WG_OK, "%s", wg_tape_message(n->t));
    }
}

/* Every byte of every parameter. */
static unsigned char *state(const wg_graph *g, size_t *size)
{
    unsigned char *all = NULL;
    *size = 0;
    for (int i = 0; i < wg_param_count(g); i++) {
        const wg_node *p = wg_param_at(g, i);
        size_t         n = (size_t)wg_count(wg_node_shape(p)) * wg_dtype_size(wg_node_dtype(p));
        all = realloc(all, *size + n);
        memcpy(all + *size, wg_param_view(p), n);
        *size += n;
    }
    return all;
}

static int same(const wg_graph *a, const wg_graph *b)
{
    size_t         n, m;
    unsigned char *p = state(a, &n), *q = state(b, &m);
    int            equal = n == m && memcmp(p, q, n) == 0;
    free(p);
    free(q);
    return equal;
}

Test(checkpoint, going_on_is_not_having_stopped)
{
    char       path[64];
    wg_error   e;
    struct net straight = net_new(42, WG_SOLVER_ADAM), first = net_new(42, WG_SOLVER_ADAM);
    struct net after = net_new(42, WG_SOLVER_ADAM), before = net_new(1, WG_SOLVER_ADAM),
               late = net_new(42, WG_SOLVER_ADAM);
    compile(&straight);
    train(&straight, 20);
    compile(&first);
    train(&first, 10);
    cr_assert(!same(first.g, straight.g));
    temp(path, sizeof path, "resume");
    cr_assert_eq(wg_checkpoint_save(first.g, first.t, path, NULL, &e), WG_OK, "%s", e.message);

    compile(&after); /* loaded into a tape */
    cr_assert_eq(wg_checkpoint_load(after.g, after.t, path, NULL, NULL, &e), WG_OK, "%s", e.message);
    cr_assert_eq(wg_run_number(after.t), 10);
    train(&after, 10);
    cr_assert(same(after.g, straight.g), "loaded after compiling");

    wg_load_info info; /* loaded before there is a tape: the seed comes along */
    cr_assert_eq(wg_checkpoint_load(before.g, NULL, path, NULL, &info, &e), WG_OK, "%s", e.message);
    cr_assert(info.has_seed && info.seed == 42 && info.has_run && info.run == 10);
    cr_assert_eq(info.loaded, wg_param_count(before.g));
    cr_assert_eq(wg_seed(before.g), 42);
    compile(&before);
    wg_set_run_number(before.t, info.run);
    train(&before, 10);
    cr_assert(same(before.g, straight.g), "loaded before compiling");

    compile(&late); /* the law has teeth: without the run number dropout differs */
    wg_checkpoint_load(late.g, NULL, path, NULL, NULL, NULL);
    train(&late, 10);
    cr_assert(!same(late.g, straight.g));
    train(&first, 10);
    cr_assert(same(first.g, straight.g), "saving changes nothing");
    struct net all[] = {straight, first, after, before, late};
    for (int i = 0; i < 5; i++) wg_graph_free(all[i].g);
    unlink(path);
}

/* ---- Small graphs ---- */

static wg_graph *graph_of(const char *a, wg_dtype t, wg_shape s, const char *b)
{
    wg_graph *g = wg_graph_new();
    wg_node  *p = wg_param(g, a, t, s);
    if (b) wg_init(wg_param(g, b, WG_F64, WG_SHAPE(2)), &(wg_initializer){.kind = WG_INIT_ONES});
    if (t == WG_F32) wg_init(p, &(wg_initializer){.kind = WG_INIT_CONSTANT, .a = 7});
    return g;
}

static void expect_refused(wg_graph *g, const char *path, const wg_load_options *o, int status, const char *word)
{
    size_t         n, m;
    wg_error       e = {0};
    wg_load_info   info = {.loaded = -1};
    unsigned char *before = state(g, &n), *after;
    cr_assert_eq(wg_checkpoint_load(g, NULL, path, o, &info, &e), status, "%s: %s", word, e.message);
    cr_assert_eq(e.status, status);
    cr_assert(strstr(e.message, word), "%s: %s", word, e.message);
    after = state(g, &m);
    cr_assert(n == m && memcmp(before, after, n) == 0, "%s: the graph is as it was", word);
    cr_assert_eq(info.loaded, -1);
    free(before);
    free(after);
}

Test(checkpoint, another_graph_is_refused_by_name)
{
    char      path[64];
    wg_graph *g = graph_of("w", WG_F32, WG_SHAPE(2, 3), "b");
    cr_assert_eq(wg_checkpoint_save(g, NULL, temp(path, sizeof path, "other"), NULL, NULL), WG_OK);
    wg_graph_free(g);
    struct {
        wg_graph   *g;
        int         status;
        const char *word;
    } bad[] = {
        {graph_of("b", WG_F32, WG_SHAPE(2), NULL), WG_EDTYPE, "b is f32 [2] in the graph but f64 [2] in the file"},
        {graph_of("w", WG_F32, WG_SHAPE(3, 2), "b"), WG_ESHAPE, "w is f32 [3,2] in the graph but f32 [2,3]"},
        {graph_of("w", WG_F32, WG_SHAPE(6), "b"), WG_ESHAPE, "w"},
        {graph_of("w", WG_F32, WG_SHAPE(2, 3), NULL), WG_EARG, "no parameter for tensor b"},
        {graph_of("w", WG_F32, WG_SHAPE(2, 3), "c"), WG_EARG, "no tensor for parameter c"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        expect_refused(bad[i].g, path, NULL, bad[i].status, bad[i].word);
        wg_graph_free(bad[i].g);
    }
    wg_graph    *h = graph_of("w", WG_F32, WG_SHAPE(2, 3), "c"), *none = graph_of("x", WG_F32, WG_SHAPE(2), NULL);
    wg_load_info info;
    wg_set_seed(h, 5);
    cr_assert_eq(wg_checkpoint_load(h, NULL, path, &(wg_load_options){.partial = 1}, &info, NULL), WG_OK);
    cr_assert_eq(info.loaded, 1, "what both have");
    cr_assert_eq(wg_seed(h), 5);
    expect_refused(none, path, &(wg_load_options){.partial = 1}, WG_EARG, "no tensor for any");
    wg_graph *shaped = graph_of("w", WG_F32, WG_SHAPE(3, 2), NULL);
    expect_refused(shaped, path, &(wg_load_options){.partial = 1}, WG_ESHAPE, "w");
    cr_assert_eq(wg_checkpoint_load(NULL, NULL, path, NULL, NULL, NULL), WG_EARG);
    expect_refused(h, "/nonexistent/x", NULL, WG_EIO, "/nonexistent/x");
    wg_graph_free(h);
    wg_graph_free(none);
    wg_graph_free(shaped);
    unlink(path);
}

Test(checkpoint, weights_without_the_solvers_state)
{
    char         all[64], weights[64];
    struct net   n = net_new(3, WG_SOLVER_ADAM), fresh = net_new(4, WG_SOLVER_RMSPROP);
    wg_load_info info;
    wg_error     e;
    compile(&n);
    train(&n, 3);
    temp(all, sizeof all, "all");
    temp(weights, sizeof weights, "weights");
    cr_assert_eq(wg_checkpoint_save(n.g, n.t, all, NULL, &e), WG_OK, "%s", e.message);
    wg_save_options light = {.weights_only = 1};
    cr_assert_eq(wg_checkpoint_save(n.g, n.t, weights, &light, &e), WG_OK, "%s", e.message);
    wg_safetensors *f = wg_safetensors_read(weights, &e), *whole = wg_safetensors_read(all, &e);
    cr_assert_eq(wg_safetensors_count(f), 4);
    cr_assert_eq(wg_safetensors_count(whole), 4 + 1 + 8);
    wg_safetensors_free(f);
    wg_safetensors_free(whole);
    expect_refused(fresh.g, all, NULL, WG_EARG, "rmsprop.s/fc");
    expect_refused(fresh.g, weights, NULL, WG_EARG, "rmsprop.s/fc");
    const char *files[] = {all, weights};
    for (int i = 0; i < 2; i++) {
        wg_param_set(wg_param_find(fresh.g, "fc2.bias"), (float[]){99});
        wg_load_options o = {.weights_only = 1};
        cr_assert_eq(wg_checkpoint_load(fresh.g, NULL, files[i], &o, &info, &e), WG_OK, "%s", e.message);
        cr_assert_eq(info.loaded, 4);
        cr_assert_eq(wg_seed(fresh.g), 4);
        cr_assert_eq(*(const float *)wg_param_view(wg_param_find(fresh.g, "fc2.bias")),
                     *(const float *)wg_param_view(wg_param_find(n.g, "fc2.bias")));
    }
    wg_graph_free(n.g);
    wg_graph_free(fresh.g);
    unlink(all);
    unlink(weights);
}

Test(checkpoint, metadata)
{
    char              path[64];
    wg_error          e;
    wg_graph         *g = graph_of("w", WG_F32, WG_SHAPE(2), NULL);
    const char *const mine[][2] = {{"epoch", "12"}, {"note", "a \"quoted\" text"}};
    const char *const theirs[][2] = {{"wengert.seed", "1"}};
    wg_set_seed(g, UINT64_MAX);
    temp(path, sizeof path, "meta");
    cr_assert_eq(wg_checkpoint_save(g, NULL, path, &(wg_save_options){.n_meta = 1, .meta = theirs}, &e), WG_EARG);
    cr_assert_neq(access(path, F_OK), 0);
    cr_assert_eq(wg_checkpoint_save(g, NULL, path, &(wg_save_options){.n_meta = 2, .meta = mine}, &e), WG_OK);
    wg_safetensors *f = wg_safetensors_read(path, &e);
    cr_assert_str_eq(wg_safetensors_meta(f, "epoch"), "12");
    cr_assert_str_eq(wg_safetensors_meta(f, "note"), "a \"quoted\" text");
    cr_assert_str_eq(wg_safetensors_meta(f, "wengert.seed"), "18446744073709551615");
    cr_assert_not_null(wg_safetensors_meta(f, "wengert.version"));
    cr_assert_null(wg_safetensors_meta(f, "wengert.run"), "there was no tape");
    wg_safetensors_free(f);
    wg_load_info info;
    wg_set_seed(g, 0);
    cr_assert_eq(wg_checkpoint_load(g, NULL, path, NULL, &info, &e), WG_OK);
    cr_assert(info.seed == UINT64_MAX && !info.has_run);
    wg_graph_free(g);
    unlink(path);
}

Test(checkpoint, odd_metadata_is_refused)
{
    static const char *const odd[][2] = {{"wengert.seed", "-1"},
                                         {"wengert.seed", "1x"},
                                         {"wengert.run", ""},
                                         {"wengert.run", "007"},
                                         {"wengert.seed", "18446744073709551616"},
                                         {"wengert.checkpoint", "3"}};
    char                     path[64];
    float                    x[2] = {1, 2};
    temp(path, sizeof path, "odd");
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        wg_graph     *g = graph_of("w", WG_F32, WG_SHAPE(2), NULL);
        wg_safetensor w = {"w", WG_F32, WG_SHAPE(2), x};
        cr_assert_eq(wg_safetensors_write(path, 1, &w, 1, &odd[i], NULL), WG_OK);
        expect_refused(g, path, NULL, WG_EFORMAT, "");
        wg_graph_free(g);
    }
    unlink(path);
}

Test(checkpoint, a_seed_that_the_tape_has_not_got_is_refused)
{
    char       path[64];
    wg_error   e;
    struct net a = net_new(1, WG_SOLVER_SGD), b = net_new(2, WG_SOLVER_SGD);
    compile(&a);
    compile(&b);
    cr_assert_eq(wg_checkpoint_save(a.g, a.t, temp(path, sizeof path, "seed"), NULL, NULL), WG_OK);
    cr_assert_eq(wg_checkpoint_load(b.g, b.t, path, NULL, NULL, &e), WG_EARG);
    cr_assert(strstr(e.message, "seed 1"), "%s", e.message);
    cr_assert_eq(wg_checkpoint_load(b.g, a.t, path, NULL, NULL, &e), WG_EARG, "a tape of another graph");
    cr_assert(!same(a.g, b.g));
    wg_graph_free(a.g);
    wg_graph_free(b.g);
    unlink(path);
}

static size_t slurp(const char *path, unsigned char *to, size_t room)
{
    FILE  *f = fopen(path, "rb");
    size_t n = fread(to, 1, room, f);
    fclose(f);
    return n;
}
static void spill(const char *path, const unsigned char *from, size_t n)
{
    FILE *f = fopen(path, "wb");
    fwrite(from, 1, n, f);
    fclose(f);
}

Test(checkpoint, damage_changes_nothing)
{
    char          path[64];
    unsigned char file[4096];
    wg_graph     *g = graph_of("w", WG_F32, WG_SHAPE(2, 3), "b"), *h = graph_of("w", WG_F32, WG_SHAPE(2, 3), "b");
    wg_error      e;
    wg_checkpoint_save(g, NULL, temp(path, sizeof path, "damage"), NULL, NULL);
    size_t n = slurp(path, file, sizeof file), data = 16 + 24;
    cr_assert(n < sizeof file);
    for (size_t k = 0; k < n; k++) {
        spill(path, file, k);
        cr_assert_eq(wg_checkpoint_load(h, NULL, path, NULL, NULL, &e), WG_EFORMAT, "%zu bytes", k);
        cr_assert(same(g, h));
    }
    for (size_t k = 0; k < n - data; k++) { /* of a flip in the data a format without check sums knows nothing */
        file[k] ^= (unsigned char)(1 << k % 8);
        spill(path, file, n);
        int status = wg_checkpoint_load(h, NULL, path, NULL, NULL, &e);
        cr_assert(same(g, h) && (status == WG_OK || *e.message), "byte %zu", k);
        wg_set_seed(h, 0);
        file[k] ^= (unsigned char)(1 << k % 8);
    }
    wg_graph_free(g);
    wg_graph_free(h);
    unlink(path);
}

Test(checkpoint, every_allocation_may_fail)
{
    char       path[64];
    wg_error   e;
    struct net a = net_new(1, WG_SOLVER_ADAM), b = net_new(1, WG_SOLVER_ADAM), c = net_new(1, WG_SOLVER_ADAM);
    int        status = WG_ENOMEM;
    compile(&a);
    train(&a, 2);
    temp(path, sizeof path, "nomem");
    for (long n = 0; status; n++) {
        alloc_fail_at(n);
        status = wg_checkpoint_save(a.g, a.t, path, NULL, &e);
        alloc_restore();
        cr_assert(status == WG_OK || status == WG_ENOMEM, "allocation %ld: %s", n, e.message);
        cr_assert_eq(access(path, F_OK) == 0, status == WG_OK);
    }
    status = WG_ENOMEM;
    for (long n = 0; status; n++) {
        cr_assert(same(b.g, c.g), "allocation %ld: nothing was changed", n);
        alloc_fail_at(n);
        status = wg_checkpoint_load(b.g, NULL, path, NULL, NULL, &e);
        alloc_restore();
        cr_assert(status == WG_OK || status == WG_ENOMEM, "allocation %ld: %s", n, e.message);
    }
    cr_assert(same(a.g, b.g));
    wg_graph_free(a.g);
    wg_graph_free(b.g);
    wg_graph_free(c.g);
    unlink(path);
}

/* ---- Packed weights ---- */

static float sum_by(wg_tape *t, const wg_node *y)
{
    float v[48] = {0};
    for (int i = 0; i < 3; i++) cr_assert_eq(wg_run(t), WG_OK, "%s", wg_tape_message(t)); /* the second may pack w */
    cr_assert_eq(wg_get(t, y, v), WG_OK);
    return v[47];
}

Test(checkpoint, a_tape_that_has_packed_a_weight_sees_what_is_loaded_and_drawn)
{
    char      path[64];
    float     ones[16];
    wg_graph *g = wg_graph_new();
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(1, 16)), *w = wg_param(g, "w", WG_F32, WG_SHAPE(48, 16));
    wg_node  *y = wg_matmul_t(x, w, 0, 1);
    wg_tape  *t = wg_compile(g, 1, &y, NULL);
    for (int i = 0; i < 16; i++) ones[i] = 1;
    wg_set(t, x, ones);
    cr_expect_eq(sum_by(t, y), 0);
    wg_init(w, &(wg_initializer){.kind = WG_INIT_ONES});
    cr_expect_eq(sum_by(t, y), 16, "drawn");
    cr_assert_eq(wg_checkpoint_save(g, NULL, temp(path, sizeof path, "packed"), NULL, NULL), WG_OK);
    wg_init(w, &(wg_initializer){.kind = WG_INIT_CONSTANT, .a = 3});
    cr_expect_eq(sum_by(t, y), 48, "drawn again");
    cr_assert_eq(wg_checkpoint_load(g, NULL, path, NULL, NULL, NULL), WG_OK);
    cr_expect_eq(sum_by(t, y), 16, "loaded");
    wg_graph_free(g);
    unlink(path);
}
