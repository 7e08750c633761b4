/* Template: distinct values of elements of BITS bits, 32 or 64, by their keys (distinct.h). */
#define KEY JOIN(uint, JOIN(BITS, _t))
#define NAME_(part) JOIN(part, BITS)

/* The reverse of ls_key: the sign was set if the key's top bit is not. */
static INLINE KEY NAME_(element)(const ls_order *order, KEY key)
{
    const KEY negative = (KEY)((key >> (BITS - 1)) - 1);
    return key ^ ((negative & (KEY)order->flip) | (KEY)order->top);
}

/* Adds at most BATCH elements, for which the set has room. Linear probing, in a table that is kept
 * so empty that nearly all is found at its home. */
static INLINE void NAME_(add)(ls_set *set, const KEY *x, ptrdiff_t n, const int counted,
                              const uint64_t times)
{
    const size_t last = ((size_t)1 << set->log2) - 1;
    uint64_t *slots = set->slots;
    for (ptrdiff_t i = 0; i < n; i++) {
        const uint64_t bits = x[i];
        size_t at = home(set, bits);
        if (bits == EMPTY) {
            set->ones += times;
            continue;
        }
        while (slots[at << counted] != bits) {
            if (slots[at << counted] == EMPTY) {
                slots[at << counted] = bits;
                if (counted)
                    slots[2 * at + 1] = 0;
                set->used++;
                break;
            }
            at = (at + 1) & last;
        }
        if (counted)
            slots[2 * at + 1] += times;
    }
}

#if BITS == 32

/* Whether the bits have a cell now. */
static INLINE int mark_cell(ls_set *set, uint32_t bits)
{
    const uint32_t hash = bits * LS_LOW;
    uint16_t *cell = (uint16_t *)set->cells + 2 * (size_t)(hash >> (32 - set->home_bits));
    const uint16_t tag = (uint16_t)(hash | 0x8000);
    cell += *cell != 0 && *cell != tag;
    if (*cell != 0 && *cell != tag)
        return 0;
    *cell = tag;
    return 1;
}

static INLINE void count_at(ls_set *set, uint32_t *cells, size_t at, uint32_t one)
{
    cells[at] += one;
    if (cells[at] >= one)
        return;
    const uint32_t bits = cell_bits(set, at, cells[at]);
    cells[at] += one; /* for it is not empty */
    add32(set, &bits, 1, 1, ((uint64_t)1 << set->home_bits) - 1);
}

static INLINE int count_cell(ls_set *set, uint32_t bits)
{
    const uint32_t hash = bits * LS_LOW;
    const uint32_t one = (uint32_t)1 << (32 - set->home_bits), tag = hash & (one - 1);
    uint32_t *cells = set->cells;
    const size_t first = 4 * (size_t)(hash / one);
    for (size_t at = first; at < first + 4; at++)
        if (cells[at] == 0 || (cells[at] & (one - 1)) == tag) {
            cells[at] |= tag;
            count_at(set, cells, at, one);
            return 1;
        }
    return 0;
}

#ifdef LS_X86
/* Counts the elements that have a cell; copies the others, and returns their number. */
static ptrdiff_t count_found(ls_set *set, const uint32_t *x, ptrdiff_t n, uint32_t *others)
{
    uint32_t at[BATCH + LS_SPARE];
    const ptrdiff_t no_cell = ls_set_find_cells_avx512(set, x, n, others, at);
    const uint32_t one = (uint32_t)1 << (32 - set->home_bits);
    uint32_t *cells = set->cells;
    for (ptrdiff_t i = 0; i < n - no_cell; i++)
        count_at(set, cells, at[i], one);
    return no_cell;
}
#endif

static INLINE void add_by_cells(ls_set *set, const uint32_t *x, ptrdiff_t n, int counted)
{
    uint32_t others[BATCH + LS_SPARE];
    ptrdiff_t count = 0;
#ifdef LS_X86
    if (set->isa == LS_AVX512) {
        n = counted ? count_found(set, x, n, others) : ls_set_no_cell_avx512(set, x, n, others);
        x = others;
    }
#endif
    for (ptrdiff_t i = 0; i < n; i++) {
        others[count] = x[i];
        count += !(counted ? count_cell(set, x[i]) : mark_cell(set, x[i]));
    }
    for (ptrdiff_t i = 0; counted && i < count; i++)
        LS_PREFETCH(set->slots + (home(set, others[i]) << 1));
    add32(set, others, count, counted, 1);
}

#endif

