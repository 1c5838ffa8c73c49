// The fleet table in the browser: numbers for people, search, filter, and what a click chooses.
// Sorting, searching and scrolling need no server; it only sends rows that have changed.
"use strict";
window.mirageFleet = (() => {
  const STATES = { ready: "online", sleeping: "asleep", lost: "lost", unknown: "not announced" };
  let api = null;
  let kind = "all";
  let told = "";

  const scaled = (value, units) => {
    let place = 0;
    while (value >= 999.5 && place < units.length - 1) { value /= 1000; place += 1; }
    const digits = place === 0 && value >= 10 ? 0 : value < 99.5 ? 1 : 0;
    return `${value.toFixed(place === 0 && Number.isInteger(value) ? 0 : digits)} ${units[place]}`;
  };
  const bytes = (value) => (value == null ? "" : scaled(value, ["B", "kB", "MB", "GB", "TB"]));
  const rate = (value) => (value == null ? "" : value === 0 ? "–" : `${bytes(value)}/s`);
  const ratio = (value) => (value == null ? "–" : `${Number(value.toPrecision(2)).toLocaleString("en")}×`);
  const money = (value) => (value == null ? "–" : value.toFixed(value < 100 ? 2 : 0));
  const age = (ms) => {
    const seconds = Math.max(0, Math.round((Date.now() - ms) / 1000));
    if (seconds < 90) return "now";
    if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
    if (seconds < 172800) return `${Math.round(seconds / 3600)} h ago`;
    return `${Math.round(seconds / 86400)} days ago`;
  };
  const spool = (row) => {
    if (!row || !row.spool_packets) return "–";
    const waits = row.spool_age_s < 90 ? `${row.spool_age_s} s` : `${Math.round(row.spool_age_s / 60)} min`;
    return `${bytes(row.spool_bytes)} · ${waits}`;
  };

  const made = (tag, name, text) => {
    const element = document.createElement(tag);
    element.className = name;
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const state = (params) => {
    const cell = made("span", "fleet-state");
    cell.append(made("span", `dot state-${String(params.value).replace(/[^a-z]/g, "")}`));
    cell.append(made("span", "", STATES[params.value] ?? params.value));
    return cell;
  };
  const share = (params) => {
    if (params.value == null) return made("span", "", "–");
    const cell = made("span", "fleet-share");
    const bar = made("span", `fleet-bar ${params.value >= 1 ? "over" : params.value >= 0.7 ? "near" : ""}`);
    const fill = made("span", "fleet-fill");
    fill.style.width = `${Math.min(100, 100 * params.value)}%`;
    bar.append(fill);
    cell.append(bar, made("span", "", `${Math.round(100 * params.value)} %`));
    return cell;
  };

  const ahead = (params) => {
    if (params.value == null) return made("span", "", "–");
    return made("span", params.value >= 1 ? "bad" : "", `${Math.round(100 * params.value)} %`);
  };

  const KINDS = {
    all: () => true,
    ready: (row) => row.state === "ready",
    sleeping: (row) => row.state === "sleeping",
    lost: (row) => row.state === "lost",
    alarms: (row) => row.alarms !== "",
    budget: (row) => row.share != null && row.share >= 0.7,
    ahead: (row) => row.ahead != null && row.ahead >= 1,
  };

  const count = () => {
    if (!api) return;
    let all = 0;
    api.forEachNode(() => { all += 1; });
    const shown = api.getDisplayedRowCount();
    const label = document.querySelector(".fleet-count");
    const whole = `${all.toLocaleString("en")} device${all === 1 ? "" : "s"}`;
    const text = shown === all ? whole : `${shown.toLocaleString("en")} of ${whole}`;
    if (!label || text === told) return;
    told = text;
    label.textContent = text;
    label.dataset.count = all;
    label.dataset.shown = shown;
  };
  const fit = () => {
    if (!api) return;
    const narrow = window.innerWidth < 760;
    api.setColumnsVisible(["site", "link", "cost", "ahead", "ratio", "firmware", "bundle", "alarms", "spool_bytes"], !narrow);
  };

  return {
    bytes, rate, ratio, money, age, spool, state, share, ahead, count,
    ready(params) {
      api = params.api;
      told = "";
      fit();
      window.addEventListener("resize", fit);
      window.setInterval(() => api && api.refreshCells({ columns: ["seen_ms"], force: true }), 10000);
    },
    search(text) { if (api) api.setGridOption("quickFilterText", text); },
    only(wanted, button) {
      kind = wanted;
      for (const each of button.parentElement.children) each.setAttribute("aria-pressed", String(each === button));
      if (api) api.onFilterChanged();
    },
    filters() { return kind !== "all"; },
    passes(node) { return KINDS[kind](node.data); },
    chosen(params) {
      const rows = params.api.getSelectedRows();
      emitEvent("fleet-chosen", rows.length ? rows[0].id : "");
    },
    clear() { if (api) api.deselectAll(); },
  };
})();
