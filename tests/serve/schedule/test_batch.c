/* Laws of batching: who shares a run gets the rows that are his, nobody is
 * answered twice or not at all, and what goes wrong for one stays with him. */
#include <pthread.h>
#include <time.h>

#include "serve/models.h"
#include "support/alloc.h"

TestSuite(serve_batch, .timeout = 60);

static void small_mlp(const char *path) { model_mlp(path, 6, 16, 3); }

static void nap_ms(int ms) { nanosleep(&(struct timespec){.tv_nsec = ms * 1000000L}, NULL); }

/* ---- A worker that is kept busy: its answer is not taken until the gate opens ---- */

struct gate {
    struct asked asked;
    float        x[4];
    sem_t        reached, open;
};

static void stand_at_gate(struct wg__job *job)
{
    struct gate *g = job->context;
    sem_post(&g->reached);
    while (sem_wait(&g->open)) continue;
    sem_post(&g->asked.done);
}

/* Returns once the worker stands there. */
static void gate_close(struct gate *g, struct wg__version *v)
{
    ask_begin(&g->asked, v);
    memset(g->x, 0, sizeof g->x);
    sem_init(&g->reached, 0, 0);
    sem_init(&g->open, 0, 0);
    g->asked.in[0] = (struct wg__given){g->x, WG_SHAPE(1, 4)};
    g->asked.job.context = g;
    g->asked.job.done = stand_at_gate;
    cr_assert_eq(wg__predict(&g->asked.job, 1), 0, "it goes to a worker, as more is on its way");
    while (sem_wait(&g->reached)) continue;
}

static void gate_open(struct gate *g)
{
    sem_post(&g->open);
    ask_wait(&g->asked);
    ask_end(&g->asked);
    sem_destroy(&g->reached);
    sem_destroy(&g->open);
}

static struct wg__model_options one_worker(void)
{
    struct wg__model_options o = model_options();
    o.threads = 1;
    o.max_delay_us = 0;
    return o;
}

/* rows rows of value; gives what wg__predict gives. */
static int send(struct asked *a, struct wg__version *v, float x[], int rows, float value)
{
    for (int i = 0; i < rows * 4; i++) x[i] = value;
    ask_begin(a, v);
    a->in[0] = (struct wg__given){x, WG_SHAPE(rows, 4)};
    return wg__predict(&a->job, 0);
}

/* ---- Rows ---- */

enum { CLIENTS = 8, JOBS = 200 };

struct client {
    struct wg__version *v;
    const float        *want; /* [JOBS * 3] of this client's rows */
    const float        *x;    /* [JOBS * 6] */
    int                 lost, wrong, largest;
};

static void *send_jobs(void *context)
{
    struct client *c = context;
    for (int i = 0; i < JOBS; i++) {
        struct asked a;
        ask_begin(&a, c->v);
        a.in[0] = (struct wg__given){c->x + (size_t)i * 6, WG_SHAPE(1, 6)};
        c->lost += ask(&a, i % 4 != 0) != WG_OK; /* some at once if they can, most together */
        for (int k = 0; k < 3 && a.job.out; k++) c->wrong += fabsf(floats(&a, 0)[k] - c->want[i * 3 + k]) > 1e-5f;
        if (a.job.batch > c->largest) c->largest = a.job.batch;
        ask_end(&a);
    }
    return NULL;
}

/* What a model computes for n rows, by a tape of its own. */
static void reference(const char *path, int64_t n, const float *x, float *y)
{
    wg_graph *g = wg_graph_new();
    wg_onnx  *m = wg_onnx_read(path);
    cr_assert_eq(wg_onnx_import(m, g, NULL), WG_OK, "%s", wg_onnx_message(m));
    wg_tape *t = wg_compile(g, WG_NODES(wg_onnx_output(m, 0)), &(wg_options){.bind = {{"batch", n}}});
    cr_assert(t, "%s", wg_message(g));
    cr_assert(!wg_set(t, wg_onnx_input(m, 0), x) && !wg_run(t) && !wg_get(t, wg_onnx_output(m, 0), y));
    wg_onnx_free(m);
    wg_graph_free(g);
}

Test(serve_batch, everybody_gets_the_rows_that_are_his)
{
    enum { ROWS = CLIENTS * JOBS };
    struct wg__model_options o = model_options();
    struct fixture           f = set_up(small_mlp, &o);
    float                   *x = malloc(ROWS * 6 * sizeof *x), *want = malloc(ROWS * 3 * sizeof *want);
    struct client            c[CLIENTS];
    pthread_t                thread[CLIENTS];
    int                      largest = 0;
    for (int i = 0; i < ROWS * 6; i++) x[i] = sinf((float)i);
    reference(in_folder(f.folder, "m.onnx"), ROWS, x, want);
    for (int i = 0; i < CLIENTS; i++) {
        c[i] = (struct client){f.v, want + i * JOBS * 3, x + i * JOBS * 6, 0, 0, 0};
        cr_assert_eq(pthread_create(&thread[i], NULL, send_jobs, &c[i]), 0);
    }
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(thread[i], NULL);
        cr_assert(c[i].lost == 0 && c[i].wrong == 0, "client %d: %d lost, %d wrong", i, c[i].lost, c[i].wrong);
        if (c[i].largest > largest) largest = c[i].largest;
    }
    struct wg__version_counters n = wg__version_count(f.v);
    cr_assert(n.rows == ROWS && !n.refused && !n.late && !n.failed && !n.waiting);
    cr_assert(largest > 1 && n.batches < ROWS, "some ran together");
    free(x);
    free(want);
    tear_down(&f);
}

