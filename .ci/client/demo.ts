// The main job through a client that is generated from the document alone: consents in, a price falls, each who asked is told once,
// and whoever was not told can be told why. OTN_URL is the operator's door, OTN_KEY its key. Exits with 1 at the first surprise.

import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

declare const process: { env: Record<string, string | undefined>; exit(code: number): never };

const baseUrl = process.env["OTN_URL"] ?? "http://127.0.0.1:8081";
const client = (key: string) => createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${key}` } });
const admin = client(process.env["OTN_KEY"] ?? "");

type Problem = components["schemas"]["Problem"];
type Answer<T> = { data?: T; error?: Problem; response: Response };

function fail(what: string, saw: unknown): never {
  console.error(`${what}: ${JSON.stringify(saw)}`);
  process.exit(1);
}

// good is the answer of a call that must succeed.
function good<T>(what: string, a: Answer<T>): T {
  if (a.data === undefined) fail(what, a.error ?? a.response.status);
  return a.data;
}

// refused is the problem of a call that must not.
function refused<T>(what: string, a: Answer<T>, status: number, code: string): Problem {
  if (!a.error || a.error.status !== status || a.error.code !== code) fail(what, a.error ?? a.data);
  return a.error;
}

function want(what: string, got: unknown, wanted: unknown) {
  if (JSON.stringify(got) !== JSON.stringify(wanted)) fail(`${what}, want ${JSON.stringify(wanted)}`, got);
}

async function eventually<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  for (let tries = 0; tries < 200; tries++) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((go) => setTimeout(go, 50));
  }
  fail(what, "never came");
}

// firstEvents reads so many events from the stream.
async function firstEvents(n: number): Promise<string[]> {
  const abort = new AbortController();
  const { data, error } = await admin.GET("/v1/events", { headers: { Accept: "text/event-stream" }, parseAs: "stream", signal: abort.signal });
  if (!data) fail("stream", error);
  const kinds: string[] = [];
  const text = new TextDecoder();
  let rest = "";
  for await (const piece of data as unknown as AsyncIterable<Uint8Array>) {
    rest += text.decode(piece, { stream: true });
    const lines = rest.split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line.startsWith("event: ")) kinds.push(line.slice(7));
    if (kinds.length >= n) break;
  }
  abort.abort();
  return kinds;
}

await eventually("a channel that is ready", async () => {
  const { channels } = good("channels", await admin.GET("/v1/channels"));
  return channels.every((c) => c.state === "ready") ? true : undefined;
});

// The shop says what there is, and three people ask to be told.
const coat = (price: string) => ({ body: { observations: [{ kind: "item", id: "SKU-1", title: "Wool coat", price, stock: 3, sellable: true, url: "https://shop.example/coat" }] } });
want("observed", good("observe", await admin.POST("/v1/observations", coat("120.00 USD"))).changed, 1);
for (const [recipient, answers] of [["ann", { target: "100.00 USD" }], ["bob", { target: "80.00 USD" }], ["cid", {}]] as const) {
  const body = { channel: "shop", recipient, topic: "price-drop", subject: "SKU-1", token: `token-of-${recipient}`, answers };
  want(`consent of ${recipient}`, good("grant", await admin.POST("/v1/consents", { body })).added, true);
}
want("waiting", good("topics", await admin.GET("/v1/topics")).topics.find((t) => t.id === "price-drop")?.waiting, 3);

// The price falls: each who asked for that is told, once.
good("observe", await admin.POST("/v1/observations", coat("99.00 USD")));
const told = await eventually("deliveries", async () => {
  const { deliveries } = good("deliveries", await admin.GET("/v1/deliveries", { params: { query: { outcome: "sent" } } }));
  return deliveries.length === 2 ? deliveries : undefined;
});
const first = told[0] ?? fail("deliveries", told);
want("one delivery", good("delivery", await admin.GET("/v1/deliveries/{id}", { params: { path: { id: first.id } } })).outcome, "sent");
want("its run", (await eventually("a run that is done", async () => {
  const run = good("run", await admin.GET("/v1/runs/{id}", { params: { path: { id: first.run } } }));
  return run.state === "done" ? run : undefined;
})).sent, 2);

// Why was bob not told?
const why = good("decisions", await admin.GET("/v1/decisions", { params: { query: { subscriber: "bob" } } }));
want("bob's reason", why.reasons.some((r) => r.rule === "price-drop" && r.code === "when_false"), true);

// A send for later is made once, edited, cancelled.
const later = { topic: "price-drop", subject: "SKU-1", message: { text: "Last chance" }, at: "2099-01-01T10:00:00Z" };
const key = { header: { "Idempotency-Key": "demo-1" } };
const send = good("send", await admin.POST("/v1/sends", { params: key, body: later }));
const again = await admin.POST("/v1/sends", { params: key, body: later });
want("the same send", [good("send", again).id, again.response.headers.get("Idempotency-Replayed")], [send.id, "true"]);
refused("another send under the same key", await admin.POST("/v1/sends", { params: key, body: { ...later, subject: "SKU-2" } }), 422, "other_call");
const edited = good("edit", await admin.PATCH("/v1/sends/{id}", { params: { path: { id: send.id } }, body: { message: { text: "Very last chance" } } }));
want("edited", [edited.message.text, edited.reaches], ["Very last chance", 1]);
want("cancelled", good("cancel", await admin.DELETE("/v1/sends/{id}", { params: { path: { id: send.id } } })).state, "cancelled");

// A key that only looks, looks.
const made = good("key", await admin.POST("/v1/keys", { body: { name: "dashboard", scopes: ["read"] } }));
const reader = client(made.secret);
good("topics", await reader.GET("/v1/topics"));
refused("a reader that submits", await reader.POST("/v1/observations", coat("1.00 USD")), 403, "forbidden");
good("revoke", await admin.DELETE("/v1/keys/{id}", { params: { path: { id: made.id } } }));
refused("a key that is revoked", await reader.GET("/v1/topics"), 401, "unauthorized");

// The journal tells it all, and so does the audit log.
want("events", (await firstEvents(3)).length >= 3, true);
const audit = good("audit", await admin.GET("/v1/audit/verification"));
want("the audit log", [audit.faults.length, audit.entries > 8], [0, true]);

console.log(JSON.stringify({ told: told.map((d) => d.outcome), why: "when_false", entries: audit.entries }));
