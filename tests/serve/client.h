/* client.h - a server in this process, and a client of raw sockets that can
 * say what no library would. */
#ifndef WENGERT_TESTS_CLIENT_H
#define WENGERT_TESTS_CLIENT_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>

#include "serve/models.h"
#include "serve/server.h"

/* ---- A server ---- */

struct served {
    char              *folder;
    struct wg__server *server;
    int                port;
    FILE              *log;
    struct log_text {
        char  *at; /* after serve_stop */
        size_t n;
    } * text;
};

/* scale: y = 2 x + 1 over [batch,4]; pair, fixed, index and product as in models.h. */
static inline void serve_models(const char *folder)
{
    model_scale(in_folder(folder, "scale.onnx"), 2, 1);
    model_pair(in_folder(folder, "pair.onnx"));
    model_fixed(in_folder(folder, "fixed.onnx"));
    model_embedding(in_folder(folder, "index.onnx"));
}

static inline struct served serve(struct wg__server_options o)
{
    static const char *const names[] = {"scale", "pair", "fixed", "index"};
    struct served            s = {.folder = models_folder(), .text = calloc(1, sizeof *s.text)};
    char                     specs[4][600];
    const char              *list[4];
    wg_error                 e;
    serve_models(s.folder);
    for (int i = 0; i < 4; i++) {
        snprintf(specs[i], sizeof specs[i], "%s=%s/%s.onnx", names[i], s.folder, names[i]);
        list[i] = specs[i];
    }
    s.log = open_memstream(&s.text->at, &s.text->n);
    o.n_models = 4;
    o.model = list;
    o.host = "127.0.0.1";
    o.port = -1;
    o.threads = o.threads ? o.threads : 2;
    o.log = s.log;
    if (!o.poll_s) o.poll_s = -1;
    if (!o.drain_s) o.drain_s = 2;
    s.server = wg__server_start(&o, &e);
    cr_assert(s.server, "%s", e.message);
    s.port = wg__server_port(s.server);
    return s;
}

/* How many requests were cut off; the log is in s->text->at until serve_forget. */
static inline int serve_stop(struct served *s)
{
    int cut = wg__server_stop(s->server);
    fclose(s->log);
    cr_expect(!s->text->at || !strstr(s->text->at, "not given back"), "%s", s->text->at);
    return cut;
}
static inline void serve_forget(struct served *s)
{
    models_remove(s->folder);
    free(s->text->at);
    free(s->text);
}
static inline void serve_end(struct served *s)
{
    cr_expect_eq(serve_stop(s), 0, "no request is cut off");
    serve_forget(s);
}

/* ---- A connection ---- */

static inline int try_dial(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct timeval     patience = {.tv_sec = 10};
    int                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0) return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (!connect(fd, (struct sockaddr *)&a, sizeof a)) return fd;
    close(fd);
    return -1;
}

static inline int dial(int port)
{
    int fd = try_dial(port);
    cr_assert(fd >= 0, "connect: %s", strerror(errno));
    return fd;
}

static inline bool send_bytes(int fd, const void *bytes, size_t n)
{
    for (const char *at = bytes; n;) {
        ssize_t k = send(fd, at, n, MSG_NOSIGNAL);
        if (k <= 0) return false;
        at += k;
        n -= (size_t)k;
    }
    return true;
}
static inline bool send_text(int fd, const char *text) { return send_bytes(fd, text, strlen(text)); }

/* ---- An answer ---- */

struct reply {
    int    code; /* 0: the connection ended before one came */
    char   head[2048];
    char  *body;
    size_t n;
};

static inline const char *reply_header(const struct reply *r, const char *name, char to[static 256])
{
    char want[80];
    snprintf(want, sizeof want, "\r\n%s: ", name);
    const char *at = strcasestr(r->head, want);
    to[0] = '\0';
    if (!at) return NULL;
    at += strlen(want);
    snprintf(to, 256, "%.*s", (int)strcspn(at, "\r"), at);
    return to;
}

