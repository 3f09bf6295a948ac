/* Grids of half the sides, for refinement/grids.py. */
#include "grids.h"

#include <stdlib.h>

/* (height, width) to (2 height, 2 width); sides of 2 and more. */
LUNAR_PUBLIC int lunar_spread(const float *coarse, float *fine, ptrdiff_t height, ptrdiff_t width) {
    if (height < 2 || width < 2)
        return TOO_SMALL;
    float *row = malloc((size_t)(width + 2) * sizeof(float));
    if (!row)
        return NO_MEMORY;
    spread(coarse, height, width, fine, row);
    free(row);
    return DONE;
}

/* (2 height, 2 width) to (height, width), by the transpose. */
LUNAR_PUBLIC int lunar_gather(const float *fine, float *coarse, ptrdiff_t height, ptrdiff_t width) {
    if (height < 2 || width < 2)
        return TOO_SMALL;
    float *row = malloc((size_t)(2 * width + 2) * sizeof(float));
    if (!row)
        return NO_MEMORY;
    gather(fine, height, width, coarse, row);
    free(row);
    return DONE;
}
