/* Template: what nodes.inc.h does with `found` of an instruction set, in its 32-bit lanes. */
static INLINE void goto_nodes(uint32_t *node, const uint16_t *below, int n, size_t size)
{
    for (int i = 0; i < n; i += LANES)
        PUT_NODES(node + i, found(node + i, below + i, size));
}

static INLINE void put_found(char *labels, const uint32_t *node, const uint16_t *below,
                             size_t element_size, uint32_t first, int size)
{
    VEC label[VECTORS];
    for (int u = 0; u < VECTORS; u++)
        label[u] = ADD(found(node + LANES * u, below + LANES * u, element_size), SPREAD(first));
    PUT_LABELS(labels, label, size, 0);
}
