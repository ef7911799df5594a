/* One budget of bytes for all requests, and what happens at its end; bodies
 * that are packed; work that is done off the threads of connections; clients
 * that leave. */
#include <zlib.h>

#include "serve/budget.h"
#include "serve/client.h"
#include "serve/json/json.h"
#include "support/alloc.h"

TestSuite(serve_limits, .timeout = 60);

#define PREDICT "/v1/models/scale:predict"
#define BODY "{\"instances\": [[1,2,3,4]]}"

static double metric(int port, const char *name)
{
    char         line[200];
    struct reply r = get(port, "/metrics");
    snprintf(line, sizeof line, "\n%s ", name);
    const char *at = r.body ? strstr(r.body, line) : NULL;
    double      v = at ? atof(at + strlen(line)) : -1;
    reply_free(&r);
    return v;
}

static bool metric_falls(int port, const char *name, double below)
{
    for (int i = 0; i < 100; i++, wait_ms(50))
        if (metric(port, name) < below) return true;
    return false;
}

/* ---- The budget ---- */

static void relieve(void *context)
{
    struct wg__budget *b = context;
    wg__budget_give(b, 6000);
    b->relieve = NULL;
}

Test(serve_limits, what_is_taken_is_never_more_than_the_limit)
{
    struct wg__budget b = {.limit = 20000};
    cr_expect(wg__budget_take(NULL, 1 << 30));
    cr_expect(wg__budget_take(&b, 15000) && !wg__budget_take(&b, 5001) && wg__budget_take(&b, 5000));
    cr_expect_eq(atomic_load(&b.used), 20000);
    cr_expect(!wg__budget_take(&b, 5000) && !wg__budget_take(&b, SIZE_MAX) && !wg__budget_fits(&b, 1));
    cr_expect(wg__budget_take(&b, 4096), "a page for an error is always there");
    wg__budget_give(&b, 4096);
    b.relieve = relieve;
    b.context = &b;
    cr_expect(wg__budget_take(&b, 5000), "what was kept is given back first");
    cr_expect_eq(atomic_load(&b.used), 19000);
}

Test(serve_limits, texts_and_tensors_are_of_the_budget)
{
    struct wg__budget    b = {.limit = 100000};
    struct wg__text      t = {.budget = &b};
    struct wg__json_data d = {.budget = &b};
    static char          many[60000];
    for (size_t i = 0; i + 1 < sizeof many; i += 2) memcpy(many + i, i ? ",1" : "[1", 2);
    struct wg__json j;
    wg__json_open(&j, many, sizeof many);
    cr_expect(!wg__json_tensor(&j, WG_F64, &d) && j.status == WG_ENOMEM, "30000 doubles are more");
    cr_expect_eq(atomic_load(&b.used), (int64_t)d.size);
    wg__json_data_free(&d);
    char *keys = malloc(60000), *at = stpcpy(keys, "{\"\": 0");
    for (int i = 0; i < 4000; i++) at += sprintf(at, ",\"%d\":0", i);
    struct wg__json_keys k = {.budget = &b};
    wg__json_open_strict(&j, keys, (size_t)(at - keys), &k);
    cr_expect(!wg__json_skip(&j) && j.status == WG_ENOMEM, "4001 keys are more");
    cr_expect_eq(atomic_load(&b.used), (int64_t)wg__json_keys_bytes(&k));
    wg__json_keys_free(&k);
    free(keys);
    for (int i = 0; i < 30; i++) wg__text_add(&t, many, 4000);
    cr_expect(t.failed && atomic_load(&b.used) == (int64_t)t.size && t.size <= 100000);
    wg__text_free(&t);
    cr_expect_eq(atomic_load(&b.used), 0);
}

Test(serve_limits, a_list_is_not_written_past_its_time)
{
    enum { MANY = 100000 };
    float          *x = calloc(MANY, sizeof *x);
    struct wg__text t = {.until_ns = 1};
    wg__text_flat(&t, WG_F32, MANY, x);
    cr_expect(t.failed && t.late && t.n < 100000, "%zu", t.n);
    wg__text_free(&t);
    t.until_ns = UINT64_MAX;
    wg__text_flat(&t, WG_F32, MANY, x);
    cr_expect(!t.failed && t.n == MANY * 4 + 1);
    wg__text_free(&t);
    free(x);
}

