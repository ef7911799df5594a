/* What a program does with a table: finds columns, takes them out. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/csv/csv_impl.h"
#include "graph/graph_impl.h"

int wg_csv_find(const wg_csv *c, const char *name)
{
    for (int i = 0; c && c->name && name && i < c->columns; i++)
        if (strcmp(c->name[i], name) == 0) return i;
    return -1;
}

static int refuse_value(const wg_csv *c, int64_t record, int column, double v, wg_dtype t, wg_error *e)
{
    const char *name = c->name ? c->name[column] : "";
    return wg__say(e, "wg_csv_take", WG_EARG, -1, "record %lld, column %d%s%.60s%s: %.17g is no value of %s",
                   (long long)record + 1, column + 1, *name ? " '" : "", name, *name ? "'" : "", v, wg_dtype_name(t));
}

static int copy_values(const wg_csv *c, int first, int n, wg_array *out, wg_error *e)
{
    int64_t records = c->values.shape.dim[0];
    for (int64_t i = 0; i < records; i++)
        for (int k = 0; k < n; k++) {
            double v = wg__load(c->values.dtype, c->values.data, i * c->columns + first + k);
            if (!wg__holds(out->dtype, v)) return refuse_value(c, i, first + k, v, out->dtype, e);
            wg__store(out->dtype, out->data, i * n + k, v);
        }
    return WG_OK;
}

int wg_csv_take(const wg_csv *c, int first, int n, wg_dtype t, wg_array *out, wg_error *e)
{
    if (wg__lacks(e, "wg_csv_take", "out", out)) return WG_EARG;
    *out = (wg_array){0};
    if (!c || !c->values.data) return wg__say(e, "wg_csv_take", WG_EARG, -1, "no table");
    if (!wg_dtype_size(t)) return wg__say(e, "wg_csv_take", WG_EDTYPE, -1, "no dtype");
    if (first < 0 || n < 1 || n > c->columns || first > c->columns - n)
        return wg__say(e, "wg_csv_take", WG_EARG, -1, "%d columns from column %d on, but there are %d", n, first,
                       c->columns);
    int64_t records = c->values.shape.dim[0];
    int     status = wg_array_new(out, t, n == 1 ? WG_SHAPE(records) : WG_SHAPE(records, n));
    if (status) return wg__say(e, "wg_csv_take", status, -1, "out of memory");
    status = copy_values(c, first, n, out, e);
    if (status) wg_array_free(out);
    return status;
}

void wg_csv_free(wg_csv *c)
{
    if (!c) return;
    for (int i = 0; c->name && i < c->columns; i++) free(c->name[i]);
    for (int i = 0; c->classes && i < c->columns; i++) wg__csv_classes_free(&c->classes[i]);
    free(c->name);
    free(c->classes);
    wg_array_free(&c->values);
    *c = (wg_csv){0};
}
