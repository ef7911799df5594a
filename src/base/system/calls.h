/* calls.h - reads that a signal does not end, and why a call of the system failed. */
#ifndef WENGERT_BASE_CALLS_H
#define WENGERT_BASE_CALLS_H

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static inline ssize_t wg__read_some(int fd, void *to, size_t n)
{
    ssize_t k;
    do k = read(fd, to, n);
    while (k < 0 && errno == EINTR);
    return k;
}

static inline ssize_t wg__read_some_at(int fd, void *to, size_t n, off_t offset)
{
    ssize_t k;
    do k = pread(fd, to, n, offset);
    while (k < 0 && errno == EINTR);
    return k;
}

static inline ssize_t wg__write_some(int fd, const void *from, size_t n)
{
    ssize_t k;
    do k = write(fd, from, n);
    while (k < 0 && errno == EINTR);
    return k;
}

#endif
