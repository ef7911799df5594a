/* Reading safetensors files: the whole is checked before anything is given out. */
#include <stdlib.h>
#include <string.h>

#include "train/safetensors/safetensors_impl.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the format is little-endian");

/* ---- Checks over all tensors ---- */

struct key {
    const struct wg_safetensors *f;
    int                          i;
};

static int by_name(const void *a, const void *b)
{
    const struct key *p = a, *q = b;
    return strcmp(p->f->tensor[p->i].name, q->f->tensor[q->i].name);
}

static int by_place(const void *a, const void *b)
{
    const struct key             *p = a, *q = b;
    const struct wg__tensor_span *v = &p->f->place[p->i], *w = &q->f->place[q->i];
    if (v->begin != w->begin) return v->begin < w->begin ? -1 : 1;
    return v->end < w->end ? -1 : v->end > w->end;
}

static int check_names(struct wg_safetensors *f, struct key *key, wg_error *e)
{
    qsort(key, (size_t)f->n, sizeof *key, by_name);
    for (int i = 0; i < f->n; i++) f->by_name[i] = key[i].i;
    for (int i = 1; i < f->n; i++) {
        if (by_name(&key[i - 1], &key[i]) != 0) continue;
        size_t a = f->place[key[i - 1].i].at, b = f->place[key[i].i].at, at = a > b ? a : b;
        return wg__say(e, f->name, WG_EFORMAT, (int64_t)at, "a tensor twice: %.100s", f->tensor[key[i].i].name);
    }
    return WG_OK;
}

static int by_key(const void *a, const void *b)
{
    const struct wg__tensor_note *p = a, *q = b;
    return strcmp(p->key, q->key);
}

static int check_keys(struct wg_safetensors *f, wg_error *e)
{
    if (f->n_meta) qsort(f->meta, (size_t)f->n_meta, sizeof *f->meta, by_key);
    for (int i = 1; i < f->n_meta; i++) {
        if (by_key(&f->meta[i - 1], &f->meta[i]) != 0) continue;
        size_t a = f->meta[i - 1].at, b = f->meta[i].at, at = a > b ? a : b;
        return wg__say(e, f->name, WG_EFORMAT, (int64_t)at, "a key twice: %.100s", f->meta[i].key);
    }
    return WG_OK;
}

/* Checks that the tensors fill the data from the first byte to the last, without holes and overlaps. */
static int check_tiling(const struct wg_safetensors *f, struct key *key, wg_error *e)
{
    size_t done = 0, data = f->size - 8 - f->header;
    qsort(key, (size_t)f->n, sizeof *key, by_place);
    for (int i = 0; i < f->n; i++) {
        const struct wg__tensor_span *w = &f->place[key[i].i];
        if (w->begin != done)
            return wg__say(e, f->name, WG_EFORMAT, (int64_t)w->at, "the data of %.100s begin at %zu and not at %zu: %s",
                           f->tensor[key[i].i].name, w->begin, done, w->begin > done ? "a hole" : "an overlap");
        done = w->end;
    }
    if (done == data) return WG_OK;
    size_t at = 8 + f->header + done;
    return wg__say(e, f->name, WG_EFORMAT, (int64_t)at, "%zu bytes that belong to no tensor", data - done);
}

const unsigned char *wg__st_bad_bool(const wg_safetensor *x)
{
    const unsigned char *p = x->data;
    for (int64_t i = 0, n = x->dtype == WG_BOOL && p ? wg_count(&x->shape) : 0; i < n; i++)
        if (p[i] > 1) return p + i;
    return NULL;
}

static int check_bools(const struct wg_safetensors *f, wg_error *e)
{
    for (int i = 0; i < f->n; i++) {
        const unsigned char *p = wg__st_bad_bool(&f->tensor[i]);
        if (p) return wg__say(e, f->name, WG_EFORMAT, p - f->file, "a bool that is %d", *p);
    }
    return WG_OK;
}

/* ---- Dtypes that only files have ---- */

static size_t wide_bytes(const struct wg_safetensors *f, int i)
{
    const struct wg__element *t = f->place[i].element;
    if (!f->tensor[i].data || !wg__element_widens(t)) return 0;
    size_t n = (f->place[i].end - f->place[i].begin) / t->size;
    return (n * wg_dtype_size(t->dtype) + 15) / 16 * 16; /* at most four times what the file has */
}

/* Gives each tensor of a narrower type its values in a dtype of this library. */
static int widen_all(struct wg_safetensors *f, wg_error *e)
{
    size_t total = 0;
    for (int i = 0; i < f->n; i++)
        if (__builtin_add_overflow(total, wide_bytes(f, i), &total)) total = SIZE_MAX / 2;
    if (total && !(f->wide = malloc(total))) return wg__say(e, f->name, WG_ENOMEM, -1, "out of memory");
    unsigned char *to = f->wide;
    for (int i = 0; i < f->n; i++) {
        size_t n = wide_bytes(f, i);
        if (!n) continue;
        const struct wg__tensor_span *w = &f->place[i];
        wg__elements_widen(w->element, f->tensor[i].data, (w->end - w->begin) / w->element->size, to);
        f->tensor[i].data = to;
        to += n;
    }
    return WG_OK;
}

