/* CSV as the world has it: classes, missing values, comments, other layouts; numbers against the C library. */
#include <math.h>

#include "data/files.h"

static wg_csv read_text(const char *text, const wg_csv_options *o)
{
    wg_csv   c;
    wg_error e = {0};
    cr_assert_eq(wg_csv_parse(text, strlen(text), o, &c, &e), WG_OK, "%s: %s", text, e.message);
    return c;
}

static void expect_refused(const char *text, const wg_csv_options *o, const char *why)
{
    wg_csv   c;
    wg_error e = {0};
    cr_assert_lt(wg_csv_parse(text, strlen(text), o, &c, &e), WG_OK, "%s", text);
    cr_assert(strstr(e.message, why), "%s: '%s' speaks of '%s'", text, e.message, why);
    cr_assert(c.columns == 0 && c.name == NULL && c.classes == NULL && c.values.data == NULL);
}

/* NaN stands for NaN. */
static void expect_values(const char *text, const wg_csv_options *o, int64_t rows, int columns, const float *want)
{
    wg_csv c = read_text(text, o);
    float *x = c.values.data;
    expect_array(&c.values, WG_F32, WG_SHAPE(rows, columns));
    for (int64_t i = 0; i < rows * columns; i++)
        cr_assert(x[i] == want[i] || (isnan(x[i]) && isnan(want[i])), "%s: value %lld is %g", text, (long long)i,
                  (double)x[i]);
    wg_csv_free(&c);
}

static void expect_classes(const wg_csv *c, int column, int n, const char *const name[])
{
    cr_assert(c->classes);
    cr_assert_eq(c->classes[column].n, n);
    for (int i = 0; i < n; i++) cr_assert_str_eq(c->classes[column].name[i], name[i]);
}

static const char flowers[] =
    "length,kind\n5.1,setosa\n4.9, virginica \n\"6\",\"setosa\"\n7,\"versi \"\"x\"\" color\"\n";
static const char *const kinds[] = {"setosa", "versi \"x\" color", "virginica"};

Test(csv_world, texts_become_classes_in_their_order)
{
    const wg_csv_options ways[] = {{.header = 1, .text_is_class = 1},
                                   {.header = 1, .n_classes = 1, .class_columns = (const int[]){1}},
                                   {.header = 1, .n_classes = 1, .class_names = (const char *const[]){"kind"}},
                                   {.header = 1, .text_is_class = 1, .dtype = WG_F64}};
    for (int i = 0; i < 4; i++) {
        wg_csv   c = read_text(flowers, &ways[i]);
        wg_array features, labels;
        wg_error e = {0};
        expect_classes(&c, 0, 0, NULL);
        expect_classes(&c, 1, 3, kinds);
        cr_assert_eq(wg_csv_take(&c, 0, 1, WG_F32, &features, &e), WG_OK, "%s", e.message);
        cr_assert_eq(wg_csv_take(&c, wg_csv_find(&c, "kind"), 1, WG_U8, &labels, &e), WG_OK, "%s", e.message);
        expect_array(&features, WG_F32, WG_SHAPE(4));
        expect_array(&labels, WG_U8, WG_SHAPE(4));
        cr_assert_arr_eq(features.data, ((float[]){5.1f, 4.9f, 6, 7}), 16);
        cr_assert_arr_eq(labels.data, ((uint8_t[]){0, 2, 0, 1}), 4);
        wg_array_free(&features);
        wg_array_free(&labels);
        wg_csv_free(&c);
    }
    expect_refused(flowers, &(wg_csv_options){.header = 1}, "line 2, column 2: 'setosa' is not a number");
}

