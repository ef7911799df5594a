/* ONNX's own tests of operators, as Debian's libonnx-testdata has them: a
 * model, inputs and outputs each.  A test passes, or the importer says what it
 * does not support; a wrong value, a crash or any other error is a failure.
 *
 * With WG_ONNX_TABLE=file the result goes there by operator, as Markdown. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onnx/nodes.h"

TestSuite(onnx_nodes, .timeout = 600);

static const char        root[] = "/usr/share/libonnx-testdata/data";
static const char *const sets[] = {"node", "simple", "pytorch-converted", "pytorch-operator"};
enum { SETS = sizeof sets / sizeof *sets };

/* What these draw differs from one implementation to the next. */
static bool is_random(const char *test)
{
    static const char *const whole[] = {"test_training_dropout", "test_training_dropout_mask",
                                        "test_training_dropout_default", "test_training_dropout_default_mask"};
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        if (strcmp(test, whole[i]) == 0) return true;
    return strncmp(test, "test_bernoulli", 14) == 0;
}

/* Operators of which no test may be unsupported whose tensors all are of our dtypes. */
static const char *const required[] = {"Add",
                                       "Sub",
                                       "Mul",
                                       "Div",
                                       "Pow",
                                       "Neg",
                                       "Abs",
                                       "Sqrt",
                                       "Exp",
                                       "Log",
                                       "Sin",
                                       "Cos",
                                       "Tan",
                                       "Tanh",
                                       "Sigmoid",
                                       "Relu",
                                       "LeakyRelu",
                                       "Elu",
                                       "Selu",
                                       "Celu",
                                       "PRelu",
                                       "HardSigmoid",
                                       "HardSwish",
                                       "Softplus",
                                       "Softsign",
                                       "Erf",
                                       "Floor",
                                       "Ceil",
                                       "Round",
                                       "Sign",
                                       "Clip",
                                       "Min",
                                       "Max",
                                       "Sum",
                                       "Mean",
                                       "Mod",
                                       "Sinh",
                                       "Cosh",
                                       "Asinh",
                                       "Acosh",
                                       "Atanh",
                                       "Asin",
                                       "Acos",
                                       "Atan",
                                       "Reciprocal",
                                       "Shrink",
                                       "Equal",
                                       "Less",
                                       "Greater",
                                       "LessOrEqual",
                                       "GreaterOrEqual",
                                       "And",
                                       "Or",
                                       "Xor",
                                       "Not",
                                       "Where",
                                       "IsNaN",
                                       "IsInf",
                                       "ReduceSum",
                                       "ReduceMean",
                                       "ReduceMax",
                                       "ReduceMin",
                                       "ReduceProd",
                                       "ReduceL1",
                                       "ReduceL2",
                                       "ReduceLogSum",
                                       "ReduceLogSumExp",
                                       "ReduceSumSquare",
                                       "Gemm",
                                       "MatMul",
                                       "Softmax",
                                       "LogSoftmax",
                                       "SoftmaxCrossEntropyLoss",
                                       "NegativeLogLikelihoodLoss",
                                       "Reshape",
                                       "Flatten",
                                       "Squeeze",
                                       "Unsqueeze",
                                       "Transpose",
                                       "Expand",
                                       "Slice",
                                       "Concat",
                                       "Split",
                                       "Gather",
                                       "Pad",
                                       "Shape",
                                       "Cast",
                                       "CastLike",
                                       "Constant",
                                       "ConstantOfShape",
                                       "Identity",
                                       "Dropout",
                                       "OneHot",
                                       "ArgMax",
                                       "ThresholdedRelu"};
static bool              is_required(const char *op)
{
    for (size_t i = 0; i < sizeof required / sizeof *required; i++)
        if (strcmp(required[i], op) == 0) return true;
    return false;
}

struct row {
    char op[64], why[2 * WHY];
    int  count[3];
};
struct report {
    struct row row[400];
    int        n, count[3], fixed, random, broken_promises;
};

static int by_op(const void *a, const void *b)
{
    return strcmp(((const struct row *)a)->op, ((const struct row *)b)->op);
}

