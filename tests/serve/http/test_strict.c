/* What RFC 9112 forbids is refused, and the connection with it; what it
 * allows is served. */
#include <microhttpd.h>

#include "serve/client.h"

TestSuite(serve_strict, .timeout = 60);

#define BODY "{\"instances\": [[1,2,3,4]]}" /* 26 bytes */
#define LINE "POST /v1/models/scale:predict HTTP/1.1\r\n"
#define HOST "Host: test\r\n"
#define LENGTH "Content-Length: 26\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n"
#define CHUNKS "\r\n1a\r\n" BODY "\r\n0\r\n\r\n"
/* Older libraries end the lines of chunks at an LF alone, so they are given none. */
#define OLD (MHD_VERSION < 0x00097701)
#define BYTES(text) text, sizeof text - 1

static const struct probe {
    const char *what, *bytes;
    size_t      n;
    int         code;
    bool        closes;
} probes[] = {
    {"a plain request", BYTES(LINE HOST LENGTH "\r\n" BODY), 200, false},
    {"chunks", BYTES(LINE HOST CHUNKED CHUNKS), OLD ? 411 : 200, OLD},
    {"chunk extension and trailer", BYTES(LINE HOST CHUNKED "\r\n1a;a=b\r\n" BODY "\r\n0\r\nX: 1\r\n\r\n"),
     OLD ? 411 : 200, OLD},
    {"LF behind a chunk size", BYTES(LINE HOST CHUNKED "\r\n1a\n" BODY "\r\n0\r\n\r\n"), OLD ? 411 : 400, true},
    {"blanks behind a coding", BYTES(LINE HOST "Transfer-Encoding: chunked \r\n" CHUNKS), OLD ? 411 : 200, OLD},
    {"tab before a value", BYTES(LINE HOST "X:\ta\r\n" LENGTH "\r\n" BODY), 200, false},
    {"blanks behind a value", BYTES(LINE "Host: test \t\r\n" LENGTH "\r\n" BODY), 200, false},
    {"blanks behind the last value", BYTES(LINE LENGTH "Host: test \t\r\n\r\n" BODY), 200, false},
    {"empty values", BYTES(LINE HOST "X:\r\nY: \r\n" LENGTH "Z:\r\n\r\n" BODY), 200, false},
    {"an empty line before", BYTES("\r\n" LINE HOST LENGTH "\r\n" BODY), 200, false},
    {"absolute form", BYTES("POST http://test/v1/models/scale:predict HTTP/1.1\r\n" HOST LENGTH "\r\n" BODY), 200,
     false},
    {"query", BYTES("GET /v2/health/live?a=%zz HTTP/1.1\r\n" HOST "\r\n"), 200, false},
    {"GET with a body", BYTES("GET /v2 HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc"), 200, false},
    {"HTTP/1.0", BYTES("POST /v1/models/scale:predict HTTP/1.0\r\n" LENGTH "\r\n" BODY), 200, true},
    {"coding and length", BYTES(LINE HOST LENGTH CHUNKED CHUNKS), 400, true},
    {"length and coding", BYTES(LINE HOST CHUNKED LENGTH CHUNKS), 400, true},
    {"two equal lengths", BYTES(LINE HOST LENGTH LENGTH "\r\n" BODY), 400, true},
    {"two lengths", BYTES(LINE HOST LENGTH "Content-Length: 3\r\n\r\n" BODY), 400, true},
    {"list of lengths", BYTES(LINE HOST "Content-Length: 26, 26\r\n\r\n" BODY), 400, true},
    {"length with a sign", BYTES(LINE HOST "Content-Length: +26\r\n\r\n" BODY), 400, true},
    {"negative length", BYTES(LINE HOST "Content-Length: -26\r\n\r\n" BODY), 400, true},
    {"hexadecimal length", BYTES(LINE HOST "Content-Length: 0x1a\r\n\r\n" BODY), 400, true},
    {"empty length", BYTES(LINE HOST "Content-Length:\r\n\r\n" BODY), 400, true},
    {"length past 64 bits", BYTES(LINE HOST "Content-Length: 99999999999999999999999\r\n\r\n" BODY), 413, true},
    {"blank before the colon", BYTES(LINE HOST "Content-Length : 26\r\n\r\n" BODY), 400, true},
    {"unknown coding", BYTES(LINE HOST "Transfer-Encoding: gnu\r\n" CHUNKS), 501, true},
    {"two codings", BYTES(LINE HOST "Transfer-Encoding: gzip, chunked\r\n" CHUNKS), 501, true},
    {"chunked twice", BYTES(LINE HOST CHUNKED CHUNKED CHUNKS), 501, true},
    {"coding in HTTP/1.0", BYTES("POST /v1/models/scale:predict HTTP/1.0\r\n" CHUNKED CHUNKS), 400, true},
    {"CR in a value", BYTES(LINE HOST "X: a\rb\r\n" LENGTH "\r\n" BODY), 400, true},
    {"CR that hides a header", BYTES(LINE HOST "X: a\rTransfer-Encoding: chunked\r\n" LENGTH "\r\n" BODY), 400, true},
    {"NUL in a value", BYTES(LINE HOST "X: a\0b\r\n" LENGTH "\r\n" BODY), 400, true},
    {"NUL in a name", BYTES(LINE HOST "X\0: a\r\n" LENGTH "\r\n" BODY), 400, true},
    {"NUL in the path", BYTES("GET /v2\0x HTTP/1.1\r\n" HOST "\r\n"), 400, true},
    {"control character", BYTES(LINE HOST "X: a\001b\r\n" LENGTH "\r\n" BODY), 400, true},
    {"LF behind a header", BYTES(LINE HOST "X: a\n" LENGTH "\r\n" BODY), 400, true},
    {"LF behind the last header", BYTES(LINE HOST "Content-Length: 26\n\r\n" BODY), 400, true},
    {"LF as the empty line", BYTES(LINE HOST LENGTH "\n" BODY), 400, true},
    {"LF behind the request line", BYTES("GET /v2 HTTP/1.1\n" HOST "\r\n"), 400, true},
    {"folded line", BYTES(LINE HOST "X: a\r\n b\r\n" LENGTH "\r\n" BODY), 400, true},
    {"blank before the first header", BYTES(LINE " X: a\r\n" HOST LENGTH "\r\n" BODY), 400, true},
    {"no colon", BYTES(LINE HOST "X\r\n" LENGTH "\r\n" BODY), 400, true},
    {"no name", BYTES(LINE HOST ": a\r\n" LENGTH "\r\n" BODY), 400, true},
    {"blank in a name", BYTES(LINE HOST "X y: a\r\n" LENGTH "\r\n" BODY), 400, true},
    {"no host", BYTES(LINE LENGTH "\r\n" BODY), 400, true},
    {"two hosts", BYTES(LINE HOST HOST LENGTH "\r\n" BODY), 400, true},
    {"HTTP/2.0", BYTES("GET /v2 HTTP/2.0\r\n" HOST "\r\n"), 505, true},
    {"HTTP/1.2", BYTES("GET /v2 HTTP/1.2\r\n" HOST "\r\n"), 200, false},
    {"HTTP/1.2 without a host", BYTES("GET /v2 HTTP/1.2\r\n\r\n"), 400, true},
    {"HTTP/0.9", BYTES("GET /v2 HTTP/0.9\r\n" HOST "\r\n"), 505, true},
    {"blanks behind a length", BYTES(LINE HOST "Content-Length: 26 \t \r\n\r\n" BODY), 200, false},
    {"blanks around a length", BYTES(LINE HOST "Content-Length: \t26\t\r\nX: a\r\n\r\n" BODY), 200, false},
    {"zeros before a length", BYTES(LINE HOST "Content-Length: 0000000000000000000000026\r\n\r\n" BODY), 200, false},
    {"a length in two lines", BYTES(LINE HOST "Content-Length: 2\r\n 6\r\n\r\n" BODY), 400, true},
    {"a length with a point", BYTES(LINE HOST "content-length: 26.0\r\n\r\n" BODY), 400, true},
    {"a length of GET", BYTES("GET /v2 HTTP/1.1\r\n" HOST "Content-Length: x\r\n\r\n"), 400, true},
    {"an address as host", BYTES("GET /v2 HTTP/1.1\r\nHost: [::1]:8501\r\n\r\n"), 200, false},
    {"a host with a port", BYTES("GET /v2 HTTP/1.1\r\nHost: a-b.example:80\r\n\r\n"), 200, false},
    {"an empty host", BYTES("GET /v2 HTTP/1.1\r\nHost:\r\n\r\n"), 200, false},
    {"a host with a slash", BYTES("GET /v2 HTTP/1.1\r\nHost: a/b\r\n\r\n"), 400, true},
    {"a host with a blank", BYTES("GET /v2 HTTP/1.1\r\nHost: a b\r\n\r\n"), 400, true},
    {"a host with a user", BYTES("GET /v2 HTTP/1.1\r\nHost: u@a\r\n\r\n"), 400, true},
    {"a host with a list", BYTES("GET /v2 HTTP/1.1\r\nHost: a, b\r\n\r\n"), 400, true},
    {"a host with half an address", BYTES("GET /v2 HTTP/1.1\r\nHost: [::1\r\n\r\n"), 400, true},
    {"a host with a port that is none", BYTES("GET /v2 HTTP/1.1\r\nHost: a:99999\r\n\r\n"), 400, true},
    {"two lengths of JSON",
     BYTES(LINE HOST "Inference-Header-Content-Length: 1\r\nInference-Header-Content-Length: 1\r\n" LENGTH "\r\n" BODY),
     400, true},
    {"two types", BYTES(LINE HOST "Content-Type: a/b\r\nContent-Type: a/b\r\n" LENGTH "\r\n" BODY), 400, true},
    {"unknown packing", BYTES(LINE HOST "Content-Encoding: br\r\n" LENGTH "\r\n" BODY), 415, true},
    {"packed twice", BYTES(LINE HOST "Content-Encoding: gzip, gzip\r\n" LENGTH "\r\n" BODY), 415, true},
    {"not packed", BYTES(LINE HOST "Content-Encoding: identity\r\n" LENGTH "\r\n" BODY), 200, false},
    {"packed, but it is not", BYTES(LINE HOST "Content-Encoding: gzip\r\n" LENGTH "\r\n" BODY), 400, false},
    {"http/1.1", BYTES("GET /v2 http/1.1\r\n" HOST "\r\n"), 400, true},
    {"no version", BYTES("GET /v2\r\n" HOST "\r\n"), 400, true},
    {"blank in the path", BYTES("GET /v2 /x HTTP/1.1\r\n" HOST "\r\n"), 400, true},
    {"two blanks", BYTES("GET  /v2 HTTP/1.1\r\n" HOST "\r\n"), 400, true},
    {"a method that is no token", BYTES("G(T /v2 HTTP/1.1\r\n" HOST "\r\n"), 400, true},
    {"malformed percent sign", BYTES("GET /v2/%zz HTTP/1.1\r\n" HOST "\r\n"), 400, true},
    {"NUL by percent sign", BYTES("GET /v2%00 HTTP/1.1\r\n" HOST "\r\n"), 400, true},
    {"malformed chunk size", BYTES(LINE HOST CHUNKED "\r\nzz\r\n" BODY "\r\n0\r\n\r\n"), OLD ? 411 : 400, true},
    {"chunk size with a blank", BYTES(LINE HOST CHUNKED "\r\n1a \r\n" BODY "\r\n0\r\n\r\n"), OLD ? 411 : 400, true},
    {"no CR LF behind a chunk", BYTES(LINE HOST CHUNKED "\r\n1a\r\n" BODY "0\r\n\r\n"), OLD ? 411 : 400, true},
};

