/* Grids from fine to coarse, and what is made of two images on each: see flow_grid.h. */
#include "flow_grid.h"

#include <string.h>

/* Of the coarsest grid: as many patches side by side along the longer side, about. */
static const float ACROSS = 4;

int flow_grids(ptrdiff_t height, ptrdiff_t width, int most) {
    float longer = (float)(height > width ? height : width) / (ACROSS * PATCH);
    ptrdiff_t shorter = height < width ? height : width;
    int grids = 1;
    while (grids < most && shorter / 2 >= PATCH && longer >= 1.41421356f) {
        grids++;
        shorter /= 2;
        longer /= 2;
    }
    return grids;
}

FlowGrid flow_grid(ptrdiff_t height, ptrdiff_t width, float *memory) {
    ptrdiff_t n = height * width;
    FlowGrid g = {.height = height, .width = width};
    float **fields[] = {&g.one, &g.change_x, &g.change_y, &g.u, &g.v, &g.other};
    for (int k = 0; k < 6; k++)
        *fields[k] = memory + k * n;
    return g;
}

ptrdiff_t flow_grid_floats(ptrdiff_t height, ptrdiff_t width) {
    return 5 * height * width + (height + 2 * AROUND) * (width + 2 * AROUND);
}

void changes(const FlowGrid *g) {
    const float *image = g->one;
    float *restrict by_x = g->change_x, *restrict by_y = g->change_y;
    ptrdiff_t height = g->height, width = g->width;
    for (ptrdiff_t y = 0; y < height; y++) {
        const float *restrict row = image + y * width;
        const float *restrict above = image + (y ? y - 1 : 0) * width;
        const float *restrict below = image + (y + 1 < height ? y + 1 : y) * width;
        float *restrict to_x = by_x + y * width, *restrict to_y = by_y + y * width;
        for (ptrdiff_t x = 0; x < width; x++)
            to_y[x] = 0.5f * (below[x] - above[x]);
        for (ptrdiff_t x = 1; x < width - 1; x++)
            to_x[x] = 0.5f * (row[x + 1] - row[x - 1]);
        to_x[0] = 0.5f * (row[1] - row[0]);
        to_x[width - 1] = 0.5f * (row[width - 1] - row[width - 2]);
    }
}

void halve(const float *from, ptrdiff_t width, float *restrict to, ptrdiff_t rows,
           ptrdiff_t columns) {
    for (ptrdiff_t y = 0; y < rows; y++) {
        const float *restrict upper = from + 2 * y * width, *restrict lower = upper + width;
        for (ptrdiff_t x = 0; x < columns; x++)
            to[y * columns + x] =
                0.25f * ((upper[2 * x] + upper[2 * x + 1]) + (lower[2 * x] + lower[2 * x + 1]));
    }
}

void surround(const float *image, const FlowGrid *g) {
    ptrdiff_t height = g->height, width = g->width;
    float *to = g->other;
    ptrdiff_t apart = width + 2 * AROUND;
    for (ptrdiff_t y = -AROUND; y < height + AROUND; y++) {
        ptrdiff_t from = y < 0 ? 0 : y < height ? y : height - 1;
        float *row = to + (y + AROUND) * apart;
        memcpy(row + AROUND, image + from * width, (size_t)width * sizeof(float));
        for (int k = 0; k < AROUND; k++) {
            row[k] = image[from * width];
            row[AROUND + width + k] = image[from * width + width - 1];
        }
    }
}
