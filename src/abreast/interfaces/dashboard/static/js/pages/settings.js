// The service: how it is, who may use it, where notices go, its settings.

import { logIn } from "../api.js";
import { copy, dialog, errorCard, h, icon, replace, toast } from "../dom.js";
import {
  act, blame, button, choice, columns, facts, field, heading, inZones, reading, section, since, ticking, until,
} from "../parts.js";
import { day } from "../time.js";

const ROLES = ["viewer", "operator", "admin"];

/** Show what the user may see of it. */
export async function show(ctx) {
  ctx.title("Settings");
  const admin = ctx.session.may("admin");
  const parts = [service, health, channels, ctx.session.csrf && ownPassword, admin && users, admin && tokens,
    admin && settings].filter(Boolean);
  const places = parts.map(() => h("div"));
  replace(ctx.root, heading("Settings"), h("div", { class: "settings" }, places));
  ticking(ctx);
  // A part that fails leaves the others alone.
  await Promise.all(parts.map(async function look(part, index) {
    const again = () => look(part, index);
    try {
      replace(places[index], await part(ctx, again));
    } catch (error) {
      if (!ctx.signal.aborted) replace(places[index], errorCard(error, again));
    }
  }));
}

async function service(ctx) {
  const info = await reading(ctx)("/info");
  return section("Service", facts([["Version", info.version], ["App", info.app], ["Time zone", info.timezone],
    ["Started", [inZones(info.started), ", ", since(info.started), " ago"]],
    ["State", info.draining ? "draining: starts nothing new" : "working"],
    ["You", `${ctx.session.user}, ${ctx.session.role}`]]),
  ctx.session.may("admin") && h("p", null, button("Read settings and tasks again", "retrying",
    () => act(() => ctx.api.post("/reload"), ({ changes }) => changes.join("; ") || "Nothing has changed"))));
}

const check = (ok) => h("span", { class: "mark", "data-state": ok ? "completed" : "failed" },
  icon(ok ? "completed" : "failed", ok ? "well" : "not well"));

async function health({ signal }, again) {
  const response = await fetch("/readyz", { headers: { Accept: "application/json" }, signal });
  const { checks } = await response.json();
  const timer = setTimeout(again, 10_000);
  signal.addEventListener("abort", () => clearTimeout(timer));
  return section("Health", facts(Object.entries(checks).map(([name, { ok, detail }]) =>
    [name, [check(ok), " ", detail]])));
}

async function channels(ctx) {
  const { items } = await reading(ctx)("/notify/channels");
  return section("Notifications", items.map(({ name, kind, to }) => {
    const result = h("p", { role: "status" });
    return h("div", { "data-channel": name }, h("div", { class: "row" }, h("b", null, name), `${kind} to ${to}`,
      ctx.session.may("admin") && button("Send a test", "bell", async () => {
        replace(result, "Sending …");
        const { ok, detail } = await ctx.api.post(`/notify/channels/${encodeURIComponent(name)}/test`)
          .catch((error) => error);
        replace(result, check(Boolean(ok)), " ", detail);
      }, { class: "small" })), result);
  }), !items.length && h("p", null, "Nobody is told when a run fails. Say whom under ",
    h("code", null, "[notify.channels.NAME]"), " in abreast.toml."));
}

async function settings(ctx) {
  const info = await reading(ctx)("/info");
  return section("Settings in force", h("table", { class: "list" }, columns("Setting", "Value", "Said in"),
    h("tbody", null, info.settings.map(({ key, value, origin }) => h("tr", null, h("td", { class: "whole" }, h("code", null, key)),
      h("td", null, h("code", null, JSON.stringify(value))), h("td", { class: "soft" }, origin))))));
}

// -- people -----------------------------------------------------------------------------------

const text = (attrs) => h("input", { required: true, autocomplete: "off", maxlength: 100, ...attrs });
const secret = (autocomplete) => text({ type: "password", autocomplete, maxlength: 1024 });

/** A window with a button that sends something; what is wrong with it shows at the fields. */
function ask(title, verb, body, send, kind = "primary") {
  const fields = h("div", null, body);
  return dialog({ title, body: fields, actions: [{ text: verb, kind, async value() {
    try {
      blame(fields, null);
      return (await send()) ?? true;
    } catch (error) {
      const rest = blame(fields, error);
      if (rest) throw new Error(rest, { cause: error });
      return false;
    }
  } }] });
}

