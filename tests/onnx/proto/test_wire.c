/* Protobuf's wire format, byte by byte. */
#include "onnx/proto/encode.h"

/* In memory of exactly that size, so that a sanitizer sees one byte too many. */
static struct wg__span exactly(const char *bytes, size_t n)
{
    uint8_t *copy = malloc(n ? n : 1);
    cr_assert_not_null(copy);
    if (n) memcpy(copy, bytes, n);
    return (struct wg__span){copy, n};
}

#define BYTES(text) text, sizeof text - 1

Test(onnx_wire, numbers)
{
    static const struct {
        const char *bytes;
        size_t      n;
        int         got; /* 1, 0, a status */
        uint64_t    value;
        size_t      left;
    } rows[] = {
        {BYTES(""), 0, 0, 0},
        {BYTES("\0"), 1, 0, 0},
        {BYTES("\1"), 1, 1, 0},
        {BYTES("\x7f\5"), 1, 127, 1},
        {BYTES("\x80\1"), 1, 128, 0},
        {BYTES("\xac\2"), 1, 300, 0},
        {BYTES("\x80\x80\x80\0"), 1, 0, 0}, /* longer than it has to be */
        {BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"), 1, UINT64_MAX, 0},
        {BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), 1, INT64_MAX, 0},
        {BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\2"), WG_EFORMAT, 0, 10},
        {BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\0"), WG_EFORMAT, 0, 11},
        {BYTES("\x80"), WG_EFORMAT, 0, 1},
        {BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff"), WG_EFORMAT, 0, 9},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct wg__span all = exactly(rows[i].bytes, rows[i].n), rest = all;
        uint64_t        v;
        const char     *why = NULL;
        int             got = wg__wire_varint(&rest, &v, &why);
        cr_assert_eq(got, rows[i].got, "row %zu: %d %s", i, got, why ? why : "");
        cr_assert_eq(rest.n, rows[i].left, "row %zu", i);
        cr_assert_eq(rest.at - all.at, (ptrdiff_t)(all.n - rest.n), "row %zu", i);
        cr_assert(got < 1 || v == rows[i].value, "row %zu", i);
        cr_assert_eq(got < 0, why != NULL);
        free((void *)all.at);
    }
}

Test(onnx_wire, fields)
{
    static const char bytes[] = "\x08\x96\1"              /* 1: varint 150 */
                                "\x12\3abc"               /* 2: 3 bytes */
                                "\x1d\0\0\x80\x3f"        /* 3: fixed32 of 1.0f */
                                "\x21\1\2\3\4\5\6\7\x80"  /* 4: fixed64 */
                                "\xfa\xff\xff\xff\x0f\0"; /* the last number that there is, no bytes */
    static const struct {
        uint32_t      number;
        enum wg__wire wire;
        uint64_t      value;
        size_t        n, at, end;
    } want[] = {{1, WG__VARINT, 150, 0, 0, 3},
                {2, WG__BYTES, 3, 3, 3, 8},
                {3, WG__FIXED32, 0x3f800000, 0, 8, 13},
                {4, WG__FIXED64, 0x8007060504030201, 0, 13, 22},
                {(1 << 29) - 1, WG__BYTES, 0, 0, 22, 28}};
    struct wg__span  all = exactly(bytes, sizeof bytes - 1), rest = all;
    struct wg__field f;
    const char      *why = NULL;
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        cr_assert_eq(wg__wire_next(&rest, &f, &why), 1, "%s", why ? why : "");
        cr_assert_eq(f.number, want[i].number);
        cr_assert_eq(f.wire, want[i].wire);
        cr_assert_eq(f.value, want[i].value);
        cr_assert_eq(f.bytes.n, want[i].n);
        cr_assert_eq(f.at - all.at, (ptrdiff_t)want[i].at);
        cr_assert_eq(f.end - all.at, (ptrdiff_t)want[i].end);
        cr_assert(f.wire != WG__BYTES || f.bytes.at + f.bytes.n == f.end);
    }
    cr_assert_eq(wg__wire_next(&rest, &f, &why), 0);
    free((void *)all.at);
}

Test(onnx_wire, damage_is_named_at_its_place)
{
    static const struct {
        const char *bytes;
        size_t      n, at;
        const char *why;
    } rows[] = {
        {BYTES("\x80"), 0, "inside of a number"},
        {BYTES("\x08"), 1, "where a number was expected"},
        {BYTES("\x08\x80"), 1, "inside of a number"},
        {BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), 1, "more than 64 bits"},
        {BYTES("\x12"), 1, "where a number was expected"},
        {BYTES("\x12\3ab"), 1, "before the bytes of a field do"},
        {BYTES("\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"), 1, "before the bytes of a field do"},
        {BYTES("\x1d\0\0\0"), 1, "fixed size"},
        {BYTES("\x21\0\0\0\0\0\0\0"), 1, "fixed size"},
        {BYTES("\x0b"), 0, "wire type"}, /* groups, which ended with proto2 */
        {BYTES("\x0c"), 0, "wire type"},
        {BYTES("\x0e"), 0, "wire type"},
        {BYTES("\x0f"), 0, "wire type"},
        {BYTES("\0\0"), 0, "number out of range"},
        {BYTES("\x80\x80\x80\x80\x10\0"), 0, "number out of range"},
        {BYTES("\x88\x80\x80\x80\x80\x01\0"), 0, "number out of range"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct wg__span  all = exactly(rows[i].bytes, rows[i].n), rest = all;
        struct wg__field f;
        const char      *why = NULL;
        cr_assert_eq(wg__wire_next(&rest, &f, &why), WG_EFORMAT, "row %zu", i);
        cr_assert(strstr(why, rows[i].why), "row %zu: %s", i, why);
        cr_assert_eq(rest.at - all.at, (ptrdiff_t)rows[i].at, "row %zu", i);
        free((void *)all.at);
    }
}
