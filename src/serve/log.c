/* log.c - one JSON object a line: events of the server, and requests. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "serve/server_impl.h"

/* Lines of requests stay in the buffer until the clock's next tick. */
int wg__log_open(struct wg__log *l, FILE *f, bool quiet)
{
    *l = (struct wg__log){.file = f, .quiet = quiet};
    if (f) return WG_OK;
    int fd = dup(STDOUT_FILENO);
    l->file = fd < 0 ? NULL : fdopen(fd, "a");
    l->own = l->file != NULL;
    if (!l->file && fd >= 0) close(fd);
    return l->file ? WG_OK : errno == ENOMEM ? WG_ENOMEM : WG_EIO;
}

void wg__log_close(struct wg__log *l)
{
    if (!l->file) return;
    if (l->own) fclose(l->file);
    else fflush(l->file);
    l->file = NULL;
}

/* RFC 3339, UTC, milliseconds */
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

/* One call, so that lines of several threads do not mix. */
static void write_line(struct wg__log *l, struct wg__text *t)
{
    wg__text_add(t, "}\n", 2);
    if (!t->failed) fwrite(t->at, 1, t->n, l->file);
}

void wg__log_event(void *log, const char *level, const char *message)
{
    struct wg__log *l = log;
    struct wg__text t = {0};
    open_line(&t, level, message);
    write_line(l, &t);
    wg__text_free(&t);
    fflush(l->file);
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

void wg__log_request(struct wg__log *l, struct wg__exchange *x, uint64_t us)
{
    if (l->quiet) return;
    const struct wg__request *q = &x->q;
    struct wg__text          *t = &x->line;
    t->n = 0;
    open_line(t, q->code >= 500 ? "error" : q->code >= 400 ? "warn" : "info", "request");
    field(t, "request_id", x->id);
    field(t, "trace_id", x->trace);
    field(t, "method", x->method);
    field(t, "path", x->path);
    field(t, "model", q->at.model);
    if (x->version >= 0) wg__text_say(t, ", \"version\": %lld", (long long)x->version);
    wg__text_say(t, ", \"status\": %d, \"us\": %llu, \"bytes\": %zu", q->code, (unsigned long long)us, x->sent);
    write_line(l, t);
}
