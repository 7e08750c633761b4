/* Template: one register to memory; `stream`: past the caches, to a multiple of its size. Of the
 * instruction set: VEC, STOREU, STREAM. */
static INLINE void put(void *to, VEC v, int stream)
{
    if (stream)
        STREAM(to, v);
    else
        STOREU(to, v);
}