/* Byte by byte, so that nothing of the next answer is taken. */
static inline bool read_head(int fd, struct reply *r)
{
    size_t n = 0;
    while (n + 1 < sizeof r->head && recv(fd, r->head + n, 1, 0) == 1) {
        r->head[++n] = '\0';
        if (n >= 4 && !strcmp(r->head + n - 4, "\r\n\r\n")) return true;
    }
    return false;
}

static inline struct reply read_reply_to(int fd, bool head_only)
{
    struct reply r = {0};
    char         length[256];
    if (!read_head(fd, &r)) return r;
    r.code = atoi(r.head + 9);
    r.n = reply_header(&r, "Content-Length", length) ? (size_t)atol(length) : 0;
    r.body = calloc(1, r.n + 1);
    if (head_only || r.code == 304 || r.code == 204 || r.code == 100) return r;
    for (size_t at = 0; at < r.n;) {
        ssize_t k = recv(fd, r.body + at, r.n - at, 0);
        if (k <= 0) {
            r.code = 0;
            break;
        }
        at += (size_t)k;
    }
    return r;
}
static inline struct reply read_reply(int fd) { return read_reply_to(fd, false); }

static inline void reply_free(struct reply *r) { free(r->body); }

/* Whatever comes, the end does too. */
static inline bool is_closed_soon(int fd)
{
    char          c[512];
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (poll(&p, 1, 100) == 1)
        if (recv(fd, c, sizeof c, 0) <= 0) return true;
    return false;
}

/* ---- A request ---- */

static inline bool send_request(int fd, const char *method, const char *path, const char *headers, const void *body,
                                size_t n)
{
    char head[4096];
    int  k = snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: test\r\n%s", method, path, headers);
    if (n || !strcmp(method, "POST")) k += snprintf(head + k, sizeof head - (size_t)k, "Content-Length: %zu\r\n", n);
    k += snprintf(head + k, sizeof head - (size_t)k, "\r\n");
    char *all = malloc((size_t)k + n);
    if (!all) return false;
    memcpy(all, head, (size_t)k);
    if (n) memcpy(all + k, body, n);
    bool sent = send_bytes(fd, all, (size_t)k + n);
    free(all);
    return sent;
}

static inline struct reply ask_with(int port, const char *method, const char *path, const char *headers,
                                    const void *body, size_t n)
{
    int fd = dial(port);
    cr_assert(send_request(fd, method, path, headers, body, n));
    struct reply r = read_reply_to(fd, !strcmp(method, "HEAD"));
    close(fd);
    return r;
}

static inline struct reply get(int port, const char *path) { return ask_with(port, "GET", path, "", NULL, 0); }
static inline struct reply post(int port, const char *path, const char *body)
{
    return ask_with(port, "POST", path, "", body, strlen(body));
}

/* One row of a table of tests: what comes back has that code and holds that text. */
struct said {
    const char *method, *path, *body;
    int         code;
    const char *has;
};
static inline void check_all(int port, int n, const struct said t[])
{
    for (int i = 0; i < n; i++) {
        struct reply r = ask_with(port, t[i].method, t[i].path, "", t[i].body, t[i].body ? strlen(t[i].body) : 0);
        cr_expect_eq(r.code, t[i].code, "%s %s %s: %d %s", t[i].method, t[i].path, t[i].body ? t[i].body : "", r.code,
                     r.body);
        cr_expect(r.body && strstr(r.body, t[i].has), "%s %s %s: %s holds %s", t[i].method, t[i].path,
                  t[i].body ? t[i].body : "", r.body, t[i].has);
        reply_free(&r);
    }
}
#define CHECK_ALL(port, table) check_all(port, (int)(sizeof(table) / sizeof *(table)), table)

/* One request in raw bytes on a connection of its own; the code, and whether the connection is closed after it. */
static inline int raw(int port, const void *bytes, size_t n, bool *closed)
{
    int fd = dial(port);
    send_bytes(fd, bytes, n);
    struct reply r = read_reply(fd);
    *closed = is_closed_soon(fd);
    close(fd);
    reply_free(&r);
    return r.code;
}

static inline double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}
static inline void wait_ms(int ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}, NULL);
}

#endif
