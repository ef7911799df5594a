/* Writers: all of the new file or all of the old one, and nothing else. */
#include <sys/resource.h>
#include <sys/stat.h>
#include <signal.h>

#include "files.h"

static int write_as(int kind, const char *path, const wg_array *a, wg_error *e)
{
    if (kind == 0) return wg_idx_write(path, a, e);
    if (kind == 1) return wg_npy_write(path, a, e);
    return wg_npz_write(path, 1, (const char *[]){"a"}, (const wg_array *[]){a}, e);
}

static const char *path_in(const char *directory)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/a", directory);
    return path;
}

static wg_array bytes_of(size_t n, uint8_t value)
{
    wg_array a;
    cr_assert_eq(wg_array_new(&a, WG_U8, WG_SHAPE((int64_t)n)), WG_OK);
    memset(a.data, value, n);
    return a;
}

static void expect_same_file(const char *path, struct bytes want)
{
    struct bytes b = slurp(path);
    cr_assert_eq(b.n, want.n);
    cr_assert_arr_eq(b.data, want.data, b.n);
    free(b.data);
}

Test(out, a_full_disk_leaves_the_old_file_and_no_litter)
{
    char *directory = make_directory();
    signal(SIGXFSZ, SIG_IGN);
    for (int kind = 0; kind < 3; kind++) {
        wg_array small = bytes_of(100, 1), large = bytes_of(100000, 2);
        wg_error e = {0};
        cr_assert_eq(write_as(kind, path_in(directory), &small, NULL), WG_OK);
        struct bytes old = slurp(path_in(directory));
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){50000, RLIM_INFINITY});
        int status = write_as(kind, path_in(directory), &large, &e);
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY});
        cr_assert_eq(status, WG_EIO);
        cr_assert(strstr(e.message, "cannot write"), "%s", e.message);
        expect_same_file(path_in(directory), old);
        cr_assert_eq(files_in(directory), 1);
        free(old.data);
        wg_array_free(&small);
        wg_array_free(&large);
    }
    remove_directory(directory);
}

Test(out, any_allocation_may_fail)
{
    char    *directory = make_directory();
    wg_array a = bytes_of(100, 1);
    for (int kind = 0; kind < 3; kind++) {
        int status = WG_ENOMEM;
        for (int n = 0; status; n++) {
            remove(path_in(directory));
            alloc_fail_at(n);
            status = write_as(kind, path_in(directory), &a, NULL);
            alloc_restore();
            cr_assert(status == WG_OK || status == WG_ENOMEM);
            cr_assert_eq(files_in(directory), status == WG_OK);
        }
    }
    wg_array_free(&a);
    remove_directory(directory);
}

Test(out, permissions_stay)
{
    char       *directory = make_directory();
    wg_array    a = bytes_of(10, 1);
    struct stat st;
    umask(022);
    cr_assert_eq(wg_npy_write(path_in(directory), &a, NULL), WG_OK);
    cr_assert_eq(stat(path_in(directory), &st), 0);
    cr_assert_eq(st.st_mode & 0777, 0644, "as any new file");
    chmod(path_in(directory), 0640);
    cr_assert_eq(wg_npy_write(path_in(directory), &a, NULL), WG_OK);
    cr_assert_eq(stat(path_in(directory), &st), 0);
    cr_assert_eq(st.st_mode & 0777, 0640, "as the file that was there");
    wg_array_free(&a);
    remove_directory(directory);
}

Test(out, only_files_are_replaced)
{
    char    *directory = make_directory();
    wg_array a = bytes_of(10, 1);
    wg_error e = {0};
    cr_assert_eq(wg_npy_write("/dev/null", &a, &e), WG_EIO);
    cr_assert(strstr(e.message, "not a regular file"), "%s", e.message);
    cr_assert_eq(wg_npy_write(directory, &a, &e), WG_EIO);
    cr_assert_eq(wg_npy_write("/nowhere/at/all", &a, &e), WG_EIO);
    cr_assert_eq(wg_npy_write(NULL, &a, &e), WG_EARG);
    cr_assert_eq(wg_npy_write(path_in(directory), NULL, &e), WG_EARG);
    cr_assert_eq(wg_npy_write(path_in(directory), &(wg_array){.shape = WG_SHAPE(2)}, &e), WG_EARG, "no data");
    cr_assert_eq(files_in(directory), 0);
    wg_array_free(&a);
    remove_directory(directory);
}
