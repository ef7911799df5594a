/* A file is written under another name in its directory, synced, and renamed:
 * at any moment its own name has all of the old bytes or all of the new ones.
 *
 * Where the path is a symbolic link, "its own name" is the one at the link's
 * end.  The other name is short and begins with a hash of the file's own name;
 * its writer holds a lock (flock) on it.  So a later writer of the same file
 * recognises what a killed process left behind, and removes it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/system/calls.h"
#include "base/table.h"
#include "data/io_impl.h"

static int fail(struct wg__out *o, const char *what)
{
    return o->status ? o->status : (o->status = wg__say_errno(o->e, o->path, what));
}

/* ---- Where the file really is ---- */

/* Reads the permissions that the file has; 0 for a new one. */
static int check_target(struct wg__out *o)
{
    struct stat st;
    o->mode = 0;
    if (stat(o->path, &st)) return errno == ENOENT ? WG_OK : fail(o, "write");
    o->mode = st.st_mode & 07777;
    if (S_ISREG(st.st_mode)) return WG_OK;
    return o->status = wg__say(o->e, o->path, WG_EIO, -1, "is there and is not a regular file");
}

static size_t directory_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) + 1 : 0;
}

/* Replaces *at, a link, by what the link names; a relative text counts from the link's directory. */
static bool follow_link(char **at, const char *text)
{
    size_t n = *text == '/' ? 0 : directory_length(*at), k = strlen(text);
    char  *next = malloc(n + k + 1);
    if (!next) return false;
    memcpy(next, *at, n);
    memcpy(next + n, text, k + 1);
    free(*at);
    *at = next;
    return true;
}

/* Follows all links of the path; returns the path that they lead to, which the caller frees.  NULL with the failure
 * noted.  The file at the end of a chain of links need not exist. */
static char *resolve(struct wg__out *o)
{
    enum { MOST_LINKS = 40 }; /* as in Linux */
    char    text[PATH_MAX], *at = malloc(strlen(o->path) + 1);
    ssize_t n;
    if (!at) {
        errno = ENOMEM;
        fail(o, "write");
        return NULL;
    }
    strcpy(at, o->path);
    for (int links = 0; (n = readlink(at, text, sizeof text - 1)) >= 0; links++) {
        text[n] = 0;
        errno = links < MOST_LINKS ? ENOMEM : ELOOP;
        if (links < MOST_LINKS && follow_link(&at, text)) continue;
        free(at);
        return fail(o, "follow the link"), NULL;
    }
    return at;
}

/* Splits the resolved path into an open directory and a name in it; false with the failure noted. */
static bool open_place(struct wg__out *o)
{
    if (!(o->place = resolve(o))) return false;
    size_t n = directory_length(o->place);
    o->name = o->place + n;
    if (n > 1) o->place[n - 1] = 0; /* but the root is "/" itself */
    const char *directory = n == 0 ? "." : n == 1 ? "/" : o->place;
    o->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (o->directory < 0 && errno == EACCES) o->directory = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (o->directory < 0) fail(o, "open the directory");
    return o->directory >= 0;
}

/* ---- The other name ---- */

static const char prefix[] = "wg-", suffix[] = ".tmp";

/* Makes a temporary name.  A hash of the file's name tells the temporary files of a directory apart. */
static void name_temporary(struct wg__out *o, uint64_t random)
{
    snprintf(o->temp, sizeof o->temp, "%s%016llx-%016llx%s", prefix,
             (unsigned long long)wg__hash64(o->name, strlen(o->name)), (unsigned long long)random, suffix);
}

/* Removes a temporary file unless its writer lives, which its lock tells. */
static void remove_stale(int directory, const char *name)
{
    int fd = openat(directory, name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) unlinkat(directory, name, 0);
    close(fd);
}

