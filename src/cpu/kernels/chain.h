/* chain.h - the chains of cpu/chains.h for one real dtype; included by elementwise.h, behind the functions of the rows.
 *
 * `at` says where each operand is, then where the result of each step goes. The memory of a result may be that of an
 * operand: all elements at hand are read before one is written. */
#define INDEX(x) at_##x,
#define INDEX_STEP(kept, x, ...) at_##x,
#define TAKE_ONE(x) const T x = *(const T *)at[at_##x];
#define FIND_DENSE(x) const T *from_##x = at[at_##x];
#define FIND_RESULT(kept, x, ...) T *to_##x = at[at_##x];
#define NOTHING(...)
#define LOAD(x) const T x = from_##x[i];
#define ONE(kept, x, row, a) const T x = NAME(row_##row)(a, 0);
#define TWO(kept, x, row, a, b) const T x = NAME(row_##row)(a, b);
#define STORE(kept, x, ...) \
    if (kept) to_##x[i] = x;

#define X(name)                                                           \
    void LEVEL(NAME(wg__chain_##name))(int64_t n, void *const at[]);      \
    void LEVEL(NAME(wg__chain_##name))(int64_t n, void *const at[])       \
    {                                                                     \
        enum { WG__CHAIN_##name(INDEX, INDEX, INDEX_STEP, INDEX_STEP) };  \
        WG__CHAIN_##name(TAKE_ONE, FIND_DENSE, FIND_RESULT, FIND_RESULT); \
        EACH_ALONE                                                        \
        for (int64_t i = 0; i < n; i++) {                                 \
            WG__CHAIN_##name(NOTHING, LOAD, ONE, TWO);                    \
            WG__CHAIN_##name(NOTHING, NOTHING, STORE, STORE);             \
        }                                                                 \
    }
WG__CHAIN_MAP(X)

#undef X
#undef INDEX
#undef INDEX_STEP
#undef TAKE_ONE
#undef FIND_DENSE
#undef FIND_RESULT
#undef NOTHING
#undef LOAD
#undef ONE
#undef TWO
#undef STORE
