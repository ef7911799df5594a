/* Writing safetensors files. */
#include <stdlib.h>
#include <string.h>

#include "base/json/json.h"
#include "train/safetensors/safetensors_impl.h"

/* What is to be written; order: the larger elements first, so that each
 * tensor lies at a multiple of its element's size. */
struct file {
    const char          *path;
    int                  n, n_meta;
    const wg_safetensor *x;
    const char *const (*meta)[2];
    int            *order;
    struct wg__text header; /* with its first eight bytes */
};

/* ---- Checks: what the reader would refuse is not written ---- */

static bool valid_text(const char *text) { return text && wg__text_valid(text); }

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static int check_twice(const struct file *f, int n, const char **names, wg_error *e)
{
    if (n) qsort(names, (size_t)n, sizeof *names, by_text);
    for (int i = 1; i < n; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            return wg__say(e, f->path, WG_EARG, -1, "the name %.100s twice", names[i]);
    return WG_OK;
}

static int check_tensors(const struct file *f, const char **names, wg_error *e)
{
    for (int i = 0; i < f->n; i++) {
        const wg_safetensor *x = &f->x[i];
        if (!valid_text(x->name) || strcmp(x->name, "__metadata__") == 0)
            return wg__say(e, f->path, WG_EARG, -1, "tensor %d needs another name", i);
        bool   known = x->shape.rank >= 0 && x->shape.rank <= WG_MAX_RANK && wg__element_of_dtype(x->dtype);
        size_t bytes = known ? wg__bytes(x->dtype, &x->shape) : SIZE_MAX;
        if (bytes == SIZE_MAX)
            return wg__say(e, f->path, WG_EARG, -1, "%.100s has no dtype, or no shape of known size", x->name);
        if (bytes && !x->data) return wg__say(e, f->path, WG_EARG, -1, "%.100s has no data", x->name);
        if (wg__st_bad_bool(x))
            return wg__say(e, f->path, WG_EARG, -1, "%.100s has a bool that is not 0 or 1", x->name);
        names[i] = x->name;
    }
    return check_twice(f, f->n, names, e);
}

static int check_meta(const struct file *f, const char **names, wg_error *e)
{
    for (int i = 0; i < f->n_meta; i++) {
        if (!valid_text(f->meta[i][0]) || !valid_text(f->meta[i][1]))
            return wg__say(e, f->path, WG_EARG, -1, "metadata %d is not UTF-8 text", i);
        names[i] = f->meta[i][0];
    }
    return check_twice(f, f->n_meta, names, e);
}

/* ---- The header ---- */

static void sort_tensors(struct file *f)
{
    static const size_t sizes[] = {8, 4, 1};
    int                 k = 0;
    for (int s = 0; s < 3; s++)
        for (int i = 0; i < f->n; i++)
            if (wg_dtype_size(f->x[i].dtype) == sizes[s]) f->order[k++] = i;
}

static void put_number(struct wg__text *t, const char *before, uint64_t v)
{
    wg__text_say(t, "%s%llu", before, (unsigned long long)v);
}

static void put_tensor(struct wg__text *t, const wg_safetensor *x, uint64_t *offset)
{
    uint64_t begin = *offset;
    wg__text_string(t, x->name);
    wg__text_say(t, ":{\"dtype\":\"%s\",\"shape\":[", wg__element_of_dtype(x->dtype)->safetensors);
    for (int i = 0; i < x->shape.rank; i++) put_number(t, i ? "," : "", (uint64_t)x->shape.dim[i]);
    *offset += wg__bytes(x->dtype, &x->shape);
    put_number(t, "],\"data_offsets\":[", begin);
    put_number(t, ",", *offset);
    wg__text_put(t, "]}");
}

static void put_header(struct wg__text *t, const struct file *f)
{
    uint64_t offset = 0;
    wg__text_put(t, "{");
    for (int i = 0; i < f->n_meta; i++) {
        wg__text_put(t, i ? "," : "\"__metadata__\":{");
        wg__text_string(t, f->meta[i][0]);
        wg__text_put(t, ":");
        wg__text_string(t, f->meta[i][1]);
    }
    if (f->n_meta) wg__text_put(t, f->n ? "}," : "}");
    for (int i = 0; i < f->n; i++) {
        wg__text_put(t, i ? "," : "");
        put_tensor(t, &f->x[f->order[i]], &offset);
    }
    wg__text_put(t, "}");
    while (t->n % 8 && !t->failed) wg__text_put(t, " ");
}

static int make_header(struct file *f, wg_error *e)
{
    uint64_t json = 0;
    sort_tensors(f);
    wg__text_add(&f->header, &json, sizeof json);
    put_header(&f->header, f);
    if (f->header.failed) return wg__say(e, f->path, WG_ENOMEM, -1, "out of memory");
    json = f->header.n - sizeof json;
    if (json > WG__ST_HEADER)
        return wg__say(e, f->path, WG_EARG, -1, "the header would have %llu bytes", (unsigned long long)json);
    memcpy(f->header.at, &json, sizeof json);
    return WG_OK;
}

/* ---- The file ---- */

static int write_file(const char *path, const struct file *f, wg_error *e)
{
    struct wg__out out;
    int            status = wg__out_open(&out, path, e);
    if (status) return status;
    wg__out_write(&out, f->header.at, f->header.n);
    for (int i = 0; i < f->n; i++) {
        const wg_safetensor *x = &f->x[f->order[i]];
        wg__out_write(&out, x->data, wg__bytes(x->dtype, &x->shape));
    }
    return wg__out_commit(&out);
}

int wg_safetensors_write(const char *path, int n, const wg_safetensor x[], int n_meta, const char *const meta[][2],
                         wg_error *e)
{
    static const char call[] = "wg_safetensors_write";
    if (wg__lacks(e, call, "path", path)) return WG_EARG;
    if (n < 0 || n_meta < 0) return wg__say(e, call, WG_EARG, -1, "%d tensors and %d pairs of metadata", n, n_meta);
    if ((n && wg__lacks(e, call, "x", x)) || (n_meta && wg__lacks(e, call, "meta", meta))) return WG_EARG;
    struct file  f = {.path = path, .n = n, .n_meta = n_meta, .x = x, .meta = meta};
    size_t       most = (size_t)(n > n_meta ? n : n_meta) + 1;
    const char **names = calloc(most, sizeof *names);
    f.order = calloc(most, sizeof *f.order);
    int status = WG_ENOMEM;
    if (!names || !f.order) wg__say(e, path, status, -1, "out of memory");
    else if (!(status = check_tensors(&f, names, e))) status = check_meta(&f, names, e);
    if (!status) status = make_header(&f, e);
    if (!status) status = write_file(path, &f, e);
    wg__text_free(&f.header);
    free(f.order);
    free(names);
    return status;
}
