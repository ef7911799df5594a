/* Connections, limits, time and what all answers have. */
#include <microhttpd.h>

#include "serve/client.h"

TestSuite(serve_http, .timeout = 60);

#define PREDICT "/v1/models/scale:predict"
#define BODY "{\"instances\": [[1,2,3,4]]}"

Test(serve_http, keeps_connections_and_answers_pipelines)
{
    struct served s = serve((struct wg__server_options){0});
    int           fd = dial(s.port);
    for (int i = 0; i < 3; i++) {
        cr_assert(send_request(fd, "POST", PREDICT, "", BODY, strlen(BODY)));
        struct reply r = read_reply(fd);
        cr_expect(r.code == 200 && strstr(r.body, "[3.0,5.0,7.0,9.0]"));
        reply_free(&r);
    }
    for (int i = 0; i < 5; i++)
        cr_assert(
            send_request(fd, i % 2 ? "GET" : "POST", i % 2 ? "/v2" : PREDICT, "", BODY, i % 2 ? 0 : strlen(BODY)));
    for (int i = 0; i < 5; i++) {
        struct reply r = read_reply(fd);
        cr_expect(r.code == 200 && strstr(r.body, i % 2 ? "wengert" : "predictions"), "answers in order");
        reply_free(&r);
    }
    close(fd);
    serve_end(&s);
}

Test(serve_http, head_options_and_wrong_verbs)
{
    char          v[256];
    struct served s = serve((struct wg__server_options){0});
    struct reply  r = ask_with(s.port, "HEAD", "/v2/models", "", NULL, 0);
    cr_expect(r.code == 200 && r.n > 0 && reply_header(&r, "Content-Type", v));
    reply_free(&r);
    r = ask_with(s.port, "OPTIONS", "/v2/models", "", NULL, 0);
    cr_expect_eq(r.code, 204);
    cr_expect(reply_header(&r, "Allow", v) && !strcmp(v, "GET, HEAD, OPTIONS"), "%s", v);
    cr_expect_null(reply_header(&r, "Access-Control-Allow-Origin", v));
    cr_expect_null(reply_header(&r, "Content-Type", v));
    reply_free(&r);
    r = ask_with(s.port, "OPTIONS", "*", "", NULL, 0);
    cr_expect(r.code == 204 && reply_header(&r, "Allow", v) && !strcmp(v, "GET, HEAD, POST, OPTIONS"), "%s", v);
    reply_free(&r);
    r = ask_with(s.port, "DELETE", "/v2/models/scale/infer", "", NULL, 0);
    cr_expect_eq(r.code, 405);
    cr_expect(reply_header(&r, "Allow", v) && !strcmp(v, "POST, OPTIONS"), "%s", v);
    cr_expect_eq(strncmp(r.body, "{\"error\": ", 10), 0);
    reply_free(&r);
    serve_end(&s);
}

Test(serve_http, identifiers_go_through)
{
    const char   *trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    char          headers[200], v[256];
    struct served s = serve((struct wg__server_options){0});
    snprintf(headers, sizeof headers, "X-Request-Id: job 7\r\ntraceparent: %s\r\n", trace);
    struct reply r = ask_with(s.port, "GET", "/v2", headers, NULL, 0);
    cr_expect(reply_header(&r, "X-Request-Id", v) && strlen(v) == 16 && strspn(v, "0123456789abcdef") == 16, "%s", v);
    cr_expect(reply_header(&r, "traceparent", v) && !strcmp(v, trace));
    reply_free(&r);
    r = ask_with(s.port, "GET", "/v2", "X-Request-Id: job-7\r\n", NULL, 0);
    cr_expect(reply_header(&r, "X-Request-Id", v) && !strcmp(v, "job-7"));
    reply_free(&r);
    cr_expect_eq(serve_stop(&s), 0);
    cr_expect(strstr(s.text->at,
                     "\"request_id\": \"job-7\", \"method\": \"GET\", \"path\": \"/v2\", \"status\": 200, \"us\": "));
    cr_expect(strstr(s.text->at, "\"trace_id\": \"0af7651916cd43dd8448eb211c80319c\", "));
    serve_forget(&s);
}

Test(serve_http, identifiers_that_are_none_are_dropped)
{
    static const char *const traces[] = {
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        "x",
    };
    char          headers[10200], v[256];
    struct served s = serve((struct wg__server_options){0});
    for (size_t i = 0; i < sizeof traces / sizeof *traces; i++) {
        snprintf(headers, sizeof headers, "traceparent: %s\r\n", traces[i]);
        struct reply r = ask_with(s.port, "GET", "/v2", headers, NULL, 0);
        cr_expect(r.code == 200 && !reply_header(&r, "traceparent", v), "%s", traces[i]);
        reply_free(&r);
    }
    static const char *const ids[] = {"a b", "a\tb", "\xc3\xa9"};
    for (size_t i = 0; i < 4; i++) {
        if (i < 3) snprintf(headers, sizeof headers, "X-Request-Id: %s\r\n", ids[i]);
        else snprintf(headers, sizeof headers, "X-Request-Id: %0129d\r\n", 7);
        struct reply r = ask_with(s.port, "GET", "/v2", headers, NULL, 0);
        cr_expect(r.code == 200 && reply_header(&r, "X-Request-Id", v) && strlen(v) == 16, "%s", v);
        reply_free(&r);
    }
    serve_end(&s);
}

