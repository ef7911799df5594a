/* A saved net. Parameters and solver state are written by the library; the metadata have the options
 * and epochs of the run, so that a run that goes on from it ends in the same bytes as a run that did
 * not stop. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mnist.h"

#define META_MODEL "model"
#define META_OPTIONS "options" /* as on the command line */
#define META_DATA "data"       /* see fingerprint */
#define META_EPOCHS "epochs"   /* loss, training and test accuracy of each: "0.5412 0.8302 0.916;" */

static const char model[] = "mlp 784-512-512-10";

/* Tells one training set from another: FNV-1a of its labels. */
static void fingerprint(const struct digits *d, char *buf, size_t n)
{
    const uint8_t *label = d->train_label.data;
    int64_t        count = d->train_label.shape.dim[0];
    uint64_t       hash = 14695981039346656037u;
    for (int64_t i = 0; i < count; i++) hash = (hash ^ label[i]) * 1099511628211u;
    snprintf(buf, n, "%lld images, labels %016llx", (long long)count, (unsigned long long)hash);
}

wg_safetensors *saved_open(struct options *o)
{
    wg_error        e;
    wg_safetensors *f = wg_safetensors_read(o->resume, &e);
    const char     *kind = f ? wg_safetensors_meta(f, META_MODEL) : NULL;
    const char     *options = f ? wg_safetensors_meta(f, META_OPTIONS) : NULL;
    int             status = 0;
    if (!f) status = complain("%s", e.message);
    else if (!kind || strcmp(kind, model) || !options) status = complain("%s: no net of this program", o->resume);
    else status = options_merge(o, options, o->resume);
    if (!status) return f;
    wg_safetensors_free(f);
    return NULL;
}

/* Reads an epoch, "0.5412 0.8302 0.916;", and moves *text past it. Returns 0, or -1 if it is no epoch. */
static int read_epoch(const char **text, struct epoch *e)
{
    double *v[] = {&e->loss, &e->train_accuracy, &e->test_accuracy};
    for (int i = 0; i < 3; i++) {
        char *end;
        *v[i] = strtod(*text, &end);
        if (end == *text || !isfinite(*v[i]) || *end != "  ;"[i]) return -1;
        *text = end + 1;
    }
    return 0;
}

int saved_epochs(const wg_safetensors *f, const struct options *o, const struct digits *d, struct epoch *e, int max)
{
    char        here[64];
    const char *there = wg_safetensors_meta(f, META_DATA), *text = wg_safetensors_meta(f, META_EPOCHS);
    int         n = 0;
    fingerprint(d, here, sizeof here);
    if (!there || strcmp(here, there)) return complain("%s was trained with other --data", o->resume);
    for (; text && *text && n < max; n++)
        if (read_epoch(&text, &e[n])) return complain("%s: has a bad list of epochs", o->resume);
    return n;
}

static char *epochs_text(const struct epoch *e, int epochs)
{
    char  *text = NULL;
    size_t size;
    FILE  *f = open_memstream(&text, &size);
    if (!f) return NULL;
    for (int i = 0; i < epochs; i++) fprintf(f, "%.6g %.6g %.6g;", e[i].loss, e[i].train_accuracy, e[i].test_accuracy);
    if (fclose(f) == 0) return text;
    free(text);
    return NULL;
}

static char *options_text(const struct options *o)
{
    char  *text = NULL;
    size_t size;
    FILE  *f = open_memstream(&text, &size);
    if (!f) return NULL;
    options_print(o, f);
    if (fclose(f) == 0) return text;
    free(text);
    return NULL;
}

int saved_write(const struct net *n, const wg_tape *t, const struct options *o, const struct digits *d,
                const struct epoch *e, int epochs)
{
    wg_error error;
    char     data[64], *list = epochs_text(e, epochs), *options = options_text(o);
    fingerprint(d, data, sizeof data);
    const char *const meta[][2] = {
        {META_MODEL, model}, {META_OPTIONS, options}, {META_DATA, data}, {META_EPOCHS, list}};
    wg_save_options save = {.n_meta = 4, .meta = meta};
    int             status = 0;
    if (!list || !options) status = complain("out of memory");
    else if (wg_checkpoint_save(n->g, t, o->save, &save, &error)) status = complain("%s", error.message);
    free(options);
    free(list);
    return status;
}
