// The border, in Node.js: handshake, mutual TLS, credits, deadlines, and the end of the process. A channel's author writes none of it.
//
//   serve({ name, version, schema, capabilities, open })
//
// open(config, setup) gives an instance, or throws a ConfigFault. An instance has one or more of
//
//   send(delivery, { signal })          one attempt to deliver
//   lookup(delivery, { signal })        what became of a delivery whose answer was lost
//   listen(cursor, keep, { signal })    hear what happens; keep(next, records) resolves when it is on disk
//   validate()                          ask the platform whether the configuration is good
//   close()
//
// What the calls mean is in otn.proto.

import { webcrypto, createPrivateKey, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import Ajv from 'ajv';

const protocol = 1; // major version
const maxFrame = 16 << 20; // bytes of one message on the connection
const maxBatch = 128; // results in one frame
const maxText = 512; // bytes of a code or a detail
const idSize = 25; // bytes of a delivery's id
const maxHeard = 1000; // records that are kept at once
const closing = 1000; // milliseconds that close() may hold up the end
const leaving = 500; // milliseconds that a listening whose host has left may take to return

// SendError says what becomes of a message that was not accepted. outcome: 'refused', 'deferred' or 'invalid'; anything else that send
// throws is unknown. scope: 'message', 'subscriber' or 'channel'; after: milliseconds; code: a word, few values. The text quotes no secret.
export class SendError extends Error {
  constructor(outcome, message, { scope = 'message', code = '', after = 0 } = {}) {
    super(message);
    Object.assign(this, { outcome, scope, code, after });
  }
}

// notSent says that certainly nothing left: the connection never opened, say.
export const notSent = (message) => new SendError('deferred', message, { code: 'not_sent' });

// ConfigFault is a fault of the configuration, at a path as in steps[2].after. The text quotes no secret.
export class ConfigFault extends Error {
  constructor(path, message) {
    super(message);
    this.path = path;
  }
}

// serve is a plugin's main. Run by hand with OTN_DEBUG=1 (and node --inspect), it waits for an otn that attaches to it.
export async function serve(plugin) {
  if (process.env.OTN_PLUGIN !== 'tell-me-once' && process.env.OTN_DEBUG) return debug(plugin);
  if (process.env.OTN_PLUGIN !== 'tell-me-once') {
    console.error(`${plugin.name} ${plugin.version} is a plugin of otn, which launches it by itself: name this file as a channel's plugin in otn.yaml. OTN_DEBUG=1 runs it by hand.`);
    process.exit(2);
  }
  if (!(process.env.PLUGIN_PROTOCOL_VERSIONS ?? '').split(',').includes(String(protocol))) {
    console.error(`otn speaks the versions ${process.env.PLUGIN_PROTOCOL_VERSIONS} of its protocol, this plugin speaks ${protocol}`);
    process.exit(1);
  }
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => {}); // the host's to handle

  const border = new Border(plugin);
  process.stdin.on('end', () => border.exit()).on('error', () => border.exit()).resume(); // nobody is left to answer to
  const { key, pem, der } = await certificate();
  const hosts = Buffer.from(process.env.PLUGIN_CLIENT_CERT ?? '');
  const path = await border.listenAt(grpc.ServerCredentials.createSsl(hosts, [{ private_key: key, cert_chain: pem }], true));
  process.stdout.write(`1|${protocol}|unix|${path}|grpc|${der.toString('base64').replace(/=+$/, '')}\n`);
  process.stdout.write = process.stderr.write.bind(process.stderr); // stdout was for the handshake; what is printed now is a line of otn's log
}

// debug serves until somebody interrupts it, on a socket that only this account can reach.
async function debug(plugin) {
  const border = new Border(plugin);
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => border.exit());
  const path = await border.listenAt(grpc.ServerCredentials.createInsecure());
  const where = JSON.stringify({ [plugin.name]: { pid: process.pid, addr: path } });
  console.error(`waiting for otn. In another terminal:\n\n\tOTN_REATTACH='${where}' otn serve\n`);
}

function service() {
  const options = { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true };
  const file = fileURLToPath(new URL('otn.proto', import.meta.url));
  return grpc.loadPackageDefinition(loader.loadSync(file, options)).otn.plugin.v1.Plugin.service;
}

