/* Template: counts elements by how many keys in a bitmap lie before theirs. NAME, POPCOUNT. */
static INLINE void NAME(const ls_counts *state, const uint32_t *x, ptrdiff_t n)
{
    const ls_order order = state->bitmap->order;
    const uint64_t *words = state->bitmap->words;
    const uint32_t *before = state->bitmap->before;
    uint32_t *counts = state->counts;
    for (ptrdiff_t i = 0; i < n; i++) {
        const uint32_t key = ls_key32(&order, x[i]);
        const uint64_t below = words[key >> 6] & (((uint64_t)1 << (key & 63)) - 1);
        counts[before[key >> 6] + (uint32_t)POPCOUNT(below)]++;
    }
}

#undef NAME
#undef POPCOUNT
