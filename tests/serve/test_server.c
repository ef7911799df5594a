/* Start, reload and stop: nobody who asks in between notices. */
#include "support/alloc.h"
#include "serve/client.h"

TestSuite(serve_server, .timeout = 60);

#define PREDICT "/v1/models/scale:predict"
#define BODY "{\"instances\": [[1,2,3,4]]}"

/* ---- Clients that ask until they are told to stop ---- */

struct load {
    pthread_t   thread;
    int         port;
    atomic_bool stop, refused;
    atomic_int  good, bad;
};

/* A fresh connection that ends before a byte of the answer was refused, not failed: the server had gone. */
static void *ask_on(void *context)
{
    struct load *l = context;
    int          fd = -1;
    while (!atomic_load(&l->stop)) {
        bool fresh = fd < 0;
        if (fresh && (fd = try_dial(l->port)) < 0) break;
        bool         sent = send_request(fd, "POST", PREDICT, "", BODY, strlen(BODY));
        struct reply r = sent ? read_reply(fd) : (struct reply){0};
        char         v[256];
        bool         closes = r.code == 0 || reply_header(&r, "Connection", v);
        if (r.code == 200 && r.body && strstr(r.body, "predictions")) atomic_fetch_add(&l->good, 1);
        else if (r.code || !fresh) atomic_fetch_add(&l->bad, 1);
        else atomic_store(&l->refused, true);
        reply_free(&r);
        if (closes) close(fd), fd = -1;
        if (atomic_load(&l->refused)) break;
    }
    if (fd >= 0) close(fd);
    return NULL;
}

enum { CLIENTS = 4 };
static void start_load(struct load l[static CLIENTS], int port)
{
    for (int i = 0; i < CLIENTS; i++) {
        memset(&l[i], 0, sizeof l[i]);
        l[i].port = port;
        cr_assert_eq(pthread_create(&l[i].thread, NULL, ask_on, &l[i]), 0);
    }
}
static int stop_load(struct load l[static CLIENTS], int *bad)
{
    int good = 0;
    *bad = 0;
    for (int i = 0; i < CLIENTS; i++) atomic_store(&l[i].stop, true);
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(l[i].thread, NULL);
        good += atomic_load(&l[i].good);
        *bad += atomic_load(&l[i].bad);
    }
    return good;
}

/* ---- Start ---- */

Test(serve_server, says_why_it_does_not_start)
{
    char                     *folder = models_folder();
    char                      spec[600];
    const char               *list = spec;
    wg_error                  e;
    struct wg__server_options o = {.n_models = 1, .model = &list, .host = "127.0.0.1", .port = -1, .threads = 1};
    o.log = fopen("/dev/null", "w");
    snprintf(spec, sizeof spec, "m=%s/none.onnx", folder);
    cr_expect_null(wg__server_start(&o, &e));
    cr_expect(e.status && strstr(e.message, "none.onnx"), "%s", e.message);
    write_garbage(in_folder(folder, "bad.onnx"));
    snprintf(spec, sizeof spec, "m=%s/bad.onnx", folder);
    cr_expect_null(wg__server_start(&o, &e));
    cr_expect(e.status && strstr(e.message, "m"), "%s", e.message);

    model_scale(in_folder(folder, "good.onnx"), 2, 1);
    snprintf(spec, sizeof spec, "m=%s/good.onnx", folder);
    struct wg__server *s = wg__server_start(&o, &e);
    cr_assert(s, "%s", e.message);
    o.port = wg__server_port(s);
    cr_expect_null(wg__server_start(&o, &e));
    cr_expect(e.status == WG_EIO && strstr(e.message, "in use"), "%s", e.message);
    cr_expect_eq(wg__server_stop(s), 0);
    o.host = "no.such.host.invalid";
    cr_expect_null(wg__server_start(&o, &e));
    cr_expect_eq(e.status, WG_EIO);
    fclose(o.log);
    models_remove(folder);
}