static int begin_body(int port, const char *path, size_t promised, size_t sent)
{
    char head[200], *body = malloc(sent + 1);
    int  fd = dial(port);
    memset(body, ' ', sent);
    snprintf(head, sizeof head, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", path, promised);
    send_text(fd, head);
    send_bytes(fd, body, sent);
    free(body);
    return fd;
}

Test(serve_limits, bodies_share_one_budget)
{
    enum { MIB = 1 << 20 };
    int           fd[3];
    struct served s = serve((struct wg__server_options){.memory = 8 * MIB, .max_values = MIB});
    for (int i = 0; i < 3; i++) fd[i] = begin_body(s.port, PREDICT, 2 * MIB + 100, 2 * MIB);
    wait_ms(200);
    char         v[256];
    int          one_more = begin_body(s.port, PREDICT, 3 * MIB, 0);
    struct reply r = read_reply(one_more);
    cr_expect(r.code == 503 && reply_header(&r, "Retry-After", v), "refused at its head: %d", r.code);
    reply_free(&r);
    close(one_more);
    r = post(s.port, PREDICT, BODY);
    cr_expect_eq(r.code, 200, "a small one fits");
    reply_free(&r);
    for (int i = 0; i < 3; i++) close(fd[i]);
    cr_expect(metric_falls(s.port, "wengert_memory_bytes", 2 * MIB), "%g", metric(s.port, "wengert_memory_bytes"));
    cr_expect_eq(metric(s.port, "wengert_memory_limit_bytes"), 8.0 * MIB);
    one_more = begin_body(s.port, PREDICT, 3 * MIB, 3 * MIB);
    r = read_reply(one_more);
    cr_expect_eq(r.code, 400, "there is room again, for blanks: %d", r.code);
    reply_free(&r);
    close(one_more);
    serve_end(&s);
}

/* What is promised little by little, and grows past the end. */
Test(serve_limits, bodies_that_grow_together_are_cut)
{
    enum { MIB = 1 << 20, N = 8 };
    int           fd[N], refused = 0;
    static char   piece[MIB];
    struct served s = serve((struct wg__server_options){.memory = 16 * MIB, .max_values = MIB, .idle_s = 20});
    memset(piece, ' ', sizeof piece);
    for (int i = 0; i < N; i++) fd[i] = begin_body(s.port, PREDICT, 4 * MIB, 0);
    for (int k = 0; k < 4; k++)
        for (int i = 0; i < N; i++) send_bytes(fd[i], piece, k == 3 ? MIB - 100 : MIB);
    for (int i = 0; i < N; i++) {
        struct pollfd p = {.fd = fd[i], .events = POLLIN};
        if (poll(&p, 1, 500) != 1) continue;
        struct reply r = read_reply(fd[i]);
        refused += r.code == 503;
        reply_free(&r);
    }
    cr_expect(refused >= 3 && refused < N, "%d of %d", refused, N);
    cr_expect_lt(metric(s.port, "wengert_memory_bytes"), 16.0 * MIB + 65536);
    for (int i = 0; i < N; i++) close(fd[i]);
    serve_end(&s);
}

/* A small question with a large answer. */
static void model_wide(const char *path)
{
    wg_graph *g = wg_graph_new();
    int64_t   batch = wg_dim(g, "batch");
    wg_node  *x = wg_input(g, "x", WG_F32, WG_SHAPE(batch, 1));
    model_save(g, WG_NODES(wg_named(wg_expand(x, WG_SHAPE(batch, 100000)), "y")), path);
}

static struct served serve_wide(struct wg__server_options o)
{
    struct served s = serve(o);
    model_wide(in_folder(s.folder, "scale.onnx"));
    struct reply r = post(s.port, "/v1/models/scale:reload", "");
    cr_assert_eq(r.code, 200, "%s", r.body);
    reply_free(&r);
    return s;
}

#define TEN "{\"instances\": [[1],[1],[1],[1],[1],[1],[1],[1],[1],[1]]}"

Test(serve_limits, the_results_of_a_request_have_a_limit)
{
    struct served s = serve_wide((struct wg__server_options){.max_values = 3 << 20, .max_batch = 2});
    struct reply  r = post(s.port, PREDICT, TEN);
    cr_expect(r.code == 400 && strstr(r.body, "the results of 10 rows take more than"), "%d %.100s", r.code, r.body);
    reply_free(&r);
    r = post(s.port, PREDICT, "{\"instances\": [[1],[1]]}");
    cr_expect(r.code == 200 && r.n > 800000, "%d", r.code);
    reply_free(&r);
    serve_end(&s);
}

Test(serve_limits, answers_are_of_the_budget)
{
    struct served s = serve_wide((struct wg__server_options){.memory = 7 << 20, .max_values = 5 << 20, .max_batch = 1});
    for (int i = 0; i < 3; i++) {
        struct reply r = post(s.port, PREDICT, TEN);
        cr_expect(r.code == 503 && strstr(r.body, "memory is taken"), "%d %.100s", r.code, r.body);
        reply_free(&r);
        r = post(s.port, PREDICT, "{\"instances\": [[1]]}");
        cr_expect_eq(r.code, 200, "%d %.100s", r.code, r.body);
        reply_free(&r);
    }
    cr_expect(metric_falls(s.port, "wengert_memory_bytes", 6 << 20), "%g", metric(s.port, "wengert_memory_bytes"));
    serve_end(&s);
}

/* The one thread of connections goes on while clerks read and write. */
Test(serve_limits, large_answers_hold_up_nobody)
{
    struct served s = serve_wide((struct wg__server_options){.threads = 1, .memory = (int64_t)1 << 30});
    char         *body = malloc(1000), *at = stpcpy(body, "{\"instances\": [[1]");
    for (int i = 0; i < 99; i++) at = stpcpy(at, ",[1]");
    stpcpy(at, "]}");
    int           large = dial(s.port), small = dial(s.port), before = 0;
    struct pollfd p = {.fd = large, .events = POLLIN};
    cr_assert(send_request(large, "POST", PREDICT, "", body, strlen(body)));
    while (poll(&p, 1, 0) == 0) {
        cr_assert(send_request(small, "GET", "/v2/health/live", "", NULL, 0));
        struct reply r = read_reply(small);
        cr_assert_eq(r.code, 200);
        reply_free(&r);
        before++;
    }
    struct reply r = read_reply(large);
    cr_expect(r.code == 200 && r.n > 40000000, "%d", r.code);
    reply_free(&r);
    cr_expect_gt(before, 10, "%d others were answered meanwhile", before);
    close(large), close(small);
    free(body);
    serve_end(&s);
}

/* A body of a request that is refused in any case is not waited for; who sends it gets the answer all the same. */
Test(serve_limits, a_body_for_nobody_is_not_read)
{
    static const struct {
        const char *path;
        int         code;
    } table[] = {{"/v1/models/none:predict", 404},
                 {"/v2/models/none/infer", 404},
                 {"/nothing", 404},
                 {"/v2/models", 405},
                 {"/v1/models/scale/versions/7:predict", 404}};
    enum { MIB = 1 << 20 };
    struct served s = serve((struct wg__server_options){0});
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        for (int sent = 0; sent < 2; sent++) {
            int          fd = begin_body(s.port, table[i].path, 20 * MIB, sent ? 20 * MIB : 0);
            struct reply r = read_reply(fd);
            cr_expect_eq(r.code, table[i].code, "%s: %d", table[i].path, r.code);
            cr_expect(is_closed_soon(fd));
            reply_free(&r);
            close(fd);
        }
    cr_expect_lt(metric(s.port, "wengert_memory_bytes"), 4.0 * MIB);
    serve_end(&s);
}

/* After a burst, what was kept for it goes back. */
Test(serve_limits, what_nobody_needs_is_given_back)
{
    enum { N = 40, SIZE = 300000 };
    int           fd[N];
    static char   body[SIZE + 1];
    struct served s = serve((struct wg__server_options){.quiet = true});
    memset(body, ' ', SIZE);
    memcpy(body, BODY, strlen(BODY));
    for (int i = 0; i < N; i++) fd[i] = begin_body(s.port, PREDICT, SIZE, SIZE - 1);
    for (int i = 0; i < N; i++) {
        send_bytes(fd[i], " ", 1);
        close(fd[i]);
    }
    cr_expect(metric_falls(s.port, "wengert_memory_bytes", 10.0 * SIZE), "%g", metric(s.port, "wengert_memory_bytes"));
    serve_end(&s);
}

/* ---- Packed bodies ---- */

static size_t pack(const char *text, size_t n, unsigned char *to, size_t room)
{
    z_stream z = {.next_in = (unsigned char *)(uintptr_t)text,
                  .avail_in = (unsigned)n,
                  .next_out = to,
                  .avail_out = (unsigned)room};
    cr_assert_eq(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    cr_assert_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return room - z.avail_out;
}

#define GZIP "Content-Encoding: gzip\r\n"

Test(serve_limits, packed_bodies)
{
    enum { MIB = 1 << 20 };
    unsigned char *packed = malloc(MIB);
    char          *zeros = calloc(1, 64 * MIB), v[256];
    struct served  s = serve((struct wg__server_options){.max_body = 4 * MIB});
    size_t         n = pack(BODY, strlen(BODY), packed, MIB);
    struct reply   r = ask_with(s.port, "POST", PREDICT, GZIP, packed, n);
    cr_expect(r.code == 200 && strstr(r.body, "[3.0,5.0,7.0,9.0]"), "%d %s", r.code, r.body);
    reply_free(&r);
    for (size_t k = 0; k < n; k += 3) {
        r = ask_with(s.port, "POST", PREDICT, GZIP, packed, k);
        cr_expect_eq(r.code, 400, "%zu of %zu bytes: %d", k, n, r.code);
        reply_free(&r);
    }
    size_t first = pack("{\"instances\": ", 14, packed, MIB),
           second = pack("[[1,2,3,4]]}", 12, packed + first, MIB - first);
    r = ask_with(s.port, "POST", PREDICT, "Content-Encoding: x-gzip\r\n", packed, first + second);
    cr_expect_eq(r.code, 200, "two members: %d", r.code);
    reply_free(&r);
    r = ask_with(s.port, "POST", PREDICT, GZIP, packed, first + second - 1);
    cr_expect_eq(r.code, 400);
    reply_free(&r);
    memset(zeros, ' ', 64 * MIB);
    n = pack(zeros, 64 * MIB, packed, MIB);
    r = ask_with(s.port, "POST", PREDICT, GZIP, packed, n);
    cr_expect_eq(r.code, 413, "%zu bytes become 64 MiB: %d", n, r.code);
    reply_free(&r);
    r = ask_with(s.port, "POST", PREDICT, "Content-Encoding: deflate\r\n", packed, n);
    cr_expect(r.code == 415 && reply_header(&r, "Accept-Encoding", v) && !strcmp(v, "gzip"), "%d", r.code);
    reply_free(&r);
    free(packed);
    free(zeros);
    serve_end(&s);
}

Test(serve_limits, what_is_unpacked_is_of_the_budget)
{
    enum { MIB = 1 << 20 };
    unsigned char *packed = malloc(MIB);
    char          *blanks = malloc(30 * MIB);
    memset(blanks, ' ', 30 * MIB);
    size_t        n = pack(blanks, 30 * MIB, packed, MIB);
    struct served s = serve((struct wg__server_options){.memory = 24 * MIB, .max_body = 23 * MIB, .max_values = MIB});
    int           fd = begin_body(s.port, PREDICT, 10 * MIB, 10 * MIB - 1);
    wait_ms(100);
    struct reply r = ask_with(s.port, "POST", PREDICT, GZIP, packed, n);
    cr_expect_eq(r.code, 503, "%d %s", r.code, r.body);
    reply_free(&r);
    close(fd);
    free(packed);
    free(blanks);
    serve_end(&s);
}

/* ---- Clients that leave ---- */

Test(serve_limits, who_left_is_not_computed)
{
    enum { N = 30 };
    int           fd[N];
    char         *body = malloc(1 << 20), *at;
    struct served s = serve((struct wg__server_options){.threads = 1, .max_batch = 1});
    model_mlp(in_folder(s.folder, "scale.onnx"), 4, 1024, 4); /* what takes a while */
    struct reply r = post(s.port, "/v1/models/scale:reload", "");
    cr_assert_eq(r.code, 200);
    reply_free(&r);
    at = stpcpy(body, "{\"instances\": [[1,2,3,4]");
    for (int i = 0; i < 100; i++) at = stpcpy(at, ",[1,2,3,4]");
    stpcpy(at, "]}");
    for (int i = 0; i < N; i++) {
        fd[i] = dial(s.port);
        cr_assert(send_request(fd[i], "POST", PREDICT, "", body, strlen(body)));
    }
    wait_ms(20);
    for (int i = 0; i < N; i++) close(fd[i]);
    r = post(s.port, PREDICT, BODY);
    cr_expect_eq(r.code, 200);
    reply_free(&r);
    cr_expect(metric_falls(s.port, "wengert_inflight_requests", 2));
    double left = metric(s.port, "wengert_requests_total{model=\"scale\",version=\"1\",code=\"499\"}");
    double rows = metric(s.port, "wengert_inference_rows_total{model=\"scale\",version=\"1\"}");
    cr_expect(left > 5, "%g of %d are counted as gone", left, N);
    /* One row is the last request's; some clients leave while their answers are computed or written. */
    cr_expect_leq(rows, 1 + (N - left + N / 5) * 101, "%g rows were computed, and %g clients had left", rows, left);
    free(body);
    serve_end(&s);
}

/* ---- What the library refuses ---- */

Test(serve_limits, refusals_of_the_library_are_counted_and_logged)
{
    static const char *const wire[] = {"\x16\x03\x01\x02\r\n\r\n", "GET\r\n\r\n", "GET /v2\r\n\r\n",
                                       "hello world\r\n\r\n", "GET /v2 HTTP/1.1\r\nHost: x\r\nbroken\r\n\r\n"};
    struct served            s = serve((struct wg__server_options){.threads = 1});
    bool                     closed;
    for (size_t i = 0; i < sizeof wire / sizeof *wire; i++) raw(s.port, wire[i], strlen(wire[i]), &closed);
    raw(s.port, "GET /v2 HTTP/3.0\r\n\r\n", 20, &closed);
    double n = -1;
    for (int i = 0; i < 40 && n < 5; i++, wait_ms(25))
        n = metric(s.port, "wengert_requests_total{model=\"\",version=\"\",code=\"400\"}");
    cr_expect_eq(n, 5, "%g", n);
    cr_expect_eq(metric(s.port, "wengert_requests_total{model=\"\",version=\"\",code=\"505\"}"), 1);
    cr_expect_eq(serve_stop(&s), 0);
    int lines = 0;
    for (const char *at = s.text->at; (at = strstr(at, "\"status\": 400")); at++) lines++;
    cr_expect_eq(lines, 5);
    serve_forget(&s);
}

Test(serve_limits, a_path_that_is_none_is_logged_as_it_came)
{
    struct served s = serve((struct wg__server_options){.threads = 1, .poison = 0xa5});
    bool          closed;
    struct reply  r = get(s.port, "/v1/models/a-long-and-secret-name");
    reply_free(&r);
    raw(s.port, "GET /ab%zz HTTP/1.1\r\nHost: x\r\n\r\n", 32, &closed);
    serve_stop(&s);
    cr_expect(strstr(s.text->at, "\"path\": \"/ab%zz\", \"status\": 400"), "%s", s.text->at);
    serve_forget(&s);
}
