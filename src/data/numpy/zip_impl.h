/* zip_impl.h - the central directory of a zip file (PKWARE APPNOTE 6.3). */
#ifndef WENGERT_DATA_ZIP_IMPL_H
#define WENGERT_DATA_ZIP_IMPL_H

#include "base/bytes.h"
#include "data/io_impl.h"

struct wg__zip_member {
    char    *name;
    uint64_t header;       /* where its local header is */
    uint64_t limit;        /* where the next member, or the directory, starts */
    uint64_t packed, size; /* bytes in the file, bytes unpacked */
    uint64_t entry;        /* where its directory entry is, for messages */
    uint32_t crc;
    uint16_t flags, method; /* 0 stored, 8 deflated */
};

struct wg__zip {
    int                    n;
    struct wg__zip_member *member; /* [n] in the directory's order */
};

/* Checks that members have distinct names and lie one after another. */
int  wg__zip_read(struct wg__file *f, struct wg__zip *z);
void wg__zip_free(struct wg__zip *z);
/* Opens a member, to be closed by wg__stream_close. */
int wg__zip_open(struct wg__file_stream *s, struct wg__file *f, const struct wg__zip_member *m);
/* Checks at the end of a member that its size and checksum are those of the directory. */
int wg__zip_check(const struct wg__file_stream *s, const struct wg__zip_member *m);

#define WG__ZIP_LOCAL 0x04034b50u
#define WG__ZIP_ENTRY 0x02014b50u
#define WG__ZIP_END 0x06054b50u
#define WG__ZIP64_END 0x06064b50u
#define WG__ZIP64_LOCATOR 0x07064b50u
enum { WG__ZIP_LOCAL_SIZE = 30, WG__ZIP_ENTRY_SIZE = 46, WG__ZIP_END_SIZE = 22 };

#endif
