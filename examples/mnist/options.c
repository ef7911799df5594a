/* The command line: one table says what there is, reads it and explains it. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mnist.h"

#define SOLVER_NAMES "sgd momentum nesterov adagrad rmsprop adadelta adam adamw"

enum kind { TEXT, WHOLE, REAL, SEED, SOLVER, DEVICE };
/* Where an option may stand, and whether a resumed run must have the same. */
enum use { TRAIN = 1, PREDICT = 2, SHARED = 4 };

struct row {
    const char *name, *value, *help;
    enum kind   kind;
    int         use;
    size_t      at; /* in struct options */
    double      low, high;
};

#define AT(member) offsetof(struct options, member)
static const struct row rows[] = {
    {"--data", "DIR", "IDX files, gzipped or not (10,000 digits)", TEXT, TRAIN | PREDICT, AT(data), 0, 0},
    {"--epochs", "N", "times through the training images", WHOLE, TRAIN | SHARED, AT(epochs), 1, 1e5},
    {"--stop-after", "N", "stop when N epochs are done, for --resume to go on", WHOLE, TRAIN, AT(stop_after), 1, 1e5},
    {"--batch", "N", "images in a step", WHOLE, TRAIN | SHARED, AT(batch), 1, 1e5},
    {"--solver", "NAME", SOLVER_NAMES, SOLVER, TRAIN | SHARED, AT(solver), 0, 0},
    {"--rate", "R", "learning rate at the start, falls along a cosine", REAL, TRAIN | SHARED, AT(rate), 1e-30, 1e30},
    {"--dropout", "P", "share of hidden units left out in training", REAL, TRAIN | SHARED, AT(dropout), 0, 0.99},
    {"--seed", "N", "of weights, shuffling and dropout", SEED, TRAIN | SHARED, AT(seed), 0, 0},
    {"--device", "NAME", "cpu, cuda or cuda:N", DEVICE, TRAIN | PREDICT, AT(device), 0, 999},
    {"--threads", "N", "at most so many", WHOLE, TRAIN | PREDICT, AT(threads), 1, 1024},
    {"--save", "FILE", "the net, saved after each epoch", TEXT, TRAIN, AT(save), 0, 0},
    {"--resume", "FILE", "go on from a saved net, as if it had not stopped", TEXT, TRAIN, AT(resume), 0, 0},
    {"--curve", "FILE", "picture of the learning curve", TEXT, TRAIN, AT(curve), 0, 0},
    {"--onnx", "FILE", "the trained net for other programs", TEXT, TRAIN, AT(onnx), 0, 0},
    {"--count", "N", "with predict: so many images", WHOLE, PREDICT, AT(count), 1, 1e5},
};
enum { ROWS = sizeof rows / sizeof *rows };

static const double usual_rate[WG_SOLVERS] = {
    [WG_SOLVER_SGD] = 0.1,      [WG_SOLVER_MOMENTUM] = 0.05, [WG_SOLVER_NESTEROV] = 0.05, [WG_SOLVER_ADAGRAD] = 0.01,
    [WG_SOLVER_RMSPROP] = 1e-3, [WG_SOLVER_ADADELTA] = 1,    [WG_SOLVER_ADAM] = 1e-3,     [WG_SOLVER_ADAMW] = 1e-3};

static const struct options usual = {.save = "mnist.safetensors",
                                     .curve = "mnist.svg",
                                     .onnx = "mnist.onnx",
                                     .epochs = 10,
                                     .batch = 128,
                                     .count = 6,
                                     .solver = WG_SOLVER_ADAM,
                                     .dropout = 0.2,
                                     .seed = 1};

/* ---- One value, from text and to text ---- */

static int refuse_value(const struct row *r, const char *text)
{
    char wanted[96];
    switch (r->kind) {
    case TEXT: snprintf(wanted, sizeof wanted, "a name"); break;
    case WHOLE: snprintf(wanted, sizeof wanted, "a whole number from %.0f to %.0f", r->low, r->high); break;
    case REAL: snprintf(wanted, sizeof wanted, "a number from %g to %g", r->low, r->high); break;
    case SEED: snprintf(wanted, sizeof wanted, "a whole number from 0 to %llu", (unsigned long long)UINT64_MAX); break;
    case SOLVER: snprintf(wanted, sizeof wanted, "one of " SOLVER_NAMES); break;
    case DEVICE: snprintf(wanted, sizeof wanted, "cpu, cuda or cuda:N"); break;
    }
    return complain("%s wants %s, not \"%s\"", r->name, wanted, text);
}

