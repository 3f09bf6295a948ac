/* A patch of one image, and how like it is the other image somewhere. */
#ifndef LUNAR_PATCH_H
#define LUNAR_PATCH_H

#include "flow_grid.h"

#include <string.h>

enum { AREA = PATCH * PATCH };
static const float FLAT = 1e-3f; /* of a patch's second moments: no step without change */

typedef struct {
    float one[AREA], change_x[AREA], change_y[AREA]; /* changes less their means */
    float inverse_xx, inverse_xy, inverse_yy;        /* of their second moments */
} Patch;

typedef struct {
    float error;          /* of brightness less its mean, squared */
    float pull_x, pull_y; /* what the changes would have it move by, times the moments */
} Likeness;

static float sum_of_row(float row[PATCH]) {
    for (int half = PATCH / 2; half; half /= 2)
        for (int k = 0; k < half; k++)
            row[k] += row[k + half];
    return row[0];
}

static float mean_of(const float *values) {
    float sums[PATCH] = {0};
    for (int i = 0; i < AREA; i += PATCH)
        for (int k = 0; k < PATCH; k++)
            sums[k] += values[i + k];
    return sum_of_row(sums) / AREA;
}

static float moment_of(const float *a, const float *b) {
    float sums[PATCH] = {0};
    for (int i = 0; i < AREA; i += PATCH)
        for (int k = 0; k < PATCH; k++)
            sums[k] += a[i + k] * b[i + k];
    return sum_of_row(sums);
}

static void take(const FlowGrid *g, ptrdiff_t y, ptrdiff_t x, Patch *patch) {
    const float *from[3] = {g->one, g->change_x, g->change_y};
    float *to[3] = {patch->one, patch->change_x, patch->change_y};
    for (int part = 0; part < 3; part++) {
        for (int i = 0; i < PATCH; i++)
            memcpy(to[part] + i * PATCH, from[part] + (y + i) * g->width + x,
                   PATCH * sizeof(float));
        if (part) {
            float mean = mean_of(to[part]);
            for (int k = 0; k < AREA; k++)
                to[part][k] -= mean;
        }
    }
    float xx = moment_of(patch->change_x, patch->change_x) + FLAT;
    float xy = moment_of(patch->change_x, patch->change_y);
    float yy = moment_of(patch->change_y, patch->change_y) + FLAT;
    float share = 1 / (xx * yy - xy * xy);
    patch->inverse_xx = yy * share;
    patch->inverse_xy = -xy * share;
    patch->inverse_yy = xx * share;
}

/* Where in the other image, with its edges, a patch that moved begins; and shares of neighbours. */
typedef struct {
    const float *from;
    ptrdiff_t apart;
    float here, right, below, across;
} Place;

static inline Place place_of(const FlowGrid *g, float y, float x) {
    float top = place_in(y, g->height);
    float left = place_in(x, g->width);
    ptrdiff_t row = (ptrdiff_t)top, column = (ptrdiff_t)left, apart = g->width + 2 * AROUND;
    float down = top - (float)row, along = left - (float)column;
    Place place = {g->other + row * apart + column,
                   apart,
                   (1 - down) * (1 - along),
                   (1 - down) * along,
                   down * (1 - along),
                   down * along};
    return place;
}

static inline void differences(const Patch *patch, Place place, int row, float *restrict differ) {
    const float *restrict one = patch->one + row * PATCH;
    const float *restrict upper = place.from + row * place.apart;
    const float *restrict lower = upper + place.apart;
    for (int k = 0; k < PATCH; k++)
        differ[k] = ((place.here * upper[k] + place.right * upper[k + 1]) +
                     (place.below * lower[k] + place.across * lower[k + 1])) -
                    one[k];
}

static Likeness compare(const FlowGrid *g, const Patch *patch, float y, float x) {
    Place place = place_of(g, y, x);
    float sum[PATCH] = {0}, square[PATCH] = {0}, by_x[PATCH] = {0}, by_y[PATCH] = {0};
    for (int row = 0; row < PATCH; row++) {
        float differ[PATCH];
        differences(patch, place, row, differ);
        const float *restrict change_x = patch->change_x + row * PATCH;
        const float *restrict change_y = patch->change_y + row * PATCH;
        for (int k = 0; k < PATCH; k++) {
            sum[k] += differ[k];
            square[k] += differ[k] * differ[k];
            by_x[k] += differ[k] * change_x[k];
            by_y[k] += differ[k] * change_y[k];
        }
    }
    float all = sum_of_row(sum);
    Likeness found = {sum_of_row(square) - all * all / AREA, sum_of_row(by_x), sum_of_row(by_y)};
    return found;
}

#endif
