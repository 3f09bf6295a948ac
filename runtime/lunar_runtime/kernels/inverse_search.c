/* Dense inverse search (Kroeger et al. 2016): patches on a grid are looked for in the other image,
 * from coarse images to fine ones, and pixels have the flow of the patches around them. */
#include "patch.h"

#include <stdlib.h>

enum { GRIDS = 12 };              /* at most */
static const float STILL = 1e-4f; /* pixels², of a step that is the last */
static const float ALIKE = 0.01f; /* pixels², between flows that are no other place */

/* Patches of a grid: so many rows and columns of them, the last ones at the edge. */
typedef struct {
    ptrdiff_t rows, columns, stride;
    float *u, *v, *error;
} Patches;

static inline ptrdiff_t begin_of(ptrdiff_t index, ptrdiff_t stride, ptrdiff_t side) {
    return index * stride < side - PATCH ? index * stride : side - PATCH;
}

static inline ptrdiff_t count_of(ptrdiff_t side, ptrdiff_t stride) {
    return (side - PATCH + stride - 1) / stride + 1;
}

/* Look for a patch from where it is, or from where a neighbour that was looked for before it is, if
 * that is better. On the way back those that stay are where they were. */
static void look(const FlowGrid *g, Patches patches, ptrdiff_t at, int steps, int back) {
    ptrdiff_t row = at / patches.columns, column = at % patches.columns, near = back ? 1 : -1;
    ptrdiff_t y = begin_of(row, patches.stride, g->height);
    ptrdiff_t x = begin_of(column, patches.stride, g->width);
    float u = patches.u[at], v = patches.v[at];
    ptrdiff_t from[2], others = 0;
    if (column + near >= 0 && column + near < patches.columns)
        from[others++] = at + near;
    if (row + near >= 0 && row + near < patches.rows)
        from[others++] = at + near * patches.columns;
    for (ptrdiff_t k = others - 1; k >= 0; k--) {
        float apart_u = patches.u[from[k]] - u, apart_v = patches.v[from[k]] - v;
        if (apart_u * apart_u + apart_v * apart_v < ALIKE)
            from[k] = from[--others];
    }
    if (back && !others)
        return;
    Patch patch;
    take(g, y, x, &patch);
    Likeness best = {.error = patches.error[at]};
    if (!back)
        best = compare(g, &patch, (float)y + v, (float)x + u);
    int moved = !back;
    for (ptrdiff_t k = 0; k < others; k++) {
        float there_u = patches.u[from[k]], there_v = patches.v[from[k]];
        Likeness found = compare(g, &patch, (float)y + there_v, (float)x + there_u);
        if (found.error < best.error) {
            best = found;
            u = there_u;
            v = there_v;
            moved = 1;
        }
    }
    if (!moved)
        return;
    float first_u = u, first_v = v, first_error = best.error;
    for (int step = 0; step < steps; step++) {
        float du = patch.inverse_xx * best.pull_x + patch.inverse_xy * best.pull_y;
        float dv = patch.inverse_xy * best.pull_x + patch.inverse_yy * best.pull_y;
        Likeness found = compare(g, &patch, (float)y + (v - dv), (float)x + (u - du));
        if (!(found.error < best.error))
            break;
        best = found;
        u -= du;
        v -= dv;
        if (du * du + dv * dv < STILL)
            break;
    }
    float far_u = u - first_u, far_v = v - first_v;
    int lost = !(far_u * far_u + far_v * far_v < AREA);
    patches.u[at] = lost ? first_u : u;
    patches.v[at] = lost ? first_v : v;
    patches.error[at] = lost ? first_error : best.error;
}

static void search(const FlowGrid *g, Patches patches, int steps) {
    ptrdiff_t count = patches.rows * patches.columns;
    for (ptrdiff_t at = 0; at < count; at++)
        look(g, patches, at, steps, 0);
    for (ptrdiff_t at = count - 1; at >= 0; at--)
        look(g, patches, at, steps, 1);
}

