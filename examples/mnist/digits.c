/* The four IDX files of MNIST, or of any set in its form. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mnist.h"

/* The file, or the same gzipped. */
static int read_file(const char *folder, const char *name, wg_array *out)
{
    char     path[4096];
    wg_error e;
    for (int zipped = 0; zipped < 2; zipped++) {
        int n = snprintf(path, sizeof path, "%s/%s%s", folder, name, zipped ? ".gz" : "");
        if (n >= (int)sizeof path) return complain("the path of %s is too long", name);
        if (access(path, R_OK) == 0) return wg_idx_read(path, out, &e) ? complain("%s", e.message) : 0;
    }
    return complain("%s has no %s or %s.gz: name a folder with the four IDX files by --data", folder, name, name);
}

static int check(const char *what, const wg_array *image, const wg_array *label)
{
    const wg_shape *s = &image->shape;
    if (image->dtype != WG_U8 || s->rank != 3 || s->dim[1] != SIDE || s->dim[2] != SIDE || !s->dim[0])
        return complain("the %s images are not %dx%d bytes each", what, SIDE, SIDE);
    if (label->dtype != WG_U8 || label->shape.rank != 1 || label->shape.dim[0] != s->dim[0])
        return complain("there are %lld %s images, but not as many labels", (long long)s->dim[0], what);
    for (int64_t i = 0; i < s->dim[0]; i++)
        if (((const uint8_t *)label->data)[i] >= CLASSES)
            return complain("%s label %lld is %d, not 0 to %d", what, (long long)i, ((const uint8_t *)label->data)[i],
                            CLASSES - 1);
    return 0;
}

int digits_read(struct digits *d, const char *folder, bool test_only)
{
    memset(d, 0, sizeof *d);
    if (read_file(folder, "t10k-images-idx3-ubyte", &d->test_image) ||
        read_file(folder, "t10k-labels-idx1-ubyte", &d->test_label) || check("test", &d->test_image, &d->test_label))
        return -1;
    if (test_only) return 0;
    if (read_file(folder, "train-images-idx3-ubyte", &d->train_image) ||
        read_file(folder, "train-labels-idx1-ubyte", &d->train_label))
        return -1;
    return check("training", &d->train_image, &d->train_label);
}

void digits_free(struct digits *d)
{
    wg_array_free(&d->train_image);
    wg_array_free(&d->train_label);
    wg_array_free(&d->test_image);
    wg_array_free(&d->test_label);
}
