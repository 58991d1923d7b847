// The first page: the timeline of a service.

import { addKeys } from "../help.js";
import { KEYS } from "../timeline/gestures.js";
import { liveSource } from "../timeline/source.js";
import { mount } from "../timeline/view.js";

/** Show it. */
export async function show(ctx) {
  const { root, query, setQuery, signal } = ctx;
  ctx.title("Timeline");
  addKeys("Timeline", KEYS, signal);
  await mount(root, { source: liveSource(ctx), query, setQuery, signal }).ready;
}