Test(serve_strict, what_is_forbidden_is_refused)
{
    struct served s = serve((struct wg__server_options){0});
    for (size_t i = 0; i < sizeof probes / sizeof *probes; i++) {
        const struct probe *p = &probes[i];
        bool                closed;
        int                 code = raw(s.port, p->bytes, p->n, &closed);
        cr_expect_eq(code, p->code, "%s: %d, not %d", p->what, code, p->code);
        cr_expect_eq(closed, p->closes, "%s: %s", p->what, closed ? "closed" : "kept open");
    }
    serve_end(&s);
}

/* One request, one answer: what comes before the connection ends has one status line. */
Test(serve_strict, a_refusal_is_one_answer)
{
    struct served s = serve((struct wg__server_options){0});
    for (size_t i = 0; i < sizeof probes / sizeof *probes; i++) {
        char   all[8192];
        size_t n = 0;
        int    fd = dial(s.port), lines = 0;
        send_bytes(fd, probes[i].bytes, probes[i].n);
        shutdown(fd, probes[i].closes ? SHUT_WR : SHUT_RD);
        for (ssize_t k; probes[i].closes && n + 1 < sizeof all && (k = recv(fd, all + n, sizeof all - 1 - n, 0)) > 0;)
            n += (size_t)k;
        all[n] = '\0';
        for (const char *at = all; (at = strstr(at, "HTTP/1.1 ")); at++) lines++;
        if (probes[i].closes) cr_expect_eq(lines, 1, "%s: %s", probes[i].what, all);
        close(fd);
    }
    serve_end(&s);
}