int NAME_(ls_set_add)(void *set_, const void *x_, ptrdiff_t n)
{
    ls_set *set = set_;
    const KEY *x = x_;
    for (ptrdiff_t count; n > 0; n -= count, x += count) {
        const int full = make_room(set);
        if (full)
            return full;
        count = smaller(n, BATCH);
#if BITS == 32
        if (set->home_bits) {
            if (set->counted)
                add_by_cells(set, x, count, 1);
            else
                add_by_cells(set, x, count, 0);
            continue;
        }
#endif
        if (set->counted)
            NAME_(add)(set, x, count, 1, 1);
#ifdef LS_X86
        else if (set->isa == LS_AVX512) {
            KEY others[BATCH + LS_SPARE];
            NAME_(add)(set, others, JOIN(NAME_(ls_set_others), _avx512)(set, x, count, others), 0, 1);
        }
#endif
        else
            NAME_(add)(set, x, count, 0, 1);
    }
    return 0;
}

/* With -0.0 as 0.0. */
static INLINE KEY NAME_(folded_key)(const ls_order *order, KEY bits)
{
    const KEY key = NAME_(ls_key)(order, bits);
    return key + (KEY)(order->zeros & (key == (KEY)order->top - 1));
}

static void NAME_(shift)(const ls_deal *deal, const KEY *x, ptrdiff_t n, uint16_t *label)
{
    const ls_order order = deal->order;
    const int shift = deal->shift;
    ls_prefetch_on(x, (size_t)n * sizeof *x);
    for (ptrdiff_t i = 0; i < n; i++)
        label[i] = (uint16_t)(NAME_(folded_key)(&order, x[i]) >> shift);
}

/* Keys wait in a line for each bucket, which lies as its place among the keys does, to be written
 * together. */
#define PER_LINE (LINE / (BITS / 8))

static INLINE void NAME_(write)(const ls_deal *deal, ptrdiff_t bucket, const KEY *line)
{
    KEY *to = (KEY *)deal->keys + (deal->next[bucket] - PER_LINE);
    const ptrdiff_t others = deal->first[bucket] - (deal->next[bucket] - PER_LINE);
    if (others > 0)
        memcpy(to + others, line + others, (size_t)(PER_LINE - others) * sizeof *to);
    else
        write_line(to, line);
}

static void NAME_(deal)(const ls_deal *deal, const KEY *x, const uint16_t *label, ptrdiff_t n)
{
    const ls_order order = deal->order;
    const ptrdiff_t before = (ptrdiff_t)((uintptr_t)deal->keys % LINE / sizeof(KEY));
    ptrdiff_t *next = deal->next;
    KEY *lines = (KEY *)deal->lines;
#if BITS == 32 /* in vectors; those of the baseline do not compare longer ones */
    KEY key[TILE];
    for (ptrdiff_t i = 0; i < n; i++)
        key[i] = NAME_(folded_key)(&order, x[i]);
#define KEY_AT(i) key[i]
#else
#define KEY_AT(i) NAME_(folded_key)(&order, x[i])
#endif
    for (ptrdiff_t i = 0; i < n; i++) {
        const ptrdiff_t bucket = label[i], to = next[bucket];
        const ptrdiff_t slot = (to + before) & (PER_LINE - 1);
        if (to < 0)
            continue;
        lines[bucket * PER_LINE + slot] = KEY_AT(i);
        next[bucket] = to + 1;
        if (slot == PER_LINE - 1)
            NAME_(write)(deal, bucket, lines + bucket * PER_LINE);
    }
#undef KEY_AT
}

static void NAME_(deal_rest)(const ls_deal *deal, ptrdiff_t buckets)
{
    const ptrdiff_t before = (ptrdiff_t)((uintptr_t)deal->keys % LINE / sizeof(KEY));
    for (ptrdiff_t b = 0; b < buckets; b++) {
        const KEY *line = (const KEY *)deal->lines + b * PER_LINE;
        const ptrdiff_t end = deal->next[b], filled = (end + before) & (PER_LINE - 1);
        const ptrdiff_t some = end - deal->first[b] < filled ? end - deal->first[b] : filled;
        if (end > 0 && some > 0)
            memcpy((KEY *)deal->keys + (end - some), line + (filled - some),
                   (size_t)some * sizeof(KEY));
    }
}

#undef PER_LINE

/* Sorting: by counting where the keys lie close together, else by two digits of the leading bits
 * in which they differ, from the lower one on, which leaves few to sort among themselves. */

static void NAME_(insert)(KEY *keys, ptrdiff_t n)
{
    for (ptrdiff_t i = 1; i < n; i++) {
        const KEY key = keys[i];
        ptrdiff_t j = i;
        for (; j > 0 && keys[j - 1] > key; j--)
            keys[j] = keys[j - 1];
        keys[j] = key;
    }
}

