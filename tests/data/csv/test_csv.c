/* CSV: RFC 4180's rules one by one, and where each error is. */
#include <math.h>

#include "support/locale.h"
#include "data/files.h"

static const wg_csv_options named = {.header = 1, .dtype = WG_F64};

static int parse(const void *bytes, size_t n, wg_error *e)
{
    wg_csv c;
    int    status = wg_csv_parse(bytes, n, &named, &c, e);
    if (status) cr_assert(c.columns == 0 && c.name == NULL && c.values.data == NULL);
    wg_csv_free(&c);
    return status;
}

static wg_csv read_text(const char *text, const wg_csv_options *o)
{
    wg_csv   c;
    wg_error e = {0};
    cr_assert_eq(wg_csv_parse(text, strlen(text), o, &c, &e), WG_OK, "%s: %s", text, e.message);
    return c;
}

static void expect_values(const char *text, const wg_csv_options *o, int64_t rows, int64_t columns, const float *want)
{
    wg_csv c = read_text(text, o);
    expect_array(&c.values, WG_F32, WG_SHAPE(rows, columns));
    cr_assert_eq(c.columns, columns);
    for (int64_t i = 0; i < rows * columns; i++)
        cr_assert_eq(((float *)c.values.data)[i], want[i], "%s: value %lld is %g", text, (long long)i,
                     (double)((float *)c.values.data)[i]);
    wg_csv_free(&c);
}

Test(csv, records_end_as_they_may)
{
    static const float       want[] = {1, 2, 3, 4};
    static const char *const texts[] = {
        "1,2\n3,4\n",
        "1,2\n3,4",
        "1,2\r\n3,4\r\n",
        "1,2\r\n3,4",
        "\n\n1,2\n\r\n3,4\n\n",
        "\xef\xbb\xbf\061,2\n3,4",
        " 1 ,\t2\n3, 4 ",
        "\"1\",2\n3,\"4\"",
        "\"1\",2\r\n3,\"4\"\r\n",
        "1e0,+2\n.3e1,4.",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) expect_values(texts[i], NULL, 2, 2, want);
    expect_values("1;2\n3;4", &(wg_csv_options){.delimiter = ';'}, 2, 2, want);
    expect_values("1\t2\n3\t4", &(wg_csv_options){.delimiter = '\t'}, 2, 2, want);
}

Test(csv, empty_files_have_no_records)
{
    expect_values("", NULL, 0, 0, NULL);
    expect_values("\n\r\n", NULL, 0, 0, NULL);
    expect_values("\xef\xbb\xbf", NULL, 0, 0, NULL);
    wg_csv c = read_text("a,b\n", &(wg_csv_options){.header = 1});
    expect_array(&c.values, WG_F32, WG_SHAPE(0, 2));
    wg_csv_free(&c);
}

Test(csv, names_are_kept_and_columns_picked)
{
    static const char text[] = "x,\"a \"\"b\"\"\",\"na,\nme\",y\n1,2,anything,4\n5,6,\"any, \n thing\",8\n";
    wg_csv            c = read_text("\"a\r\nb\"\n1\n", &named);
    cr_assert_str_eq(c.name[0], "a\r\nb");
    wg_csv_free(&c);
    expect_values(text, &(wg_csv_options){.header = 1, .n_columns = 2, .columns = (int[]){3, 0}}, 2, 2,
                  (float[]){4, 1, 8, 5});
    c = read_text(text, &(wg_csv_options){.header = 1, .n_columns = 2, .columns = (int[]){3, 1}});
    cr_assert_str_eq(c.name[0], "y");
    cr_assert_str_eq(c.name[1], "a \"b\"");
    wg_csv_free(&c);
    const char *const names[] = {"y", "a \"b\""};
    wg_csv_options    o = {.header = 1, .n_columns = 2, .names = names};
    wg_error          e;
    expect_values(text, &o, 2, 2, (float[]){4, 2, 8, 6});
    cr_assert_eq(wg_csv_parse("x,y\n1,2\n", 8, &o, &c, &e), WG_EARG);
    cr_assert(strstr(e.message, "no column named 'a \"b\"'"), "%s", e.message);
    c = read_text("x,y\n1,2\n", &(wg_csv_options){.header = 1, .n_columns = 1, .names = names});
    cr_assert_eq(*(float *)c.values.data, 2);
    cr_assert_eq(wg_csv_find(&c, "y"), 0);
    cr_assert_eq(wg_csv_find(&c, "x"), -1);
    wg_csv_free(&c);
}

Test(csv, numbers_are_rounded_once)
{
    static const struct {
        const char *text;
        double      value;
    } numbers[] = {{"0.1", 0.1},
                   {"1e308", 1e308},
                   {"-4.9e-324", -0x1p-1074},
                   {"1e-400", 0},
                   {"-0", -0.0},
                   {"inf", INFINITY},
                   {"-Infinity", -INFINITY},
                   {" +INF\t", INFINITY},
                   {"9007199254740993", 9007199254740992.0},
                   {"123456789012345678901234567890", 123456789012345678901234567890.0}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        wg_csv c = read_text(numbers[i].text, &(wg_csv_options){.dtype = WG_F64});
        cr_assert_arr_eq(c.values.data, &numbers[i].value, sizeof(double), "%s", numbers[i].text);
        wg_csv_free(&c);
    }
    /* Just above the middle of two floats; by way of double it would go down to the even one. */
    expect_values("1.00000005960464477540", NULL, 1, 1, (float[]){0x1.000002p0f});
    wg_csv c = read_text("nan\n-NaN\n", NULL);
    cr_assert(isnan(((float *)c.values.data)[0]) && isnan(((float *)c.values.data)[1]));
    wg_csv_free(&c);
}

