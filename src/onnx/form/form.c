/* Recursive descent over the text of a form, no deeper than WG__FORM_DEPTH. */
#include "onnx/form/form.h"

#include <ctype.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/number/number.h"

static bool bad(struct wg__form *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool bad(struct wg__form *f, const char *format, ...)
{
    char    text[120];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    if (!*f->why)
        snprintf(f->why, sizeof f->why, "the form \"%.*s%s\" at place %d: %s", 40, f->text,
                 strlen(f->text) > 40 ? ".." : "", (int)(f->p - f->text), text);
    return false;
}

bool wg__form_is(struct wg__form_text t, const char *text)
{
    return strlen(text) == (size_t)t.n && memcmp(t.at, text, (size_t)t.n) == 0;
}

static bool take(struct wg__form *f, char c)
{
    while (*f->p == ' ') f->p++;
    if (*f->p != c) return false;
    f->p++;
    return true;
}
static bool need(struct wg__form *f, char c) { return take(f, c) || bad(f, "'%c' expected", c); }

static struct wg__form_text word(struct wg__form *f)
{
    struct wg__form_text t = {f->p, 0};
    while (isalnum((unsigned char)*f->p) || *f->p == '_') f->p++;
    t.n = (int)(f->p - t.at);
    return t;
}

static wg_dtype dtype_of(struct wg__form_text t)
{
    for (int i = 0; i < WG_DTYPES; i++)
        if (wg__form_is(t, wg_dtype_name((wg_dtype)i))) return (wg_dtype)i;
    return WG_DTYPES;
}

/* Adds an item at the end of the list that starts at *first. */
static struct wg__form_item *add(struct wg__form *f, int *first)
{
    if (f->n_item == WG__FORM_ITEMS) return bad(f, "more than %d parts", WG__FORM_ITEMS), NULL;
    while (*first >= 0) first = &f->item[*first].next;
    *first = f->n_item;
    struct wg__form_item *i = &f->item[f->n_item++];
    *i = (struct wg__form_item){.dtype = WG_DTYPES, .attr = -1, .args = -1, .next = -1};
    return i;
}

/* ---- Numbers ---- */

static bool starts_number(const char *p)
{
    return isdigit((unsigned char)*p) || *p == '-' || *p == '@' || *p == '.' || strncmp(p, "inf", 3) == 0 ||
           strncmp(p, "nan", 3) == 0;
}

static bool number(struct wg__form *f, struct wg__form_number *v)
{
    char text[48 + WG__NUMBER_BEHIND] = "";
    int  n = 0;
    *v = (struct wg__form_number){.symbol = take(f, '@')};
    for (const char *p = f->p; n < 47 && *p && (isalnum((unsigned char)*p) || strchr("+-.", *p)); p++) text[n++] = *p;
    v->is_whole = n > 0 && !strpbrk(text, ".enf");
    if (v->is_whole) {
        char *end;
        v->real = (double)(v->whole = strtoll(text, &end, 10));
        if (*end) return bad(f, "a number expected");
    } else if (wg__number_read(text, (size_t)n, false, &v->real) != WG__NUMBER) return bad(f, "a number expected");
    f->p += n;
    return true;
}

/* Reads start:stop:step, whose first number was read already, as the numbers of the range. */
static bool range(struct wg__form *f, struct wg__form_item *i)
{
    struct wg__form_number *v = &f->number[i->first], stop, step;
    if (i->n != 1 || !number(f, &stop) || !need(f, ':') || !number(f, &step)) return bad(f, "a range expected");
    if (v->symbol || stop.symbol || step.symbol || !v->is_whole || !stop.is_whole || !step.is_whole || !step.whole)
        return bad(f, "a range of whole numbers expected");
    if (f->n_number + 2 > WG__FORM_NUMBERS) return bad(f, "more than %d numbers", WG__FORM_NUMBERS);
    f->number[f->n_number++] = stop;
    f->number[f->n_number++] = step;
    i->n = -1; /* stands for the numbers between */
    return true;
}

static bool vector(struct wg__form *f, struct wg__form_item *i)
{
    i->kind = WG__FORM_INTS;
    i->first = f->n_number;
    for (bool more = !take(f, ']'); more; more = !take(f, ']')) {
        if (i->n && take(f, ':')) {
            if (!range(f, i)) return false;
            continue;
        }
        if (i->n < 0 || (i->n && !need(f, ','))) return bad(f, "']' expected");
        if (f->n_number == WG__FORM_NUMBERS) return bad(f, "more than %d numbers", WG__FORM_NUMBERS);
        struct wg__form_number *v = &f->number[f->n_number];
        if (!number(f, v)) return false;
        if (!v->is_whole) i->kind = WG__FORM_REALS;
        f->n_number++;
        i->n++;
    }
    return true;
}

/* ---- Calls ---- */

static bool text(struct wg__form *f, struct wg__form_item *i)
{
    i->kind = WG__FORM_TEXT;
    i->text.at = f->p;
    while (*f->p && *f->p != '"') f->p++;
    i->text.n = (int)(f->p - i->text.at);
    return need(f, '"');
}

static bool attribute(struct wg__form *f, int *first)
{
    struct wg__form_item *i = add(f, first);
    take(f, ' ');
    if (!i) return false;
    i->name = word(f);
    if (!i->name.n) return bad(f, "an attribute expected");
    if (!need(f, '=')) return false;
    if (take(f, '[')) return vector(f, i);
    if (take(f, '"')) return text(f, i);
    i->kind = WG__FORM_NUMBER;
    if (starts_number(f->p)) return number(f, &i->number);
    i->kind = WG__FORM_DTYPE;
    struct wg__form_text t = word(f);
    i->dtype = dtype_of(t);
    return i->dtype != WG_DTYPES || wg__form_is(t, "x") || bad(f, "the value of an attribute expected");
}

static bool value(struct wg__form *f, int *first);

static bool list(struct wg__form *f, int *first, char end, bool (*part)(struct wg__form *, int *))
{
    if (take(f, end)) return true;
    do
        if (!part(f, first)) return false;
    while (take(f, ','));
    return need(f, end);
}

static bool call(struct wg__form *f, struct wg__form_item *i)
{
    i->kind = WG__FORM_CALL;
    i->name = word(f);
    if (take(f, '{') && !list(f, &i->attr, '}', attribute)) return false;
    if (take(f, '(')) return list(f, &i->args, ')', value);
    struct wg__form_item *all = add(f, &i->args);
    if (all) all->kind = WG__FORM_ALL;
    return all != NULL;
}

static bool literal(struct wg__form *f, struct wg__form_item *i)
{
    i->kind = WG__FORM_NUMBER;
    if (!number(f, &i->number)) return false;
    if (!take(f, ':')) return true;
    i->dtype = dtype_of(word(f));
    return i->dtype != WG_DTYPES || bad(f, "a dtype expected");
}

static bool simple(struct wg__form *f, struct wg__form_item *i)
{
    static const struct {
        const char        *text;
        enum wg__form_kind kind;
        int                operand;
    } of[] = {{"x", WG__FORM_OPERAND, 0},
              {"y", WG__FORM_OPERAND, 1},
              {"z", WG__FORM_OPERAND, 2},
              {"*", WG__FORM_ALL, 0},
              {"_", WG__FORM_NONE, 0}};
    struct wg__form_text t = {f->p, 1};
    if (*f->p != '*' && *f->p) t = word(f);
    else if (*f->p) f->p++;
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        if (!wg__form_is(t, of[k].text)) continue;
        i->kind = of[k].kind;
        i->operand = of[k].operand;
        return true;
    }
    f->p = t.at;
    return bad(f, "an operator, operand, number or vector expected");
}