const table = (names, rows) => h("table", { class: "list" }, columns(...names, ""), h("tbody", null, rows));
const small = (verb, name, what) => button(verb, null, what, { class: "small", "aria-label": `${verb} ${name}` });

async function users(ctx, again) {
  const { items } = await reading(ctx)("/users");
  const path = (name) => `/users/${encodeURIComponent(name)}`;

  async function add() {
    const [name, word, role] = [text(), secret("new-password"), choice(ROLES)];
    if (await ask("Add a user", "Add", [field("name", "Name", name), field("password", "Password", word),
      field("role", "Role", role)],
    () => ctx.api.post("/users", { name: name.value, password: word.value, role: role.value }))) again();
  }

  async function change({ name }) {
    const word = secret("new-password");
    if (await ask(`Password of ${name}`, "Set", ["It logs them out everywhere.", field("password", "New password", word)],
      () => ctx.api.patch(path(name), { password: word.value }))) toast("It is set");
  }

  async function remove({ name }) {
    if (await ask(`Remove ${name}?`, "Remove", "Their tokens go, too.", () => ctx.api.del(path(name)), "danger")) again();
  }

  return section("Users", items.length ? table(["Name", "Role", "Since"], items.map((user) =>
    h("tr", { "data-user": user.name }, h("td", null, h("b", null, user.name)),
      h("td", null, choice(ROLES, user.role, { "aria-label": `Role of ${user.name}`,
        async onchange({ target }) {
          if (await act(() => ctx.api.patch(path(user.name), { role: target.value }), "It is set")) user.role = target.value;
          else target.value = user.role;
        } })),
      h("td", null, day(user.created)),
      h("td", { class: "do" }, small("Password", user.name, () => change(user)), " ",
        small("Remove", user.name, () => remove(user))))))
    : h("p", null, "There are none: whoever has the link is an admin. That ends with the first user, so make an admin."),
  h("p", null, button("Add a user", "plus", add)));
}

async function tokens(ctx, again) {
  const get = reading(ctx);
  const [{ items }, { items: people }] = await Promise.all([get("/tokens"), get("/users")]);

  async function make() {
    const [name, user] = [text(), choice(people.map((one) => one.name), ctx.session.user)];
    const role = choice([["", "all it may"], ...ROLES]);
    const days = choice([["7", "a week"], ["90", "90 days"], ["365", "a year"], ["", "no end"]], "90");
    const made = await ask("Make a token", "Make", [field("name", "What for", name), field("user", "Acts as", user),
      field("role", "May at most", role), field("expires", "Lasts", days)],
    () => ctx.api.post("/tokens", { name: name.value, user: user.value, role: role.value || null,
      expires: days.value ? Date.now() / 1000 + 86400 * days.value : null }));
    if (!made) return;
    await dialog({ title: made.name, cancel: "Close", body: [h("p", null, "It is shown this once."),
      h("p", { class: "secret" }, h("code", null, made.token)), button("Copy", "copy", () => copy(made.token))] });
    again();
  }

  async function revoke({ id, name }) {
    if (await ask(`Revoke ${name}?`, "Revoke", "It lets no program in any more.",
      () => ctx.api.del(`/tokens/${id}`), "danger")) again();
  }

  const when = (time) => (time ? until(time) : "never");
  return section("Tokens", items.length > 0 && table(["For", "Acts as", "Last used", "Ends"], items.map((token) =>
    h("tr", { "data-token": token.name }, h("td", null, h("b", null, token.name)), h("td", null, `${token.user}, ${token.role}`),
      h("td", { "data-label": "Last used" }, when(token.used)), h("td", { "data-label": "Ends" }, when(token.expires)),
      h("td", { class: "do" }, small("Revoke", token.name, () => revoke(token)))))),
  people.length ? h("p", null, button("Make a token", "key", make))
    : h("p", null, "A token acts as a user: add one first."));
}

async function ownPassword({ api }) {
  async function change() {
    const [current, fresh] = [secret("current-password"), secret("new-password")];
    if (await ask("Your password", "Change", ["Afterwards you log in again, everywhere.",
      field("current", "Current password", current), field("new", "New password", fresh)],
    () => api.post("/me/password", { current: current.value, new: fresh.value }))) logIn();
  }
  return section("Your password", h("p", null, button("Change", "lock", change)));
}
