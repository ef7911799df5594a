/* Arrays by themselves. */
#include "data/files.h"

Test(array, new_checks_its_shape)
{
    wg_array a;
    cr_assert_eq(wg_array_new(&a, WG_F32, WG_SHAPE(2, 3)), WG_OK);
    expect_array(&a, WG_F32, WG_SHAPE(2, 3));
    cr_assert_eq(wg_array_bytes(&a), 24);
    for (int i = 0; i < 6; i++) cr_assert_eq(((float *)a.data)[i], 0);
    wg_array_free(&a);
    expect_nothing(&a);
    wg_array_free(&a);
    wg_array_free(NULL);
    cr_assert_eq(wg_array_new(&a, WG_F32, WG_SHAPE(2, -3)), WG_EARG);
    cr_assert_eq(wg_array_new(&a, WG_DTYPES, WG_SHAPE(2)), WG_EARG);
    cr_assert_eq(wg_array_new(&a, WG_F32, (wg_shape){.rank = 9}), WG_EARG);
    cr_assert_eq(wg_array_new(&a, WG_F32, WG_SHAPE(INT64_MAX, INT64_MAX)), WG_ENOMEM);
    expect_nothing(&a);
    cr_assert_eq(wg_array_bytes(&(wg_array){.shape = WG_SHAPE(INT64_MAX)}), 0);
    alloc_fail_at(0);
    int status = wg_array_new(&a, WG_F32, WG_SHAPE(2));
    alloc_restore();
    cr_assert_eq(status, WG_ENOMEM);
}