static bool value(struct wg__form *f, int *first)
{
    take(f, ' ');
    struct wg__form_item *i = add(f, first);
    const char           *begin = f->p;
    bool                  good = i && f->depth++ < WG__FORM_DEPTH;
    if (!good) return bad(f, "nested deeper than %d", WG__FORM_DEPTH);
    if (isupper((unsigned char)*f->p)) good = call(f, i);
    else if (take(f, '[')) good = vector(f, i);
    else good = starts_number(f->p) ? literal(f, i) : simple(f, i);
    i->text = (struct wg__form_text){begin, (int)(f->p - begin)};
    f->depth--;
    return good;
}

/* ---- Alternatives ---- */

/* Reads the conditions before a form and tells in *hold whether all of them hold; *f->p moves past
 * them. False with a complaint if they cannot be read. */
static bool conditions(struct wg__form *f, int opset, wg_dtype x, bool *hold)
{
    uint64_t since;
    *hold = true;
    for (;;) {
        while (*f->p == ' ') f->p++;
        const char          *begin = f->p;
        struct wg__form_text t = word(f);
        if (!t.n || isupper((unsigned char)*t.at) || *f->p != ':') {
            f->p = begin;
            return true;
        }
        if (isdigit((unsigned char)*t.at))
            *hold = *hold && wg__count_read(t.at, (size_t)t.n, INT_MAX, &since) && (uint64_t)opset >= since;
        else if (wg__form_is(t, "real")) *hold = *hold && x != WG_DTYPES && WG_DTYPE_BIT(x) & WG_DTYPE_REALS;
        else if (dtype_of(t) != WG_DTYPES) *hold = *hold && x == dtype_of(t);
        else {
            f->p = begin;
            return bad(f, "a condition expected");
        }
        f->p++;
    }
}

int wg__form_parse(struct wg__form *f, const char *from, int opset, wg_dtype x)
{
    f->text = f->p = from;
    f->root = -1;
    f->depth = 0;
    *f->why = 0;
    for (bool hold, found = false; !found; found = hold) {
        f->root = -1;
        f->n_item = f->n_number = 0;
        if (!conditions(f, opset, x, &hold) || !value(f, &f->root)) return WG_EARG;
        if (!hold && !take(f, ';')) {
            if (!*f->p) snprintf(f->why, sizeof f->why, "no ONNX form for opset %d", opset);
            else bad(f, "';' or the end expected");
            return WG_EARG;
        }
    }
    take(f, ' ');
    if (*f->p && *f->p != ';') return bad(f, "';' or the end expected"), WG_EARG;
    if (f->item[f->root].kind == WG__FORM_REALS || f->item[f->root].kind == WG__FORM_ALL ||
        f->item[f->root].kind == WG__FORM_NONE)
        return bad(f, "a value expected"), WG_EARG;
    return WG_OK;
}
