/* What both halves of a dense inverse search share: the images of one grid, and their flow. */
#ifndef LUNAR_FLOW_GRID_H
#define LUNAR_FLOW_GRID_H

#include "kernels.h"

#include <math.h>

/* Pixels around the other image that repeat its edge: a patch may lie wholly outside. */
enum { PATCH = 8, AROUND = PATCH + 2 };

/* Images are rows of brightness, in grey levels of which local contrast is some tens. */
typedef struct {
    ptrdiff_t height, width;
    float *one, *change_x, *change_y; /* (height, width): an image, and its change by a pixel */
    float *other;                     /* (height + 2 AROUND, width + 2 AROUND) */
    float *u, *v;                     /* (height, width): the flow from one to the other */
} FlowGrid;

static inline ptrdiff_t flow_pixels(const FlowGrid *g) {
    return g->height * g->width;
}

/* Where in the other image, with its edges, a place along a side of the images is. */
static inline float place_in(float place, ptrdiff_t side) {
    float least = -PATCH, most = (float)side; /* what is no number is the least */
    return (!(place > least) ? least : place < most ? place : most) + AROUND;
}

/* How many grids images of so many pixels have. */
int flow_grids(ptrdiff_t height, ptrdiff_t width, int most);

/* A grid in memory of so many numbers. */
FlowGrid flow_grid(ptrdiff_t height, ptrdiff_t width, float *memory);
ptrdiff_t flow_grid_floats(ptrdiff_t height, ptrdiff_t width);

/* An image of half the sides, means of two by two. */
void halve(const float *from, ptrdiff_t width, float *restrict to, ptrdiff_t rows,
           ptrdiff_t columns);

/* The other image on a grid, with its edges repeated around it. */
void surround(const float *image, const FlowGrid *g);

/* Changes of the one by a pixel, of neighbours on both sides. */
void changes(const FlowGrid *g);

/* Make a flow fit both images and itself better, in so many steps; `work` has `smoothing_floats`.
 */
void smooth_flow(const FlowGrid *g, float *work, int steps);
ptrdiff_t smoothing_floats(ptrdiff_t height, ptrdiff_t width);

#endif