Test(serve_server, starts_again_at_once_on_the_same_port)
{
    struct served s = serve((struct wg__server_options){0});
    struct reply  r = post(s.port, PREDICT, BODY);
    cr_expect_eq(r.code, 200);
    reply_free(&r);
    cr_expect_eq(serve_stop(&s), 0);
    char        spec[600];
    const char *list = spec;
    wg_error    e;
    FILE       *log = fopen("/dev/null", "w");
    snprintf(spec, sizeof spec, "scale=%s/scale.onnx", s.folder);
    struct wg__server *again = wg__server_start(
        &(struct wg__server_options){.n_models = 1, .model = &list, .host = "127.0.0.1", .port = s.port, .log = log},
        &e);
    cr_assert(again, "%s", e.message);
    cr_expect_eq(wg__server_stop(again), 0);
    fclose(log);
    serve_forget(&s);
}

/* ---- Reload ---- */

Test(serve_server, reload_under_load_fails_nobody)
{
    struct load   l[CLIENTS];
    int           bad;
    struct served s = serve((struct wg__server_options){.quiet = true});
    start_load(l, s.port);
    for (int i = 0; i < 10; i++) {
        model_scale(in_folder(s.folder, "scale.onnx"), 2, 2 + i);
        struct reply r = post(s.port, "/v1/models/scale:reload", "");
        cr_expect_eq(r.code, 200, "%d %s", r.code, r.body);
        reply_free(&r);
        wait_ms(20);
    }
    int good = stop_load(l, &bad);
    cr_expect(good > 50 && bad == 0, "%d good, %d bad", good, bad);
    struct reply r = post(s.port, PREDICT, BODY);
    cr_expect(r.code == 200 && strstr(r.body, "[13.0,15.0,17.0,19.0]"), "%s", r.body);
    reply_free(&r);
    serve_end(&s);
}

Test(serve_server, the_clock_finds_new_files)
{
    struct served s = serve((struct wg__server_options){.poll_s = 1});
    model_scale(in_folder(s.folder, "scale.onnx"), 3, 0);
    bool   seen = false;
    double begin = seconds_now();
    while (!seen && seconds_now() - begin < 10) {
        struct reply r = post(s.port, PREDICT, BODY);
        cr_expect_eq(r.code, 200);
        seen = strstr(r.body, "[3.0,6.0,9.0,12.0]");
        reply_free(&r);
        wait_ms(50);
    }
    cr_expect(seen);
    serve_end(&s);
}

Test(serve_server, garbage_does_not_replace_a_model)
{
    struct served s = serve((struct wg__server_options){0});
    write_garbage(in_folder(s.folder, "scale.onnx"));
    struct reply r = post(s.port, "/v1/models/scale:reload", "");
    cr_expect(r.code == 500 && strstr(r.body, "scale"), "%d %s", r.code, r.body);
    reply_free(&r);
    r = post(s.port, PREDICT, BODY);
    cr_expect(r.code == 200 && strstr(r.body, "[3.0,5.0,7.0,9.0]"), "the old one serves: %s", r.body);
    reply_free(&r);
    serve_end(&s);
}

/* ---- Memory ---- */

/* Whatever allocation fails: an answer or a closed connection, and the next request is served. */
Test(serve_server, a_request_fails_cleanly_at_every_allocation)
{
    static const char *const asked[][2] = {
        {PREDICT, BODY},
        {"/v1/models/pair:predict", "{\"instances\": [{\"a\": [1,2,3], \"b\": [4,5,6]}]}"},
        {"/v2/models/scale/infer",
         "{\"inputs\": [{\"name\": \"x\", \"shape\": [1,4], \"datatype\": \"FP32\", \"data\": [1,2,3,4]}]}"}};
    for (int k = 0; k < 3; k++) {
        struct served s = serve((struct wg__server_options){.threads = 1, .quiet = true});
        for (int n = 0; n < 24; n++) {
            int fd = dial(s.port);
            alloc_fail_once_at(n);
            bool         sent = send_request(fd, "POST", asked[k][0], "", asked[k][1], strlen(asked[k][1]));
            struct reply r = {0};
            bool         has = sent && read_head(fd, &r);
            alloc_restore();
            int code = has ? atoi(r.head + 9) : 0;
            cr_expect(code == 0 || code == 200 || code == 500 || code == 503, "allocation %d: %d", n, code);
            close(fd);
            r = post(s.port, asked[k][0], asked[k][1]);
            cr_expect_eq(r.code, 200, "after allocation %d: %d %s", n, r.code, r.body);
            reply_free(&r);
        }
        serve_end(&s);
    }
}

