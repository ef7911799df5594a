/* Writing .npz: stored members, as numpy.savez does.  Sizes and places have 32
 * bits; what needs more is refused before anything is written. */
#include <stdlib.h>
#include <string.h>

#include "data/numpy/zip_impl.h"
#include "graph/graph_impl.h"

/* 2.0, UTF-8 names, stored, midnight of 1 January 1980: the same arrays give the same bytes. */
enum { VERSION = 20, UTF8 = 1 << 11, STORED = 0, TIME = 0, DATE = 1 << 5 | 1 };

struct item {
    const char     *name;
    const wg_array *array;
    char            header[WG__NPY_HEADER];
    size_t          n_header, n_name;
    uint32_t        at, size, crc;
};

static void put16(uint8_t *p, uint32_t v) { wg__little_put(p, 2, v); }
static void put32(uint8_t *p, uint32_t v) { wg__little_put(p, 4, v); }

/* Writes the fields from version to name length, which a local header and a directory entry have alike. */
static void put_common(uint8_t *p, const struct item *t)
{
    put16(p, VERSION);
    put16(p + 2, UTF8);
    put16(p + 4, STORED);
    put16(p + 6, TIME);
    put16(p + 8, DATE);
    put32(p + 10, t->crc);
    put32(p + 14, t->size);
    put32(p + 18, t->size);
    put16(p + 22, (uint32_t)t->n_name + 4);
}

static void write_name(struct wg__out *o, const struct item *t)
{
    wg__out_write(o, t->name, t->n_name);
    wg__out_write(o, ".npy", 4);
}

static void write_member(struct wg__out *o, struct item *t)
{
    uint8_t h[WG__ZIP_LOCAL_SIZE] = {0};
    t->at = (uint32_t)o->at;
    put32(h, WG__ZIP_LOCAL);
    put_common(h + 4, t);
    wg__out_write(o, h, sizeof h);
    write_name(o, t);
    wg__out_write(o, t->header, t->n_header);
    wg__out_write(o, t->array->data, wg_array_bytes(t->array));
}

static void write_entry(struct wg__out *o, const struct item *t)
{
    uint8_t h[WG__ZIP_ENTRY_SIZE] = {0};
    put32(h, WG__ZIP_ENTRY);
    put16(h + 4, VERSION);
    put_common(h + 6, t);
    put32(h + 42, t->at);
    wg__out_write(o, h, sizeof h);
    write_name(o, t);
}

static void write_end(struct wg__out *o, int n, uint64_t directory)
{
    uint8_t h[WG__ZIP_END_SIZE] = {0};
    put32(h, WG__ZIP_END);
    put16(h + 8, (uint32_t)n);
    put16(h + 10, (uint32_t)n);
    put32(h + 12, (uint32_t)(o->at - directory));
    put32(h + 16, (uint32_t)directory);
    wg__out_write(o, h, sizeof h);
}

static int prepare_item(const char *path, int i, struct item *t, const char *name, const wg_array *a, wg_error *e)
{
    int status = wg__array_check(path, a, e);
    if (status) return status;
    if (!name || !*name || strlen(name) > 60000) return wg__say(e, path, WG_EARG, -1, "a name is missing or too long");
    if (!wg__text_valid(name))
        return wg__say(e, path, WG_EARG, -1, "name %d is not UTF-8 text, which names in a zip file are", i);
    *t = (struct item){.name = name, .array = a, .n_name = strlen(name)};
    t->n_header = wg__npy_header_write(a, t->header);
    size_t bytes = wg_array_bytes(a);
    if (bytes > UINT32_MAX - WG__NPY_HEADER - 1)
        return wg__say(e, path, WG_EARG, -1, "'%.60s' has over 4 GiB: write it as .npy", name);
    t->size = (uint32_t)(t->n_header + bytes);
    t->crc = (uint32_t)crc32_z(0, (const Bytef *)t->header, t->n_header);
    if (bytes) t->crc = (uint32_t)crc32_z(t->crc, a->data, bytes);
    return WG_OK;
}

static int by_name(const void *x, const void *y) { return strcmp(*(const char *const *)x, *(const char *const *)y); }

static int check_names(const char *path, int n, const struct item *t, wg_error *e)
{
    size_t       count = (size_t)n;
    const char **name = count ? malloc(count * sizeof *name) : NULL;
    int          status = WG_OK;
    if (!name) return count ? wg__say(e, path, WG_ENOMEM, -1, "out of memory") : WG_OK;
    for (size_t i = 0; i < count; i++) name[i] = t[i].name;
    qsort(name, count, sizeof *name, by_name);
    for (size_t i = 1; i < count; i++)
        if (strcmp(name[i - 1], name[i]) == 0)
            status = wg__say(e, path, WG_EARG, -1, "the name '%.60s' is given twice", name[i]);
    free(name);
    return status;
}

static int check_size(const char *path, int n, const struct item *t, wg_error *e)
{
    uint64_t total = WG__ZIP_END_SIZE;
    for (int i = 0; i < n; i++) total += WG__ZIP_LOCAL_SIZE + WG__ZIP_ENTRY_SIZE + 2 * (t[i].n_name + 4) + t[i].size;
    return n < UINT16_MAX && total < UINT32_MAX
               ? WG_OK
               : wg__say(e, path, WG_EARG, -1, "%d arrays of %llu bytes are more than .npz without zip64 can hold", n,
                         (unsigned long long)total);
}

static int write_all(const char *path, int n, struct item *t, wg_error *e)
{
    struct wg__out o;
    int            status = wg__out_open(&o, path, e);
    if (status) return status;
    for (int i = 0; i < n; i++) write_member(&o, &t[i]);
    uint64_t directory = o.at;
    for (int i = 0; i < n; i++) write_entry(&o, &t[i]);
    write_end(&o, n, directory);
    return wg__out_commit(&o);
}

int wg_npz_write(const char *path, int n, const char *const name[], const wg_array *const array[], wg_error *e)
{
    static const char call[] = "wg_npz_write";
    if (wg__lacks(e, call, "path", path)) return WG_EARG;
    if (n > 0 && (wg__lacks(e, call, "name", name) || wg__lacks(e, call, "array", array))) return WG_EARG;
    if (n < 0) return wg__say(e, path, WG_EARG, -1, "%d arrays to write", n);
    struct item *t = calloc(n ? (size_t)n : 1, sizeof *t);
    int          status = t ? WG_OK : wg__say(e, path, WG_ENOMEM, -1, "out of memory");
    for (int i = 0; !status && i < n; i++) status = prepare_item(path, i, &t[i], name[i], array[i], e);
    if (!status) status = check_names(path, n, t, e);
    if (!status) status = check_size(path, n, t, e);
    if (!status) status = write_all(path, n, t, e);
    free(t);
    return status;
}