/* Leaves out each tensor of which a value has no place here. */
static int check_values(struct wg_safetensors *f, wg_error *e)
{
    for (int i = 0; i < f->n; i++) {
        const struct wg__tensor_span *w = &f->place[i];
        uint64_t                      v;
        if (!f->tensor[i].data) continue;
        size_t n = (w->end - w->begin) / w->element->size, k = wg__elements_fit(w->element, f->tensor[i].data, n);
        if (k == n) continue;
        memcpy(&v, (const char *)f->tensor[i].data + k * sizeof v, sizeof v);
        if (!wg__st_leave_out(f, i, "element %zu is %llu, which no 64-bit integer with a sign holds", k,
                              (unsigned long long)v))
            return wg__say(e, f->name, WG_ENOMEM, -1, "out of memory");
    }
    return WG_OK;
}

static int check_tensors(struct wg_safetensors *f, wg_error *e)
{
    struct key *key = calloc((size_t)f->n + 1, sizeof *key);
    f->by_name = calloc((size_t)f->n + 1, sizeof *f->by_name);
    int status = check_keys(f, e);
    if (!key || !f->by_name) status = wg__say(e, f->name, WG_ENOMEM, -1, "out of memory");
    else {
        for (int i = 0; i < f->n; i++) key[i] = (struct key){f, i};
        if (!status) status = check_names(f, key, e);
        if (!status) status = check_tiling(f, key, e);
    }
    free(key);
    if (!status) status = check_bools(f, e);
    if (!status) status = check_values(f, e);
    return status ? status : widen_all(f, e);
}

static int check(struct wg_safetensors *f, wg_error *e)
{
    uint64_t header;
    if (f->size < 8) return wg__say(e, f->name, WG_EFORMAT, (int64_t)f->size, "the file ends within its first 8 bytes");
    memcpy(&header, f->file, 8);
    if (header > WG__ST_HEADER)
        return wg__say(e, f->name, WG_EFORMAT, 0, "a header of %llu bytes: damaged, or not a safetensors file",
                       (unsigned long long)header);
    if (header > f->size - 8)
        return wg__say(e, f->name, WG_EFORMAT, (int64_t)f->size, "the file ends within its header of %llu bytes",
                       (unsigned long long)header);
    f->header = (size_t)header;
    /* A decoded string and its end are no longer than what stands in the file with quotes. */
    f->text = malloc(f->header + 1);
    if (!f->text) return wg__say(e, f->name, WG_ENOMEM, -1, "out of memory");
    int status = wg__st_header(f, e);
    return status ? status : check_tensors(f, e);
}

/* ---- Opening ---- */

void wg_safetensors_free(wg_safetensors *f)
{
    if (!f) return;
    for (int i = 0; i < f->n; i++) free(f->place[i].reason);
    free(f->wide);
    free(f->by_name);
    free(f->meta);
    free(f->place);
    free(f->tensor);
    free(f->text);
    free(f->file);
    free(f);
}

static wg_safetensors *read_checked(const struct wg__file *file)
{
    struct wg_safetensors *f = calloc(1, sizeof *f);
    unsigned char         *bytes = file->size < SIZE_MAX ? malloc((size_t)file->size + 1) : NULL;
    if (!f || !bytes) {
        free(f);
        free(bytes);
        wg__bad_memory(file);
        return NULL;
    }
    *f = (struct wg_safetensors){.name = file->name, .file = bytes, .size = (size_t)file->size};
    if (wg__file_read(file, 0, bytes, f->size) == WG_OK && check(f, file->e) == WG_OK) return f;
    wg_safetensors_free(f);
    return NULL;
}

wg_safetensors *wg_safetensors_parse(const void *data, size_t size, wg_error *e)
{
    struct wg__file file;
    if (wg__lacks(e, "wg_safetensors_parse", "data", size ? data : "")) return NULL;
    wg__file_memory(&file, data, size, e);
    return read_checked(&file);
}

wg_safetensors *wg_safetensors_read(const char *path, wg_error *e)
{
    struct wg__file file;
    if (wg__lacks(e, "wg_safetensors_read", "path", path)) return NULL;
    if (wg__file_open(&file, path, e)) return NULL;
    wg_safetensors *f = read_checked(&file);
    wg__file_close(&file);
    return f;
}

/* ---- Asking ---- */

int wg_safetensors_count(const wg_safetensors *f) { return f ? f->n : 0; }

const wg_safetensor *wg_safetensors_at(const wg_safetensors *f, int i)
{
    return f && i >= 0 && i < f->n ? &f->tensor[i] : NULL;
}

int wg__st_find(const wg_safetensors *f, const char *name)
{
    int lo = 0, hi = f && name ? f->n : 0;
    while (lo < hi) {
        int mid = lo + (hi - lo) / 2, order = strcmp(name, f->tensor[f->by_name[mid]].name);
        if (order == 0) return f->by_name[mid];
        if (order < 0) hi = mid;
        else lo = mid + 1;
    }
    return -1;
}

const wg_safetensor *wg_safetensors_find(const wg_safetensors *f, const char *name)
{
    int i = wg__st_find(f, name);
    return i < 0 || f->place[i].reason ? NULL : &f->tensor[i];
}

const char *wg_safetensors_reason(const wg_safetensors *f, const char *name)
{
    int i = wg__st_find(f, name);
    return i < 0 ? NULL : f->place[i].reason;
}

const char *wg_safetensors_meta(const wg_safetensors *f, const char *key)
{
    struct wg__tensor_note        want = {.key = key};
    const struct wg__tensor_note *m = NULL;
    if (f && key && f->n_meta) m = bsearch(&want, f->meta, (size_t)f->n_meta, sizeof want, by_key);
    return m ? m->text : NULL;
}