Test(serve_batch, what_waits_runs_together)
{
    struct wg__model_options o = one_worker();
    struct fixture           f = set_up(twice_plus_one, &o);
    struct gate              g;
    struct asked             a[6];
    float                    x[6][3 * 4];
    gate_close(&g, f.v);
    for (int i = 0; i < 6; i++) cr_assert_eq(send(&a[i], f.v, x[i], 1 + i % 3, (float)i), 0);
    cr_assert_eq(wg__version_count(f.v).waiting, 6);
    gate_open(&g);
    for (int i = 0; i < 6; i++) {
        ask_wait(&a[i]);
        cr_assert_eq(a[i].job.status, WG_OK, "%s", a[i].job.why);
        cr_assert_eq(a[i].job.batch, i < 4 ? 7 : 5, "1 + 2 + 3 + 1 of 8, then 2 + 3");
        for (int k = 0; k < (1 + i % 3) * 4; k++) cr_assert_eq(floats(&a[i], 0)[k], 2 * (float)i + 1);
        ask_end(&a[i]);
    }
    tear_down(&f);
}

/* Jobs of another length along the other axes have their own batch. */
Test(serve_batch, only_what_fits_together_runs_together)
{
    struct wg__model_options o = one_worker();
    struct fixture           f = set_up(model_mean, &o);
    struct gate              g;
    struct asked             a[6];
    float                    x[6][4];
    gate_close(&g, f.v);
    for (int i = 0; i < 6; i++) {
        for (int k = 0; k < 4; k++) x[i][k] = (float)(i * (k + 1));
        ask_begin(&a[i], f.v);
        a[i].in[0] = (struct wg__given){x[i], WG_SHAPE(1, 2 + i % 2)};
        cr_assert_eq(wg__predict(&a[i].job, 0), 0);
    }
    gate_open(&g);
    for (int i = 0; i < 6; i++) {
        ask_wait(&a[i]);
        cr_assert(a[i].job.status == WG_OK && a[i].job.batch == 3, "%s", a[i].job.why);
        cr_assert_float_eq(floats(&a[i], 0)[0], i * (i % 2 ? 2 : 1.5), 1e-6);
        ask_end(&a[i]);
    }
    tear_down(&f);
}

Test(serve_batch, a_request_that_fails_fails_alone)
{
    struct wg__model_options o = model_options();
    o.max_delay_us = 1000000;
    struct fixture f = set_up(model_embedding, &o);
    struct asked   a[8];
    int64_t        index[8] = {0, 1, 2, 300, 4, 5, 6, 7};
    for (int i = 0; i < 8; i++) {
        ask_begin(&a[i], f.v);
        a[i].in[0] = (struct wg__given){&index[i], WG_SHAPE(1)};
        cr_assert_eq(wg__predict(&a[i].job, 7 - i + (i == 7)), 0, "the worker waits for all eight");
    }
    for (int i = 0; i < 8; i++) {
        ask_wait(&a[i]);
        cr_assert_eq(a[i].job.status, i == 3 ? WG_EINDEX : WG_OK, "%s", a[i].job.why);
        if (i != 3) cr_assert(floats(&a[i], 0)[0] == i && floats(&a[i], 0)[1] == -i);
        ask_end(&a[i]);
    }
    cr_assert_eq(wg__version_count(f.v).failed, 1);
    tear_down(&f);
}

/* ---- Waiting ---- */

Test(serve_batch, a_batch_waits_while_more_is_on_its_way)
{
    struct wg__model_options o = model_options();
    o.max_delay_us = 5000000;
    struct fixture f = set_up(twice_plus_one, &o);
    struct asked   a, b;
    float          x[4], y[4];
    for (int i = 0; i < 4; i++) x[i] = 1;
    ask_begin(&a, f.v);
    a.in[0] = (struct wg__given){x, WG_SHAPE(1, 4)};
    cr_assert_eq(wg__predict(&a.job, 1), 0);
    nap_ms(30);
    cr_assert_eq(send(&b, f.v, y, 1, 2), 0, "not past who waits");
    ask_wait(&a);
    ask_wait(&b);
    cr_assert(a.job.batch == 2 && b.job.batch == 2);
    cr_assert(floats(&a, 0)[0] == 3 && floats(&b, 0)[0] == 5);
    cr_assert(a.job.queue_ns > 20000000 && a.job.run_ns > 0);
    ask_end(&a);
    ask_end(&b);
    tear_down(&f);
}

