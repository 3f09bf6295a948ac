/* The grids of a thin plate, each of half the sides, in one piece of memory.
 *
 * All are kept in units of the finest one's stiffness, so that float keeps its digits. */
#ifndef LUNAR_PLATE_GRIDS_H
#define LUNAR_PLATE_GRIDS_H

#include "kernels.h"

#include <stdlib.h>

enum { MOST_GRIDS = 24 };

/* Pixels along the shorter side of the coarsest grid, at least. */
static const ptrdiff_t COARSEST = 8;

typedef struct {
    ptrdiff_t height, width;
    float stiffness;
    float *information, *inverse; /* of the diagonal */
    float *residual, *e, *p, *q;
} Grid;

typedef struct {
    Grid grids[MOST_GRIDS];
    int count;
    double *factor; /* of the coarsest grid's operator, banded: LLᵀ */
    ptrdiff_t band;
    double *column;
    float *row; /* three with a place more at both ends */
} Grids;

static inline ptrdiff_t nodes(const Grid *g) {
    return g->height * g->width;
}

/* The next place in a piece of memory; NULL while it is only measured how much there has to be. */
static inline void *room(char *start, size_t *used, size_t bytes) {
    void *found = start ? start + *used : NULL;
    *used += (bytes + 63) / 64 * 64;
    return found;
}

/* Places for all grids; how many bytes they take. */
static inline size_t lay_out(Grids *all, char *start, ptrdiff_t height, ptrdiff_t width) {
    size_t used = 0;
    float stiffness = 1;
    for (int i = 0; i < all->count; i++, stiffness /= 4) {
        ptrdiff_t h = height >> i, w = width >> i;
        size_t bytes = (size_t)(h * w) * sizeof(float);
        all->grids[i] = (Grid){
            .height = h,
            .width = w,
            .stiffness = stiffness,
            .information = room(start, &used, bytes),
            .inverse = room(start, &used, bytes),
            .residual = room(start, &used, bytes),
            .e = room(start, &used, bytes),
            .p = room(start, &used, bytes),
            .q = room(start, &used, bytes),
        };
    }
    const Grid *last = &all->grids[all->count - 1];
    ptrdiff_t n = nodes(last);
    all->band = 2 * (last->width < last->height ? last->width : last->height);
    all->factor = room(start, &used, (size_t)(n * (all->band + 1)) * sizeof(double));
    all->column = room(start, &used, (size_t)n * sizeof(double));
    all->row = room(start, &used, (size_t)(3 * (width + 2)) * sizeof(float));
    return used;
}

/* Grids of half the sides each, empty, whose memory is to be freed; NULL = there is none. */
static inline void *grids_of(Grids *all, ptrdiff_t height, ptrdiff_t width) {
    ptrdiff_t block = 1, shorter = height < width ? height : width;
    all->count = 1;
    while (shorter / (2 * block) >= COARSEST && all->count < MOST_GRIDS) {
        block *= 2;
        all->count++;
    }
    height = (height + block - 1) / block * block;
    width = (width + block - 1) / block * block;
    char *memory = calloc(1, lay_out(all, NULL, height, width));
    if (memory)
        lay_out(all, memory, height, width);
    return memory;
}

#endif
