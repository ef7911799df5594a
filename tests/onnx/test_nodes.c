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

#include "onnx/import/import_impl.h"
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
static const char required[] =
    " "
    "Add Sub Mul Div Pow Neg Abs Sqrt Exp Log Sin Cos Tan Tanh Sigmoid Relu LeakyRelu Elu Selu Celu PRelu "
    "HardSigmoid HardSwish Softplus Softsign Erf Floor Ceil Round Sign Clip Min Max Sum Mean Mod Sinh "
    "Cosh Asinh Acosh Atanh Asin Acos Atan Reciprocal Shrink Equal Less Greater LessOrEqual "
    "GreaterOrEqual And Or Xor Not Where IsNaN IsInf ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd "
    "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceSumSquare Gemm MatMul Softmax LogSoftmax "
    "SoftmaxCrossEntropyLoss NegativeLogLikelihoodLoss Reshape Flatten Squeeze Unsqueeze Transpose Expand "
    "Slice Concat Split Gather Pad Shape Cast CastLike Constant ConstantOfShape Identity Dropout OneHot "
    "ArgMax ThresholdedRelu ";
static bool is_required(const char *op)
{
    char word[80];
    snprintf(word, sizeof word, " %s ", op);
    return strstr(required, word);
}

struct row {
    char op[64], why[2 * WHY];
    int  count[3];
};
struct report {
    struct row row[400];
    int        n, count[3], told, random, broken_promises;
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
    all->told += r->outcome == PASSED && r->told;
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

static bool same_kind(const struct row *a, const struct row *b)
{
    return !a->count[PASSED] == !b->count[PASSED] && !a->count[UNSUPPORTED] == !b->count[UNSUPPORTED] &&
           strcmp(a->why, b->why) == 0;
}

/* Operators that pass whole share a line, as do those that are refused whole for one reason. */
static bool mixed(const struct row *r) { return r->count[PASSED] && r->count[UNSUPPORTED]; }

static void write_line(FILE *f, const struct report *all, int i)
{
    const struct row *r = &all->row[i];
    int               passed = 0, unsupported = 0;
    for (int k = 0; k < i; k++)
        if (!mixed(r) && same_kind(&all->row[k], r)) return; /* it is there */
    fprintf(f, "|");
    for (int k = i; k < all->n; k++) {
        if (k > i && (mixed(r) || !same_kind(&all->row[k], r))) continue;
        fprintf(f, "%s %s", k > i ? "," : "", all->row[k].op);
        passed += all->row[k].count[PASSED];
        unsupported += all->row[k].count[UNSUPPORTED];
    }
    fprintf(f, " | %d | %d | ", passed, unsupported);
    cell(f, r->why);
    fprintf(f, " |\n");
}

static void write_table(struct report *all, const char *path)
{
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f, "%s", path);
    qsort(all->row, (size_t)all->n, sizeof *all->row, by_op);
    fprintf(
        f,
        "%d tests pass, %d are refused with a message, none fails. Each runs as `wengert run` runs it: the model as "
        "it\n"
        "is, with the shapes of its inputs known to the import, and so are the values of inputs that shape the graph\n"
        "(a list of axes, a number of pads), which %d of those that pass have. Models of several operators, constants\n"
        "aside, are groups of their own; \"expanded functions\" are operators that ONNX writes out in other ones.\n\n"
        "| operators | passed | unsupported | why |\n|---|---|---|---|\n",
        all->count[PASSED], all->count[UNSUPPORTED], all->told);
    for (int i = 0; i < all->n; i++) write_line(f, all, i);
    cr_assert_eq(fclose(f), 0);
}

/* ---- Which operators there are ---- */

static int by_name(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* WG_ONNX_OPERATORS=file: all that the importer takes, by their first opset, as Markdown. */
Test(onnx_nodes, operators_by_opset)
{
    const char *path = getenv("WG_ONNX_OPERATORS"), *of[400], *name;
    FILE       *f = path && *path ? fopen(path, "w") : NULL;
    int         n = 0, listed = 0, since;
    while (wg_onnx_operator(n, &name, &since)) n++;
    cr_assert_leq(n, 400);
    if (f) fprintf(f, "%d operators, by the first opset of each:\n\n| opset | operators |\n|---|---|\n", n);
    for (int opset = 1; opset <= WG__HIGHEST_OPSET; opset++) {
        int k = 0;
        for (int i = 0; wg_onnx_operator(i, &name, &since); i++)
            if (since == opset) of[k++] = name;
        qsort(of, (size_t)k, sizeof *of, by_name);
        listed += k;
        if (f && k) fprintf(f, "| %d |", opset);
        for (int i = 0; f && i < k; i++) fprintf(f, "%s %s%s", i ? "," : "", of[i], i == k - 1 ? " |\n" : "");
    }
    cr_expect_eq(listed, n, "each has an opset");
    if (f) cr_assert_eq(fclose(f), 0);
}

/* What passed when this was written, of Debian 12's data (libonnx-testdata 1.12). */
enum { FLOOR = 736 };

Test(onnx_nodes, all_pass_or_are_refused)
{
    static struct report all;
    int                  found = 0;
    for (int i = 0; i < SETS; i++) found += run_set(&all, sets[i]) > 0;
    if (!found) cr_skip_test("no data in %s: apt-get install libonnx-testdata", root);
    printf("# onnx node tests: %d passed, %d unsupported, %d failed\n", all.count[PASSED], all.count[UNSUPPORTED],
           all.count[FAILED]);
    printf("# (%d passed with values of inputs known to the import; %d random ones were left out)\n", all.told,
           all.random);
    fflush(stdout);
    const char *table = getenv("WG_ONNX_TABLE");
    if (table && *table) write_table(&all, table);
    cr_expect_eq(all.count[FAILED], 0);
    cr_expect_eq(all.broken_promises, 0);
    if (found == SETS) cr_expect_geq(all.count[PASSED], FLOOR);
}