Test(serve_batch, a_batch_waits_no_longer_than_it_may)
{
    struct wg__model_options o = model_options();
    o.max_delay_us = 20000;
    struct fixture f = set_up(twice_plus_one, &o);
    struct asked   a;
    float          x[4] = {0};
    ask_begin(&a, f.v);
    a.in[0] = (struct wg__given){x, WG_SHAPE(1, 4)};
    cr_assert_eq(ask(&a, 1), WG_OK);
    cr_assert(a.job.queue_ns >= 20000000);
    ask_end(&a);
    tear_down(&f);
}

Test(serve_batch, an_idle_server_answers_at_once)
{
    struct wg__model_options o = model_options();
    struct fixture           f = set_up(twice_plus_one, &o);
    struct asked             a;
    float                    x[4];
    int                      at_once = 0;
    for (int i = 0; i < 20; i++) {
        int now = send(&a, f.v, x, 1, 1);
        if (!now) ask_wait(&a);
        cr_assert_eq(floats(&a, 0)[0], 3);
        at_once += now;
        ask_end(&a);
    }
    cr_assert(at_once > 10, "%d of 20", at_once);
    tear_down(&f);
}

/* ---- Limits ---- */

Test(serve_batch, a_full_queue_refuses_and_recovers)
{
    struct wg__model_options o = one_worker();
    o.queue = 3;
    struct fixture f = set_up(twice_plus_one, &o);
    struct gate    g;
    struct asked   a[5];
    float          x[5][4];
    for (int round = 0; round < 2; round++) {
        gate_close(&g, f.v);
        for (int i = 0; i < 5; i++) cr_assert_eq(send(&a[i], f.v, x[i], 1, (float)i), i >= 3);
        for (int i = 3; i < 5; i++) cr_assert(a[i].job.status == WG__BUSY && *a[i].job.why && !a[i].job.out);
        gate_open(&g);
        for (int i = 0; i < 5; i++) {
            if (i < 3) ask_wait(&a[i]);
            if (i < 3) cr_assert_eq(floats(&a[i], 0)[0], 2 * (float)i + 1);
            ask_end(&a[i]);
        }
    }
    cr_assert_eq(wg__version_count(f.v).refused, 4);
    tear_down(&f);
}

Test(serve_batch, what_waited_past_its_deadline_is_late)
{
    struct wg__model_options o = one_worker();
    o.deadline_ms = 50;
    struct fixture f = set_up(twice_plus_one, &o);
    struct gate    g;
    struct asked   a, b;
    float          x[4], y[4];
    gate_close(&g, f.v);
    cr_assert_eq(send(&a, f.v, x, 1, 1), 0);
    nap_ms(60);
    wg__repository_expire(f.r);
    ask_wait(&a);
    cr_assert_eq(a.job.status, WG__LATE, "answered while the worker is still busy");
    cr_assert_eq(send(&b, f.v, y, 1, 1), 0);
    nap_ms(60);
    gate_open(&g);
    ask_wait(&b);
    cr_assert_eq(b.job.status, WG__LATE, "not computed any more");
    cr_assert(*b.job.why && !b.job.out);
    struct wg__version_counters n = wg__version_count(f.v);
    cr_assert(n.late == 2 && n.rows == 1 && n.waiting == 0);
    ask_end(&a);
    ask_end(&b);
    tear_down(&f);
}

Test(serve_batch, a_request_may_be_late_on_arrival)
{
    struct wg__model_options o = model_options();
    o.deadline_ms = 1000;
    struct fixture f = set_up(twice_plus_one, &o);
    struct asked   a;
    float          x[4] = {0};
    ask_begin(&a, f.v);
    a.in[0] = (struct wg__given){x, WG_SHAPE(1, 4)};
    a.job.arrived_ns = 1;
    cr_assert_eq(ask(&a, 1), WG__LATE);
    ask_end(&a);
    tear_down(&f);
}

/* ---- Closing ---- */

static void *close_repository(void *r)
{
    wg__repository_close(r);
    return NULL;
}

Test(serve_batch, closing_answers_who_waits_and_refuses_who_comes)
{
    struct wg__model_options o = one_worker();
    struct fixture           f = set_up(twice_plus_one, &o);
    struct gate              g;
    struct asked             a[500];
    float                    x[4];
    pthread_t                closer;
    int                      n = 0;
    gate_close(&g, f.v);
    cr_assert_eq(send(&a[n++], f.v, x, 1, 1), 0);
    cr_assert_eq(pthread_create(&closer, NULL, close_repository, f.r), 0);
    while (n < 500 && !send(&a[n++], f.v, x, 1, 1)) nap_ms(1); /* until it has begun to close */
    cr_assert_eq(a[n - 1].job.status, WG__CLOSING, "%s", a[n - 1].job.why);
    gate_open(&g);
    for (int i = 0; i < n; i++) {
        if (i < n - 1) ask_wait(&a[i]);
        if (i < n - 1) cr_assert(a[i].job.status == WG_OK && floats(&a[i], 0)[0] == 3);
        ask_end(&a[i]);
    }
    pthread_join(closer, NULL);
    wg__version_release(f.v);
    models_remove(f.folder);
}
