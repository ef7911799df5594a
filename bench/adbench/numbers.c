/* Data files of ADBench: numbers between blanks. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <wengert/data.h>

#include "adbench.h"

/* Reads the numbers of a text that ends with a zero byte. */
static int scan(const char *path, const char *text, struct adbench_numbers *f)
{
    int64_t room = (int64_t)strlen(text) / 2 + 1;
    f->at = malloc((size_t)room * sizeof *f->at);
    if (!f->at) return fprintf(stderr, "%s: out of memory\n", path), -1;
    for (char *end; *(text += strspn(text, " \t\r\n")); text = end) {
        f->at[f->n] = strtod(text, &end);
        if (end == text) return fprintf(stderr, "%s: no number after %lld numbers\n", path, (long long)f->n), -1;
        f->n++;
    }
    return 0;
}

int adbench_read(const char *path, struct adbench_numbers *f)
{
    FILE *file = fopen(path, "rb");
    char *text = NULL;
    long  size = -1;
    int   bad = -1;
    *f = (struct adbench_numbers){0};
    if (file && !fseek(file, 0, SEEK_END)) size = ftell(file);
    if (size >= 0 && !fseek(file, 0, SEEK_SET)) text = malloc((size_t)size + 1);
    if (text && fread(text, 1, (size_t)size, file) == (size_t)size) {
        text[size] = '\0';
        bad = scan(path, text, f);
    } else perror(path);
    free(text);
    if (file) fclose(file);
    return bad;
}

double *adbench_take(struct adbench_numbers *f, int64_t n)
{
    if (n < 0 || n > f->n - f->used) {
        fprintf(stderr, "the file ends: %lld numbers are wanted, %lld are left\n", (long long)n,
                (long long)(f->n - f->used));
        return NULL;
    }
    f->used += n;
    return f->at + f->used - n;
}

int64_t adbench_count(struct adbench_numbers *f)
{
    const double *v = adbench_take(f, 1);
    if (v && *v >= 1 && *v <= 1e9 && *v == (double)(int64_t)*v) return (int64_t)*v;
    if (v) fprintf(stderr, "%g is no count\n", *v);
    return 0;
}

wg_node *adbench_param(wg_graph *g, const char *name, wg_shape s, const double *values)
{
    wg_node *x = wg_param(g, name, WG_F64, s);
    return x && wg_param_set(x, values) == WG_OK ? x : NULL;
}
