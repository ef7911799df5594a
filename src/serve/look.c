/* Which file a model's path leads to: itself, the model.onnx of the highest
 * numeric folder in it, or its own model.onnx. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "serve/model_impl.h"

static void stamp(const char *file, uint64_t to[static 5])
{
    struct stat st;
    if (stat(file, &st)) return;
    to[0] = (uint64_t)st.st_dev;
    to[1] = (uint64_t)st.st_ino;
    to[2] = (uint64_t)st.st_size;
    to[3] = (uint64_t)st.st_mtim.tv_sec;
    to[4] = (uint64_t)st.st_mtim.tv_nsec;
}

/* A regular file becomes what was found. */
static bool found(struct wg__look *l, int64_t number)
{
    struct stat st;
    char        data[sizeof l->file + 8];
    if (stat(l->file, &st) || !S_ISREG(st.st_mode)) return false;
    snprintf(data, sizeof data, "%s.data", l->file);
    stamp(l->file, l->stamp);
    stamp(data, l->stamp + 5);
    l->number = number;
    return true;
}

/* "12", not "012" or "12a"; -1 if it is none. */
static int64_t number_of(const char *name)
{
    size_t n = strspn(name, "0123456789");
    if (!n || name[n] || n > 18 || (*name == '0' && n > 1)) return -1;
    return strtoll(name, NULL, 10);
}

/* The highest number below `below` among a folder's names; -1 if there is none. */
static int64_t highest(const char *folder, int64_t below)
{
    DIR    *d = opendir(folder);
    int64_t best = -1;
    for (const struct dirent *entry; d && (entry = readdir(d));) {
        int64_t n = number_of(entry->d_name);
        if (n > best && n < below) best = n;
    }
    if (d) closedir(d);
    return best;
}

static bool name_file(struct wg__look *l, const char *path, int64_t number)
{
    int n = number < 0 ? snprintf(l->file, sizeof l->file, "%s/model.onnx", path)
                       : snprintf(l->file, sizeof l->file, "%s/%lld/model.onnx", path, (long long)number);
    return n > 0 && (size_t)n < sizeof l->file;
}

struct wg__look wg__look_at(const char *path)
{
    struct wg__look l = {.number = -1};
    int             n = snprintf(l.file, sizeof l.file, "%s", path);
    if (n < 0 || (size_t)n >= sizeof l.file || found(&l, 1)) return l;
    for (int64_t v = INT64_MAX; (v = highest(path, v)) >= 0;)
        if (name_file(&l, path, v) && found(&l, v)) return l;
    if (!name_file(&l, path, -1) || !found(&l, 1)) snprintf(l.file, sizeof l.file, "%s", path);
    return l;
}

bool wg__look_same(const struct wg__look *a, const struct wg__look *b)
{
    return a->number == b->number && memcmp(a->stamp, b->stamp, sizeof a->stamp) == 0;
}