Test(serve_server, start_fails_cleanly_at_every_allocation)
{
    char              *folder = models_folder();
    char               spec[600];
    const char        *list = spec;
    struct wg__server *s = NULL;
    FILE              *log = fopen("/dev/null", "w");
    model_scale(in_folder(folder, "good.onnx"), 2, 1);
    snprintf(spec, sizeof spec, "m=%s/good.onnx", folder);
    struct wg__server_options o = {
        .n_models = 1, .model = &list, .host = "127.0.0.1", .port = -1, .threads = 1, .log = log};
    for (int n = 0; !s && n < 100000; n += 1 + n / 10) {
        wg_error e = {0};
        alloc_fail_at(n);
        s = wg__server_start(&o, &e);
        alloc_restore();
        cr_expect(s || e.status, "allocation %d: %s", n, e.message);
    }
    cr_assert(s);
    wg__server_stop(s);
    fclose(log);
    models_remove(folder);
}

/* ---- A full queue ---- */

Test(serve_server, a_full_queue_says_so_and_recovers)
{
    enum { MANY = 64 };
    int           fd[MANY], good = 0, busy = 0;
    char          v[256], *body = malloc(1 << 20), *at = body;
    struct served s = serve((struct wg__server_options){.threads = 1, .queue = 1, .max_batch = 1});
    model_mlp(in_folder(s.folder, "scale.onnx"), 4, 1024, 4); /* what takes a while */
    struct reply r = post(s.port, "/v1/models/scale:reload", "");
    cr_assert_eq(r.code, 200);
    reply_free(&r);
    cr_assert(body);
    at = stpcpy(at, "{\"instances\": [[1,2,3,4]");
    for (int i = 0; i < 500; i++) at = stpcpy(at, ",[1,2,3,4]");
    stpcpy(at, "]}");
    for (int i = 0; i < MANY; i++) {
        fd[i] = dial(s.port);
        cr_assert(send_request(fd[i], "POST", PREDICT, "", body, strlen(body)));
    }
    for (int i = 0; i < MANY; i++) {
        r = read_reply(fd[i]);
        good += r.code == 200;
        busy += r.code == 503 && reply_header(&r, "Retry-After", v) && !strcmp(v, "1");
        reply_free(&r);
        close(fd[i]);
    }
    cr_expect(good > 0 && good + busy == MANY, "%d good, %d busy", good, busy);
    r = post(s.port, PREDICT, BODY);
    cr_expect_eq(r.code, 200, "afterwards: %d", r.code);
    reply_free(&r);
    free(body);
    serve_end(&s);
}

/* ---- A deadline ---- */

/* Time counts from the request line, so a body that comes late is late. */
Test(serve_server, a_deadline_that_passes)
{
    struct served s = serve((struct wg__server_options){.deadline_ms = 50});
    for (int late = 1; late >= 0; late--) {
        int fd = dial(s.port);
        send_text(fd, "POST " PREDICT " HTTP/1.1\r\nHost: x\r\nContent-Length: 26\r\n\r\n");
        if (late) wait_ms(150);
        send_text(fd, BODY);
        struct reply r = read_reply(fd);
        cr_expect_eq(r.code, late ? 504 : 200, "%d %s", r.code, r.body);
        cr_expect(!late || strstr(r.body, "the deadline of 50 ms passed"), "%s", r.body);
        reply_free(&r);
        close(fd);
    }
    struct reply r = get(s.port, "/metrics");
    cr_expect(strstr(r.body, "wengert_inference_late_total{model=\"scale\",version=\"1\"} 1\n"));
    cr_expect(strstr(r.body, "wengert_requests_total{model=\"scale\",version=\"1\",code=\"504\"} 1\n"));
    reply_free(&r);
    serve_end(&s);
}

/* ---- Stop ---- */

