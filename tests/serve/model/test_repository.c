/* Laws of the repository: which version serves, and that a reload takes none
 * from under a request. */
#include <pthread.h>

#include "serve/models.h"
#include "support/alloc.h"

TestSuite(serve_repository, .timeout = 60);

/* y for x = {1, 1, 1, 1}; NAN with the reason printed if there is none. */
static double answer_of(struct wg__version *v)
{
    static const float one[4] = {1, 1, 1, 1};
    struct asked       a;
    ask_begin(&a, v);
    a.in[0] = (struct wg__given){one, WG_SHAPE(1, 4)};
    double y = ask(&a, 0) ? NAN : floats(&a, 0)[0];
    ask_end(&a);
    return y;
}

static double answer(struct wg__repository *r, const char *model)
{
    struct wg__version *v = hold(r, model);
    double              y = answer_of(v);
    wg__version_release(v);
    return y;
}

static void poll_twice(struct wg__repository *r)
{
    wg__repository_poll(r);
    wg__repository_poll(r);
}

static void make_version(const char *folder, const char *number, double term)
{
    mkdir(in_folder(folder, number), 0700);
    model_scale(in_folder(in_folder(folder, number), "model.onnx"), 1, term);
}

/* ---- Opening ---- */

static void refuses(int n, const char *const spec[], const char *why)
{
    struct wg__model_options o = model_options();
    wg_error                 e = {0};
    cr_assert_null(wg__repository_open(n, spec, &o, &e));
    cr_assert(e.status < 0 && strstr(e.message, why), "%s", e.message);
}

Test(serve_repository, says_which_model_does_not_open_and_why)
{
    char       *folder = models_folder(), good[600], bad[600], missing[600];
    const char *spec[2] = {good, bad};
    model_scale(in_folder(folder, "good.onnx"), 1, 0);
    write_garbage(in_folder(folder, "bad.onnx"));
    snprintf(good, sizeof good, "good=%s/good.onnx", folder);
    snprintf(bad, sizeof bad, "bad=%s/bad.onnx", folder);
    snprintf(missing, sizeof missing, "gone=%s/gone.onnx", folder);
    refuses(2, spec, "model bad: ");
    refuses(1, &(const char *){missing}, "model gone: there is no model at ");
    refuses(1, &(const char *){"good"}, "is not name=path");
    refuses(1, &(const char *){"a/b=x"}, "is not name=path");
    refuses(0, spec, "no models");
    spec[1] = good;
    refuses(2, spec, "two models are called \"good\"");
    models_remove(folder);
}

Test(serve_repository, two_models_answer_each_for_itself)
{
    char                    *folder = models_folder(), a[600], b[600];
    const char              *spec[2] = {a, b};
    struct wg__model_options o = model_options();
    model_scale(in_folder(folder, "a.onnx"), 1, 1);
    model_scale(in_folder(folder, "b.onnx"), 1, 2);
    snprintf(a, sizeof a, "a=%s/a.onnx", folder);
    snprintf(b, sizeof b, "b=%s/b.onnx", folder);
    struct wg__repository *r = open_models(2, spec, &o);
    cr_assert_str_eq(wg__repository_model(r, 0), "a");
    cr_assert_str_eq(wg__repository_model(r, 1), "b");
    cr_assert_null(wg__repository_model(r, 2));
    cr_assert(wg__repository_has(r, "a") && !wg__repository_has(r, "c"));
    cr_assert_eq(answer(r, "a"), 2);
    cr_assert_eq(answer(r, "b"), 3);
    cr_assert_null(wg__version_hold(r, "c", -1));
    cr_assert_null(wg__version_hold(r, "a", 2));
    cr_assert_eq(wg__repository_status(r, "c", 1, &(struct wg__version_status){0}), -1);
    cr_assert_eq(wg__repository_reload(r, "c", NULL), WG_EARG);
    wg__repository_close(r);
    models_remove(folder);
}

/* ---- A lone file ---- */

Test(serve_repository, a_changed_file_serves_after_two_looks)
{
    char                    *folder = models_folder();
    const char              *file = strdup(in_folder(folder, "m.onnx"));
    struct wg__model_options o = model_options();
    model_scale(file, 1, 1);
    struct wg__repository *r = open_model(file, &o);
    wg__repository_poll(r);
    model_scale(file, 1, 5);
    wg__repository_poll(r);
    cr_assert_eq(answer(r, "m"), 2, "it may be half written still");
    struct wg__version *old = hold(r, "m");
    wg__repository_poll(r);
    cr_assert_eq(answer(r, "m"), 6);
    cr_assert_eq(answer_of(old), 2, "who holds a version keeps it");
    wg__version_release(old);
    wg__repository_close(r);
    free((void *)(uintptr_t)file);
    models_remove(folder);
}