static void NAME_(sort_by_counts)(KEY *keys, ptrdiff_t n, KEY low, KEY range, uint32_t *counts)
{
    memset(counts, 0, ((size_t)range + 1) * sizeof *counts);
    for (ptrdiff_t i = 0; i < n; i++)
        counts[keys[i] - low]++;
    for (KEY k = 0; k <= range; k++)
        for (uint32_t c = counts[k]; c > 0; c--)
            *keys++ = low + k;
}

/* Copies keys in the order of the digit of `digits` bits at `shift` of their distance to low. */
static void NAME_(sort_digit)(const KEY *from, KEY *to, ptrdiff_t n, KEY low, int shift, int digits)
{
    uint32_t next[1 << DIGITS];
    const KEY mask = ((KEY)1 << digits) - 1;
    memset(next, 0, sizeof *next << digits);
    for (ptrdiff_t i = 0; i < n; i++)
        next[(from[i] - low) >> shift & mask]++;
    uint32_t before = 0;
    for (KEY d = 0; d <= mask; d++) {
        const uint32_t count = next[d];
        next[d] = before;
        before += count;
    }
    for (ptrdiff_t i = 0; i < n; i++)
        to[next[(from[i] - low) >> shift & mask]++] = from[i];
}

/* More keys than the scratch holds: parts them, in place, by the first byte in which they differ,
 * and leaves in ends where each part ends. */
static void NAME_(part)(KEY *keys, ptrdiff_t n, KEY low, int shift, ptrdiff_t *ends)
{
    ptrdiff_t next[256] = {0}, before = 0;
    for (ptrdiff_t i = 0; i < n; i++)
        next[(keys[i] - low) >> shift]++;
    for (int d = 0; d < 256; d++) {
        const ptrdiff_t count = next[d];
        next[d] = before;
        ends[d] = before += count;
    }
    for (int d = 0; d < 256; d++)
        while (next[d] < ends[d]) {
            KEY key = keys[next[d]];
            for (int to; (to = (int)((key - low) >> shift)) != d;) {
                KEY *place = &keys[next[to]++], other = *place;
                *place = key;
                key = other;
            }
            keys[next[d]++] = key;
        }
}

/* Of at least one key the lowest, and how far the highest is from it. */
static KEY NAME_(lowest)(const KEY *keys, ptrdiff_t n, KEY *range)
{
    KEY low = keys[0], high = keys[0];
    for (ptrdiff_t i = 1; i < n; i++) {
        low = keys[i] < low ? keys[i] : low;
        high = keys[i] > high ? keys[i] : high;
    }
    *range = high - low;
    return low;
}

static void NAME_(sort)(KEY *keys, ptrdiff_t n, void *scratch)
{
    if (n <= 32) {
        NAME_(insert)(keys, n);
        return;
    }
    KEY range;
    const KEY low = NAME_(lowest)(keys, n, &range);
    const int width = bit_length(range);
    if (range < LS_SORT_SCRATCH / sizeof(uint32_t) && range / 4 <= (uint64_t)n && n <= INT32_MAX) {
        if (range)
            NAME_(sort_by_counts)(keys, n, low, range, scratch);
        return;
    }
    if ((size_t)n > LS_SORT_SCRATCH / sizeof(KEY)) {
        ptrdiff_t ends[256], start = 0;
        NAME_(part)(keys, n, low, width > 8 ? width - 8 : 0, ends);
        for (int d = 0; d < 256; start = ends[d++])
            NAME_(sort)(keys + start, ends[d] - start, scratch);
        return;
    }
    /* So many bits that two neighbours rarely agree in them, if they are spread evenly. */
    const int wanted = (bit_length((uint64_t)n) + 6) / 2;
    const int digits = wanted < DIGITS ? wanted : DIGITS;
    const int shift = width > 2 * digits ? width - 2 * digits : 0;
    NAME_(sort_digit)(keys, scratch, n, low, shift, digits);
    NAME_(sort_digit)(scratch, keys, n, low, shift + digits, digits);
    for (ptrdiff_t i = 0, end; shift > 0 && i < n; i = end) {
        const KEY same = (keys[i] - low) >> shift;
        for (end = i + 1; end < n && (keys[end] - low) >> shift == same;)
            end++;
        if (end - i > 1)
            NAME_(sort)(keys + i, end - i, scratch);
    }
}