// certificate makes one for this life of the process. The host trusts it and no other, because it stands in the handshake.
async function certificate() {
  x509.cryptoProvider.set(webcrypto);
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const day = 24 * 3600 * 1000;
  const made = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: '01' + randomBytes(15).toString('hex'), name: 'CN=localhost', keys, signingAlgorithm: algorithm,
    notBefore: new Date(Date.now() - day), notAfter: new Date(Date.now() + 3650 * day),
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyCertSign, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
      new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: 'localhost' }]),
    ],
  });
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey));
  const key = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }).export({ format: 'pem', type: 'pkcs8' });
  return { key: Buffer.from(key), pem: Buffer.from(made.toString('pem')), der: Buffer.from(made.rawData) };
}

// Border holds the open instances of one process.
class Border {
  constructor(plugin) {
    this.plugin = plugin;
    this.check = new Ajv({ allErrors: true, strict: false, useDefaults: true, logger: false }).compile(plugin.schema);
    this.open = new Map();
    this.inFlight = 0;
    this.hearings = 0;
    this.draining = false;
    this.idle = [];
  }

  calls() {
    const unary = (answer) => (call, callback) => Promise.resolve(call.request).then(answer.bind(this)).then((a) => callback(null, a), (err) => callback(rpcError(err)));
    return {
      Describe: unary(this.describe), Configure: unary(this.configure), Validate: unary(this.validate), Receive: unary(this.receive),
      Lookup: unary(this.lookup), Health: unary(this.health), Drain: unary(this.drain),
      Send: (call) => new Stream(this, call), Listen: (call) => new Hearing(this, call),
    };
  }

  // instance finds one by its name.
  instance(name) {
    const found = this.open.get(name);
    if (!found) throw Object.assign(new Error(`no instance ${JSON.stringify(name)} is configured`), { code: grpc.status.NOT_FOUND });
    return found;
  }

  capabilities(instance) {
    const can = { sends: true, multi_instance: true, max_in_flight: 1, ...this.plugin.capabilities, ...instance?.impl.capabilities };
    if (!instance) return can;
    const { send, listen, lookup } = instance.impl;
    return { ...can, sends: Boolean(send), listens: Boolean(listen), lookups: Boolean(lookup) };
  }

  describe({ instance }) {
    const one = instance ? this.instance(instance) : undefined;
    const { name, version, schema } = this.plugin;
    return { name, version, account: one?.impl.account ?? '', capabilities: this.capabilities(one), schema: Buffer.from(JSON.stringify(schema)) };
  }

  // configure opens an instance. The one that it replaces is closed when its last call has ended.
  async configure({ instance, revision, config, public_url }) {
    const old = this.open.get(instance);
    if (old?.revision === revision) return {};
    const read = this.read(config);
    if (read.faults) return read;
    try {
      const impl = await this.plugin.open(read.config, { instance, publicURL: public_url });
      this.open.set(instance, { impl, revision, calls: 0 });
    } catch (err) {
      return { faults: [{ path: err.path ?? '', message: clip(err.message) }] };
    }
    if (old) this.retire(old);
    return {};
  }

  // validate opens an instance that nobody else sees, lets it ask its platform where that is wanted, and closes it.
  async validate({ instance, config, public_url, deep }) {
    const read = this.read(config);
    if (read.faults) return read;
    let impl;
    let asked = false;
    try {
      impl = await this.plugin.open(read.config, { instance, publicURL: public_url });
      if (!deep || !impl.validate) return {};
      asked = true;
      await impl.validate();
      return { deep: true };
    } catch (err) {
      return { deep: asked, faults: [{ path: clip(err?.path ?? ''), message: clip(err?.message ?? err) }] };
    } finally {
      await impl?.close?.();
    }
  }

  // lookup says what became of a delivery. What nobody understands is unknown.
  async lookup(wire) {
    const { impl } = this.instance(wire.instance);
    if (!impl.lookup) throw Object.assign(new Error(`plugin ${this.plugin.name} looks nothing up`), { code: grpc.status.UNIMPLEMENTED });
    try {
      return sent(await impl.lookup(deliveryOf(wire), { signal: AbortSignal.timeout(10_000) }));
    } catch (err) {
      return failed(err);
    }
  }

