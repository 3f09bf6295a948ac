"use strict";
// Puts the page together: reads the state, unpacks what it asks for, and draws.
const Main = (() => {
  let shown = "";

  async function show(changed) {
    const { now } = State;
    Pair.open(now.pair);
    const view = Pair.view();
    if (view.side !== now.side) now.side = view.side;
    await Pair.ready();
    const key = [now.pair, now.side, now.a, now.b].join();
    const other = key !== shown;
    shown = key;
    const has = (names) => other || names.some((name) => changed.has(name));
    if (other) {
      Findings.show();
      Values.sites();
    }
    if (has(["map", "mode", "panel", "keep", "limit", "cut", "tool", "dot", "exaggerate", "clip"])) Controls.show();
    if (has(["map", "mode", "limit", "panel"])) legend();
    if (now.panel === "maps") {
      Stage.draw();
      if (has(["line", "map", "limit", "panel"])) Profile.draw();
    }
    if (has(["points", "panel"])) Values.measure();
    if (has(["map"])) Values.show(null);
    if (now.panel === "clouds") clouds(has);
    if (has(["panel"]) && now.panel === "numbers") Table.show();
    if (has(["panel"]) && now.panel === "networks") Networks.show();
    document.documentElement.dataset.ready = String(performance.now());
  }

  function clouds(has) {
    if (has(["map", "limit", "keep", "panel"])) Clouds.refill();
    Clouds.moving();
  }

  function legend() {
    const { map: name, mode, panel } = State.now;
    const layer = Scale.layer(name);
    const [a, b] = [Pair.method("a"), Pair.method("b")];
    const values = mode === "difference" && panel === "maps" ? Derive.difference(a, b, name) : null;
    if (values) {
      const sign = name.endsWith("_error") ? "|A| − |B|: amber where A is worse, blue where B is" : "A − B: amber where A has more, blue where B has";
      Scale.legend(`${layer.label}, ${sign}`, "difference", Scale.difference(values), Scale.unit(name, a));
    } else {
      const one = Derive.layer(a, name) || !Derive.layer(b, name) ? a : b;
      const unit = Scale.unit(name, one);
      const apart = Scale.unit(name, a) !== Scale.unit(name, b) || unit === "relative" ? "; A's scale, B has its own" : "";
      Scale.legend(`${layer.label}${unit === "relative" ? " (relative)" : ""}: ${layer.what}${apart}`, layer.colours, Scale.shared(name, "a"),
        unit === "relative" ? "" : unit, ({ hazard: ["safe", "unsure", `over ${State.now.limit}°`], lander_hazard: ["safe", "unknown", "hazardous"] })[name]);
    }
    const place = document.getElementById(panel === "clouds" ? "cloud-legend" : "panel-maps");
    const box = document.getElementById("legend");
    if (panel === "clouds" && box.parentElement !== place) place.append(box);
    if (panel !== "clouds" && box.parentElement !== place) place.insertBefore(box, document.getElementById("profile"));
  }

  function start() {
    const page = JSON.parse(document.getElementById("page-data").textContent);
    document.getElementById("title").textContent = page.title;
    Colours.load(page.tables);
    Scale.load(page.layers);
    Networks.load(page.networks, page.arms);
    State.read();
    first(page);
    Controls.connect(page.pairs);
    Keys.connect();
    State.on(show);
    window.addEventListener("hashchange", () => { State.read(); check(page); show(new Set(Object.keys(State.defaults))); });
    return show(new Set(Object.keys(State.defaults)));
  }

  // A state that fits this page, whatever the address says.
  function check(page) {
    const { now } = State;
    const within = (value, count) => (Number.isInteger(value) && value >= 0 && value < count ? value : 0);
    now.pair = within(now.pair, page.pairs.length);
    Pair.open(now.pair);
    now.a = within(now.a, Pair.methods().length);
    now.b = within(now.b, Pair.methods().length);
    now.map = Scale.layer(now.map).name;
    if (!["maps", "clouds", "numbers", "networks"].includes(now.panel)) now.panel = "maps";
    if (!["curtain", "beside", "difference"].includes(now.mode)) now.mode = "curtain";
    now.zoom = Math.min(64, Math.max(0.5, now.zoom));
  }

  // Without a map in the address: the errors where there is a truth, else slopes.
  function first(page) {
    const given = new URLSearchParams(location.hash.slice(1));
    check(page);
    if (!given.has("map")) {
      const maps = Pair.method("a").maps;
      State.now.map = "depth_error" in maps ? "depth_error" : "slope" in maps ? "slope" : "depth";
    }
  }

  return { ready: start() };
})();
