/* The language of forms: what is taken, which alternative, and what a mistake
 * is answered with. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "onnx/form/form.h"

TestSuite(onnx_form, .timeout = 60);

static struct wg__form *parse(const char *text, int opset, wg_dtype x)
{
    static struct wg__form f;
    cr_assert_eq(wg__form_parse(&f, text, opset, x), WG_OK, "%s: %s", text, f.why);
    return &f;
}
static const struct wg__form_item *root(const struct wg__form *f) { return &f->item[f->root]; }
static const struct wg__form_item *next(const struct wg__form *f, int i)
{
    cr_assert(i >= 0);
    return &f->item[i];
}

Test(onnx_form, a_name_alone_takes_all_operands)
{
    const struct wg__form      *f = parse("Add", 13, WG_F32);
    const struct wg__form_item *all = next(f, root(f)->args);
    cr_expect(wg__form_is(root(f)->name, "Add"));
    cr_expect(all->kind == WG__FORM_ALL && all->next == -1 && root(f)->attr == -1);
}

Test(onnx_form, calls_nest_and_hold_their_text)
{
    const struct wg__form      *f = parse("Reciprocal( Sqrt(x) )", 13, WG_F32);
    const struct wg__form_item *sqrt_ = next(f, root(f)->args);
    cr_expect(wg__form_is(sqrt_->text, "Sqrt(x)"));
    cr_expect_eq(next(f, sqrt_->args)->kind, WG__FORM_OPERAND);
    cr_expect_eq(next(f, sqrt_->args)->operand, 0);
}

Test(onnx_form, arguments_of_every_kind)
{
    const struct wg__form *f = parse("Op(y,z,*,_,0.5,7:i64,-3,[1,@-1000,-2],[0:10:3],[],inf,-inf,1e-3)", 13, WG_F32);
    const struct wg__form_item *i = next(f, root(f)->args);
    cr_expect_eq(i->operand, 1);
    cr_expect_eq((i = next(f, i->next))->operand, 2);
    cr_expect_eq((i = next(f, i->next))->kind, WG__FORM_ALL);
    cr_expect_eq((i = next(f, i->next))->kind, WG__FORM_NONE);
    i = next(f, i->next);
    cr_expect(i->number.real == 0.5 && !i->number.is_whole && i->dtype == WG_DTYPES);
    i = next(f, i->next);
    cr_expect(i->number.whole == 7 && i->number.is_whole && i->dtype == WG_I64);
    cr_expect_eq((i = next(f, i->next))->number.whole, -3);
    i = next(f, i->next);
    cr_expect(i->n == 3 && f->number[i->first + 1].symbol && f->number[i->first + 1].whole == -1000);
    cr_expect(!f->number[i->first + 2].symbol && f->number[i->first + 2].whole == -2);
    i = next(f, i->next);
    cr_expect(i->n == -1 && f->number[i->first].whole == 0 && f->number[i->first + 1].whole == 10 &&
              f->number[i->first + 2].whole == 3);
    cr_expect_eq((i = next(f, i->next))->n, 0);
    cr_expect_eq((i = next(f, i->next))->number.real, INFINITY);
    cr_expect_eq((i = next(f, i->next))->number.real, -INFINITY);
    cr_expect_eq((i = next(f, i->next))->number.real, 1e-3);
    cr_expect_eq(i->next, -1);
}

Test(onnx_form, attributes_of_every_kind)
{
    const struct wg__form *f =
        parse("Op{a=1, b=0.5,c=[1,2],d=\"te xt\",e=f64,f=x,g=[1.0,2.0],h=-1,i=nan}()", 13, WG_F32);
    const struct wg__form_item *i = next(f, root(f)->attr);
    cr_expect(wg__form_is(i->name, "a") && i->number.is_whole && i->number.whole == 1);
    i = next(f, i->next);
    cr_expect(wg__form_is(i->name, "b") && !i->number.is_whole);
    i = next(f, i->next);
    cr_expect(i->kind == WG__FORM_INTS && i->n == 2);
    i = next(f, i->next);
    cr_expect(i->kind == WG__FORM_TEXT && wg__form_is(i->text, "te xt"));
    i = next(f, i->next);
    cr_expect(i->kind == WG__FORM_DTYPE && i->dtype == WG_F64);
    i = next(f, i->next);
    cr_expect(i->kind == WG__FORM_DTYPE && i->dtype == WG_DTYPES);
    i = next(f, i->next);
    cr_expect(i->kind == WG__FORM_REALS && i->n == 2);
    cr_expect_eq((i = next(f, i->next))->number.whole, -1);
    cr_expect(isnan(next(f, i->next)->number.real));
    cr_expect_eq(root(f)->args, -1, "empty brackets: no operand");
}

Test(onnx_form, the_first_alternative_that_holds_is_taken)
{
    static const char text[] = "20:Gelu; 12:real:Max; i32:Add(x,1); u8:bool:Not; Sub(x,y)";
    static const struct {
        int         opset;
        wg_dtype    x;
        const char *op;
    } want[] = {{21, WG_F32, "Gelu"}, {20, WG_I32, "Gelu"},  {19, WG_F32, "Max"}, {12, WG_F64, "Max"},
                {12, WG_I32, "Add"},  {11, WG_I32, "Add"},   {11, WG_F32, "Sub"}, {13, WG_I64, "Sub"},
                {13, WG_U8, "Sub"},   {13, WG_DTYPES, "Sub"}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        const struct wg__form *f = parse(text, want[i].opset, want[i].x);
        cr_expect(wg__form_is(root(f)->name, want[i].op), "opset %d of %s", want[i].opset, wg_dtype_name(want[i].x));
    }
}

Test(onnx_form, mistakes_are_named_with_their_place)
{
    static const struct {
        const char *text, *why;
    } bad[] = {{"", "place 0"},
               {"Add(x,y", "place 7: ')' expected"},
               {"Add(x y)", "place 6: ')' expected"},
               {"Add(x,y))", "place 8: ';' or the end"},
               {"Add(w)", "place 4: an operator, operand"},
               {"Op{a}", "place 4: '=' expected"},
               {"Op{=1}", "place 3: an attribute"},
               {"Op{a=}", "the value of an attribute"},
               {"Op{a=f16}", "the value of an attribute"},
               {"Op{a=\"x}", "'\"' expected"},
               {"Op([1,2)", "',' expected"},
               {"Op([1,,2])", "a number"},
               {"Op([0:1])", "':' expected"},
               {"Op([0:1:0])", "a range of whole numbers"},
               {"Op([0:1.5:1])", "a range of whole numbers"},
               {"Op(7:i65)", "a dtype expected"},
               {"Op(1.2.3)", "a number expected"},
               {"Op(1-2)", "a number expected"},
               {"what:Op", "a condition expected"},
               {"20:Gelu", "no ONNX form for opset 13"},
               {"20:Gelu; 15:Max", "no ONNX form for opset 13"},
               {"20:Gelu Max", "';' or the end"},
               {"*", "a value expected"},
               {"_", "a value expected"},
               {"[1.5]", "a value expected"}};
    static struct wg__form f;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_expect_eq(wg__form_parse(&f, bad[i].text, 13, WG_F32), WG_EARG, "%s", bad[i].text);
        cr_expect(strstr(f.why, bad[i].why), "%s: \"%s\" has no \"%s\"", bad[i].text, f.why, bad[i].why);
    }
}

Test(onnx_form, limits_are_errors)
{
    static struct wg__form f;
    static char            deep[1024], wide[4096];
    for (int i = 0; i < 100; i++) memcpy(deep + 4 * i, "Neg(", 4);
    for (int i = 0; i < 2000; i++) memcpy(wide + 2 * i, i ? ",1" : "[1", 2);
    cr_expect_eq(wg__form_parse(&f, deep, 13, WG_F32), WG_EARG);
    cr_expect(strstr(f.why, "nested deeper"), "%s", f.why);
    cr_expect_eq(wg__form_parse(&f, wide, 13, WG_F32), WG_EARG);
    cr_expect(strstr(f.why, "more than 512 numbers"), "%s", f.why);
    for (int i = 0; i < 400; i++) memcpy(wide + 4 + 2 * i, i ? ",x" : "(x", 2);
    memcpy(wide, "Sums", 4);
    cr_expect_eq(wg__form_parse(&f, wide, 13, WG_F32), WG_EARG);
    cr_expect(strstr(f.why, "more than 160 parts"), "%s", f.why);
}

/* No text crashes it: every prefix of a long one, and each with a byte changed. */
Test(onnx_form, any_text_is_answered)
{
    static const char      text[] = "20:Gelu{a=\"n\",b=[1,@-1000]}(x,7:i64); real:Mul(Sub(x,[0:9:2]),_,-1.5e3,*)";
    static struct wg__form f;
    char                   copy[sizeof text];
    for (size_t n = 0; n < sizeof text; n++) {
        memcpy(copy, text, n);
        copy[n] = 0;
        cr_assert(wg__form_parse(&f, copy, 13, WG_F32) == WG_OK || *f.why);
        for (int c = 1; c < 256; c += 3) {
            memcpy(copy, text, sizeof text);
            copy[n < sizeof text - 1 ? n : 0] = (char)c;
            cr_assert(wg__form_parse(&f, copy, 13, WG_F32) == WG_OK || *f.why);
        }
    }
}
