/* Trains a net on handwritten digits, or shows what a trained one sees. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "mnist.h"

/* Prints the lines of the build's description that a user should act on. */
static void print_warnings(void)
{
    for (const char *line = wg_build_info(); line && *line;) {
        const char *end = strchr(line, '\n');
        int         n = end ? (int)(end - line) : (int)strlen(line);
        if (!strncmp(line, "warning:", 8)) fprintf(stderr, "mnist: %.*s\n", n, line);
        line = end ? end + 1 : NULL;
    }
}

/* Prints the device that is used, unless it is the CPU. */
static void print_device(const struct options *o)
{
    char name[400];
    if (o->device != WG_DEVICE_CPU && wg_device_name(o->device, name, sizeof name) == WG_OK) printf("on %s\n", name);
}

/* Checks that a file of that name can be made, before training for hours. */
static int check_path(const char *option, const char *path)
{
    wg_error e;
    return wg_file_check(path, &e) ? complain("%s %s", option, e.message) : 0;
}

static int run_training(struct options *o, struct digits *d, struct net *n)
{
    wg_safetensors *from = NULL;
    if (check_path("--save", o->save) || check_path("--curve", o->curve) || check_path("--onnx", o->onnx)) return -1;
    if (o->resume && !(from = saved_open(o))) return -1;
    int status = digits_read(d, o->data, false) || net_build(n, o) ? -1 : 0;
    if (!status) {
        printf("%lld training and %lld test images of %s\n", (long long)d->train_image.shape.dim[0],
               (long long)d->test_image.shape.dim[0], d->folder);
        printf("net 784-512-512-10, %s, rate %g, batch %d, dropout %g, seed %llu\n", wg_solver_name(o->solver), o->rate,
               o->batch, o->dropout, (unsigned long long)o->seed);
        print_device(o);
        fflush(stdout);
        status = train(n, d, o, from);
    }
    wg_safetensors_free(from);
    return status;
}

static int run(struct options *o, struct digits *d, struct net *n)
{
    print_warnings();
    if (!o->predict) return run_training(o, d, n);
    return digits_read(d, o->data, true) || net_build(n, o) ? -1 : predict(n, d, o);
}

static int flush_output(int status)
{
    if (!fflush(stdout) && !ferror(stdout)) return status;
    complain("cannot write to the standard output");
    return 1;
}

int main(int argc, char **argv)
{
    struct options o;
    struct digits  d = {0};
    struct net     n = {0};
    int            status;
    if (options_read(&o, argc, argv, &status)) return flush_output(status);
    status = run(&o, &d, &n);
    wg_graph_free(n.g);
    digits_free(&d);
    if (status > 0) { /* so that the caller sees which signal ended it */
        signal(status, SIG_DFL);
        raise(status);
    }
    return flush_output(status ? 1 : 0);
}
