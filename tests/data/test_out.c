/* Writers: all of the new file or all of the old one, and nothing else. */
#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <signal.h>
#include <stdbool.h>

#include "data/files.h"

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
    char link[128];
    int  status = WG_ENOMEM;
    snprintf(link, sizeof link, "%s/link", directory);
    cr_assert_eq(symlink("second", link), 0);
    for (int n = 0; status; n++) {
        alloc_fail_at(n);
        status = wg_npy_write(link, &a, NULL);
        alloc_restore();
        cr_assert(status == WG_OK || status == WG_ENOMEM, "through a link: allocation %d", n);
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

/* ---- Links ---- */

static wg_array one_byte(uint8_t value) { return bytes_of(1, value); }

static bool is_link(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

static uint8_t last_byte(const char *path)
{
    struct bytes b = slurp(path);
    uint8_t      last = b.data[b.n - 1];
    free(b.data);
    return last;
}

Test(out, a_link_stays_and_what_it_names_is_replaced)
{
    char *directory = make_directory(), there[128], other[160], link[128];
    snprintf(there, sizeof there, "%s/there", directory);
    snprintf(other, sizeof other, "%s/real", there);
    snprintf(link, sizeof link, "%s/link", directory);
    cr_assert_eq(mkdir(there, 0777), 0);
    const char *const texts[] = {"there/real", other, "./there/../there/real", "second"};
    char              second[128];
    snprintf(second, sizeof second, "%s/second", directory);
    cr_assert_eq(symlink("there/real", second), 0);
    for (uint8_t i = 0; i < 4; i++) {
        for (int existing = 0; existing < 2; existing++) { /* first the link dangles */
            wg_array a = one_byte((uint8_t)(2 * i + existing));
            wg_error e = {0};
            if (!existing) remove(other);
            remove(link);
            cr_assert_eq(symlink(texts[i], link), 0);
            cr_assert_eq(wg_npy_write(link, &a, &e), WG_OK, "%s: %s", texts[i], e.message);
            cr_assert(is_link(link) && is_link(second) && !is_link(other), "%s", texts[i]);
            cr_assert_eq(last_byte(other), 2 * i + existing);
            cr_assert_eq(files_in(there), 1);
            wg_array_free(&a);
        }
    }
    cr_assert_eq(files_in(directory), 3);
    remove_directory(there);
    remove_directory(directory);
}

Test(out, links_without_an_end_are_refused)
{
    char    *directory = make_directory(), link[128];
    wg_array a = one_byte(1);
    wg_error e = {0};
    snprintf(link, sizeof link, "%s/round", directory);
    cr_assert_eq(symlink("round", link), 0);
    cr_assert_eq(wg_npy_write(link, &a, &e), WG_EIO);
    cr_assert(e.message[0] && is_link(link));
    remove(link);
    cr_assert_eq(symlink("nowhere/at/all", link), 0);
    cr_assert_eq(wg_npy_write(link, &a, &e), WG_EIO);
    cr_assert(is_link(link));
    cr_assert_eq(files_in(directory), 1);
    wg_array_free(&a);
    remove_directory(directory);
}

/* ---- Names ---- */

Test(out, any_name_that_the_file_system_takes)
{
    char *directory = make_directory(), path[512], here[256] = {0};
    for (int n = 1; n <= 255; n += n < 200 ? 100 : 1) {
        wg_array a = one_byte(1);
        wg_error e = {0};
        memset(here, 'n', sizeof here - 1);
        here[n] = 0;
        snprintf(path, sizeof path, "%s/%s", directory, here);
        cr_assert_eq(wg_npy_write(path, &a, &e), WG_OK, "%d bytes: %s", n, e.message);
        cr_assert_eq(remove(path), 0);
        wg_array_free(&a);
    }
    memset(here, 'n', sizeof here - 1);
    snprintf(path, sizeof path, "%s/%sx", directory, here);
    cr_assert_eq(wg_file_check(path, NULL), WG_EIO, "256 bytes are found too long before anything is written");
    cr_assert_eq(files_in(directory), 0);
    remove_directory(directory);
}

/* ---- What a killed process leaves ---- */

/* Writes to path in a process that is killed before its file is whole; its temporary file stays. */
static void be_killed_writing(const char *path)
{
    enum { LARGE = 100000 };
    pid_t child = fork();
    if (child == 0) {
        static uint8_t bytes[LARGE];
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){LARGE / 2, RLIM_INFINITY});
        signal(SIGXFSZ, SIG_DFL);
        wg_file_write(path, bytes, LARGE, NULL);
        _exit(0);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFSIGNALED(status), "the limit of a file's size ended it");
}