/* Reads a device; "cuda" is the first of them. */
static int set_device(int *device, const struct row *r, const char *text)
{
    const char *number = !strncmp(text, "cuda:", 5) ? text + 5 : !strcmp(text, "cuda") ? "0" : "";
    if (!strcmp(text, "cpu")) {
        *device = WG_DEVICE_CPU;
        return 0;
    }
    if (!*number || number[strspn(number, "0123456789")] || strlen(number) > 3) return refuse_value(r, text);
    *device = WG_DEVICE_CUDA(atoi(number));
    return 0;
}

static int set(struct options *o, const struct row *r, const char *text)
{
    char *end = NULL, *at = (char *)o + r->at;
    errno = 0;
    if (r->kind == TEXT) {
        *(const char **)at = text;
        return *text ? 0 : refuse_value(r, text);
    }
    if (r->kind == SOLVER) return (*(int *)at = wg_solver_find(text)) < 0 ? refuse_value(r, text) : 0;
    if (r->kind == DEVICE) return set_device((int *)at, r, text);
    /* strtol and its kin would take blanks, signs, hexadecimal and "nan" as well. */
    const char *letters = r->kind == REAL ? "0123456789.eE+-" : "0123456789";
    if ((!isdigit((unsigned char)*text) && *text != '.') || text[strspn(text, letters)]) return refuse_value(r, text);
    if (r->kind == SEED) {
        *(uint64_t *)at = strtoull(text, &end, 10);
        return errno || *end ? refuse_value(r, text) : 0;
    }
    double v = strtod(text, &end);
    if (end == text || *end || v < r->low || v > r->high) return refuse_value(r, text);
    if (r->kind == REAL) *(double *)at = v;
    else *(int *)at = (int)v;
    return 0;
}

/* Shows an option's value as text: "" if it is not set. */
static const char *show(const struct options *o, const struct row *r, char *buf, size_t n)
{
    const char *at = (const char *)o + r->at;
    double      v = r->kind == REAL ? *(const double *)at : 0;
    *buf = 0;
    switch (r->kind) {
    case TEXT: return *(const char *const *)at ? *(const char *const *)at : "";
    case SOLVER: snprintf(buf, n, "%s", wg_solver_name(*(const int *)at)); break;
    case SEED: snprintf(buf, n, "%llu", (unsigned long long)*(const uint64_t *)at); break;
    case DEVICE:
        if (*(const int *)at) snprintf(buf, n, "cuda:%d", *(const int *)at - 1);
        else snprintf(buf, n, "cpu");
        break;
    case WHOLE:
        if (*(const int *)at) snprintf(buf, n, "%d", *(const int *)at);
        break;
    case REAL: /* the shortest that reads back as the same */
        for (int digits = 1; v != 0 && digits <= 17 && (digits == 1 || strtod(buf, NULL) != v); digits++)
            snprintf(buf, n, "%.*g", digits, v);
        if (v == 0 && r->low == 0) snprintf(buf, n, "0");
        break;
    }
    return buf;
}

/* ---- The command line ---- */

static void print_usage(void)
{
    char left[32], value[32];
    printf("usage: mnist [OPTIONS]               train a net on digits, test it, save it\n"
           "       mnist predict FILE [OPTIONS]  show digits and what the saved net takes them for\n"
           "\n");
    for (const struct row *r = rows; r < rows + ROWS; r++) {
        const char *v = show(&usual, r, value, sizeof value);
        snprintf(left, sizeof left, "%s %s", r->name, r->value);
        printf("  %-16s %s%s%s%s\n", left, r->help, *v ? " (" : "", v, *v ? ")" : "");
    }
    printf("  --help, -h\n"
           "\n"
           "--rate is the solver's usual one unless given, --threads every CPU or WG_THREADS.\n"
           "--resume takes what is not given, the file to save to as well, from the saved net.\n");
}