Test(serve_repository, garbage_leaves_the_old_model_serving)
{
    char                     *folder = models_folder(), *file = strdup(in_folder(folder, "m.onnx"));
    struct heard              h = {.text = "was not loaded"};
    struct wg__model_options  o = model_options();
    struct wg__version_status s[4];
    wg_error                  e;
    o.log = hear;
    o.log_context = &h;
    model_scale(file, 1, 1);
    struct wg__repository *r = open_model(file, &o);
    write_garbage(file);
    for (int i = 0; i < 5; i++) wg__repository_poll(r);
    cr_assert_eq(answer(r, "m"), 2);
    cr_assert_eq(atomic_load(&h.times), 1, "tried once");
    cr_assert_eq(wg__repository_status(r, "m", 4, s), 2);
    cr_assert(s[0].state == WG__AVAILABLE && s[0].number == 1 && !s[0].code && !*s[0].message);
    cr_assert(s[1].state == WG__END && s[1].code < 0 && *s[1].message);
    cr_assert_eq(wg__repository_status(r, "m", 1, s), 1);
    cr_assert(wg__repository_reload(r, "m", &e) < 0 && e.status < 0 && *e.message);
    cr_assert_eq(answer(r, "m"), 2);
    model_scale(file, 1, 7);
    poll_twice(r);
    cr_assert_eq(answer(r, "m"), 8);
    cr_assert_eq(wg__repository_status(r, "m", 4, s), 1, "the failure is past");
    wg__repository_close(r);
    free(file);
    models_remove(folder);
}

Test(serve_repository, a_removed_file_goes_on_serving)
{
    char                    *folder = models_folder(), *file = strdup(in_folder(folder, "m.onnx"));
    struct heard             h = {.text = "is gone"};
    struct wg__model_options o = model_options();
    o.log = hear;
    o.log_context = &h;
    model_scale(file, 1, 1);
    struct wg__repository *r = open_model(file, &o);
    unlink(file);
    for (int i = 0; i < 3; i++) wg__repository_poll(r);
    cr_assert_eq(answer(r, "m"), 2);
    cr_assert_eq(atomic_load(&h.times), 1, "said once");
    model_scale(file, 1, 3);
    poll_twice(r);
    cr_assert_eq(answer(r, "m"), 4);
    wg__repository_close(r);
    free(file);
    models_remove(folder);
}

Test(serve_repository, reload_does_not_wait_for_a_look)
{
    char                    *folder = models_folder(), *file = strdup(in_folder(folder, "m.onnx"));
    struct wg__model_options o = model_options();
    model_scale(file, 1, 1);
    struct wg__repository *r = open_model(file, &o);
    model_scale(file, 1, 2);
    cr_assert_eq(wg__repository_reload(r, "m", NULL), WG_OK);
    cr_assert_eq(answer(r, "m"), 3);
    wg__repository_close(r);
    free(file);
    models_remove(folder);
}

/* ---- Folders of versions ---- */

Test(serve_repository, the_highest_number_serves)
{
    char                     *folder = models_folder();
    struct wg__model_options  o = model_options();
    struct wg__version_status s[4];
    make_version(folder, "2", 2);
    make_version(folder, "10", 10);
    make_version(folder, "00000011", 11);
    make_version(folder, "12a", 12);
    mkdir(in_folder(folder, "13"), 0700);
    struct wg__repository *r = open_model(folder, &o);
    cr_assert_eq(answer(r, "m"), 12, "10 comes after 2 and 00000011 is 11; 12a and an empty folder are no versions");
    cr_assert_null(wg__version_hold(r, "m", 2), "only the newest is loaded");
    make_version(folder, "13", 13);
    poll_twice(r);
    cr_assert_eq(answer(r, "m"), 14);
    write_garbage(in_folder(folder, "13/model.onnx"));
    poll_twice(r);
    cr_assert_eq(answer(r, "m"), 14);
    make_version(folder, "14", 14);
    write_garbage(in_folder(folder, "14/model.onnx"));
    poll_twice(r);
    cr_assert_eq(answer(r, "m"), 14);
    cr_assert_eq(wg__repository_status(r, "m", 4, s), 2);
    cr_assert(s[0].number == 14 && s[0].state == WG__END);
    cr_assert(s[1].number == 13 && s[1].state == WG__AVAILABLE);
    wg__repository_close(r);
    models_remove(folder);
}

