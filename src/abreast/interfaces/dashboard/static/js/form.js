// What a task takes, as fields made from its parameters.

import { post } from "./api.js";
import { h, said, unique } from "./dom.js";

const WORDS = { true: true, false: false, True: true, False: false, None: null };
const LISTS = /^(list|List|tuple|Tuple|set|Set|frozenset|FrozenSet|Sequence|Iterable|Collection|AbstractSet)$/;
const DICTS = /^(dict|Dict|Mapping|MutableMapping|TypedDict|defaultdict|OrderedDict)$/;

// -- from annotations ---------------------------------------------------------------------------

/** Parts of a text between separators that are in no brackets and no quotes. */
function split(text, separator) {
  const found = [""];
  let depth = 0;
  let quote = "";
  for (const sign of text) {
    if (quote) quote = sign === quote ? "" : quote;
    else if (sign === "'" || sign === '"') quote = sign;
    else if ("[(".includes(sign)) depth++;
    else if ("])".includes(sign)) depth--;
    else if (sign === separator && !depth) {
      found.push("");
      continue;
    }
    found[found.length - 1] += sign;
  }
  return found.map((part) => part.trim());
}

function literal(text) {
  if (text in WORDS) return WORDS[text];
  const quoted = /^[bru]?(['"])(.*)\1$/s.exec(text);
  return quoted ? quoted[2].replace(/\\(.)/g, "$1") : Number(text);
}

/**
 * What an annotation of Python asks for: {kind, optional, options}; kind is text, int, float,
 * bool, choice (one of options), list, dict or any.
 */
export function shapeOf(annotation) {
  const text = (annotation ?? "").replace(/\b(?:typing|typing_extensions|collections\.abc|builtins|t)\./g, "")
    .replace(/^(['"])(.*)\1$/, "$2").trim();
  const inner = /^(\w+)\[(.*)\]$/s.exec(text);
  const name = inner ? inner[1] : text;
  if (name === "Optional") return { ...shapeOf(inner?.[2]), optional: true };
  if (name === "Annotated") return shapeOf(split(inner?.[2] ?? "", ",")[0]);
  const parts = name === "Union" ? split(inner?.[2] ?? "", ",") : split(text, "|");
  if (parts.length > 1) {
    const others = parts.filter((part) => part !== "None");
    const kinds = others.map((part) => shapeOf(part));
    const optional = others.length < parts.length || kinds.some((kind) => kind.optional);
    if (kinds.length === 1) return { ...kinds[0], optional };
    const numbers = kinds.every(({ kind }) => kind === "int" || kind === "float");
    return { kind: numbers ? "float" : "any", optional };
  }
  if (name === "Literal") {
    const options = split(inner?.[2] ?? "", ",").map(literal);
    return { kind: "choice", optional: options.includes(null), options: options.filter((one) => one !== null) };
  }
  if (name === "str") return { kind: "text", optional: false };
  if (["int", "float", "bool"].includes(name)) return { kind: name, optional: false };
  return { kind: LISTS.test(name) ? "list" : DICTS.test(name) ? "dict" : "any", optional: false };
}

// -- one field ----------------------------------------------------------------------------------

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

/** A value as it stands in a field. */
function written(kind, value) {
  if (value === null || value === undefined) return "";
  if (kind === "list" || kind === "dict") return JSON.stringify(value, null, 1).replace(/\n\s*/g, " ");
  return typeof value === "string" && (kind !== "any" || !isJson(value)) ? value : JSON.stringify(value);
}

function isJson(text) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const READ = {
  text: (text) => text,
  int(text) {
    if (!/^[+-]?\d+$/.test(text)) throw new Error("needs a whole number");
    if (!Number.isSafeInteger(Number(text))) throw new Error("is larger than can be sent from here");
    return Number(text);
  },
  float(text) {
    const found = Number(text);
    if (!Number.isFinite(found)) throw new Error("needs a number");
    return found;
  },
  list: (text) => parsed(text, Array.isArray, 'needs a list of JSON, such as ["a", 1]'),
  dict: (text) => parsed(text, (value) => value !== null && typeof value === "object" && !Array.isArray(value),
    'needs an object of JSON, such as {"a": 1}'),
  any: (text) => (isJson(text) ? JSON.parse(text) : text),
};

function parsed(text, fits, needs) {
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`${needs}: ${error.message}`);
  }
  if (!fits(value)) throw new Error(needs);
  return value;
}

const HINTS = { list: "A list as JSON", dict: "An object as JSON", any: "JSON, or else it is text" };

class Field {
  constructor(parameter, given) {
    this.parameter = parameter;
    const { name, kind, required, annotation } = parameter;
    this.shape = kind === "*" ? { kind: "list", optional: true }
      : kind === "**" ? { kind: "dict", optional: true } : shapeOf(annotation);
    this.shape.optional ||= !required && parameter.default === null;
    this.path = kind === "option" ? name : `kwargs/${name}`;
    this.control = this.#control(given === undefined ? parameter.default : given);
    this.control.id = unique("field");
    this.control.name = name;
    if (required) this.control.setAttribute("aria-required", "true");
    this.wrong = h("small", { class: "wrong", id: unique("wrong"), role: "alert" });
    const hint = parameter.hint ?? HINTS[this.shape.kind];
    this.element = h("div", { class: ["field", `is-${this.shape.kind}`] },
      h("label", { for: this.control.id }, kind.startsWith("*") ? kind + name : name,
        required && h("span", { class: "must", title: "required", "aria-hidden": "true" }, " *"),
        annotation && [" ", h("code", { class: "soft" }, annotation)]),
      this.control, hint && h("small", { class: "soft" }, hint), this.wrong);
    this.control.addEventListener("change", () => this.check());
    this.control.addEventListener("input", () => this.blame(""));
  }

  #control(value) {
    const { kind, options, optional } = this.shape;
    if (kind === "bool" && !optional && !(this.parameter.required && value === undefined)) {
      const box = h("input", { type: "checkbox" });
      box.checked = Boolean(value);
      return box;
    }
    if (kind === "bool" || kind === "choice") {
      this.options = kind === "bool" ? [true, false] : options;
      const none = optional || !this.options.includes(value);
      const texts = kind === "bool" ? ["yes", "no"] : this.options;
      const select = h("select", null, none && h("option", { value: "" }, optional ? "none" : "choose …"),
        this.options.map((_, index) => h("option", { value: index }, texts[index])));
      const index = this.options.indexOf(value);
      select.value = index < 0 ? "" : index;
      return select;
    }
    const text = written(kind, value);
    const mode = kind === "int" ? "numeric" : kind === "float" ? "decimal" : null;
    const attrs = { autocomplete: "off", spellcheck: "false", inputmode: mode,
      placeholder: optional ? "none" : null };
    const large = kind === "list" || kind === "dict" || /\n/.test(text) || text.length > 60;
    const control = large ? h("textarea", { ...attrs, rows: 2 }) : h("input", { ...attrs, type: "text" });
    control.value = text;
    return control;
  }

  /** The value, undefined where it is left out; throws what is wrong with it. */
  read() {
    const { parameter, shape, control } = this;
    if (control.type === "checkbox") return this.#unlessUsual(control.checked);
    if (this.options) {
      if (control.value !== "") return this.#unlessUsual(this.options[control.value]);
    } else {
      const text = shape.kind === "text" ? control.value : control.value.trim();
      const plain = shape.kind === "text" && !parameter.required && !shape.optional;
      if (text !== "" || plain) return this.#unlessUsual(READ[shape.kind](text));
    }
    if (parameter.required && !shape.optional) throw new Error("is required");
    return this.#unlessUsual(shape.optional ? null : undefined);
  }

  #unlessUsual(value) {
    const usual = !this.parameter.required && same(value, this.parameter.default ?? null);
    return usual ? undefined : value;
  }

  check() {
    try {
      this.read();
      this.blame("");
      return true;
    } catch (error) {
      this.blame(error.message);
      return false;
    }
  }

  blame(text) {
    this.wrong.textContent = text;
    this.wrong.hidden = !text;
    this.control[text ? "setAttribute" : "removeAttribute"]("aria-invalid", "true");
    this.control[text ? "setAttribute" : "removeAttribute"]("aria-describedby", this.wrong.id);
  }
}

// -- all of them --------------------------------------------------------------------------------

const OPTIONS = [
  ["label", "str", "What this run is called; otherwise as the task"],
  ["delay", "", "Before it may start: 90s, 10m, 2h"],
  ["timeout", "", "What one attempt may take: 90s, 10m"],
  ["priority", "float", "Seconds of head start over others"],
].map(([name, annotation, hint]) =>
  ({ name, annotation, hint, kind: "option", required: false, default: null }));

/**
 * Fields for starting a task, with the arguments of an earlier run where they are given:
 * {element, send()}. send() starts it and returns the run, or false when something has to be put
 * right, which is said at the fields. Ctrl-Enter submits the form around them.
 */
export function runFields(task, given = {}) {
  const filled = named(task, given);
  const fields = task.parameters.map((parameter) => new Field(parameter, filled[parameter.name]));
  const options = OPTIONS.map((option) => new Field(option));
  const trouble = h("p", { class: "trouble", role: "alert", hidden: true });
  const more = h("details", { class: "more" }, h("summary", null, "Options"),
    options.map((field) => field.element));
  const element = h("div", { class: "run-fields", onkeydown(event) {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    element.closest("form").requestSubmit();
  } }, fields.length ? fields.map((field) => field.element)
    : h("p", { class: "soft" }, "It takes no arguments."), more, trouble);

  function tell(...children) {
    trouble.replaceChildren(...children);
    trouble.hidden = !children.length;
    return false;
  }

  function body() {
    const all = [...fields, ...options];
    const wrong = all.filter((field) => !field.check());
    if (wrong.length) {
      more.open ||= options.includes(wrong[0]);
      wrong[0].control.focus();
      return null;
    }
    const found = call(fields);
    for (const field of options) {
      const value = field.read();
      if (value !== undefined) found[field.parameter.name] = value;
    }
    return found;
  }

  /** Errors of the service at their fields; the others below. */
  function heed(problem) {
    const left = [];
    let first = null;
    for (const { pointer = "", detail } of problem.errors ?? []) {
      const path = pointer.replace(/^[#/]+/, "");
      const field = [...fields, ...options].find((one) => path === one.path || path.startsWith(`${one.path}/`));
      if (!field) left.push(detail);
      else field.blame(detail);
      first ??= field;
    }
    more.open ||= options.includes(first);
    first?.control.focus();
    const holder = problem.body?.running_run_id;
    if (holder) return tell(said(problem), " ", h("a", { href: `/runs/${holder}` }, `Run ${holder}`));
    return first && !left.length ? tell() : tell(left.join(". ") || said(problem));
  }

  async function send() {
    tell();
    const given = body();
    if (!given) return false;
    try {
      return await post(`/tasks/${encodeURIComponent(task.name)}/runs`, given);
    } catch (problem) {
      return heed(problem);
    }
  }

  return { element, send };
}

/** Arguments by place under the names of the parameters they fill. */
function named(task, { args = [], kwargs = {} }) {
  const found = {};
  const others = { ...kwargs };
  let at = 0;
  for (const { name, kind } of task.parameters) {
    if (kind === "*") found[name] = args.slice(at);
    else if (kind === "**") found[name] = others;
    else if (name in others && kind !== "positional") {
      found[name] = others[name];
      delete others[name];
    } else if (at < args.length && kind !== "keyword") found[name] = args[at++];
  }
  return found;
}

/** The fields as a call: by name, where that is possible. */
function call(fields) {
  const several = fields.find((field) => field.parameter.kind === "*")?.read() ?? [];
  const ahead = fields.filter(({ parameter: { kind } }) =>
    kind === "positional" || (kind === "any" && several.length));
  while (!several.length && ahead.length && ahead.at(-1).read() === undefined) ahead.pop();
  const args = ahead.map((field) => field.read() ?? field.parameter.default ?? null);
  const kwargs = {};
  for (const field of fields) {
    const { name, kind } = field.parameter;
    const value = field.read();
    if (value === undefined || kind === "*" || ahead.includes(field)) continue;
    if (kind === "**") Object.assign(kwargs, value);
    else kwargs[name] = value;
  }
  return { args: [...args, ...several], kwargs };
}