Test(csv_world, the_first_value_decides_and_numbers_can_be_classes)
{
    wg_csv_options o = {.text_is_class = 1, .missing = 1};
    wg_csv         c = read_text("?,10\n b,9\n1,10\n", &o);
    expect_classes(&c, 0, 2, (const char *const[]){"1", "b"});
    expect_classes(&c, 1, 0, NULL);
    wg_csv_free(&c);
    expect_refused("1\nb\n", &o, "line 2, column 1: 'b' is not a number");
    o.n_classes = 1;
    o.class_columns = (const int[]){1};
    c = read_text("?,10\n b,9\n1,10\n", &o);
    expect_classes(&c, 1, 2, (const char *const[]){"10", "9"});
    float *x = c.values.data;
    cr_assert(isnan(x[0]) && x[1] == 0 && x[2] == 1 && x[3] == 1 && x[4] == 0 && x[5] == 0);
    wg_csv_free(&c);
    expect_refused("a,\n", &(wg_csv_options){.n_classes = 1, .class_columns = (const int[]){1}, .text_is_class = 1},
                   "column 2: a class is missing");
}

Test(csv_world, a_second_file_counts_its_classes_as_the_first)
{
    wg_csv         first = read_text(flowers, &(wg_csv_options){.header = 1, .text_is_class = 1});
    wg_csv_options o = {.header = 1, .text_is_class = 1, .like = &first};
    wg_csv         c = read_text("kind,length\nvirginica,1\nsetosa,2\n", &o);
    float         *x = c.values.data;
    expect_classes(&c, 0, 3, kinds);
    cr_assert(x[0] == 2 && x[2] == 0);
    wg_csv_free(&c);
    expect_refused("kind,length\nrose,1\n", &o, "line 2, column 1: 'rose' is none of the 3 classes");
    wg_csv_free(&first);
}

/* As many classes as a table of names has, in any order. */
Test(csv_world, many_classes)
{
    enum { MANY = 5000 };
    char *text = malloc(MANY * 16), *p = text;
    for (int i = 0; i < MANY; i++) p += sprintf(p, "n%05d\n", (i * 7919) % MANY);
    wg_csv c = read_text(text, &(wg_csv_options){.text_is_class = 1});
    cr_assert_eq(c.classes[0].n, MANY);
    for (int i = 0; i < MANY; i++) cr_assert_eq(((float *)c.values.data)[i], (float)((i * 7919) % MANY));
    wg_csv_free(&c);
    free(text);
}

Test(csv_world, markers_and_blanks_are_missing_if_asked)
{
    const wg_csv_options o = {.missing = 1};
    expect_values("1,NA\n?,2\n \t,N/A\n,\" \"\nnull,None\n", &o, 5, 2,
                  (float[]){1, NAN, NAN, 2, NAN, NAN, NAN, NAN, NAN, NAN});
    expect_refused("1,NA\n", NULL, "'NA' is not a number");
    expect_refused("1, \n", NULL, "a number is missing");
    const wg_csv_options own = {.missing = 1, .markers = (const char *const[]){"-999", "none", NULL}};
    expect_values("1,-999\n none ,-9990\n", &own, 2, 2, (float[]){1, NAN, NAN, -9990});
    expect_refused("1,NA\n", &own, "'NA' is not a number");
}

Test(csv_world, comments_leading_lines_and_runs_of_blanks)
{
    static const float want[] = {1, 2, 3, 4};
    expect_values("# it's \"odd\n1,2\n  # more\n3,4 # and, more\n#\n", &(wg_csv_options){.comment = '#'}, 2, 2, want);
    expect_values("\"1\"#x\n\"3\"", &(wg_csv_options){.comment = '#'}, 2, 1, (float[]){1, 3});
    wg_csv c = read_text("\"a#b\"\n1\n", &(wg_csv_options){.comment = '#', .header = 1});
    cr_assert_str_eq(c.name[0], "a#b");
    wg_csv_free(&c);
    expect_values("569,30,malignant\nany \"thing\n1,2\n3,4\n", &(wg_csv_options){.skip = 2}, 2, 2, want);
    expect_values("one line", &(wg_csv_options){.skip = 9}, 0, 0, NULL);
    const wg_csv_options blanks = {.delimiter = ' ', .comment = '%'};
    expect_values("1  2\n 3 \t4  \n", &blanks, 2, 2, want);
    expect_values("\t1 2 % x\r\n   \n3\t\"4\"\r\n%\n", &blanks, 2, 2, want);
    expect_refused("1  2\n3\n", &blanks, "line 2, column 1: the record has 1 fields");
    expect_refused("1\n2\nx\n", &(wg_csv_options){.skip = 1}, "line 3, column 1");
    expect_refused("1\n", &(wg_csv_options){.skip = -1}, "-1 lines");
    expect_refused("1\n", &(wg_csv_options){.comment = ','}, "',' cannot begin comments, for it is the delimiter");
    expect_refused("1\n", &(wg_csv_options){.comment = '"'}, "'\"' cannot begin comments");
    expect_refused("1\n", &(wg_csv_options){.comment = '\n'}, "'\\n' cannot begin comments");
    expect_refused("1\n", &(wg_csv_options){.delimiter = '\r'}, "'\\r' cannot be the delimiter");
}

