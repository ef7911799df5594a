/* Files of external data, which a model may name in its own folder and nowhere
 * else.
 *
 * Links are followed as long as they lead to a place in the model's folder, or
 * in the folder where the model itself is once links are followed: caches of
 * model hubs keep all files in one folder under their digests, and give them
 * their names by links.  Where a link leads is asked of the file that was
 * opened, so that nobody exchanges it in between. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/io_impl.h"
#include "onnx/proto/onnx_impl.h"

enum { READ = O_RDONLY | O_CLOEXEC | O_NONBLOCK };

static bool has_dot_dot(const char *path)
{
    for (; *path; path += strcspn(path, "/"), path += strspn(path, "/"))
        if (strcspn(path, "/") == 2 && path[0] == '.' && path[1] == '.') return true;
    return false;
}

/* Opens what `from` has under the first name of *path, which moves past it. */
static int descend(int from, const char **path)
{
    char   name[256];
    size_t n = strcspn(*path, "/"), slashes = strspn(*path + n, "/");
    if (n >= sizeof name) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(name, *path, n);
    name[n] = 0;
    *path += n + slashes;
    return openat(from, name, READ | O_NOFOLLOW | (slashes ? O_DIRECTORY : 0));
}

/* Opens a file by a path in which no part is a link. Returns -1 with errno if one is. */
static int open_plain(const char *folder, const char *location)
{
    int fd = open(folder, READ | O_DIRECTORY);
    for (const char *rest = location; fd >= 0 && *rest;) {
        int next = descend(fd, &rest), why = errno;
        close(fd);
        fd = next;
        errno = why;
    }
    return fd;
}

/* ---- Where an open file is ---- */

static bool path_of(int fd, char path[PATH_MAX])
{
    char link[40];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, PATH_MAX - 1);
    path[n > 0 ? n : 0] = 0;
    return n > 0 && n < PATH_MAX - 1 && *path == '/';
}

char *wg__onnx_folder_of(int fd)
{
    char  path[PATH_MAX];
    char *slash = path_of(fd, path) ? strrchr(path, '/') : NULL;
    if (!slash) return NULL;
    slash[slash == path] = 0;
    return strdup(path);
}

static bool is_below(const char *path, const char *folder)
{
    size_t n = folder ? strlen(folder) : 0;
    return n && strncmp(path, folder, n) == 0 && (path[n] == '/' || folder[n - 1] == '/');
}

/* Opens the file that links lead to with O_PATH, so that the caller can look at it before reading.
 * `at` takes the folder's path, `path` the file's. Returns -1 with errno if there is no such file. */
static int open_linked(const char *folder, const char *location, char at[PATH_MAX], char path[PATH_MAX])
{
    int from = open(folder, READ | O_DIRECTORY), fd = -1;
    if (from >= 0 && path_of(from, at)) fd = openat(from, location, O_PATH | O_CLOEXEC);
    int why = errno;
    if (from >= 0) close(from);
    errno = why;
    if (fd < 0 || path_of(fd, path)) return fd;
    close(fd);
    errno = ELOOP;
    return -1;
}

static int open_link(const struct wg__onnx_file *f, const char *location, uint64_t *size, wg_error *e)
{
    char        at[PATH_MAX], path[PATH_MAX], again[40];
    struct stat st;
    int         fd = open_linked(f->folder, location, at, path);
    if (fd < 0 || fstat(fd, &st)) return wg__onnx_regular(fd, location, size, e);
    if (!is_below(path, at) && !is_below(path, f->home)) {
        wg__tell(e, location, WG_EFORMAT, -1, "is a link that leads out of the model's folder");
        close(fd);
        return -1;
    }
    if (!S_ISREG(st.st_mode)) return wg__onnx_regular(fd, location, size, e);
    snprintf(again, sizeof again, "/proc/self/fd/%d", fd);
    int read = wg__onnx_regular(open(again, READ), location, size, e);
    close(fd);
    return read;
}

int wg__onnx_open(const struct wg__onnx_file *f, const char *location, uint64_t *size, wg_error *e)
{
    if (!*location || *location == '/' || has_dot_dot(location)) {
        wg__tell(e, *location ? location : "(no location)", WG_EFORMAT, -1,
                 "is not a path inside of the model's folder");
        return -1;
    }
    int fd = open_plain(f->folder, location);
    if (fd < 0 && (errno == ELOOP || errno == ENOTDIR)) return open_link(f, location, size, e);
    return wg__onnx_regular(fd, location, size, e);
}
