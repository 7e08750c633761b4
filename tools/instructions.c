/* One kernel over fixed data, for count_instructions.py. Arguments: isa, method, type, k. */
#include "nearest.h"

#include <stdlib.h>

enum { N = 100000, MOST = 1024 };

static union {
    uint16_t u16[N];
    float f32[N];
    double f64[N];
} image, thresholds;
static uint8_t labels[N * 2], pattern_labels[65536];

int main(int argc, char **argv)
{
    ls_table table = {0};
    uint32_t random = 1;
    if (argc != 5)
        return 2;
    const ls_method method = (ls_method)atoi(argv[2]);
    table.type = (ls_type)atoi(argv[3]);
    table.k = (uint32_t)atoi(argv[4]);
    if (table.k < 2 || table.k > MOST)
        return 2;
    while ((1u << table.depth) < table.k)
        table.depth++;
    for (int i = 0; i < N; i++) {
        random = random * 1664525 + 1013904223;
        const double x = random / 4294967296.0, t = i + 1 < (int)table.k ? (i + 1.0) / table.k : 2;
        if (table.type == LS_FLOAT32)
            image.f32[i] = (float)x, thresholds.f32[i] = (float)t;
        else if (table.type == LS_FLOAT64)
            image.f64[i] = x, thresholds.f64[i] = t;
        else
            image.u16[i] = (uint16_t)(x * 65535), thresholds.u16[i] = (uint16_t)(t * 30000);
    }
    table.thresholds = &thresholds;
    table.label_size = table.k > 256 ? 2 : 1;
    if (method == LS_PATTERNS)
        table.pattern_labels = pattern_labels;
    ls_table_choose(&table, (ls_isa)atoi(argv[1]), method);
    return (int)ls_nearest(&table, &image, N, labels, NULL);
}
