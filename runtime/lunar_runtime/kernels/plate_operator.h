/* What a thin plate asks of every node of a grid. */
#ifndef LUNAR_PLATE_OPERATOR_H
#define LUNAR_PLATE_OPERATOR_H

#include "plate_grids.h"

static inline ptrdiff_t clamped(ptrdiff_t i, ptrdiff_t length) {
    return i < 0 ? 0 : i >= length ? length - 1 : i;
}

/* Sums of the steps from each node of a row to its four neighbours, ends repeated; from -1 on. */
static inline void laplacian(const float *p, ptrdiff_t height, ptrdiff_t width, ptrdiff_t y,
                             float *restrict found) {
    const float *restrict row = p + clamped(y, height) * width;
    const float *restrict above = p + clamped(y - 1, height) * width;
    const float *restrict below = p + clamped(y + 1, height) * width;
    for (ptrdiff_t x = 1; x < width - 1; x++)
        found[x] = ((above[x] - row[x]) + (below[x] - row[x])) +
                   ((row[x - 1] - row[x]) + (row[x + 1] - row[x]));
    ptrdiff_t end = width - 1;
    found[-1] = (above[0] - row[0]) + (below[0] - row[0]);
    found[0] = found[-1] + (row[1] - row[0]);
    found[width] = (above[end] - row[end]) + (below[end] - row[end]);
    found[end] = found[width] + (row[end - 1] - row[end]);
}

/* What the stiffness takes of a row near an edge that is free: fourth differences across it lack
 * what repeating its values adds. `share` is -2 of the edge itself, and 1 beside it. */
static inline void free_edge(const float *restrict edge, const float *restrict beside, float share,
                             ptrdiff_t width, float *restrict q) {
    for (ptrdiff_t x = 0; x < width; x++)
        q[x] += share * (edge[x] - beside[x]);
}

/* The operator of p, into q: information · p + stiffness · (second differences, and back); pᵀ q.
 *
 * The second is the Laplacian's square, by steps from node to node: of what is nearly a plane they
 * are small, and so is their rounding. */
static inline double operator(const Grids *all, const Grid *g, const float *p, float *q) {
    ptrdiff_t width = g->width, height = g->height, apart = width + 2;
    float stiffness = g->stiffness;
    double energy = 0;
    float *rows[3];
    for (int k = 0; k < 3; k++)
        rows[k] = all->row + 1 + k * apart;
    laplacian(p, height, width, -1, rows[0]);
    laplacian(p, height, width, 0, rows[1]);
    for (ptrdiff_t y = 0; y < height; y++) {
        laplacian(p, height, width, y + 1, rows[2]);
        const float *restrict above = rows[0], *restrict row = rows[1], *restrict below = rows[2];
        const float *restrict here = p + y * width;
        const float *restrict information = g->information + y * width;
        float *restrict out = q + y * width;
        for (ptrdiff_t x = 0; x < width; x++)
            out[x] = stiffness * (((above[x] - row[x]) + (below[x] - row[x])) +
                                  ((row[x - 1] - row[x]) + (row[x + 1] - row[x]))) +
                     information[x] * here[x];
        float first = stiffness * (here[0] - here[1]);
        float last = stiffness * (here[width - 1] - here[width - 2]);
        out[0] -= 2 * first;
        out[1] += first;
        out[width - 1] -= 2 * last;
        out[width - 2] += last;
        if (y < 2)
            free_edge(p, p + width, y ? stiffness : -2 * stiffness, width, out);
        if (y >= height - 2)
            free_edge(p + (height - 1) * width, p + (height - 2) * width,
                      y == height - 2 ? stiffness : -2 * stiffness, width, out);
        energy += dot(here, out, width);
        float *spare = rows[0];
        rows[0] = rows[1];
        rows[1] = rows[2];
        rows[2] = spare;
    }
    return energy;
}

#endif
