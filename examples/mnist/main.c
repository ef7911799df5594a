/* Trains a net on handwritten digits, or shows what a trained one sees. */
#include <stdio.h>
#include <string.h>

#include "mnist.h"

/* The lines of the build's description that a user should act on. */
static void print_warnings(void)
{
    for (const char *line = wg_build_info(); line && *line;) {
        const char *end = strchr(line, '\n');
        int         n = end ? (int)(end - line) : (int)strlen(line);
        if (!strncmp(line, "warning:", 8)) fprintf(stderr, "mnist: %.*s\n", n, line);
        line = end ? end + 1 : NULL;
    }
}

static int run(const struct options *o, struct digits *d, struct net *n)
{
    print_warnings();
    if (digits_read(d, o->data, o->predict != NULL) || net_build(n, o)) return -1;
    if (o->predict) return predict(n, d, o);
    printf("%lld training and %lld test digits of %s\n", (long long)d->train_image.shape.dim[0],
           (long long)d->test_image.shape.dim[0], o->data);
    printf("net 784-512-512-10, batch %d, %s, dropout %g, seed %llu\n", o->batch, wg_solver_name(o->solver), o->dropout,
           (unsigned long long)o->seed);
    return train(n, d, o);
}

int main(int argc, char **argv)
{
    struct options o;
    struct digits  d = {0};
    struct net     n = {0};
    int            status;
    if (options_read(&o, argc, argv, &status)) return status;
    status = run(&o, &d, &n);
    wg_graph_free(n.g);
    digits_free(&d);
    return status ? 1 : 0;
}
