/* Devices without CUDA: what was looked for is said.  Tapes on a device: tests/cuda/tape. */
#include "support/alloc.h"
#include "tape/tape_test.h"

static wg_graph *g;
static void      start(void) { g = wg_graph_new(); }
static void      stop(void) { wg_graph_free(g); }
TestSuite(tape_device, .init = start, .fini = stop, .timeout = 60);

static const char *message_without(const char *library)
{
    wg_node *x = wg_input(g, "x", WG_F32, WG_SCALAR);
    setenv("WG_CUDA_LIBRARY", library, 1);
    wg_clear_error(g);
    cr_expect_null(wg_compile(g, WG_NODES(wg_exp(x)), &(wg_options){.device = WG_DEVICE_CUDA(0)}));
    cr_expect_eq(wg_status(g), WG_EDEVICE);
    return wg_message(g);
}

Test(tape_device, a_missing_library_is_named)
{
    cr_expect_str_eq(message_without("/nowhere/libwengert-cuda.so"),
                     "compile: cannot load WG_CUDA_LIBRARY: /nowhere/libwengert-cuda.so: cannot open shared object "
                     "file: No such file or directory");
    cr_expect_eq(wg_device_count(), 0);
}

Test(tape_device, another_library_is_refused)
{
    cr_expect_str_eq(message_without("libz.so.1"), "compile: libz.so.1 is no CUDA backend of Wengert");
}

/* Beside the library, where the system tells where that is, and in its own places; a machine that has it is asked
 * for a device that it has not. */
Test(tape_device, the_place_is_named)
{
    char name[400];
    unsetenv("WG_CUDA_LIBRARY");
    cr_expect_eq(wg_device_name(WG_DEVICE_CUDA(9999), name, sizeof name), WG_EDEVICE);
    if (strstr(name, "looked for")) cr_expect(strstr(name, "libwengert-cuda.so in the system's places: "), "%s", name);
    else cr_expect(strstr(name, "CUDA"), "%s", name);
}

Test(tape_device, names)
{
    char name[200];
    cr_expect_eq(wg_device_name(WG_DEVICE_CPU, name, sizeof name), WG_OK);
    cr_expect(*name);
    cr_expect_eq(wg_device_name(-1, name, sizeof name), WG_EARG);
    cr_expect_str_eq(name, "-1 is no device");
}

Test(tape_device, the_graph_goes_on_without)
{
    message_without("/nowhere/libwengert-cuda.so");
    wg_clear_error(g);
    wg_node *x = wg_input(g, "x", WG_F32, WG_SCALAR), *y = wg_square(x);
    wg_tape *t = compile(g, WG_NODES(y), NULL);
    wg_set_scalar(t, x, 3);
    run(t);
    cr_expect_eq(wg_get_scalar(t, y), 9);
}

Test(tape_device, a_number_below_0_is_none)
{
    wg_node *x = wg_input(g, "x", WG_F32, WG_SCALAR);
    cr_expect_null(wg_compile(g, WG_NODES(x), &(wg_options){.device = -2}));
    cr_expect_str_eq(wg_message(g), "compile: device cannot be -2");
}

Test(tape_device, short_of_memory)
{
    wg_node *y = wg_exp(wg_input(g, "x", WG_F32, WG_SCALAR));
    setenv("WG_CUDA_LIBRARY", "/nowhere/libwengert-cuda.so", 1);
    for (long n = 0; n < 4; n++) {
        wg_clear_error(g);
        alloc_fail_at(n);
        wg_tape *t = wg_compile(g, WG_NODES(y), &(wg_options){.device = WG_DEVICE_CUDA(0)});
        alloc_restore();
        cr_expect_null(t);
        cr_expect(wg_status(g) == WG_ENOMEM || wg_status(g) == WG_EDEVICE, "allocation %ld: %s", n, wg_message(g));
    }
}