Test(out, the_next_writer_removes_what_a_killed_one_left)
{
    char *directory = make_directory(), other[128];
    snprintf(other, sizeof other, "%s/b", directory);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    for (int i = 0; i < 5; i++) be_killed_writing(path_in(directory));
    cr_assert_eq(files_in(directory), 1, "each removes what was left by the one before");
    be_killed_writing(other);
    cr_assert_eq(files_in(directory), 2);
    cr_assert_eq(wg_file_write(path_in(directory), "x", 1, NULL), WG_OK);
    cr_assert_eq(files_in(directory), 2, "what was to become another file is not touched");
    cr_assert_eq(wg_file_write(other, "x", 1, NULL), WG_OK);
    cr_assert_eq(files_in(directory), 2, "both files and nothing else");
    remove_directory(directory);
}

/* Whoever holds the lock is alive, whatever its file looks like. */
Test(out, a_living_writer_keeps_its_file)
{
    char          *directory = make_directory(), temp[512] = "";
    struct dirent *entry;
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    be_killed_writing(path_in(directory));
    DIR *d = opendir(directory);
    while ((entry = readdir(d)))
        if (entry->d_name[0] != '.') snprintf(temp, sizeof temp, "%s/%s", directory, entry->d_name);
    closedir(d);
    int fd = open(temp, O_RDONLY);
    cr_assert_eq(flock(fd, LOCK_EX), 0);
    cr_assert_eq(wg_file_write(path_in(directory), "x", 1, NULL), WG_OK);
    cr_assert_eq(files_in(directory), 2);
    close(fd);
    cr_assert_eq(wg_file_write(path_in(directory), "x", 1, NULL), WG_OK);
    cr_assert_eq(files_in(directory), 1);
    remove_directory(directory);
}

Test(out, writers_of_one_file_do_not_disturb_each_other)
{
    enum { WRITERS = 4, ROUNDS = 200 };
    char *directory = make_directory();
    pid_t child[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        if ((child[i] = fork())) continue;
        int bad = 0;
        for (int k = 0; k < ROUNDS; k++) bad |= wg_file_write(path_in(directory), "whole", 5, NULL);
        _exit(bad != 0);
    }
    for (int i = 0; i < WRITERS; i++) {
        int status;
        cr_assert_eq(waitpid(child[i], &status, 0), child[i]);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "each write succeeds");
    }
    struct bytes b = slurp(path_in(directory));
    cr_assert(b.n == 5 && memcmp(b.data, "whole", 5) == 0);
    cr_assert_eq(files_in(directory), 1);
    free(b.data);
    remove_directory(directory);
}

Test(out, a_check_leaves_no_trace)
{
    char    *directory = make_directory();
    wg_error e = {0};
    cr_assert_eq(wg_file_check(path_in(directory), &e), WG_OK, "%s", e.message);
    cr_assert_eq(files_in(directory), 0);
    cr_assert_eq(wg_file_write(path_in(directory), "old", 3, &e), WG_OK);
    cr_assert_eq(wg_file_check(path_in(directory), &e), WG_OK);
    expect_same_file(path_in(directory), (struct bytes){(uint8_t[]){'o', 'l', 'd'}, 3});
    cr_assert_eq(wg_file_check(directory, &e), WG_EIO);
    cr_assert_eq(wg_file_check(NULL, &e), WG_EARG);
    cr_assert_eq(wg_file_write(path_in(directory), NULL, 1, &e), WG_EARG);
    cr_assert_eq(wg_file_write(path_in(directory), NULL, 0, &e), WG_OK, "an empty file");
    remove_directory(directory);
}
