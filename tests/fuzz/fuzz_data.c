/* Any bytes as each of the files that src/data and src/train read.  What a reader takes is whole; what it refuses
 * leaves nothing behind and a reason. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <wengert/data.h>
#include <wengert/train.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void demand(bool law)
{
    if (!law) abort();
}

/* Reads every byte, for a sanitizer to see. */
static void touch(const void *data, size_t n)
{
    const volatile uint8_t *p = data;
    for (size_t i = 0; i < n; i++) (void)p[i];
}

static void demand_whole(const wg_array *a)
{
    size_t bytes = wg_array_bytes(a);
    demand(a->data != NULL && a->shape.rank >= 0 && a->shape.rank <= WG_MAX_RANK);
    touch(a->data, bytes);
    for (size_t i = 0; i < bytes && a->dtype == WG_BOOL; i++) demand(((uint8_t *)a->data)[i] <= 1);
}

static void demand_refused(int status, const wg_error *e)
{
    demand(status < 0 && e->status == status && e->message[0] && memchr(e->message, 0, sizeof e->message));
}

typedef int array_parser(const void *bytes, size_t n, wg_array *out, wg_error *e);

static void as_array(array_parser *parse, const uint8_t *bytes, size_t n)
{
    wg_array a;
    wg_error e = {0};
    int      status = parse(bytes, n, &a, &e);
    if (status) demand_refused(status, &e);
    else demand_whole(&a);
    demand(!status || (a.data == NULL && a.shape.rank == 0));
    wg_array_free(&a);
}

static void as_npz(const uint8_t *bytes, size_t n)
{
    wg_npz   z;
    wg_error e = {0};
    int      status = wg_npz_parse(bytes, n, &z, &e);
    if (status) demand_refused(status, &e);
    for (int i = 0; i < z.n; i++) {
        demand(z.entry[i].name != NULL && (z.entry[i].reason != NULL) == (z.entry[i].array.data == NULL));
        if (!z.entry[i].reason) demand_whole(&z.entry[i].array);
    }
    demand(!status || z.n == 0);
    wg_npz_free(&z);
}

static void demand_table(const wg_csv *c)
{
    demand_whole(&c->values);
    demand(c->values.shape.rank == 2 && c->values.shape.dim[1] == c->columns);
    for (int k = 0; k < c->columns; k++) {
        if (c->name) touch(c->name[k], strlen(c->name[k]));
        int classes = c->classes ? c->classes[k].n : 0;
        for (int i = 1; i < classes; i++) demand(strcmp(c->classes[k].name[i - 1], c->classes[k].name[i]) < 0);
        for (int64_t i = 0; classes && i < c->values.shape.dim[0]; i++) {
            double v = ((double *)c->values.data)[i * c->columns + k];
            demand(v != v || (v >= 0 && v < classes && v == (double)(int)v));
        }
    }
}

/* A table with its own classes as the earlier file's is the same table, where no two columns have one name. */
static void as_csv(const uint8_t *bytes, size_t n, const wg_csv_options *o)
{
    wg_csv   c, again;
    wg_error e = {0};
    int      status = wg_csv_parse(bytes, n, o, &c, &e);
    if (status) {
        demand_refused(status, &e);
        return;
    }
    demand_table(&c);
    wg_csv_options like = *o;
    like.like = &c;
    if (c.classes && !o->header) {
        demand(wg_csv_parse(bytes, n, &like, &again, NULL) == WG_OK);
        demand(!memcmp(c.values.data, again.values.data, wg_array_bytes(&c.values)));
        wg_csv_free(&again);
    }
    wg_csv_free(&c);
}

static void as_safetensors(const uint8_t *bytes, size_t n)
{
    wg_error        e = {0};
    wg_safetensors *f = wg_safetensors_parse(bytes, n, &e);
    if (!f) demand_refused(e.status, &e);
    for (int i = 0; i < wg_safetensors_count(f); i++) {
        const wg_safetensor *x = wg_safetensors_at(f, i);
        demand((wg_safetensors_find(f, x->name) == x) == (x->data != NULL));
        demand((wg_safetensors_reason(f, x->name) != NULL) == (x->data == NULL));
        if (x->data) touch(x->data, (size_t)wg_count(&x->shape) * wg_dtype_size(x->dtype));
    }
    wg_safetensors_free(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const wg_csv_options ways[] = {
        {.dtype = WG_F64},
        {.dtype = WG_F64, .header = 1, .missing = 1, .text_is_class = 1, .comment = '#'},
        {.dtype = WG_F64, .delimiter = ' ', .skip = 1, .missing = 1, .text_is_class = 1, .comment = '%'}};
    as_array(wg_npy_parse, bytes, n);
    as_array(wg_idx_parse, bytes, n);
    as_npz(bytes, n);
    as_safetensors(bytes, n);
    for (int i = 0; i < 3; i++) as_csv(bytes, n, &ways[i]);
    return 0;
}
