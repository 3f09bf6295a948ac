"use strict";
// What is drawn over a map: the pointer's pixel, the profile's line, measured points, sites.
const Marks = (() => {
  function draw(context, { scale, left, top }, part, hover) {
    const at = (x, y) => [left + x * scale, top + y * scale];
    context.save();
    context.beginPath();
    context.rect(part.left, 0, part.width, context.canvas.height);
    context.clip();
    context.lineWidth = 2;
    const line = State.list("line");
    if (line.length === 4) stroke(context, at(line[0], line[1]), at(line[2], line[3]), "#ffffff");
    const points = State.list("points");
    if (points.length === 4) stroke(context, at(points[0], points[1]), at(points[2], points[3]), "#ffe14d");
    for (let i = 0; i + 1 < points.length; i += 2) ring(context, at(points[i], points[i + 1]), 5, "#ffe14d");
    sites(context, at, part);
    if (hover) cross(context, at(hover.x + 0.5, hover.y + 0.5));
    context.restore();
  }

  function sites(context, at, part) {
    const shown = part.which === "both" ? ["a", "b"] : [part.which];
    for (const one of new Set(shown.map(Pair.method))) {
      one.sites.forEach((site, i) => {
        const place = at(site.x, site.y);
        ring(context, place, 8, one === Pair.method("b") ? "#6cb6ff" : "#f2a65a");
        context.fillStyle = "#ffffff";
        context.font = "600 13px system-ui, sans-serif";
        context.fillText(String(i + 1), place[0] + 11, place[1] + 5);
      });
    }
  }

  function stroke(context, from, to, colour) {
    for (const [width, ink] of [[4, "#000000a0"], [1.6, colour]]) {
      context.lineWidth = width;
      context.strokeStyle = ink;
      context.beginPath();
      context.moveTo(...from);
      context.lineTo(...to);
      context.stroke();
    }
  }

  function ring(context, [x, y], radius, colour) {
    for (const [width, ink] of [[4, "#000000a0"], [2, colour]]) {
      context.lineWidth = width;
      context.strokeStyle = ink;
      context.beginPath();
      context.arc(x, y, radius, 0, 7);
      context.stroke();
    }
  }

  function cross(context, [x, y]) {
    for (const [width, ink] of [[3, "#000000a0"], [1, "#ffffff"]]) {
      context.lineWidth = width;
      context.strokeStyle = ink;
      context.beginPath();
      for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        context.moveTo(x + 5 * dx, y + 5 * dy);
        context.lineTo(x + 12 * dx, y + 12 * dy);
      }
      context.stroke();
    }
  }

  return { draw };
})();