/* Removes what killed writers of this file left.  Best effort: a failure here is no failure of the write. */
static void remove_all_stale(struct wg__out *o)
{
    name_temporary(o, 0);
    size_t         n = strlen(o->temp), same = sizeof prefix - 1 + 16 + 1;
    int            fd = openat(o->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR           *d = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    if (!d && fd >= 0) close(fd);
    while (d && (entry = readdir(d))) {
        const char *name = entry->d_name;
        if (strlen(name) == n && !memcmp(name, o->temp, same) && !strcmp(name + n - strlen(suffix), suffix))
            remove_stale(o->directory, name);
    }
    if (d) closedir(d);
}

/* Locks the new file.  Between its creation and the lock another writer may have taken it for stale. */
static bool lock_file(int fd)
{
    struct stat st;
    (void)flock(fd, LOCK_EX); /* a file system without locks is not swept either */
    return fstat(fd, &st) == 0 && st.st_nlink > 0;
}

static int create_temporary(struct wg__out *o)
{
    mode_t mode = o->mode ? (o->mode & 0777) | S_IRUSR | S_IWUSR : 0666;
    for (int i = 0; i < 100 && o->fd < 0; i++) {
        uint64_t r = (uint64_t)getpid() << 32 | (unsigned)i;
        if (getrandom(&r, sizeof r, GRND_NONBLOCK) < 0) r += (uintptr_t)o;
        name_temporary(o, r);
        o->fd = openat(o->directory, o->temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (o->fd < 0 && errno != EEXIST) break;
        if (o->fd >= 0 && !lock_file(o->fd)) {
            close(o->fd);
            o->fd = -1;
            errno = EEXIST;
        }
    }
    return o->fd < 0 ? fail(o, "create") : WG_OK;
}

/* ---- Writing ---- */

static void discard(struct wg__out *o)
{
    if (o->fd >= 0) {
        unlinkat(o->directory, o->temp, 0);
        close(o->fd);
    }
    if (o->directory >= 0) close(o->directory);
    free(o->place);
    o->fd = o->directory = -1;
    o->place = NULL;
}

int wg__out_open(struct wg__out *o, const char *path, wg_error *e)
{
    o->path = path ? path : "(no path)";
    o->place = NULL;
    o->name = "";
    o->fd = o->directory = -1;
    o->at = o->held = 0;
    o->e = e;
    o->status = WG_OK;
    if (!path) return wg__say(e, o->path, WG_EARG, -1, "nowhere to write");
    if (!check_target(o) && open_place(o)) {
        remove_all_stale(o);
        create_temporary(o);
    }
    if (o->status) discard(o);
    return o->status;
}

static void write_through(struct wg__out *o, const uint8_t *x, size_t n)
{
    while (n && !o->status) {
        ssize_t k = wg__write_some(o->fd, x, n < 1u << 30 ? n : 1u << 30);
        if (k < 0) fail(o, "write");
        else {
            x += k;
            n -= (size_t)k;
        }
    }
}

static void flush(struct wg__out *o)
{
    write_through(o, o->hold, o->held);
    o->held = 0;
}

void wg__out_write(struct wg__out *o, const void *bytes, size_t n)
{
    o->at += n;
    if (n > sizeof o->hold - o->held) flush(o);
    if (n > sizeof o->hold) write_through(o, bytes, n);
    else if (n) {
        memcpy(o->hold + o->held, bytes, n);
        o->held += n;
    }
}

int wg__out_commit(struct wg__out *o)
{
    flush(o);
    if (!o->status && o->mode && fchmod(o->fd, o->mode)) fail(o, "set the permissions");
    if (!o->status && fsync(o->fd)) fail(o, "sync");
    if (!o->status && renameat(o->directory, o->temp, o->directory, o->name)) fail(o, "rename");
    if (o->status) {
        discard(o);
        return o->status;
    }
    int closed = close(o->fd);
    o->fd = -1;
    if (closed) fail(o, "close");
    /* The new name survives a power failure once its directory is synced.  Some
     * file systems cannot, and the file is whole in any case: not an error. */
    (void)fsync(o->directory);
    discard(o);
    return o->status;
}

/* ---- For programs ---- */

int wg_file_check(const char *path, wg_error *e)
{
    struct wg__out o;
    if (wg__lacks(e, "wg_file_check", "path", path)) return WG_EARG;
    int status = wg__out_open(&o, path, e);
    if (!status) discard(&o);
    return status;
}

int wg_file_write(const char *path, const void *bytes, size_t n, wg_error *e)
{
    struct wg__out o;
    if (wg__lacks(e, "wg_file_write", "path", path) || wg__lacks(e, "wg_file_write", "bytes", n ? bytes : ""))
        return WG_EARG;
    int status = wg__out_open(&o, path, e);
    if (status) return status;
    wg__out_write(&o, bytes, n);
    return wg__out_commit(&o);
}