Test(serve_http, page_and_document)
{
    char          etag[256], headers[300], v[256];
    struct served s = serve((struct wg__server_options){0});
    struct reply  r = get(s.port, "/");
    cr_expect(r.code == 200 && strcasestr(r.body, "<html"));
    cr_expect(reply_header(&r, "Content-Type", v) && !strcmp(v, "text/html; charset=utf-8"));
    cr_assert(reply_header(&r, "ETag", etag));
    reply_free(&r);
    snprintf(headers, sizeof headers, "If-None-Match: %s\r\n", etag);
    r = ask_with(s.port, "GET", "/", headers, NULL, 0);
    cr_expect_eq(r.code, 304);
    reply_free(&r);
    r = get(s.port, "/openapi.json");
    cr_expect(r.code == 200 && strstr(r.body, "\"/v1/models/{model}:predict\": {\"post\": "));
    reply_free(&r);
    serve_end(&s);
}

/* ---- Bodies ---- */

Test(serve_http, expect_continue)
{
    struct served s = serve((struct wg__server_options){.max_body = 1000});
    int           fd = dial(s.port);
    send_text(fd, "POST " PREDICT " HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 26\r\n\r\n");
    struct reply r = read_reply(fd);
    cr_expect_eq(r.code, 100);
    reply_free(&r);
    send_text(fd, BODY);
    r = read_reply(fd);
    cr_expect_eq(r.code, 200);
    reply_free(&r);
    close(fd);
    fd = dial(s.port);
    send_text(fd, "POST " PREDICT " HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1001\r\n\r\n");
    r = read_reply(fd);
    cr_expect(r.code == 413 && is_closed_soon(fd), "refused before it is sent: %d", r.code);
    reply_free(&r);
    close(fd);
    serve_end(&s);
}

