/* The four IDX files of MNIST, or of any set in its form. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mnist.h"

#define OWN "examples/mnist/data"

/* Finds the example's own digits: below the working directory, or below a folder that holds this
 * program (build/examples/mnist/mnist, say). */
static int find_own(char *path, size_t n)
{
    snprintf(path, n, OWN);
    if (access(path, F_OK) == 0) return 0;
    ssize_t length = readlink("/proc/self/exe", path, n);
    for (char *slash = path + (length > 0 ? length : 0); slash > path; slash--) {
        if (*slash != '/' || (size_t)(slash - path) + sizeof "/" OWN > n) continue;
        snprintf(slash, n - (size_t)(slash - path), "/" OWN);
        if (access(path, F_OK) == 0) return 0;
    }
    return complain(OWN " is not here: name a folder with the four IDX files by --data");
}

/* Reads the file, or the same file gzipped. */
static int read_file(const char *folder, const char *name, wg_array *out)
{
    char     path[4200];
    wg_error e;
    for (int zipped = 0; zipped < 2; zipped++) {
        int n = snprintf(path, sizeof path, "%s/%s%s", folder, name, zipped ? ".gz" : "");
        if (n >= (int)sizeof path) return complain("the path of %s is too long", name);
        if (access(path, F_OK) == 0) return wg_idx_read(path, out, &e) ? complain("%s", e.message) : 0;
    }
    return complain("%s has no %s or %s.gz: --data wants a folder with the four IDX files", folder, name, name);
}

static int check(const char *what, const wg_array *image, const wg_array *label)
{
    const wg_shape *s = &image->shape, *l = &label->shape;
    const uint8_t *class = label->data;
    if (image->dtype != WG_U8 || s->rank != 3 || s->dim[1] != SIDE || s->dim[2] != SIDE)
        return complain("the %s images are not %dx%d bytes each", what, SIDE, SIDE);
    if (!s->dim[0]) return complain("there are no %s images", what);
    if (label->dtype != WG_U8 || l->rank != 1) return complain("the %s labels are not a row of bytes", what);
    if (l->dim[0] != s->dim[0])
        return complain("there are %lld %s images, but %lld labels", (long long)s->dim[0], what, (long long)l->dim[0]);
    for (int64_t i = 0; i < s->dim[0]; i++)
        if (class[i] >= CLASSES)
            return complain("%s label %lld is %d, not 0 to %d", what, (long long)i, class[i], CLASSES - 1);
    return 0;
}

static int read_pair(const struct digits *d, const char *prefix, wg_array *image, wg_array *label)
{
    char name[64];
    snprintf(name, sizeof name, "%s-images-idx3-ubyte", prefix);
    if (read_file(d->folder, name, image)) return -1;
    snprintf(name, sizeof name, "%s-labels-idx1-ubyte", prefix);
    return read_file(d->folder, name, label);
}

int digits_read(struct digits *d, const char *folder, bool test_only)
{
    memset(d, 0, sizeof *d);
    if (!folder && find_own(d->folder, sizeof d->folder)) return -1;
    if (folder && snprintf(d->folder, sizeof d->folder, "%s", folder) >= (int)sizeof d->folder)
        return complain("the path of --data is too long");
    if (read_pair(d, "t10k", &d->test_image, &d->test_label) || check("test", &d->test_image, &d->test_label))
        return -1;
    if (test_only) return 0;
    if (read_pair(d, "train", &d->train_image, &d->train_label)) return -1;
    return check("training", &d->train_image, &d->train_label);
}

void digits_free(struct digits *d)
{
    wg_array_free(&d->train_image);
    wg_array_free(&d->train_label);
    wg_array_free(&d->test_image);
    wg_array_free(&d->test_label);
}