  // read checks a configuration against the schema and fills in its defaults. No fault quotes a value.
  read(text) {
    let config;
    try {
      config = JSON.parse(text.toString() || '{}');
    } catch {
      return { faults: [{ message: 'not a JSON object' }] };
    }
    if (this.check(config)) return { config };
    return { faults: this.check.errors.map((e) => ({ path: pathOf(e), message: clip(e.keyword === 'additionalProperties' ? 'unknown key' : e.message) })) };
  }

  retire(instance) {
    instance.retired = true;
    if (instance.calls === 0) Promise.resolve(instance.impl.close?.()).catch((err) => console.error('close:', err));
  }

  // receive: this kit takes no webhooks.
  receive({ instance }) {
    this.instance(instance);
    return { http_status: 404 };
  }

  health() {
    return { in_flight: this.inFlight, polling: this.hearings };
  }

  // drain starts nothing new, and answers when what was started is answered, or after the grace.
  async drain({ grace_ns }) {
    this.draining = true;
    const before = this.inFlight;
    let timer;
    const grace = new Promise((resolve) => { timer = setTimeout(resolve, Math.min(Number(grace_ns) / 1e6, 2 ** 31 - 1)); });
    if (before > 0) await Promise.race([grace, new Promise((resolve) => this.idle.push(resolve))]);
    clearTimeout(timer);
    return { finished: Math.max(before - this.inFlight, 0), abandoned: this.inFlight };
  }

  // send is one delivery, from message to result. It never throws.
  async send(wire, signal) {
    const instance = this.open.get(wire.instance);
    if (this.draining) return failed(new SendError('deferred', 'the plugin is being stopped', { scope: 'channel', code: 'draining' }));
    if (instance && !instance.impl.send) return failed(new SendError('invalid', `plugin ${this.plugin.name} cannot send`, { scope: 'channel', code: 'cannot_send' }));
    if (!instance) return failed(new SendError('invalid', `no instance ${JSON.stringify(wire.instance)} is configured`, { scope: 'channel', code: 'unknown_instance' }));
    if (wire.id.length !== idSize) return failed(new SendError('invalid', 'a delivery without an id', { code: 'malformed' }));
    if (wire.reply && !this.capabilities(instance).replies) return failed(new SendError('invalid', `plugin ${this.plugin.name} cannot reply`, { scope: 'channel', code: 'cannot_reply' }));
    const deadline = dateOf(wire.deadline);
    if (deadline && deadline < Date.now()) return failed(new SendError('deferred', 'the deadline passed before it was started', { code: 'expired' }));
    this.inFlight++;
    instance.calls++;
    try {
      return sent(await Promise.race([instance.impl.send(deliveryOf(wire, deadline), { signal }), aborted(signal)]));
    } catch (err) {
      return failed(err);
    } finally {
      if (--instance.calls === 0 && instance.retired) this.retire(instance);
      if (--this.inFlight === 0) this.idle.splice(0).forEach((resolve) => resolve());
    }
  }

  // listenAt serves, and gives the path of the socket.
  async listenAt(credentials) {
    const server = new grpc.Server({ 'grpc.max_receive_message_length': maxFrame, 'grpc.max_send_message_length': maxFrame });
    server.addService(service(), this.calls());
    const path = this.socket();
    await new Promise((resolve, reject) => server.bindAsync(`unix:${path}`, credentials, (err) => (err ? reject(err) : resolve())));
    return path;
  }

  socket() {
    const given = process.env.PLUGIN_UNIX_SOCKET_DIR;
    this.dir = given ? undefined : mkdtempSync(join(tmpdir(), 'otn-'));
    this.path = join(given || this.dir, `node${process.pid}`);
    return this.path;
  }

  // exit closes every instance, and waits for none longer than closing.
  async exit() {
    setTimeout(() => process.exit(0), closing);
    await Promise.allSettled([...this.open.values()].map(async (i) => i.impl.close?.()));
    for (const path of [this.path, this.dir]) if (path) rmSync(path, { recursive: true, force: true });
    process.exit(0);
  }
}

