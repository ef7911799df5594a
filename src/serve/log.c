/* log.c - one JSON object a line: events of the server, and requests.
 *
 * Lines of requests wait in memory for the clock's next tick.  A reader of
 * them that stops does not stop the server: what finds no room is lost, and
 * the log says how much. */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "serve/server_impl.h"

enum { MANY = 1 << 16, MOST = 1 << 20, PIECE = 4096, PATIENCE_MS = 1000 };

/* Begins a line with the time (RFC 3339, UTC, milliseconds), the level and the message. */
static void open_line(struct wg__text *t, const char *level, const char *message)
{
    struct timespec now;
    struct tm       at;
    char            second[32];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &at);
    strftime(second, sizeof second, "%Y-%m-%dT%H:%M:%S", &at);
    wg__text_say(t, "{\"ts\": \"%s.%03ldZ\", \"level\": \"%s\", \"msg\": ", second, now.tv_nsec / 1000000, level);
    wg__text_string(t, message);
}

/* ---- Where lines go ---- */

/* Tells whether the log can be written to without waiting longer than wait_ms.  A pipe that has room takes PIPE_BUF
 * bytes at once: pipe(7). */
static bool has_room(const struct wg__log *l, int wait_ms)
{
    struct pollfd p = {.fd = l->fd, .events = POLLOUT};
    return l->fd < 0 || poll(&p, 1, wait_ms) != 0;
}

static ssize_t write_piece(struct wg__log *l, const char *at, size_t n)
{
    if (l->fd >= 0) return write(l->fd, at, n < PIECE ? n : PIECE);
    return fwrite(at, 1, n, l->file) == n && !fflush(l->file) ? (ssize_t)n : -1;
}

/* Writes as many lines as the file takes now; drops all where writing fails. */
static void write_lines(struct wg__log *l)
{
    size_t at = 0;
    while (at < l->lines.n && has_room(l, 0)) {
        ssize_t n = write_piece(l, l->lines.at + at, l->lines.n - at);
        if (n < 0 && errno == EINTR) continue;
        at = n < 0 ? l->lines.n : at + (size_t)n;
    }
    l->lines.n -= at;
    if (at && l->lines.n) memmove(l->lines.at, l->lines.at + at, l->lines.n);
}

/* Adds a line.  If it finds no room, it is counted as lost, and the lines before it stay. */
static void add_line(struct wg__log *l, const struct wg__text *t)
{
    size_t whole = l->lines.n;
    bool   room = !t->failed && whole + t->n <= MOST;
    if (room && l->lost) {
        open_line(&l->lines, "warn", "lines of the log were lost");
        wg__text_say(&l->lines, ", \"lost\": %llu}\n", l->lost);
    }
    if (room) wg__text_add(&l->lines, t->at, t->n);
    room = room && !l->lines.failed;
    l->lost = room ? 0 : l->lost + 1;
    if (room) return;
    l->lines.n = whole;
    l->lines.failed = false;
}

static void end_line(struct wg__log *l, struct wg__text *t, bool at_once)
{
    wg__text_add(t, "}\n", 2);
    pthread_mutex_lock(&l->lock);
    add_line(l, t);
    if (at_once || l->lines.n >= MANY) write_lines(l);
    pthread_mutex_unlock(&l->lock);
}

void wg__log_open(struct wg__log *l, FILE *f, bool quiet)
{
    *l = (struct wg__log){.file = f, .fd = f ? fileno(f) : STDOUT_FILENO, .quiet = quiet};
    if (f) fflush(f);
    pthread_mutex_init(&l->lock, NULL);
}

void wg__log_flush(struct wg__log *l)
{
    pthread_mutex_lock(&l->lock);
    write_lines(l);
    pthread_mutex_unlock(&l->lock);
}

void wg__log_close(struct wg__log *l)
{
    while (l->lines.n && has_room(l, PATIENCE_MS)) write_lines(l);
    wg__text_free(&l->lines);
    pthread_mutex_destroy(&l->lock);
}

/* ---- What is said ---- */

void wg__log_event(void *log, const char *level, const char *message)
{
    struct wg__text t = {0};
    open_line(&t, level, message);
    end_line(log, &t, true);
    wg__text_free(&t);
}

void wg__log_say(struct wg__log *l, const char *level, const char *format, ...)
{
    char    message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    wg__log_event(l, level, message);
}

static void field(struct wg__text *t, const char *name, const char *value)
{
    if (!*value) return;
    wg__text_say(t, ", \"%s\": ", name);
    wg__text_string(t, value);
}

void wg__log_refusal(struct wg__log *l, int code)
{
    struct wg__text t = {0};
    if (l->quiet) return;
    open_line(&t, "warn", "request");
    wg__text_say(&t, ", \"status\": %d", code);
    end_line(l, &t, false);
    wg__text_free(&t);
}

void wg__log_request(struct wg__log *l, struct wg__exchange *x, uint64_t us)
{
    if (l->quiet) return;
    const struct wg__request *q = &x->q;
    struct wg__text          *t = &x->line;
    char                      trace[33];
    t->n = 0;
    open_line(t, q->code >= 500 ? "error" : q->code >= 400 ? "warn" : "info", "request");
    field(t, "request_id", x->id);
    snprintf(trace, sizeof trace, "%s", *x->trace ? x->trace + 3 : ""); /* 00-trace-parent-flags */
    field(t, "trace_id", trace);
    field(t, "method", x->method);
    field(t, "path", x->path);
    field(t, "model", q->at.model);
    if (x->version >= 0) wg__text_say(t, ", \"version\": %lld", (long long)x->version);
    wg__text_say(t, ", \"status\": %d, \"us\": %llu, \"bytes\": %zu", q->code, (unsigned long long)us, x->sent);
    end_line(l, t, false);
}