static struct row *row_of(struct report *all, const char *op)
{
    int i = 0;
    while (i < all->n && strcmp(all->row[i].op, op) != 0) i++;
    if (i == all->n) {
        cr_assert_lt(all->n, 400);
        snprintf(all->row[all->n++].op, sizeof all->row[0].op, "%s", op);
    }
    return &all->row[i];
}

/* Reasons, each once, as far as there is room. */
static void note(struct row *row, const char *why)
{
    size_t n = strlen(row->why);
    if (strstr(row->why, why) || n + strlen(why) + 3 > 200) return;
    snprintf(row->why + n, sizeof row->why - n, "%s%s", n ? "; " : "", why);
}

static void take(struct report *all, const char *test, const struct result *r)
{
    struct row *row = row_of(all, r->op);
    row->count[r->outcome]++;
    all->count[r->outcome]++;
    all->fixed += r->outcome == PASSED && r->fixed;
    if (r->outcome == UNSUPPORTED) note(row, r->why);
    if (r->outcome == FAILED) printf("# FAILED %s: %s\n", test, r->why);
    bool promised = r->outcome == UNSUPPORTED && r->ours && is_required(r->op);
    if (promised) printf("# unsupported, though %s should be whole: %s: %s\n", r->op, test, r->why);
    all->broken_promises += promised;
}

static int is_test(const struct dirent *e) { return strncmp(e->d_name, "test_", 5) == 0; }

static int run_set(struct report *all, const char *set)
{
    char            folder[PATH];
    struct dirent **entry;
    struct result   r;
    snprintf(folder, sizeof folder, "%s/%s", root, set);
    int n = scandir(folder, &entry, is_test, alphasort);
    for (int i = 0; i < n; i++) {
        snprintf(folder, sizeof folder, "%s/%s/%s", root, set, entry[i]->d_name);
        if (is_random(entry[i]->d_name)) all->random++;
        else {
            run_test(folder, entry[i]->d_name, &r);
            take(all, entry[i]->d_name, &r);
        }
        free(entry[i]);
    }
    if (n >= 0) free(entry);
    return n;
}

static void cell(FILE *f, const char *text)
{
    for (; *text; text++) fprintf(f, *text == '|' ? "\\%c" : "%c", *text);
}

static void write_table(struct report *all, const char *path)
{
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f, "%s", path);
    qsort(all->row, (size_t)all->n, sizeof *all->row, by_op);
    fprintf(f, "Tests of models with several operators, constants aside, stand in groups of their own; \"expanded\n"
               "functions\" are operators that ONNX writes out in other ones.\n\n"
               "| operator | passed | unsupported | why |\n|---|---|---|---|\n");
    for (int i = 0; i < all->n; i++) {
        fprintf(f, "| %s | %d | %d | ", all->row[i].op, all->row[i].count[PASSED], all->row[i].count[UNSUPPORTED]);
        cell(f, all->row[i].why);
        fprintf(f, " |\n");
    }
    cr_assert_eq(fclose(f), 0);
}

/* What passed when this was written, of Debian 12's data (libonnx-testdata 1.12). */
enum { FLOOR = 734 };

Test(onnx_nodes, all_pass_or_are_refused)
{
    static struct report all;
    int                  found = 0;
    for (int i = 0; i < SETS; i++) found += run_set(&all, sets[i]) > 0;
    if (!found) cr_skip_test("no data in %s: apt-get install libonnx-testdata", root);
    printf("# onnx node tests: %d passed, %d unsupported, %d failed\n", all.count[PASSED], all.count[UNSUPPORTED],
           all.count[FAILED]);
    printf("# (%d passed with inputs as initialisers; %d random ones were left out)\n", all.fixed, all.random);
    fflush(stdout);
    const char *table = getenv("WG_ONNX_TABLE");
    if (table && *table) write_table(&all, table);
    cr_expect_eq(all.count[FAILED], 0);
    cr_expect_eq(all.broken_promises, 0);
    if (found == SETS) cr_expect_geq(all.count[PASSED], FLOOR);
}
