/* opsdoc.c - writes docs/ops.md from the operators: `make docs`. */
#include <stdio.h>
#include <string.h>

#include <wengert/graph_op.h>

static void print_dtypes(unsigned set)
{
    const char *sep = "";
    if (!set || set == WG_DTYPE_ALL) {
        printf("any");
        return;
    }
    for (int t = 0; t < WG_DTYPES; t++) {
        if (!(set & WG_DTYPE_BIT(t))) continue;
        printf("%s%s", sep, wg_dtype_name((wg_dtype)t));
        sep = ", ";
    }
}

static const char *type_name(wg_field_type t)
{
    static const char *const text[] = {
        [WG_FIELD_INT] = "int",       [WG_FIELD_FLAG] = "flag",     [WG_FIELD_I64] = "int",
        [WG_FIELD_U64] = "unsigned",  [WG_FIELD_REAL] = "real",     [WG_FIELD_DTYPE] = "dtype",
        [WG_FIELD_SHAPE] = "shape",   [WG_FIELD_AXES] = "axes",     [WG_FIELD_LIST] = "list",
        [WG_FIELD_STREAM] = "stream", [WG_FIELD_TEXT] = "text",     [WG_FIELD_LONGS] = "list",
        [WG_FIELD_REALS] = "reals",   [WG_FIELD_HANDLE] = "handle", [WG_FIELD_GRAPH] = "graph",
    };
    return text[t];
}

static void print_attributes(const wg_field *f)
{
    const char *sep = "";
    for (; f && f->name; f++, sep = ", ") printf("%s%s: %s", sep, f->name, type_name(f->type));
}

/* Prints the text of a cell; a bar inside of it would end the cell. */
static void print_cell(const char *text)
{
    for (; *text; text++) printf(*text == '|' ? "\\|" : "%c", *text);
}

/* Operators whose constructor has another name, or that have none. */
static const struct made_by {
    const char *op, *constructor;
} made_by[] = {{"cross_entropy", "wg_softmax_cross_entropy"},
               {"dropout_mask", "wg_dropout"},
               {"one_hot_index", "wg_one_hot"},
               {"zero_mul", NULL},
               {"zero_div", NULL},
               {"gelu_tanh_slope", NULL}};

static void print_name(const wg_op *op)
{
    printf("| `%s`", op->name);
    for (size_t i = 0; i < sizeof made_by / sizeof *made_by; i++) {
        if (strcmp(made_by[i].op, op->name) != 0) continue;
        if (made_by[i].constructor) printf(" (in `%s`)", made_by[i].constructor);
        else printf(" (inside)");
    }
    printf(" | ");
}

static void print_op(const wg_op *op)
{
    print_name(op);
    print_cell(op->doc ? op->doc : "");
    if (op->arity == WG_OP_VARIADIC) printf(" | 1 or more | ");
    else printf(" | %d | ", op->arity);
    print_dtypes(op->dtypes);
    printf(" | ");
    print_attributes(op->fields);
    printf(" | %s | ", op->grad ? "yes" : "none");
    if (op->onnx) printf("`%s`", op->onnx);
    printf(" |\n");
}

static void print_table(const char *title, const char *text, int elementwise)
{
    printf("\n## %s\n\n%s\n\n", title, text);
    printf("| operator | what it computes | operands | dtypes | attributes | gradient | ONNX |\n");
    printf("|---|---|---|---|---|---|---|\n");
    for (const wg_op *const *op = wg_ops; *op; op++)
        if (!(*op)->block == !elementwise) print_op(*op);
}

int main(void)
{
    int n = 0;
    while (wg_ops[n]) n++;
    printf("# The operators\n\n"
           "Written by `make docs` from the operators themselves; a test holds this page to them. There are %d.\n"
           "A constructor has the operator's name, `wg_tanh(x)`, unless the table says otherwise; *inside* means that\n"
           "only rewriting, gradients and composed functions make the operator. Arguments are in\n"
           "[graph.h](../include/graph.h), a few in [graph_op.h](../include/graph_op.h); graph.h also has functions\n"
           "composed of these operators (`wg_mean`,\n"
           "`wg_mse`, `wg_sigmoid_cross_entropy`, `wg_clip` and others). To add one, see "
           "[adding-an-op.md](adding-an-op.md).\n\n"
           "*Gradient*: \"none\" means that `wg_grad` through it is an error that names it. *ONNX* is what an\n"
           "operator becomes in a file: a form as [adding-an-op.md](adding-an-op.md) describes it, or the ONNX\n"
           "operator to which attributes are added. `20:` before an alternative is the first opset that has it.\n",
           n);
    print_table("Elementwise", "Operands broadcast as in NumPy; a chain becomes one instruction of a tape.", 1);
    print_table("Structured", "One file each in `src/ops/`, or one for a family.", 0);
    return 0;
}