Test(csv_world, names_lose_blanks_and_truth_is_a_number)
{
    const wg_csv_options o = {.header = 1, .n_columns = 2, .names = (const char *const[]){"b", " c"}};
    expect_values("a, b ,\" c\"\n1,true,False\n", &o, 1, 2, (float[]){1, 0});
}

Test(csv_world, what_is_taken_out_fits)
{
    wg_csv   c = read_text("x,y\n1,0\n300,2\n-1,nan\n1.5,3\n", &(wg_csv_options){.header = 1});
    wg_array a;
    wg_error e = {0};
    cr_assert_eq(wg_csv_take(&c, 0, 2, WG_F64, &a, &e), WG_OK, "%s", e.message);
    expect_array(&a, WG_F64, WG_SHAPE(4, 2));
    cr_assert_eq(((double *)a.data)[6], 1.5);
    wg_array_free(&a);
    static const struct {
        int         first;
        wg_dtype    dtype;
        const char *why;
    } bad[] = {{0, WG_U8, "record 2, column 1 'x': 300 is no value of u8"},
               {1, WG_I64, "record 3, column 2 'y': nan is no value of i64"},
               {0, WG_I32, "record 4, column 1 'x': 1.5 is no value of i32"},
               {0, WG_BOOL, "record 2"}};
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(wg_csv_take(&c, bad[i].first, 1, bad[i].dtype, &a, &e), WG_EARG);
        cr_assert(strstr(e.message, bad[i].why), "%s", e.message);
        expect_nothing(&a);
    }
    cr_assert_eq(wg_csv_take(&c, 1, 2, WG_F32, &a, &e), WG_EARG);
    cr_assert_eq(wg_csv_take(&c, 0, 0, WG_F32, &a, &e), WG_EARG);
    cr_assert_eq(wg_csv_take(NULL, 0, 1, WG_F32, &a, &e), WG_EARG);
    wg_csv_free(&c);
}

/* ---- Numbers ---- */

static void expect_as_library(const char *text)
{
    for (int t = WG_F32; t <= WG_F64; t++) {
        wg_csv   c;
        wg_error e = {0};
        double   want = t == WG_F32 ? (double)strtof(text, NULL) : strtod(text, NULL);
        int      status = wg_csv_parse(text, strlen(text), &(wg_csv_options){.dtype = (wg_dtype)t}, &c, &e);
        cr_assert_eq(status, isinf(want) ? WG_EFORMAT : WG_OK, "%s: %s", text, e.message);
        if (status) continue;
        double got = t == WG_F32 ? (double)*(float *)c.values.data : *(double *)c.values.data;
        cr_assert_arr_eq(&got, &want, sizeof got, "%s is %a, not %a", text, want, got);
        wg_csv_free(&c);
    }
}

/* Digits of any count with a point anywhere and any exponent, and the halves between neighbours, where rounding is
 * hard. */