/* The same in pieces: no law depends on how the bytes are cut up. */
Test(serve_strict, bytes_one_by_one)
{
    static const char request[] = LINE HOST "X: a\n" LENGTH "\r\n" BODY, good[] = LINE HOST LENGTH "\r\n" BODY;
    struct served s = serve((struct wg__server_options){0});
    for (int k = 0; k < 2; k++) {
        const char *text = k ? good : request;
        int         fd = dial(s.port);
        for (size_t i = 0; text[i]; i++)
            if (!send_bytes(fd, text + i, 1)) break;
        struct reply r = read_reply(fd);
        cr_expect_eq(r.code, k ? 200 : 400, "%d", r.code);
        reply_free(&r);
        close(fd);
    }
    serve_end(&s);
}

static int ask_long(int port, const char *before, char fill, size_t n, const char *after)
{
    size_t a = strlen(before), b = strlen(after);
    char  *text = malloc(a + n + b);
    bool   closed;
    cr_assert(text);
    memcpy(text, before, a);
    memset(text + a, fill, n);
    memcpy(text + a + n, after, b);
    int code = raw(port, text, a + n + b, &closed);
    free(text);
    return code;
}

Test(serve_strict, limits_of_the_head)
{
    struct served s = serve((struct wg__server_options){0});
    char          many[120 * 6 + 1] = "";
    for (int i = 0; i < 120; i++) strcat(many, "X: a\r\n");
    cr_expect_eq(ask_long(s.port, "GET /", 'a', 8000, " HTTP/1.1\r\n" HOST "\r\n"), 404);
    cr_expect_eq(ask_long(s.port, "GET /", 'a', 8192, " HTTP/1.1\r\n" HOST "\r\n"), 414);
    cr_expect_eq(ask_long(s.port, "GET /", 'a', 100000, " HTTP/1.1\r\n" HOST "\r\n"), 414);
    cr_expect_eq(ask_long(s.port, "GET /v2 HTTP/1.1\r\n" HOST "X: ", 'a', 15000, "\r\n\r\n"), 200);
    cr_expect_eq(ask_long(s.port, "GET /v2 HTTP/1.1\r\n" HOST "X: ", 'a', 17000, "\r\n\r\n"), 431);
    cr_expect_eq(ask_long(s.port, "GET /v2 HTTP/1.1\r\n" HOST "X: ", 'a', 100000, "\r\n\r\n"), 431);
    struct reply r = ask_with(s.port, "GET", "/v2", many, NULL, 0);
    cr_expect_eq(r.code, 431, "%d", r.code);
    reply_free(&r);
    serve_end(&s);
}