static ptrdiff_t NAME_(count_unique)(const KEY *keys, ptrdiff_t n)
{
    ptrdiff_t count = n > 0;
    for (ptrdiff_t i = 1; i < n; i++)
        count += keys[i] != keys[i - 1];
    return count;
}

static ptrdiff_t NAME_(unique)(const ls_order *order, KEY *keys, ptrdiff_t n, uint64_t *counts)
{
    ptrdiff_t found = 0, start = 0;
    if (counts)
        for (ptrdiff_t i = 1; i <= n; i++) {
            if (i < n && keys[i] == keys[i - 1])
                continue;
            counts[found] = (uint64_t)(i - start);
            keys[found++] = NAME_(element)(order, keys[start]);
            start = i;
        }
    else if (n > 0) {
        KEY last = keys[0];
        for (ptrdiff_t i = 1; i < n; i++) { /* without branches */
            const KEY key = keys[i];
            keys[found] = NAME_(element)(order, last);
            found += key != last;
            last = key;
        }
        keys[found++] = NAME_(element)(order, last);
    }
    return found;
}

static ptrdiff_t NAME_(unique_elements)(const ls_order *order, KEY *x, ptrdiff_t n,
                                        uint64_t *counts)
{
    for (ptrdiff_t i = 0; i < n; i++)
        x[i] = NAME_(folded_key)(order, x[i]);
    while (n > 0 && (x[n - 1] < order->low || x[n - 1] > order->high))
        n--;
    return NAME_(unique)(order, x, n, counts);
}

static ptrdiff_t NAME_(drop_nan)(const ls_order *order, KEY *keys, ptrdiff_t n)
{
    ptrdiff_t kept = 0;
    for (ptrdiff_t i = 0; i < n; i++) {
        const KEY key = keys[i];
        keys[kept] = key;
        kept += key >= (KEY)order->low && key <= (KEY)order->high;
    }
    return kept;
}

/* Leaves out keys that occurred before, by a hash table of 2**log2 slots, until half of these are
 * taken. No key is below low, which has no slot: where any key is left out, low is put at the end.
 * Returns how many are left, in no order. */
static ptrdiff_t NAME_(drop_repeated)(KEY *keys, ptrdiff_t n, KEY low, KEY *slots, int log2)
{
    const size_t last = ((size_t)1 << log2) - 1;
    const ptrdiff_t room = (ptrdiff_t)(last / 2);
    ptrdiff_t found = 0, i = 0;
    memset(slots, 0, (last + 1) * sizeof *slots); /* distances from low; 0: empty */
    for (; i < n && found < room; i++) {
        const KEY distance = keys[i] - low;
        size_t at = (size_t)(distance * (uint64_t)MIX >> (64 - log2));
        while (slots[at] != distance && slots[at] != 0)
            at = (at + 1) & last;
        keys[found] = keys[i];
        found += slots[at] != distance;
        slots[at] = distance;
    }
    memmove(keys + found, keys + i, (size_t)(n - i) * sizeof *keys);
    if (found < i)
        keys[found++ + (n - i)] = low;
    return found + (n - i);
}

/* Counting in a hash table, with linear probing. */

typedef struct {
    KEY key, count; /* 0: empty */
} NAME_(slot);

/* Where a key is, or may be put. */
static INLINE NAME_(slot) * NAME_(slot_of)(const ls_tally *tally, KEY key)
{
    NAME_(slot) *slots = tally->slots;
    const size_t last = ((size_t)1 << tally->log2) - 1;
    size_t at = (size_t)(key * (uint64_t)MIX >> (64 - tally->log2));
    while (slots[at].key != key && slots[at].count != 0)
        at = (at + 1) & last;
    return slots + at;
}

static int NAME_(tally_grow)(ls_tally *tally)
{
    const ls_tally old = *tally;
    const NAME_(slot) *from = old.slots;
    const size_t size = from ? (size_t)1 << old.log2 : 0;
    tally->log2 = from ? old.log2 + 1 : TALLY_BITS;
    tally->slots = calloc((size_t)1 << tally->log2, sizeof *from);
    if (!tally->slots) {
        *tally = old;
        return LS_NO_MEMORY;
    }
    for (size_t i = 0; i < size; i++)
        if (from[i].count)
            *NAME_(slot_of)(tally, from[i].key) = from[i];
    free(old.slots);
    return 0;
}