/* Every pixel has the mean of the patches that cover it, by how well each meets it. */
static void spread(const FlowGrid *g, Patches patches, float *total) {
    ptrdiff_t n = flow_pixels(g);
    memset(total, 0, (size_t)n * sizeof(float));
    memset(g->u, 0, (size_t)n * sizeof(float));
    memset(g->v, 0, (size_t)n * sizeof(float));
    for (ptrdiff_t at = 0; at < patches.rows * patches.columns; at++) {
        ptrdiff_t y = begin_of(at / patches.columns, patches.stride, g->height);
        ptrdiff_t x = begin_of(at % patches.columns, patches.stride, g->width);
        float u = patches.u[at], v = patches.v[at];
        Patch patch;
        for (int i = 0; i < PATCH; i++)
            memcpy(patch.one + i * PATCH, g->one + (y + i) * g->width + x, PATCH * sizeof(float));
        Place place = place_of(g, (float)y + v, (float)x + u);
        for (int row = 0; row < PATCH; row++) {
            float differ[PATCH];
            differences(&patch, place, row, differ);
            ptrdiff_t to = (y + row) * g->width + x;
            float *restrict all = total + to, *restrict to_u = g->u + to,
                            *restrict to_v = g->v + to;
            for (int k = 0; k < PATCH; k++) {
                float miss = fabsf(differ[k]), weight = 1 / (miss > 1 ? miss : 1);
                all[k] += weight;
                to_u[k] += weight * u;
                to_v[k] += weight * v;
            }
        }
    }
    for (ptrdiff_t i = 0; i < n; i++) {
        g->u[i] /= total[i];
        g->v[i] /= total[i];
    }
}

static void begin_patches(Patches patches, const FlowGrid *g, const FlowGrid *coarse) {
    for (ptrdiff_t at = 0; at < patches.rows * patches.columns; at++) {
        if (!coarse) {
            patches.u[at] = patches.v[at] = 0;
            continue;
        }
        ptrdiff_t y = (begin_of(at / patches.columns, patches.stride, g->height) + PATCH / 2) / 2;
        ptrdiff_t x = (begin_of(at % patches.columns, patches.stride, g->width) + PATCH / 2) / 2;
        ptrdiff_t row = y < coarse->height ? y : coarse->height - 1;
        ptrdiff_t from = row * coarse->width + (x < coarse->width ? x : coarse->width - 1);
        patches.u[at] = 2 * coarse->u[from];
        patches.v[at] = 2 * coarse->v[from];
    }
}

/* Flow from one image to the other, (height, width): u to the right and v down. Sides are 8 and
 * more; patches begin every `stride` pixels, 1 to 8, take `steps` each way, and `smoothing` follow.
 */
LUNAR_PUBLIC int lunar_inverse_search(const float *one, const float *other, ptrdiff_t height,
                                      ptrdiff_t width, ptrdiff_t stride, ptrdiff_t steps,
                                      ptrdiff_t smoothing, float *u, float *v) {
    if (height < PATCH || width < PATCH || stride < 1 || stride > PATCH)
        return TOO_SMALL;
    int count = flow_grids(height, width, GRIDS);
    ptrdiff_t n = height * width, patches = count_of(height, stride) * count_of(width, stride);
    ptrdiff_t whole = 2 * n + smoothing_floats(height, width) + 3 * patches;
    for (int k = 0; k < count; k++)
        whole += flow_grid_floats(height >> k, width >> k);
    float *memory = malloc((size_t)whole * sizeof(float));
    if (!memory)
        return NO_MEMORY;
    float *half = memory, *total = half + n, *found = total + n, *work = found + 3 * patches;
    float *next = work + smoothing_floats(height, width);
    FlowGrid grids[GRIDS];
    for (int k = 0; k < count; k++) {
        grids[k] = flow_grid(height >> k, width >> k, next);
        next += flow_grid_floats(height >> k, width >> k);
    }
    memcpy(grids[0].one, one, (size_t)n * sizeof(float));
    memcpy(half, other, (size_t)n * sizeof(float));
    for (int k = 0; k < count; k++) {
        const FlowGrid *g = grids + k;
        if (k) {
            ptrdiff_t width_before = grids[k - 1].width;
            halve(grids[k - 1].one, width_before, g->one, g->height, g->width);
            halve(half, width_before, total, g->height, g->width);
            memcpy(half, total, (size_t)flow_pixels(g) * sizeof(float));
        }
        surround(half, g);
        changes(g);
    }
    for (int k = count - 1; k >= 0; k--) {
        const FlowGrid *g = grids + k;
        ptrdiff_t rows = count_of(g->height, stride), columns = count_of(g->width, stride);
        Patches patches = {
            rows, columns, stride, found, found + rows * columns, found + 2 * rows * columns};
        begin_patches(patches, g, k + 1 < count ? g + 1 : NULL);
        search(g, patches, (int)steps);
        spread(g, patches, total);
        smooth_flow(g, work, (int)smoothing);
    }
    memcpy(u, grids[0].u, (size_t)n * sizeof(float));
    memcpy(v, grids[0].v, (size_t)n * sizeof(float));
    free(memory);
    return DONE;
}
