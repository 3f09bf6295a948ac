"use strict";
// The numbers: every method against the truth, as lunar-bench accuracy counts them.
const Table = (() => {
  const columns = [
    ["Depth error", "median, %", (s) => 100 * s.absrel_median, (s) => 100 * s.absrel_median_null, 1e-3],
    ["Depth error", "mean, %", (s) => 100 * s.absrel_mean, (s) => 100 * s.absrel_mean_null, 1e-3],
    ["Slope error", "mean, °", (s) => s.slope_mae_deg, (s) => s.slope_mae_null_deg, 1e-2],
    ...[10, 15].map((t) => [`Steep ground missed`, `over ${t}°, %`, (s) => 100 * s[`hazard_miss_${t}deg`], (s) => 100 * s[`hazard_miss_null_${t}deg`], 0.1]),
    ["False alarms", "over 15°, %", (s) => 100 * s.hazard_false_alarm_15deg, null, 0.1],
    ["Pixels", "%", (s) => 100 * s.coverage, null, 0.1],
  ];

  function show() {
    const box = document.getElementById("panel-numbers");
    const pair = Pair.open(State.now.pair);
    const methods = Pair.methods().filter((one) => one.verdict !== "truth");
    box.replaceChildren(Values.cell("h2", "Against the truth"));
    if (!methods.some((one) => Object.keys(one.scores).length)) {
      box.append(Values.cell("p", State.now.side === "right" ? "The truth is of the left view." : "No truth is given: lunar-view … --truth FILE compares with it."));
    } else box.append(scores(methods), explanation(pair));
    box.append(Values.cell("h2", "How finely this page keeps the maps"), kept(methods));
  }

  function scores(methods) {
    const table = document.createElement("table");
    table.className = "wide";
    table.id = "scores";
    const head = table.createTHead().insertRow();
    head.append(Values.cell("th", "Method"));
    for (const [name, unit] of columns) {
      const cell = Values.cell("th", name);
      cell.append(document.createElement("br"), Values.cell("small", unit));
      head.append(cell);
    }
    const best = columns.map(([, , value], k) => {
      const all = methods.map((one) => value(one.scores)).filter(Number.isFinite);
      return k === columns.length - 1 ? Math.max(...all) : Math.min(...all);
    });
    for (const one of methods) {
      const row = table.insertRow();
      row.append(Values.cell("td", one.name, one === Pair.method("a") ? "a" : one === Pair.method("b") ? "b" : ""));
      columns.forEach(([, , value, plane, fine], k) => {
        const found = value(one.scores);
        const cell = Values.cell("td", Numbers.text(found, fine), found === best[k] && methods.length > 1 ? "best" : "");
        cell.dataset.value = found;
        if (plane && Number.isFinite(plane(one.scores))) {
          cell.append(document.createElement("br"), Values.cell("small", `plane ${Numbers.text(plane(one.scores), fine)}`));
        }
        row.append(cell);
      });
    }
    const scroll = document.createElement("div");
    scroll.className = "scroll";
    scroll.append(table);
    return scroll;
  }

  function explanation(pair) {
    const [rows, columnsOf] = pair.compared;
    return Values.cell("p", `As lunar-bench accuracy counts, on ${columnsOf} × ${rows} px: depth after the similarity that fits best, slopes from the true plane's normal at σ = 2 px. Plane: the best plane through the truth, which knows no relief, on the same pixels.`, "hint");
  }

  function kept(methods) {
    const list = document.createElement("ul");
    for (const one of methods) {
      const said = Object.entries(one.kept).filter(([name]) => Scale.layer(name).name === name).map(([name, [error, relative]]) => {
        const unit = Scale.unit(name, one);
        return `${Scale.layer(name).label.toLowerCase()} ± ${relative ? `${Numbers.text(100 * error, 0.01)} % of it` : Numbers.withUnit(error, unit === "relative" ? "" : unit, error / 10)}`;
      });
      list.append(Values.cell("li", `${one.name}: ${said.join(", ")}`));
    }
    list.className = "hint";
    return list;
  }

  return { show };
})();
