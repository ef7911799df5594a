/* Protobuf's wire format: a message is a list of fields, each a tag (number and
 * wire type) and a value, and what is not known can be stepped over. */
#include "base/bytes.h"
#include "onnx/proto/proto.h"

enum { MAX_VARINT = 10, MAX_NUMBER = (1 << 29) - 1 };

static int bad(const char **why, const char *text)
{
    *why = text;
    return WG_EFORMAT;
}

static void skip_bytes(struct wg__span *rest, size_t n)
{
    rest->at += n;
    rest->n -= n;
}

/* Reads a varint: seven bits a byte, the lowest first. The tenth byte has room for one bit only. */
int wg__wire_varint(struct wg__span *rest, uint64_t *v, const char **why)
{
    *v = 0;
    if (!rest->n) return 0;
    for (size_t i = 0; i < MAX_VARINT; i++) {
        if (i == rest->n) return bad(why, "ends inside of a number");
        uint8_t b = rest->at[i];
        if (i == MAX_VARINT - 1 && b > 1) break;
        *v |= (uint64_t)(b & 0x7f) << 7 * i;
        if (b < 0x80) {
            skip_bytes(rest, i + 1);
            return 1;
        }
    }
    return bad(why, "has a number of more than 64 bits");
}

static int varint(struct wg__span *rest, struct wg__field *f, const char **why)
{
    int got = wg__wire_varint(rest, &f->value, why);
    return got ? got : bad(why, "ends where a number was expected");
}

static int fixed(struct wg__span *rest, struct wg__field *f, size_t n, const char **why)
{
    if (rest->n < n) return bad(why, "ends inside of a number of fixed size");
    f->value = wg__little(rest->at, n);
    skip_bytes(rest, n);
    return 1;
}
static int fixed64(struct wg__span *rest, struct wg__field *f, const char **why) { return fixed(rest, f, 8, why); }
static int fixed32(struct wg__span *rest, struct wg__field *f, const char **why) { return fixed(rest, f, 4, why); }

static int bytes(struct wg__span *rest, struct wg__field *f, const char **why)
{
    struct wg__span at = *rest;
    int             got = varint(rest, f, why);
    if (got < 0) return got;
    if (f->value > rest->n) {
        *rest = at;
        return bad(why, "ends before the bytes of a field do");
    }
    f->bytes = (struct wg__span){rest->at, (size_t)f->value};
    skip_bytes(rest, f->bytes.n);
    return 1;
}

static int (*const value_of[8])(struct wg__span *, struct wg__field *, const char **) = {
    [WG__VARINT] = varint, [WG__FIXED64] = fixed64, [WG__BYTES] = bytes, [WG__FIXED32] = fixed32};

int wg__wire_next(struct wg__span *rest, struct wg__field *f, const char **why)
{
    struct wg__span start = *rest;
    uint64_t        tag;
    *f = (struct wg__field){.at = rest->at};
    int got = wg__wire_varint(rest, &tag, why);
    if (got <= 0) return got;
    f->number = (uint32_t)(tag >> 3);
    f->wire = (enum wg__wire)(tag & 7);
    if (tag >> 3 == 0 || tag >> 3 > MAX_NUMBER || !value_of[tag & 7]) {
        *rest = start;
        return bad(why, value_of[tag & 7] ? "has a field with a number out of range"
                                          : "has a field of a wire type that there is not");
    }
    f->value = 0;
    got = value_of[f->wire](rest, f, why);
    f->end = rest->at;
    return got;
}
