/* What RFC 9112 forbids is refused, and the connection with it; what it
 * allows is served. */
#include "serve/client.h"

TestSuite(serve_strict, .timeout = 60);

#define BODY "{\"instances\": [[1,2,3,4]]}" /* 26 bytes */
#define LINE "POST /v1/models/scale:predict HTTP/1.1\r\n"
#define HOST "Host: test\r\n"
#define LENGTH "Content-Length: 26\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n"
#define CHUNKS "\r\n1a\r\n" BODY "\r\n0\r\n\r\n"
#define BYTES(text) text, sizeof text - 1

static const struct probe {
    const char *what, *bytes;
    size_t      n;
    int         code;
    bool        closes;
} probes[] = {
    {"a plain request", BYTES(LINE HOST LENGTH "\r\n" BODY), 200, false},
    {"chunks", BYTES(LINE HOST CHUNKED CHUNKS), 200, false},
    {"chunk extension and trailer", BYTES(LINE HOST CHUNKED "\r\n1a;a=b\r\n" BODY "\r\n0\r\nX: 1\r\n\r\n"), 200, false},
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
    {"HTTP/1.2", BYTES("GET /v2 HTTP/1.2\r\n" HOST "\r\n"), 505, true},
    {"http/1.1", BYTES("GET /v2 http/1.1\r\n" HOST "\r\n"), 400, true},
    {"no version", BYTES("GET /v2\r\n" HOST "\r\n"), 400, true},
    {"blank in the path", BYTES("GET /v2 /x HTTP/1.1\r\n" HOST "\r\n"), 400, true},
    {"two blanks", BYTES("GET  /v2 HTTP/1.1\r\n" HOST "\r\n"), 400, true},
    {"a method that is no token", BYTES("G(T /v2 HTTP/1.1\r\n" HOST "\r\n"), 400, true},
    {"malformed percent sign", BYTES("GET /v2/%zz HTTP/1.1\r\n" HOST "\r\n"), 400, true},
    {"NUL by percent sign", BYTES("GET /v2%00 HTTP/1.1\r\n" HOST "\r\n"), 400, true},
    {"malformed chunk size", BYTES(LINE HOST CHUNKED "\r\nzz\r\n" BODY "\r\n0\r\n\r\n"), 400, true},
    {"chunk size with a blank", BYTES(LINE HOST CHUNKED "\r\n1a \r\n" BODY "\r\n0\r\n\r\n"), 400, true},
    {"no CR LF behind a chunk", BYTES(LINE HOST CHUNKED "\r\n1a\r\n" BODY "0\r\n\r\n"), 400, true},
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
