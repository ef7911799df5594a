/* .npz: a zip file whose members are .npy files. */
#include <stdlib.h>
#include <string.h>

#include "data/zip_impl.h"

static int bare_name(const struct wg__file *f, const struct wg__member *m, size_t *n)
{
    *n = strlen(m->name);
    if (*n <= 4 || strcmp(m->name + *n - 4, ".npy") != 0)
        return wg__bad(f, WG_EFORMAT, m->entry, "'%.60s' is no .npy member", m->name);
    *n -= 4;
    return WG_OK;
}

static int read_member(struct wg__file *f, const struct wg__member *m, wg_array *out, bool list)
{
    struct wg__stream s;
    int               status = wg__zip_open(&s, f, m);
    if (status) return status;
    status = wg__npy_stream(&s, out, list);
    if (!status && !list && (status = wg__zip_check(&s, m))) wg_array_free(out);
    wg__stream_close(&s);
    return status;
}

static int read_entry(struct wg__file *f, const struct wg__member *m, struct wg_npz_entry *to, bool list)
{
    size_t n;
    int    status = bare_name(f, m, &n);
    if (status) return status;
    if (!(to->name = malloc(n + 1))) return wg__bad_memory(f);
    memcpy(to->name, m->name, n);
    to->name[n] = 0;
    return read_member(f, m, &to->array, list);
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

static int read_path(const char *path, wg_npz *out, wg_error *e, bool list)
{
    struct wg__file f;
    *out = (wg_npz){0};
    int status = wg__file_open(&f, path, e);
    if (status) return status;
    status = read_all(&f, out, list);
    wg__file_close(&f);
    return status;
}

int wg_npz_read(const char *path, wg_npz *out, wg_error *e) { return read_path(path, out, e, false); }
int wg_npz_list(const char *path, wg_npz *out, wg_error *e) { return read_path(path, out, e, true); }

int wg_npz_parse(const void *bytes, size_t n, wg_npz *out, wg_error *e)
{
    struct wg__file f;
    *out = (wg_npz){0};
    wg__file_memory(&f, bytes, n, e);
    return read_all(&f, out, false);
}

static int read_named(struct wg__file *f, const char *name, wg_array *out)
{
    struct wg__zip z;
    int            status = wg__zip_read(f, &z), i = 0;
    if (status) return status;
    size_t n = strlen(name);
    while (i < z.n && (strncmp(z.member[i].name, name, n) != 0 || strcmp(z.member[i].name + n, ".npy") != 0)) i++;
    status = i < z.n ? read_member(f, &z.member[i], out, false)
                     : wg__bad(f, WG_EARG, -1, "has no array named '%.60s'", name);
    wg__zip_free(&z);
    return status;
}

int wg_npz_read_one(const char *path, const char *name, wg_array *out, wg_error *e)
{
    struct wg__file f;
    *out = (wg_array){0};
    int status = wg__file_open(&f, path, e);
    if (status) return status;
    status = name ? read_named(&f, name, out) : wg__bad(&f, WG_EARG, -1, "no name to look for");
    wg__file_close(&f);
    return status;
}

const wg_array *wg_npz_find(const wg_npz *z, const char *name)
{
    for (int i = 0; z && name && i < z->n; i++)
        if (strcmp(z->entry[i].name, name) == 0) return &z->entry[i].array;
    return NULL;
}

void wg_npz_free(wg_npz *z)
{
    if (!z) return;
    for (int i = 0; z->entry && i < z->n; i++) {
        free(z->entry[i].name);
        wg_array_free(&z->entry[i].array);
    }
    free(z->entry);
    *z = (wg_npz){0};
}