static const struct row *find(const char *name, size_t length)
{
    for (const struct row *r = rows; r < rows + ROWS; r++)
        if (strlen(r->name) == length && !memcmp(r->name, name, length)) return r;
    return NULL;
}

/* Reads argv[i], with argv[i + 1] where the value stands there. Returns how many it used, or -1. */
static int read_option(struct options *o, char **argv, int i)
{
    const char       *equals = strchr(argv[i], '=');
    size_t            length = equals ? (size_t)(equals - argv[i]) : strlen(argv[i]);
    const struct row *r = find(argv[i], length);
    if (!r) return complain("there is no option %s (mnist --help lists them)", argv[i]);
    if (!equals && !argv[i + 1]) return complain("%s wants a value: %s %s", r->name, r->name, r->value);
    o->given |= 1u << (r - rows);
    return set(o, r, equals ? equals + 1 : argv[i + 1]) ? -1 : equals ? 1 : 2;
}

static int read_all(struct options *o, char **argv)
{
    bool command = false;
    for (int i = 1, used; argv[i]; i += used) {
        used = 1;
        if (argv[i][0] == '-') used = read_option(o, argv, i);
        else if (command && !o->predict) o->predict = argv[i];
        else if (!command && !strcmp(argv[i], "predict")) command = true;
        else return complain("\"%s\" is no option and no command (mnist --help lists them)", argv[i]);
        if (used < 0) return -1;
    }
    return command && !o->predict ? complain("predict wants the file of a saved net: mnist predict FILE") : 0;
}

/* Refuses an option that means nothing here: something else was meant. */
static int check(const struct options *o)
{
    for (const struct row *r = rows; r < rows + ROWS; r++)
        if (o->given >> (r - rows) & 1 && !(r->use & (o->predict ? PREDICT : TRAIN)))
            return o->predict ? complain("%s does not go with predict", r->name)
                              : complain("%s goes with predict only", r->name);
    if (!strcmp(o->save, o->curve)) return complain("--save and --curve are both %s", o->save);
    if (!strcmp(o->save, o->onnx)) return complain("--save and --onnx are both %s", o->save);
    if (!strcmp(o->curve, o->onnx)) return complain("--curve and --onnx are both %s", o->curve);
    return 0;
}

int options_read(struct options *o, int argc, char **argv, int *status)
{
    *o = usual;
    *status = 0;
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            print_usage();
            return 1;
        }
    *status = 2;
    if (read_all(o, argv)) return 1;
    if (!o->resume && !o->rate) o->rate = usual_rate[o->solver];
    if (o->resume && !(o->given >> (find("--save", 6) - rows) & 1)) o->save = o->resume;
    return check(o) ? 1 : 0;
}

/* ---- In a saved net ---- */

void options_print(const struct options *o, FILE *f)
{
    char        value[32];
    const char *between = "";
    for (const struct row *r = rows; r < rows + ROWS; r++) {
        if (!(r->use & SHARED)) continue;
        fprintf(f, "%s%s %s", between, r->name, show(o, r, value, sizeof value));
        between = " ";
    }
}

/* Merges a saved option into o. The command line may ask for other epochs; of any other option that
 * differs it complains. */
static int merge(struct options *o, const char *name, const char *value, const char *file)
{
    char              mine[32], theirs[32];
    struct options    saved = usual;
    const struct row *r = find(name, strlen(name));
    if (!r || !(r->use & SHARED) || set(&saved, r, value)) return complain("%s: has bad options", file);
    if (!(o->given >> (r - rows) & 1)) return set(o, r, value);
    if (!strcmp(name, "--epochs") || !strcmp(show(o, r, mine, sizeof mine), show(&saved, r, theirs, sizeof theirs)))
        return 0;
    return complain("%s was trained with %s %s, not %s: leave %s out to go on", file, name, theirs, mine, name);
}

int options_merge(struct options *o, const char *text, const char *file)
{
    char name[32], value[32];
    for (int n = 0; *text; text += n)
        if (sscanf(text, "%31s %31s%n", name, value, &n) != 2) return complain("%s: has bad options", file);
        else if (merge(o, name, value, file)) return -1;
    return o->rate > 0 ? 0 : complain("%s: has bad options", file);
}
