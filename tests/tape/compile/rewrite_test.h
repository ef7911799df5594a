/* rewrite_test.h - nodes and instructions of a tape as expressions. */
#ifndef WENGERT_TESTS_REWRITE_TEST_H
#define WENGERT_TESTS_REWRITE_TEST_H

#include "tape/tape_test.h"

/* A node of the tape as an expression. */
static inline void print(const wg_node *x, FILE *f)
{
    double c;
    if (x->kind == WG__CONST && wg__is_const(x, &c)) {
        fprintf(f, "%g", c);
        return;
    }
    if (x->kind != WG__OP) {
        fprintf(f, "%s", wg_node_name(x->origin));
        return;
    }
    const int *flag = x->attr;
    fprintf(f, "%s", x->op->name);
    if (x->op == &wg_op_matmul && (flag[0] || flag[1])) fprintf(f, "[%s%s]", flag[0] ? "ta" : "", flag[1] ? "tb" : "");
    for (int i = 0; i < x->n; i++) {
        fputc(i ? ',' : '(', f);
        print(x->x[i], f);
    }
    fputc(')', f);
}

static inline void expect_form(const wg_tape *t, const wg_node *y, const char *want)
{
    char  *text = NULL;
    size_t n = 0;
    FILE  *f = open_memstream(&text, &n);
    print(wg__lookup(t, y), f);
    fclose(f);
    cr_expect_str_eq(text, want);
    free(text);
}

/* How often an operator is called in an expression. */
static inline int calls(const char *form, const char *name)
{
    int n = 0;
    for (const char *p = form; (p = strstr(p, name)); p += strlen(name)) {
        bool begins = p == form || p[-1] == '(' || p[-1] == ',';
        n += begins && (p[strlen(name)] == '(' || p[strlen(name)] == '[');
    }
    return n;
}

/* The instructions run the operators of the expression, each as often as it is there. */
static inline void expect_printed(const wg_tape *t, const char *form)
{
    char *text = text_of(t);
    for (const wg_op *const *op = wg_ops; *op; op++)
        if (*op != &wg_op_reshape && *op != &wg_op_expand) /* views, and broadcasts that a loop reads in passing */
            cr_expect_eq(op_count(t, (*op)->name), calls(form, (*op)->name), "%s of %s:\n%s", (*op)->name, form, text);
    free(text);
}

#endif