static int NAME_(tally)(ls_tally *tally_, const KEY *keys, ptrdiff_t n, ptrdiff_t most)
{
    ls_tally tally = *tally_; /* writing slots cannot alter it */
    const ptrdiff_t size = tally.slots ? (ptrdiff_t)sizeof(NAME_(slot)) << tally.log2 : 0;
    int failed = 0;
    /* Slots of before: in order they come more quickly than one by one. */
    for (ptrdiff_t at = 0; size / LINE < n && at < size; at += LINE)
        LS_PREFETCH((const char *)tally.slots + at);
    for (ptrdiff_t count; n > 0 && !failed; n -= count, keys += count) {
        count = smaller(n, BATCH);
        if (!tally.slots || tally.used + count > (ptrdiff_t)1 << (tally.log2 - 2)) {
            failed = tally.used > most ? LS_FULL : NAME_(tally_grow)(&tally);
            count = 0;
        }
        for (ptrdiff_t i = 0; i < count; i++) {
            NAME_(slot) *slot = NAME_(slot_of)(&tally, keys[i]);
            if (slot->count++ == 0) {
                slot->key = keys[i];
                tally.used++;
            }
        }
    }
    *tally_ = tally;
    return failed;
}

static void NAME_(tally_take)(const ls_order *order, const ls_tally *tally, KEY *keys,
                              uint64_t *counts, void *scratch)
{
    const NAME_(slot) *slots = tally->slots;
    ptrdiff_t found = 0;
    for (size_t at = 0; at < (size_t)1 << tally->log2; at++)
        if (slots[at].count)
            keys[found++] = slots[at].key;
    NAME_(sort)(keys, found, scratch);
    for (ptrdiff_t i = 0; i < found; i++) {
        counts[i] = NAME_(slot_of)(tally, keys[i])->count;
        keys[i] = NAME_(element)(order, keys[i]);
    }
}

/* About how many of n keys are distinct, by how many of some of them occur twice. The scratch holds
 * three times these. */
static ptrdiff_t NAME_(about_distinct)(const KEY *keys, ptrdiff_t n, KEY low, KEY *scratch)
{
    KEY *some = scratch + 2 * FIRST_KEYS;
    for (ptrdiff_t i = 0; i < FIRST_KEYS; i++)
        some[i] = keys[i * (n / FIRST_KEYS)];
    const ptrdiff_t twice =
        FIRST_KEYS - NAME_(drop_repeated)(some, FIRST_KEYS, low, scratch, FIRST_BITS + 1);
    return (ptrdiff_t)FIRST_KEYS * FIRST_KEYS / 2 / (twice + 1);
}

/* The distinct elements of unsorted keys, NaN among them; by a bitmap where they lie close
 * together. */
static ptrdiff_t NAME_(distinct)(const ls_order *order_, KEY *keys, ptrdiff_t n, void *scratch)
{
    const ls_order order_copy = *order_, *order = &order_copy; /* writing keys cannot alter it */
    KEY range;
    KEY low = n > 0 ? NAME_(lowest)(keys, n, &range) : (range = 0);
    if (n > 0 && (low < (KEY)order->low || low + range > (KEY)order->high)) {
        n = NAME_(drop_nan)(order, keys, n);
        low = n > 0 ? NAME_(lowest)(keys, n, &range) : (range = 0);
    }
    if (range / 128 >= (uint64_t)n || range / 8 >= LS_SORT_SCRATCH) {
        if (n > 4 * FIRST_KEYS) {
            const ptrdiff_t few = NAME_(about_distinct)(keys, n, low, scratch);
            const int log2 = bit_length((uint64_t)few * 4);
            if (few < n / 2 && LS_SORT_SCRATCH >> log2 >= (int)sizeof(KEY))
                n = NAME_(drop_repeated)(keys, n, low, scratch, log2);
        }
        NAME_(sort)(keys, n, scratch);
        return NAME_(unique)(order, keys, n, NULL);
    }
    uint64_t *words = scratch;
    const ptrdiff_t last = (ptrdiff_t)(range / 64);
    ptrdiff_t found = 0;
    memset(words, 0, (size_t)(last + 1) * sizeof *words);
    for (ptrdiff_t i = 0; i < n; i++)
        words[(keys[i] - low) / 64] |= (uint64_t)1 << ((keys[i] - low) % 64);
    for (ptrdiff_t w = 0; w <= last && found < n; w++) {
        uint64_t bits = words[w]; /* mostly none or one: no branch for these */
        keys[found] = NAME_(element)(order, low + ((KEY)w * 64 + lowest_bit(bits | TOP_BIT)));
        found += bits != 0;
        while (bits &= bits - 1)
            keys[found++] = NAME_(element)(order, low + ((KEY)w * 64 + lowest_bit(bits)));
    }
    return found;
}

#undef KEY
#undef NAME_
#undef BITS