static int send_chunks(int port, int n)
{
    int fd = dial(port);
    send_text(fd, "POST " PREDICT " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < n; i++)
        if (!send_text(fd, "10\r\n                \r\n")) break;
    send_text(fd, "1a\r\n" BODY "\r\n0\r\n\r\n");
    struct reply r = read_reply(fd);
    reply_free(&r);
    close(fd);
    return r.code;
}

/* Where the library reads chunks as RFC 9112 has them; an older one is given none. */
Test(serve_http, chunks_up_to_the_limit)
{
    struct served s = serve((struct wg__server_options){.max_body = 16 * 1000 + 26});
    bool          old = MHD_VERSION < 0x00097701;
    cr_expect_eq(send_chunks(s.port, 1000), old ? 411 : 200);
    cr_expect_eq(send_chunks(s.port, 1001), old ? 411 : 413);
    serve_end(&s);
}

Test(serve_http, a_body_of_some_megabytes)
{
    enum { ROWS = 100000 };
    char         *body = malloc(ROWS * 10 + 100), *at = body;
    struct served s = serve((struct wg__server_options){0});
    cr_assert(body);
    at = stpcpy(at, "{\"instances\": [");
    for (int i = 0; i < ROWS; i++) at = stpcpy(at, i ? ",[1,2,3,4]" : "[1,2,3,4]");
    at = stpcpy(at, "]}");
    struct reply r = post(s.port, PREDICT, body);
    cr_expect_eq(r.code, 200, "%d %.100s", r.code, r.body);
    cr_expect_eq(r.n, strlen("{\"predictions\": []}\n") + ROWS * 18 - 1, "%zu", r.n);
    reply_free(&r);
    free(body);
    serve_end(&s);
}

/* ---- Time ---- */

static double seconds_until_closed(int fd, struct reply *r)
{
    double begin = seconds_now();
    *r = read_reply(fd);
    is_closed_soon(fd);
    return seconds_now() - begin;
}

Test(serve_http, slow_clients_are_cut)
{
    struct served s = serve((struct wg__server_options){.idle_s = 60, .slow_s = 1});
    int           silent = dial(s.port), body = dial(s.port), drip = dial(s.port);
    struct reply  r;
    send_text(body, "POST " PREDICT " HTTP/1.1\r\nHost: x\r\nContent-Length: 26\r\n\r\n{");
    double begin = seconds_now();
    for (const char *c = "GET /v2 HTTP/1.1\r\nHost: x\r\nX-A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n\r\n"; *c; c++) {
        if (!send_bytes(drip, c, 1)) break;
        wait_ms(40);
        if (seconds_now() - begin > 2) break;
    }
    cr_expect_lt(seconds_until_closed(drip, &r), 1);
    cr_expect_eq(r.code, 408, "a byte now and then: %d", r.code);
    reply_free(&r);
    cr_expect_lt(seconds_until_closed(body, &r), 1);
    cr_expect_eq(r.code, 408, "half a body: %d", r.code);
    reply_free(&r);
    cr_expect_lt(seconds_until_closed(silent, &r), 1);
    cr_expect_eq(r.code, 408, "nothing at all: %d", r.code);
    reply_free(&r);
    close(silent), close(body), close(drip);
    bool counted = false;
    for (int i = 0; i < 40 && !counted; i++, wait_ms(25)) {
        r = get(s.port, "/metrics");
        counted = strstr(r.body, "wengert_requests_total{model=\"\",version=\"\",code=\"408\"} 2\n") &&
                  strstr(r.body, "wengert_requests_total{model=\"scale\",version=\"1\",code=\"408\"} 1\n");
        reply_free(&r);
    }
    cr_expect(counted, "each is counted");
    serve_end(&s);
}

/* MHD waits for an LF: what has none is no head, and its time runs out. */
Test(serve_http, lines_that_end_with_cr_alone_are_no_head)
{
    struct served s = serve((struct wg__server_options){.idle_s = 60, .slow_s = 1});
    int           fd = dial(s.port);
    struct reply  r;
    send_text(fd, "GET /v2 HTTP/1.1\rHost: x\r\r");
    cr_expect_lt(seconds_until_closed(fd, &r), 3);
    cr_expect_eq(r.code, 408, "%d", r.code);
    reply_free(&r);
    close(fd);
    serve_end(&s);
}

/* More answers than the sockets hold, and nobody takes them. */
Test(serve_http, answers_that_nobody_takes_are_cut)
{
    enum { TIMES = 2000 };
    struct served s = serve((struct wg__server_options){.idle_s = 60, .slow_s = 1, .quiet = true});
    struct reply  page = get(s.port, "/");
    int           fd = dial(s.port);
    size_t        n = 0;
    char          some[65536];
    for (int i = 0; i < TIMES; i++)
        if (!send_request(fd, "GET", "/", "", NULL, 0)) break;
    double begin = seconds_now();
    bool   cut = false;
    while (!cut && seconds_now() - begin < 5) {
        wait_ms(100);
        struct reply r = get(s.port, "/metrics");
        cut = strstr(r.body, "wengert_connections 1\n"); /* its own */
        reply_free(&r);
    }
    cr_expect(cut, "the connection is gone after %g s", seconds_now() - begin);
    for (ssize_t k; (k = recv(fd, some, sizeof some, 0)) > 0;) n += (size_t)k;
    cr_expect_lt(n, TIMES * page.n);
    reply_free(&page);
    close(fd);
    serve_end(&s);
}

Test(serve_http, idle_connections_are_closed)
{
    struct served s = serve((struct wg__server_options){.idle_s = 1});
    int           fd = dial(s.port);
    cr_assert(send_request(fd, "GET", "/v2", "", NULL, 0));
    struct reply r = read_reply(fd);
    cr_expect_eq(r.code, 200);
    reply_free(&r);
    double begin = seconds_now();
    while (!is_closed_soon(fd) && seconds_now() - begin < 5) {}
    cr_expect(seconds_now() - begin > 0.5 && seconds_now() - begin < 4, "%g s", seconds_now() - begin);
    close(fd);
    serve_end(&s);
}

/* ---- Connections ---- */

Test(serve_http, one_too_many_is_refused_at_once)
{
    enum { MOST = 8 };
    int           fd[MOST + 1];
    struct served s = serve((struct wg__server_options){.connections = MOST});
    for (int i = 0; i < MOST; i++) {
        fd[i] = dial(s.port);
        send_request(fd[i], "GET", "/v2", "", NULL, 0);
        struct reply r = read_reply(fd[i]);
        cr_expect_eq(r.code, 200);
        reply_free(&r);
    }
    double begin = seconds_now();
    fd[MOST] = dial(s.port);
    cr_expect(is_closed_soon(fd[MOST]) && seconds_now() - begin < 1);
    for (int i = 0; i <= MOST; i++) close(fd[i]);
    int code = 0;
    for (int i = 0; i < 100 && code != 200; i++, wait_ms(10)) {
        int again = dial(s.port);
        send_request(again, "GET", "/v2", "", NULL, 0);
        struct reply r = read_reply(again);
        code = r.code;
        reply_free(&r);
        close(again);
    }
    cr_expect_eq(code, 200, "there is room again");
    serve_end(&s);
}

/* In every state: connected, half a head, half a body, an answer that nobody reads. */
Test(serve_http, connections_that_are_dropped)
{
    static const char *const begun[] = {"", "POST /v1/mod",
                                        "POST " PREDICT " HTTP/1.1\r\nHost: x\r\nContent-Length: 26\r\n\r\n{",
                                        "POST " PREDICT " HTTP/1.1\r\nHost: x\r\nContent-Length: 26\r\n\r\n" BODY};
    struct served            s = serve((struct wg__server_options){.quiet = true, .drain_s = 20}); /* a busy machine */
    for (int i = 0; i < 2000; i++) {
        int fd = dial(s.port);
        send_text(fd, begun[i % 4]);
        close(fd);
    }
    struct reply r = post(s.port, PREDICT, BODY);
    cr_expect_eq(r.code, 200);
    reply_free(&r);
    serve_end(&s);
}