Test(csv_world, numbers_are_those_of_the_c_library)
{
    uint32_t state = 7;
    char     text[128];
    for (int i = 0; i < 30000; i++) {
        int digits = 1 + (int)(draw(&state) >> 8) % 25, point = (int)(draw(&state) >> 8) % (digits + 1), k = 0;
        if (draw(&state) >> 31) text[k++] = '-';
        for (int j = 0; j < digits; j++) {
            if (j == point) text[k++] = '.';
            text[k++] = (char)('0' + (draw(&state) >> 8) % 10);
        }
        text[k] = 0;
        if (i % 2) sprintf(text + k, "e%d", (int)(draw(&state) >> 8) % 61 - 30);
        expect_as_library(text);
    }
    for (int i = 0; i < 10000; i++) {
        uint64_t m = (uint64_t)draw(&state) << 21 ^ draw(&state);
        sprintf(text, "%.*g", 15 + i % 6, ldexp((double)(m | 1ull << 52), -(int)(draw(&state) >> 8) % 80));
        expect_as_library(text);
        sprintf(text, "%.20g", ldexp((double)((m >> 20) | 1ull << 33 | 1), -20)); /* an odd bit behind 24 */
        expect_as_library(text);
        sprintf(text, "%llu", (unsigned long long)(1ull << 53 | (m & 0xffff)) * 2 + 1); /* an odd bit behind 53 */
        expect_as_library(text);
    }
    static const char *const edges[] = {"0.00000000000000000000000000000001",
                                        "00000000000000000000000012.5",
                                        "340282346638528859811704183484516925439",
                                        "340282356779733661637539395458142568448",
                                        "340282356779733661637539395458142568447",
                                        "1e-45",
                                        "7e-46",
                                        "1.17549435e-38",
                                        "9007199254740993",
                                        "9007199254740992.9999999",
                                        "18446744073709551615",
                                        "12345678",
                                        "123456789",
                                        "0.12345678",
                                        "1234567.812345678",
                                        "-0.0",
                                        "0e999"};
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) expect_as_library(edges[i]);
}

/* Records that end where a piece of the file ends: every length of the first one. */
Test(csv_world, pieces_end_anywhere)
{
    enum { PIECE = 1 << 16 };
    char *text = malloc(PIECE + 64);
    for (int n = PIECE - 40; n < PIECE + 4; n++) {
        memset(text, ' ', (size_t)n);
        strcpy(text + n, "1,\"2\"\r\n\"3\",4");
        expect_values(text, NULL, 2, 2, (float[]){1, 2, 3, 4});
    }
    free(text);
}

static const wg_csv_options everything = {.header = 1, .missing = 1, .skip = 1, .comment = '#', .text_is_class = 1};

static int parse(const void *bytes, size_t n, wg_error *e)
{
    wg_csv c;
    int    status = wg_csv_parse(bytes, n, &everything, &c, e);
    if (status) cr_assert(c.columns == 0 && c.name == NULL && c.classes == NULL && c.values.data == NULL);
    wg_csv_free(&c);
    return status;
}

Test(csv_world, any_damage_is_survived)
{
    static const char text[] = "skip\nx,\"y\"\"z\",w\n# c\n1,b,?\n\"4\",a,nan\n\n6,\"b\",8 # \"\n";
    struct bytes      b = {(uint8_t *)(uintptr_t)text, sizeof text - 1};
    damage(parse, b, 30000);
    starve(parse, b);
}

/* What an option asks for and cannot have is said, whichever way columns are named. */
Test(csv_world, columns_that_cannot_be)
{
    static const char *const a[] = {"a"}, *const b[] = {"b"}, *const none[] = {NULL};
    const wg_csv_options left_out = {.header = 1, .n_columns = 1, .names = a, .n_classes = 1, .class_names = b};
    const wg_csv_options by_index = {
        .n_columns = 1, .columns = (const int[]){0}, .n_classes = 1, .class_columns = (const int[]){1}};
    expect_refused("a,b\n1,x\n", &left_out, "column 'b' is to be classes, but is not picked");
    expect_refused("1,x\n", &by_index, "column 1 is to be classes, but is not picked");
    expect_refused("a,b\n1,2\n", &(wg_csv_options){.header = 1, .n_columns = 1, .names = none}, "name 0");
    expect_refused("a,b\n1,2\n", &(wg_csv_options){.header = 1, .n_classes = 1, .class_names = none}, "is NULL");
}
