// Where a timeline gets what it shows from: the service, or what a page brings along.

/** A service: ctx has api, live, session and signal. Times are milliseconds. */
export function liveSource({ api, live, session, signal }) {
  const get = (path, params) => api.get(path, params, { signal });
  let ahead = 0; // milliseconds the service is ahead of what its answers tell: news are not of tomorrow
  return {
    live: true,
    now: () => api.serverNow() * 1000 + ahead,
    heard: (time) => (ahead = Math.max(ahead, time - api.serverNow() * 1000)),
    may: (role) => session.may(role),
    load: (since, until) => get("/timeline",
      { since: new Date(since).toISOString(), until: new Date(until).toISOString(), limit: 5000 }),
    limits: async () => (await get("/limits")).items,
    run: (id) => get(`/runs/${id}`),
    why: async (id) => (await get(`/runs/${id}/why`)).why,
    steps: async (id) => (await get(`/runs/${id}/steps`)).items,
    edges: async (id) => (await get(`/flows/${id}`)).edges,
    cancel: (id) => api.post(`/runs/${id}/cancel`),
    retry: (id) => api.post(`/runs/${id}/retry`),
    on: (kind, fn) => live.on(kind, fn),
    /** The log from a byte on, or its end (from is 0): {text, next}; next: where it goes on. */
    async log(id, from) {
      const ask = (params, Range) =>
        api.request("GET", `/runs/${id}/log`, { params, headers: Range ? { Range } : {}, signal });
      // An empty log has no ranges; and asked for from its last byte on, one without news is no error.
      if (!from && !(await (await ask({ tail: 1 })).text())) return { text: "", next: 0 };
      const response = await ask({}, from ? `bytes=${from - 1}-` : "bytes=-16384");
      const bytes = new Uint8Array(await response.arrayBuffer());
      const [, all] = /\/(\d+)$/.exec(response.headers.get("content-range") ?? "") ?? [];
      return { text: new TextDecoder().decode(bytes.subarray(from ? 1 : 0)), next: Number(all ?? 0) };
    },
  };
}

/** What a page brings along: the body of GET /timeline, and perhaps `limits`, `flows` (edges by
 * id), `why` and `details` (by id). */
export function stillSource(data) {
  const now = Date.parse(data.now);
  const none = async () => null;
  return {
    live: false, now: () => now, may: () => false, load: async () => data,
    limits: async () => data.limits ?? [], run: async (id) => data.details?.[id] ?? null, log: none, steps: async () => [],
    why: async (id) => data.why?.[id] ?? null, edges: async (id) => data.flows?.[id] ?? [],
    on: () => () => {},
  };
}