Test(serve_repository, without_the_newest_the_one_before_serves)
{
    char                    *folder = models_folder();
    struct wg__model_options o = model_options();
    make_version(folder, "1", 1);
    make_version(folder, "2", 2);
    struct wg__repository *r = open_model(folder, &o);
    cr_assert_eq(answer(r, "m"), 3);
    unlink(in_folder(folder, "2/model.onnx"));
    poll_twice(r);
    cr_assert_eq(answer(r, "m"), 2);
    wg__repository_close(r);
    models_remove(folder);
}

Test(serve_repository, a_folder_may_hold_the_model_itself)
{
    char                    *folder = models_folder();
    struct wg__model_options o = model_options();
    model_scale(in_folder(folder, "model.onnx"), 1, 4);
    struct wg__repository *r = open_model(folder, &o);
    cr_assert_eq(answer(r, "m"), 5);
    wg__repository_close(r);
    models_remove(folder);
}

/* ---- Reloads under load ---- */

enum { ASKERS = 4, RELOADS = 24 };

struct asking {
    struct wg__repository *r;
    atomic_bool           *stop;
    const atomic_int      *settled; /* term of the model that is there for good, or 0 */
    int                    answers, wrong;
};

/* Every answer is one of the two functions; once settled, that one. */
static void *keep_asking(void *context)
{
    struct asking *a = context;
    while (!atomic_load(a->stop) || !a->answers) {
        int    term = atomic_load(a->settled);
        double y = answer(a->r, "m");
        a->wrong += term ? y != 1 + term : y != 2 && y != 3;
        a->answers++;
    }
    return NULL;
}

Test(serve_repository, reloads_lose_no_request_and_mix_no_models)
{
    char                    *folder = models_folder(), *file = strdup(in_folder(folder, "m.onnx"));
    struct wg__model_options o = model_options();
    atomic_bool              stop = false;
    atomic_int               settled = 0;
    struct asking            a[ASKERS];
    pthread_t                thread[ASKERS];
    model_scale(file, 1, 1);
    struct wg__repository *r = open_model(file, &o);
    for (int i = 0; i < ASKERS; i++) {
        a[i] = (struct asking){.r = r, .stop = &stop, .settled = &settled};
        cr_assert_eq(pthread_create(&thread[i], NULL, keep_asking, &a[i]), 0);
    }
    for (int i = 0; i < RELOADS; i++) {
        model_scale(file, 1, 1 + i % 2);
        cr_assert_eq(wg__repository_reload(r, "m", NULL), WG_OK);
    }
    atomic_store(&settled, 2);
    for (int i = 0; i < 10; i++) cr_assert_eq(answer(r, "m"), 3);
    atomic_store(&stop, true);
    for (int i = 0; i < ASKERS; i++) {
        pthread_join(thread[i], NULL);
        cr_assert_eq(a[i].wrong, 0, "%d of %d answers were wrong", a[i].wrong, a[i].answers);
    }
    wg__repository_close(r);
    free(file);
    models_remove(folder);
}

/* ---- Memory ---- */

Test(serve_repository, opening_fails_cleanly_at_every_allocation)
{
    char                    *folder = models_folder(), spec[600];
    const char              *list = spec;
    struct wg__model_options o = model_options();
    struct wg__repository   *r = NULL;
    int                      n = 0;
    o.max_batch = 2;
    model_scale(in_folder(folder, "m.onnx"), 1, 1);
    snprintf(spec, sizeof spec, "m=%s/m.onnx", folder);
    for (; !r && n < 100000; n++) {
        wg_error e = {0};
        alloc_fail_at(n);
        r = wg__repository_open(1, &list, &o, &e);
        alloc_restore();
        cr_assert(r || (e.status == WG_ENOMEM && *e.message), "allocation %d: %d %s", n, e.status, e.message);
    }
    cr_assert(n > 10);
    cr_assert_eq(answer(r, "m"), 2);
    wg__repository_close(r);
    models_remove(folder);
}

Test(serve_repository, a_reload_without_memory_keeps_what_serves)
{
    char                    *folder = models_folder(), *file = strdup(in_folder(folder, "m.onnx"));
    struct wg__model_options o = model_options();
    model_scale(file, 1, 1);
    struct wg__repository *r = open_model(file, &o);
    model_scale(file, 1, 2);
    for (int n = 0; n < 60; n++) {
        alloc_fail_once_at(n);
        int status = wg__repository_reload(r, "m", NULL);
        alloc_restore();
        double y = answer(r, "m");
        cr_assert(y == (status ? 2 : 3) || y == 3, "allocation %d: %d, %g", n, status, y);
    }
    cr_assert_eq(wg__repository_reload(r, "m", NULL), WG_OK);
    cr_assert_eq(answer(r, "m"), 3);
    wg__repository_close(r);
    free(file);
    models_remove(folder);
}
