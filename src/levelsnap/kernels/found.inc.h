/* Template: what nodes.inc.h and packed.inc.h do with `found` and `fractions_below` of an
 * instruction set, in its 32-bit lanes. */
static INLINE void goto_nodes(uint32_t *node, const uint16_t *below, int n, size_t size)
{
    for (int i = 0; i < n; i += LANES)
        PUT_NODES(node + i, found(node + i, below + i, size));
}

static INLINE void put_found(char *labels, const uint32_t *node, const uint16_t *below,
                             size_t element_size, uint32_t first, int size)
{
    VEC position[VECTORS];
    for (int u = 0; u < VECTORS; u++)
        position[u] = found(node + LANES * u, below + LANES * u, element_size);
    PUT_LABELS(labels, position, first, size, 0);
}

/* Elements that packed.inc.h takes at a time: through its steps but the last, and through all. */
enum { CHUNK = 128, RUN = 2048 };

/* By positions from 64 bits, and put together four by four: compilers take vectors of positions
 * apart, which is slower. */
static INLINE void fetch_cells(const uint32_t *packed, const uint32_t *at, uint32_t *cell)
{
    for (int j = 0; j < CHUNK; j += 4) {
        uint64_t two[2];
        memcpy(two, at + j, sizeof two);
        __m128i four = _mm_cvtsi32_si128((int)packed[(uint32_t)two[0] >> LS_FRACTION_BITS]);
        four = _mm_insert_epi32(four, (int)packed[two[0] >> (32 + LS_FRACTION_BITS)], 1);
        four = _mm_insert_epi32(four, (int)packed[(uint32_t)two[1] >> LS_FRACTION_BITS], 2);
        four = _mm_insert_epi32(four, (int)packed[two[1] >> (32 + LS_FRACTION_BITS)], 3);
        _mm_storeu_si128((__m128i *)(cell + j), four);
    }
}

/* Labels of CHUNK elements, a run's from i on. Lists those that are undecided, without a branch for
 * up to one in a group, the usual case; returns the length of the list. */
static INLINE int packed_labels(const uint32_t *at, const uint32_t *cell, int i, uint16_t *label,
                                uint16_t *undecided, int some)
{
    for (int j = 0; j < CHUNK; j += PACKED_GROUP) {
        uint64_t bits = fractions_below(at + j, cell + j, label + i + j);
        undecided[some] = (uint16_t)(i + j + (int)(_tzcnt_u64(bits) >> 1));
        some += bits != 0;
        for (bits &= bits - 1; bits; bits &= bits - 1)
            undecided[some++] = (uint16_t)(i + j + (int)(_tzcnt_u64(bits) >> 1));
    }
    return some;
}

/* To `stream`, RUN labels that begin at a multiple of a register's size. */
static INLINE void put_packed(char *labels, const uint16_t *label, int n, int size, int stream)
{
    uint8_t narrow[RUN];
    const char *result = (const char *)label;
    if (size == 1) {
        for (int i = 0; i < n; i++)
            narrow[i] = (uint8_t)label[i];
        result = (const char *)narrow;
    }
    if (size > 2)
        for (int i = 0; i < n; i++) {
            const uint64_t wide = label[i];
            const uint32_t half = label[i];
            if (size == 4)
                memcpy(labels + 4 * i, &half, 4);
            else
                memcpy(labels + 8 * i, &wide, 8);
        }
    else if (stream)
        for (int i = 0; i < RUN * size; i += (int)sizeof(VEC))
            STREAM(labels + i, LOADV(result + i));
    else
        memcpy(labels, result, (size_t)(n * size));
}