Test(csv, a_locale_with_a_comma_changes_nothing)
{
    if (!use_comma_locale()) cr_skip_test("no locale with a decimal comma, and no localedef to make one");
    expect_values("1.5;2.25", &(wg_csv_options){.delimiter = ';'}, 1, 2, (float[]){1.5f, 2.25f});
}

Test(csv, missing_values_are_nan_if_asked)
{
    wg_csv c = read_text("1,,3\n,\"\",6\n", &(wg_csv_options){.missing = 1});
    float *x = c.values.data;
    expect_array(&c.values, WG_F32, WG_SHAPE(2, 3));
    cr_assert(x[0] == 1 && isnan(x[1]) && x[2] == 3 && isnan(x[3]) && isnan(x[4]) && x[5] == 6);
    wg_csv_free(&c);
    c = read_text("1\n\"\"", &(wg_csv_options){.missing = 1});
    expect_array(&c.values, WG_F32, WG_SHAPE(2, 1));
    wg_csv_free(&c);
}

Test(csv, errors_name_line_and_column)
{
    static const struct {
        const char *text, *why;
        int64_t     offset;
    } bad[] = {
        {"1,2\n3,x\n", "line 2, column 2: 'x' is not a number", 6},
        {"1,2\n\n3,0x10\n", "line 3, column 2: '0x10' is not a number", 7},
        {"1,\"2\n\"\n3,4\n5,6,7", "line 1, column 2", 2},
        {"1,2\n3\n", "line 2, column 1: the record has 1 fields, the first one has 2", 4},
        {"1,2\n3,4,5\n", "line 2, column 3: the record has 3 fields", 8},
        {"1,2\n3,\n", "line 2, column 2: '' a number is missing", 6},
        {"1,2\n3, \n", "a number is missing", 6},
        {"1,1e39\n", "line 1, column 2: '1e39' is too large", 2},
        {"1,2e\n", "not a number", 2},
        {"1,.\n", "not a number", 2},
        {"1,1 2\n", "not a number", 2},
        {"1,1,5\n2,1_000,5\n", "line 2, column 2", 8},
        {"1,infinit\n", "not a number", 2},
        {"1,2\r3,4\r", "column 2: a carriage return without", 2},
        {"1,\"2\"3\n", "column 2: text follows the closing quote", 2},
        {"1,2\"3\"\n", "column 2: a quote inside of an unquoted field", 2},
        {"1,\"2", "column 2: the quoted field has no end", 2},
        {"1,\"2\"\"", "the quoted field has no end", 2},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        wg_csv   c;
        wg_error e = {0};
        cr_assert_eq(wg_csv_parse(bad[i].text, strlen(bad[i].text), NULL, &c, &e), WG_EFORMAT, "%s", bad[i].text);
        cr_assert(strstr(e.message, bad[i].why), "'%s' speaks of '%s'", e.message, bad[i].why);
        cr_assert_eq(e.offset, bad[i].offset, "%s", e.message);
        expect_nothing(&c.values);
    }
    wg_csv   c;
    wg_error e;
    cr_assert_eq(wg_csv_parse("1,2\0,3", 6, NULL, &c, &e), WG_EFORMAT);
    cr_assert(strstr(e.message, "zero byte"), "%s", e.message);
}

Test(csv, options_are_checked)
{
    const wg_csv_options bad[] = {
        {.dtype = WG_I32},
        {.delimiter = '"'},
        {.delimiter = '\n'},
        {.n_columns = 1},
        {.n_columns = -1},
        {.n_columns = 1, .columns = (const int[]){2}},
        {.n_columns = 1, .columns = (const int[]){-1}},
        {.n_columns = 1, .names = (const char *const[]){"a"}},
        {.header = 1, .n_columns = 1, .names = (const char *const[]){NULL}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        wg_csv   c;
        wg_error e = {0};
        cr_assert_eq(wg_csv_parse("1,2\n", 4, &bad[i], &c, &e), i ? WG_EARG : WG_EDTYPE);
        cr_assert(e.message[0]);
    }
}

Test(csv, a_large_table)
{
    enum { ROWS = 20000 };
    char *text = malloc(ROWS * 24), *p = text;
    for (int i = 0; i < ROWS; i++) p += sprintf(p, "%d,\"%d\",%d.5\r\n", i, -i, i % 7);
    wg_csv c = read_text(text, &(wg_csv_options){.dtype = WG_F64});
    expect_array(&c.values, WG_F64, WG_SHAPE(ROWS, 3));
    for (int i = 0; i < ROWS; i++) {
        const double *x = (double *)c.values.data + 3 * i;
        cr_assert(x[0] == i && x[1] == -i && x[2] == i % 7 + 0.5);
    }
    wg_csv_free(&c);
    free(text);
}

Test(csv, any_damage_is_survived)
{
    static const char text[] = "x,\"y\"\"z\",\"w\n\"\r\n1,2.5e3,-inf\r\n\"4\",5,nan\n\n6,7,8";
    struct bytes      b = {(uint8_t *)(uintptr_t)text, sizeof text - 1};
    damage(parse, b, 50000);
    starve(parse, b);
}
