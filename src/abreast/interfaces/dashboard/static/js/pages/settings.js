// The service: how it is, its settings, who may use it, where notices go.

import { errorCard, h, icon, replace } from "../dom.js";
import { act, button, facts, inZones, section, since, ticking } from "../parts.js";
import { ownPassword, tokens, users } from "./people.js";

/** Show all that the user may see. */
export async function show(ctx) {
  ctx.title("Settings");
  const admin = ctx.session.may("admin");
  const parts = [service, health, channels, ctx.session.csrf && ownPassword, admin && users,
    admin && tokens, admin && settings].filter(Boolean);
  const places = parts.map(() => h("div"));
  replace(ctx.root, h("header", { class: "head" }, h("h1", null, "Settings")),
    h("div", { class: "settings" }, places));
  ticking(ctx);
  // One part that fails leaves the others alone.
  await Promise.all(parts.map(async (part, index) => {
    const look = async () => {
      try {
        replace(places[index], await part(ctx, look));
      } catch (error) {
        if (error.name === "AbortError") return;
        replace(places[index], errorCard(error, look));
      }
    };
    await look();
  }));
}

async function service(ctx) {
  const info = await ctx.api.get("/info", {}, { signal: ctx.signal });
  const { session } = ctx;
  return section("Service", facts([
    ["Version", info.version], ["App", info.app],
    ["Time zone", `${info.timezone}, of schedules that name none`],
    ["Running since", [inZones(info.started), h("span", { class: "soft" }, " for "), since(info.started)]],
    ["State", info.draining ? "stopping: it starts nothing new" : "working"],
    ["You", `${session.user}, ${session.role}`],
  ]), session.may("admin") && h("div", { class: "actions row" }, button("Read settings and tasks again",
    () => act(() => ctx.api.post("/reload"), ({ changes }) => changes.join("; ") || "Nothing has changed"),
    { mark: "retrying", busy: "Reading …" })));
}

async function health(ctx, again) {
  const response = await fetch("/readyz", { headers: { Accept: "application/json" }, signal: ctx.signal });
  const { ok, checks } = await response.json();
  const timer = setTimeout(again, 10_000);
  ctx.signal.addEventListener("abort", () => clearTimeout(timer));
  return section("Health", h("p", null, check(ok), ok ? " All is well." : " Something is wrong."),
    h("table", { class: "health" }, h("tbody", null, Object.entries(checks).map(([name, { ok: good, detail }]) =>
      h("tr", null, h("th", { scope: "row" }, check(good), " ", name), h("td", null, detail))))));
}

const check = (ok) => h("span", { class: "state", "data-state": ok ? "completed" : "failed" },
  h("span", { class: "mark" }, icon(ok ? "completed" : "failed", ok ? "well" : "not well")));

async function channels(ctx) {
  const { items } = await ctx.api.get("/notify/channels", {}, { signal: ctx.signal });
  if (!items.length) {
    return section("Notifications", h("p", { class: "soft" }, "Nobody is told of failures yet. Say where notices go under ",
      h("code", null, "[[notify.channels]]"), " in abreast.toml."));
  }
  const admin = ctx.session.may("admin");
  return section("Notifications", h("ul", { class: "plain channels" }, items.map(({ name, kind, to }) => {
    const result = h("p", { class: "result", role: "status" });
    const test = async () => {
      replace(result, h("span", { class: "soft" }, "Sending …"));
      try {
        const { ok, detail } = await ctx.api.post(`/notify/channels/${encodeURIComponent(name)}/test`);
        replace(result, check(ok), " ", detail);
      } catch (error) {
        replace(result, check(false), " ", error.detail);
      }
    };
    return h("li", { "data-channel": name }, h("div", { class: "row" }, icon("bell"), h("b", null, name),
      h("span", { class: "chip" }, kind), h("code", null, to),
      admin && button("Send a test", test, { kind: "small", label: `Send a test through ${name}` })), result);
  })));
}

async function settings(ctx) {
  const { settings: items } = await ctx.api.get("/info", {}, { signal: ctx.signal });
  const said = items.filter(({ origin }) => origin !== "default");
  const table = (rows) => h("table", { class: "list in-force" },
    h("thead", null, h("tr", null, ["Setting", "Value", "From"].map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", null, rows.map(({ key, value, origin }) => h("tr", null,
      h("td", { class: "whole" }, h("code", null, key)),
      h("td", { "data-label": "Value" }, h("code", null, JSON.stringify(value))),
      h("td", { "data-label": "From", class: "soft" }, origin)))));
  return section("Settings in force", said.length ? table(said) : h("p", { class: "soft" }, "All are the defaults."),
    h("details", null, h("summary", null, `All ${items.length}, with the defaults`), table(items)));
}
