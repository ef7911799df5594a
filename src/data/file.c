/* Files and memory as one kind of source, and what is said about them. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/system/calls.h"
#include "base/text/text.h"
#include "data/io_impl.h"
#include "graph/graph_impl.h"

/* Shortens a name to its last `most` bytes: the end of a long path says more than its start. */
static const char *tail(const char *name, size_t most)
{
    size_t n = strlen(name);
    return n > most ? name + n - most : name;
}

/* Starts the message with the name, the part (if there is one) and the byte (if it is known). */
static void tell(wg_error *e, const char *name, const char *part, int status, int64_t offset, const char *format,
                 va_list ap)
{
    int k = snprintf(e->message, sizeof e->message, "%s: ", tail(name, 100));
    if (part) k += snprintf(e->message + k, sizeof e->message - (size_t)k, "'%.60s': ", part);
    if (offset >= 0) k += snprintf(e->message + k, sizeof e->message - (size_t)k, "byte %lld: ", (long long)offset);
    e->status = status;
    e->offset = offset;
    vsnprintf(e->message + k, sizeof e->message - (size_t)k, format, ap);
    wg__printable(e->message, sizeof e->message);
}

void wg__tell(wg_error *e, const char *name, int status, int64_t offset, const char *format, ...)
{
    va_list ap;
    if (!e) return;
    va_start(ap, format);
    tell(e, name, NULL, status, offset, format, ap);
    va_end(ap);
}

void wg__tell_file(const struct wg__file *f, int status, int64_t offset, const char *format, ...)
{
    va_list ap;
    if (!f->e) return;
    va_start(ap, format);
    tell(f->e, f->name, f->part, status, offset, format, ap);
    va_end(ap);
}

static int bad_errno(const struct wg__file *f, const char *what)
{
    char text[80];
    int  status = errno == ENOMEM ? WG_ENOMEM : WG_EIO;
    return wg__bad(f, status, -1, "cannot %s: %s", what, strerror_r(errno, text, sizeof text));
}

int wg__say_errno(wg_error *e, const char *name, const char *what)
{
    return bad_errno(&(struct wg__file){.name = name, .e = e}, what);
}

/* Reads a pipe to its end into memory, as a pipe has neither size nor offsets. */
static int read_pipe(struct wg__file *f)
{
    enum { PIECE = 1 << 16 };
    struct wg__text t = {0};
    ssize_t         k = 0;
    int             status = WG_OK;
    do {
        k = wg__text_reserve(&t, PIECE) ? wg__read_some(f->fd, t.at + t.n, t.size - t.n) : 0;
        if (k > 0) t.n += (size_t)k;
    } while (k > 0);
    if (t.failed) status = wg__bad_memory(f);
    else if (k < 0) status = bad_errno(f, "read");
    f->owned = (uint8_t *)t.at;
    f->data = f->owned;
    f->size = t.n;
    return status;
}

static int find_size(struct wg__file *f)
{
    struct stat st;
    if (fstat(f->fd, &st)) return bad_errno(f, "read");
    if (S_ISDIR(st.st_mode)) return wg__bad(f, WG_EIO, -1, "is a directory");
    if (!S_ISREG(st.st_mode)) return read_pipe(f);
    f->size = (uint64_t)st.st_size;
    return WG_OK;
}

int wg__file_open(struct wg__file *f, const char *path, wg_error *e)
{
    *f = (struct wg__file){.name = path ? path : "(no path)", .fd = -1, .e = e};
    if (!path) return wg__bad(f, WG_EARG, -1, "nothing to read");
    f->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (f->fd < 0) return bad_errno(f, "open");
    int status = find_size(f);
    if (status) wg__file_close(f);
    return status;
}

void wg__file_memory(struct wg__file *f, const void *bytes, size_t n, wg_error *e)
{
    *f = (struct wg__file){.name = "(memory)", .fd = -1, .data = bytes, .size = n, .e = e};
}

void wg__file_close(struct wg__file *f)
{
    if (f->fd >= 0) close(f->fd);
    free(f->owned);
    f->fd = -1;
    f->owned = NULL;
    f->data = NULL;
}

int wg__file_read(const struct wg__file *f, uint64_t offset, void *to, size_t n)
{
    if (offset > f->size || n > f->size - offset)
        return wg__bad(f, WG_EFORMAT, f->size, "the file ends where %zu bytes from %llu were expected", n,
                       (unsigned long long)offset);
    if (f->data) {
        if (n) memcpy(to, f->data + offset, n);
        return WG_OK;
    }
    for (size_t have = 0; have < n;) {
        size_t  want = n - have < 1u << 30 ? n - have : 1u << 30;
        ssize_t k = wg__read_some_at(f->fd, (char *)to + have, want, (off_t)(offset + have));
        if (k < 0) return bad_errno(f, "read");
        if (k == 0) return wg__bad(f, WG_EIO, offset + have, "the file became shorter while it was read");
        have += (size_t)k;
    }
    return WG_OK;
}