Test(serve_server, unready_is_said_and_requests_are_still_served)
{
    struct served s = serve((struct wg__server_options){0});
    wg__server_unready(s.server);
    struct reply r = get(s.port, "/v2/health/ready");
    cr_expect_eq(r.code, 503);
    reply_free(&r);
    r = get(s.port, "/v2/models/scale/ready");
    cr_expect_eq(r.code, 503);
    reply_free(&r);
    r = get(s.port, "/v1/models/scale");
    cr_expect(r.code == 200 && strstr(r.body, "\"ready\": false"), "%s", r.body);
    reply_free(&r);
    r = get(s.port, "/v2/health/live");
    cr_expect_eq(r.code, 200);
    reply_free(&r);
    r = post(s.port, PREDICT, BODY);
    cr_expect_eq(r.code, 200);
    reply_free(&r);
    serve_end(&s);
}

/* The delay is for clients whose connection was promised to stay open: the next answer on it says that it closes. */
Test(serve_server, stop_under_load_fails_nobody)
{
    struct load   l[CLIENTS];
    int           bad;
    struct served s = serve((struct wg__server_options){.quiet = true, .drain_s = 4, .delay_s = 1});
    start_load(l, s.port);
    wait_ms(200);
    cr_expect_eq(serve_stop(&s), 0);
    int good = stop_load(l, &bad);
    cr_expect(good > 20 && bad == 0, "%d good, %d bad", good, bad);
    serve_forget(&s);
}

static void *stop_it(void *context)
{
    static int cut;
    cut = wg__server_stop(context);
    return &cut;
}

/* As long as others may not know yet that it stops, it answers those who come. */
Test(serve_server, new_connections_are_taken_for_the_delay)
{
    pthread_t     thread;
    char          v[256];
    struct served s = serve((struct wg__server_options){.drain_s = 5, .delay_s = 1});
    double        begin = seconds_now();
    pthread_create(&thread, NULL, stop_it, s.server);
    for (int i = 0; i < 4; i++) {
        wait_ms(200);
        struct reply r = i ? post(s.port, PREDICT, BODY) : get(s.port, "/v2/health/ready");
        cr_expect_eq(r.code, i ? 200 : 503);
        cr_expect(reply_header(&r, "Connection", v) && !strcmp(v, "close"));
        reply_free(&r);
    }
    pthread_join(thread, NULL);
    cr_expect(seconds_now() - begin > 0.9 && seconds_now() - begin < 3, "%g s", seconds_now() - begin);
    cr_expect_lt(try_dial(s.port), 0);
    fclose(s.log);
    serve_forget(&s);
}

Test(serve_server, a_request_that_has_begun_is_finished)
{
    pthread_t     thread;
    void         *cut;
    char          v[256];
    struct served s = serve((struct wg__server_options){.drain_s = 5});
    int           fd = dial(s.port);
    send_text(fd, "POST " PREDICT " HTTP/1.1\r\nHost: x\r\nContent-Length: 26\r\n\r\n{\"inst");
    wait_ms(100);
    pthread_create(&thread, NULL, stop_it, s.server);
    wait_ms(100);
    send_text(fd, "ances\": [[1,2,3,4]]}");
    struct reply r = read_reply(fd);
    cr_expect(r.code == 200 && reply_header(&r, "Connection", v) && !strcmp(v, "close"), "%d", r.code);
    reply_free(&r);
    close(fd);
    pthread_join(thread, &cut);
    cr_expect_eq(*(int *)cut, 0);
    fclose(s.log);
    serve_forget(&s);
}

Test(serve_server, a_request_that_never_ends_is_cut)
{
    struct served s = serve((struct wg__server_options){.drain_s = 1});
    int           fd = dial(s.port);
    send_text(fd, "POST " PREDICT " HTTP/1.1\r\nHost: x\r\nContent-Length: 26\r\n\r\n{");
    wait_ms(100);
    double begin = seconds_now();
    cr_expect_eq(serve_stop(&s), 1);
    cr_expect_lt(seconds_now() - begin, 3);
    close(fd);
    serve_forget(&s);
}
