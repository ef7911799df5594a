/* .npz: a zip file whose members are .npy files. */
#include <stdlib.h>
#include <string.h>

#include "data/numpy/zip_impl.h"

/* Tells whether a member is an array by its name; *n is the name's length without ".npy". */
static bool is_npy(const struct wg__zip_member *m, size_t *n)
{
    *n = strlen(m->name);
    if (*n <= 4 || strcmp(m->name + *n - 4, ".npy") != 0) return false;
    *n -= 4;
    return true;
}

static int read_array(struct wg__file *f, const struct wg__zip_member *m, wg_array *out, bool list)
{
    struct wg__file_stream s;
    int                    status = wg__zip_open(&s, f, m);
    if (status) return status;
    f->part = m->name;
    status = wg__npy_stream(&s, out, list);
    f->part = NULL;
    if (!status && !list && (status = wg__zip_check(&s, m))) wg_array_free(out);
    wg__stream_close(&s);
    return status;
}

/* Reads a member that has to be an array.  On failure f->unsupported tells data that are not supported from damaged
 * data. */
static int read_member(struct wg__file *f, const struct wg__zip_member *m, wg_array *out, bool list)
{
    size_t n;
    f->unsupported = false;
    return is_npy(m, &n) ? read_array(f, m, out, list)
                         : wg__foreign(f, WG_EFORMAT, m->entry, "'%.60s' is no .npy member", m->name);
}

static char *copy_text(const struct wg__file *f, const char *text, size_t n)
{
    char *copy = malloc(n + 1);
    if (!copy) return wg__bad_memory(f), NULL;
    memcpy(copy, text, n);
    copy[n] = 0;
    return copy;
}

/* Reads an entry.  An array that is not supported leaves the reason in the entry and is no error. */
static int read_entry(struct wg__file *f, const struct wg__zip_member *m, struct wg_npz_entry *to, bool list)
{
    wg_error own = {0}, *e = f->e;
    size_t   n;
    is_npy(m, &n);
    if (!(to->name = copy_text(f, m->name, n))) return WG_ENOMEM;
    f->e = &own;
    int status = read_member(f, m, &to->array, list);
    f->e = e;
    if (status && f->unsupported) {
        to->array = (wg_array){0};
        return (to->reason = copy_text(f, own.message, strlen(own.message))) ? WG_OK : WG_ENOMEM;
    }
    if (status && e) *e = own;
    return status;
}

static int read_all(struct wg__file *f, wg_npz *out, bool list)
{
    struct wg__zip z;
    int            status = wg__zip_read(f, &z);
    if (status) return status;
    out->entry = calloc(z.n ? (size_t)z.n : 1, sizeof *out->entry);
    if (!out->entry) status = wg__bad_memory(f);
    while (!status && out->n < z.n) {
        int i = out->n++;
        status = read_entry(f, &z.member[i], &out->entry[i], list);
    }
    wg__zip_free(&z);
    if (status) wg_npz_free(out);
    return status;
}

static int read_path(const char *call, const char *path, wg_npz *out, wg_error *e, bool list)
{
    struct wg__file f;
    if (wg__lacks(e, call, "out", out)) return WG_EARG;
    *out = (wg_npz){0};
    if (wg__lacks(e, call, "path", path)) return WG_EARG;
    int status = wg__file_open(&f, path, e);
    if (status) return status;
    status = read_all(&f, out, list);
    wg__file_close(&f);
    return status;
}

int wg_npz_read(const char *path, wg_npz *out, wg_error *e) { return read_path("wg_npz_read", path, out, e, false); }
int wg_npz_list(const char *path, wg_npz *out, wg_error *e) { return read_path("wg_npz_list", path, out, e, true); }

int wg_npz_parse(const void *bytes, size_t n, wg_npz *out, wg_error *e)
{
    struct wg__file f;
    if (wg__lacks(e, "wg_npz_parse", "out", out)) return WG_EARG;
    *out = (wg_npz){0};
    if (wg__lacks(e, "wg_npz_parse", "bytes", n ? bytes : "")) return WG_EARG;
    wg__file_memory(&f, bytes, n, e);
    return read_all(&f, out, false);
}

/* Finds the member of an array's name, else a member of exactly that name; NULL if there is neither. */
static const struct wg__zip_member *find_member(const struct wg__zip *z, const char *name)
{
    const struct wg__zip_member *exact = NULL;
    size_t                       n = strlen(name);
    for (int i = 0; i < z->n; i++) {
        const char *s = z->member[i].name;
        if (strncmp(s, name, n) == 0 && strcmp(s + n, ".npy") == 0) return &z->member[i];
        if (strcmp(s, name) == 0) exact = &z->member[i];
    }
    return exact;
}

static int read_named(struct wg__file *f, const char *name, wg_array *out)
{
    struct wg__zip z;
    int            status = wg__zip_read(f, &z);
    if (status) return status;
    const struct wg__zip_member *m = find_member(&z, name);
    status = m ? read_member(f, m, out, false) : wg__bad(f, WG_EARG, -1, "has no array named '%.60s'", name);
    if (status) *out = (wg_array){0};
    wg__zip_free(&z);
    return status;
}

int wg_npz_read_one(const char *path, const char *name, wg_array *out, wg_error *e)
{
    struct wg__file f;
    if (wg__lacks(e, "wg_npz_read_one", "out", out)) return WG_EARG;
    *out = (wg_array){0};
    if (wg__lacks(e, "wg_npz_read_one", "path", path) || wg__lacks(e, "wg_npz_read_one", "name", name)) return WG_EARG;
    int status = wg__file_open(&f, path, e);
    if (status) return status;
    status = read_named(&f, name, out);
    wg__file_close(&f);
    return status;
}

const wg_array *wg_npz_find(const wg_npz *z, const char *name)
{
    for (int i = 0; z && name && i < z->n; i++)
        if (!z->entry[i].reason && strcmp(z->entry[i].name, name) == 0) return &z->entry[i].array;
    return NULL;
}

void wg_npz_free(wg_npz *z)
{
    if (!z) return;
    for (int i = 0; z->entry && i < z->n; i++) {
        free(z->entry[i].name);
        free(z->entry[i].reason);
        wg_array_free(&z->entry[i].array);
    }
    free(z->entry);
    *z = (wg_npz){0};
}
