/* A file is written under another name in the same directory, synced, and
 * renamed: at any moment its own name has all of the old bytes or all of the
 * new ones. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/io_impl.h"

static int fail(struct wg__out *o, const char *what)
{
    char text[80];
    if (o->status) return o->status;
    o->status = errno == ENOMEM ? WG_ENOMEM : WG_EIO;
    return wg__say(o->e, o->path, o->status, -1, "cannot %s: %s", what, strerror_r(errno, text, sizeof text));
}

/* The permissions that the file has, or would get as a new one. */
static int check_target(struct wg__out *o, mode_t *mode)
{
    struct stat st;
    *mode = 0;
    if (stat(o->path, &st)) return WG_OK;
    *mode = st.st_mode & 07777;
    if (S_ISREG(st.st_mode)) return WG_OK;
    return o->status = wg__say(o->e, o->path, WG_EIO, -1, "is there and is not a regular file");
}

static int create(struct wg__out *o)
{
    size_t n = strlen(o->path) + 32;
    if (!(o->temp = malloc(n))) return errno = ENOMEM, fail(o, "write");
    for (int i = 0; i < 100 && o->fd < 0; i++) {
        uint64_t r = (uint64_t)getpid() << 32 | (unsigned)i;
        if (getrandom(&r, sizeof r, GRND_NONBLOCK) < 0) r += (uintptr_t)o;
        snprintf(o->temp, n, "%s.tmp%016llx", o->path, (unsigned long long)r);
        o->fd = open(o->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (o->fd < 0 && errno != EEXIST) break;
    }
    return o->fd < 0 ? fail(o, "create") : WG_OK;
}

static void discard(struct wg__out *o)
{
    if (o->fd >= 0) {
        close(o->fd);
        unlink(o->temp);
    }
    free(o->temp);
    o->fd = -1;
    o->temp = NULL;
}

int wg__out_open(struct wg__out *o, const char *path, wg_error *e)
{
    mode_t mode;
    o->path = path ? path : "(no path)";
    o->temp = NULL;
    o->fd = -1;
    o->at = o->held = 0;
    o->e = e;
    o->status = WG_OK;
    if (!path) return wg__say(e, o->path, WG_EARG, -1, "nowhere to write");
    if (check_target(o, &mode)) return o->status;
    if (!create(o) && mode && fchmod(o->fd, mode)) fail(o, "set the permissions");
    if (o->status) discard(o);
    return o->status;
}

static void put(struct wg__out *o, const uint8_t *x, size_t n)
{
    while (n && !o->status) {
        ssize_t k = write(o->fd, x, n < 1u << 30 ? n : 1u << 30);
        if (k < 0 && errno != EINTR) fail(o, "write");
        if (k > 0) {
            x += k;
            n -= (size_t)k;
        }
    }
}

static void flush(struct wg__out *o)
{
    put(o, o->hold, o->held);
    o->held = 0;
}

void wg__out_write(struct wg__out *o, const void *bytes, size_t n)
{
    o->at += n;
    if (n > sizeof o->hold - o->held) flush(o);
    if (n > sizeof o->hold) put(o, bytes, n);
    else if (n) {
        memcpy(o->hold + o->held, bytes, n);
        o->held += n;
    }
}

/* The new name survives a power failure once its directory is synced.  Some
 * file systems cannot, and the file is whole in any case: not an error. */
static void sync_directory(char *temp)
{
    char *slash = strrchr(temp, '/');
    if (slash) slash[slash == temp] = 0;
    int fd = open(slash ? temp : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    (void)fsync(fd);
    close(fd);
}

int wg__out_commit(struct wg__out *o)
{
    flush(o);
    if (!o->status && fsync(o->fd)) fail(o, "sync");
    if (!o->status && rename(o->temp, o->path)) fail(o, "rename");
    if (o->status) {
        discard(o);
        return o->status;
    }
    int closed = close(o->fd);
    o->fd = -1;
    if (closed) fail(o, "close");
    sync_directory(o->temp);
    discard(o);
    return o->status;
}
