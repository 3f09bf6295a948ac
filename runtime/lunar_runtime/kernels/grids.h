/* From a grid to one of half the sides, and back: bilinear interpolation, and its transpose.
 *
 * Edges are extrapolated, so that a plane stays a plane. Sides of coarse grids are 2 and more. */
#ifndef LUNAR_GRIDS_H
#define LUNAR_GRIDS_H

#include "kernels.h"

/* (height, width) coarse, to fine, twice its sides; `row` has width + 2 places. */
static inline void spread(const float *restrict coarse, ptrdiff_t height, ptrdiff_t width,
                          float *restrict fine, float *restrict row) {
    float *v = row + 1;
    for (ptrdiff_t y = 0; y < 2 * height; y++) {
        const float *near = coarse + (y / 2) * width;
        ptrdiff_t other = y % 2 ? y / 2 + 1 : y / 2 - 1;
        float *out = fine + y * 2 * width;
        if (other < 0 || other >= height) {
            const float *next = coarse + (other < 0 ? 1 : height - 2) * width;
            for (ptrdiff_t x = 0; x < width; x++)
                v[x] = 1.25f * near[x] - 0.25f * next[x];
        } else {
            const float *far = coarse + other * width;
            for (ptrdiff_t x = 0; x < width; x++)
                v[x] = 0.75f * near[x] + 0.25f * far[x];
        }
        v[-1] = 2 * v[0] - v[1];
        v[width] = 2 * v[width - 1] - v[width - 2];
        for (ptrdiff_t x = 0; x < width; x++) {
            out[2 * x] = 0.75f * v[x] + 0.25f * v[x - 1];
            out[2 * x + 1] = 0.75f * v[x] + 0.25f * v[x + 1];
        }
    }
}

/* The transpose: fine, (2 height, 2 width), to coarse; `row` has 2 width + 2 places. */
static inline void gather(const float *restrict fine, ptrdiff_t height, ptrdiff_t width,
                          float *restrict coarse, float *restrict row) {
    ptrdiff_t wide = 2 * width;
    float *v = row + 1;
    for (ptrdiff_t y = 0; y < height; y++) {
        const float *f = fine + 2 * y * wide;
        float *out = coarse + y * width;
        for (ptrdiff_t x = 0; x < wide; x++)
            v[x] = 0.75f * (f[x] + f[x + wide]);
        if (y > 0)
            for (ptrdiff_t x = 0; x < wide; x++)
                v[x] += 0.25f * f[x - wide];
        else
            for (ptrdiff_t x = 0; x < wide; x++)
                v[x] += 0.5f * f[x];
        if (y < height - 1)
            for (ptrdiff_t x = 0; x < wide; x++)
                v[x] += 0.25f * f[x + 2 * wide];
        else
            for (ptrdiff_t x = 0; x < wide; x++)
                v[x] += 0.5f * f[x + wide];
        if (y == 1)
            for (ptrdiff_t x = 0; x < wide; x++)
                v[x] -= 0.25f * f[x - 2 * wide];
        if (y == height - 2)
            for (ptrdiff_t x = 0; x < wide; x++)
                v[x] -= 0.25f * f[x + 3 * wide];
        v[-1] = 2 * v[0];
        v[wide] = 2 * v[wide - 1];
        for (ptrdiff_t x = 0; x < width; x++)
            out[x] = 0.75f * (v[2 * x] + v[2 * x + 1]) + 0.25f * (v[2 * x - 1] + v[2 * x + 2]);
        out[1] -= 0.25f * v[0];
        out[width - 2] -= 0.25f * v[wide - 1];
    }
}

#endif
