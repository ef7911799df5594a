/* The command line. */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mnist.h"

#ifndef MNIST_DATA
#define MNIST_DATA "examples/mnist/data"
#endif

static const char usage[] =
    "usage: mnist [OPTIONS]               train a net on digits, test it, save it\n"
    "       mnist predict FILE [OPTIONS]  show digits and what the saved net takes them for\n"
    "\n"
    "  --data DIR      IDX files, gzipped or not (default " MNIST_DATA ")\n"
    "  --epochs N      times through the training digits (10)\n"
    "  --batch N       digits in a step (128)\n"
    "  --solver NAME   sgd momentum nesterov adagrad rmsprop adadelta adam adamw (adam)\n"
    "  --rate R        learning rate at the start (the solver's usual one); falls along a cosine\n"
    "  --dropout P     share of hidden units left out in training (0.2)\n"
    "  --seed N        of weights, shuffling and dropout (1)\n"
    "  --threads N     at most so many (as WG_THREADS says, or every CPU)\n"
    "  --save FILE     where the net is saved after each epoch (mnist.safetensors)\n"
    "  --resume FILE   go on from a saved net, as if it had not stopped\n"
    "  --curve FILE    picture of the learning curve (mnist.svg)\n"
    "  --count N       with predict: so many digits (6)\n"
    "  --help\n";

int complain(const char *format, ...)
{
    va_list ap;
    fputs("mnist: ", stderr);
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fputc('\n', stderr);
    return -1;
}

static int wrong(const char *option, const char *text, const char *wanted)
{
    return complain("%s wants %s, not \"%s\" (mnist --help lists the options)", option, wanted, text);
}

static int read_int(const char *option, const char *text, int low, int *out)
{
    char *end;
    errno = 0;
    long v = strtol(text, &end, 10);
    if (errno || end == text || *end || v < low || v > 1000000000)
        return wrong(option, text, low ? "a whole number from 1" : "a whole number from 0");
    *out = (int)v;
    return 0;
}

static int read_real(const char *option, const char *text, double low, double high, double *out)
{
    char *end;
    errno = 0;
    double v = strtod(text, &end);
    if (end == text || *end || !isfinite(v) || v < low || v >= high)
        return wrong(option, text, high < 2 ? "a number from 0 to below 1" : "a positive number");
    *out = v;
    return 0;
}

static int read_seed(const char *option, const char *text, uint64_t *out)
{
    char *end;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    if (errno || end == text || *end || *text == '-') return wrong(option, text, "a whole number from 0");
    *out = v;
    return 0;
}

static int read_solver(const char *option, const char *text, int *out)
{
    return (*out = wg_solver_find(text)) < 0
               ? wrong(option, text, "one of sgd momentum nesterov adagrad rmsprop adadelta adam adamw")
               : 0;
}

/* One option with its value. */
static int read_option(struct options *o, const char *name, const char *value)
{
    if (!strcmp(name, "--data")) return o->data = value, 0;
    if (!strcmp(name, "--save")) return o->save = value, 0;
    if (!strcmp(name, "--resume")) return o->resume = value, 0;
    if (!strcmp(name, "--curve")) return o->curve = value, 0;
    if (!strcmp(name, "--epochs")) return read_int(name, value, 1, &o->epochs);
    if (!strcmp(name, "--batch")) return read_int(name, value, 1, &o->batch);
    if (!strcmp(name, "--threads")) return read_int(name, value, 1, &o->threads);
    if (!strcmp(name, "--count")) return read_int(name, value, 1, &o->count);
    if (!strcmp(name, "--seed")) return read_seed(name, value, &o->seed);
    if (!strcmp(name, "--solver")) return read_solver(name, value, &o->solver);
    if (!strcmp(name, "--rate")) return read_real(name, value, 1e-300, 1e300, &o->rate);
    if (!strcmp(name, "--dropout")) return read_real(name, value, 0, 1, &o->dropout);
    return complain("there is no option %s (mnist --help lists the options)", name);
}

static bool takes_value(const char *name)
{
    static const char *const with[] = {"--data",  "--save",    "--resume", "--curve",  "--epochs", "--batch",
                                       "--count", "--threads", "--seed",   "--solver", "--rate",   "--dropout"};
    for (size_t i = 0; i < sizeof with / sizeof *with; i++)
        if (!strcmp(name, with[i])) return true;
    return false;
}

int options_read(struct options *o, int argc, char **argv, int *status)
{
    *o = (struct options){.data = MNIST_DATA,
                          .save = "mnist.safetensors",
                          .curve = "mnist.svg",
                          .epochs = 10,
                          .batch = 128,
                          .count = 6,
                          .solver = WG_ADAM,
                          .dropout = 0.2,
                          .seed = 1};
    *status = 2;
    for (int i = 1; i < argc; i++) {
        char name[32], *equals = strchr(argv[i], '=');
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) return fputs(usage, stdout), *status = 0, 1;
        if (i == 1 && !strcmp(argv[i], "predict")) {
            if (++i == argc || argv[i][0] == '-') return complain("predict wants the file of a saved net"), 1;
            o->predict = argv[i];
            continue;
        }
        if (strncmp(argv[i], "--", 2))
            return complain("\"%s\" is no option and no command (mnist --help lists them)", argv[i]), 1;
        snprintf(name, sizeof name, "%.*s", equals ? (int)(equals - argv[i]) : (int)strlen(argv[i]), argv[i]);
        if (takes_value(name) && !equals && i + 1 == argc)
            return complain("%s wants a value (mnist --help lists the options)", name), 1;
        const char *value = equals ? equals + 1 : takes_value(name) ? argv[++i] : "";
        if (read_option(o, name, value)) return 1;
    }
    return 0;
}
