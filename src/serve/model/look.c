/* Which file a model's path leads to: itself, the model.onnx of the highest
 * numeric folder in it, or its own model.onnx. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/number/number.h"
#include "serve/model/model_impl.h"

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

/* Checks that l->file is a regular file; if so, fills in the rest of l. */
static bool check_file(struct wg__look *l, int64_t number)
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

enum { NAME = 256 };

/* Reads the number of a folder's name: "12" or "00000012", but not "12a"; -1: the name is no number. */
static int64_t number_of(const char *name)
{
    const uint64_t most = UINT64_C(999999999999999999);
    size_t         n = strlen(name);
    uint64_t       number;
    return n < NAME && wg__count_read(name, n, most, &number) ? (int64_t)number : -1;
}

/* Finds the highest number below `below` among a folder's names, and the shortest name of that number; -1: there is
 * none. */
static int64_t find_highest(const char *folder, int64_t below, char name[static NAME])
{
    DIR    *d = opendir(folder);
    int64_t best = -1;
    for (const struct dirent *entry; d && (entry = readdir(d));) {
        int64_t n = number_of(entry->d_name);
        if (n < 0 || n < best || n >= below || (n == best && strlen(entry->d_name) >= strlen(name))) continue;
        best = n;
        snprintf(name, NAME, "%s", entry->d_name);
    }
    if (d) closedir(d);
    return best;
}

static bool name_file(struct wg__look *l, const char *path, const char *version)
{
    int n = snprintf(l->file, sizeof l->file, "%s%s%s/model.onnx", path, version ? "/" : "", version ? version : "");
    return n > 0 && (size_t)n < sizeof l->file;
}

struct wg__look wg__look_at(const char *path)
{
    struct wg__look l = {.number = -1};
    char            name[NAME];
    int             n = snprintf(l.file, sizeof l.file, "%s", path);
    if (n < 0 || (size_t)n >= sizeof l.file || check_file(&l, 1)) return l;
    for (int64_t v = INT64_MAX; (v = find_highest(path, v, name)) >= 0;)
        if (name_file(&l, path, name) && check_file(&l, v)) return l;
    if (!name_file(&l, path, NULL) || !check_file(&l, 1)) snprintf(l.file, sizeof l.file, "%s", path);
    return l;
}

bool wg__look_same(const struct wg__look *a, const struct wg__look *b)
{
    return a->number == b->number && memcmp(a->stamp, b->stamp, sizeof a->stamp) == 0;
}
