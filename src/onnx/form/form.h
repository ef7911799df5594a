/* form.h - the language in which an operator says what it is in ONNX, read
 * into items.  graph_op.h describes it; the grammar is
 *
 *   forms   = form {";" form}          the first whose conditions hold is taken
 *   form    = {condition ":"} value    condition: an opset, "real", or a dtype of operand 0
 *   value   = call | "x" | "y" | "z" | number [":" dtype] | vector
 *   call    = Name ["{" attribute {"," attribute} "}"] ["(" [argument {"," argument}] ")"]
 *   argument  = value | "*" | "_"
 *   attribute = name "=" (number | vector | text | dtype | "x")
 *   vector  = "[" [number {"," number}] "]" | "[" start ":" stop ":" step "]"
 *
 * where "@-1000" in a vector is a symbolic dimension. */
#ifndef WENGERT_ONNX_FORM_H
#define WENGERT_ONNX_FORM_H

#include <stdbool.h>

#include <wengert/graph_op.h>

enum { WG__FORM_ITEMS = 160, WG__FORM_NUMBERS = 512, WG__FORM_DEPTH = 24 };

enum wg__form_kind {
    WG__FORM_CALL,    /* of operator `name` */
    WG__FORM_OPERAND, /* number `operand` */
    WG__FORM_ALL,     /* every operand */
    WG__FORM_NONE,    /* an input left out */
    WG__FORM_NUMBER,
    WG__FORM_INTS,
    WG__FORM_REALS, /* in attributes only, as are: */
    WG__FORM_TEXT,
    WG__FORM_DTYPE
};

struct wg__form_text {
    const char *at;
    int         n;
};
struct wg__form_number {
    double  real;
    int64_t whole;
    bool    is_whole, symbol;
};
struct wg__form_item {
    enum wg__form_kind     kind;
    struct wg__form_text   text;  /* all of it: equal texts are equal values */
    struct wg__form_text   name;  /* of a call or attribute; of TEXT: what is between the quotes is `text` */
    wg_dtype               dtype; /* of NUMBER and DTYPE; WG_DTYPES: that of operand 0 */
    int                    operand;
    struct wg__form_number number;
    int                    first, n;         /* of INTS and REALS: in number[] */
    int                    attr, args, next; /* first attribute and argument of a call, next in a list; -1: none */
};
struct wg__form {
    struct wg__form_item   item[WG__FORM_ITEMS];
    struct wg__form_number number[WG__FORM_NUMBERS];
    int                    n_item, n_number, root;
    char                   why[200];

    const char *text, *p; /* while it is parsed */
    int         depth;
};

/* Parses the form for this opset and for dtype x of operand 0 (WG_DTYPES: there is no operand).
 * Returns WG_OK, or WG_EARG with f->why: there is no form for this opset, or what is wrong at which
 * place. f refers to text, which the caller keeps. */
int wg__form_parse(struct wg__form *f, const char *text, int opset, wg_dtype x);

bool wg__form_is(struct wg__form_text t, const char *text);

#endif