// Stream is the stream of deliveries: as many at once as were granted, each answered once, results packed as they come.
class Stream {
  constructor(border, call) {
    Object.assign(this, { border, call, open: new Map(), results: [], ended: false, flushing: false });
    this.credits = Math.max(1, ...[...border.open.values()].map((i) => border.capabilities(i).max_in_flight));
    call.on('data', (frame) => this.frame(frame)).on('end', () => { this.ended = true; this.flush(); });
    call.on('cancelled', () => this.abandon()).on('error', () => this.abandon());
    call.write({ credits: this.credits });
  }

  frame({ deliveries, cancels }) {
    for (const d of deliveries) this.begin(d);
    for (const seq of cancels) this.open.get(seq)?.abort();
  }

  // begin starts one delivery. A host that sends more than it was granted, or a seq twice, is at fault and loses the stream.
  begin(wire) {
    if (this.open.has(wire.seq) || this.open.size >= this.credits) {
      this.abandon();
      this.call.emit('error', { code: grpc.status.FAILED_PRECONDITION, details: `delivery ${wire.seq} is one too many` });
      return;
    }
    const cancel = new AbortController();
    const giveUp = dateOf(wire.give_up);
    const timer = giveUp && setTimeout(() => cancel.abort(), Math.min(Math.max(giveUp - Date.now(), 0), 2 ** 31 - 1));
    this.open.set(wire.seq, cancel);
    this.border.send(wire, cancel.signal).then((result) => {
      clearTimeout(timer);
      this.open.delete(wire.seq);
      this.results.push({ seq: wire.seq, ...result });
      if (!this.flushing) setImmediate(() => this.flush()); // who is about to answer does so first: fuller frames, and no wait
      this.flushing = true;
    });
  }

  flush() {
    this.flushing = false;
    if (this.gone) return;
    while (this.results.length > 0) this.call.write({ results: this.results.splice(0, maxBatch) });
    if (this.ended && this.open.size === 0) this.call.end();
  }

  abandon() {
    this.gone = true;
    for (const cancel of this.open.values()) cancel.abort();
  }
}

// Hearing is one listening: what the instance hears goes to the host, the next when the one before is on disk there.
class Hearing {
  constructor(border, call) {
    Object.assign(this, { border, call, seq: 0, turn: Promise.resolve(), stop: new AbortController() });
    call.on('cancelled', () => this.leave()).on('error', () => this.leave()).on('end', () => this.leave());
    call.on('data', (frame) => (this.begun ? this.kept?.(frame) : this.begin(frame)));
  }

  leave() {
    this.stop.abort(new Error('nobody listens any longer'));
    this.lost?.(this.stop.signal.reason);
  }

  // begin listens for the instance that the first frame names. One that is still at it keeps the next one out.
  async begin({ instance: name, cursor }) {
    this.begun = true;
    const instance = this.border.open.get(name);
    if (!instance) return this.refuse(grpc.status.NOT_FOUND, `no instance ${JSON.stringify(name)} is configured`);
    if (!instance.impl.listen) return this.refuse(grpc.status.UNIMPLEMENTED, `plugin ${this.border.plugin.name} does not listen`);
    for (const end = Date.now() + leaving; instance.hearing && Date.now() < end; ) await new Promise((resolve) => setTimeout(resolve, 10));
    if (instance.hearing) return this.refuse(grpc.status.FAILED_PRECONDITION, 'the listening before this one has not returned');
    instance.hearing = true;
    instance.calls++;
    this.border.hearings++;
    let end = {};
    try {
      this.stop.signal.throwIfAborted();
      await instance.impl.listen(cursor, (next, records = []) => this.keep(next, records), { signal: this.stop.signal });
      if (this.failure) throw this.failure;
    } catch (err) {
      end = endOf(this.failure ?? err);
    }
    this.over = true;
    instance.hearing = false;
    this.border.hearings--;
    if (--instance.calls === 0 && instance.retired) this.border.retire(instance);
    this.call.write({ end });
    this.call.end();
  }

  refuse(code, details) {
    this.call.emit('error', { code, details: clip(details) });
  }

  // keep resolves when the host has records and cursor on disk. Calls take turns; behind one that failed none succeeds.
  keep(next, records) {
    this.turn = this.turn.then(() => this.tell(next, records));
    this.turn.catch((err) => { this.failure ??= err; });
    return this.turn;
  }

  async tell(next, records) {
    this.stop.signal.throwIfAborted();
    if (this.over) throw new Error('the listening is over');
    if (records.length > maxHeard) throw new Error(`${records.length} records at once, the limit is ${maxHeard}`);
    const seq = String(++this.seq);
    const answer = new Promise((resolve, reject) => Object.assign(this, { kept: resolve, lost: reject }));
    this.call.write({ seq, next, records: records.map(wireOf) });
    const { kept } = await answer;
    if (kept !== seq) throw new Error(`the host keeps ${kept}, and was given ${seq}`);
  }
}

// endOf is how a listening ended, as the host is told it.
function endOf(err) {
  const after = err instanceof SendError ? Math.max(0, Math.round(err.after * 1e6)) : 0;
  return { fault: clip(err?.message || err || 'the listening failed'), after_ns: String(after) };
}

// wireOf is a record as it crosses: every Date a timestamp.
function wireOf(value) {
  if (value instanceof Date) return { seconds: String(Math.floor(value.getTime() / 1000)), nanos: (((value.getTime() % 1000) + 1000) % 1000) * 1e6 };
  if (Array.isArray(value)) return value.map(wireOf);
  if (value === null || typeof value !== 'object' || Buffer.isBuffer(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, wireOf(v)]));
}

// deliveryOf is a delivery as an author sees it.
function deliveryOf(d, deadline) {
  return {
    id: d.id.toString('hex'), instance: d.instance, token: d.token?.secret ?? '', account: d.token?.account ?? '', reply: d.reply,
    subscriber: { id: d.subscriber?.id ?? '', address: d.subscriber?.address ?? '' }, message: d.message ?? { text: '' }, attempt: Number(d.attempt), deadline,
  };
}

function sent(receipt) {
  return { outcome: 'OUTCOME_SENT', provider_id: clip(receipt?.providerID ?? ''), code: clip(receipt?.code ?? '') };
}

// failed is the result of a throw. What nobody understands is unknown: a message too few can be mended, one too many cannot.
function failed(err) {
  if (!(err instanceof SendError) || !['refused', 'deferred', 'invalid'].includes(err.outcome)) {
    return { outcome: 'OUTCOME_UNKNOWN', code: clip(err?.code || 'unclassified'), detail: clip(err?.message ?? err) };
  }
  const scope = ['message', 'subscriber', 'channel'].includes(err.scope) ? err.scope : 'message';
  return { outcome: `OUTCOME_${err.outcome.toUpperCase()}`, scope: `SCOPE_${scope.toUpperCase()}`, code: clip(err.code), detail: clip(err.message), after_ns: String(Math.max(0, Math.round(err.after * 1e6))) };
}

// aborted never resolves, and rejects when nobody waits any longer.
function aborted(signal) {
  return new Promise((_, reject) => {
    const give = () => reject(Object.assign(new Error('nobody waits any longer'), { code: 'gave_up' }));
    if (signal.aborted) give();
    else signal.addEventListener('abort', give, { once: true });
  });
}

function rpcError(err) {
  return { code: err.code ?? grpc.status.INTERNAL, details: clip(err.message) };
}

function dateOf(timestamp) {
  return timestamp ? new Date(Number(timestamp.seconds) * 1000 + timestamp.nanos / 1e6) : undefined;
}

// pathOf is where a fault is, as in steps[2].after.
function pathOf({ instancePath, params }) {
  const parts = instancePath.split('/').slice(1).map((p) => p.replaceAll('~1', '/').replaceAll('~0', '~'));
  parts.push(...[params.missingProperty ?? params.additionalProperty ?? []].flat());
  return clip(parts.map((p, n) => (/^\d+$/.test(p) ? `[${p}]` : (n ? '.' : '') + p)).join(''));
}

// clip makes any text fit to cross.
function clip(text) {
  const bytes = Buffer.from(String(text));
  if (bytes.length <= maxText) return bytes.toString();
  return new TextDecoder().decode(bytes.subarray(0, maxText), { stream: true });
}
